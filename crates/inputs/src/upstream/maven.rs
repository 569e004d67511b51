//! Maven artifacts inside: one repository that stands for all of this host's.

use super::{Route, Upstream, UpstreamError};

pub(super) fn route(up: &Upstream<'_>, path: &str) -> Result<Route, UpstreamError> {
    if path.contains("..") || path.ends_with('/') {
        return Ok(Route::Nowhere);
    }
    Ok(Route::To(up.bases("maven")?.iter().map(|base| format!("{base}{path}")).collect()))
}
