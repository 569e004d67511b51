//! The folder that artifacts go to: what in it is ours, and so may be replaced.
//!
//! A recipe is somebody else's text, and so is the tree it comes with: an artifact may be called like a folder that is
//! dear to its user, and `selfsame-out` may be a committed link to one. So the folder must be a folder, and what is
//! replaced in it must be listed in its file `.selfsame` as written by us. In the default folder, which we made and
//! which says so in its `.gitignore`, single files are replaced without that.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use model::tree::Node;
use store::Store;

use crate::failure::Failure;
use crate::session::make_folder;

/// Lists what we wrote here.
const LIST: &str = ".selfsame";
/// Keeps the folder out of version control, so that building in a work tree does not make it dirty.
const IGNORE: &str = ".gitignore";
const IGNORE_TEXT: &str = "# written by selfsame\n*\n";
/// Nobody's list of artifacts is longer.
const MAX_LIST: u64 = 1 << 20;

/// The folder that artifacts go to.
pub(crate) struct Out {
    path: PathBuf,
    /// Named on the command line, so any folder may be meant, and most of what is in it may not be ours.
    given: bool,
}

impl Out {
    pub(crate) fn new(path: PathBuf, given: bool) -> Self {
        Self { path, given }
    }

    /// Fails if writing files and folders of these names would replace what is not ours. Changes nothing.
    pub(crate) fn check(&self, names: &[String]) -> Result<(), Failure> {
        let path = &self.path;
        match fs::symlink_metadata(path) {
            Ok(stat) if stat.is_symlink() => {
                let title =
                    format!("`{}` is a symbolic link: artifacts are not written through it", path.display());
                return Err(Failure::failed(title).help("remove the link, or give --out the folder itself"));
            }
            Ok(stat) if !stat.is_dir() => {
                let title = format!("`{}` is not a folder", path.display());
                return Err(Failure::failed(title).help("remove it, or give another --out"));
            }
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(Failure::io("open", path, e)),
        }
        if !self.given && !self.is_marked() && !self.is_empty()? {
            let title = format!("`{}` is there already, and selfsame did not make it", path.display());
            return Err(Failure::failed(title).help("move it away, or give another folder with --out"));
        }
        let ours = self.list();
        for name in names.iter().filter(|name| !ours.contains(*name)) {
            let place = path.join(name);
            let what = match fs::symlink_metadata(&place) {
                Ok(stat) if stat.is_dir() => "folder",
                Ok(_) if self.given => "file",
                _ => continue,
            };
            let title =
                format!("the {what} `{}` would be replaced, and selfsame did not write it", place.display());
            return Err(Failure::failed(title).help("move it away, or give another folder with --out"));
        }
        Ok(())
    }

    /// Makes the folder and notes that these names are ours from here on. [`Out::check`] comes before.
    pub(crate) fn claim(&self, names: &[String]) -> Result<(), Failure> {
        self.check(names)?;
        make_folder(&self.path)?;
        if self.is_empty()? || !self.given {
            let ignore = self.path.join(IGNORE);
            match File::create_new(&ignore).and_then(|mut file| file.write_all(IGNORE_TEXT.as_bytes())) {
                Err(e) if e.kind() != ErrorKind::AlreadyExists => {
                    return Err(Failure::io("write", &ignore, e));
                }
                _ => {}
            }
        }
        let before = self.list();
        let mut ours = before.clone();
        ours.extend(names.iter().cloned());
        if ours == before {
            return Ok(());
        }
        let text: String = ours.iter().map(|name| format!("{name}\n")).collect();
        let aside = Aside::new(&self.path)?;
        let (new, place) = (aside.0.join(LIST), self.path.join(LIST));
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, &place))
            .map_err(|e| Failure::io("write", &place, e))
    }

    /// Writes one of the claimed things, whole or not at all; what was there stays if it cannot be written.
    pub(crate) fn write(&self, store: &Store, node: &Node, name: &str) -> Result<PathBuf, Failure> {
        let place = self.path.join(name);
        if !fs::symlink_metadata(&place).is_ok_and(|stat| stat.is_dir()) {
            store.export(node, &place)?;
            return Ok(place);
        }
        self.check(&[name.to_owned()])?;
        let aside = Aside::new(&self.path)?;
        let (new, old) = (aside.0.join("new"), aside.0.join("old"));
        store.export(node, &new)?;
        fs::rename(&place, &old).map_err(|e| Failure::io("replace", &place, e))?;
        fs::rename(&new, &place).map_err(|e| {
            let _ = fs::rename(&old, &place);
            Failure::io("write", &place, e)
        })?;
        Ok(place)
    }

    fn is_marked(&self) -> bool {
        // The second is what earlier versions wrote.
        read(&self.path.join(IGNORE)).is_some_and(|text| text == IGNORE_TEXT || text == "*\n")
    }

    fn is_empty(&self) -> Result<bool, Failure> {
        let mut entries = fs::read_dir(&self.path).map_err(|e| Failure::io("open", &self.path, e))?;
        Ok(entries.next().is_none())
    }

    fn list(&self) -> BTreeSet<String> {
        let text = read(&self.path.join(LIST)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// A small regular file; no link is followed, no pipe waited for.
fn read(path: &Path) -> Option<String> {
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_LIST).read_to_string(&mut text).ok()?;
    Some(text)
}

/// A folder for what is not in place yet, or no longer; removed in the end.
struct Aside(PathBuf);

impl Aside {
    fn new(beside: &Path) -> Result<Self, Failure> {
        for number in 0.. {
            let path = beside.join(format!(".selfsame-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Failure::io("make", &path, e)),
            }
        }
        unreachable!("no folder has so many entries")
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|n| (*n).to_owned()).collect()
    }

    fn store(dir: &Path) -> (Store, Node) {
        let store = Store::open(&dir.join("store")).unwrap();
        let digest = store.put(b"artifact").unwrap();
        let file = Node::File { digest, executable: false };
        let tree = store.compose(&[("a".parse().unwrap(), file)]).unwrap();
        (store, Node::Directory(tree))
    }

    #[test]
    fn a_folder_that_is_not_ours_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (store, tree) = store(dir.path());
        let dear = dir.path().join("src");
        fs::create_dir(&dear).unwrap();
        fs::write(dear.join("main.c"), "years of work").unwrap();
        fs::write(dir.path().join("notes"), "also").unwrap();
        for given in [true, false] {
            let out = Out::new(dir.path().to_owned(), given);
            assert!(out.claim(&names(&["src"])).unwrap_err().sentence().contains("did not"));
            assert!(out.claim(&names(&["notes"])).is_err());
            assert!(out.write(&store, &tree, "src").is_err());
        }
        assert_eq!(fs::read_to_string(dear.join("main.c")).unwrap(), "years of work");
        assert!(!dir.path().join(IGNORE).exists() && !dir.path().join(LIST).exists());
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::create_dir(&victim).unwrap();
        let link = dir.path().join("selfsame-out");
        std::os::unix::fs::symlink("victim", &link).unwrap();
        for given in [true, false] {
            let told = Out::new(link.clone(), given).claim(&names(&["a"])).unwrap_err().sentence();
            assert!(told.contains("symbolic link"), "{told}");
        }
        assert!(fs::read_dir(victim).unwrap().next().is_none());
    }

    #[test]
    fn what_is_ours_is_replaced_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let (store, tree) = store(dir.path());
        let out = Out::new(dir.path().join("selfsame-out"), false);
        for _ in 0..2 {
            out.claim(&names(&["tree"])).unwrap();
            let place = out.write(&store, &tree, "tree").unwrap();
            assert_eq!(fs::read_to_string(place.join("a")).unwrap(), "artifact");
            fs::write(place.join("left"), "over").unwrap();
        }
        let gone = Node::Directory(model::Digest::of(b"not in the store"));
        assert!(out.write(&store, &gone, "tree").is_err());
        assert_eq!(fs::read_to_string(out.path.join("tree/left")).unwrap(), "over");
        let mut left: Vec<_> = fs::read_dir(&out.path).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [IGNORE, LIST, "tree"]);
    }
}
