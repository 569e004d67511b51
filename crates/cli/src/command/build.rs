//! `selfsame build`: from recipe and lock to signed artifacts.

mod leaks;

use std::path::{Path, PathBuf};

use engine::attest::{Attested, attest, record_failure};
use engine::job::Job;
use engine::package::Packed;
use engine::secrets::Secrets;
use engine::{BuildError, Built};
use model::Event;
use model::recipe::Artifact;
use model::tree::Node;
use serde_json::{Value, json};

use crate::args::{Leaks, Sandbox};
use crate::failure::Failure;
use crate::out::Out;
use crate::output::answer::{Answer, Table};
use crate::project::Project;
use crate::secrets::Given;
use crate::session::{Session, now};

/// Arguments of `build`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Recipe, or its folder [default: ./selfsame.toml]
    pub(super) recipe: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) options: Options,
    /// Run every step anew and leave the action cache alone
    #[arg(long)]
    fresh: bool,
}

/// What `build` and `reproduce` share.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where artifacts go [default: `selfsame-out` beside the recipe]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Signing key file [default: this machine's own, made when first used]
    #[arg(long, value_name = "FILE", env = "SELFSAME_KEY")]
    pub(crate) key: Option<PathBuf>,
    /// URI that provenance names as the builder
    #[arg(long, value_name = "URI", env = "SELFSAME_BUILDER_ID")]
    pub(crate) builder_id: Option<String>,
    /// Never fetch: fail if the store lacks an input
    #[arg(long)]
    pub(crate) offline: bool,
    /// Hear every look at a file, and keep who read and wrote what; runs steps that were built without it again
    #[arg(long)]
    pub(crate) trace: bool,
    #[command(flatten)]
    pub(crate) secrets: Given,
    /// How well steps are sealed; what is degraded is in provenance, and in a cache of its own
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub(crate) sandbox: Sandbox,
    /// What follows from build paths, names of this machine and its user, keys and tokens in artifacts
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub(crate) leaks: Leaks,
}

impl Options {
    /// Whether steps may run less sealed.
    pub(crate) fn degraded(&self) -> bool {
        self.sandbox == Sandbox::Degraded
    }
}

/// A build that is signed and on disk.
pub(crate) struct Finished {
    pub(crate) built: Built,
    pub(crate) attested: Attested,
    pub(crate) files: Vec<PathBuf>,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    let mut project = Project::open(args.recipe.as_deref())?;
    project.degraded = args.options.degraded();
    let secrets = args.options.secrets.read(&project.recipe)?;
    let done = finish(session, &project, &args.options, &secrets, args.fresh)?;
    let mut text = String::new();
    for (packed, file) in done.built.artifacts.iter().zip(&done.files) {
        text.push_str(&table(packed, file).text());
    }
    Ok(Answer::ok(data(&done), text))
}

/// Builds, signs, writes to disk, records.
pub(crate) fn finish(
    session: &Session,
    project: &Project,
    options: &Options,
    secrets: &Secrets,
    fresh: bool,
) -> Result<Finished, Failure> {
    let job = project.job(session, options.offline)?;
    let key = session.signing_key(options.key.as_deref())?;
    let who = session.identity(options.builder_id.as_deref());
    let started = now();
    let own = || project.path.with_file_name("selfsame-out");
    let out = Out::new(options.out.clone().unwrap_or_else(own), options.out.is_some());
    // Better told before a long build than after.
    out.check(&names(&job))?;
    let work = || {
        let built = session.engine(|cx| {
            let events = |event: Event| {
                key.expect(&event, &session.cancel);
                (cx.events)(event);
            };
            let (trace, degraded) = (options.trace, options.degraded());
            let cx = &engine::Context { events: &events, trace, secrets, degraded, ..*cx };
            let how = (fresh, options.leaks);
            leaks::build(cx, session, project, &job, how).inspect_err(|error| {
                // Nothing ran.
                let not_begun = error.inputs_are_missing() || matches!(error, BuildError::NoSecret { .. });
                if !not_begun {
                    let _ = record_failure(cx, &job, &session.id, &who, started, error);
                }
            })
        })?;
        // Writing reads what may have been kept for years: before the build counts as done, not after.
        let files = write(session, &job, &built, &out)?;
        leaks::tell(session, &built);
        Ok((built, files))
    };
    let (built, files) =
        session.with_inputs(|| project.bring(session, &job, options.offline), work).map_err(|failure| {
            let search = session.env.get("PATH").map_or("", String::as_str);
            let failure = failure.look_around(&project.dir, &job.conditions().build_path, search);
            key.failure().unwrap_or(failure)
        })?;
    let attested = session
        .engine(|cx| attest(cx, &job, &built, &session.id, &key, &who))
        .map_err(|error| key.failure().unwrap_or_else(|| error.into()))?;
    write_statements(session, &job, &built, &attested, &out)?;
    Ok(Finished { built, attested, files })
}

/// The files of all artifacts of a job together: bundles lie beside artifacts, SBOMs beside both.
fn names(job: &Job) -> Vec<String> {
    let mut names: Vec<String> = statements(job).into();
    let debug = |artifact: &Artifact| artifact.debug.as_ref().map(|debug| debug.name.clone());
    for name in job.recipe.artifacts.iter().flat_map(|a| std::iter::once(a.name.clone()).chain(debug(a))) {
        names.push(bundle_path(Path::new(&name)).display().to_string());
        names.push(name);
    }
    names
}

/// The files of the SBOMs: CycloneDX, SPDX.
fn statements(job: &Job) -> [String; 2] {
    ["cdx", "spdx"].map(|kind| format!("{}-{}.{kind}.json", job.recipe.name, job.recipe.version))
}

/// Writes artifacts.
fn write(session: &Session, job: &Job, built: &Built, out: &Out) -> Result<Vec<PathBuf>, Failure> {
    out.claim(&names(job))?;
    built.artifacts.iter().map(|packed| out.write(&session.store, &packed.node(), &packed.name)).collect()
}

/// Writes bundles and SBOMs beside the artifacts.
fn write_statements(
    session: &Session,
    job: &Job,
    built: &Built,
    attested: &Attested,
    out: &Out,
) -> Result<(), Failure> {
    let write = |digest, name: &str| {
        out.write(&session.store, &Node::File { digest, executable: false }, name).map(|_| ())
    };
    for packed in &built.artifacts {
        write(attested.bundle, &bundle_path(Path::new(&packed.name)).display().to_string())?;
    }
    let [cyclonedx, spdx] = statements(job);
    write(attested.cyclonedx, &cyclonedx)?;
    write(attested.spdx, &spdx)
}

/// Where the bundle of an artifact lies: beside it.
pub(crate) fn bundle_path(artifact: &Path) -> PathBuf {
    let mut name = artifact.as_os_str().to_owned();
    name.push(".sigstore.json");
    PathBuf::from(name)
}

/// What is said about one artifact.
pub(crate) fn table(packed: &Packed, file: &Path) -> Table {
    let mut table = Table::default();
    table.row("artifact", file.display()).row("digest", packed.digest);
    if let Some(image) = &packed.image {
        table.row("image", format!("{}@sha256:{}", image.name, image.digest.hex()));
    }
    table.row("bundle", bundle_path(file).display());
    table
}

/// The JSON of a build.
pub(crate) fn data(done: &Finished) -> Value {
    let artifacts: Vec<_> = done
        .built
        .artifacts
        .iter()
        .zip(&done.files)
        .map(|(packed, file)| {
            json!({ "name": packed.name, "format": packed.format, "digest": packed.digest,
                    "encoder": packed.encoder, "image": packed.image, "path": file,
                    "bundle": bundle_path(file), "leaks": leaks::data(&done.built, &packed.name) })
        })
        .collect();
    json!({
        "build": done.attested.build_id, "artifacts": artifacts, "steps": done.built.steps,
        "cached": done.built.all_cached(), "conditions": done.built.conditions,
        "bundle": done.attested.bundle, "cyclonedx": done.attested.cyclonedx, "spdx": done.attested.spdx,
    })
}
