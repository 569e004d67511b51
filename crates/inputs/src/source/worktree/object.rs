//! The id that git gives to a file's bytes: of `blob SIZE`, a zero byte, and the content.
//!
//! By SHA-1, or SHA-256 in repositories made so. Where SHA-1 is weak, git itself stands guard: it refuses to store content
//! of which the known attacks could have made a second one.

use std::fmt::Write as _;
use std::io::{self, Read};

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

/// Git's id of some content; empty for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object(Vec<u8>);

impl Object {
    /// Reads the 40 or 64 hexadecimal digits.
    pub(super) fn parse(hex: &str) -> Option<Self> {
        if !hex.is_ascii() || !matches!(hex.len(), 40 | 64) {
            return None;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let byte = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
        hex.as_bytes().chunks_exact(2).map(byte).collect::<Option<Vec<u8>>>().map(Self)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Of content at hand, by the same hash as `like`.
    pub(super) fn of(like: &Self, content: &[u8]) -> Self {
        let mut context = like.begin(content.len() as u64);
        context.update(content);
        Self(context.finish().as_ref().to_vec())
    }

    fn begin(&self, size: u64) -> Context {
        let mut context = Context::new(if self.0.len() == 32 { &SHA256 } else { &SHA1_FOR_LEGACY_USE_ONLY });
        let mut head = String::new();
        write!(head, "blob {size}\0").expect("writing to a string does not fail");
        context.update(head.as_bytes());
        context
    }
}

/// Passes content on and computes its id on the way.
pub(super) struct Reader<R> {
    inner: R,
    context: Context,
    /// How much is still to come.
    left: Option<u64>,
}

impl<R: Read> Reader<R> {
    /// `size` is how much there should be, which the id begins with.
    pub(super) fn new(inner: R, like: &Object, size: u64) -> Self {
        Self { inner, context: like.begin(size), left: Some(size) }
    }

    /// The id; none if there was more or less than announced.
    pub(super) fn finish(self) -> Object {
        Object(if self.left == Some(0) { self.context.finish().as_ref().to_vec() } else { Vec::new() })
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.context.update(&buffer[..count]);
        self.left = self.left.and_then(|left| left.checked_sub(count as u64));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_git() {
        // `printf hello | git hash-object --stdin`, in a repository of each kind.
        let one = Object::parse("b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0").unwrap();
        let two = "8aec4e4876f854f688d0ebfc8f37598f38e5fd6903cccc850ca36591175aeb60";
        assert_eq!(Object::of(&one, b"hello"), one);
        let two = Object::parse(two).unwrap();
        assert_eq!(Object::of(&two, b"hello"), two);
        let read = |size| {
            let mut reader = Reader::new(&b"hello"[..], &one, size);
            io::copy(&mut reader, &mut io::sink()).unwrap();
            reader.finish()
        };
        assert_eq!(read(5), one);
        assert_eq!((read(4).bytes(), read(6).bytes()), (&[][..], &[][..]));
        assert_eq!((Object::parse("b6fc"), Object::parse(&"g".repeat(40))), (None, None));
    }
}
