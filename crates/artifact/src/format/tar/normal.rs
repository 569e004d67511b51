//! Normalises tar: sorted, canonical headers, no owners, no times after the epoch; and all that lies in it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use model::recipe::Rule;

use super::read::{Archive, Member, archive, key};
use crate::ReadError;
use crate::fields::lossy;
use crate::normal::{File, Made, Work};

/// Pax keywords that say how and where an archive was made.
const DROPPED: [&[u8]; 8] = [
    b"atime",
    b"ctime",
    b"LIBARCHIVE.creationtime",
    b"SCHILY.dev",
    b"SCHILY.ino",
    b"SCHILY.nlink",
    b"RHT.security.selinux",
    b"SCHILY.xattr.security.selinux",
];

/// Whose archive it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owners {
    /// Whoever unpacks it owns its files: owners and exact modes are the builder's and go.
    Dropped,
    /// It is installed: owners and modes are what a package means, except what a umask of root did to them.
    Kept,
}

pub(in super::super) fn normalise(work: &mut Work<'_>, file: &File<'_>) -> Made {
    Ok(Some(rewrite(work, file.bytes, Owners::Dropped, &mut |_, _, _| {})?))
}

/// Who is told of a file whose content changes: name, before, after.
pub(crate) type Renewed<'a> = &'a mut dyn FnMut(&[u8], &[u8], &[u8]);

/// Writes an archive anew. `renewed` is told of each file whose content changes.
pub(crate) fn rewrite(
    work: &mut Work<'_>,
    bytes: &[u8],
    owners: Owners,
    renewed: Renewed<'_>,
) -> Result<Vec<u8>, ReadError> {
    let Archive { global, mut members } = archive(bytes, &mut work.budget)?;
    if work.allows(Rule::FileOrder) {
        sort(work, &mut members);
    }
    let mut out = Vec::with_capacity(bytes.len() + 4096);
    super::write_global(&mut out, &global);
    for mut member in members {
        let place = lossy(&member.name);
        own(work, &place, &mut member, owners);
        member.mtime = work.time(&place, member.mtime);
        if work.allows(Rule::ArchiveMetadata) {
            for keyword in DROPPED {
                if let Some(value) = member.pax.remove(keyword) {
                    let before = format!("{}={}", lossy(keyword), lossy(&value));
                    work.changed(&place, Rule::ArchiveMetadata, before, "not there");
                }
            }
        }
        let data =
            if member.kind == b'0' { work.within(&place, member.data)? } else { Cow::Borrowed(member.data) };
        if let Cow::Owned(new) = &data {
            renewed(&member.name, member.data, new);
        }
        super::write_member(&mut out, &member, &data);
    }
    out.resize(out.len() + 2 * super::BLOCK, 0);
    Ok(out)
}

/// Owner and mode by their rules.
fn own(work: &mut Work<'_>, place: &str, member: &mut Member<'_>, owners: Owners) {
    let root = member.uid == 0 && member.gid == 0;
    if owners == Owners::Dropped && work.allows(Rule::UserGroup) {
        let named = !member.user.is_empty() || !member.group.is_empty();
        if !root || named {
            let (user, group) = (lossy(&member.user), lossy(&member.group));
            let before = format!("{}:{} {user}:{group}", member.uid, member.gid);
            work.changed(place, Rule::UserGroup, before.trim_end_matches([' ', ':']), "0:0");
            (member.uid, member.gid) = (0, 0);
            member.user.clear();
            member.group.clear();
        }
    }
    if !work.allows(Rule::UmaskMode) || !matches!(member.kind, b'0' | b'1' | b'2' | b'5') {
        return;
    }
    let special = member.mode & 0o7000;
    let mode = match (owners, member.kind) {
        (_, b'2') => 0o777,
        (Owners::Dropped, b'5') => special | 0o755,
        (Owners::Dropped, _) => special | if member.mode & 0o111 == 0 { 0o644 } else { 0o755 },
        (Owners::Kept, _) if root && special == 0 => member.mode & !0o022,
        (Owners::Kept, _) => member.mode,
    };
    if mode != member.mode {
        work.changed(place, Rule::UmaskMode, format!("{:04o}", member.mode), format!("{mode:04o}"));
        member.mode = mode;
    }
}

/// Sorts members by path, component by component. Of several names of one file the first holds its bytes.
///
/// What depends on its order stays in it: an archive in which a name comes twice, or a link leads to nothing before it.
fn sort(work: &mut Work<'_>, members: &mut Vec<Member<'_>>) {
    let mut seen = BTreeSet::new();
    if let Some(twice) = members.iter().find(|member| !seen.insert(key(&member.name))) {
        let name = lossy(&twice.name);
        work.leave("", format!("its members are not sorted: `{name}` is there twice, and the last one wins"));
        return;
    }
    // Which file each hard link is a name of, by place in the archive.
    let mut files: BTreeMap<Vec<&[u8]>, usize> = BTreeMap::new();
    let mut names: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, member) in members.iter().enumerate() {
        let file = if member.kind == b'1' {
            let Some(&file) = files.get(&key(&member.target)) else {
                let name = lossy(&member.name);
                work.leave(
                    "",
                    format!("its members are not sorted: `{name}` is a link to nothing before it"),
                );
                return;
            };
            names.entry(file).or_insert_with(|| vec![file]).push(at);
            file
        } else {
            at
        };
        files.insert(key(&member.name), file);
    }
    drop(files);
    drop(seen);
    for names in names.values() {
        let mut sorted = names.clone();
        sorted.sort_by(|&a, &b| key(&members[a].name).cmp(&key(&members[b].name)));
        let (file, first) = (names[0], sorted[0]);
        let holder = members[file].clone();
        let name = members[first].name.clone();
        for &at in &sorted {
            let own = std::mem::take(&mut members[at].name);
            members[at] = if at == first {
                Member { name: own, ..holder.clone() }
            } else {
                Member { name: own, kind: b'1', target: name.clone(), data: &[], ..holder.clone() }
            };
        }
        if file != first {
            work.changed(&lossy(&name), Rule::FileOrder, "a link", "holds the bytes of its links");
        }
    }
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|&a, &b| key(&members[a].name).cmp(&key(&members[b].name)));
    if let Some((is, was)) = order.iter().enumerate().find(|(is, was)| is != *was) {
        let (before, after) = (lossy(&members[is].name), lossy(&members[*was].name));
        work.changed("", Rule::FileOrder, format!("member {} is `{before}`", is + 1), format!("`{after}`"));
        let mut taken: Vec<Option<Member<'_>>> = std::mem::take(members).into_iter().map(Some).collect();
        *members = order.iter().filter_map(|&at| taken[at].take()).collect();
    }
}

/// The archive with another content of the file `name`; `None` if there is no such file, or nothing changes.
pub(crate) fn replace(
    bytes: &[u8],
    budget: &mut crate::Budget,
    name: &str,
    with: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Result<Option<Vec<u8>>, ReadError> {
    let Archive { global, members } = archive(bytes, budget)?;
    let here = |member: &Member<'_>| member.kind == b'0' && key(&member.name) == [name.as_bytes()];
    let Some(found) = members.iter().find(|member| here(member)) else { return Ok(None) };
    let new = with(found.data);
    if new == found.data {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(bytes.len() + new.len());
    super::write_global(&mut out, &global);
    for member in &members {
        super::write_member(&mut out, member, if here(member) { &new } else { member.data });
    }
    out.resize(out.len() + 2 * super::BLOCK, 0);
    Ok(Some(out))
}
