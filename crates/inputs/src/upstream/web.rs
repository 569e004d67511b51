//! Any host at its own address.
//!
//! A lockfile of JavaScript may name tarballs at a registry that this host does not reach, another mirror say. Their own
//! address goes first; one that does not have them for us is replaced by this host's registry, since the lockfile has the
//! hash that the bytes must have.

use std::sync::PoisonError;

use model::transcript::{Answered, Asked};

use super::{Sent, Upstream, UpstreamError, npm};

pub(super) fn bring(
    up: &Upstream<'_>,
    asked: &Asked,
    sent: &Sent,
    url: &str,
    progress: &dyn Fn(u64),
) -> Result<Answered, UpstreamError> {
    let plain = asked.method == "GET" && asked.body.is_none();
    let Some(path) = npm::elsewhere(url).filter(|_| plain) else {
        let reply = up.pass(asked, sent, url, progress)?;
        return up.answered(url, reply);
    };
    let host = url.split('/').nth(2).unwrap_or_default();
    let silent = || up.silent.lock().unwrap_or_else(PoisonError::into_inner);
    // A host that was silent once is not waited for again.
    let first = if silent().contains(host) { None } else { Some(up.pass(asked, sent, url, progress)) };
    let first = match first {
        Some(Ok(reply)) if reply.status < 400 => return up.answered(url, reply),
        other => other,
    };
    if matches!(first, Some(Err(_))) && silent().insert(host.to_owned()) {
        let text = format!("`{host}` does not answer: its tarballs are taken from this host's npm registry");
        up.cx.warn(text, Some("the lockfile's hashes must be theirs, or there is no lock".into()));
    }
    for base in up.bases("npm").unwrap_or_default() {
        match up.file(&format!("{base}{path}"), progress) {
            Ok(answered) if answered.status == 200 => return Ok(answered),
            _ => {}
        }
    }
    let reply = first.unwrap_or_else(|| up.pass(asked, sent, url, progress))?;
    up.answered(url, reply)
}
