//! The floors: which crate may import which, and what each keeps off.
//!
//! | floor | crates |
//! |---|---|
//! | 3 | cli |
//! | 2 | inputs, engine, server |
//! | 1 | store, artifact, attest, sandbox, gateway, ledger |
//! | 0 | model |
//!
//! Imports go to a lower floor only, in every kind of dependency. What a crate forbids itself holds for all
//! third-party packages it reaches without passing through another crate of the project (which keeps its own
//! rules): its normal and build dependencies as built for Linux. `unsafe` is looked for in the sources.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

use crate::{Report, scan, tree};

/// Each crate by its folder's name, and its floor.
const FLOORS: &[(&str, u8)] = &[
    ("model", 0),
    ("store", 1),
    ("artifact", 1),
    ("attest", 1),
    ("sandbox", 1),
    ("ledger", 1),
    ("gateway", 1),
    ("inputs", 2),
    ("engine", 2),
    ("server", 2),
    ("cli", 3),
    // Chores may use anything; nothing may use them.
    ("xtask", 4),
];

const NETWORK: &[&str] = &[
    "ureq",
    "hyper",
    "reqwest",
    "rustls",
    "native-tls",
    "openssl",
    "curl",
    "isahc",
    "attohttpc",
    "tonic",
    "h2",
    "quinn",
    "socket2",
    "hickory-resolver",
];
const RUNTIMES: &[&str] = &["tokio", "async-std", "smol", "mio", "rayon"];
const FILES: &[&str] = &["tempfile", "rustix", "nix", "walkdir", "ignore", "memmap2", "fs-err", "notify"];
const CLOCKS: &[&str] = &["time", "chrono", "jiff", "humantime"];
const CHANCE: &[&str] = &["rand", "fastrand", "uuid"];
/// Where even a package that another one brings for itself would be too much. `model` hashes with ring, which brings
/// `getrandom`; that nothing there calls it is clippy's to see (`crates/model/clippy.toml`).
const CHANCE_AT_ALL: &[&str] = &["rand", "fastrand", "uuid", "getrandom"];

/// A kind of package, in a word, and its members.
type Group = (&'static str, &'static [&'static str]);

/// Each crate and the packages that it keeps off.
const FORBIDDEN: &[(&str, &[Group])] = &[
    (
        "model",
        &[
            ("network", NETWORK),
            ("runtime", RUNTIMES),
            ("files", FILES),
            ("clock", CLOCKS),
            ("randomness", CHANCE),
        ],
    ),
    (
        "artifact",
        &[
            ("network", NETWORK),
            ("runtime", RUNTIMES),
            ("files", FILES),
            ("clock", CLOCKS),
            ("randomness", CHANCE_AT_ALL),
        ],
    ),
    // Randomness is in it: a signature needs a nonce.
    ("attest", &[("network", NETWORK), ("runtime", RUNTIMES), ("files", FILES)]),
    ("sandbox", &[("network", NETWORK), ("runtime", RUNTIMES)]),
    ("ledger", &[("network", NETWORK)]),
    ("engine", &[("network", NETWORK)]),
];

/// The crates that may contain `unsafe`.
const UNSAFE: &[&str] = &["sandbox"];

/// A crate of the project.
#[derive(Debug, Default)]
struct Member {
    /// The crates of the project that it depends on, in any way.
    imports: BTreeSet<String>,
    /// The third-party packages that it reaches, each with the way there (itself last).
    reaches: BTreeMap<String, Vec<String>>,
}

pub(crate) fn run() -> Result<Report, String> {
    let metadata = metadata()?;
    let members = members(&metadata);
    let mut complaints = imports(&members);
    complaints.extend(forbidden(&members));
    complaints.extend(unsafe_code(&tree::sources()?));
    let note = format!("{} crates on their floors", members.len());
    Ok(Report { complaints, note })
}

/// `cargo metadata` of the project as built for Linux, with the lock as it is where there is one.
pub(crate) fn metadata() -> Result<Metadata, String> {
    MetadataCommand::new()
        .manifest_path(tree::root().join("Cargo.toml"))
        .other_options(["--filter-platform".to_owned(), "x86_64-unknown-linux-gnu".to_owned()])
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))
}

/// The crates of the project by the names of their folders.
fn members(metadata: &Metadata) -> BTreeMap<String, Member> {
    let folder = |id: &PackageId| -> Option<String> {
        let manifest = &metadata[id].manifest_path;
        Some(manifest.parent()?.file_name()?.to_owned())
    };
    let ours: BTreeMap<&PackageId, String> =
        metadata.workspace_members.iter().filter_map(|id| Some((id, folder(id)?))).collect();
    let nodes: BTreeMap<_, _> =
        metadata.resolve.iter().flat_map(|resolve| &resolve.nodes).map(|node| (&node.id, node)).collect();
    let mut members = BTreeMap::new();
    for (&id, name) in &ours {
        let mut member = Member::default();
        let mut seen = BTreeSet::from([id]);
        let mut queue = VecDeque::from([(id, Vec::new())]);
        while let Some((at, way)) = queue.pop_front() {
            for dependency in nodes.get(at).into_iter().flat_map(|node| &node.deps) {
                let tests_only =
                    dependency.dep_kinds.iter().all(|kind| kind.kind == DependencyKind::Development);
                if let Some(other) = ours.get(&dependency.pkg) {
                    if at == id {
                        member.imports.insert(other.clone());
                    }
                } else if !tests_only && seen.insert(&dependency.pkg) {
                    let package = metadata[&dependency.pkg].name.to_string();
                    let mut way = way.clone();
                    way.push(package.clone());
                    member.reaches.entry(package).or_insert_with(|| way.clone());
                    queue.push_back((&dependency.pkg, way));
                }
            }
        }
        members.insert(name.clone(), member);
    }
    members
}

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}

fn imports(members: &BTreeMap<String, Member>) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, member) in members {
        let Some(own) = floor(name) else {
            complaints.push(format!(
                "crate `{name}` has no floor: give it one in docs/design.md and in xtask/src/floors.rs"
            ));
            continue;
        };
        for other in &member.imports {
            if floor(other).is_none_or(|other| other >= own) {
                let below = floor(other).map_or("no floor".to_owned(), |floor| format!("floor {floor}"));
                complaints
                    .push(format!("`{name}` (floor {own}) imports `{other}` ({below}): only lower floors"));
            }
        }
    }
    complaints
}

fn forbidden(members: &BTreeMap<String, Member>) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, rules) in FORBIDDEN {
        let Some(member) = members.get(*name) else { continue };
        for (what, packages) in *rules {
            for package in *packages {
                if let Some(way) = member.reaches.get(*package) {
                    let way = way.join(" -> ");
                    complaints
                        .push(format!("`{name}` forbids itself {what}, and reaches it: {name} -> {way}"));
                }
            }
        }
    }
    complaints
}

fn unsafe_code(sources: &[(String, String)]) -> Vec<String> {
    let free = |file: &str| UNSAFE.iter().any(|name| file.starts_with(&format!("crates/{name}/")));
    sources
        .iter()
        .filter(|(file, _)| !free(file))
        .flat_map(|(file, text)| {
            scan::lines_with("unsafe", text)
                .into_iter()
                .map(move |line| format!("{file}:{line}: `unsafe` outside of crates/sandbox"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(imports: &[(&str, &[&str])]) -> BTreeMap<String, Member> {
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        imports
            .iter()
            .map(|(name, others)| {
                ((*name).to_owned(), Member { imports: own(others), reaches: BTreeMap::new() })
            })
            .collect()
    }

    #[test]
    fn the_project_keeps_its_floors() {
        let report = run().unwrap();
        assert_eq!(report.complaints, [""; 0]);
        let members = members(&metadata().unwrap());
        for name in ["model", "ledger", "xtask"] {
            assert!(members.contains_key(name), "{name}");
        }
        assert!(members["ledger"].imports.contains("model"));
        // Through a third-party package, and not through a crate of ours.
        assert_eq!(members["ledger"].reaches["libsqlite3-sys"], ["rusqlite", "libsqlite3-sys"]);
        assert!(!members["ledger"].reaches.contains_key("prost"));
        assert!(!members["ledger"].reaches.contains_key("tempfile"), "a dev-dependency");
    }

    #[test]
    fn downwards_is_fine() {
        let house = house(&[
            ("model", &[]),
            ("store", &["model"]),
            ("engine", &["store", "model"]),
            ("cli", &["engine"]),
        ]);
        assert_eq!(imports(&house), [""; 0]);
    }

    #[test]
    fn sideways_upwards_and_unknown_are_not() {
        for (name, other) in [
            ("store", "artifact"),
            ("engine", "inputs"),
            ("inputs", "server"),
            ("model", "store"),
            ("ledger", "engine"),
            ("store", "store-extras"),
            ("cli", "xtask"),
        ] {
            let complaints = imports(&house(&[(name, &[other])]));
            assert_eq!(complaints.len(), 1, "{name} -> {other}");
            assert!(complaints[0].contains(name) && complaints[0].contains(other), "{}", complaints[0]);
        }
        assert_eq!(imports(&house(&[("extras", &[])])).len(), 1);
    }

    #[test]
    fn what_a_crate_keeps_off_is_found_however_far() {
        let mut house = house(&[("model", &[]), ("engine", &[]), ("store", &[])]);
        let way = vec!["nice".to_owned(), "tokio".to_owned()];
        for member in house.values_mut() {
            member.reaches.insert("tokio".to_owned(), way.clone());
        }
        assert_eq!(
            forbidden(&house),
            ["`model` forbids itself runtime, and reaches it: model -> nice -> tokio"]
        );
        let engine = house.get_mut("engine").unwrap();
        engine.reaches.insert("rustls".to_owned(), vec!["rustls".to_owned()]);
        assert_eq!(forbidden(&house).len(), 2);
    }

    #[test]
    fn unsafe_belongs_to_the_sandbox() {
        let source = |file: &str| (file.to_owned(), "fn f() {}\nunsafe fn g() {}\n".to_owned());
        let sources = [source("crates/sandbox/src/lib.rs"), source("crates/store/src/lib.rs")];
        assert_eq!(unsafe_code(&sources), ["crates/store/src/lib.rs:2: `unsafe` outside of crates/sandbox"]);
    }
}
