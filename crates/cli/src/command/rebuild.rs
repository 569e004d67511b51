//! `selfsame rebuild`: build again from a bundle alone and compare.

use std::path::{Path, PathBuf};

use attest::provenance::{self, BuildRecord};
use attest::{Expectations, Subject, Verification};
use engine::attest::Identity;
use engine::rebuild::{self, Rebuilt};
use engine::secrets::Secrets;
use model::statement::SLSA_PROVENANCE;
use model::{Event, Verdict};
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::answer::{Answer, Table, duration};
use crate::secrets::Given;
use crate::session::{Session, read_bundle};

/// Arguments of `rebuild`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The bundle
    pub(super) bundle: PathBuf,
    /// Public key that must have signed it; may be given several times [default: this machine's own]
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// URI of this builder, for the ledger
    #[arg(long, value_name = "URI", env = "SELFSAME_BUILDER_ID")]
    builder_id: Option<String>,
    /// Never fetch: what the store lacks cannot be rebuilt
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    secrets: Given,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    let nothing = || {
        let title = format!("there is no bundle `{}`", args.bundle.display());
        Failure::failed(title).with_exit(Exit::NoAttestation)
    };
    let bytes = read_bundle(&args.bundle)?.ok_or_else(nothing)?;
    let keys = session.public_keys(&args.keys)?;
    let record = trusted(&bytes, &args.bundle, &keys)?;
    let who = session.identity(args.builder_id.as_deref());
    let secrets = args.secrets.read(&rebuild::job(&record)?.recipe)?;
    let how = How { secrets: &secrets, degraded: false };
    let rebuilt = again(session, &record, &how, &who, args.offline)?;
    Ok(answer(&rebuilt))
}

/// The provenance in a bundle that one of `keys` signed.
fn trusted(bytes: &[u8], path: &Path, keys: &[attest::PublicKey]) -> Result<BuildRecord, Failure> {
    // A bundle says of itself which bytes it is about, so any subject of it will do: what is asked is who signed.
    let nothing = Subject { name: path.display().to_string(), digest: model::Digest::of(b"") };
    let expect = Expectations { predicate_types: vec![SLSA_PROVENANCE.to_owned()], ..Default::default() };
    let answer: Verification = attest::verify(&nothing, Some(bytes), keys, &expect);
    let reasons: Vec<_> = answer.failures().filter(|c| c.id != "subject").collect();
    let refused = || {
        let mut failure = Failure::failed(format!("`{}` is not to be trusted", path.display()));
        for check in &reasons {
            failure = failure.line(check.text.clone());
        }
        failure.with_exit(Exit::NoneAcceptable).help("give the builder's public key with --key")
    };
    let statement = answer.statement.as_ref().filter(|_| reasons.is_empty()).ok_or_else(refused)?;
    provenance::read(statement).map_err(|e| refused().line(e.to_string()))
}

/// What a rebuild is given besides the bundle.
pub(crate) struct How<'a> {
    pub(crate) secrets: &'a Secrets,
    /// Whether steps may run less sealed.
    pub(crate) degraded: bool,
}

/// Builds again what `record` describes; what cannot be had or built is a verdict, not a failure.
pub(crate) fn again(
    session: &Session,
    record: &BuildRecord,
    how: &How<'_>,
    who: &Identity,
    offline: bool,
) -> Result<Rebuilt, Failure> {
    let job = rebuild::job(record)?;
    let bring = || {
        bring_worktrees(session, record, offline)?;
        session.fetch(&job, &session.home, offline)
    };
    let work = || {
        bring_worktrees(session, record, offline)?;
        // The lock in a bundle is no more to be believed about its trees than one on disk.
        if !inputs::confirmed(&session.store, &job.lock) {
            session.fetch(&job, &session.home, offline)?;
        }
        let (rebuilt, _) = session.engine(|cx| {
            let cx = &engine::Context { secrets: how.secrets, degraded: how.degraded, ..*cx };
            rebuild::rebuild(cx, record, &job)
        })?;
        Ok(rebuilt)
    };
    let result = session.with_inputs(bring, work);
    let rebuilt = match result {
        Ok(rebuilt) => rebuilt,
        // Stopped, a secret that was not given, a host that cannot seal a step: that says nothing about the build.
        Err(failure)
            if matches!(failure.exit, Exit::Signal(_) | Exit::NotAuthenticated | Exit::NoSandbox) =>
        {
            return Err(failure);
        }
        Err(failure) => {
            let verdict = if failure.is_of_this_machine() { Verdict::Unknown } else { Verdict::NotBuilt };
            rebuild::without(record, verdict, failure.sentence(), 0)
        }
    };
    session.engine(|cx| rebuild::record(cx, record, &rebuilt, who))?;
    Ok(rebuilt)
}

/// Brings work trees that the store lacks from the repositories they were clones of.
fn bring_worktrees(session: &Session, record: &BuildRecord, offline: bool) -> Result<(), Failure> {
    for (name, tree) in &record.worktrees {
        if session.store.contains(&tree.tree) && session.store.missing(&tree.tree)?.is_empty() {
            continue;
        }
        let gone = |why: &str| {
            Failure::failed(format!("source `{name}`, tree {}, cannot be had again: {why}", tree.tree))
        };
        let (Some(url), Some(commit)) = (&tree.url, &tree.commit) else {
            return Err(gone("the work tree had no remote repository"));
        };
        if !tree.dirty.is_empty() {
            return Err(gone("the work tree was not as committed"));
        }
        if offline {
            return Err(gone("it is not in the store, and --offline was given"));
        }
        session.tell(&Event::Note { text: format!("bringing source `{name}` from {url} at {commit}") });
        let brought = session.inputs(&session.home, |cx| inputs::commit(cx, name, url, commit))?;
        let folder: model::RelPath = tree.path.parse().unwrap_or_default();
        let found = match session.store.lookup(&brought.tree, &folder) {
            _ if folder.is_root() => brought.tree,
            Ok(Some(model::tree::Node::Directory(digest))) => digest,
            _ => brought.tree,
        };
        if found != tree.tree {
            return Err(gone(&format!("the repository has {found} at that commit")));
        }
    }
    Ok(())
}

/// The answer to people and programs.
pub(crate) fn answer(rebuilt: &Rebuilt) -> Answer {
    let mut table = Table::default();
    table.row("verdict", rebuilt.verdict);
    for artifact in &rebuilt.artifacts {
        if artifact.found == Some(artifact.expected) {
            table.row(artifact.name.clone(), artifact.expected);
        } else {
            let found = artifact.found.map_or("nothing".to_owned(), |d| d.to_string());
            table.row(artifact.name.clone(), format!("expected {}", artifact.expected));
            table.row("", format!("found    {found}"));
        }
    }
    if let Some(reason) = &rebuilt.reason {
        table.row("reason", reason);
    }
    table.row("time", duration(rebuilt.millis));
    let exit = exit_of(rebuilt.verdict);
    Answer { exit, data: json!(rebuilt), text: table.text() }
}

/// The exit code of a verdict.
pub(crate) const fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Reproduced => Exit::Ok,
        Verdict::Differs => Exit::Differs,
        Verdict::NotBuilt => Exit::NotBuilt,
        Verdict::Unknown => Exit::Failed,
    }
}
