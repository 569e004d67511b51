//! `ar`, as Debian packages use it: a global header and members with plain short names (deb(5)).

use std::io::{self, Read};

use super::ArchiveError;

/// Reads the members one after the other.
pub(crate) struct Ar<R> {
    reader: R,
    /// Bytes of the current member not read yet, and its padding.
    left: u64,
    padding: u64,
}

impl<R: Read> Ar<R> {
    pub(crate) fn new(mut reader: R) -> Result<Self, ArchiveError> {
        let mut magic = [0; 8];
        let count = super::read_up_to(&mut reader, &mut magic).map_err(damaged)?;
        if &magic[..count] != b"!<arch>\n" {
            let found = String::from_utf8_lossy(&magic[..count]).into_owned();
            return Err(ArchiveError::Form { expected: "a Debian package (`!<arch>`)", found });
        }
        Ok(Self { reader, left: 0, padding: 0 })
    }

    /// The next member's name and content; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(String, Member<'_, R>)>, ArchiveError> {
        let skip = self.left + self.padding;
        let skipped = io::copy(&mut (&mut self.reader).take(skip), &mut io::sink()).map_err(damaged)?;
        // The last member's padding is often left out.
        if skipped < self.left {
            return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
        }
        let mut header = [0; 60];
        match super::read_up_to(&mut self.reader, &mut header).map_err(damaged)? {
            0 => return Ok(None),
            60 => {}
            _ => return Err(damaged(io::ErrorKind::UnexpectedEof.into())),
        }
        let wrong = || ArchiveError::Form {
            expected: "the header of an ar member",
            found: String::from_utf8_lossy(&header).into_owned(),
        };
        if &header[58..] != b"`\n" {
            return Err(wrong());
        }
        let text = |range: std::ops::Range<usize>| {
            std::str::from_utf8(&header[range]).map(str::trim_end).map_err(|_| wrong())
        };
        let name = text(0..16)?.trim_end_matches('/').to_owned();
        self.left = text(48..58)?.parse().map_err(|_| wrong())?;
        self.padding = self.left % 2;
        Ok(Some((name, Member(self))))
    }
}

/// The content of one member.
pub(crate) struct Member<'a, R>(&'a mut Ar<R>);

impl<R: Read> Read for Member<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.left == 0 {
            return Ok(0);
        }
        let count = (&mut self.0.reader).take(self.0.left).read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.0.left -= count as u64;
        Ok(count)
    }
}

fn damaged(cause: io::Error) -> ArchiveError {
    ArchiveError::Damaged { doing: "reading a member of the package", cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, size: &str, content: &str) -> String {
        format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n{content}", 0, 0, 0, 100_644)
    }

    #[test]
    fn members_with_padding_are_read() {
        let bytes = format!("!<arch>\n{}\n{}", member("a/", "3", "abc"), member("b", "2", "de"));
        let mut ar = Ar::new(bytes.as_bytes()).unwrap();
        let mut found = Vec::new();
        while let Some((name, mut content)) = ar.next().unwrap() {
            let mut text = String::new();
            // The first is left unread in part: the next header is still found.
            (&mut content).take(2).read_to_string(&mut text).unwrap();
            found.push((name, text));
        }
        assert_eq!(found, [("a".to_owned(), "ab".to_owned()), ("b".to_owned(), "de".to_owned())]);
    }

    #[test]
    fn damage_is_an_error() {
        assert!(Ar::new(&b"not an ar"[..]).is_err());
        for bytes in [member("a", "9", "abc"), member("a", "-1", ""), "short".to_owned()] {
            let bytes = format!("!<arch>\n{bytes}");
            let mut ar = Ar::new(bytes.as_bytes()).unwrap();
            let read = ar.next().and_then(|m| {
                let mut all = Vec::new();
                m.map_or(Ok(0), |(_, mut m)| m.read_to_end(&mut all).map_err(damaged))
            });
            assert!(read.is_err(), "{bytes}");
        }
    }
}
