//! What steps fetched among the resolved dependencies: one list, which is written and against which a lock is compared.
//!
//! A file that came is an entry of its own, by package URL where it is a package. Pages that list versions, metadata and
//! answers to what was sent are no files of anybody: they stand together in the transcript, whose text is that of the
//! lock's lines and whose digest is in the step's action.

use model::lock::LockedStep;
use model::sbom::{Component, public_url};
use model::statement::ResourceDescriptor;
use model::transcript::{Answered, Asked, Place};
use serde_json::json;

use super::write::{With as _, descriptor};

/// The transcript first, then every file, in the order of the lock.
pub(super) fn dependencies(name: &str, step: &LockedStep) -> Vec<ResourceDescriptor> {
    let mut transcript = descriptor(&format!("transcript/{name}"), step.requests.digest(), "text/plain")
        .with("kind", "transcript");
    transcript.annotations.insert("requests".into(), json!(step.requests.0.len()));
    let files = step.requests.0.iter().filter_map(|(asked, answered)| file(name, asked, answered));
    std::iter::once(transcript).chain(files).collect()
}

fn file(step: &str, asked: &Asked, answered: &Answered) -> Option<ResourceDescriptor> {
    let component = Component::answer(asked, answered)?;
    let mut name = format!("fetched/{step}/{}", asked.place);
    // Only the form that was asked for tells two answers of one place apart. No locator has a space.
    let forms = [("accept", &asked.accept), ("git-protocol", &asked.git_protocol)];
    for (key, value) in forms.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
        name.push_str(&format!(" {key}={value}"));
    }
    if let Some(body) = asked.body {
        name.push_str(&format!(" body={body}"));
    }
    let mut entry = descriptor(&name, answered.body, "").with("kind", "fetched");
    entry.uri = match (component.purl, &asked.place) {
        (Some(purl), _) => purl.to_string(),
        (None, Place::Url(url)) => public_url(url),
        (None, place) => place.to_string(),
    };
    Some(entry)
}
