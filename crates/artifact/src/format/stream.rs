//! Compressed streams: what gzip, zstd, xz and bzip2 have in common.
//!
//! A stream around something that is normalised is written anew by the pinned encoder, whether or not that something
//! was changed: so it cannot be seen which of two builds happened to be in order. Around anything else it stays.

use std::io::{BufRead, Read};

use model::recipe::Rule;

use crate::budget::Budget;
use crate::normal::{File, Made, Work};
use crate::reading::{Found, Part, Source};
use crate::{Body, HEAD, Kind, ReadError};

/// One compressor.
pub(crate) struct Codec {
    /// Its kind of file.
    pub(crate) kind: Kind,
    /// Endings of names, and what stands there without it.
    pub(crate) endings: &'static [(&'static str, &'static str)],
    /// A reader of what is in a stream, however many streams follow each other.
    pub(crate) open: for<'a> fn(&'a mut dyn BufRead) -> Box<dyn Read + 'a>,
    /// A whole stream by the pinned encoder.
    pub(crate) press: fn(&[u8]) -> Vec<u8>,
    /// Its name and version, as reports show them.
    pub(crate) encoder: &'static str,
}

/// The compressors.
pub(crate) const CODECS: [&Codec; 4] =
    [&super::gzip::CODEC, &super::zstd::CODEC, &super::xz::CODEC, &super::bzip2::CODEC];

/// The codec of files of `kind`.
pub(crate) fn codec(kind: Kind) -> Option<&'static Codec> {
    CODECS.into_iter().find(|codec| codec.kind == kind)
}

impl Codec {
    /// The name of what is in a stream that is called `name`.
    pub(crate) fn inner_name(&self, name: &str) -> String {
        let name = name.rsplit('/').next().unwrap_or(name);
        for (ending, instead) in self.endings {
            if let Some(stem) = name.strip_suffix(ending).filter(|stem| !stem.is_empty()) {
                return format!("{stem}{instead}");
            }
        }
        format!("{name}.content")
    }

    /// Unpacks a whole file.
    pub(crate) fn unpack(&self, bytes: &[u8], budget: &mut Budget) -> Result<Vec<u8>, ReadError> {
        let mut out = Vec::new();
        let limit = budget.left().saturating_add(1);
        (self.open)(&mut &*bytes).take(limit).read_to_end(&mut out).map_err(|e| self.damaged(&e))?;
        budget.spend(out.len() as u64)?;
        Ok(out)
    }

    /// The first bytes of what is in it.
    fn head(&self, bytes: &[u8]) -> Result<Vec<u8>, ReadError> {
        let mut head = Vec::new();
        (self.open)(&mut &*bytes).take(HEAD as u64).read_to_end(&mut head).map_err(|e| self.damaged(&e))?;
        Ok(head)
    }

    fn damaged(&self, error: &std::io::Error) -> ReadError {
        let (expected, found) = ("a whole stream".into(), error.to_string());
        ReadError::Damaged { kind: self.kind, at: 0, expected, found }
    }

    /// Writes a stream anew if what is in it is normalised; `None` if it is not, and the stream stays.
    pub(crate) fn renew(&self, work: &mut Work<'_>, file: &File<'_>) -> Made {
        let name = self.inner_name(file.name);
        if !work.allows(Rule::Compression) || !Work::handles(&name, &self.head(file.bytes)?) {
            return Ok(None);
        }
        let plain = self.unpack(file.bytes, &mut work.budget)?;
        let new = work.within(&name, &plain)?;
        let packed = (self.press)(&new);
        if packed != file.bytes {
            let before = format!("{} bytes", file.bytes.len());
            work.changed(
                "",
                Rule::Compression,
                before,
                format!("{} bytes by {}", packed.len(), self.encoder),
            );
        }
        Ok(Some(packed))
    }

    /// The one part of a stream.
    pub(crate) fn parts<'a>(&self, source: &mut Source<'a, '_>) -> Found<'a> {
        source.budget.member()?;
        let plain = self.unpack(source.bytes, source.budget)?;
        let name = self.inner_name(source.name);
        Ok((Vec::new(), vec![Part { name, attributes: Vec::new(), body: Body::Bytes(plain.into()) }]))
    }
}

/// The `read` of a format that is nothing but a stream.
pub(super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    codec(source.kind).expect("the table has it for compressors only").parts(source)
}

/// The `normalise` of a format that is nothing but a stream.
pub(super) fn normalise(work: &mut Work<'_>, file: &File<'_>) -> Made {
    codec(file.kind).expect("the table has it for compressors only").renew(work, file)
}
