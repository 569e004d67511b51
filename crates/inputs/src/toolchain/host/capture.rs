//! Files of a machine into one tree.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};
use model::tree::{Node, Tree, TreeError};
use model::{Digest, RelPath};

use super::HostCaptureError;
use crate::toolchain::debian::{MERGED, dropped, merged};
use crate::toolchain::{links, skeleton};
use crate::{Context, InputError};

/// A tree being captured.
pub(super) struct Capture<'a> {
    cx: &'a Context<'a>,
    root: &'a Path,
    /// MD5 of configuration files as packages brought them.
    conffiles: BTreeMap<String, String>,
    tree: Tree,
    changed: Vec<String>,
    unread: Vec<String>,
}

impl<'a> Capture<'a> {
    pub(super) fn new(cx: &'a Context<'a>, root: &'a Path, conffiles: BTreeMap<String, String>) -> Self {
        let (tree, changed, unread) = (Tree::default(), Vec::new(), Vec::new());
        Self { cx, root, conffiles, tree, changed, unread }
    }

    /// Takes files, directories and links, absolute. What is not there any more is passed over.
    pub(super) fn take(&mut self, paths: Vec<String>) -> Result<(), InputError> {
        let mut files = Vec::new();
        for path in paths {
            let Ok(relative) = path.trim_start_matches('/').parse::<RelPath>() else { continue };
            let place = merged(&relative);
            let alias = relative != place && relative.components().count() == 1;
            if place.is_root() || dropped(&place) || alias {
                continue;
            }
            let full = self.root.join(relative.as_str());
            let Ok(meta) = fs::symlink_metadata(&full) else { continue };
            if meta.is_dir() {
                let place = links::through(&self.tree, &place, merged);
                if self.tree.leaf(&place).is_none() {
                    self.tree.make_directory(&place).map_err(|e| wrong(&full, &e))?;
                }
            } else if meta.is_symlink() {
                let target = fs::read_link(&full).ok().and_then(|t| t.to_str().map(str::to_owned));
                let Some(target) = target else { continue };
                self.insert(&place, Node::Symlink(target), &full)?;
            } else if meta.is_file() {
                files.push((path, place, full, meta));
            }
        }
        // After the links, so that what a package has below a link goes where that one points.
        for (path, place, full, meta) in files {
            if place.is_within(&"etc".parse().expect("it is a path")) && !self.as_brought(&path, &full) {
                self.changed.push(path);
                continue;
            }
            let Ok(mut file) = fs::File::open(&full) else {
                self.unread.push(path);
                continue;
            };
            let digest = self.cx.store.put_reader(&mut file)?;
            if digest.size != meta.size() {
                let reason = "it changes while it is read".to_owned();
                return Err(HostCaptureError::File { path: full, reason }.into());
            }
            let executable = meta.permissions().mode() & 0o100 != 0;
            self.insert(&place, Node::File { digest, executable }, &full)?;
        }
        Ok(())
    }

    fn insert(&mut self, place: &RelPath, node: Node, full: &Path) -> Result<(), InputError> {
        let place = links::through(&self.tree, place, merged);
        match self.tree.insert(&place, node) {
            // The file system holds one thing at each path, so this is it again.
            Ok(()) | Err(TreeError::Twice(_)) => Ok(()),
            Err(error) => Err(wrong(full, &error)),
        }
    }

    /// Whether a file of `/etc` is as its package brought it. A file that no package calls configuration is.
    fn as_brought(&self, path: &str, full: &Path) -> bool {
        let Some(expected) = self.conffiles.get(path) else { return true };
        let mut hasher = Md5::new();
        let read = fs::File::open(full).and_then(|mut file| {
            let mut buffer = vec![0; 1 << 16];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(()),
                    count => hasher.update(&buffer[..count]),
                }
            }
        });
        let found: String = hasher.finalize().iter().map(|b| format!("{b:02x}")).collect();
        read.is_ok() && found == *expected
    }

    /// The links of `/etc/alternatives` that lead to something captured, and the links to those.
    pub(super) fn alternatives(&mut self) -> Result<(), InputError> {
        let folder = self.root.join("var/lib/dpkg/alternatives");
        let mut names: Vec<PathBuf> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
        names.sort();
        for file in names {
            let text = fs::read_to_string(&file).unwrap_or_default();
            let Some(name) = file.file_name().and_then(|n| n.to_str()) else { continue };
            // `auto`, the link, then pairs of a slave's name and link, then an empty line.
            let mut lines = text.lines().skip(1);
            let mut pairs = vec![(name.to_owned(), lines.next().unwrap_or_default().to_owned())];
            let rest: Vec<&str> = lines.take_while(|l| !l.is_empty()).collect();
            for pair in rest.chunks_exact(2) {
                pairs.push((pair[0].to_owned(), pair[1].to_owned()));
            }
            for (name, link) in pairs {
                let choice = format!("/etc/alternatives/{name}");
                let target = fs::read_link(self.root.join(choice.trim_start_matches('/'))).ok();
                let target = target.and_then(|t| t.to_str()?.trim_start_matches('/').parse::<RelPath>().ok());
                let stands = target.is_some_and(|t| {
                    self.tree.leaf(&links::through(&self.tree, &merged(&t), merged)).is_some()
                });
                if stands {
                    self.take(vec![choice, link])?;
                }
            }
        }
        Ok(())
    }

    /// The tree, with what every root has.
    pub(super) fn finish(mut self) -> Result<Digest, InputError> {
        for name in MERGED {
            let folder: RelPath = format!("usr/{name}").parse().expect("it is a path");
            if fs::metadata(self.root.join(folder.as_str())).is_ok_and(|m| m.is_dir()) {
                let place: RelPath = name.parse().expect("it is a path");
                let made = self.tree.make_directory(&folder);
                let made = made.and_then(|()| self.tree.insert(&place, Node::Symlink(format!("usr/{name}"))));
                made.map_err(|e| wrong(&self.root.join(name), &e))?;
            }
        }
        skeleton::make(&mut self.tree);
        for (list, what) in [
            (&self.changed, "files of /etc were changed on this machine and are left out"),
            (&self.unread, "files cannot be read by this user and are left out"),
        ] {
            if !list.is_empty() {
                let some: Vec<&str> = list.iter().take(5).map(String::as_str).collect();
                let more = if list.len() > some.len() { ", …" } else { "" };
                self.cx.note(format!("{} {what}: {}{more}", list.len(), some.join(", ")));
            }
        }
        let finished = self.tree.finish();
        self.cx.store.put_tree(&finished)?;
        Ok(finished.root)
    }
}

fn wrong(full: &Path, error: &TreeError) -> InputError {
    HostCaptureError::File { path: full.to_owned(), reason: error.to_string() }.into()
}
