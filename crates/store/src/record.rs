//! A small sealed file: its own checksum, its key, its content.
//!
//! `SHA-256(rest) ‖ rest`, where `rest` is `KEY "\n" CONTENT` and `KEY` the digest's text. A flipped bit, a
//! torn write and a file under the wrong name are all seen.

use model::{Digest, Sha256};

/// Seals `content` under `key`.
pub(crate) fn seal(key: &Digest, content: &[u8]) -> Vec<u8> {
    let mut rest = format!("{key}\n").into_bytes();
    rest.extend_from_slice(content);
    let mut record = Sha256::of(&rest).as_bytes().to_vec();
    record.append(&mut rest);
    record
}

/// The content that was sealed under `key`; `None` if the record is damaged or another's.
pub(crate) fn unseal<'a>(key: &Digest, record: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, rest) = record.split_at_checked(32)?;
    if Sha256::of(rest).as_bytes() != sum {
        return None;
    }
    rest.strip_prefix(format!("{key}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
        let key = Digest::of(b"key");
        let record = seal(&key, b"content");
        assert_eq!(unseal(&key, &record), Some(&b"content"[..]));
        assert_eq!(unseal(&Digest::of(b"other"), &record), None);
        for bit in 0..record.len() * 8 {
            let mut bad = record.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(&key, &bad), None, "bit {bit}");
        }
        for length in 0..record.len() {
            assert_eq!(unseal(&key, &record[..length]), None, "cut to {length}");
        }
    }
}
