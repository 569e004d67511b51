//! What only others know: whether a version was withdrawn or is new, and whose a commit is. Asked only if told to.

mod action;
mod package;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use model::{RelPath, Timestamp};

use super::noted::Noted;
use super::pin::Forge;
use super::{Content, Sheet, is_aside};
use crate::Host;
use crate::ecosystem::{Component, Files, Origin, components, detect};
use crate::http::Client;

/// So many registries' answers are waited for at once.
const AT_ONCE: usize = 8;

/// What is asked with.
#[derive(Debug, Clone, Copy)]
pub struct Online<'a> {
    /// Where registries are.
    pub host: &'a Host,
    /// Where actions are.
    pub forge: &'a Forge,
    /// This moment.
    pub now: Timestamp,
    /// A release is new for so many days.
    pub cooldown: u32,
}

/// What registries and forges say of the lockfiles and workflows among `sheets`; and what could not be asked, in
/// sentences.
#[must_use]
pub fn ask(online: Online<'_>, sheets: &[Sheet]) -> (Vec<Noted>, Vec<String>) {
    let (mut noted, mut problems) = (Vec::new(), Vec::new());
    let list = pinned(sheets);
    let client = Client::new(online.host);
    let asked = Mutex::new(list.iter());
    let answers = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(list.len()) {
            scope.spawn(|| {
                loop {
                    let next = asked.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((key, component)) = next else { break };
                    let answer = package::ask(&online, &client, component);
                    answers.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (component, answer));
                }
            });
        }
    });
    // One sentence for each reason: where one registry cannot be reached, none of its packages can be asked for.
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for (component, answer) in answers.into_inner().unwrap_or_else(PoisonError::into_inner).into_values() {
        match answer {
            Ok(said) => noted.extend(package::judge(&online, component, &said)),
            Err(reason) => *reasons.entry(reason).or_default() += 1,
        }
    }
    for (reason, count) in reasons {
        problems.push(if count > 1 { format!("{reason} (and {} more packages)", count - 1) } else { reason });
    }
    action::ask(online.forge, sheets, &mut noted, &mut problems);
    noted.sort_by(|a, b| (&a.file, a.line, a.id).cmp(&(&b.file, b.line, b.id)));
    (noted, problems)
}

/// Every registry's package that a lockfile pins, each once, at its first place.
fn pinned(sheets: &[Sheet]) -> BTreeMap<String, Component> {
    let texts: BTreeMap<RelPath, &str> = sheets
        .iter()
        .filter(|sheet| !is_aside(&sheet.path))
        .filter_map(|sheet| match &sheet.content {
            Content::Text(text) => Some((sheet.path.parse().ok()?, text.as_str())),
            _ => None,
        })
        .collect();
    let read = |path: &RelPath| {
        let text = texts.get(path).ok_or(std::io::ErrorKind::NotFound)?;
        Ok(text.as_bytes().to_vec())
    };
    let files = Files::new(texts.keys().cloned(), read);
    let mut list = BTreeMap::new();
    for found in detect(&files) {
        // What is wrong with a lockfile, other rules tell.
        for component in components(&files, &found).unwrap_or_default() {
            if let (Origin::Registry(_), Some(purl)) = (&component.origin, &component.purl) {
                list.entry(purl.to_string()).or_insert(component);
            }
        }
    }
    list
}
