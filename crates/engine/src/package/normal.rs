//! Normalises the files of an artifact on their way from a step's output into the packer.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};

use artifact::{HEAD, Kind, Limits, Member, NORMAL_VERSION, NormalOptions};
use model::event::Event;
use model::recipe::{Artifact, Format, Rule};
use model::tree::Node;
use model::{Conditions, Digest};

use crate::{BuildError, Context};

/// What normalising does, with its rules and version: part of an encoder's identity.
pub(super) fn identity(rules: &BTreeSet<Rule>) -> String {
    let rules: Vec<&str> = rules.iter().map(|rule| rule.as_str()).collect();
    format!("normalised by {} ({NORMAL_VERSION})", rules.join(" "))
}

/// The members with the normalised content of each file.
pub(super) fn members(
    cx: &Context<'_>,
    artifact: &Artifact,
    mut members: Vec<Member>,
    conditions: &Conditions,
) -> Result<Vec<Member>, BuildError> {
    for member in &mut members {
        if let Node::File { digest, .. } = &mut member.node {
            *digest = file(cx, artifact, member.path.as_str(), digest, conditions)?;
        }
    }
    Ok(members)
}

/// The digest of the normalised content of one file, which is in the store then.
pub(super) fn file(
    cx: &Context<'_>,
    artifact: &Artifact,
    name: &str,
    digest: &Digest,
    conditions: &Conditions,
) -> Result<Digest, BuildError> {
    if artifact.normalize.is_empty() {
        return Ok(*digest);
    }
    let wrong = |reason: String| BuildError::Package {
        artifact: artifact.name.clone(),
        format: artifact.format().as_str(),
        reason: format!("`{name}` cannot be normalised: {reason}"),
    };
    let mut reader = cx.store.open_blob(digest)?;
    let mut bytes = Vec::new();
    (&reader).take(HEAD as u64).read_to_end(&mut bytes).map_err(|e| wrong(e.to_string()))?;
    if !Kind::of(name, &bytes).is_some_and(Kind::is_normalised) {
        return Ok(*digest);
    }
    let limits = Limits::default();
    if digest.size > limits.bytes {
        return Err(wrong(format!("it has {} bytes: more than {} are not read", digest.size, limits.bytes)));
    }
    reader.read_to_end(&mut bytes).map_err(|e| wrong(e.to_string()))?;
    let options =
        NormalOptions { epoch: conditions.source_date_epoch, rules: artifact.normalize.clone(), limits };
    let made = match artifact::normalise(name, &bytes, &options) {
        Ok(made) => made,
        // As a member of an archive: one that is merely damaged, such as a test's fixture, stays and is told.
        Err(error) if artifact.format() != Format::File && !error.is_beyond_limits() => {
            let text = format!("{}: `{name}` is left as it is: {error}", artifact.name);
            (cx.events)(Event::Note { text });
            return Ok(*digest);
        }
        Err(error) => {
            let causes =
                std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
            return Err(wrong(causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")));
        }
    };
    for left in &made.left {
        let place = if left.place.is_empty() { name.to_owned() } else { format!("{name}!/{}", left.place) };
        let text = format!("{}: `{place}` is left as it is: {}", artifact.name, left.reason);
        (cx.events)(Event::Note { text });
    }
    let Some(new) = made.bytes else { return Ok(*digest) };
    let mut writer = cx.store.writer()?;
    writer.write_all(&new).map_err(|e| wrong(e.to_string()))?;
    Ok(writer.finish()?)
}
