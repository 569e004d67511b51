//! Between layers, directories on disk, and what instructions copy.

use artifact::oci::{self, What};
use model::Timestamp;

use super::files::{Files, Unpacked, open};
use super::{Failed, Stage};
use crate::Context;
use crate::layers::{About, Entries, Layer, LayerError, Put, View, Writer, join};

/// Every file of a layer has it. 0 is "unknown" to some who read.
pub(super) const TIME: Timestamp = Timestamp(1);

/// What lies in a mount: members relative to it, or one without a name; mode and owner of the folder or file itself.
pub(super) type Filled = (Entries, (u32, u32, u32));

/// Puts every member, folders before what is in them.
pub(super) fn put_all(
    cx: &Context<'_>,
    writer: &mut Writer<'_>,
    entries: &Entries,
) -> Result<(), LayerError> {
    for (path, entry) in entries {
        let about = About {
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: TIME.0,
            attributes: entry.attributes.clone(),
        };
        match &entry.what {
            What::File { content, .. } => {
                let mut content = open(cx.store, content).map_err(LayerError::path(path))?;
                writer.put(path, Put::File(&mut content), &about)?;
            }
            What::Link(target) => writer.put(path, Put::Link(target), &about)?,
            What::Symlink(target) => writer.put(path, Put::Symlink(target), &about)?,
            What::Directory | What::Opaque => writer.put(path, Put::Folder, &about)?,
            What::Pipe => writer.put(path, Put::Pipe, &about)?,
            What::Gone => writer.put(path, Put::Gone, &about)?,
        }
    }
    Ok(())
}

/// Writes a layer; none of nothing.
pub(super) fn pack(cx: &Context<'_>, entries: &Entries) -> Result<Option<Layer>, Failed> {
    if entries.is_empty() {
        return Ok(None);
    }
    let members: Vec<_> = entries.values().cloned().collect();
    let mut writer = cx.store.writer()?;
    let tar = oci::entries(&members, TIME, &|source| open(cx.store, source), &mut writer)
        .map_err(|error| Failed::Why(error.to_string()))?;
    Ok(Some(Layer { blob: writer.finish()?, diff_id: tar.sha256, media_type: oci::LAYER.to_owned() }))
}

/// What lies where a mount takes it from, at or below a path: members relative to it, and what is said of the path itself.
pub(super) fn taken(files: &dyn Files, path: &str) -> Result<Filled, LayerError> {
    let real = files.resolve(path)?;
    let Some(top) = files.entry(&real)? else {
        return Err(LayerError::refused(path, "is not there to be mounted"));
    };
    let about = (top.mode, top.uid, top.gid);
    let mut entries = Entries::new();
    if matches!(top.what, What::Directory) {
        let mut open = vec![(real, String::new())];
        while let Some((from, to)) = open.pop() {
            for name in files.names(&from)? {
                let (from, to) = (join(&from, &name), join(&to, &name));
                let Some(mut entry) = files.entry(&from)? else { continue };
                to.clone_into(&mut entry.path);
                if matches!(entry.what, What::Directory) {
                    open.push((from, to.clone()));
                }
                entries.insert(to, entry);
            }
        }
    } else {
        entries.insert(String::new(), top);
    }
    Ok((entries, about))
}

/// The file system of a stage, for looking into it.
pub(super) fn unpacked(cx: &Context<'_>, stage: &Stage) -> Result<Unpacked, LayerError> {
    let dirs = stage.stack.unpacked(cx.store)?;
    let first = if dirs.is_empty() { 0 } else { sandbox::first_id()? };
    Ok(Unpacked { view: View::new(&dirs), first })
}
