//! The table `[toolchain]`: what each kind needs, and what has no meaning for it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::super::checker::Checker;
use super::super::raw::{At, RawToolArchive, RawToolchain, nearest};
use super::super::{Base, Debian, Locator, ToolArchive, Toolchain};
use crate::{Purl, RelPath};

/// Every kind, in the order of the documentation.
const KINDS: [&str; 4] = ["debian", "image", "archive", "host"];

/// Types of purl whose registries carry tools as packages.
const TOOLS: [&str; 3] = ["golang", "npm", "pypi"];

impl Checker {
    /// Lowers the table.
    pub(super) fn toolchain(&mut self, table: &At<RawToolchain>) -> Option<Toolchain> {
        let t = table.get_ref();
        let kind = t.kind.get_ref().as_str();
        let before = self.list.len();
        if !KINDS.contains(&kind) {
            let help = match nearest(kind, KINDS.into_iter()) {
                Some(near) => format!("did you mean `kind = \"{near}\"`?"),
                None => format!("known kinds: {}", KINDS.join(", ")),
            };
            self.wrong(&t.kind, "unknown kind of toolchain", format!("found `{kind}`"), Some(help));
        }
        self.strangers(t, kind);
        let arch = t.arch.as_ref().map_or(Some("amd64".into()), |a| self.word(a, "architecture"));
        let base = match kind {
            "debian" => self.debian(t).map(Base::Debian),
            "image" => self.image(t, arch.as_deref()),
            "host" => self.programs(t),
            "archive" => {
                if t.archives.is_empty() {
                    let help = "add `[[toolchain.archive]]` with `url`, `sha256` and `at`";
                    self.wrong(&t.kind, "a toolchain of nothing", "no archive is named", Some(help.into()));
                }
                Some(Base::Empty)
            }
            _ => None,
        };
        let archives = self.archives(&t.archives);
        if self.list.len() > before {
            return None;
        }
        Some(Toolchain { arch: arch?, base: base?, archives: archives? })
    }

    /// Keys that belong to another kind.
    fn strangers(&mut self, t: &RawToolchain, kind: &str) {
        fn span<T>(at: &Option<At<T>>) -> Option<Range<usize>> {
            at.as_ref().map(At::span)
        }
        for (key, owner, span) in [
            ("packages", "debian", span(&t.packages)),
            ("suite", "debian", span(&t.suite)),
            ("components", "debian", span(&t.components)),
            ("mirror", "debian", span(&t.mirror)),
            ("snapshot", "debian", span(&t.snapshot)),
            ("snapshot-mirror", "debian", span(&t.snapshot_mirror)),
            ("keyring", "debian", span(&t.keyring)),
            ("image", "image", span(&t.image)),
            ("programs", "host", span(&t.programs)),
        ] {
            if let Some(span) = span
                && owner != kind
                && KINDS.contains(&kind)
            {
                let label = format!("`{key}` belongs to a toolchain with `kind = \"{owner}\"`");
                let help = Some(format!("remove `{key}`, or write `kind = \"{owner}\"`"));
                self.wrong_at(span, "this key has no meaning here", label, help);
            }
        }
    }

    /// What a kind cannot do without.
    fn needed<'a, T>(&mut self, kind: &At<String>, key: &str, value: Option<&'a T>) -> Option<&'a T> {
        if value.is_none() {
            let label = format!("`{}` needs `{key}`", kind.get_ref());
            self.wrong(kind, "a key is missing", label, Some(format!("add `{key} = …` below")));
        }
        value
    }

    fn debian(&mut self, t: &RawToolchain) -> Option<Debian> {
        let suite = self.needed(&t.kind, "suite", t.suite.as_ref());
        let list = self.needed(&t.kind, "packages", t.packages.as_ref());
        let mut packages = BTreeSet::new();
        for package in list.iter().flat_map(|p| p.get_ref()) {
            let text = package.get_ref();
            if !is_package(text) {
                let label = "expected NAME, NAME=VERSION or a dependency such as `NAME (>= VERSION) | OTHER`; a name has \
                             lower-case letters, digits and `+ . -`";
                self.wrong(package, "not a Debian package name", label, None);
            } else if !packages.insert(text.clone()) {
                self.wrong(package, "this package stands twice", "", Some("remove one".into()));
            }
        }
        if let Some(list) = list.filter(|list| list.get_ref().is_empty()) {
            let help = "for C, write `packages = [\"gcc\", \"libc6-dev\", \"make\"]`";
            self.wrong(list, "a toolchain without packages", "", Some(help.into()));
        }
        let suite = suite.and_then(|s| self.word(s, "suite"));
        let mut components = BTreeSet::new();
        for component in t.components.iter().flat_map(At::get_ref) {
            components.extend(self.word(component, "component"));
        }
        if components.is_empty() {
            components.insert("main".to_owned());
        }
        if let Some(snapshot) = &t.snapshot {
            self.snapshot(snapshot, t.snapshot_mirror.is_some());
        }
        let keyring = t.keyring.as_ref().map(|k| self.parsed(k, "not a path beside the recipe"));
        let text = |at: &Option<At<String>>| at.as_ref().map(|t| t.get_ref().clone());
        Some(Debian {
            packages: packages.into_iter().collect(),
            suite: suite?,
            components: components.into_iter().collect(),
            mirror: text(&t.mirror),
            snapshot_mirror: text(&t.snapshot_mirror),
            snapshot: text(&t.snapshot),
            keyring: keyring.flatten(),
        })
    }

    fn snapshot(&mut self, snapshot: &At<String>, mirror: bool) {
        let text = snapshot.get_ref();
        let form = text.len() == 16
            && text.bytes().enumerate().all(|(i, b)| match i {
                8 => b == b'T',
                15 => b == b'Z',
                _ => b.is_ascii_digit(),
            });
        if !form {
            self.wrong(snapshot, "not a snapshot time", "expected YYYYMMDDTHHMMSSZ", None);
        }
        if !mirror {
            let help = Some("add `snapshot-mirror = \"https://…/{snapshot}/\"`".into());
            self.wrong(snapshot, "a snapshot of what?", "no archive of snapshots is named", help);
        }
    }

    fn image(&mut self, t: &RawToolchain, arch: Option<&str>) -> Option<Base> {
        let at = self.needed(&t.kind, "image", t.image.as_ref())?;
        if let (Some(arch), Some(at)) = (arch, &t.arch)
            && crate::oci::Platform::of(arch).is_none()
        {
            let known = crate::oci::ARCHITECTURES.map(|(debian, ..)| debian).join(", ");
            let help = Some(format!("known: {known}"));
            self.wrong(at, "no images of this architecture", format!("`{arch}`"), help);
        }
        let image = at.get_ref().parse().map_err(|e: crate::oci::ReferenceError| {
            let help = "write `image = \"registry.example.org/NAME@sha256:…\"` or `\"oci-layout:PATH\"`";
            self.wrong(at, "not a reference of an image", e, Some(help.into()));
        });
        Some(Base::Image { image: image.ok()? })
    }

    fn programs(&mut self, t: &RawToolchain) -> Option<Base> {
        let list = self.needed(&t.kind, "programs", t.programs.as_ref())?;
        let mut programs = BTreeSet::new();
        for program in list.get_ref() {
            let text = program.get_ref();
            let path = text.strip_prefix('/');
            let stays = path.unwrap_or(text).parse::<RelPath>().is_ok_and(|p| !p.is_root());
            if !stays || (path.is_none() && text.contains('/')) {
                let label = "expected a name that PATH finds, or an absolute path";
                self.wrong(program, "not a program of this machine", label, None);
            } else if !programs.insert(text.clone()) {
                self.wrong(program, "this program stands twice", "", Some("remove one".into()));
            }
        }
        if list.get_ref().is_empty() {
            let help = "for C, write `programs = [\"gcc\", \"make\"]`";
            self.wrong(list, "a toolchain without programs", "", Some(help.into()));
        }
        Some(Base::Host { programs: programs.into_iter().collect() })
    }

    fn archives(&mut self, raw: &[At<RawToolArchive>]) -> Option<Vec<ToolArchive>> {
        let mut list: Vec<ToolArchive> = Vec::new();
        for at in raw {
            let Some(archive) = self.archive(at) else { continue };
            if list.iter().any(|a| a.name == archive.name) {
                let span = at.get_ref().name.as_ref().map_or_else(|| at.span(), At::span);
                let label = format!("both are called `{}`", archive.name);
                let help = Some("give one of them another `name`".into());
                self.wrong_at(span, "two archives of one name", label, help);
            }
            list.push(archive);
        }
        (list.len() == raw.len()).then_some(list)
    }

    fn archive(&mut self, at: &At<RawToolArchive>) -> Option<ToolArchive> {
        let a = at.get_ref();
        let purl = match &a.purl {
            Some(text) => Some(self.parsed::<Purl>(text, "not a package URL")?),
            None => None,
        };
        let strip = self.strip(a.strip.as_ref())?;
        let (origin, sha256) = match (&a.url, &purl, &a.purl) {
            (Some(url), ..) => {
                let (url, sha256) = self.url(url, a.sha256.as_ref())?;
                (Locator::Url { url, sha256, strip: strip.unwrap_or(1) }, None)
            }
            (None, Some(purl), Some(text)) => {
                if !TOOLS.contains(&purl.kind()) {
                    let label = format!("type `{}`", purl.kind());
                    let help = format!("known types: {}; others by `url` and `sha256`", TOOLS.join(", "));
                    self.wrong(text, "no tools of this type", label, Some(help));
                    return None;
                }
                let sha256 = match &a.sha256 {
                    Some(sha256) => Some(self.parsed(sha256, "not a SHA-256")?),
                    None => None,
                };
                (Locator::Package { purl: purl.clone(), packed: false }, sha256)
            }
            _ => {
                let help = "write `url` with `sha256`, or `purl`".into();
                self.wrong_at(at.span(), "an archive from where?", "neither `url` nor `purl`", Some(help));
                return None;
            }
        };
        let place = self.parsed::<RelPath>(&a.at, "not a place in the root")?;
        let name = match (&a.name, &purl, place.file_name()) {
            (Some(name), ..) => self.word(name, "name of an archive")?,
            (None, Some(purl), _) => purl.name().replace('/', "-"),
            (None, None, Some(last)) => last.to_owned(),
            (None, None, None) => {
                let help = Some("add `name = …`".into());
                self.wrong(&a.at, "an archive without a name", "the root gives it none", help);
                return None;
            }
        };
        let version = match (&a.version, &purl) {
            (Some(version), _) => Some(self.word(version, "version")?),
            (None, purl) => purl.as_ref().map(|p| p.version().to_owned()),
        };
        let mut link = BTreeMap::new();
        for (program, target) in &a.link {
            let Some(name) = self.word(program, "name of a program") else { continue };
            let Some(parsed) = self.parsed::<RelPath>(target, "not a file of the root") else { continue };
            if !parsed.is_within(&place) || parsed.is_root() {
                let label = format!("expected a file below `{place}`, where the archive lies");
                let help = Some(format!("write it from the root on, such as \"{}\"", place.join(&parsed)));
                self.wrong(target, "not a file of this archive", label, help);
            } else {
                link.insert(name, parsed);
            }
        }
        let mut path: Vec<RelPath> = Vec::new();
        for folder in &a.path {
            let Some(parsed) = self.parsed::<RelPath>(folder, "not a directory of the root") else {
                continue;
            };
            if parsed.is_root() || parsed.as_str().contains(':') || !parsed.is_within(&place) {
                let label =
                    format!("expected a directory below `{place}`, where the archive lies, without `:`");
                let help = Some(format!("write it from the root on, such as \"{}\"", place.join(&parsed)));
                self.wrong(folder, "not a directory of this archive", label, help);
            } else {
                path.push(parsed);
            }
        }
        let mut env = self.env(&a.env);
        if env.remove("PATH").is_some()
            && let Some((key, _)) = a.env.iter().find(|(key, _)| key.get_ref() == "PATH")
        {
            let help = Some("write `path = [\"…\"]` beside `at`".into());
            self.wrong(key, "this variable belongs to `path`", "", help);
        }
        let shown = purl.filter(|_| a.url.is_some());
        Some(ToolArchive { name, version, origin, sha256, purl: shown, strip, at: place, path, link, env })
    }
}

/// Whether a text asks for a Debian package: `NAME`, `NAME=VERSION`, or a dependency as Debian's control files have it, each
/// space where it belongs, so that there is one way to write it.
fn is_package(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+.-".contains(&b);
    let is_name = |name: &str| name.len() >= 2 && name.bytes().all(fits);
    let version_fits = |b: u8| b.is_ascii_alphanumeric() || b"+.-:~".contains(&b);
    let is_version = |version: &str| !version.is_empty() && version.bytes().all(version_fits);
    if let Some((name, version)) = text.split_once('=').filter(|_| !text.contains(' ')) {
        return is_name(name) && is_version(version);
    }
    text.split(" | ").all(|one| match one.split_once(" (") {
        None => is_name(one),
        Some((name, rest)) => {
            let bound = rest.strip_suffix(')').and_then(|r| r.split_once(' '));
            is_name(name)
                && bound.is_some_and(|(operator, version)| {
                    ["<<", "<=", "=", ">=", ">>"].contains(&operator) && is_version(version)
                })
        }
    })
}
