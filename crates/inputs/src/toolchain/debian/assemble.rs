//! From package files to one tree.
//!
//! A pure function of [`ASSEMBLER`] and the packages' bytes. Packages are decoded in parallel and laid down in the order
//! of their names. Where two bring different things to one path, the one that says it replaces the other wins, else the
//! later one, with a note. A folder wins over a link of the same name, and what lies below a link goes where it points, as
//! with dpkg. Then come the alternatives, the table of fix-ups, and last dpkg's database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use model::event::{Outcome, Unit};
use model::tree::{Node, Tree, TreeError};
use model::{Digest, Event, RelPath};
use serde::{Deserialize, Serialize};
use store::{Store, StoreError};

use super::alternatives::{self, Alternative, Link};
use super::fixups::{Fixup, TABLE};
use super::unpack::{Contents, Entry, MERGED, dropped, merged, unpack};
use super::{DebianError, copyright, database};
use crate::toolchain::{ASSEMBLER, links};
use crate::{Context, InputError};

/// A package to lay down: its file is in the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deb {
    pub name: String,
    pub digest: Digest,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Assembled {
    /// The tree, which is in the store.
    pub tree: Digest,
    /// By package, where known.
    pub licences: BTreeMap<String, String>,
}

/// Where the outcome is kept, by what it was made of.
const SPACE: &str = "toolchain";

/// Where it is kept which package brought which files, by the tree's digest: JSON, paths by package.
const OWNERS: &str = "owners";

/// Makes the tree of `debs`, or finds the one made before.
pub(crate) fn assemble(cx: &Context<'_>, debs: &[Deb]) -> Result<Assembled, InputError> {
    let mut debs = debs.to_vec();
    debs.sort();
    let key = key(ASSEMBLER, &debs);
    if let Some(known) = remembered(cx, &key)? {
        return Ok(known);
    }
    let start = Instant::now();
    let stage = "unpack";
    let name = "toolchain";
    let total = debs.iter().map(|d| d.digest.size).sum();
    (cx.events)(Event::Started { stage, name: name.into(), total: Some(total), unit: Unit::Bytes });
    let result = decode(cx, &debs).and_then(|contents| {
        let (tree, owners, notes) = lay(cx, &debs, &contents)?;
        for note in notes {
            cx.note(note);
        }
        let finished = tree.finish();
        cx.store.put_tree(&finished)?;
        let owners = serde_json::to_vec(&owners).expect("names and paths are JSON");
        cx.store.memo_put(OWNERS, &finished.root, &owners)?;
        Ok(Assembled { tree: finished.root, licences: licences(&debs, &contents) })
    });
    let outcome = if result.is_ok() { Outcome::Done } else { Outcome::Failed };
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let detail = format!("{} packages", debs.len());
    (cx.events)(Event::Finished { stage, name: name.into(), outcome, detail, millis });
    let assembled = result?;
    let bytes = serde_json::to_vec(&assembled).expect("digests and strings are JSON");
    cx.store.memo_put(SPACE, &key, &bytes)?;
    Ok(assembled)
}

/// The tree that these packages were seen to make in this store by that version of the rules; it may be gone since.
pub(crate) fn made(store: &Store, assembler: u32, mut debs: Vec<Deb>) -> Option<Digest> {
    debs.sort();
    Some(memo(store, &key(assembler, &debs))?.tree)
}

fn remembered(cx: &Context<'_>, key: &Digest) -> Result<Option<Assembled>, InputError> {
    let Some(known) = memo(cx.store, key) else { return Ok(None) };
    Ok(cx.store.missing(&known.tree)?.is_empty().then_some(known))
}

fn memo(store: &Store, key: &Digest) -> Option<Assembled> {
    serde_json::from_slice(&store.memo_get(SPACE, key)?).ok()
}

fn key(assembler: u32, debs: &[Deb]) -> Digest {
    let mut text = format!("assembler {assembler}\n");
    for deb in debs {
        // Escaped, so that no name in a lock can look like two packages.
        text.push_str(&format!("{} {}\n", deb.name.escape_debug(), deb.digest));
    }
    Digest::of(text.as_bytes())
}

fn decode(cx: &Context<'_>, debs: &[Deb]) -> Result<Vec<Contents>, InputError> {
    let mut order: Vec<usize> = (0..debs.len()).collect();
    // The largest first, so that no thread is left alone with it at the end.
    order.sort_by_key(|i| std::cmp::Reverse(debs[*i].digest.size));
    let next = AtomicUsize::new(0);
    let done = AtomicU64::new(0);
    let results: Mutex<BTreeMap<usize, Result<Contents, InputError>>> = Mutex::default();
    let threads =
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(debs.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(nth) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let deb = &debs[*nth];
                    let contents =
                        cx.store.open_blob(&deb.digest).map_err(InputError::from).and_then(|file| {
                            unpack(cx.store, &deb.name, file).map_err(|cause| {
                                let (package, cause) = (deb.name.clone(), Box::new(cause));
                                DebianError::Package { package, cause }.into()
                            })
                        });
                    if contents.is_err() {
                        next.store(order.len(), Ordering::Relaxed);
                    }
                    results
                        .lock()
                        .expect("no thread panics while it holds the results")
                        .insert(*nth, contents);
                    let done = done.fetch_add(deb.digest.size, Ordering::Relaxed) + deb.digest.size;
                    (cx.events)(Event::Advanced { stage: "unpack", name: "toolchain".into(), done });
                }
            });
        }
    });
    let results = results.into_inner().expect("no thread panics while it holds the results");
    // Of several failures, the first by name, so that the same damage gives the same message; after one, others are
    // not decoded, and the error ends the collecting before they are missed.
    let contents: Vec<Contents> = results.into_values().collect::<Result<_, _>>()?;
    debug_assert_eq!(contents.len(), debs.len());
    Ok(contents)
}

/// The tree being made, and who brought what.
struct Layers<'a> {
    tree: Tree,
    owner: BTreeMap<RelPath, usize>,
    /// Files that another package replaced, by their package.
    lost: BTreeSet<(usize, RelPath)>,
    notes: Vec<String>,
    debs: &'a [Deb],
    contents: &'a [Contents],
}

/// The paths of each package.
type Owners = BTreeMap<String, Vec<String>>;

fn lay(
    cx: &Context<'_>,
    debs: &[Deb],
    contents: &[Contents],
) -> Result<(Tree, Owners, Vec<String>), InputError> {
    let mut layers = Layers {
        tree: Tree::default(),
        owner: BTreeMap::new(),
        lost: BTreeSet::new(),
        notes: Vec::new(),
        debs,
        contents,
    };
    for (nth, content) in contents.iter().enumerate() {
        layers.notes.extend(content.notes.iter().cloned());
        for (path, entry) in &content.entries {
            layers
                .put(nth, path, entry)
                .map_err(|cause| DebianError::Layout { package: debs[nth].name.clone(), cause })?;
        }
    }
    layers.alternatives();
    let assembling = |cause| DebianError::Layout { package: "(the assembler's own)".into(), cause };
    layers.fix(cx).map_err(|e| e.or_layout(assembling))?;
    layers.merge().map_err(assembling)?;
    layers.database(cx).map_err(|e| e.or_layout(assembling))?;
    let mut owners: Owners = debs.iter().map(|deb| (deb.name.clone(), Vec::new())).collect();
    for (path, nth) in &layers.owner {
        owners.entry(debs[*nth].name.clone()).or_default().push(path.to_string());
    }
    Ok((layers.tree, owners, layers.notes))
}

/// A failure while something is added: of the tree, or of the store.
pub(super) enum FixError {
    Tree(TreeError),
    Input(InputError),
}

impl From<TreeError> for FixError {
    fn from(error: TreeError) -> Self {
        Self::Tree(error)
    }
}

impl From<StoreError> for FixError {
    fn from(error: StoreError) -> Self {
        Self::Input(error.into())
    }
}

impl FixError {
    fn or_layout(self, wrap: impl Fn(TreeError) -> DebianError) -> InputError {
        match self {
            Self::Tree(error) => wrap(error).into(),
            Self::Input(error) => error,
        }
    }
}

fn at(path: &str) -> RelPath {
    path.parse().expect("the assembler's own paths are plain")
}

impl Layers<'_> {
    fn put(&mut self, nth: usize, path: &RelPath, entry: &Entry) -> Result<(), TreeError> {
        let path = self.through_links(path);
        match entry {
            // A link to a folder stays where it is.
            Entry::Directory if self.tree.leaf(&path).is_some() => Ok(()),
            Entry::Directory => self.tree.make_directory(&path),
            Entry::Leaf(node) => {
                match self.tree.insert(&path, node.clone()) {
                    Ok(()) => {}
                    Err(TreeError::Twice(_)) => {
                        let Some(old) = self.tree.leaf(&path) else {
                            // A folder is there: it stays.
                            return Ok(());
                        };
                        let same = old == node;
                        if !self.takes(nth, &path, same) {
                            return Ok(());
                        }
                        self.tree.replace(&path, node.clone())?;
                    }
                    Err(error) => return Err(error),
                }
                self.owner.insert(path, nth);
                Ok(())
            }
        }
    }

    /// Whether package `nth` takes `path` from the one that brought it; `same` if they bring the same.
    fn takes(&mut self, nth: usize, path: &RelPath, same: bool) -> bool {
        let Some(old) = self.owner.get(path).copied() else { return !same };
        let replaces =
            |a: usize, b: usize| self.contents[a].replaces.iter().any(|r| r.name == self.debs[b].name);
        let (earlier, later) = (replaces(old, nth), replaces(nth, old));
        if same && !earlier && !later {
            return false;
        }
        let taken = later || !earlier;
        self.lost.insert((if taken { old } else { nth }, path.clone()));
        if !earlier && !later {
            let (later, earlier) = (&self.debs[nth].name, &self.debs[old].name);
            self.notes.push(format!(
                "packages `{earlier}` and `{later}` both bring `{path}`: that of `{later}` is used"
            ));
        }
        taken
    }

    /// `path` with the links above its last component followed, within the tree.
    fn through_links(&self, path: &RelPath) -> RelPath {
        links::through(&self.tree, path, merged)
    }

    /// Whether something stands at an absolute path, links above it followed.
    fn stands(&self, path: &str) -> bool {
        path.trim_start_matches('/')
            .parse()
            .is_ok_and(|p: RelPath| self.tree.leaf(&self.through_links(&merged(&p))).is_some())
    }

    fn alternatives(&mut self) {
        let mut groups: BTreeMap<String, Vec<Alternative>> = BTreeMap::new();
        for (nth, content) in self.contents.iter().enumerate() {
            let (found, unread) = alternatives::read(&content.postinst);
            for line in unread {
                let name = &self.debs[nth].name;
                self.notes.push(format!(
                    "package `{name}`: this alternative cannot be read and is left out: {line}"
                ));
            }
            for alternative in found {
                groups.entry(alternative.name.clone()).or_default().push(alternative);
            }
        }
        for (name, mut group) in groups {
            // The highest priority; of equal ones, the path that sorts first.
            group.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.link.path.cmp(&b.link.path)));
            let Some(best) = group.into_iter().find(|a| self.stands(&a.link.path)) else { continue };
            self.choose(&name, &best.link);
            for (slave, link) in &best.slaves {
                if self.stands(&link.path) {
                    self.choose(slave, link);
                }
            }
        }
    }

    /// LINK → /etc/alternatives/NAME → PATH, as Debian does it.
    fn choose(&mut self, name: &str, link: &Link) {
        let place =
            link.link.trim_start_matches('/').parse::<RelPath>().map(|p| self.through_links(&merged(&p)));
        let choice = format!("etc/alternatives/{name}").parse::<RelPath>();
        let (Ok(place), Ok(choice)) = (place, choice) else { return };
        if dropped(&place) {
            return;
        }
        let own = Node::Symlink(format!("/{choice}"));
        let free = match self.tree.leaf(&place) {
            Some(node) => *node == own,
            None => true,
        };
        let made = free
            .then(|| self.tree.replace(&place, own))
            .is_some_and(|done| done.is_ok())
            .then(|| self.tree.replace(&choice, Node::Symlink(link.path.clone())));
        if made.is_none_or(|done| done.is_err()) {
            self.notes.push(format!("alternative `{name}`: something else stands at `{place}` and stays"));
        }
    }

    fn fix(&mut self, cx: &Context<'_>) -> Result<(), FixError> {
        for fixup in TABLE {
            match *fixup {
                Fixup::Link { at: place, to, target } => {
                    if self.tree.leaf(&at(place)).is_none() && self.tree.leaf(&at(target)).is_some() {
                        self.tree.insert(&at(place), Node::Symlink(to.to_owned()))?;
                    }
                }
                Fixup::Copy { from, to } => {
                    if let (Some(node), None) = (self.tree.leaf(&at(from)).cloned(), self.tree.leaf(&at(to)))
                    {
                        self.tree.insert(&at(to), node)?;
                    }
                }
                Fixup::Concatenate { below, suffix, to } => {
                    let below = at(below);
                    let mut bytes = Vec::new();
                    for path in
                        self.owner.keys().filter(|p| p.is_within(&below) && p.as_str().ends_with(suffix))
                    {
                        if let Some(Node::File { digest, .. }) = self.tree.leaf(path) {
                            bytes.extend(cx.store.read(digest)?);
                        }
                    }
                    if !bytes.is_empty() && self.tree.leaf(&at(to)).is_none() {
                        let digest = cx.store.put(&bytes)?;
                        let node = Node::File { digest, executable: false };
                        self.tree.insert(&at(to), node)?;
                    }
                }
                Fixup::Directory(path) => {
                    if self.tree.leaf(&at(path)).is_none() {
                        self.tree.make_directory(&at(path))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn database(&mut self, cx: &Context<'_>) -> Result<(), FixError> {
        let records: Vec<_> = self.contents.iter().map(|c| (&c.name, &c.record)).collect();
        database::write(cx.store, &mut self.tree, &records, &self.lost)
    }

    /// The root's links into `/usr`: those that every system has, and those for which there is something.
    fn merge(&mut self) -> Result<(), TreeError> {
        for name in MERGED {
            let folder = at(&format!("usr/{name}"));
            let always = matches!(name, "bin" | "lib" | "sbin");
            if always {
                self.tree.make_directory(&folder)?;
            }
            if always || self.owner.keys().any(|p| p.is_within(&folder)) {
                self.tree.insert(&at(name), Node::Symlink(format!("usr/{name}")))?;
            }
        }
        Ok(())
    }
}

fn licences(debs: &[Deb], contents: &[Contents]) -> BTreeMap<String, String> {
    let by_name: BTreeMap<&str, &Contents> = debs.iter().map(|d| d.name.as_str()).zip(contents).collect();
    let mut list = BTreeMap::new();
    for deb in debs {
        let mut name = deb.name.as_str();
        // A package may share the documentation of another, and that one of a third.
        for _ in 0..4 {
            let Some(contents) = by_name.get(name) else { break };
            if let Some(text) = &contents.copyright {
                if let Some(licence) = copyright::licence(text) {
                    list.insert(deb.name.clone(), licence);
                }
                break;
            }
            let Some(other) = contents.shares_copyright_of.as_deref() else { break };
            name = other;
        }
    }
    list
}
