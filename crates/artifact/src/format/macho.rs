//! Mach-O: read only. Linkers of the platform sign what they write, so there is nothing to change that would stay valid.

use object::read::macho::FatArch as _;
use object::{FileKind, Object as _};

use super::elf::{damaged, sections};
use crate::reading::{Found, Part, Source, attribute};
use crate::{Body, Kind};

/// Sections and the UUID; of a file for several architectures, one part for each.
pub(super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    let wrong = |error: object::Error| damaged(Kind::MachO, source.bytes, &error);
    match FileKind::parse(source.bytes).map_err(wrong)? {
        FileKind::MachOFat32 => {
            let fat = object::read::macho::MachOFatFile32::parse(source.bytes).map_err(wrong)?;
            let mut parts = Vec::new();
            for arch in fat.arches() {
                source.budget.member()?;
                let data = arch.data(source.bytes).map_err(wrong)?;
                let name = format!("{:?}", arch.architecture());
                parts.push(Part { name, attributes: Vec::new(), body: Body::Bytes(data.into()) });
            }
            Ok((Vec::new(), parts))
        }
        _ => {
            let file = object::File::parse(source.bytes).map_err(wrong)?;
            let mut attributes = vec![
                attribute("architecture", format!("{:?}", file.architecture())),
                attribute("kind", format!("{:?}", file.kind())),
            ];
            if let Some(uuid) = file.mach_uuid().map_err(wrong)? {
                let hex: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
                attributes.push(attribute("uuid", hex));
            }
            Ok((attributes, sections(source)?))
        }
    }
}
