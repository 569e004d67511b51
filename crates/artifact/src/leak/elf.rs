//! Programs: which of their bytes are debugging information, and what is compressed in it.

use std::io::Read;
use std::ops::Range;

use flate2::bufread::ZlibDecoder;
use object::{CompressionFormat, Object as _, ObjectSection as _};

/// What is known of a program's sections.
#[derive(Default)]
pub(super) struct Sections<'a> {
    debug: Vec<Range<u64>>,
    /// Name and content of those that are compressed.
    compressed: Vec<(String, CompressionFormat, &'a [u8])>,
}

impl<'a> Sections<'a> {
    /// Of a program. One that cannot be read has none.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let mut sections = Self::default();
        let Ok(file) = object::File::parse(bytes) else { return sections };
        for section in file.sections() {
            let name = String::from_utf8_lossy(section.name_bytes().unwrap_or_default()).into_owned();
            if !is_debug(&name) {
                continue;
            }
            if let Some((at, size)) = section.file_range() {
                sections.debug.push(at..at.saturating_add(size));
            }
            if let Ok(data) = section.compressed_data()
                && data.format != CompressionFormat::None
            {
                sections.compressed.push((name, data.format, data.data));
            }
        }
        sections
    }

    /// Whether the byte at `offset` is debugging information.
    pub(super) fn is_debug(&self, offset: u64) -> bool {
        self.debug.iter().any(|range| range.contains(&offset))
    }

    /// Each compressed section by its name, unpacked as it is read.
    pub(super) fn unpacked(&self) -> impl Iterator<Item = (&str, Box<dyn Read + 'a>)> {
        self.compressed.iter().filter_map(|(name, format, data)| {
            let reader: Box<dyn Read + 'a> = match *format {
                CompressionFormat::Zlib => Box::new(ZlibDecoder::new(*data)),
                CompressionFormat::Zstandard => {
                    Box::new(zstd::stream::read::Decoder::with_buffer(*data).ok()?)
                }
                _ => return None,
            };
            Some((name.as_str(), reader))
        })
    }
}

fn is_debug(name: &str) -> bool {
    [".debug_", ".zdebug_", ".stab", ".gnu_debugdata", "__debug_"].iter().any(|start| name.starts_with(start))
}
