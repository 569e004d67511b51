//! A Go module: its `go.mod` says what it needs. No field anywhere says its licence.

use model::transcript::{Asked, Place, Transcript};
use store::Store;

use super::{Package, Word, member};
use crate::ecosystem::go::requires;

pub(super) fn word(store: &Store, package: &Package<'_>, transcript: &Transcript) -> Word {
    let needs = package.files.keys().find_map(|place| {
        let Place::Registry(ecosystem, path) = place else { return None };
        let path = format!("{}.mod", path.strip_suffix(".zip")?);
        let answered = transcript.0.get(&Asked::get(Place::Registry(*ecosystem, path)))?;
        let text = member::whole(store, &answered.body).filter(|_| answered.status == 200)?;
        // Purls have paths of modules in small letters.
        Some(requires(&text).map(|path| path.to_ascii_lowercase()).collect())
    });
    Word { licence: None, needs }
}
