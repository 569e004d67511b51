//! `selfsame pin`: images to digests, actions to commits, in place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use inputs::audit::pin::{
    Forge, Named, Outcome, PinError, Reference, Registries, Resolve, base_of, pin, references,
};
use inputs::audit::{Content, sheets};
use inputs::{Host, InputError};
use serde_json::{Value, json};

use super::audit::place;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::answer::Answer;
use crate::output::safe::plain;
use crate::rewrite;
use crate::session::environment;

/// Arguments of `pin`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folders, of which the git-tracked files are looked at, and files
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Write nothing and ask nobody: end with 1 and a list if something floats
    #[arg(long, conflicts_with_all = ["update", "dry_run"])]
    check: bool,
    /// Ask anew for what is pinned too, and move it
    #[arg(long)]
    update: bool,
    /// Show the changes and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Forge that actions are on [default: that of the repository's own remote]
    #[arg(long, value_name = "URL")]
    forge: Option<String>,
    /// Registry of images that name none [default: the first that registries.conf searches]
    #[arg(long, value_name = "HOST")]
    registry: Option<String>,
}

/// Both who can be asked.
struct Asked<'a> {
    registries: Registries<'a>,
    forge: Forge,
}

impl Resolve for Asked<'_> {
    fn image(&self, reference: &str) -> Result<String, PinError> {
        self.registries.resolve(reference)
    }

    fn action(&self, name: &str, reference: &str) -> Result<String, PinError> {
        self.forge.resolve(name, reference)
    }
}

/// Needs no store and no ledger.
pub(crate) fn run(args: &Args) -> Result<Answer, Failure> {
    let env = environment();
    let (folder, only) = place(&args.paths);
    let files = sheets(&env, &folder, &only).map_err(|e| Failure::from(InputError::Git(e)))?;
    if args.check {
        return Ok(checked(&references(&files)));
    }
    let host = Host::discover(&env);
    let asked = Asked {
        registries: Registries::new(&host, args.registry.clone()),
        forge: forge(&env, &folder, args.forge.as_deref()),
    };
    let outcome = pin(&files, &asked, args.update);
    let mut text = String::new();
    for sheet in &files {
        let (Some(new), Content::Text(old)) = (outcome.texts.get(&sheet.path), &sheet.content) else {
            continue;
        };
        text.push_str(&rewrite::difference(&sheet.path, old, new));
        if !args.dry_run {
            rewrite::write(&folder.join(&sheet.path), new)?;
        }
    }
    Ok(answer(&outcome, text))
}

/// The forge that is named, else that of the folder's own remote.
pub(super) fn forge(env: &BTreeMap<String, String>, folder: &Path, named: Option<&str>) -> Forge {
    let named = named.map(str::to_owned);
    let base = named.or_else(|| inputs::remote(env, folder).as_deref().and_then(base_of));
    let base = base.map(|base| if Path::new(&base).is_dir() { absolute(&base) } else { base });
    Forge { base, env: env.clone() }
}

/// A folder as git can be told of it from anywhere.
fn absolute(folder: &str) -> String {
    std::path::absolute(folder).map_or_else(|_| folder.to_owned(), |path| path.display().to_string())
}

fn name(named: &Named) -> String {
    match named {
        Named::Image(image) => image.clone(),
        Named::Action(name, reference) => format!("{name}@{reference}"),
    }
}

fn row(reference: &Reference) -> Value {
    let kind = match reference.named {
        Named::Image(_) => "image",
        Named::Action(..) => "action",
    };
    json!({ "file": reference.file, "line": reference.line, "kind": kind, "reference": name(&reference.named) })
}

fn checked(all: &[Reference]) -> Answer {
    let floating: Vec<&Reference> = all.iter().filter(|r| !r.pinned).collect();
    let mut text = String::new();
    for reference in &floating {
        let line = format!("{}:{}: {} floats", reference.file, reference.line, name(&reference.named));
        text.push_str(&format!("{}\n", plain(&line)));
    }
    text.push_str(&format!("{} of {} are pinned\n", all.len() - floating.len(), all.len()));
    let exit = if floating.is_empty() { Exit::Ok } else { Exit::Failed };
    let rows: Vec<Value> = floating.iter().map(|r| row(r)).collect();
    Answer { exit, data: json!({ "floating": rows, "pinned": [], "failed": [], "changed": [] }), text }
}

fn answer(outcome: &Outcome, mut text: String) -> Answer {
    let pinned = outcome.pinned.iter().map(|(reference, to)| {
        let mut row = row(reference);
        row["to"] = json!(to);
        row
    });
    let failed = outcome.failed.iter().map(|(reference, error)| {
        let mut row = row(reference);
        row["reason"] = json!(error.to_string());
        row
    });
    let data = json!({
        "pinned": pinned.collect::<Vec<_>>(), "failed": failed.collect::<Vec<_>>(), "floating": [],
        "changed": outcome.texts.keys().collect::<Vec<_>>(),
    });
    for (reference, error) in &outcome.failed {
        let line = format!("{}:{}: not pinned: {error}", reference.file, reference.line);
        text.push_str(&format!("{}\n", plain(&line)));
    }
    let (done, failed) = (outcome.pinned.len(), outcome.failed.len());
    text.push_str(&match (done, failed) {
        (0, 0) => "nothing to pin\n".to_owned(),
        (done, 0) => format!("{done} pinned\n"),
        (done, failed) => format!("{done} pinned, {failed} not\n"),
    });
    let exit = if failed == 0 { Exit::Ok } else { Exit::Failed };
    Answer { exit, data, text }
}
