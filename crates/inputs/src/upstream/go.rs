//! Go modules inside: a module proxy, as outside.

use super::{Route, Upstream, UpstreamError};

pub(super) fn route(up: &Upstream<'_>, path: &str) -> Result<Route, UpstreamError> {
    // Module paths and versions are escaped, so that nothing else can be in one.
    if !path.contains("/@") || path.contains("..") {
        return Ok(Route::Nowhere);
    }
    Ok(Route::To(up.bases("golang")?.iter().map(|base| format!("{base}{path}")).collect()))
}
