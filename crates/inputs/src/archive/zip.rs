//! zip.

use std::fs::File;
use std::io::{BufReader, Read};

use store::Store;

use super::ArchiveError;
use super::builder::{Builder, Unpacked};

pub(super) fn unpack(store: &Store, file: File, strip: u32) -> Result<Unpacked, ArchiveError> {
    let damaged =
        |e: zip::result::ZipError| ArchiveError::Damaged { doing: "reading the zip", cause: e.into() };
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let mut builder = Builder::new(store, strip);
    for nth in 0..archive.len() {
        let mut member = archive.by_index(nth).map_err(damaged)?;
        let name = member.name_raw().to_vec();
        // A zip keeps local time without a zone; read as UTC, so that every host finds the same.
        let time = member.last_modified().map(seconds);
        if member.is_dir() {
            builder.directory(&name, time)?;
        } else if member.is_symlink() {
            let mut target = Vec::new();
            (&mut member)
                .take(4096)
                .read_to_end(&mut target)
                .map_err(|cause| ArchiveError::Damaged { doing: "reading a link", cause })?;
            builder.symlink(&name, &target, time)?;
        } else {
            let executable = member.unix_mode().is_some_and(|m| m & 0o100 != 0);
            builder.file(&name, executable, time, &mut member)?;
        }
    }
    builder.finish()
}

fn seconds(time: zip::DateTime) -> i64 {
    let [month, day] = [time.month(), time.day()].map(|n| i64::from(n.max(1)));
    let [hour, minute, second] = [time.hour(), time.minute(), time.second()].map(i64::from);
    crate::calendar::seconds(i64::from(time.year()), month, day, hour, minute, second)
}
