//! What a lockfile says and what was recorded must be the same bytes.
//!
//! A recording holds what a tool was given at lock time. Tools check their own lockfiles, but not all of them all of it
//! (pip checks nothing without `--require-hashes`), and none of them later. So each recorded file that a lockfile has
//! an entry for is hashed here in the way of that lockfile, and compared. What is recorded and in no lockfile, such as
//! Python's build backends, is listed: the recording alone pins it.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read};

use model::RelPath;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512};

use super::component::python_name;
use super::{Adapter, Algorithm, Checksum, Component, LockedFile, dirhash};

/// What was compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Agreement {
    /// How many recorded files a lockfile vouches for.
    pub checked: usize,
    /// Locators of recorded files that no lockfile has a usable hash for, in the order given.
    pub beyond: Vec<String>,
}

/// Why a recording and a lockfile do not agree.
#[derive(Debug, thiserror::Error)]
pub enum Disagreement {
    /// The recorded file has another hash than the lockfile says.
    #[error("{0}")]
    Hash(Box<Mismatch>),
    /// A recorded body cannot be read.
    #[error("{locator}: what was recorded cannot be read")]
    Read {
        /// Which.
        locator: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// One entry of a lockfile, and the other bytes that were recorded for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// `name@version`.
    pub component: String,
    /// The lockfile.
    pub lockfile: RelPath,
    /// The line of the entry; 0 if it is not known.
    pub line: usize,
    /// What was recorded.
    pub locator: String,
    /// What the lockfile says; several joined by ` or `.
    pub expected: String,
    /// Of what was recorded.
    pub found: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = if self.line == 0 { String::new() } else { format!(":{}", self.line) };
        write!(
            f,
            "{}{line}: {} was recorded with other bytes than the lockfile says ({})\n  expected {}\n  found    {}\n\
             fix: if the registry was right, make the lockfile anew; if not, do not use what was recorded",
            self.lockfile, self.component, self.locator, self.expected, self.found
        )
    }
}

/// Compares recorded files with the entries of lockfiles.
///
/// `fetched` gives of each recorded file its locator, relative to a registry or a whole URL, and what opens its bytes.
/// Only bodies of answers that brought the file belong here (status 200), and whole ones.
///
/// # Errors
/// At the first recorded file that does not have the hash of its entry, or cannot be read.
pub fn agree<L, O, R>(
    components: &[Component],
    fetched: impl IntoIterator<Item = (L, O)>,
) -> Result<Agreement, Disagreement>
where
    L: AsRef<str>,
    O: FnOnce() -> io::Result<R>,
    R: Read,
{
    let index = Index::new(components);
    let mut agreement = Agreement::default();
    for (locator, open) in fetched {
        let locator = locator.as_ref();
        let accepted = index.accepted(locator);
        let Some((component, accepted)) = accepted else {
            agreement.beyond.push(locator.to_owned());
            continue;
        };
        let read = |cause| Disagreement::Read { locator: locator.to_owned(), cause };
        let mut reader = open().map_err(read)?;
        let found = checksums(&mut reader, &accepted).map_err(read)?;
        if accepted.iter().any(|sum| found.contains(sum)) {
            agreement.checked += 1;
            continue;
        }
        let list = |sums: &[Checksum]| sums.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        return Err(Disagreement::Hash(Box::new(Mismatch {
            component: component.title(),
            lockfile: component.lockfile.clone(),
            line: component.line,
            locator: locator.to_owned(),
            expected: list(&accepted),
            found: list(&found),
        })));
    }
    Ok(agreement)
}

/// Entries by the last component of what they are fetched as.
struct Index<'a> {
    by_name: HashMap<String, Vec<(&'a Component, &'a LockedFile, &'a str)>>,
    /// Python's, by normal name and version: a file of any name that is a distribution of it.
    distributions: HashMap<(String, String), Vec<&'a Component>>,
}

impl<'a> Index<'a> {
    fn new(components: &'a [Component]) -> Self {
        let mut index = Self { by_name: HashMap::new(), distributions: HashMap::new() };
        for component in components {
            for file in &component.files {
                for end in &file.ends {
                    let name = plain(end.rsplit('/').next().unwrap_or_default());
                    index.by_name.entry(name).or_default().push((component, file, end));
                }
            }
            if component.adapter == Adapter::Pypi
                && let Some(version) = &component.version
            {
                let key = (python_name(&component.name), version_key(version));
                index.distributions.entry(key).or_default().push(component);
            }
        }
        index
    }

    /// The hashes of which a file must have one. `None` if no lockfile has any that can be checked.
    fn accepted(&self, locator: &str) -> Option<(&'a Component, Vec<Checksum>)> {
        let path = plain(locator.split(['?', '#']).next().unwrap_or_default());
        let name = path.rsplit('/').next().unwrap_or_default();
        let mut sums = Vec::new();
        let mut component = None;
        for (entry, file, end) in self.by_name.get(name).into_iter().flatten() {
            if path.ends_with(&plain(end)) {
                component.get_or_insert(*entry);
                sums.extend(file.accepted.iter().cloned());
            }
        }
        if component.is_none()
            && let Some(key) = distribution(name)
        {
            for entry in self.distributions.get(&key).into_iter().flatten() {
                component.get_or_insert(*entry);
                sums.extend(entry.files.iter().flat_map(|f| f.accepted.iter().cloned()));
            }
        }
        sums.retain(|sum| is_checkable(sum.algorithm));
        sums.sort();
        sums.dedup();
        // Where there is a strong hash, a weak one does not do.
        if let Some(best) = sums.iter().map(|s| s.algorithm).max()
            && best > Algorithm::Sha1
        {
            sums.retain(|sum| sum.algorithm > Algorithm::Sha1);
        }
        component.filter(|_| !sums.is_empty()).map(|c| (c, sums))
    }
}

fn is_checkable(algorithm: Algorithm) -> bool {
    !matches!(algorithm, Algorithm::Md5 | Algorithm::YarnArchive)
}

/// Percent-decoded, so that `@scope%2fname` and `@scope/name` are one.
fn plain(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digit = |i: usize| bytes.get(i).and_then(|b| char::from(*b).to_digit(16));
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high << 4 | low).expect("two hexadecimal digits are a byte"));
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Name and version of a wheel or a source distribution.
fn distribution(file: &str) -> Option<(String, String)> {
    if let Some(stem) = file.strip_suffix(".whl") {
        let mut parts = stem.split('-');
        return Some((python_name(parts.next()?), version_key(parts.next()?)));
    }
    let ends = [".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz"];
    let stem = ends.iter().find_map(|end| file.strip_suffix(end))?;
    let (name, version) = stem.rsplit_once('-')?;
    Some((python_name(name), version_key(version)))
}

/// A version as file names of different ages write it.
fn version_key(version: &str) -> String {
    version.to_ascii_lowercase().replace(['_', '+'], "-")
}

/// The hashes of all algorithms that `wanted` has, read in one go.
fn checksums(reader: &mut impl Read, wanted: &[Checksum]) -> io::Result<Vec<Checksum>> {
    let mut algorithms: Vec<Algorithm> = wanted.iter().map(|sum| sum.algorithm).collect();
    algorithms.dedup();
    if algorithms.iter().any(|a| matches!(a, Algorithm::GoZip | Algorithm::GoMod)) {
        let mut bytes = Vec::new();
        reader.take(dirhash::MAX + 1).read_to_end(&mut bytes)?;
        let sum = |algorithm: &Algorithm| match algorithm {
            Algorithm::GoZip => dirhash::zip(&bytes),
            _ => Ok(dirhash::go_mod(&bytes)),
        };
        return algorithms.iter().map(sum).collect();
    }
    let mut contexts: Vec<(Algorithm, Context)> = algorithms
        .into_iter()
        .filter_map(|algorithm| {
            let with = match algorithm {
                Algorithm::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
                Algorithm::Sha256 => &SHA256,
                Algorithm::Sha384 => &SHA384,
                Algorithm::Sha512 => &SHA512,
                _ => return None,
            };
            Some((algorithm, Context::new(with)))
        })
        .collect();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let n = reader.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        contexts.iter_mut().for_each(|(_, context)| context.update(&buffer[..n]));
    }
    Ok(contexts.into_iter().map(|(a, context)| Checksum::of(a, context.finish().as_ref())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecosystem::Origin;

    fn sum(text: &str) -> Checksum {
        let digest = ring::digest::digest(&SHA256, text.as_bytes());
        Checksum::of(Algorithm::Sha256, digest.as_ref())
    }

    fn component(adapter: Adapter, name: &str, ends: &[&str], content: &str) -> Component {
        let mut c = Component::new(adapter, &"the.lock".parse().unwrap(), name, Some("1.0"));
        c.line = 7;
        c.origin = Origin::Registry(None);
        c.files = vec![LockedFile {
            ends: ends.iter().map(|e| (*e).to_owned()).collect(),
            accepted: vec![sum(content)],
        }];
        c
    }

    fn compare(components: &[Component], fetched: &[(&str, &str)]) -> Result<Agreement, Disagreement> {
        agree(components, fetched.iter().map(|(l, body)| (*l, || Ok(body.as_bytes()))))
    }

    #[test]
    fn files_that_a_lockfile_knows_are_checked_and_others_listed() {
        let npm = component(Adapter::Npm, "@s/a", &["/@s/a/-/a-1.0.tgz"], "x");
        let wheel = component(Adapter::Pypi, "My.Pkg", &[], "y");
        let fetched = [
            ("npm:/@s%2fa/-/a-1.0.tgz?x=1", "x"),
            ("npm:/a/-/a-1.0.tgz", "not the one"),
            ("pypi:/packages/my_pkg-1.0-py3-none-any.whl", "y"),
            ("pypi:/packages/my_pkg-1.0-py3-none-any.whl.metadata", "m"),
            ("pypi:/packages/my_pkg-2.0.tar.gz", "z"),
        ];
        let agreement = compare(&[npm, wheel], &fetched).unwrap();
        assert_eq!(agreement.checked, 2);
        assert_eq!(agreement.beyond.len(), 3);
    }

    #[test]
    fn other_bytes_are_named_with_both_values() {
        let wheel = component(Adapter::Pypi, "pkg", &[], "y");
        let error = compare(&[wheel], &[("pypi:/pkg-1.0.tar.gz", "evil")]).unwrap_err().to_string();
        assert!(error.starts_with("the.lock:7: pkg@1.0 was recorded with other bytes"), "{error}");
        assert!(error.contains(&format!("expected {}", sum("y"))), "{error}");
        assert!(error.contains(&format!("found    {}", sum("evil"))), "{error}");
    }

    #[test]
    fn a_weak_hash_does_not_do_beside_a_strong_one() {
        let mut npm = component(Adapter::Npm, "a", &["/a-1.0.tgz"], "strong");
        let weak = ring::digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, b"weak");
        npm.files[0].accepted.push(Checksum::of(Algorithm::Sha1, weak.as_ref()));
        assert!(compare(std::slice::from_ref(&npm), &[("/a-1.0.tgz", "weak")]).is_err());
        npm.files[0].accepted.remove(0);
        assert_eq!(compare(&[npm], &[("/a-1.0.tgz", "weak")]).unwrap().checked, 1);
    }

    #[test]
    fn what_cannot_be_checked_is_not_said_to_be() {
        let mut yarn = component(Adapter::Npm, "a", &["/a-1.0.tgz"], "");
        yarn.files[0].accepted = vec![Checksum { algorithm: Algorithm::YarnArchive, hex: "ab".into() }];
        assert_eq!(compare(&[yarn], &[("/a-1.0.tgz", "x")]).unwrap().beyond.len(), 1);
    }
}
