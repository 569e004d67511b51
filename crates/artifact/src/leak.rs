//! Leaks: looks through a file, and all that lies in it, for what tells of a machine, a person or a secret.
//!
//! A [`Scanner`] knows what is wanted; [`Scanner::begin`] looks through one artifact, which may be one file or many. Archives
//! and compressed streams are opened to any depth, as they come and in constant memory where the format allows it (tar and
//! all compressors); formats that have their directory at the end, and programs, are held in memory, up to a bound. Every
//! byte is looked at once, for everything at once.
//!
//! Bytes in, findings out: what is allowed is the recipe's to say, what follows from it the caller's. Rules and what
//! counts as one: `docs/formats/leaks.md`.

mod advice;
mod elf;
mod needle;
mod walk;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use model::leak::Unread;
use model::{Leak, LeakRule, Sha256};

use walk::Walk;
use window::Matcher;

/// The version of what is found; goes into keys of caches.
pub const LEAK_VERSION: &str = "selfsame-leaks/2";

/// The machine that builds, and who uses it: as the caller knows them. What many machines have is not looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Its names.
    pub hosts: Vec<String>,
    /// Its users.
    pub users: Vec<String>,
    /// Folders of its own: homes, the checkout, the store.
    pub paths: Vec<String>,
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The paths that every build has: the build path, the home there.
    pub build_paths: Vec<String>,
    /// The machine.
    pub machine: Machine,
    /// Every form of each secret that was given, with the secret's name.
    pub secrets: Vec<(String, Vec<u8>)>,
    /// By which rules.
    pub rules: BTreeSet<LeakRule>,
}

/// What was found in an artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// By place, then rule: one for each rule and place.
    pub leaks: Vec<Leak>,
    /// How many there are beyond those, by rule: of no rule are more than 1000 kept.
    pub more: BTreeMap<LeakRule, u64>,
    /// What could not be looked into. Its bytes were looked at as they are.
    pub unread: Vec<Unread>,
}

/// Knows what is wanted.
pub struct Scanner {
    matcher: Matcher,
    users: BTreeSet<String>,
    hosts: BTreeSet<String>,
    rules: BTreeSet<LeakRule>,
    identity: Option<Sha256>,
}

impl Scanner {
    /// A scanner for what is wanted.
    #[must_use]
    pub fn new(wanted: &Wanted) -> Self {
        let needles = needle::needles(wanted);
        let (users, hosts) = (needle::users(wanted), needle::hosts(wanted));
        // What a secret is must not be remembered, be it as a digest.
        let identity = wanted.secrets.is_empty().then(|| {
            let texts: Vec<_> =
                needles.iter().map(|n| format!("{} {}", n.rule, String::from_utf8_lossy(&n.text))).collect();
            Sha256::of(format!("{LEAK_VERSION}\n{}\n{users:?}\n{hosts:?}", texts.join("\n")).as_bytes())
        });
        Self { matcher: Matcher::new(needles), users, hosts, rules: wanted.rules.clone(), identity }
    }

    /// Names what is looked for and how, so that an answer can be kept: the same bytes give the same answer. `None` if
    /// secrets are among it.
    #[must_use]
    pub const fn identity(&self) -> Option<Sha256> {
        self.identity
    }

    /// Begins to look through an artifact.
    #[must_use]
    pub fn begin(&self) -> Scanning<'_> {
        Scanning(Walk::new(self))
    }
}

/// An artifact that is being looked through.
pub struct Scanning<'s>(Walk<'s>);

impl Scanning<'_> {
    /// Looks through a file called `name`, which is the artifact.
    ///
    /// # Errors
    /// If `input` fails. What is in it, however damaged or hostile, is no error.
    pub fn file(&mut self, name: &str, input: &mut dyn Read) -> io::Result<()> {
        self.0.top(name, input)
    }

    /// Looks through a file that lies at `path` in the artifact, a folder, and at the path itself.
    ///
    /// # Errors
    /// As [`Scanning::file`].
    pub fn member(&mut self, path: &str, input: &mut dyn Read) -> io::Result<()> {
        self.0.within(path, |walk| {
            walk.field("name", path);
            walk.top(path, input)
        })
    }

    /// Looks at a symbolic link at `path`.
    pub fn link(&mut self, path: &str, target: &str) {
        self.0.within(path, |walk| {
            walk.field("name", path);
            walk.field("link", target);
        });
    }

    /// What was found.
    #[must_use]
    pub fn finish(self) -> Scan {
        self.0.finish()
    }
}

/// Leaks by place and rule.
type Leaks = BTreeMap<(String, LeakRule), Leak>;
