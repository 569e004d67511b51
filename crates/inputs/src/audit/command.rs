//! What commands do, wherever they stand: in a Dockerfile, a workflow, a Makefile, a script, a recipe.

mod download;
mod effect;
mod language;
mod system;

pub(crate) use language::is_channel;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::finding::Page;
use super::read::shell::{self, Command, Script, Word};

/// Where commands stand; rules speak differently of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// `RUN` of a Dockerfile.
    Image,
    /// A job of a CI system.
    Job,
    /// A script or Makefile of the repository.
    Script,
    /// A script of a package manifest.
    Package,
    /// A step of a recipe, which is sealed: its network is closed, its clock told.
    Recipe,
}

/// What is known of the repository as a whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// Every tracked path.
    pub(crate) paths: BTreeSet<String>,
    /// Requirement files in which every entry has a hash.
    pub(crate) hashed: BTreeSet<String>,
}

impl Facts {
    /// True if a file of that name is tracked anywhere.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.paths.iter().any(|path| path.rsplit('/').next() == Some(name))
    }
}

/// Commands, and where they stand.
pub(crate) struct Scene<'a> {
    pub(crate) place: Place,
    /// Where the script begins in the file.
    pub(crate) base: usize,
    pub(crate) script: &'a Script,
    pub(crate) facts: &'a Facts,
    /// Packages come from a dated snapshot.
    pub(crate) snapshot: bool,
}

impl Scene<'_> {
    pub(crate) fn span(&self, command: &Command) -> Range<usize> {
        let span = command.span().unwrap_or(0..0);
        self.base + span.start..self.base + span.end
    }

    pub(crate) fn word(&self, word: &Word) -> Range<usize> {
        self.base + word.span.start..self.base + word.span.end
    }

    /// True if a command after `index` compares what came with a hash or a signature.
    pub(crate) fn verified_after(&self, index: usize) -> bool {
        self.script.commands.iter().skip(index + 1).any(verifies)
    }
}

/// Programs that compute a hash.
const SUMS: &[&str] = &[
    "sha256sum",
    "sha512sum",
    "sha384sum",
    "sha224sum",
    "shasum",
    "sha256",
    "sha512",
    "b2sum",
    "b3sum",
    "gsha256sum",
    "rhash",
];

/// True for a command that compares something with a hash or a signature.
fn verifies(command: &Command) -> bool {
    let Some((program, arguments)) = command.program() else { return false };
    let has = |list: &[&str]| arguments.iter().any(|w| list.contains(&w.text.as_str()));
    match program {
        "gpg" | "gpg2" => has(&["--verify"]) || arguments.iter().any(|w| w.text.starts_with("--verify")),
        "gpgv" | "minisign" | "signify" | "slsa-verifier" => true,
        "cosign" => has(&["verify-blob", "verify-blob-attestation"]),
        "gh" => has(&["attestation"]),
        "openssl" => has(&["-verify", "dgst"]),
        "busybox" => arguments.first().is_some_and(|w| SUMS.contains(&w.text.as_str())),
        name => SUMS.contains(&name),
    }
}

/// Speaks of every command of a script that begins at `base` of the page's text.
pub(crate) fn commands(
    page: &mut Page<'_>,
    text: &str,
    base: usize,
    place: Place,
    facts: &Facts,
    known: &BTreeMap<String, String>,
) {
    let mut script = shell::read(text);
    for (name, value) in known {
        script.known.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let snapshot = has_snapshot(page.text);
    let scene = Scene { place, base, script: &script, facts, snapshot };
    if place != Place::Recipe {
        download::look(page, &scene);
        system::look(page, &scene);
    }
    language::look(page, &scene);
    effect::look(page, &scene);
}

/// A dated snapshot of an archive: `20240101T000000Z`, or the package manager's own option.
pub(crate) fn has_snapshot(text: &str) -> bool {
    let dated = text
        .as_bytes()
        .windows(16)
        .any(|w| w[8] == b'T' && w[15] == b'Z' && w[..8].iter().chain(&w[9..15]).all(u8::is_ascii_digit));
    dated || text.contains("APT::Snapshot")
}

/// Arguments that are no options, given which options take a value.
pub(crate) fn operands<'a>(arguments: &'a [Word], valued: &[&str]) -> Vec<&'a Word> {
    let mut list = Vec::new();
    let mut words = arguments.iter();
    let mut only = false;
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "--" => only = true,
            option if !only && option.starts_with('-') && option.len() > 1 => {
                if valued.contains(&option) {
                    words.next();
                }
            }
            _ => list.push(word),
        }
    }
    list
}

/// True if the arguments have one of these options, with or without `=VALUE`.
pub(crate) fn has(arguments: &[Word], options: &[&str]) -> bool {
    arguments.iter().any(|word| {
        let name = word.text.split('=').next().unwrap_or_default();
        options.contains(&name)
    })
}

/// The value of an option, as the next word or after `=`.
pub(crate) fn value<'a>(arguments: &'a [Word], options: &[&str]) -> Option<&'a str> {
    arguments.iter().enumerate().find_map(|(at, word)| match word.text.split_once('=') {
        Some((name, value)) if options.contains(&name) => Some(value),
        _ if options.contains(&word.text.as_str()) => arguments.get(at + 1).map(|w| w.text.as_str()),
        _ => None,
    })
}

/// True for a whole version: digits and dots, at least three parts, and what may follow.
pub(crate) fn is_exact(version: &str) -> bool {
    let version = version.trim_start_matches(['v', '=']);
    let bare = version.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = bare.split('.').collect();
    parts.len() >= 3
        && parts
            .iter()
            .all(|part| part.starts_with(|c: char| c.is_ascii_digit()) && !part.contains(['x', '*']))
}

/// True for a whole object id of git.
pub(crate) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}
