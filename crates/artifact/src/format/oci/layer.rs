//! One layer: a tar of what it adds, in gzip, and the hash of the tar on the way.

use std::io::{self, Write};
use std::num::NonZeroUsize;

use model::recipe::Owner;
use model::{Digest, Hasher, RelPath, Timestamp};

use super::super::{LAST_MTIME, Packing, gzip, tar};
use crate::listing::{Entry, Kind, listing};
use crate::{Contents, Member, PackError, pipeline};

/// What the caller chooses of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerOptions {
    /// The time of every member.
    pub mtime: Timestamp,
    /// The directory of the image that the members lie in.
    pub to: RelPath,
    /// Whose the members are. `to` itself is a member's if the members have a root; what is above is root's.
    pub owner: Owner,
}

/// Names of files that take others away, in layers below.
pub(super) const WHITEOUT: &str = ".wh.";

/// Directories that everybody may write to, wherever they come from. A tree does not keep such modes, and a layer with an
/// ordinary `/tmp` in it would close the one below.
const OPEN: [&str; 2] = ["tmp", "var/tmp"];

/// Writes a layer of `members` into `out`, compressed on all cores, and says what the tar is: its hash is the `diff_id`.
///
/// The bytes depend on the members (in any order), `options` and the contents alone. Memory is bounded.
///
/// # Errors
/// As [`crate::pack`]; and if a member's name would take something away where the layer is unpacked.
pub fn layer(
    members: &[Member],
    options: &LayerOptions,
    contents: &dyn Contents,
    out: &mut dyn Write,
) -> Result<Digest, PackError> {
    layer_on(pipeline::cores(), members, options, contents, out)
}

/// [`layer`] on so many `workers`; the bytes are the same for any number.
///
/// # Errors
/// As [`layer`].
pub fn layer_on(
    workers: NonZeroUsize,
    members: &[Member],
    options: &LayerOptions,
    contents: &dyn Contents,
    out: &mut dyn Write,
) -> Result<Digest, PackError> {
    if !(0..=LAST_MTIME).contains(&options.mtime.0) {
        return Err(PackError::Mtime(options.mtime));
    }
    let entries = listing(members, &options.to)?;
    if let Some(entry) = entries.iter().find(|e| e.path.components().any(|c| c.starts_with(WHITEOUT))) {
        let what = "in a layer, a name that begins with `.wh.` takes away what lies below".to_owned();
        return Err(PackError::Unwritable { path: entry.path.clone(), what });
    }
    let has_root = members.iter().any(|member| member.path.is_root());
    let owned = |entry: &Entry<'_>| {
        let to = &options.to;
        entry.path.is_within(to) && (has_root || entry.path != *to)
    };
    let attributes = |entry: &Entry<'_>| {
        let owner = if owned(entry) { options.owner } else { Owner::default() };
        let open = entry.kind == Kind::Directory && OPEN.contains(&entry.path.as_str());
        tar::Attributes {
            mode: if open { 0o1777 } else { entry.mode() },
            uid: owner.uid.into(),
            gid: owner.gid.into(),
        }
    };
    let mtime = options.mtime.0.unsigned_abs();
    let packing = Packing { entries: &entries, members, mtime, contents, workers, rooted: false };
    let mut hasher = Hasher::default();
    gzip::stream(workers, out, |sink| {
        tar::write_with(&packing, &attributes, &mut Hashed { sink, hasher: &mut hasher })
    })?;
    out.flush().map_err(PackError::Write)?;
    Ok(hasher.finish())
}

/// Hashes what is written.
pub(super) struct Hashed<'a> {
    pub(super) sink: &'a mut dyn Write,
    pub(super) hasher: &'a mut Hasher,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.sink.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
