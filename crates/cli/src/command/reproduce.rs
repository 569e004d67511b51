//! `selfsame reproduce`: build, build again, compare, verify.

use std::path::PathBuf;

use attest::{Bundle, Expectations, Signer as _, provenance};
use engine::rebuild::{Compared, Rebuilt};
use model::statement::{SLSA_PROVENANCE, Statement};
use model::{Event, Timestamp, Verdict};
use serde_json::json;

use super::build::{self, Finished, Options};
use super::rebuild;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::answer::{Answer, Table};
use crate::project::Project;
use crate::session::{Session, now, read_bundle};

/// Arguments of `reproduce`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Recipe, or its folder [default: ./selfsame.toml]
    pub(super) recipe: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    /// Build again even if the ledger knows that this artifact was reproduced
    #[arg(long)]
    again: bool,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    let mut project = Project::open(args.recipe.as_deref())?;
    project.degraded = args.options.degraded();
    let secrets = args.options.secrets.read(&project.recipe)?;
    let done = build::finish(session, &project, &args.options, &secrets, false)?;
    let (rebuilt, recorded) = match known(session, &done)?.filter(|_| !args.again) {
        Some((rebuilt, at)) => (rebuilt, Some(at)),
        None => {
            session.tell(&Event::Note { text: "building again from the bundle, without the cache".into() });
            let bytes = session.store.read(&done.attested.bundle)?;
            let who = session.identity(args.options.builder_id.as_deref());
            let record = provenance::read(&statement(&bytes)?).map_err(|e| Failure::failed(e.to_string()))?;
            {
                let how = rebuild::How { secrets: &secrets, degraded: project.degraded };
                (rebuild::again(session, &record, &how, &who, args.options.offline)?, None)
            }
        }
    };
    let verified = verify(session, &done, args)?;
    let mut text = String::new();
    for (packed, file) in done.built.artifacts.iter().zip(&done.files) {
        let compared = rebuilt.artifacts.iter().find(|a| a.name == packed.name);
        let mut table = build::table(packed, file);
        if rebuilt.verdict == Verdict::Differs
            && let Some(found) = compared.and_then(|c| c.found).filter(|f| *f != packed.digest)
        {
            table.row("rebuilt", found);
        }
        let seal = if verified { "signature verified" } else { "NOT VERIFIED" };
        let same = compared.is_some_and(|c| c.found == Some(c.expected));
        let verdict = if same { Verdict::Reproduced } else { rebuilt.verdict };
        let when = recorded.map_or(String::new(), |at| format!(", rebuilt at {at}"));
        table.row("verdict", format!("{verdict} ({seal}{when})"));
        text.push_str(&table.text());
    }
    if let Some(reason) = &rebuilt.reason {
        let mut table = Table::default();
        table.row("reason", reason);
        text.push_str(&table.text());
    }
    let exit = match rebuild::exit_of(rebuilt.verdict) {
        Exit::Ok if !verified => Exit::NoneAcceptable,
        exit => exit,
    };
    let data = json!({ "build": build::data(&done), "rebuild": rebuilt, "verified": verified,
                       "recorded_at": recorded.map(|at| at.to_string()) });
    Ok(Answer { exit, data, text })
}

/// The last rebuild in the ledger, if it reproduced every artifact of this build from this bundle's build.
fn known(session: &Session, done: &Finished) -> Result<Option<(Rebuilt, Timestamp)>, Failure> {
    let mut artifacts = Vec::new();
    let mut millis = 0;
    let mut oldest = Timestamp(i64::MAX);
    for packed in &done.built.artifacts {
        let Some(row) = session.ledger.latest_rebuild(&packed.digest.sha256)? else { return Ok(None) };
        let same_build = row.build.as_ref() == Some(&done.attested.build_id);
        if row.verdict != Verdict::Reproduced || !same_build {
            return Ok(None);
        }
        millis = row.millis;
        oldest = oldest.min(row.at);
        let found = Some(packed.digest);
        artifacts.push(Compared { name: packed.name.clone(), expected: packed.digest, found });
        session.tell(&Event::Note {
            text: format!(
                "{} was rebuilt at {}, as the ledger says (--again does it anew)",
                packed.name, row.at
            ),
        });
    }
    let rebuilt = Rebuilt { verdict: Verdict::Reproduced, artifacts, reason: None, millis };
    Ok((!rebuilt.artifacts.is_empty()).then_some((rebuilt, oldest)))
}

fn statement(bundle: &[u8]) -> Result<Statement, Failure> {
    let bundle = Bundle::parse(bundle).map_err(|e| Failure::failed(e.to_string()))?;
    serde_json::from_slice(&bundle.payload).map_err(|e| Failure::failed(e.to_string()))
}

/// Verifies what lies on disk now, as its user would.
fn verify(session: &Session, done: &Finished, args: &Args) -> Result<bool, Failure> {
    let key = session.signing_key(args.options.key.as_deref())?;
    let expect = Expectations { predicate_types: vec![SLSA_PROVENANCE.to_owned()], ..Default::default() };
    let mut all = true;
    for file in &done.files {
        let path = build::bundle_path(file);
        let bytes = read_bundle(&path)?;
        let keys = [key.public_key().clone()];
        let (digest, answer) = engine::verify::verify(file, bytes.as_deref(), &keys, &expect)?;
        engine::verify::record(&session.ledger, &digest, &answer, &keys, now())?;
        all &= answer.ok;
    }
    Ok(all)
}
