//! The objects by which a commit's id vouches for a tree, so that a tree can be believed without asking a server.
//!
//! A commit's id is the hash of its text, which names a tree by hash, which names files and further trees. Kept are the
//! commit and the trees, of submodules too, each as git hashes it (`TYPE SIZE`, a NUL, the content), one after the other
//! by id. The files are in the store: they are hashed as git does and compared.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use model::tree::Node;
use model::{Digest, RelPath};
use ring::digest::{Context as Hash, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use store::{Store, StoreError};

/// Where it is kept which blob proves a commit.
const SPACE: &str = "git-proof";
/// No proof is larger.
pub(crate) const LIMIT: u64 = 1 << 30;
/// Trees and submodules are nested no deeper.
const DEPTH: usize = 256;

/// Objects by id.
#[derive(Debug, Default)]
pub(crate) struct Proof(BTreeMap<String, Vec<u8>>);

/// Why a proof does not hold. For the log of a test: whoever meets one asks the server instead.
pub(crate) type Reason = String;

fn key(commit: &str) -> Digest {
    Digest::of(commit.as_bytes())
}

/// The blob that is said to prove a commit, if the store holds it.
pub(crate) fn known(store: &Store, commit: &str) -> Option<Digest> {
    let text = String::from_utf8(store.memo_get(SPACE, &key(commit))?).ok()?;
    text.parse().ok().filter(|digest| store.contains(digest))
}

/// Remembers where the proof of a commit is said to be. Nothing is believed by this.
pub(crate) fn remember(store: &Store, commit: &str, proof: &Digest) -> Result<(), StoreError> {
    store.memo_put(SPACE, &key(commit), proof.to_string().as_bytes())
}

/// Whether the store holds `tree`, and a proof that it is that of `commit`.
pub(crate) fn proven(store: &Store, commit: &str, tree: &Digest) -> Result<bool, StoreError> {
    let Some(digest) = known(store, commit) else { return Ok(false) };
    if digest.size > LIMIT || !store.missing(tree)?.is_empty() {
        return Ok(false);
    }
    let bytes = store.read(&digest)?;
    let Ok(proof) = Proof::parse(&bytes, commit.len() == 64) else { return Ok(false) };
    Ok(proof.holds(store, commit, tree)?.is_ok())
}

impl Proof {
    /// Adds an object as it was read; its id is computed.
    pub(crate) fn add(&mut self, kind: &str, content: &[u8], long: bool) -> String {
        let mut bytes = format!("{kind} {}\0", content.len()).into_bytes();
        bytes.extend_from_slice(content);
        let id = hashed(long, &[&bytes]);
        self.0.insert(id.clone(), bytes);
        id
    }

    /// As one blob.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.values().flatten().copied().collect()
    }

    /// Reads a blob; `long` if ids are SHA-256.
    pub(crate) fn parse(mut bytes: &[u8], long: bool) -> Result<Self, Reason> {
        let mut all = Self::default();
        while !bytes.is_empty() {
            let end = bytes.iter().take(32).position(|b| *b == 0).ok_or("an object has no head")?;
            let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "a head is no text")?;
            let (kind, size) = head.split_once(' ').ok_or("a head has no size")?;
            let size: usize = size.parse().map_err(|_| "a size is no number")?;
            let whole =
                (end + 1).checked_add(size).filter(|n| *n <= bytes.len()).ok_or("an object is cut")?;
            if !matches!(kind, "commit" | "tree") {
                return Err(format!("`{kind}` is neither commit nor tree"));
            }
            all.add(kind, &bytes[end + 1..whole], long);
            bytes = &bytes[whole..];
        }
        Ok(all)
    }

    fn object(&self, id: &str, kind: &str) -> Result<&[u8], Reason> {
        let bytes = self.0.get(id).ok_or_else(|| format!("object {id} is not there"))?;
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        let right = bytes[..end].strip_prefix(kind.as_bytes()).is_some_and(|rest| rest.starts_with(b" "));
        if right { Ok(&bytes[end + 1..]) } else { Err(format!("object {id} is no {kind}")) }
    }

    /// Whether `tree` is exactly what `commit` holds.
    pub(crate) fn holds(
        &self,
        store: &Store,
        commit: &str,
        tree: &Digest,
    ) -> Result<Result<(), Reason>, StoreError> {
        let walk = Walk { proof: self, store, long: commit.len() == 64 };
        walk.commit(commit, tree, 0)
    }
}

struct Walk<'a> {
    proof: &'a Proof,
    store: &'a Store,
    long: bool,
}

/// One entry of a tree of git: mode, name, id.
type Entry<'a> = (&'a str, &'a str, String);

impl Walk<'_> {
    fn commit(&self, id: &str, tree: &Digest, depth: usize) -> Result<Result<(), Reason>, StoreError> {
        let root = match self.proof.object(id, "commit").and_then(|text| {
            let line = text.split(|b| *b == b'\n').next().unwrap_or_default();
            let line = std::str::from_utf8(line).map_err(|_| "a commit is no text".to_owned())?;
            line.strip_prefix("tree ").map(str::to_owned).ok_or_else(|| "a commit names no tree".to_owned())
        }) {
            Ok(root) => root,
            Err(reason) => return Ok(Err(reason)),
        };
        let modules = self.modules(tree)?;
        self.tree(&root, tree, &RelPath::root(), &modules, depth)
    }

    /// What stands in `.gitmodules`.
    fn modules(&self, tree: &Digest) -> Result<String, StoreError> {
        let path = ".gitmodules".parse().expect("it is a path");
        Ok(match self.store.lookup(tree, &path)? {
            Some(Node::File { digest, .. }) if digest.size < 16 << 20 => {
                String::from_utf8_lossy(&self.store.read(&digest)?).into_owned()
            }
            _ => String::new(),
        })
    }

    fn tree(
        &self,
        id: &str,
        tree: &Digest,
        place: &RelPath,
        modules: &str,
        depth: usize,
    ) -> Result<Result<(), Reason>, StoreError> {
        if depth > DEPTH {
            return Ok(Err("nested too deep".into()));
        }
        let listed = match self.proof.object(id, "tree").and_then(|bytes| entries(bytes, self.long)) {
            Ok(list) => list,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut found = self.store.directory(tree)?.0;
        let mut seen = BTreeSet::new();
        for (mode, name, id) in listed {
            let at = || format!("`{place}/{name}`");
            let Ok(file_name) = name.parse::<model::FileName>() else { return Ok(Err(at())) };
            let Some(node) = found.remove(&file_name).filter(|_| seen.insert(name)) else {
                return Ok(Err(format!("{} is not there", at())));
            };
            let path = place.join_name(&file_name);
            let right = match (mode, node) {
                ("40000", Node::Directory(below)) => {
                    if let Err(reason) = self.tree(&id, &below, &path, modules, depth + 1)? {
                        return Ok(Err(reason));
                    }
                    true
                }
                ("160000", Node::Directory(below)) if self.proof.0.contains_key(&id) => {
                    if let Err(reason) = self.commit(&id, &below, depth + 1)? {
                        return Ok(Err(reason));
                    }
                    true
                }
                // Left empty, because nothing says where it is.
                ("160000", Node::Directory(below)) => {
                    self.store.directory(&below)?.0.is_empty() && !modules.contains(path.as_str())
                }
                ("120000", Node::Symlink(target)) => {
                    let head = format!("blob {}\0", target.len());
                    hashed(self.long, &[head.as_bytes(), target.as_bytes()]) == id
                }
                (mode, Node::File { digest, executable }) if mode.starts_with("100") => {
                    executable == (mode == "100755") && self.file(&digest)? == id
                }
                _ => false,
            };
            if !right {
                return Ok(Err(format!("{} is something else", at())));
            }
        }
        Ok(match found.keys().next() {
            Some(more) => Err(format!("`{place}/{more}` is not in the commit")),
            None => Ok(()),
        })
    }

    /// The id that git gives a file.
    fn file(&self, digest: &Digest) -> Result<String, StoreError> {
        let mut hash = hash(self.long);
        hash.update(format!("blob {}\0", digest.size).as_bytes());
        let mut file = self.store.open_blob(digest)?;
        let mut buffer = vec![0; 128 << 10];
        loop {
            let count = file.read(&mut buffer).map_err(|e| StoreError::io("read", self.store.dir(), e))?;
            if count == 0 {
                return Ok(hex(hash.finish().as_ref()));
            }
            hash.update(&buffer[..count]);
        }
    }
}

fn entries(mut bytes: &[u8], long: bool) -> Result<Vec<Entry<'_>>, Reason> {
    let length = if long { 32 } else { 20 };
    let mut list = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|b| *b == 0).ok_or("an entry has no end")?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "a name is no UTF-8")?;
        let (mode, name) = head.split_once(' ').ok_or("an entry has no name")?;
        let id = bytes.get(end + 1..end + 1 + length).ok_or("an entry is cut")?;
        list.push((mode, name, hex(id)));
        bytes = &bytes[end + 1 + length..];
    }
    Ok(list)
}

fn hash(long: bool) -> Hash {
    Hash::new(if long { &SHA256 } else { &SHA1_FOR_LEGACY_USE_ONLY })
}

fn hashed(long: bool, parts: &[&[u8]]) -> String {
    let mut hash = hash(long);
    parts.iter().for_each(|part| hash.update(part));
    hex(hash.finish().as_ref())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
