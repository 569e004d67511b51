//! Compiled Python: the time of its source, and marks of the marshal format that tell who else held an object.
//!
//! Each object that had more than one reference when it was written is marked, so that it can be referred to. Whether
//! it had depends on what else the process had done. A mark that nothing refers to means nothing and goes; those that
//! stay are counted anew, and references follow.

use std::collections::BTreeSet;

use model::recipe::Rule;

use crate::fields::Fields;
use crate::normal::{File, Made, Work, moment};
use crate::reading::{Found, Part, Source, attribute};
use crate::{Body, Kind, ReadError};

const HEADER: usize = 16;
const MARK: u8 = 0x80;
/// The magic numbers whose code objects are known: Python 3.8 to 3.10, and 3.11 to 3.14.
const OLD: std::ops::Range<u16> = 3400..3450;
const NEW: std::ops::Range<u16> = 3450..3650;

/// Magic, flags, and the two words that follow: time and size of the source, or its hash.
fn header(bytes: &[u8]) -> Result<(u16, u32, u32, u32), ReadError> {
    let mut fields = Fields::new(Kind::Pyc, bytes);
    let magic = fields.u16_le("a magic")?;
    fields.expect(b"\r\n", "a line's end")?;
    let flags = fields.u32_le("flags")?;
    if flags > 3 {
        return Err(fields.damaged("flags from 0 to 3", flags.to_string()));
    }
    Ok((magic, flags, fields.u32_le("a time")?, fields.u32_le("a size")?))
}

pub(super) fn normalise(work: &mut Work<'_>, file: &File<'_>) -> Made {
    let (magic, flags, mtime, _) = header(file.bytes)?;
    let mut new = file.bytes.to_vec();
    if flags & 1 == 0 {
        let time = u32::try_from(work.time("", u64::from(mtime))).expect("the epoch has 32 bits at most");
        new[8..12].copy_from_slice(&time.to_le_bytes());
    }
    if !OLD.contains(&magic) && !NEW.contains(&magic) {
        work.leave("", format!("marks of a Python with magic {magic} are not known"));
        return Ok(Some(new));
    }
    let marks = marks(file.bytes, magic)?;
    if work.allows(Rule::Pyc) {
        let used: BTreeSet<usize> = marks.references.iter().map(|&(_, index)| index).collect();
        let kept: Vec<usize> = (0..marks.marked.len()).filter(|index| used.contains(index)).collect();
        for (index, &at) in marks.marked.iter().enumerate() {
            if !used.contains(&index) {
                new[at] &= !MARK;
            }
        }
        for &(at, index) in &marks.references {
            let place = kept.binary_search(&index).expect("what is referred to is kept");
            new[at..at + 4]
                .copy_from_slice(&u32::try_from(place).expect("smaller than it was").to_le_bytes());
        }
        if kept.len() != marks.marked.len() {
            let before = format!("{} marks", marks.marked.len());
            work.changed("", Rule::Pyc, before, format!("{}, each referred to", kept.len()));
        }
    }
    Ok(Some(new))
}

/// Where marks and references are.
#[derive(Default)]
struct Marks {
    /// Places of the types of marked objects, in the order in which they are counted.
    marked: Vec<usize>,
    /// Places of numbers, and the numbers.
    references: Vec<(usize, usize)>,
}

/// What is still to be read.
enum Next {
    /// So many objects.
    Objects(usize),
    /// So many bytes.
    Bytes(usize),
    /// Pairs of objects up to a null.
    Pairs,
}

/// Walks the one object (CPython's `Python/marshal.c`, `r_object`) without recursion: hostile files nest.
fn marks(bytes: &[u8], magic: u16) -> Result<Marks, ReadError> {
    let mut fields = Fields::new(Kind::Pyc, bytes).from(HEADER);
    let mut marks = Marks::default();
    let mut stack = vec![Next::Objects(1)];
    while let Some(next) = stack.pop() {
        let pairs = match next {
            Next::Bytes(count) => {
                fields.take(count, "numbers of a code object")?;
                continue;
            }
            Next::Objects(0) => continue,
            Next::Objects(count) => {
                stack.push(Next::Objects(count - 1));
                false
            }
            Next::Pairs => true,
        };
        let at = fields.at();
        let byte = fields.u8("an object's type")?;
        let kind = byte & !MARK;
        if pairs {
            if kind == b'0' {
                continue;
            }
            stack.extend([Next::Pairs, Next::Objects(1)]);
        }
        if byte & MARK != 0 {
            if kind == b'r' {
                return Err(fields.from(at).damaged("a reference without a mark", "one with it"));
            }
            marks.marked.push(at);
        }
        let length = |fields: &mut Fields<'_>| -> Result<usize, ReadError> {
            Ok(usize::try_from(fields.u32_le("a length")?).unwrap_or(usize::MAX))
        };
        match kind {
            b'0' | b'N' | b'F' | b'T' | b'S' | b'.' => {}
            b'i' => {
                fields.take(4, "an integer")?;
            }
            b'I' | b'g' => {
                fields.take(8, "a number")?;
            }
            b'y' => {
                fields.take(16, "a complex number")?;
            }
            b'l' => {
                let digits = fields.u32_le("a length")?.cast_signed().unsigned_abs();
                fields.take(usize::try_from(digits).unwrap_or(usize::MAX / 2) * 2, "digits")?;
            }
            b's' | b'u' | b't' | b'a' | b'A' => {
                let count = length(&mut fields)?;
                fields.take(count, "a text")?;
            }
            b'z' | b'Z' | b'f' => {
                let count = fields.u8("a length")?;
                fields.take(usize::from(count), "a text")?;
            }
            b'x' => {
                for _ in 0..2 {
                    let count = fields.u8("a length")?;
                    fields.take(usize::from(count), "a text")?;
                }
            }
            b')' => stack.push(Next::Objects(usize::from(fields.u8("a length")?))),
            b'(' | b'[' | b'<' | b'>' => {
                let count = length(&mut fields)?;
                stack.push(Next::Objects(count));
            }
            b'{' => stack.push(Next::Pairs),
            b':' => stack.push(Next::Objects(3)),
            b'c' if NEW.contains(&magic) => {
                stack.extend([Next::Objects(2), Next::Bytes(4), Next::Objects(8), Next::Bytes(20)]);
            }
            b'c' => stack.extend([Next::Objects(1), Next::Bytes(4), Next::Objects(8), Next::Bytes(24)]),
            b'r' => {
                let place = fields.at();
                let index = length(&mut fields)?;
                if index >= marks.marked.len() {
                    return Err(fields
                        .from(place)
                        .damaged("a reference to a marked object", index.to_string()));
                }
                marks.references.push((place, index));
            }
            other => {
                return Err(fields.from(at).damaged("a type of object", format!("{:?}", char::from(other))));
            }
        }
    }
    if fields.is_at_end() { Ok(marks) } else { Err(fields.damaged("the end", "more")) }
}

pub(super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    let (magic, flags, first, second) = header(source.bytes)?;
    let mut attributes = vec![attribute("magic", magic), attribute("flags", flags)];
    if flags & 1 == 0 {
        attributes.push(attribute("mtime", moment(u64::from(first))));
        attributes.push(attribute("size", second));
    } else {
        attributes.push(attribute("hash", format!("{first:08x}{second:08x}")));
    }
    let body = Body::Bytes(source.bytes[HEADER..].into());
    Ok((attributes, vec![Part { name: "code".into(), attributes: Vec::new(), body }]))
}
