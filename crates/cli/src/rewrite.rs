//! Files of the user's that are changed in place: what changes is shown, and they are whole at every moment.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use similar::TextDiff;

use crate::failure::Failure;
use crate::output::safe::block;

/// The change as a unified diff.
pub(crate) fn difference(path: &str, old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let (from, to) = (format!("a/{path}"), format!("b/{path}"));
    let text = diff.unified_diff().context_radius(1).header(&from, &to).to_string();
    format!("{}\n", block(text.trim_end(), ""))
}

/// Writes a file anew with the mode that it has. A link is followed, not replaced.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |e| Failure::io("write", path, e);
    let place = path.canonicalize().map_err(failed)?;
    let mode = fs::metadata(&place).map_err(failed)?.permissions();
    let name = place.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let aside = place.with_file_name(format!(".{name}.selfsame-{}", std::process::id()));
    let written = fs::File::create_new(&aside)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())
                .and_then(|()| file.set_permissions(mode))
                .and_then(|()| file.sync_all())
        })
        .and_then(|()| fs::rename(&aside, &place));
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written.map_err(failed)
}
