//! `selfsame fetch`: bring what the lock names.

use std::path::PathBuf;

use model::lock::Lock;
use serde_json::json;

use crate::failure::Failure;
use crate::output::answer::{Answer, Table};
use crate::project::Project;
use crate::session::Session;

/// Arguments of `fetch`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Recipe, or its folder [default: ./selfsame.toml]
    recipe: Option<PathBuf>,
    /// Ask this mirror first: a URL, a folder or an archive of `selfsame mirror` (may be given again; those of
    /// SELFSAME_MIRRORS come next, then where the lock says)
    #[arg(long, value_name = "URL|DIR|FILE")]
    from: Vec<String>,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    let project = Project::open(args.recipe.as_deref())?;
    let lock = Lock::parse(&project.lock_path().display().to_string(), &project.lock_text()?)?;
    let needed = inputs::need(&lock, &session.store);
    let fetch = || {
        session.inputs_from(&args.from, &project.dir, |cx| inputs::fetch(cx, &lock, Some(&project.recipe)))
    };
    session.with_inputs(|| Ok(()), || fetch().map_err(Failure::from))?;
    let mut table = Table::default();
    table.row("toolchain", lock.toolchain.tree);
    for (name, source) in &lock.sources {
        table.row(format!("source {name}"), source.tree);
    }
    let data = json!({ "brought": needed, "toolchain": lock.toolchain.tree });
    Ok(Answer::ok(data, table.text()))
}
