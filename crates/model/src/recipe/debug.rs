//! The artifact of debugging information that is split off another one.

use super::Format;
use super::checker::Checker;
use super::raw::At;

/// A second artifact: the debug files of the programs of the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debug {
    /// File name. Unique in the recipe.
    pub name: String,
    /// How it is packed, as its name says.
    pub format: Format,
}

/// Endings of names and what they say.
const ENDINGS: [(&str, Format); 4] =
    [(".tar", Format::Tar), (".tar.gz", Format::TarGz), (".tar.zst", Format::TarZst), (".zip", Format::Zip)];

pub(super) fn lower(c: &mut Checker, at: &At<String>) -> Option<Debug> {
    let name = c.word(at, "artifact name")?;
    let format = ENDINGS.iter().find(|(ending, _)| name.len() > ending.len() && name.ends_with(ending));
    if format.is_none() {
        let endings: Vec<_> = ENDINGS.iter().map(|(ending, _)| *ending).collect();
        let help = format!("end it with one of: {}", endings.join(", "));
        c.wrong(at, "not the name of an archive", "debug files are packed as its ending says", Some(help));
    }
    format.map(|(_, format)| Debug { name, format: *format })
}
