//! `ADD`: files of the context, of a URL, of a git repository.

use super::copy::Shared;
use super::planner::{Planner, State};
use super::{Add, Added};
use crate::dockerfile::ignore::clean;
use crate::dockerfile::instruction::AddText;
use crate::dockerfile::line::Text;
use crate::dockerfile::mount::yes;

impl Planner<'_> {
    pub(super) fn add(&mut self, state: &State, text: &AddText) -> Option<Add> {
        let shared = self.files(state, &text.files)?;
        let checksum = match &text.checksum {
            Some(checksum) => self.checksum(state, checksum, &shared)?,
            None => None,
        };
        let Shared { sources, documents, to, owner, mode, exclude } = shared;
        let mut added = Vec::new();
        for (at, source) in sources {
            if is_git(&source) {
                added.extend(self.git(&at, &source, text.keep_git_dir, checksum.as_deref()));
            } else if is_url(&source) {
                let path = source.split(['?', '#']).next().unwrap_or_default();
                let path = path.split_once("://").map_or("", |(_, rest)| rest);
                let name = path.split_once('/').map_or("", |(_, path)| path.trim_end_matches('/'));
                let name = name.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("__unnamed__");
                let (name, unpack) = (name.to_owned(), text.unpack.unwrap_or(false));
                added.push(Added::Url { url: source, name, checksum: checksum.clone(), unpack });
            } else {
                let path = clean(&format!("/{source}"));
                added.push(Added::Path { path, unpack: text.unpack.unwrap_or(true) });
            }
        }
        Some(Add { sources: added, documents, to, owner, mode, link: text.files.link, exclude })
    }

    /// `--checksum=`, which has to have one source that can be checked.
    fn checksum(&mut self, state: &State, text: &Text, shared: &Shared) -> Option<Option<String>> {
        let value = self.word(state, text)?;
        if value.is_empty() {
            return Some(None);
        }
        let hex = |text: &str, lengths: &[usize]| {
            lengths.contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let fits = match &shared.sources[..] {
            [(_, source)] if is_git(source) => {
                let known = value.len() >= 7 && value.len() <= 64 && hex(&value, &[value.len()]);
                known.then_some(()).ok_or("expected the hash of a commit")
            }
            [(_, source)] if is_url(source) => {
                let known = match value.split_once(':') {
                    Some(("sha256", digits)) => hex(digits, &[64]),
                    Some(("sha384", digits)) => hex(digits, &[96]),
                    Some(("sha512", digits)) => hex(digits, &[128]),
                    _ => false,
                };
                known.then_some(()).ok_or("expected `sha256:` and 64 hexadecimal digits")
            }
            [_] => Err("only a URL or a git repository has one"),
            _ => Err("expected one source"),
        };
        if let Err(label) = fits {
            self.wrong(text.span.clone(), format!("`{value}` is no checksum of what is added"), label, None);
            return None;
        }
        Some(Some(value))
    }

    /// `URL[?key=value&…][#reference[:folder]]`.
    fn git(&mut self, at: &Text, source: &str, keep: Option<bool>, checksum: Option<&str>) -> Option<Added> {
        let (rest, fragment) = source.split_once('#').unwrap_or((source, ""));
        let (remote, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (reference, folder) = fragment.split_once(':').unwrap_or((fragment, ""));
        let mut git = Git {
            reference: text(reference),
            folder: text(folder),
            commit: None,
            keep_git_dir: None,
            submodules: true,
        };
        let mut wrong = git.query(query).err();
        let commit = checksum.map(str::to_owned);
        match (&git.commit, &commit) {
            (Some(own), Some(flag)) if own != flag => {
                wrong = Some(format!("the flag says another commit: `{flag}`"));
            }
            (None, _) => git.commit = commit,
            _ => {}
        }
        if keep.is_some() && git.keep_git_dir.is_some() && keep != git.keep_git_dir {
            wrong = Some("the flag says something else about `.git`".to_owned());
        }
        if let Some(label) = wrong {
            self.wrong(
                at.span.clone(),
                format!("`{source}` contradicts itself, or is not read"),
                label,
                None,
            );
            return None;
        }
        Some(Added::Git {
            remote: remote.to_owned(),
            reference: git.reference,
            commit: git.commit,
            folder: git.folder,
            keep_git_dir: git.keep_git_dir.or(keep).unwrap_or(false),
            submodules: git.submodules,
        })
    }
}

/// What a URL of git says beside where it is.
struct Git {
    reference: Option<String>,
    folder: Option<String>,
    commit: Option<String>,
    keep_git_dir: Option<bool>,
    submodules: bool,
}

impl Git {
    fn query(&mut self, query: &str) -> Result<(), String> {
        let (mut tag, mut branch) = (None, None);
        let mut seen = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').map_or((part, None), |(k, v)| (k, text(v)));
            if seen.contains(&key) {
                return Err(format!("`{key}` stands there twice"));
            }
            seen.push(key);
            let truth = |value: &Option<String>| match value {
                None => Ok(true),
                Some(value) => {
                    yes(value).ok_or_else(|| format!("`{key}={value}`: expected `true` or `false`"))
                }
            };
            match (key, value) {
                ("keep-git-dir", value) => self.keep_git_dir = Some(truth(&value)?),
                ("submodules", value) => self.submodules = truth(&value)?,
                // How it is fetched, and times that a tree has none of.
                ("fetch-by-commit", value) => drop(truth(&value)?),
                ("mtime", Some(value)) if value == "checkout" || value == "commit" => {}
                ("ref", Some(value)) => same(&mut self.reference, value)?,
                ("subdir", Some(value)) => same(&mut self.folder, value)?,
                ("tag", Some(value)) => tag = Some(prefixed("refs/tags/", value)),
                ("branch", Some(value)) => branch = Some(prefixed("refs/heads/", value)),
                ("checksum" | "commit", Some(value)) => same(&mut self.commit, value)?,
                (_, None) => return Err(format!("`{key}` has no value")),
                _ => return Err(format!("`{key}` is not known")),
            }
        }
        if tag.is_some() && branch.is_some() {
            return Err("a tag and a branch".to_owned());
        }
        if let Some(reference) = tag.or(branch) {
            same(&mut self.reference, reference)?;
        }
        if self.reference.is_none() {
            self.reference = self.commit.clone();
        }
        Ok(())
    }
}

fn same(known: &mut Option<String>, value: String) -> Result<(), String> {
    if known.as_ref().is_some_and(|known| *known != value) {
        return Err(format!("`{value}` where another is said"));
    }
    *known = Some(value);
    Ok(())
}

fn prefixed(prefix: &str, value: String) -> String {
    if value.starts_with(prefix) { value } else { format!("{prefix}{value}") }
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether a source is a file at a URL.
pub(super) fn is_url(source: &str) -> bool {
    (source.starts_with("http://") || source.starts_with("https://")) && !is_git(source)
}

/// Whether a source is a git repository: `git://`, `ssh://`, `user@host:path`, or a URL whose path ends in `.git`.
pub(super) fn is_git(source: &str) -> bool {
    if source.starts_with("git://") || source.starts_with("ssh://") {
        return true;
    }
    if source.starts_with("http://") || source.starts_with("https://") {
        return source.split(['#', '?']).next().is_some_and(|url| url.ends_with(".git"));
    }
    let Some((user, rest)) = source.split_once('@') else { return false };
    let Some((host, _)) = rest.split_once(':') else { return false };
    let fits = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    fits(user, "_-") && fits(host, "-.")
}
