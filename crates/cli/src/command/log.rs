//! `selfsame log`: what happened, newest first.

use ledger::{Filter, Kind};
use serde_json::json;

use crate::failure::Failure;
use crate::output::answer::Answer;
use crate::output::safe::plain;
use crate::session::Session;

/// Arguments of `log`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many lines at most
    #[arg(short = 'n', long, default_value_t = 20)]
    limit: usize,
    /// Only this recipe
    #[arg(long, value_name = "NAME")]
    recipe: Option<String>,
    /// Only this kind
    #[arg(long, value_parser = ["build", "attestation", "rebuild", "verification"])]
    kind: Option<String>,
    /// Also prove that no entry was changed, removed or put in between
    #[arg(long)]
    audit: bool,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    let kind = args.kind.as_ref().and_then(|word| Kind::ALL.into_iter().find(|k| k.as_str() == word));
    let filter = Filter { kind, recipe: args.recipe.clone(), ..Filter::default() };
    let entries = session.ledger.log(args.limit, &filter)?;
    let mut text = String::new();
    for entry in &entries {
        let subject = entry.subject.map(|s| s.hex()[..12].to_owned()).unwrap_or_default();
        let name = entry.name.clone().or(entry.recipe.clone()).unwrap_or_default();
        let detail = entry.detail.as_ref().map_or(String::new(), |d| format!("  {d}"));
        let kind = entry.kind;
        let outcome = entry.outcome.rsplit_once("://").map_or(entry.outcome.as_str(), |(_, rest)| rest);
        let line = format!("{}  {kind:<12} {outcome:<24} {subject:<12}  {name}{detail}", entry.at);
        text.push_str(&format!("{}\n", plain(&line)));
    }
    if entries.is_empty() {
        text.push_str("nothing yet\n");
    }
    let audited = args.audit.then(|| session.ledger.audit_verify()).transpose()?;
    if let Some(audited) = &audited {
        text.push_str(&format!("audit: {} entries, chain intact\n", audited.entries));
    }
    Ok(Answer::ok(json!({ "entries": entries, "audit": audited }), text))
}
