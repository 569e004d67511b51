//! From a statement to a record. The statement is signed, but by whom is the caller's question: nothing in it
//! is believed without looking.

use std::collections::BTreeMap;

use model::lock::Lock;
use model::recipe::{Format, Locator};
use model::statement::{Provenance, ResourceDescriptor, SLSA_PROVENANCE, Statement};
use model::{Conditions, Digest, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{
    BUILD_TYPE, BuildRecord, Byproduct, Host, ImageRecord, ReadError, Requested, StepRecord, SubjectRecord,
    TextFile, Worktree,
};
use crate::dsse::unbase64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct External {
    name: String,
    version: String,
    recipe: String,
    lock: String,
    requested: Requested,
    sources: BTreeMap<String, ExternalSource>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum ExternalSource {
    Worktree { path: String, dirty: Vec<String>, repository: Option<String> },
    Git { locator: String },
    Url { locator: String },
    Package { locator: String },
    Image { locator: String, platform: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Internal {
    conditions: Conditions,
    host: Host,
    limits: Value,
    requester: Option<String>,
    sandbox: Value,
    #[serde(default)]
    secrets: BTreeMap<String, Vec<String>>,
    cached_steps: Vec<String>,
}

/// The record that [`super::build`] made the statement from.
///
/// The signature must have been verified ([`crate::verify`]) before anything here is used.
///
/// # Errors
/// If the statement is no provenance of [`BUILD_TYPE`], something is missing, or it contradicts itself: the
/// texts do not have their digests, or the lock's digests are not those of the dependencies.
pub fn read(statement: &Statement) -> Result<BuildRecord, ReadError> {
    if statement.predicate_type != SLSA_PROVENANCE {
        let found = statement.predicate_type.clone();
        return Err(ReadError::PredicateType { expected: SLSA_PROVENANCE, found });
    }
    if statement.subject.is_empty() {
        return Err(missing("subject".into()));
    }
    let provenance: Provenance = serde_json::from_value(statement.predicate.clone())?;
    let definition = provenance.build_definition;
    if definition.build_type != BUILD_TYPE {
        return Err(ReadError::BuildType { found: definition.build_type });
    }
    let external: External = serde_json::from_value(definition.external_parameters)?;
    let internal: Internal = serde_json::from_value(definition.internal_parameters)?;
    let run = provenance.run_details;
    let inputs = Descriptors::new("resolvedDependencies", &definition.resolved_dependencies)?;
    let made = Descriptors::new("byproducts", &run.byproducts)?;

    let recipe = TextFile { path: external.recipe, text: inputs.text("recipe")? };
    let lock = TextFile { path: external.lock, text: inputs.text("lock")? };
    let locked = Lock::parse(&lock.path, &lock.text).map_err(ReadError::Lock)?;
    agree(&locked, &external.sources, &inputs)?;
    let steps = inputs
        .of_kind("action")
        .map(|entry| {
            let name = entry.name.strip_prefix("action/").unwrap_or(&entry.name).to_owned();
            Ok(StepRecord {
                action: digest(entry)?,
                cached: internal.cached_steps.contains(&name),
                log: made.get(&format!("log/{name}")).map(digest).transpose()?,
                observation: made.get(&format!("observation/{name}")).map(digest).transpose()?,
                name,
            })
        })
        .collect::<Result<_, ReadError>>()?;
    Ok(BuildRecord {
        name: external.name,
        version: external.version,
        recipe,
        lock,
        locked,
        subjects: subjects(&statement.subject)?,
        requested: external.requested,
        worktrees: worktrees(external.sources, &inputs)?,
        conditions: internal.conditions,
        limits: internal.limits,
        sandbox: internal.sandbox,
        secrets: internal.secrets,
        requester: internal.requester,
        host: internal.host,
        steps,
        sboms: byproducts(&made, "sbom")?,
        leaks: byproducts(&made, "leaks")?,
        builder: run.builder,
        invocation_id: run.metadata.invocation_id,
        started: moment("startedOn", &run.metadata.started_on)?,
        finished: moment("finishedOn", &run.metadata.finished_on)?,
    })
}

/// The files that were made besides the artifacts, of one kind.
fn byproducts(made: &Descriptors<'_>, kind: &'static str) -> Result<Vec<Byproduct>, ReadError> {
    let name = |entry: &ResourceDescriptor| {
        let name = entry.name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('/'));
        name.unwrap_or(&entry.name).to_owned()
    };
    made.of_kind(kind)
        .map(|entry| {
            let (media_type, digest) = (entry.media_type.clone(), digest(entry)?);
            Ok(Byproduct { name: name(entry), media_type, digest })
        })
        .collect()
}

/// Whether the lock in the provenance and the rest of it name the same inputs.
fn agree(
    lock: &Lock,
    sources: &BTreeMap<String, ExternalSource>,
    inputs: &Descriptors<'_>,
) -> Result<(), ReadError> {
    let same = |name: &str, expected: Digest| match digest(inputs.need(name)?)? {
        found if found == expected => Ok(()),
        found => Err(contradiction(name, expected.to_string(), found.to_string())),
    };
    for expected in super::toolchain::dependencies(&lock.toolchain) {
        same(&expected.name, digest(&expected)?)?;
    }
    // Of the lock's steps, those that were built.
    let mut listed = 0;
    for (name, step) in lock.steps.iter().filter(|(name, _)| inputs.get(&format!("action/{name}")).is_some())
    {
        for expected in super::fetched::dependencies(name, step) {
            same(&expected.name, digest(&expected)?)?;
            listed += 1;
        }
    }
    let found = inputs.of_kind("fetched").chain(inputs.of_kind("transcript")).count();
    if found != listed {
        let what = "what steps fetched";
        return Err(contradiction(what, format!("{listed} entries"), format!("{found} entries")));
    }
    for (name, source) in &lock.sources {
        same(&format!("source/{name}"), source.tree)?;
        for file in &source.files {
            same(&format!("source/{name}/{}", file.path), file.digest)?;
        }
        let expected = match &source.origin {
            Locator::Image { image, platform } => format!("{image} for {platform}"),
            other => other.to_string(),
        };
        let found = match sources.get(name) {
            Some(
                ExternalSource::Git { locator }
                | ExternalSource::Url { locator }
                | ExternalSource::Package { locator },
            ) => locator.clone(),
            Some(ExternalSource::Image { locator, platform }) => format!("{locator} for {platform}"),
            Some(ExternalSource::Worktree { .. }) => "a work tree".to_owned(),
            None => "nothing".to_owned(),
        };
        if found != expected {
            return Err(contradiction(name, expected, found));
        }
    }
    for (name, source) in sources {
        if !matches!(source, ExternalSource::Worktree { .. }) && !lock.sources.contains_key(name) {
            return Err(contradiction(name, "a source of the lock".into(), "nothing".into()));
        }
    }
    Ok(())
}

fn contradiction(what: &str, expected: String, found: String) -> ReadError {
    ReadError::Contradiction { what: what.to_owned(), expected, found }
}

fn worktrees(
    sources: BTreeMap<String, ExternalSource>,
    inputs: &Descriptors<'_>,
) -> Result<BTreeMap<String, Worktree>, ReadError> {
    let mut trees = BTreeMap::new();
    for (name, source) in sources {
        let ExternalSource::Worktree { path, dirty, repository: url } = source else { continue };
        let entry = inputs.need(&format!("source/{name}"))?;
        let commit = entry.annotations.get("commit").and_then(Value::as_str).map(str::to_owned);
        trees.insert(name, Worktree { path, url, commit, dirty, tree: digest(entry)? });
    }
    Ok(trees)
}

/// The artifacts; the images in them, each behind its artifact.
fn subjects(list: &[ResourceDescriptor]) -> Result<Vec<SubjectRecord>, ReadError> {
    let mut artifacts: Vec<SubjectRecord> = Vec::new();
    for entry in list {
        let note = |key: &str| entry.annotations.get(key).and_then(Value::as_str);
        let Some(artifact) = note("artifact") else {
            artifacts.push(subject(entry)?);
            continue;
        };
        let what = || format!("subject {}: annotations.artifact", entry.name);
        let image = ImageRecord {
            name: note("image")
                .ok_or_else(|| missing(format!("subject {}: annotations.image", entry.name)))?
                .into(),
            platform: note("platform").map(str::to_owned),
            media_type: entry.media_type.clone(),
            digest: digest(entry)?,
        };
        match artifacts.last_mut() {
            Some(last) if last.name == artifact && last.image.is_none() => last.image = Some(image),
            last => {
                let expected =
                    last.map_or_else(|| "an artifact before it".to_owned(), |last| last.name.clone());
                return Err(contradiction(&what(), expected, artifact.to_owned()));
            }
        }
    }
    Ok(artifacts)
}

fn subject(entry: &ResourceDescriptor) -> Result<SubjectRecord, ReadError> {
    let note = |key: &str| {
        let value = entry.annotations.get(key).and_then(Value::as_str);
        value.ok_or_else(|| missing(format!("subject {}: annotations.{key}", entry.name)))
    };
    let word = note("format")?;
    let format = Format::ALL.into_iter().find(|f| f.as_str() == word).ok_or_else(|| ReadError::Field {
        field: format!("subject {}: annotations.format", entry.name),
        found: format!("`{word}`"),
    })?;
    Ok(SubjectRecord {
        name: entry.name.clone(),
        format,
        digest: digest(entry)?,
        encoder: note("encoder")?.to_owned(),
        image: None,
    })
}

fn digest(entry: &ResourceDescriptor) -> Result<Digest, ReadError> {
    let field = |part: &str| format!("{}: {part}", entry.name);
    let hex = entry.digest.get("sha256").ok_or_else(|| missing(field("digest.sha256")))?;
    let sha256 = hex
        .parse()
        .map_err(|_| ReadError::Field { field: field("digest.sha256"), found: format!("`{hex}`") })?;
    let size = entry.annotations.get("size").ok_or_else(|| missing(field("annotations.size")))?;
    let size = size
        .as_u64()
        .ok_or_else(|| ReadError::Field { field: field("annotations.size"), found: size.to_string() })?;
    Ok(Digest { sha256, size })
}

fn moment(field: &str, text: &str) -> Result<Timestamp, ReadError> {
    seconds(text).ok_or_else(|| ReadError::Field { field: field.to_owned(), found: format!("`{text}`") })
}

/// Reads what [`Timestamp`] writes: RFC 3339, UTC, whole seconds.
fn seconds(text: &str) -> Option<Timestamp> {
    let mut parts = text.strip_suffix('Z')?.split(['-', 'T', ':']).map(|p| p.parse::<i64>().ok());
    let mut next = || parts.next().flatten();
    let (year, month, day) = (next()?, next()?, next()?);
    let (hour, minute, second) = (next()?, next()?, next()?);
    if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
    let y = if month <= 2 { year - 1 } else { year };
    let (era, yoe) = (y.div_euclid(400), y.rem_euclid(400));
    let doy = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    let days = (era * 146_097 + doe - 719_468).checked_mul(86_400)?;
    let clock = hour.checked_mul(3600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
    // Whatever is out of range, or written another way, does not come back as the same text.
    days.checked_add(clock).map(Timestamp).filter(|t| t.to_string() == text)
}

fn missing(field: String) -> ReadError {
    ReadError::Field { field, found: "missing".into() }
}

/// A list of descriptors, by name.
struct Descriptors<'a> {
    place: &'static str,
    list: &'a [ResourceDescriptor],
    by_name: BTreeMap<&'a str, &'a ResourceDescriptor>,
}

impl<'a> Descriptors<'a> {
    fn new(place: &'static str, list: &'a [ResourceDescriptor]) -> Result<Self, ReadError> {
        let mut by_name = BTreeMap::new();
        for entry in list {
            if by_name.insert(entry.name.as_str(), entry).is_some() {
                return Err(ReadError::Field {
                    field: format!("{place} {}", entry.name),
                    found: "there twice".into(),
                });
            }
        }
        Ok(Self { place, list, by_name })
    }

    fn get(&self, name: &str) -> Option<&'a ResourceDescriptor> {
        self.by_name.get(name).copied()
    }

    fn need(&self, name: &str) -> Result<&'a ResourceDescriptor, ReadError> {
        self.get(name).ok_or_else(|| missing(format!("{} {name}", self.place)))
    }

    fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &'a ResourceDescriptor> {
        let list = self.list;
        list.iter().filter(move |d| d.annotations.get("kind").and_then(Value::as_str) == Some(kind))
    }

    /// The text that stands in a descriptor, checked against its digest.
    fn text(&self, name: &str) -> Result<String, ReadError> {
        let entry = self.need(name)?;
        let wrong = |found: String| ReadError::Field { field: format!("{name}: content"), found };
        let bytes = unbase64(&entry.content).map_err(|e| wrong(format!("not base64 ({e})")))?;
        let (expected, found) = (digest(entry)?, Digest::of(&bytes));
        if expected != found {
            return Err(contradiction(
                &format!("content of {name}"),
                expected.to_string(),
                found.to_string(),
            ));
        }
        String::from_utf8(bytes).map_err(|e| wrong(format!("not UTF-8 ({e})")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_come_back() {
        for second in [0, 951_782_400, 951_868_799, 1_700_000_000, 4_102_444_799, -1, 253_402_300_799] {
            assert_eq!(seconds(&Timestamp(second).to_string()), Some(Timestamp(second)));
        }
        for text in [
            "",
            "Z",
            "2026-11-20",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-1-1T0:0:0Z",
            "2026-11-20T24:00:00Z",
            "2026-11-20T00:00:00+00:00",
            "2026-11-99999999999999999T00:00:00Z",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
