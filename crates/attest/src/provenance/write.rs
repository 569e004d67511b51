//! From a record to a statement.

use std::collections::BTreeMap;

use model::Digest;
use model::recipe::Format;
use model::recipe::Locator;
use model::sbom::public_url;
use model::statement::{
    BuildDefinition, Provenance, ResourceDescriptor, RunDetails, RunMetadata, SLSA_PROVENANCE, Statement,
};
use serde_json::{Value, json};

use super::{BUILD_TYPE, BuildRecord, ImageRecord, SubjectRecord, TextFile, Worktree};
use crate::dsse::base64;

/// Media type of a directory's encoding, whose SHA-256 is the digest of a tree.
pub(super) const TREE: &str = "application/vnd.selfsame.tree+protobuf";
const ACTION: &str = "application/vnd.selfsame.action+protobuf";
const LOG: &str = "text/plain";
const OBSERVATION: &str = "application/vnd.selfsame.observation+json";

/// The statement of a build. The same record gives the same statement.
#[must_use]
pub fn build(record: &BuildRecord) -> Statement {
    let provenance = Provenance {
        build_definition: BuildDefinition {
            build_type: BUILD_TYPE.into(),
            external_parameters: external(record),
            internal_parameters: internal(record),
            resolved_dependencies: dependencies(record),
        },
        run_details: RunDetails {
            builder: record.builder.clone(),
            metadata: RunMetadata {
                invocation_id: record.invocation_id.clone(),
                started_on: record.started.to_string(),
                finished_on: record.finished.to_string(),
            },
            byproducts: byproducts(record),
        },
    };
    let predicate = serde_json::to_value(&provenance).expect("strings, maps and values are JSON");
    Statement::new(subjects(&record.subjects), SLSA_PROVENANCE, predicate)
}

/// Artifacts as the subjects of a statement.
#[must_use]
pub fn subjects(artifacts: &[SubjectRecord]) -> Vec<ResourceDescriptor> {
    let mut list = Vec::new();
    for s in artifacts {
        let media_type = if s.format == Format::Dir { TREE } else { "" };
        let file = descriptor(&s.name, s.digest, media_type);
        list.push(file.with("format", s.format.as_str()).with("encoder", s.encoder.as_str()));
        list.extend(s.image.iter().map(|image| image_subject(&s.name, image)));
    }
    list
}

/// The image in an artifact. Its name has the platform too, so that no two subjects are called the same.
fn image_subject(artifact: &str, image: &ImageRecord) -> ResourceDescriptor {
    let name = match &image.platform {
        Some(platform) => format!("{} ({platform})", image.name),
        None => image.name.clone(),
    };
    let mut entry = descriptor(&name, image.digest, &image.media_type)
        .with("artifact", artifact)
        .with("image", &image.name);
    if let Some(platform) = &image.platform {
        entry = entry.with("platform", platform);
    }
    entry
}

fn external(record: &BuildRecord) -> Value {
    let mut sources = serde_json::Map::new();
    for (name, tree) in &record.worktrees {
        let mut value = json!({ "kind": "worktree", "path": tree.path, "dirty": tree.dirty });
        if let Some(url) = &tree.url {
            value["repository"] = json!(public_url(url));
        }
        sources.insert(name.clone(), value);
    }
    for (name, source) in &record.locked.sources {
        let kind = match source.origin {
            Locator::Git { .. } => "git",
            Locator::Url { .. } => "url",
            Locator::Package { .. } => "package",
            Locator::Image { .. } => "image",
        };
        let mut value = json!({ "kind": kind, "locator": source.origin.to_string() });
        if let Locator::Image { platform, .. } = &source.origin {
            value["platform"] = json!(platform.to_string());
        }
        sources.insert(name.clone(), value);
    }
    json!({
        "name": record.name,
        "version": record.version,
        "recipe": record.recipe.path,
        "lock": record.lock.path,
        "requested": record.requested,
        "sources": sources,
    })
}

fn internal(record: &BuildRecord) -> Value {
    let cached: Vec<_> = record.steps.iter().filter(|s| s.cached).map(|s| &s.name).collect();
    let mut value = json!({
        "conditions": record.conditions,
        "host": record.host,
        "limits": record.limits,
        "requester": record.requester,
        "sandbox": record.sandbox,
        "cachedSteps": cached,
    });
    if !record.secrets.is_empty() {
        value["secrets"] = json!(record.secrets);
    }
    value
}

fn dependencies(record: &BuildRecord) -> Vec<ResourceDescriptor> {
    let mut list = vec![text("recipe", &record.recipe), text("lock", &record.lock)];
    for (name, tree) in &record.worktrees {
        list.push(worktree(name, tree));
    }
    for (name, source) in &record.locked.sources {
        let mut entry = descriptor(&format!("source/{name}"), source.tree, TREE).with("kind", "source");
        entry.uri = source.origin.to_string();
        if let Locator::Git { commit, .. } = &source.origin {
            entry.digest.insert("gitCommit".into(), commit.clone());
        }
        list.push(entry);
        for file in &source.files {
            let mut entry = descriptor(&format!("source/{name}/{}", file.path), file.digest, "")
                .with("kind", "source-file");
            entry.uri = source.origin.to_string();
            if let Some((algorithm, hex)) = file.registry_hash.as_ref().and_then(|h| h.split_once(':')) {
                entry.digest.entry(algorithm.to_ascii_lowercase()).or_insert_with(|| hex.to_owned());
            }
            list.push(entry);
        }
    }
    list.extend(super::toolchain::dependencies(&record.locked.toolchain));
    for step in &record.steps {
        if let Some(locked) = record.locked.steps.get(&step.name) {
            list.extend(super::fetched::dependencies(&step.name, locked));
        }
    }
    for step in &record.steps {
        list.push(descriptor(&format!("action/{}", step.name), step.action, ACTION).with("kind", "action"));
    }
    list
}

fn worktree(name: &str, tree: &Worktree) -> ResourceDescriptor {
    let mut entry = descriptor(&format!("source/{name}"), tree.tree, TREE).with("kind", "worktree");
    if let Some(commit) = &tree.commit {
        // A dirty tree is not what its commit names, so it does not have the commit as a digest.
        if tree.dirty.is_empty() {
            entry.digest.insert("gitCommit".into(), commit.clone());
        }
        entry.annotations.insert("commit".into(), json!(commit));
        if let Some(url) = &tree.url {
            entry.uri = format!("git+{}@{commit}", public_url(url));
        }
    }
    entry
}

fn byproducts(record: &BuildRecord) -> Vec<ResourceDescriptor> {
    let mut list = Vec::new();
    for step in &record.steps {
        if let Some(log) = step.log {
            list.push(descriptor(&format!("log/{}", step.name), log, LOG).with("kind", "log"));
        }
        if let Some(seen) = step.observation {
            list.push(
                descriptor(&format!("observation/{}", step.name), seen, OBSERVATION)
                    .with("kind", "observation"),
            );
        }
    }
    for sbom in &record.sboms {
        list.push(
            descriptor(&format!("sbom/{}", sbom.name), sbom.digest, &sbom.media_type).with("kind", "sbom"),
        );
    }
    for report in &record.leaks {
        let name = format!("leaks/{}", report.name);
        list.push(descriptor(&name, report.digest, &report.media_type).with("kind", "leaks"));
    }
    list
}

fn text(kind: &str, file: &TextFile) -> ResourceDescriptor {
    let bytes = file.text.as_bytes();
    let mut entry = descriptor(kind, Digest::of(bytes), "application/toml").with("kind", kind);
    entry.content = base64(bytes);
    entry
}

pub(super) fn descriptor(name: &str, digest: Digest, media_type: &str) -> ResourceDescriptor {
    ResourceDescriptor {
        name: name.to_owned(),
        digest: BTreeMap::from([("sha256".to_owned(), digest.hex())]),
        media_type: media_type.to_owned(),
        annotations: BTreeMap::from([("size".to_owned(), json!(digest.size))]),
        ..ResourceDescriptor::default()
    }
}

pub(super) trait With {
    fn with(self, key: &str, value: &str) -> Self;
}

impl With for ResourceDescriptor {
    fn with(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), json!(value));
        self
    }
}
