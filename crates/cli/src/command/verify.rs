//! `selfsame verify`: is this artifact what its bundle says?

use std::path::PathBuf;

use anstream::eprintln;
use anstyle::{AnsiColor, Style};
use attest::verify::Outcome;
use attest::{Class, Expectations};
use ledger::Ledger;
use model::statement::SLSA_PROVENANCE;
use serde_json::json;

use super::build::bundle_path;
use crate::args::Globals;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::keys::public_keys;
use crate::output::answer::Answer;
use crate::output::safe::{block, plain};
use crate::session::{LEDGER, environment, home, make_private_folder, now, read_bundle};

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file or folder
    artifact: PathBuf,
    /// Its bundle [default: ARTIFACT.sigstore.json]
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Public key that must have signed; may be given several times [default: this machine's own]
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// URI of the builder that must be named
    #[arg(long, value_name = "URI")]
    builder_id: Option<String>,
    /// Predicate type that the statement must have
    #[arg(long, value_name = "URI", default_value = SLSA_PROVENANCE)]
    r#type: String,
}

/// Needs no store and no ledger: whoever has an artifact, a bundle and a key can ask.
pub(crate) fn run(globals: &Globals, args: &Args) -> Result<Answer, Failure> {
    let env = environment();
    let home = home(globals.home.as_deref(), &env);
    let password = env.get("SELFSAME_KEY_PASSWORD").cloned().unwrap_or_default();
    let keys = public_keys(home.as_deref().ok(), &args.keys, password.as_bytes())?;
    let path = args.bundle.clone().unwrap_or_else(|| bundle_path(&args.artifact));
    let bundle = read_bundle(&path)?;
    let expect = Expectations {
        predicate_types: vec![args.r#type.clone()],
        builder_id: args.builder_id.clone(),
        ..Expectations::default()
    };
    let (digest, answer) = engine::verify::verify(&args.artifact, bundle.as_deref(), &keys, &expect)?;
    let recorded = home.and_then(|home| {
        make_private_folder(&home)?;
        let ledger = Ledger::open(&home.join(LEDGER))?;
        Ok(engine::verify::record(&ledger, &digest, &answer, &keys, now())?)
    });
    let mut text = String::new();
    for check in &answer.checks {
        let (word, color) = match check.outcome {
            Outcome::Pass => ("pass", AnsiColor::Green),
            Outcome::Fail => ("FAIL", AnsiColor::Red),
            Outcome::Unknown => ("unknown", AnsiColor::Yellow),
        };
        let style = Style::new().fg_color(Some(color.into()));
        text.push_str(&format!("{style}{word:>9}{style:#}  {}\n", plain(&check.text)));
        if check.outcome == Outcome::Fail {
            for (name, value) in [("expected", &check.expected), ("found", &check.found)] {
                if let Some(value) = value {
                    text.push_str(&format!("           {name:<8} {}\n", plain(value)));
                }
            }
            if let Some(advice) = &check.advice {
                text.push_str(&format!("           help     {}\n", plain(advice)));
            }
        }
    }
    let exit = match answer.class {
        Class::Accepted => Exit::Ok,
        Class::NoAttestation => Exit::NoAttestation,
        Class::NoneAcceptable => Exit::NoneAcceptable,
        Class::DigestMismatch => Exit::DigestMismatch,
    };
    let word = if answer.ok { "accepted" } else { "REFUSED" };
    text.push_str(&format!("{word:>9}  {}  {digest}\n", plain(&args.artifact.display().to_string())));
    if let Err(failure) = &recorded
        && !globals.quiet
        && !globals.json
    {
        eprintln!("note: not recorded: {}", block(&failure.sentence(), "      "));
    }
    let data = json!({ "artifact": args.artifact, "digest": digest, "bundle": path, "verification": answer,
                       "recorded": recorded.is_ok() });
    Ok(Answer { exit, data, text })
}
