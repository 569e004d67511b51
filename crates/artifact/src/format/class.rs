//! Java classes: read only. A compiler writes no times into them; what differs is the order of constants and members.

use crate::fields::Fields;
use crate::reading::{Found, Part, Source, attribute};
use crate::{Body, Kind};

/// The version, each text among the constants, and all that follows them (JVM specification, 4.4).
pub(super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    let mut fields = Fields::new(Kind::Class, source.bytes);
    fields.take(4, "a magic")?;
    let (minor, major) = (fields.u16_be("a version")?, fields.u16_be("a version")?);
    let count = fields.u16_be("a count")?;
    let mut parts = Vec::new();
    let mut index = 1;
    while index < count {
        source.budget.member()?;
        let at = fields.at();
        let tag = fields.u8("a constant's tag")?;
        let (size, slots) = match tag {
            1 => (usize::from(fields.u16_be("a length")?), 1),
            5 | 6 => (8, 2),
            3 | 4 | 9 | 10 | 11 | 12 | 17 | 18 => (4, 1),
            7 | 8 | 16 | 19 | 20 => (2, 1),
            15 => (3, 1),
            other => return Err(fields.from(at).damaged("a constant's tag", other.to_string())),
        };
        let content = fields.take(size, "a constant")?;
        if tag == 1 {
            let body = Body::Bytes(content.into());
            parts.push(Part { name: format!("constant {index}"), attributes: Vec::new(), body });
        }
        index = index.saturating_add(slots);
    }
    let mut rest = fields.clone();
    // Access, this class, its parent, and so many interfaces, fields, methods and attributes.
    rest.take(6, "the class itself")?;
    for _ in 0..rest.u16_be("a count")? {
        rest.take(2, "an interface")?;
    }
    for what in ["a field", "a method"] {
        for _ in 0..rest.u16_be("a count")? {
            rest.take(6, what)?;
            attributes_of(&mut rest)?;
        }
    }
    attributes_of(&mut rest)?;
    if !rest.is_at_end() {
        return Err(rest.damaged("the end", "more"));
    }
    let body = Body::Bytes(fields.rest().into());
    parts.push(Part { name: "definitions".into(), attributes: Vec::new(), body });
    Ok((vec![attribute("version", format!("{major}.{minor}"))], parts))
}

fn attributes_of(fields: &mut Fields<'_>) -> Result<(), crate::ReadError> {
    for _ in 0..fields.u16_be("a count")? {
        fields.take(2, "an attribute's name")?;
        let length = fields.u32_be("a length")?;
        fields.take(usize::try_from(length).unwrap_or(usize::MAX), "an attribute")?;
    }
    Ok(())
}
