//! `COPY`, `ADD` and `WORKDIR`: the members of the layer that they make, without running anything.
//!
//! As BuildKit copies: what a source names is followed if it is a link, links in folders stay links; a folder is copied as
//! what is in it; what is there already stays, unless it has the name of something copied. A folder over a file, or a file
//! over a folder, is an error, and not a way to lose either.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::os::unix::fs::MetadataExt as _;

use artifact::oci::{LayerEntry, MemberError, What, members, unwrapped};
use model::dockerfile::{Document, Ignore, Mode, Place, sources};
use store::Store;

use super::files::{Files, all, entry, open};
use crate::layers::{Entries, LayerError, Seen, Source, View, join};

/// What is copied, and how.
pub(super) struct Copying<'a> {
    /// What lies where it goes.
    pub(super) below: &'a dyn Files,
    /// Of that, for looking through links.
    pub(super) view: &'a View,
    pub(super) to: &'a Place,
    /// `None` is whose it is.
    pub(super) owner: Option<(u32, u32)>,
    pub(super) mode: Option<&'a Mode>,
    pub(super) exclude: &'a Ignore,
    /// Whether it is a layer of its own, whatever lies below.
    pub(super) link: bool,
    entries: Entries,
    /// The first name of each file that has several, by where it is on the disk.
    names: BTreeMap<(u64, u64), String>,
    /// Where it goes, without links.
    dest: String,
    /// Whether that is a folder into which things go under their names.
    into: bool,
}

impl<'a> Copying<'a> {
    /// `many` things are copied, at least.
    pub(super) fn new(
        (below, view): (&'a dyn Files, &'a View),
        to: &'a Place,
        (owner, mode): (Option<(u32, u32)>, Option<&'a Mode>),
        exclude: &'a Ignore,
        link: bool,
        many: usize,
    ) -> Result<Self, LayerError> {
        let dest = if link { plain_path(&to.path) } else { view.resolve(&to.path, true)? };
        let is_folder = !link && matches!(view.look(&dest)?, Seen::Folder(_));
        let into = to.folder || many > 1 || is_folder;
        let (entries, names) = (Entries::new(), BTreeMap::new());
        Ok(Self { below, view, to, owner, mode, exclude, link, entries, names, dest, into })
    }

    /// Copies what a source names.
    pub(super) fn source(
        &mut self,
        files: &dyn Files,
        path: &str,
        below: Option<&str>,
    ) -> Result<(), LayerError> {
        let path = plain_path(path);
        let Some(below) = below else {
            for found in meant(files, &path)? {
                self.named(files, &found)?;
            }
            return Ok(());
        };
        // `--parents`: the folders on the way are kept.
        let root = files.resolve(&path)?;
        for found in meant(files, &join(&root, below))? {
            let kept = found.strip_prefix(&root).unwrap_or(&found).trim_start_matches('/').to_owned();
            let dest = join(&self.dest, &kept);
            self.one(files, &found, &dest)?;
        }
        Ok(())
    }

    fn named(&mut self, files: &dyn Files, found: &str) -> Result<(), LayerError> {
        let name = found.rsplit('/').next().unwrap_or_default().to_owned();
        let real = files.resolve(found)?;
        let is_folder = matches!(files.entry(&real)?.map(|entry| entry.what), Some(What::Directory));
        let dest = if is_folder || !self.into { self.dest.clone() } else { join(&self.dest, &name) };
        if !is_folder && self.exclude.matches(&name) {
            return Ok(());
        }
        self.one(files, found, &dest)
    }

    /// Copies one thing, or what is in it, to a path.
    fn one(&mut self, files: &dyn Files, found: &str, dest: &str) -> Result<(), LayerError> {
        let real = files.resolve(found)?;
        let Some(entry) = files.entry(&real)? else {
            return Err(LayerError::refused(found, "is not there to be copied"));
        };
        if !matches!(entry.what, What::Directory) {
            return self.leaf(files, entry, dest);
        }
        match self.view_of(dest)? {
            Seen::Leaf(..) => {
                return Err(LayerError::refused(dest, "is no directory, and one is copied there"));
            }
            Seen::Folder(_) => self.parents(&join(dest, "x"))?,
            Seen::Nothing if dest.is_empty() => {}
            Seen::Nothing => {
                self.parents(dest)?;
                let made = self.dressed(files, entry, dest);
                self.entries.entry(dest.to_owned()).or_insert(made);
            }
        }
        self.within(files, &real, dest, "")
    }

    /// Copies what is in a folder.
    fn within(&mut self, files: &dyn Files, from: &str, to: &str, below: &str) -> Result<(), LayerError> {
        for name in files.names(from)? {
            let (from, to, below) = (join(from, &name), join(to, &name), join(below, &name));
            let Some(entry) = files.entry(&from)? else { continue };
            let out = self.exclude.matches(&below);
            if !matches!(entry.what, What::Directory) {
                if !out {
                    self.leaf(files, entry, &to)?;
                }
                continue;
            }
            if !out {
                if let Seen::Leaf(..) = self.view_of(&to)? {
                    return Err(LayerError::refused(&to, "is no directory, and one is copied there"));
                }
                self.parents(&to)?;
                let made = self.dressed(files, entry, &to);
                self.entries.insert(to.clone(), made);
            }
            self.within(files, &from, &to, &below)?;
        }
        Ok(())
    }

    fn leaf(&mut self, files: &dyn Files, entry: LayerEntry<Source>, dest: &str) -> Result<(), LayerError> {
        let over = self.entries.get(dest).is_some_and(|entry| matches!(entry.what, What::Directory));
        if dest.is_empty() || over || matches!(self.view_of(dest)?, Seen::Folder(_)) {
            return Err(LayerError::refused(dest, "is a directory, and a file is copied there"));
        }
        self.parents(dest)?;
        let mut made = self.dressed(files, entry, dest);
        if let What::File { content: Source::Disk(place), .. } = &made.what {
            let metadata = place.symlink_metadata().map_err(LayerError::path(dest))?;
            let file = (metadata.dev(), metadata.ino());
            match self.names.get(&file).filter(|first| first.as_str() < dest) {
                Some(first) if metadata.nlink() > 1 => made.what = What::Link(first.clone()),
                _ => drop(self.names.insert(file, dest.to_owned())),
            }
        }
        self.entries.insert(dest.to_owned(), made);
        Ok(())
    }

    /// Puts a file that stands in the Dockerfile.
    pub(super) fn document(&mut self, document: &Document) -> Result<(), LayerError> {
        let dest = if self.into { join(&self.dest, &document.name) } else { self.dest.clone() };
        self.bytes(
            &dest,
            Source::Bytes(document.text.clone().into_bytes()),
            document.text.len() as u64,
            0o644,
        )
    }

    /// Puts a file that was fetched.
    pub(super) fn fetched(&mut self, name: &str, body: model::Digest) -> Result<(), LayerError> {
        let dest = if self.into { join(&self.dest, name) } else { self.dest.clone() };
        self.bytes(&dest, Source::Blob(body), body.size, 0o600)
    }

    fn bytes(&mut self, dest: &str, content: Source, size: u64, mode: u32) -> Result<(), LayerError> {
        let made = entry(dest.to_owned(), What::File { content, size }, mode);
        let nobody = super::files::Context::default();
        self.leaf(&nobody, made, dest)
    }

    /// Unpacks what a file holds, if that is an archive; false if it is none.
    pub(super) fn unpack(&mut self, store: &Store, content: &Source) -> Result<bool, LayerError> {
        let damaged = |source| LayerError::Member(MemberError::Damaged(source));
        if !is_archive(open(store, content).map_err(damaged)?) {
            return Ok(false);
        }
        let reader = open(store, content).map_err(damaged)?;
        let mut reader = unwrapped(BufReader::new(reader)).map_err(damaged)?;
        self.parents(&join(&self.dest.clone(), "x"))?;
        let dest = self.dest.clone();
        members(&mut reader, |member, content| {
            let path = plain_path(&member.name);
            if member.name.split('/').any(|part| part == "..") || member.name.contains('\u{fffd}') {
                return Err(LayerError::refused(&member.name, "has a name in the archive that is no path"));
            }
            if path.is_empty() {
                return Ok(());
            }
            let what = match member.kind {
                '0' => {
                    let blob = store.put_reader(content)?;
                    What::File { content: Source::Blob(blob), size: blob.size }
                }
                '1' => What::Link(join(&dest, &plain_path(&member.target))),
                '2' => What::Symlink(member.target.clone()),
                '5' => What::Directory,
                '6' => What::Pipe,
                _ => return Ok(()),
            };
            let id = |id: u64| u32::try_from(id).ok().filter(|id| *id < sandbox::IDS);
            let (Some(uid), Some(gid)) = (id(member.uid), id(member.gid)) else {
                return Err(LayerError::refused(&path, format!("belongs to {}:{}", member.uid, member.gid)));
            };
            let dest = join(&dest, &path);
            self.parents(&dest)?;
            let (uid, gid) = self.owner.unwrap_or((uid, gid));
            let made = LayerEntry {
                path: dest.clone(),
                what,
                mode: member.mode,
                uid,
                gid,
                attributes: member.attributes,
            };
            // What an archive has twice, the last one counts.
            self.entries.insert(dest, made);
            Ok(())
        })?;
        Ok(true)
    }

    /// A member as it is where it goes.
    fn dressed(&self, files: &dyn Files, mut entry: LayerEntry<Source>, dest: &str) -> LayerEntry<Source> {
        dest.clone_into(&mut entry.path);
        if let Some((uid, gid)) = self.owner.or(files.owner()) {
            (entry.uid, entry.gid) = (uid, gid);
        }
        let is_folder = matches!(entry.what, What::Directory);
        match self.mode {
            Some(_) if matches!(entry.what, What::Symlink(_)) => {}
            Some(Mode::Octal(mode)) => entry.mode = *mode,
            Some(Mode::Symbolic(text)) => entry.mode = changed(entry.mode, text, is_folder),
            None => {}
        }
        entry
    }

    fn view_of(&self, path: &str) -> Result<Seen, LayerError> {
        if self.link { Ok(Seen::Nothing) } else { self.view.look(path) }
    }

    /// The folders above a path: as they are, or new.
    fn parents(&mut self, path: &str) -> Result<(), LayerError> {
        let above: Vec<&str> = path.match_indices('/').map(|(at, _)| &path[..at]).collect();
        for above in above {
            match self.entries.get(above) {
                Some(known) if matches!(known.what, What::Directory) => continue,
                Some(_) => {
                    return Err(LayerError::refused(
                        above,
                        "is no directory, and something is copied below it",
                    ));
                }
                None => {}
            }
            let known = if self.link { None } else { self.below.entry(above)? };
            let made = match known {
                Some(known) if matches!(known.what, What::Directory) => known,
                Some(_) => {
                    return Err(LayerError::refused(
                        above,
                        "is no directory, and something is copied below it",
                    ));
                }
                None => {
                    let (uid, gid) = self.owner.unwrap_or((0, 0));
                    LayerEntry { uid, gid, ..entry(above.to_owned(), What::Directory, 0o755) }
                }
            };
            self.entries.insert(above.to_owned(), made);
        }
        Ok(())
    }

    /// The members of the layer. None if nothing is copied.
    pub(super) fn finish(mut self) -> Result<Entries, LayerError> {
        // A destination that is written as a folder is made, though nothing goes into it.
        let is_new = !self.dest.is_empty() && matches!(self.view_of(&self.dest.clone())?, Seen::Nothing);
        if self.to.folder && is_new && !self.entries.contains_key(&self.dest) {
            self.parents(&join(&self.dest.clone(), "x"))?;
        }
        let below = self.below;
        let only_parents = |entry: &LayerEntry<Source>| -> Result<bool, LayerError> {
            Ok(matches!(entry.what, What::Directory)
                && !self.link
                && below.entry(&entry.path)?.as_ref() == Some(entry))
        };
        for entry in self.entries.values() {
            if !only_parents(entry)? {
                return Ok(self.entries);
            }
        }
        Ok(Entries::new())
    }
}

/// Makes a folder and those above it, if it is not there.
pub(super) fn folder(
    below: &dyn Files,
    view: &View,
    path: &str,
    owner: (u32, u32),
) -> Result<Entries, LayerError> {
    let real = view.resolve(path, true)?;
    match view.look(&real)? {
        Seen::Folder(_) => return Ok(Entries::new()),
        Seen::Leaf(..) => return Err(LayerError::refused(&real, "is no directory")),
        Seen::Nothing => {}
    }
    let place = Place { path: format!("/{real}"), folder: true };
    let nothing = Ignore::default();
    let mut copying = Copying::new((below, view), &place, (Some(owner), None), &nothing, false, 1)?;
    copying.parents(&join(&real, "x"))?;
    copying.finish()
}

/// What a source means: itself, or what its wildcards match.
fn meant(files: &dyn Files, source: &str) -> Result<Vec<String>, LayerError> {
    let wild = source.find(['*', '?', '[', '\\']);
    let paths = match wild {
        None => Vec::new(),
        Some(at) => {
            let folder = source[..at].rfind('/').map_or("", |slash| &source[..slash]);
            let depth = source[folder.len()..].trim_start_matches('/').matches('/').count() + 1;
            all(files, folder, depth)?
        }
    };
    let list: Vec<&str> = paths.iter().map(String::as_str).collect();
    sources(source, &list).map_err(|error| LayerError::refused(source, format!("is no pattern: {error}")))
}

/// A path from the root, without slashes around it, `.`, and `..` beyond the root.
fn plain_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether what is read begins as a tar, perhaps compressed.
fn is_archive(content: Box<dyn Read>) -> bool {
    let Ok(mut reader) = unwrapped(BufReader::new(content)) else { return false };
    let mut head = Vec::new();
    if reader.by_ref().take(512).read_to_end(&mut head).is_err() || head.len() < 512 {
        return false;
    }
    let sum: u32 = head
        .iter()
        .enumerate()
        .map(|(at, b)| if (148..156).contains(&at) { 32 } else { u32::from(*b) })
        .sum();
    let said = std::str::from_utf8(&head[148..156]).unwrap_or_default();
    let said = said.trim_matches(|c: char| c == '\0' || c == ' ');
    head[0] != 0 && u32::from_str_radix(said, 8).is_ok_and(|said| said == sum)
}

/// A mode as `chmod` changes it. What is no mode was refused when the file was read.
fn changed(mode: u32, text: &str, is_folder: bool) -> u32 {
    let mut mode = mode;
    for clause in text.split(',') {
        let who_end = clause.find(|c| !"ugoa".contains(c)).unwrap_or(clause.len());
        let (who, mut rest) = clause.split_at(who_end);
        let who = if who.is_empty() || who.contains('a') { "ugo" } else { who };
        let shift = |who: char| match who {
            'u' => 6,
            'g' => 3,
            _ => 0,
        };
        while let Some(operator) = rest.chars().next() {
            let after = &rest[1..];
            let end = after.find(['+', '-', '=']).unwrap_or(after.len());
            let (permissions, next) = after.split_at(end);
            rest = next;
            let before = mode;
            let (mut bits, mut special) = (0, 0);
            for letter in permissions.chars() {
                match letter {
                    'r' => bits |= 4,
                    'w' => bits |= 2,
                    'x' => bits |= 1,
                    'X' if is_folder || before & 0o111 != 0 => bits |= 1,
                    's' => {
                        special |= if who.contains('u') { 0o4000 } else { 0 }
                            | if who.contains('g') { 0o2000 } else { 0 }
                    }
                    't' => special |= 0o1000,
                    'u' | 'g' | 'o' => bits |= before >> shift(letter) & 7,
                    _ => {}
                }
            }
            let spread: u32 = who.chars().map(|who| bits << shift(who)).fold(0, |all, bits| all | bits);
            let covered: u32 = who.chars().map(|who| 7 << shift(who)).fold(0, |all, bits| all | bits);
            match operator {
                '+' => mode |= spread | special,
                '-' => mode &= !(spread | special),
                _ => mode = mode & !covered | spread | special,
            }
        }
    }
    mode & 0o7777
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_change_as_chmod_changes_them() {
        for (before, text, folder, after) in [
            (0o644, "u+x", false, 0o744),
            (0o644, "+x", false, 0o755),
            (0o666, "go-w", false, 0o644),
            (0o644, "a=rX", false, 0o444),
            (0o755, "a=rX", false, 0o555),
            (0o700, "go=u", false, 0o777),
            (0o600, "g+X", true, 0o610),
            (0o755, "u+s,g+s,+t", false, 0o7755),
            (0o777, "u=rw,go=r", false, 0o644),
            (0o644, "u+x-w", false, 0o544),
        ] {
            assert_eq!(changed(before, text, folder), after, "{before:o} {text}");
        }
    }

    #[test]
    fn paths_are_plain() {
        for (path, expected) in [("/a/./b/", "a/b"), ("/../a", "a"), ("a/../..", ""), ("/", "")] {
            assert_eq!(plain_path(path), expected);
        }
    }

    #[test]
    fn an_archive_begins_as_one() {
        let no = |bytes: &[u8]| !is_archive(Box::new(std::io::Cursor::new(bytes.to_vec())));
        assert!(no(b"") && no(&[0; 1024]) && no(&[b'a'; 1024]) && no(&[0x1f, 0x8b, 8]));
    }
}
