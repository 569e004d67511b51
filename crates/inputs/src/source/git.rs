//! A git repository at a commit, with its submodules at the commits that its tree pins.
//!
//! Content is what git holds: no attribute, filter or line-end conversion is applied, so that the tree is the same
//! whatever the host's git is configured to do. Large files kept elsewhere (LFS) stay pointers.

pub(crate) mod proof;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Instant;

use model::event::{Outcome, Unit};
use model::lock::LockedSource;
use model::recipe::Locator;
use model::tree::{Node, Tree};
use model::{Event, RelPath, Timestamp};

use self::proof::Proof;
use crate::git::{Listed, command, commit_time, listed, run};
use crate::{Context, GitError, InputError};

const DEPTH: usize = 16;

/// Brings a commit of a repository, with its submodules, into the store and says what came.
///
/// # Errors
/// If `git` cannot fetch it, or its tree holds what no tree can.
pub fn commit(cx: &Context<'_>, name: &str, url: &str, commit: &str) -> Result<LockedSource, InputError> {
    let start = Instant::now();
    let stage = "fetch";
    (cx.events)(Event::Started { stage, name: name.to_owned(), total: None, unit: Unit::Items });
    let mut tree = Tree::default();
    let mut proof = Proof::default();
    let result = bring(cx, url, commit, &RelPath::root(), &mut tree, &mut proof, 0);
    let outcome = if result.is_ok() { Outcome::Done } else { Outcome::Failed };
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let detail = format!("{url} at {commit}");
    (cx.events)(Event::Finished { stage, name: name.to_owned(), outcome, detail, millis });
    let epoch = result?;
    let finished = tree.finish();
    cx.store.put_tree(&finished)?;
    proof::remember(cx.store, commit, &cx.store.put(&proof.bytes())?)?;
    Ok(LockedSource {
        origin: Locator::Git { url: url.to_owned(), commit: commit.to_owned() },
        licence: None,
        epoch,
        tree: finished.root,
        files: Vec::new(),
        contents: None,
    })
}

/// Puts the tree of a commit at `place`; gives the committer's time.
fn bring(
    cx: &Context<'_>,
    url: &str,
    commit: &str,
    place: &RelPath,
    tree: &mut Tree,
    proof: &mut Proof,
    depth: usize,
) -> Result<Timestamp, InputError> {
    let content = |reason: String| GitError::Content { place: url.to_owned(), reason };
    if url.starts_with('-') || url.contains('\0') {
        return Err(content("is no URL".into()).into());
    }
    if depth > DEPTH {
        return Err(content(format!("submodules are nested more than {DEPTH} deep")).into());
    }
    let scratch = cx.store.scratch()?;
    let folder = scratch.path();
    let env = &cx.host.env;
    let format = if commit.len() == 64 { "--object-format=sha256" } else { "--object-format=sha1" };
    run(env, folder, &["init", "--quiet", "--bare", format])?;
    retrieve(env, folder, url, commit)?;
    let text = run(env, folder, &["cat-file", "commit", commit])?;
    let time = commit_time(&text).ok_or_else(|| content("its commit has no time".into()))?;
    let bytes = run(env, folder, &["ls-tree", "-r", "-z", "--full-tree", commit])?;
    let list = listed(url, &bytes)?;
    contents(cx, folder, url, &list, place, tree)?;
    prove(env, folder, commit, &text, proof)?;
    let modules: Vec<&Listed<'_>> = list.iter().filter(|l| l.mode == "160000").collect();
    if !modules.is_empty() {
        let urls = submodules(env, folder, commit)?;
        for module in modules {
            let path: RelPath = module.path.parse().map_err(|e| content(format!("{e}")))?;
            let Some(relative) = urls.get(module.path) else {
                cx.note(format!("{url}: `{path}` is a commit of another repository that .gitmodules does not name; left empty"));
                let place = place.join(&path);
                tree.make_directory(&place).map_err(|e| content(e.to_string()))?;
                continue;
            };
            let address = absolute(url, relative);
            // A repository from the network has no business with this host's files.
            if !is_local(url) && is_local(&address) {
                return Err(content(format!("submodule `{path}` points to `{address}` on this host")).into());
            }
            bring(cx, &address, module.object, &place.join(&path), tree, proof, depth + 1)?;
        }
    }
    Ok(time)
}

/// Adds a commit and its trees to a proof.
fn prove(
    env: &BTreeMap<String, String>,
    folder: &Path,
    commit: &str,
    text: &[u8],
    proof: &mut Proof,
) -> Result<(), GitError> {
    let long = commit.len() == 64;
    proof.add("commit", text, long);
    let root = run(env, folder, &["rev-parse", &format!("{commit}^{{tree}}")])?;
    let below = run(env, folder, &["ls-tree", "-r", "-t", "-d", "-z", "--full-tree", commit])?;
    let mut ids = vec![String::from_utf8_lossy(&root).trim().to_owned()];
    for entry in below.split(|b| *b == 0) {
        let head =
            String::from_utf8_lossy(entry.split(|b| *b == b'\t').next().unwrap_or_default()).into_owned();
        if let [_, "tree", id] = head.split(' ').collect::<Vec<_>>()[..] {
            ids.push(id.to_owned());
        }
    }
    ids.sort();
    ids.dedup();
    for (id, content) in objects(env, folder, &ids)? {
        let found = proof.add("tree", &content, long);
        if found != id {
            let reason = format!("expected tree {id}, found {found}");
            return Err(GitError::Content { place: commit.to_owned(), reason });
        }
    }
    Ok(())
}

/// `git cat-file --batch`, with what it is asked through and what it answers through.
fn batch(
    env: &BTreeMap<String, String>,
    folder: &Path,
) -> Result<(Child, ChildStdin, ChildStdout), GitError> {
    let mut child = command(env, folder)
        .args(["cat-file", "--batch", "--buffer"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(GitError::Start)?;
    let stdin = child.stdin.take().expect("it was just piped");
    let stdout = child.stdout.take().expect("it was just piped");
    Ok((child, stdin, stdout))
}

/// Trees by id, as one `git cat-file --batch` gives them.
fn objects(
    env: &BTreeMap<String, String>,
    folder: &Path,
    ids: &[String],
) -> Result<Vec<(String, Vec<u8>)>, GitError> {
    let (mut child, mut stdin, mut stdout) = batch(env, folder)?;
    let mut bytes = Vec::new();
    let read = std::thread::scope(|scope| {
        scope.spawn(move || {
            let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
            // If git is gone, reading says so.
            let _gone = stdin.write_all(lines.as_bytes());
        });
        (&mut stdout).take(proof::LIMIT).read_to_end(&mut bytes)
    });
    drop(stdout);
    child.wait().map_err(GitError::Start)?;
    read.map_err(GitError::Start)?;
    let mut list = Vec::new();
    let mut rest = bytes.as_slice();
    for id in ids {
        let damaged =
            || GitError::Content { place: id.clone(), reason: "git does not give this tree".into() };
        let end = rest.iter().position(|b| *b == b'\n').ok_or_else(damaged)?;
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let [found, "tree", size] = head.split(' ').collect::<Vec<_>>()[..] else { return Err(damaged()) };
        let size: usize = size.parse().map_err(|_| damaged())?;
        let content = rest.get(end + 1..).and_then(|r| r.get(..size)).ok_or_else(damaged)?;
        list.push((found.to_owned(), content.to_vec()));
        rest = rest.get(end + 1 + size + 1..).ok_or_else(damaged)?;
    }
    Ok(list)
}

/// The one commit if the server gives single commits, else everything.
fn retrieve(env: &BTreeMap<String, String>, folder: &Path, url: &str, commit: &str) -> Result<(), GitError> {
    let shallow =
        ["fetch", "--quiet", "--no-tags", "--depth=1", "--no-recurse-submodules", "--", url, commit];
    let first = run(env, folder, &shallow);
    let has = || run(env, folder, &["cat-file", "-e", &format!("{commit}^{{commit}}")]).is_ok();
    if first.is_ok() && has() {
        return Ok(());
    }
    let all = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--", url, "+refs/*:refs/all/*"];
    match run(env, folder, &all) {
        Ok(_) if has() => Ok(()),
        Ok(_) => Err(GitError::Commit {
            url: url.to_owned(),
            expected: commit.to_owned(),
            found: "no commit of that id in any branch or tag".to_owned(),
        }),
        Err(second) => Err(second),
    }
}

/// Reads all blobs of a commit by one `git cat-file --batch`.
fn contents(
    cx: &Context<'_>,
    folder: &Path,
    url: &str,
    list: &[Listed<'_>],
    place: &RelPath,
    tree: &mut Tree,
) -> Result<(), InputError> {
    let content = |reason: String| GitError::Content { place: url.to_owned(), reason };
    let blobs: Vec<&Listed<'_>> = list.iter().filter(|l| l.mode != "160000").collect();
    let (mut child, mut stdin, stdout) = batch(&cx.host.env, folder)?;
    let result = std::thread::scope(|scope| {
        // Fed apart, so that neither side waits for the other.
        scope.spawn(move || {
            let ids: String = blobs.iter().map(|b| format!("{}\n", b.object)).collect();
            // If git is gone, reading says so.
            let _gone = stdin.write_all(ids.as_bytes());
        });
        let mut reader = BufReader::with_capacity(1 << 16, stdout);
        for blob in list.iter().filter(|l| l.mode != "160000") {
            let damaged = |cause: std::io::Error| content(format!("`{}` cannot be read: {cause}", blob.path));
            let mut header = String::new();
            reader.read_line(&mut header).map_err(damaged)?;
            let words: Vec<&str> = header.split_whitespace().collect();
            let [id, "blob", size] = words[..] else {
                return Err(content(format!("`{}`: git answers `{}`", blob.path, header.trim())).into());
            };
            let size: u64 = size.parse().map_err(|_| content(format!("git answers `{}`", header.trim())))?;
            if id != blob.object {
                return Err(content(format!("expected object {}, found {id}", blob.object)).into());
            }
            let node = if blob.mode == "120000" {
                let mut target = String::new();
                (&mut reader).take(size).read_to_string(&mut target).map_err(damaged)?;
                Node::Symlink(target)
            } else {
                let digest = cx.store.put_reader(&mut (&mut reader).take(size))?;
                if digest.size != size {
                    return Err(content(format!("`{}` ends early", blob.path)).into());
                }
                Node::File { digest, executable: blob.mode == "100755" }
            };
            let mut end = [0];
            reader.read_exact(&mut end).map_err(damaged)?;
            let path: RelPath = blob.path.parse().map_err(|e| content(format!("{e}")))?;
            tree.insert(&place.join(&path), node).map_err(|e| content(e.to_string()))?;
        }
        Ok(())
    });
    if result.is_err() {
        // It may be waiting to be read; if it has ended already, there is nothing to stop.
        let _ended = child.kill();
    }
    child.wait().map_err(GitError::Start)?;
    result
}

/// Path to URL, of `.gitmodules` in a commit.
fn submodules(
    env: &BTreeMap<String, String>,
    folder: &Path,
    commit: &str,
) -> Result<BTreeMap<String, String>, GitError> {
    let blob = format!("--blob={commit}:.gitmodules");
    let Ok(bytes) = run(env, folder, &["config", &blob, "-z", "--list"]) else { return Ok(BTreeMap::new()) };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (mut paths, mut urls) = (BTreeMap::new(), BTreeMap::new());
    for (key, value) in text.split('\0').filter_map(|e| e.split_once('\n')) {
        let Some(key) = key.strip_prefix("submodule.") else { continue };
        if let Some(name) = key.strip_suffix(".path") {
            paths.insert(name.to_owned(), value.to_owned());
        } else if let Some(name) = key.strip_suffix(".url") {
            urls.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(paths.into_iter().filter_map(|(name, path)| Some((path, urls.remove(&name)?))).collect())
}

/// A submodule's URL may be relative to its parent's.
fn absolute(parent: &str, url: &str) -> String {
    let mut base = parent.trim_end_matches('/').to_owned();
    let mut rest = url;
    if !rest.starts_with("./") && !rest.starts_with("../") {
        return url.to_owned();
    }
    loop {
        if let Some(more) = rest.strip_prefix("./") {
            rest = more;
        } else if let Some(more) = rest.strip_prefix("../") {
            rest = more;
            let cut = base.rfind('/').or_else(|| base.rfind(':').map(|at| at + 1));
            base.truncate(cut.unwrap_or(base.len()));
        } else {
            let separator = if base.ends_with(':') { "" } else { "/" };
            return format!("{base}{separator}{rest}");
        }
    }
}

fn is_local(url: &str) -> bool {
    url.starts_with("file:") || url.starts_with('/') || url.starts_with('.') || !url.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submodules_may_be_named_relatively() {
        for (parent, url, whole) in [
            ("https://a.example.org/x/y.git", "../z.git", "https://a.example.org/x/z.git"),
            ("https://a.example.org/x/y.git/", "../../z", "https://a.example.org/z"),
            ("git@a.example.org:y.git", "../z.git", "git@a.example.org:z.git"),
            ("/srv/y", "./z", "/srv/y/z"),
            ("https://a.example.org/y", "https://b.example.org/z", "https://b.example.org/z"),
        ] {
            assert_eq!(absolute(parent, url), whole);
        }
        assert!(is_local("/x") && is_local("file:///x") && is_local("../x"));
        assert!(!is_local("https://a.example.org/x") && !is_local("git@a.example.org:x"));
    }
}
