//! The index of a suite's binary packages.

use std::collections::{BTreeMap, BTreeSet};

use model::{Digest, RelPath};

use super::{DebianError, Version};
use model::deb822::{Paragraph, paragraphs};

/// One package of an index.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub name: String,
    pub version: String,
    pub arch: String,
    pub source: String,
    pub source_version: String,
    /// `Pre-Depends` and `Depends`: all must hold, each by any of its alternatives.
    pub depends: Vec<Vec<Relation>>,
    pub conflicts: Vec<Relation>,
    pub breaks: Vec<Relation>,
    /// Name and version, if one is given.
    pub provides: Vec<(String, Option<String>)>,
    pub path: String,
    pub digest: Digest,
}

/// `name [(OP version)]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation {
    pub name: String,
    pub constraint: Option<(Operator, String)>,
    /// As the package says it.
    pub text: String,
}

/// How a version is constrained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Earlier,
    EarlierOrEqual,
    Exactly,
    LaterOrEqual,
    Later,
}

impl Relation {
    /// Reads one relation; `None` if it is about another architecture than `arch`.
    pub(crate) fn parse(text: &str, arch: &str) -> Option<Self> {
        let text = text.trim();
        let (head, constraint) = match text.split_once('(') {
            None => (text, None),
            Some((head, rest)) => {
                let rest = rest.split(')').next().unwrap_or_default().trim();
                let end = rest.find(|c: char| !"<>=".contains(c)).unwrap_or(rest.len());
                let operator = match &rest[..end] {
                    "<<" => Operator::Earlier,
                    // A lone `<` or `>` is the old way to write `<=` and `>=` (deb-version(7)).
                    "<=" | "<" => Operator::EarlierOrEqual,
                    "=" => Operator::Exactly,
                    ">=" | ">" => Operator::LaterOrEqual,
                    ">>" => Operator::Later,
                    _ => return None,
                };
                (head, Some((operator, rest[end..].trim().to_owned())))
            }
        };
        let name = head.split(['[', '<']).next().unwrap_or_default().trim();
        let name = match name.split_once(':') {
            Some((name, "any" | "native")) => name,
            Some((name, qualifier)) if qualifier == arch => name,
            Some(_) => return None,
            None => name,
        };
        (!name.is_empty()).then(|| Self { name: name.to_owned(), constraint, text: text.to_owned() })
    }

    /// Whether `version` is as constrained.
    pub(crate) fn admits(&self, version: &str) -> bool {
        let Some((operator, bound)) = &self.constraint else { return true };
        let order = Version::new(version).cmp(&Version::new(bound));
        match operator {
            Operator::Earlier => order.is_lt(),
            Operator::EarlierOrEqual => order.is_le(),
            Operator::Exactly => order.is_eq(),
            Operator::LaterOrEqual => order.is_ge(),
            Operator::Later => order.is_gt(),
        }
    }

    /// Whether `package` satisfies it, itself or by what it provides.
    pub(crate) fn satisfied_by(&self, package: &Package) -> bool {
        (package.name == self.name && self.admits(&package.version))
            || package.provides.iter().any(|(name, version)| {
                *name == self.name
                    && match version {
                        Some(version) => self.admits(version),
                        // An unversioned provision satisfies no versioned dependency (Policy 7.5).
                        None => self.constraint.is_none(),
                    }
            })
    }
}

/// Every package of a suite, by name and by what it provides.
#[derive(Debug, Default)]
pub(crate) struct Index {
    text: Vec<(String, String)>,
    /// Name to (text, start, end), one for each version offered.
    real: BTreeMap<String, Vec<(usize, usize, usize)>>,
    /// Provided name to providers: rank of the priority, and name.
    virtuals: BTreeMap<String, BTreeSet<(usize, String)>>,
    essential: Vec<String>,
    arch: String,
}

impl Index {
    pub(crate) fn new(arch: &str) -> Self {
        Self { arch: arch.to_owned(), ..Self::default() }
    }

    /// Adds one `Packages` file.
    pub(crate) fn add(&mut self, url: String, text: String) {
        let nth = self.text.len();
        let start = text.as_ptr() as usize;
        for paragraph in paragraphs(&text) {
            let (mut name, mut provides, mut essential, mut priority) = ("", "", false, "");
            for (field, value) in paragraph.fields() {
                match field {
                    "Package" => name = value,
                    "Provides" => provides = value,
                    "Priority" => priority = value,
                    "Essential" => essential = value == "yes",
                    _ => {}
                }
            }
            if name.is_empty() {
                continue;
            }
            let from = paragraph.text().as_ptr() as usize - start;
            let place = (nth, from, from + paragraph.text().len());
            self.real.entry(name.to_owned()).or_default().push(place);
            if essential {
                self.essential.push(name.to_owned());
            }
            let rank = PRIORITIES.iter().position(|p| *p == priority).unwrap_or(PRIORITIES.len());
            for relation in provides.split(',').filter_map(|r| Relation::parse(r, &self.arch)) {
                self.virtuals.entry(relation.name).or_default().insert((rank, name.to_owned()));
            }
        }
        self.text.push((url, text));
        self.essential.sort();
        self.essential.dedup();
    }

    /// The architecture whose packages these are.
    pub(crate) fn arch(&self) -> &str {
        &self.arch
    }

    /// Names of the packages that every system has.
    pub(crate) fn essential(&self) -> &[String] {
        &self.essential
    }

    /// All versions of a package, the latest first.
    pub(crate) fn versions(&self, name: &str) -> Result<Vec<Package>, DebianError> {
        let mut list = Vec::new();
        for (nth, from, to) in self.real.get(name).into_iter().flatten() {
            let (url, text) = &self.text[*nth];
            for paragraph in paragraphs(&text[*from..*to]) {
                list.push(read(url, paragraph, &self.arch)?);
            }
        }
        list.sort_by(|a, b| Version::new(&b.version).cmp(&Version::new(&a.version)));
        Ok(list)
    }

    /// Names of the packages that provide a virtual one: by priority, then by name.
    pub(crate) fn providers(&self, name: &str) -> Vec<String> {
        self.virtuals.get(name).into_iter().flatten().map(|(_, name)| name.clone()).collect()
    }
}

/// Priorities, the highest first (Policy 2.5).
const PRIORITIES: [&str; 4] = ["required", "important", "standard", "optional"];

fn read(url: &str, paragraph: Paragraph<'_>, arch: &str) -> Result<Package, DebianError> {
    let name = paragraph.get("Package").unwrap_or_default().to_owned();
    let fail = |reason: String| DebianError::Index {
        url: url.to_owned(),
        reason: format!("package `{name}`: {reason}"),
    };
    let need = |field: &str| paragraph.get(field).ok_or_else(|| fail(format!("no field `{field}`")));
    let list = |field: &str| {
        let value = paragraph.get(field).unwrap_or_default().split(',');
        value.filter_map(|r| Relation::parse(r, arch)).collect::<Vec<_>>()
    };
    let mut depends = Vec::new();
    for field in ["Pre-Depends", "Depends"] {
        for group in paragraph.get(field).unwrap_or_default().split(',').filter(|g| !g.trim().is_empty()) {
            let alternatives: Vec<Relation> =
                group.split('|').filter_map(|r| Relation::parse(r, arch)).collect();
            if alternatives.is_empty() {
                return Err(fail(format!("`{}` is for another architecture", group.trim())));
            }
            depends.push(alternatives);
        }
    }
    let version = need("Version")?.to_owned();
    let (source, source_version) = match paragraph.get("Source") {
        None => (name.clone(), version.clone()),
        Some(text) => match text.split_once('(') {
            None => (text.to_owned(), version.clone()),
            Some((source, rest)) => (source.trim().to_owned(), rest.trim_end_matches(')').trim().to_owned()),
        },
    };
    let provides = list("Provides")
        .into_iter()
        .map(|r| (r.name, r.constraint.filter(|(o, _)| *o == Operator::Exactly).map(|(_, v)| v)))
        .collect();
    let path = need("Filename")?.to_owned();
    path.parse::<RelPath>().map_err(|e| fail(e.to_string()))?;
    let sha256 = need("SHA256")?.parse().map_err(|e| fail(format!("{e}")))?;
    let size = need("Size")?.parse().map_err(|_| fail("its size is no number".into()))?;
    Ok(Package {
        version,
        arch: need("Architecture")?.to_owned(),
        source,
        source_version,
        depends,
        conflicts: list("Conflicts"),
        breaks: list("Breaks"),
        provides,
        path,
        digest: Digest { sha256, size },
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_read() {
        let r = |t: &str| Relation::parse(t, "amd64");
        let full = r(" libc6:any (>= 2.36-1) ").unwrap();
        assert_eq!((full.name.as_str(), full.admits("2.36-1"), full.admits("2.35")), ("libc6", true, false));
        assert_eq!(r("a:arm64"), None);
        assert!(r("a:amd64 (<< 2)").unwrap().admits("1"));
        assert!(r("a (= 1)").unwrap().admits("1") && !r("a (= 1)").unwrap().admits("1.1"));
        assert!(r("a (>> 1)").unwrap().admits("1.1") && r("a (<= 1)").unwrap().admits("1"));
        assert_eq!(r(""), None);
        assert_eq!(r("a (?? 1)"), None);
    }
}
