//! ELF: read only. Programs and libraries, section by section, with what identifies them.

use object::read::elf::ElfFile;
use object::{FileKind, Object as _, ObjectSection as _};

use crate::fields::{Fields, lossy};
use crate::reading::{Attribute, Found, Part, Source, attribute};
use crate::{Body, Kind, ReadError};

/// Sections, the build id, the name and checksum of the file with debugging information, the compilers.
pub(super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    let damaged = |error: object::Error| damaged(source.kind, source.bytes, &error);
    let mut attributes = Vec::new();
    match FileKind::parse(source.bytes).map_err(damaged)? {
        FileKind::Elf32 => {
            let file = ElfFile::<object::elf::FileHeader32<object::Endianness>>::parse(source.bytes);
            identify(&file.map_err(damaged)?, &mut attributes).map_err(damaged)?;
        }
        _ => {
            let file = ElfFile::<object::elf::FileHeader64<object::Endianness>>::parse(source.bytes);
            identify(&file.map_err(damaged)?, &mut attributes).map_err(damaged)?;
        }
    }
    let parts = sections(source)?;
    for part in &parts {
        if let (".comment", Body::Bytes(text)) = (part.name.as_str(), &part.body) {
            let texts = text.split(|&byte| byte == 0).filter(|text| !text.is_empty());
            attributes.extend(texts.map(|text| attribute("comment", lossy(text))));
        }
    }
    Ok((attributes, parts))
}

fn identify<'a>(file: &impl object::Object<'a>, attributes: &mut Vec<Attribute>) -> object::Result<()> {
    attributes.push(attribute("architecture", format!("{:?}", file.architecture())));
    attributes.push(attribute("kind", format!("{:?}", file.kind())));
    if let Some(id) = file.build_id()? {
        let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        attributes.push(attribute("build-id", hex));
    }
    if let Some((name, crc)) = file.gnu_debuglink()? {
        attributes.push(attribute("debuglink", format!("{} {crc:08x}", lossy(name))));
    }
    Ok(())
}

/// The error of the library, at a place.
pub(super) fn damaged(kind: Kind, bytes: &[u8], error: &object::Error) -> ReadError {
    Fields::new(kind, bytes).damaged(format!("a whole {}", kind.as_str()), error.to_string())
}

/// The sections of any object file.
pub(super) fn sections<'a>(source: &mut Source<'a, '_>) -> Result<Vec<Part<'a>>, ReadError> {
    let file = object::File::parse(source.bytes).map_err(|e| damaged(source.kind, source.bytes, &e))?;
    let mut parts = Vec::new();
    for section in file.sections() {
        source.budget.member()?;
        let data = section.data().map_err(|e| damaged(source.kind, source.bytes, &e))?;
        let name = section.name_bytes().map_err(|e| damaged(source.kind, source.bytes, &e))?;
        let attributes = vec![
            attribute("kind", format!("{:?}", section.kind())),
            attribute("address", format!("{:#x}", section.address())),
        ];
        parts.push(Part { name: lossy(name), attributes, body: Body::Bytes(data.into()) });
    }
    Ok(parts)
}
