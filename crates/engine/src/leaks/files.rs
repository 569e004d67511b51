//! Looks through files where they lie.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use artifact::{Scan, Scanner};

use crate::{cores, normalize};

/// What came of one file.
#[derive(Debug)]
pub struct Scanned {
    /// Where it is, as it was found from what was given.
    pub path: PathBuf,
    /// What was found in it, or why it could not be read.
    pub result: Result<Scan, io::Error>,
}

/// Looks through the files at and below `paths`, each an artifact of its own. Links that are met are not followed; one that is
/// given is.
///
/// # Errors
/// If a path is not there or a folder cannot be listed.
pub fn files(paths: &[PathBuf], scanner: &Scanner) -> Result<Vec<Scanned>, (PathBuf, io::Error)> {
    let mut found = BTreeMap::new();
    for path in paths {
        if path.is_symlink() && path.is_file() {
            let metadata = path.metadata().map_err(|error| (path.clone(), error))?;
            found.insert(path.clone(), metadata);
        } else {
            normalize::walk(path, &mut found)?;
        }
    }
    let paths: Vec<PathBuf> = found.into_keys().collect();
    Ok(cores::each(&paths, |path| {
        let result = File::open(path).and_then(|mut file| {
            let mut scanning = scanner.begin();
            scanning.file(&path.file_name().unwrap_or_default().to_string_lossy(), &mut file)?;
            Ok(scanning.finish())
        });
        Scanned { path: path.clone(), result }
    }))
}
