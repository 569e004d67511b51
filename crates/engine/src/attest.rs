//! Says what was built, signed: SBOMs, provenance, bundle.

use std::collections::{BTreeMap, BTreeSet};

use ::attest::provenance::{
    self, BuildRecord, Builder, Byproduct, Host, Requested, StepRecord, SubjectRecord, TextFile,
};
use ::attest::{SignError, Signer, bundle, sbom};
use ledger::{ArtifactRow, AttestationRow, BuildRow, Material, StepRow};
use model::lock::LockedBase;
use model::purl::PurlError;
use model::recipe::Reference;
use model::sbom::{Component, Inventory, InventoryArtifact, InventoryImage};
use model::statement::SLSA_PROVENANCE;
use model::{Digest, Sha256};
use serde_json::{Value, json};

use crate::build::Built;
use crate::job::{Job, Origin};
use crate::leaks::{self, Screened};
use crate::observation::Observation;
use crate::package::Packed;
use crate::{BuildError, Context, VERSION};

/// Where the bundles of builds are kept, by everything in them that is not this one run.
const ATTESTED: &str = "attested";

/// Who builds, for whom, where.
#[derive(Debug, Clone)]
pub struct Identity {
    /// URI of the builder; provenance's `builder.id`.
    pub builder: String,
    /// Who asked.
    pub requester: Option<String>,
    /// The machine.
    pub host: Host,
}

/// The statements about one build, as blobs in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    /// Sigstore bundle with the signed provenance.
    pub bundle: Digest,
    /// CycloneDX document.
    pub cyclonedx: Digest,
    /// SPDX document.
    pub spdx: Digest,
    /// Name of the run that the bundle speaks of.
    pub build_id: String,
    /// True if an earlier run of the same build had been attested with the same key.
    pub cached: bool,
}

/// Why a build could not be attested.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// The store failed.
    #[error("{0}")]
    Store(#[from] store::StoreError),
    /// The ledger failed.
    #[error("{0}")]
    Ledger(#[from] ledger::LedgerError),
    /// The key did not sign.
    #[error("the key did not sign")]
    Sign(#[from] SignError),
    /// A name cannot stand in a purl.
    #[error("a package cannot be named in the SBOM")]
    Purl(#[from] PurlError),
}

/// Writes the SBOMs and the provenance of a build, signs, and records build and attestation in the ledger.
///
/// The same build attested before with the same key gives that attestation again.
///
/// # Errors
/// If the key, the store or the ledger fails.
pub fn attest(
    cx: &Context<'_>,
    job: &Job,
    built: &Built,
    build_id: &str,
    signer: &dyn Signer,
    who: &Identity,
) -> Result<Attested, AttestError> {
    let inventory = inventory(job, built)?;
    let (cyclonedx, spdx) = std::thread::scope(|scope| {
        let spdx = scope.spawn(|| cx.store.put(&sbom::spdx(&inventory)));
        (cx.store.put(&sbom::cyclonedx(&inventory)), spdx.join().expect("the thread does not panic"))
    });
    let (cyclonedx, spdx) = (cyclonedx?, spdx?);
    let mut record = record(cx, job, built, who, [cyclonedx, spdx])?;

    let key_id = signer.public_key().id();
    let key = Digest::of(
        json!([provenance::build(&record).to_json(), key_id, built.conditions]).to_string().as_bytes(),
    );
    let known = cx.store.memo_get(ATTESTED, &key).and_then(|text| earlier(cx, &text));
    cx.ledger.record_build(&build_row(job, built, build_id, who, [cyclonedx, spdx]))?;
    if let Some((bundle, id)) = known {
        return Ok(Attested { bundle, cyclonedx, spdx, build_id: id, cached: true });
    }
    record.invocation_id = build_id.to_owned();
    record.started = built.started;
    record.finished = built.finished;
    for (step, run) in record.steps.iter_mut().zip(&built.steps) {
        step.cached = run.cached;
    }
    let bytes = bundle::sign_statement(&provenance::build(&record), signer)?;
    let bundle = cx.store.put(&bytes)?;
    cx.ledger.record_attestation(&AttestationRow {
        subjects: built.artifacts.iter().flat_map(subjects).collect(),
        predicate_type: SLSA_PROVENANCE.to_owned(),
        bundle,
        key_id: key_id.to_string(),
        build: Some(build_id.to_owned()),
        at: (cx.clock)(),
    })?;
    // Last: what the memo speaks of is in the ledger.
    cx.store.memo_put(ATTESTED, &key, json!([bundle, build_id]).to_string().as_bytes())?;
    Ok(Attested { bundle, cyclonedx, spdx, build_id: build_id.to_owned(), cached: false })
}

/// What a statement about an artifact is about: its file, and the image in it.
fn subjects(packed: &Packed) -> impl Iterator<Item = Sha256> {
    std::iter::once(packed.digest.sha256).chain(packed.image.iter().map(|image| image.digest.sha256))
}

/// The bundle of an earlier run and that run's name, if bundle and record of it are still there.
fn earlier(cx: &Context<'_>, text: &[u8]) -> Option<(Digest, String)> {
    let (bundle, id): (Digest, String) = serde_json::from_slice(text).ok()?;
    cx.store.read(&bundle).ok()?;
    let recorded = cx.ledger.find(&bundle.hex()).ok()?;
    let is_bundle = |found: &ledger::Found| matches!(found, ledger::Found::Digest { roles, .. } if roles.contains(&ledger::Role::Bundle));
    recorded.iter().any(is_bundle).then_some((bundle, id))
}

/// Records a build that failed.
///
/// # Errors
/// If the ledger cannot be written.
pub fn record_failure(
    cx: &Context<'_>,
    job: &Job,
    build_id: &str,
    who: &Identity,
    started: model::Timestamp,
    error: &BuildError,
) -> Result<(), ledger::LedgerError> {
    let conditions = job.conditions();
    let finished = (cx.clock)();
    let (steps, artifacts, leaks) = (Vec::new(), Vec::new(), Vec::new());
    let contents = BTreeMap::new();
    let built = Built { started, finished, conditions, steps, artifacts, contents, leaks };
    let mut row = build_row(job, &built, build_id, who, []);
    row.ok = false;
    row.error = Some(error.to_string());
    cx.ledger.record_build(&row)
}

/// What an SBOM lists: artifacts, sources, toolchain. Nothing in it depends on when or where it was built.
fn inventory(job: &Job, built: &Built) -> Result<Inventory, PurlError> {
    let mut components = Component::toolchain(&job.lock.toolchain)?;
    // What such an image begins with may be left behind in another stage: what is shipped is read of the image itself.
    let of_dockerfiles: BTreeSet<&str> = only_of_dockerfiles(job);
    for (name, source) in &job.sources {
        if let Origin::Locked(locked) = &source.origin
            && !of_dockerfiles.contains(name.as_str())
        {
            components.extend(Component::contents(name, locked)?);
        }
        components.push(match &source.origin {
            Origin::Locked(locked) => Component::source(name, locked),
            Origin::Worktree(tree) => {
                let remote = tree.remote.as_deref().unwrap_or_default();
                let git = tree.commit.as_deref().filter(|_| tree.dirty.is_empty()).map(|c| (remote, c));
                Component::worktree(name, git, source.tree, job.recipe.licence.clone())
            }
        });
    }
    for (artifact, contents) in &built.contents {
        components.extend(Component::within(artifact, contents)?);
    }
    for step in &built.steps {
        components.extend(job.lock.steps.get(&step.step).map(Component::fetched).unwrap_or_default());
    }
    let artifacts = built
        .artifacts
        .iter()
        .map(|a| InventoryArtifact {
            name: a.name.clone(),
            format: a.format,
            digest: a.digest,
            image: a.image.as_ref().map(|i| InventoryImage { name: i.name.clone(), digest: i.digest }),
        })
        .collect();
    Ok(Inventory {
        name: job.recipe.name.clone(),
        version: job.recipe.version.clone(),
        licence: job.recipe.licence.clone(),
        producer: job.recipe.producer.clone(),
        artifacts,
        components,
        toolchain_tree: job.lock.toolchain.tree,
        source_date_epoch: built.conditions.source_date_epoch,
        tool_version: VERSION.to_owned(),
    })
}

/// The sources that only Dockerfiles name.
fn only_of_dockerfiles(job: &Job) -> BTreeSet<&str> {
    let (mut named, mut others) = (BTreeSet::new(), BTreeSet::new());
    for artifact in &job.recipe.artifacts {
        let sources = if artifact.dockerfile().is_some() { &mut named } else { &mut others };
        sources.extend(artifact.references().into_iter().filter_map(source_of));
    }
    named.extend(job.sources.keys().map(String::as_str).filter(|name| name.starts_with("FROM ")));
    others.extend(job.recipe.steps.iter().flat_map(|step| step.inputs.values()).filter_map(source_of));
    named.difference(&others).copied().collect()
}

fn source_of(reference: &Reference) -> Option<&str> {
    match reference {
        Reference::Source { name, .. } => Some(name),
        Reference::Step { .. } => None,
    }
}

/// The record without what belongs to this one run: its name, times, and which steps were cached.
fn record(
    cx: &Context<'_>,
    job: &Job,
    built: &Built,
    who: &Identity,
    [cyclonedx, spdx]: [Digest; 2],
) -> Result<BuildRecord, store::StoreError> {
    let mut achieved: BTreeMap<String, Value> = BTreeMap::new();
    for run in &built.steps {
        if let Some(digest) = &run.observation {
            let seen: Option<Observation> = serde_json::from_slice(&cx.store.read(digest)?).ok();
            let value = seen.and_then(|o| serde_json::to_value(o.achieved).ok());
            achieved.insert(run.step.clone(), value.unwrap_or(Value::Null));
        }
    }
    let limits: BTreeMap<&str, Value> =
        job.recipe.steps.iter().map(|s| (s.name.as_str(), crate::limit::recorded(s))).collect();
    let stem = format!("{}-{}", job.recipe.name, job.recipe.version);
    let sbom = |suffix: &str, media_type: &str, digest| Byproduct {
        name: format!("{stem}.{suffix}"),
        media_type: media_type.to_owned(),
        digest,
    };
    Ok(BuildRecord {
        name: job.recipe.name.clone(),
        version: job.recipe.version.clone(),
        recipe: TextFile { path: job.recipe_name.clone(), text: job.recipe_text.clone() },
        lock: TextFile { path: job.lock_name.clone(), text: job.lock_text.clone() },
        locked: job.lock.clone(),
        subjects: built
            .artifacts
            .iter()
            .map(|a| SubjectRecord {
                name: a.name.clone(),
                format: a.format,
                digest: a.digest,
                encoder: encoder(a),
                image: a.image.as_ref().map(|image| provenance::ImageRecord {
                    name: image.name.clone(),
                    platform: image.platform.clone(),
                    media_type: image.media_type.clone(),
                    digest: image.digest,
                }),
            })
            .collect(),
        requested: Requested {
            artifacts: built.artifacts.iter().map(|a| a.name.clone()).collect(),
            steps: built.steps.iter().map(|s| s.step.clone()).collect(),
        },
        worktrees: worktrees(job),
        conditions: built.conditions.clone(),
        limits: json!(limits),
        sandbox: json!(achieved),
        secrets: secrets(job, built),
        requester: who.requester.clone(),
        host: who.host.clone(),
        steps: built
            .steps
            .iter()
            .map(|s| StepRecord {
                name: s.step.clone(),
                action: s.action,
                cached: false,
                log: Some(s.log),
                observation: s.observation,
            })
            .collect(),
        sboms: vec![
            sbom("cdx.json", "application/vnd.cyclonedx+json", cyclonedx),
            sbom("spdx.json", "application/spdx+json", spdx),
        ],
        leaks: built.leaks.iter().map(report).collect(),
        builder: Builder {
            id: who.builder.clone(),
            version: BTreeMap::from([("selfsame".to_owned(), VERSION.to_owned())]),
        },
        invocation_id: String::new(),
        started: model::Timestamp(0),
        finished: model::Timestamp(0),
    })
}

/// What was found in an artifact, as provenance names it.
fn report(screened: &Screened) -> Byproduct {
    Byproduct {
        name: screened.report.artifact.clone(),
        media_type: leaks::MEDIA_TYPE.to_owned(),
        digest: screened.digest,
    }
}

/// Names of the secrets of the steps that were built, where there are some.
fn secrets(job: &Job, built: &Built) -> BTreeMap<String, Vec<String>> {
    let steps = built.steps.iter().filter_map(|run| job.recipe.step(&run.step));
    steps.filter(|s| !s.secrets.is_empty()).map(|s| (s.name.clone(), s.secrets.clone())).collect()
}

fn worktrees(job: &Job) -> BTreeMap<String, provenance::Worktree> {
    let mut trees = BTreeMap::new();
    for (name, source) in &job.sources {
        if let Origin::Worktree(tree) = &source.origin {
            trees.insert(
                name.clone(),
                provenance::Worktree {
                    path: tree.folder.clone(),
                    url: tree.remote.clone(),
                    commit: tree.commit.clone(),
                    dirty: tree.dirty.clone(),
                    tree: source.tree,
                },
            );
        }
    }
    trees
}

fn encoder(artifact: &Packed) -> String {
    format!("{} {}", artifact.encoder.name, artifact.encoder.version)
}

fn build_row<const N: usize>(
    job: &Job,
    built: &Built,
    build_id: &str,
    who: &Identity,
    sboms: [Digest; N],
) -> BuildRow {
    let mut source = ledger::Source::default();
    let mut materials: Vec<Material> = Vec::new();
    let mut material = |digest: Digest, kind: &str, name: String| {
        materials.push(Material { digest, kind: kind.to_owned(), name });
    };
    for (name, s) in &job.sources {
        match &s.origin {
            Origin::Worktree(tree) => {
                source = ledger::Source {
                    commit: tree.commit.clone(),
                    remote: tree.remote.clone(),
                    dirty: !tree.dirty.is_empty(),
                    tree: Some(s.tree),
                };
                material(s.tree, "source", name.clone());
            }
            Origin::Locked(locked) => {
                material(s.tree, "source", locked.origin.to_string());
                for file in &locked.files {
                    material(file.digest, "source-file", file.path.clone());
                }
            }
        }
    }
    let toolchain = &job.lock.toolchain;
    material(toolchain.tree, "toolchain", toolchain.title());
    for p in toolchain.packages() {
        material(p.digest, "package", format!("{} {}", p.name, p.version));
    }
    if let LockedBase::Image(image) = &toolchain.base {
        let manifest = image.manifest.unwrap_or(image.config);
        material(manifest, "image", image.image.to_string());
        for layer in &image.layers {
            material(*layer, "layer", image.image.to_string());
        }
    }
    for archive in &toolchain.archives {
        for file in &archive.files {
            material(file.digest, "toolchain-file", file.path.clone());
        }
    }
    for step in &built.steps {
        let Some(locked) = job.lock.steps.get(&step.step) else { continue };
        material(locked.requests.digest(), "transcript", step.step.clone());
        for (asked, answered) in &locked.requests.0 {
            // Of a refusal nothing came.
            if answered.body.size > 0 {
                material(answered.body, "answer", asked.place.to_string());
            }
            if let Some(body) = asked.body {
                material(body, "request", asked.place.to_string());
            }
        }
    }
    let named = |kind: &str, digest: Digest, name: &str| Material {
        digest,
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    let mut byproducts: Vec<Material> = Vec::new();
    byproducts.extend(sboms.iter().map(|d| named("sbom", *d, &job.recipe.name)));
    for step in &built.steps {
        byproducts.extend(step.observation.map(|d| named("observation", d, &step.step)));
        byproducts.extend(step.trace.map(|d| named("trace", d, &step.step)));
    }
    byproducts.extend(built.leaks.iter().map(|s| named("leaks", s.digest, &s.report.artifact)));
    BuildRow {
        id: build_id.to_owned(),
        recipe: job.recipe.name.clone(),
        version: job.recipe.version.clone(),
        recipe_path: job.recipe_name.clone(),
        recipe_digest: Digest::of(job.recipe_text.as_bytes()),
        lock_digest: Some(Digest::of(job.lock_text.as_bytes())),
        started: built.started,
        finished: built.finished,
        source,
        builder: ledger::Builder { id: who.builder.clone(), version: VERSION.to_owned() },
        requester: who.requester.clone(),
        ok: true,
        error: None,
        conditions: json!(built.conditions),
        steps: built
            .steps
            .iter()
            .map(|s| StepRow {
                name: s.step.clone(),
                action: s.action,
                cached: s.cached,
                millis: s.millis,
                log: Some(s.log),
                components: s.components.clone(),
            })
            .collect(),
        artifacts: built
            .artifacts
            .iter()
            .map(|a| ArtifactRow {
                name: a.name.clone(),
                format: a.format.as_str().to_owned(),
                digest: a.digest,
                encoder: encoder(a),
            })
            .collect(),
        materials,
        byproducts,
    }
}
