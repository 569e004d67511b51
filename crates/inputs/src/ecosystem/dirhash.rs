//! Go's `h1:` hash of a module.
//!
//! `h1` is the SHA-256, in Base64, of a list with one line per file: the SHA-256 of its content in hexadecimal digits,
//! two spaces, its name, a line feed. The list is sorted by name, bytewise. A module's zip has names
//! `MODULE@VERSION/PATH`; of a `go.mod` alone the name is `go.mod` (golang.org/x/mod/sumdb/dirhash, `Hash1`).

use std::io;

use model::Sha256;

use super::{Algorithm, Checksum};

/// The largest module zip that Go makes, and the most that its files may have together.
pub(super) const MAX: u64 = 500 << 20;

/// The hash of a module's zip.
pub(super) fn zip(bytes: &[u8]) -> io::Result<Checksum> {
    let wrong = |e: zip::result::ZipError| io::Error::new(io::ErrorKind::InvalidData, e);
    let mut archive = zip::ZipArchive::new(io::Cursor::new(bytes)).map_err(wrong)?;
    let mut lines = Vec::new();
    let mut left = MAX;
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(wrong)?;
        let name = file.name().map_err(wrong)?.into_owned();
        if name.contains('\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a file name with a line feed"));
        }
        let mut reader = io::Read::take(file, left);
        let mut hasher = model::Hasher::default();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let n = io::Read::read(&mut reader, &mut buffer)?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
        }
        left = reader.limit();
        if left == 0 {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "a module zip of more than 500 MB unpacked",
            ));
        }
        lines.push((name, hasher.finish().sha256));
    }
    Ok(list(Algorithm::GoZip, lines))
}

/// The hash of a `go.mod`.
pub(super) fn go_mod(bytes: &[u8]) -> Checksum {
    list(Algorithm::GoMod, vec![("go.mod".to_owned(), Sha256::of(bytes))])
}

fn list(algorithm: Algorithm, mut lines: Vec<(String, Sha256)>) -> Checksum {
    lines.sort();
    let text: String = lines.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect();
    Checksum::of(algorithm, Sha256::of(text.as_bytes()).as_bytes())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_go_mod_has_the_hash_that_go_sum_has() {
        // As `go mod download -json` says it of golang.org/x/sync@v0.7.0.
        let text = b"module golang.org/x/sync\n\ngo 1.18\n";
        let expected =
            Checksum::base64(Algorithm::GoMod, "Czt+wKu1gCyEFDUtn0jG5QVvpJ6rzVqr5aXyt9drQfk=").unwrap();
        assert_eq!(go_mod(text), expected);
    }

    #[test]
    fn the_order_in_the_zip_does_not_matter() {
        let make = |names: &[&str]| {
            let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
            for name in names {
                zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
                zip.write_all(name.as_bytes()).unwrap();
            }
            zip.finish().unwrap().into_inner()
        };
        let one = zip(&make(&["m@v1/a", "m@v1/b"])).unwrap();
        assert_eq!(one, zip(&make(&["m@v1/b", "m@v1/a"])).unwrap());
        assert_ne!(one, zip(&make(&["m@v1/b", "m@v1/c"])).unwrap());
        assert!(zip(b"no zip").is_err());
    }
}
