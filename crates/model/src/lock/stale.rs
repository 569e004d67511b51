//! In which ways a lock no longer fits its recipe.

use std::collections::BTreeMap;

use super::{Lock, LockedArchive, LockedBase, LockedToolchain};
use crate::ecosystem::Ecosystem;
use crate::recipe::{Base, Locator, Recipe, Source, ToolArchive, Toolchain, artifact_of};

/// One way in which a lock no longer fits its recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// Which key of the recipe.
    pub what: String,
    /// What the recipe says now.
    pub recipe: String,
    /// What the lock was made for.
    pub lock: String,
}

/// What differs, so far.
#[derive(Default)]
struct Differences(Vec<Stale>);

impl Differences {
    fn compare(&mut self, what: &str, recipe: impl Into<String>, lock: impl Into<String>) {
        let (recipe, lock) = (recipe.into(), lock.into());
        if recipe != lock {
            self.0.push(Stale { what: what.to_owned(), recipe, lock });
        }
    }

    fn toolchain(&mut self, recipe: &Toolchain, lock: &LockedToolchain) {
        self.compare("toolchain.kind", recipe.base.kind(), lock.base.kind());
        match (&recipe.base, &lock.base) {
            (Base::Debian(recipe), LockedBase::Debian(lock)) => {
                self.compare("toolchain.suite", &recipe.suite, &lock.suite);
                self.compare("toolchain.components", recipe.components.join(" "), lock.components.join(" "));
                let snapshot = |s: &Option<String>| s.clone().unwrap_or_default();
                self.compare("toolchain.snapshot", snapshot(&recipe.snapshot), snapshot(&lock.snapshot));
                self.compare("toolchain.packages", recipe.packages.join(" "), lock.requested.join(" "));
            }
            (Base::Image { image }, LockedBase::Image(lock)) => {
                self.compare("toolchain.image", image.to_string(), lock.image.to_string());
            }
            (Base::Host { programs }, LockedBase::Host(lock)) => {
                self.compare("toolchain.programs", programs.join(" "), lock.requested.join(" "));
            }
            _ => {}
        }
        self.compare("toolchain.arch", &recipe.arch, &lock.arch);
        for archive in &recipe.archives {
            match lock.archives.iter().find(|a| a.name == archive.name) {
                Some(locked) => self.archive(archive, locked),
                None => {
                    self.compare(
                        &format!("toolchain.archive.{}", archive.name),
                        archive.origin.to_string(),
                        "",
                    );
                }
            }
        }
        for locked in &lock.archives {
            if !recipe.archives.iter().any(|a| a.name == locked.name) {
                self.compare(&format!("toolchain.archive.{}", locked.name), "", locked.origin.to_string());
            }
        }
        // Their order is that of `PATH`.
        let (now, then): (Vec<_>, Vec<_>) = (
            recipe.archives.iter().map(|a| a.name.as_str()).collect(),
            lock.archives.iter().map(|a| a.name.as_str()).collect(),
        );
        if now.len() == then.len() && then.iter().all(|name| now.contains(name)) {
            self.compare("toolchain.archive", now.join(" "), then.join(" "));
        }
    }

    fn archive(&mut self, recipe: &ToolArchive, lock: &LockedArchive) {
        let key = |key: &str| format!("toolchain.archive.{}{key}", recipe.name);
        let number = |n: Option<u32>| n.map(|n| n.to_string()).unwrap_or_default();
        let list =
            |paths: &[crate::RelPath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let table = |env: &BTreeMap<String, String>| {
            env.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        self.compare(&key(""), recipe.origin.to_string(), lock.origin.to_string());
        let text = |v: &Option<String>| v.clone().unwrap_or_default();
        self.compare(&key(".version"), text(&recipe.version), text(&lock.version));
        let purl = |p: &Option<crate::Purl>| p.as_ref().map(ToString::to_string).unwrap_or_default();
        self.compare(&key(".purl"), purl(&recipe.purl), purl(&lock.purl));
        match (&recipe.origin, &lock.origin) {
            (
                Locator::Url { sha256, strip, .. },
                Locator::Url { sha256: locked_sha256, strip: locked_strip, .. },
            ) => {
                self.compare(&key(".sha256"), sha256.hex(), locked_sha256.hex());
                self.compare(&key(".strip"), strip.to_string(), locked_strip.to_string());
            }
            _ => self.compare(&key(".strip"), number(recipe.strip), number(lock.strip)),
        }
        if let (Some(sha256), [file]) = (&recipe.sha256, lock.files.as_slice()) {
            self.compare(&key(".sha256"), sha256.hex(), file.digest.hex());
        }
        self.compare(&key(".at"), recipe.at.as_str(), lock.at.as_str());
        self.compare(&key(".path"), list(&recipe.path), list(&lock.path));
        let links = |l: &BTreeMap<String, crate::RelPath>| {
            l.iter().map(|(name, to)| format!("{name}={to}")).collect::<Vec<_>>().join(" ")
        };
        self.compare(&key(".link"), links(&recipe.link), links(&lock.link));
        self.compare(&key(".env"), table(&recipe.env), table(&lock.env));
    }

    fn sources(&mut self, recipe: &Recipe, lock: &Lock) {
        let wanted: BTreeMap<&String, &Locator> = recipe
            .sources
            .iter()
            .filter_map(|(name, source)| match source {
                Source::Worktree { .. } => None,
                Source::Fetched(locator) => Some((name, locator)),
            })
            .collect();
        for (name, origin) in &wanted {
            let found = lock.sources.get(*name).map(|s| s.origin.to_string()).unwrap_or_default();
            self.compare(&format!("sources.{name}"), origin.to_string(), found);
            match (origin, lock.sources.get(*name).map(|s| &s.origin)) {
                (
                    Locator::Url { sha256, strip, .. },
                    Some(Locator::Url { sha256: locked, strip: old, .. }),
                ) => {
                    self.compare(&format!("sources.{name}.sha256"), sha256.hex(), locked.hex());
                    self.compare(&format!("sources.{name}.strip"), strip.to_string(), old.to_string());
                }
                (Locator::Package { packed, .. }, Some(Locator::Package { packed: old, .. })) => {
                    self.compare(&format!("sources.{name}.packed"), packed.to_string(), old.to_string());
                }
                (Locator::Image { platform, .. }, Some(Locator::Image { platform: old, .. })) => {
                    self.compare(&format!("sources.{name}.platform"), platform.to_string(), old.to_string());
                }
                _ => {}
            }
        }
        // Which images a Dockerfile names is in the Dockerfile, which is read at each build.
        let has_dockerfile = recipe.artifacts.iter().any(|artifact| artifact.dockerfile().is_some());
        for (name, source) in &lock.sources {
            let of_dockerfile = has_dockerfile && name.starts_with("FROM ");
            if !wanted.contains_key(name) && !of_dockerfile {
                self.compare(&format!("sources.{name}"), String::new(), source.origin.to_string());
            }
        }
    }

    fn steps(&mut self, recipe: &Recipe, lock: &Lock) {
        for step in &recipe.steps {
            let locked = lock.steps.get(&step.name);
            let words = |uses: &[Ecosystem]| uses.iter().map(|e| e.as_str()).collect::<Vec<_>>().join(" ");
            let (uses, record) =
                locked.map_or((String::new(), String::new()), |l| (words(&l.uses), l.record.join("; ")));
            self.compare(&format!("step.{}.uses", step.name), words(&step.uses), uses);
            self.compare(&format!("step.{}.record", step.name), step.record.join("; "), record);
        }
        for (name, locked) in &lock.steps {
            let artifact = artifact_of(name).and_then(|of| recipe.artifacts.iter().find(|a| a.name == of));
            if recipe.step(name).is_none() && artifact.is_none_or(|a| a.dockerfile().is_none()) {
                self.compare(&format!("step.{name}"), "", locked.record.join("; "));
            }
        }
    }
}

impl LockedToolchain {
    /// In which ways this toolchain is not the one that `recipe` asks for. Empty: it is.
    #[must_use]
    pub fn stale(&self, recipe: &Toolchain) -> Vec<Stale> {
        let mut found = Differences::default();
        found.toolchain(recipe, self);
        found.0
    }
}

impl Lock {
    /// In which ways this lock does not fit `recipe`. Empty: it fits.
    #[must_use]
    pub fn stale(&self, recipe: &Recipe) -> Vec<Stale> {
        let mut found = Differences::default();
        found.toolchain(&recipe.toolchain, &self.toolchain);
        found.sources(recipe, self);
        found.steps(recipe, self);
        found.0
    }
}
