//! `Cargo.toml`: what cargo builds by default, and what each crate asks for.

use model::RelPath;
use toml::{Table, Value};

use crate::ecosystem::Files;

/// A workspace, or a crate alone.
#[derive(Debug)]
pub(in crate::ecosystem) struct Workspace {
    pub(in crate::ecosystem) dir: RelPath,
    /// Whether it says `[workspace]`.
    pub(in crate::ecosystem) is_workspace: bool,
    /// Its crates, the root's first if it is one.
    pub(in crate::ecosystem) members: Vec<Manifest>,
    default: Vec<RelPath>,
}

/// One crate.
#[derive(Debug)]
pub(in crate::ecosystem) struct Manifest {
    pub(in crate::ecosystem) dir: RelPath,
    pub(in crate::ecosystem) file: RelPath,
    pub(in crate::ecosystem) name: Option<String>,
    pub(in crate::ecosystem) version: Option<String>,
    pub(in crate::ecosystem) licence: Option<String>,
    pub(in crate::ecosystem) rust_version: Option<String>,
    pub(in crate::ecosystem) edition: Option<String>,
    pub(in crate::ecosystem) programs: Vec<String>,
    pub(in crate::ecosystem) library: Option<String>,
    /// `crate-type` has `cdylib`: others load what it makes.
    pub(in crate::ecosystem) is_loaded: bool,
    pub(in crate::ecosystem) depends: Vec<Dependency>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ecosystem) enum Kind {
    Normal,
    Build,
    Dev,
}

/// One line of a `[dependencies]` table.
#[derive(Debug)]
pub(in crate::ecosystem) struct Dependency {
    /// The package, not what it is renamed to.
    pub(in crate::ecosystem) name: String,
    pub(in crate::ecosystem) kind: Kind,
    pub(in crate::ecosystem) optional: bool,
    /// The requirement, of what comes from a registry.
    pub(in crate::ecosystem) version: Option<String>,
    pub(in crate::ecosystem) path: Option<String>,
}

impl Workspace {
    /// `None` if there is no manifest that can be read.
    pub(in crate::ecosystem) fn read(files: &Files<'_>, dir: &RelPath) -> Option<Self> {
        let table: Table = toml::from_str(&files.glance(&files.at(dir, "Cargo.toml")?)).ok()?;
        let workspace = table.get("workspace").and_then(Value::as_table);
        let list = |key: &str| -> Vec<RelPath> {
            let list = workspace.and_then(|w| w.get(key)).and_then(Value::as_array);
            let globs = list.into_iter().flatten().filter_map(Value::as_str);
            globs.flat_map(|glob| matching(files, dir, glob)).collect()
        };
        let excluded = list("exclude");
        let mut folders = if table.contains_key("package") { vec![dir.clone()] } else { Vec::new() };
        folders.extend(list("members"));
        let mut members: Vec<Manifest> = Vec::new();
        // A path dependency inside the workspace is a member of it.
        while let Some(folder) = (!folders.is_empty()).then(|| folders.remove(0)) {
            let known = members.iter().any(|m| m.dir == folder);
            if known || excluded.iter().any(|e| folder.is_within(e)) || members.len() > 2_000 {
                continue;
            }
            let Some(member) = Manifest::read(files, &folder, workspace) else { continue };
            if workspace.is_some() {
                let paths = member.depends.iter().filter_map(|d| d.path.as_deref());
                folders.extend(paths.filter_map(|path| beside(&folder, path)).filter(|p| p.is_within(dir)));
            }
            members.push(member);
        }
        let default = list("default-members");
        Some(Self { dir: dir.clone(), is_workspace: workspace.is_some(), members, default })
    }

    /// The crates that `cargo build` builds at the root.
    pub(in crate::ecosystem) fn built(&self) -> Vec<&Manifest> {
        let root: Vec<&Manifest> = self.members.iter().filter(|m| m.dir == self.dir).collect();
        if !self.default.is_empty() {
            return self.members.iter().filter(|m| self.default.contains(&m.dir)).collect();
        }
        if root.is_empty() { self.members.iter().collect() } else { root }
    }
}

/// `path`, which may go up, seen from `dir`.
pub(in crate::ecosystem) fn beside(dir: &RelPath, path: &str) -> Option<RelPath> {
    let mut at: Vec<&str> = dir.components().collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(at.pop()?),
            part => at.push(part),
        }
    }
    if at.is_empty() { Some(RelPath::root()) } else { at.join("/").parse().ok() }
}

/// The folders with a manifest that a glob of folders means.
fn matching(files: &Files<'_>, dir: &RelPath, glob: &str) -> Vec<RelPath> {
    let glob = glob.trim_end_matches('/');
    if !glob.contains(['*', '?', '[']) {
        return beside(dir, glob).into_iter().collect();
    }
    let wanted: Vec<&str> = glob.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    let all = files.paths().filter(|p| p.file_name() == Some("Cargo.toml")).filter_map(RelPath::parent);
    all.filter(|folder| {
        let below = folder.below(dir);
        let parts: Vec<&str> = below.components().collect();
        folder.is_within(dir)
            && parts.len() == wanted.len()
            && parts.iter().zip(&wanted).all(|(part, glob)| fits(glob, part))
    })
    .collect()
}

/// Whether one component fits one component of a glob; of the wildcards only `*`.
pub(in crate::ecosystem) fn fits(glob: &str, text: &str) -> bool {
    let mut parts = glob.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl Manifest {
    fn read(files: &Files<'_>, dir: &RelPath, workspace: Option<&Table>) -> Option<Self> {
        let file = files.at(dir, "Cargo.toml")?;
        let table: Table = toml::from_str(&files.glance(&file)).ok()?;
        let package = table.get("package")?.as_table()?;
        let shared = workspace.and_then(|w| w.get("package")).and_then(Value::as_table);
        let get = |key: &str| match package.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Table(t) if t.get("workspace").and_then(Value::as_bool) == Some(true) => {
                shared?.get(key)?.as_str().map(str::to_owned)
            }
            _ => None,
        };
        let name = get("name");
        let lib = table.get("lib").and_then(Value::as_table);
        let library = (lib.is_some() || files.at(dir, "src/lib.rs").is_some()).then(|| {
            let named = lib.and_then(|l| l.get("name")).and_then(Value::as_str).map(str::to_owned);
            named.or_else(|| name.as_ref().map(|n| n.replace('-', "_"))).unwrap_or_default()
        });
        let kinds = lib.and_then(|l| l.get("crate-type").or(l.get("crate_type"))).and_then(Value::as_array);
        let is_loaded = kinds.is_some_and(|k| k.iter().any(|v| v.as_str() == Some("cdylib")));
        let mut depends = Vec::new();
        collect(&table, workspace, &mut depends);
        let targets = table.get("target").and_then(Value::as_table);
        for target in targets.into_iter().flat_map(Table::values).filter_map(Value::as_table) {
            collect(target, workspace, &mut depends);
        }
        Some(Self {
            dir: dir.clone(),
            programs: programs(files, dir, &table, name.as_deref()),
            version: get("version"),
            licence: get("license"),
            rust_version: get("rust-version"),
            edition: get("edition"),
            file,
            name,
            library,
            is_loaded,
            depends,
        })
    }

    /// Whether it depends on a crate of this name.
    pub(in crate::ecosystem) fn needs(&self, name: &str) -> bool {
        self.depends.iter().any(|d| d.name == name)
    }
}

/// `[[bin]]` without those that only a feature makes, `src/main.rs`, `src/bin/`.
fn programs(files: &Files<'_>, dir: &RelPath, table: &Table, name: Option<&str>) -> Vec<String> {
    let mut programs: Vec<String> = Vec::new();
    let mut hidden: Vec<&str> = Vec::new();
    let mut paths: Vec<&str> = Vec::new();
    for bin in table.get("bin").and_then(Value::as_array).into_iter().flatten() {
        let Some(bin_name) = bin.get("name").and_then(Value::as_str) else { continue };
        paths.extend(bin.get("path").and_then(Value::as_str));
        if bin.get("required-features").is_some() {
            hidden.push(bin_name);
        } else {
            programs.push(bin_name.to_owned());
        }
    }
    let automatic =
        table.get("package").and_then(|p| p.get("autobins")).and_then(Value::as_bool).unwrap_or(true);
    if automatic {
        if files.at(dir, "src/main.rs").is_some() && !paths.contains(&"src/main.rs") {
            programs.extend(name.map(str::to_owned));
        }
        let folder = dir.join(&"src/bin".parse().expect("a plain path"));
        for path in files.below(&folder) {
            let below = path.below(&folder);
            let parts: Vec<&str> = below.components().collect();
            match parts.as_slice() {
                [file] => programs.extend(file.strip_suffix(".rs").map(str::to_owned)),
                [folder, "main.rs"] => programs.push((*folder).to_owned()),
                _ => {}
            }
        }
    }
    programs.retain(|p| !hidden.contains(&p.as_str()));
    programs.sort();
    programs.dedup();
    programs
}

fn collect(table: &Table, workspace: Option<&Table>, depends: &mut Vec<Dependency>) {
    let kinds = [
        ("dependencies", Kind::Normal),
        ("build-dependencies", Kind::Build),
        ("build_dependencies", Kind::Build),
        ("dev-dependencies", Kind::Dev),
        ("dev_dependencies", Kind::Dev),
    ];
    for (key, kind) in kinds {
        for (name, value) in table.get(key).and_then(Value::as_table).into_iter().flatten() {
            let own = value.as_table();
            let shared = own.is_some_and(|t| t.get("workspace").and_then(Value::as_bool) == Some(true));
            let meant = if shared {
                workspace.and_then(|w| w.get("dependencies")).and_then(|d| d.get(name))
            } else {
                Some(value)
            };
            let meant_table = meant.and_then(Value::as_table);
            let text = |key: &str| meant_table.and_then(|t| t.get(key)).and_then(Value::as_str);
            let outside =
                ["path", "git", "registry"].iter().any(|k| meant_table.is_some_and(|t| t.contains_key(*k)));
            let version = meant.and_then(Value::as_str).or_else(|| text("version"));
            depends.push(Dependency {
                name: text("package").unwrap_or(name).to_owned(),
                kind,
                optional: own.and_then(|t| t.get("optional")).and_then(Value::as_bool).unwrap_or(false),
                version: version.filter(|_| !outside).map(str::to_owned),
                // Of a shared one the path is seen from the workspace: its members are listed anyway.
                path: text("path").filter(|_| !shared).map(str::to_owned),
            });
        }
    }
}
