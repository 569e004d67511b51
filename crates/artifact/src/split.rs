//! Splits debugging information off programs and libraries in ELF, as `objcopy --only-keep-debug` and `strip` would.
//!
//! The stripped file has the very bytes that are loaded, where they were: nothing of a program that runs is written anew.
//! Behind them stand the sections that are neither loaded nor for debuggers, a link to the debug file, and a new table of
//! sections. The debug file has the same table of sections, those that are loaded without their content, notes excepted,
//! so that debuggers match the two. Rules and layout, byte by byte: `docs/formats/debug.md`.
//!
//! What cannot be split without touching loaded bytes is left whole, with the reason.

use std::collections::{BTreeMap, BTreeSet};

use object::elf;
use object::read::elf::{FileHeader, SectionHeader as _};
use object::write::elf::{
    Encoder, FileHeader as NewHeader, FileHeaderLayout, ProgramHeader, SectionHeader as NewSection,
};
use object::{Endianness, FileKind, Object as _};

use crate::{Kind, ReadError, deflate};

/// The version of what splitting does; goes into provenance.
pub const SPLIT_VERSION: &str = "selfsame-split/2";

/// No program has more sections, or more segments.
const ENTRIES: usize = 1 << 16;

/// Where debug files lie in what is unpacked at the root.
const FOLDER: &str = "usr/lib/debug";

/// A program in two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// What runs.
    pub stripped: Vec<u8>,
    /// What debuggers read.
    pub debug: Vec<u8>,
    /// Where they look for it: below `usr/lib/debug`, by the build id, or by the file's own place if it has none.
    pub place: String,
}

/// Splits the file that lies at `path`. `None` if there is nothing to split off: it is no program or library in ELF, has no
/// debugging information, or is a debug file itself. Object files, static libraries and kernel modules are none.
///
/// # Errors
/// [`ReadError::Unsupported`] if it cannot be split safely, others if it is damaged. It is to be left whole then.
pub fn split(path: &str, bytes: &[u8]) -> Result<Option<Split>, ReadError> {
    if !bytes.starts_with(&elf::ELFMAG) {
        return Ok(None);
    }
    match FileKind::parse(bytes).map_err(|error| damaged(&error))? {
        FileKind::Elf32 => Program::<elf::FileHeader32<Endianness>>::read(bytes)?.split(path),
        _ => Program::<elf::FileHeader64<Endianness>>::read(bytes)?.split(path),
    }
}

fn damaged(error: &impl ToString) -> ReadError {
    let (expected, found) = ("a whole ELF file".into(), error.to_string());
    ReadError::Damaged { kind: Kind::Elf, at: 0, expected, found }
}

fn unsupported(what: impl Into<String>) -> ReadError {
    ReadError::Unsupported { kind: Kind::Elf, what: what.into() }
}

/// A section, as found.
struct Section<'a> {
    header: NewSection,
    name: &'a [u8],
    /// Its content; empty if it takes no room in the file.
    data: &'a [u8],
}

impl Section<'_> {
    fn is_loaded(&self) -> bool {
        self.header.sh_flags.0 & elf::SHF_ALLOC.0 != 0
    }

    fn is_debug(&self) -> bool {
        let starts = |start: &[u8]| self.name.starts_with(start);
        !self.is_loaded()
            && (starts(b".debug_") || starts(b".zdebug_") || starts(b".stab") || self.name == b".gdb_index")
    }

    fn is(&self, kind: elf::SectionType) -> bool {
        self.header.sh_type == kind
    }

    /// Whether it has the symbols that only linkers and debuggers read, or changes of what is not loaded.
    fn is_for_linkers(&self) -> bool {
        let kinds = [elf::SHT_SYMTAB, elf::SHT_SYMTAB_SHNDX, elf::SHT_REL, elf::SHT_RELA];
        !self.is_loaded() && kinds.iter().any(|kind| self.is(*kind))
    }
}

/// A program, as found.
struct Program<'a, Elf: FileHeader<Endian = Endianness>> {
    bytes: &'a [u8],
    header: &'a Elf,
    endian: Endianness,
    segments: Vec<ProgramHeader>,
    /// All of them, the empty first one too.
    sections: Vec<Section<'a>>,
    layout: FileHeaderLayout,
}

impl<'a, Elf: FileHeader<Endian = Endianness>> Program<'a, Elf> {
    fn read(bytes: &'a [u8]) -> Result<Self, ReadError> {
        let wrong = |error: object::Error| damaged(&error);
        let header = Elf::parse(bytes).map_err(wrong)?;
        let endian = header.endian().map_err(wrong)?;
        let segments = header.program_headers(endian, bytes).map_err(wrong)?;
        let headers = header.section_headers(endian, bytes).map_err(wrong)?;
        if segments.len().max(headers.len()) > ENTRIES {
            return Err(unsupported(format!("it has more than {ENTRIES} sections or segments")));
        }
        let segments = segments.iter().map(|segment| ProgramHeader::from_raw(endian, segment)).collect();
        let names = header.section_strings(endian, bytes, headers).map_err(wrong)?;
        let mut sections = Vec::new();
        // A table may name the ends of one long name, each as a name.
        let mut room = most(bytes);
        for section in headers {
            let name = section.name(endian, names).map_err(wrong)?;
            room = room.checked_sub(name.len()).ok_or_else(|| unsupported("its names overlap"))?;
            sections.push(Section {
                header: NewSection::from_raw(endian, section),
                name,
                data: section.data(endian, bytes).map_err(wrong)?,
            });
        }
        let layout = FileHeaderLayout::from_raw(endian, header, bytes).map_err(wrong)?;
        Ok(Self { bytes, header, endian, segments, sections, layout })
    }

    fn encoder(&self) -> Encoder<Endianness> {
        Encoder::new(self.endian, self.header.is_type_64(), self.header.e_machine(self.endian))
    }

    fn split(&self, path: &str) -> Result<Option<Split>, ReadError> {
        let kind = self.header.e_type(self.endian);
        let programs = kind == elf::ET_EXEC || kind == elf::ET_DYN;
        let has_debug = self.sections.iter().any(|section| section.is_debug() && !section.data.is_empty());
        if !programs || !has_debug || self.is_debug_file() {
            return Ok(None);
        }
        if self.sections.iter().any(|section| section.name == b".gnu_debuglink") {
            return Err(unsupported("it has a link to other debugging information already"));
        }
        self.is_whole()?;
        let file = object::File::parse(self.bytes).map_err(|error| damaged(&error))?;
        let id: String = file
            .build_id()
            .map_err(|error| damaged(&error))?
            .unwrap_or_default()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = path.rsplit('/').next().unwrap_or(path);
        let (place, link) = match id.split_at_checked(2) {
            Some((first, rest)) if !rest.is_empty() => {
                (format!("{FOLDER}/.build-id/{first}/{rest}.debug"), format!("{rest}.debug"))
            }
            _ => (format!("{FOLDER}/{path}.debug"), format!("{name}.debug")),
        };
        let debug = self.debug()?;
        let stripped = self.stripped(&link, deflate::crc32(&debug))?;
        Ok(Some(Split { stripped, debug, place }))
    }

    /// Whether what is loaded is elsewhere already.
    fn is_debug_file(&self) -> bool {
        let code = |section: &&Section<'_>| section.header.sh_flags.0 & elf::SHF_EXECINSTR.0 != 0;
        let mut code = self.sections.iter().filter(code).peekable();
        code.peek().is_some() && code.all(|section| section.is(elf::SHT_NOBITS))
    }

    /// Which sections the stripped file does not have.
    fn gone(&self) -> Vec<bool> {
        let names = self.layout.shstrtab_index as usize;
        let of_symbols: BTreeSet<usize> = self
            .sections
            .iter()
            .filter(|section| section.is(elf::SHT_SYMTAB) && !section.is_loaded())
            .map(|section| section.header.sh_link as usize)
            .collect();
        let gone = |(at, section): (usize, &Section<'_>)| {
            let is_table = at != names && !section.is_loaded() && of_symbols.contains(&at);
            section.is_debug() || section.is_for_linkers() || is_table || section.name == b".gnu_debugaltlink"
        };
        self.sections.iter().enumerate().map(gone).collect()
    }

    /// The end of the bytes that are loaded, or say what is.
    fn loaded_end(&self) -> Result<usize, ReadError> {
        let encoder = self.encoder();
        let table = encoder.program_header_size() * u64::from(self.layout.segment_num);
        let mut end = encoder.file_header_size().max(self.layout.e_phoff.saturating_add(table));
        for segment in &self.segments {
            end = end.max(segment.p_offset.saturating_add(segment.p_filesz));
        }
        for section in self.sections.iter().filter(|s| s.is_loaded() && !s.is(elf::SHT_NOBITS)) {
            end = end.max(section.header.sh_offset.saturating_add(section.header.sh_size));
        }
        let end = usize::try_from(end).ok().filter(|end| *end <= self.bytes.len());
        end.ok_or_else(|| damaged(&"segments behind its end"))
    }

    /// Refuses what the two halves would not have: what others put behind the program, such as an archive that it unpacks, and
    /// what stands where its header has nothing.
    fn is_whole(&self) -> Result<(), ReadError> {
        if self.header.e_ident().padding.iter().any(|byte| *byte != 0) {
            return Err(unsupported("its header has something where nothing belongs, as an AppImage has"));
        }
        let shoff: u64 = self.header.e_shoff(self.endian).into();
        let table = self.encoder().section_header_size() * self.sections.len() as u64;
        let mut end = shoff.saturating_add(table).max(self.loaded_end()? as u64);
        for section in self.sections.iter().filter(|section| !section.is(elf::SHT_NOBITS)) {
            end = end.max(section.header.sh_offset.saturating_add(section.header.sh_size));
        }
        match (self.bytes.len() as u64).checked_sub(end) {
            None | Some(0) => Ok(()),
            Some(count) => Err(unsupported(format!("{count} bytes that are none of it follow its end"))),
        }
    }

    fn stripped(&self, link: &str, crc: u32) -> Result<Vec<u8>, ReadError> {
        let gone = self.gone();
        let end = self.loaded_end()?;
        let names_at = self.layout.shstrtab_index as usize;
        let mut seen_gone = false;
        for (section, gone) in self.sections.iter().zip(&gone) {
            if *gone && !section.data.is_empty() && section.header.sh_offset < end as u64 {
                let name = String::from_utf8_lossy(section.name);
                return Err(unsupported(format!("`{name}` lies among what is loaded")));
            }
            // Symbols name sections by number.
            if seen_gone && section.is_loaded() {
                let name = String::from_utf8_lossy(section.name);
                return Err(unsupported(format!("`{name}` is loaded and stands behind what is not")));
            }
            seen_gone |= *gone;
        }
        // The number of each section that stays.
        let mut numbers: BTreeMap<usize, u32> = BTreeMap::new();
        for at in (0..self.sections.len()).filter(|at| !gone[*at]) {
            numbers.insert(at, u32::try_from(numbers.len()).map_err(|error| damaged(&error))?);
        }
        let number = |at: u32| {
            numbers
                .get(&(at as usize))
                .copied()
                .ok_or_else(|| unsupported("a section that stays needs one that goes"))
        };
        let mut out = self.bytes[..end].to_vec();
        let mut names = Names::default();
        let mut headers = Vec::new();
        for (at, section) in self.sections.iter().enumerate().skip(1).filter(|(at, _)| !gone[*at]) {
            let mut header = section.header.clone();
            header.sh_name = names.add(section.name);
            if section.is_loaded() {
                // Relocations of a static program that name no symbol, and yet their table.
                let is_link = gone.get(header.sh_link as usize) == Some(&true);
                if is_link && (section.is(elf::SHT_REL) || section.is(elf::SHT_RELA)) {
                    header.sh_link = 0;
                } else if header.sh_link != 0 {
                    header.sh_link = number(header.sh_link)?;
                }
            } else {
                if header.sh_link != 0 {
                    header.sh_link = number(header.sh_link)?;
                }
                if header.sh_flags.0 & elf::SHF_INFO_LINK.0 != 0 {
                    header.sh_info = number(header.sh_info)?;
                }
                if at != names_at {
                    header.sh_offset = self.add(&mut out, section.header.sh_addralign, section.data)?;
                }
            }
            headers.push((at == names_at, header));
        }
        let mut text = link.as_bytes().to_vec();
        text.resize((text.len() + 1).next_multiple_of(4), 0);
        text.extend(match self.endian {
            Endianness::Little => crc.to_le_bytes(),
            Endianness::Big => crc.to_be_bytes(),
        });
        let header = NewSection {
            sh_name: names.add(b".gnu_debuglink"),
            sh_type: elf::SHT_PROGBITS,
            sh_offset: place(&mut out, 4)?,
            sh_size: text.len() as u64,
            sh_addralign: 4,
            ..NewSection::default()
        };
        out.extend_from_slice(&text);
        headers.push((false, header));
        let names_offset = out.len() as u64;
        out.extend_from_slice(&names.text);
        for (is_names, header) in &mut headers {
            if *is_names {
                (header.sh_offset, header.sh_size) = (names_offset, names.text.len() as u64);
            }
        }
        let headers: Vec<NewSection> = headers.into_iter().map(|(_, header)| header).collect();
        let layout = FileHeaderLayout {
            e_phoff: self.layout.e_phoff,
            segment_num: self.layout.segment_num,
            shstrtab_index: number(self.layout.shstrtab_index)?,
            ..FileHeaderLayout::default()
        };
        self.close(out, layout, &headers)
    }

    fn debug(&self) -> Result<Vec<u8>, ReadError> {
        let encoder = self.encoder();
        let mut out = vec![0; usize::try_from(encoder.file_header_size()).unwrap_or_default()];
        let phoff = if self.segments.is_empty() { 0 } else { place(&mut out, encoder.address_size())? };
        let table = encoder.program_header_size() * self.segments.len() as u64;
        out.resize(out.len() + usize::try_from(table).map_err(|error| damaged(&error))?, 0);
        // Notes by where they were: a segment of them is kept whole, with the sections in it.
        let mut segments = self.segments.clone();
        let mut notes: BTreeMap<(u64, u64), u64> = BTreeMap::new();
        for segment in &mut segments {
            let (from, size) = (segment.p_offset, segment.p_filesz);
            (segment.p_offset, segment.p_filesz) = match segment.p_type {
                elf::PT_NOTE => {
                    let range = usize::try_from(from).ok().zip(usize::try_from(size).ok());
                    let note = range.and_then(|(from, size)| self.bytes.get(from..)?.get(..size));
                    let note = note.ok_or_else(|| damaged(&"a note behind its end"))?;
                    let new = match notes.get(&(from, size)) {
                        Some(new) => *new,
                        None => self.add(&mut out, segment.p_align.max(4), note)?,
                    };
                    notes.insert((from, size), new);
                    (new, size)
                }
                elf::PT_PHDR => (phoff, table),
                // It loads the headers, which are here.
                elf::PT_LOAD if from == 0 => (0, size.min(phoff + table)),
                // Nothing of it is here; but an offset that fits its address is asked for.
                _ => (segment.p_vaddr & segment.p_align.saturating_sub(1), 0),
            };
        }
        let notes = Notes::of(&notes);
        let mut headers = Vec::new();
        for section in self.sections.iter().skip(1) {
            let mut header = section.header.clone();
            if section.is_loaded() && !section.is(elf::SHT_NOTE) {
                header.sh_type = elf::SHT_NOBITS;
                header.sh_offset = out.len() as u64;
            } else if let Some(new) =
                notes.place(header.sh_offset, header.sh_size).filter(|_| section.is_loaded())
            {
                header.sh_offset = new;
            } else if section.is(elf::SHT_NOBITS) {
                header.sh_offset = out.len() as u64;
            } else {
                header.sh_offset = self.add(&mut out, section.header.sh_addralign, section.data)?;
            }
            headers.push(header);
        }
        let mut table = Vec::new();
        for segment in &segments {
            encoder.program_header(&mut table, segment);
        }
        let at = usize::try_from(phoff).map_err(|error| damaged(&error))?;
        out[at..at + table.len()].copy_from_slice(&table);
        let layout = FileHeaderLayout {
            e_phoff: phoff,
            segment_num: self.layout.segment_num,
            shstrtab_index: self.layout.shstrtab_index,
            ..FileHeaderLayout::default()
        };
        self.close(out, layout, &headers)
    }

    /// Adds the content of a section or segment; gives its place.
    fn add(&self, out: &mut Vec<u8>, align: u64, data: &[u8]) -> Result<u64, ReadError> {
        let place = place(out, align)?;
        out.extend_from_slice(data);
        // A table may name the same bytes thousands of times.
        if out.len() > most(self.bytes) {
            return Err(unsupported("its sections overlap"));
        }
        Ok(place)
    }

    /// Writes the table of sections at the end, and the file's header.
    fn close(
        &self,
        mut out: Vec<u8>,
        mut layout: FileHeaderLayout,
        headers: &[NewSection],
    ) -> Result<Vec<u8>, ReadError> {
        let encoder = self.encoder();
        layout.e_shoff = place(&mut out, encoder.address_size())?;
        layout.section_num = u32::try_from(headers.len() + 1).map_err(|error| damaged(&error))?;
        encoder.null_section_header(&mut out, &layout);
        for header in headers {
            encoder.section_header(&mut out, header);
        }
        if !self.header.is_type_64() && out.len() as u64 > u64::from(u32::MAX) {
            return Err(unsupported("it would have more than 4 GiB"));
        }
        let mut head = Vec::new();
        let header = NewHeader::from_raw(self.endian, self.header);
        encoder.file_header(&mut head, &header, &layout).map_err(|error| damaged(&error))?;
        out[..head.len()].copy_from_slice(&head);
        Ok(out)
    }
}

/// So many bytes of names, or of content, come out of no program whose parts are all its own.
const fn most(bytes: &[u8]) -> usize {
    2 * bytes.len() + (1 << 17)
}

/// Where segments of notes were, and where they are: by where they were.
struct Notes {
    /// Begin, and of it and of all before it the one that ends last: its begin, end and new place.
    list: Vec<(u64, (u64, u64, u64))>,
}

impl Notes {
    fn of(notes: &BTreeMap<(u64, u64), u64>) -> Self {
        let mut last = (0, 0, 0);
        let list = notes
            .iter()
            .map(|((from, size), new)| {
                let end = from.saturating_add(*size);
                if end > last.1 {
                    last = (*from, end, *new);
                }
                (*from, last)
            })
            .collect();
        Self { list }
    }

    /// The new place of a section that lies in one of them.
    fn place(&self, offset: u64, size: u64) -> Option<u64> {
        let behind = self.list.partition_point(|(from, _)| *from <= offset);
        let (_, (from, end, new)) = self.list.get(behind.checked_sub(1)?)?;
        (offset.saturating_add(size) <= *end).then(|| new + (offset - from))
    }
}

/// Makes the end of `out` a multiple of `align`, and gives it.
fn place(out: &mut Vec<u8>, align: u64) -> Result<u64, ReadError> {
    let align = align.max(1);
    if !align.is_power_of_two() || align > 1 << 16 {
        return Err(unsupported(format!("a section is aligned to {align} bytes")));
    }
    let end = (out.len() as u64).next_multiple_of(align);
    out.resize(usize::try_from(end).map_err(|error| damaged(&error))?, 0);
    Ok(end)
}

/// A table of names, each once, in the order in which they come.
struct Names<'a> {
    text: Vec<u8>,
    known: BTreeMap<&'a [u8], u32>,
}

impl Default for Names<'_> {
    fn default() -> Self {
        Self { text: vec![0], known: BTreeMap::new() }
    }
}

impl<'a> Names<'a> {
    fn add(&mut self, name: &'a [u8]) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        *self.known.entry(name).or_insert_with(|| {
            self.text.extend_from_slice(name);
            self.text.push(0);
            end
        })
    }
}
