//! `selfsame init`: a first recipe for what lies in a folder.

use std::path::PathBuf;

use inputs::ecosystem::{Files, Wish, detect, propose};
use serde_json::json;

use crate::failure::Failure;
use crate::output::answer::{Answer, Table};
use crate::session::environment;

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the project
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Debian suite that the toolchain is taken from [default: the oldest that is new enough, from bookworm on]
    #[arg(long)]
    suite: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<Answer, Failure> {
    let folder = args.folder.canonicalize().map_err(|e| Failure::io("open", &args.folder, e))?;
    let path = args.folder.join("selfsame.toml");
    if path.exists() {
        return Err(Failure::failed(format!("`{}` is there already", path.display())));
    }
    let env = environment();
    let files = Files::of_folder(&env, &folder).map_err(inputs::InputError::from)?;
    let found = detect(&files);
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let wish = Wish { folder: &name, suite: args.suite.as_deref() };
    let proposal = propose(&files, &found, &wish);
    model::recipe::parse("selfsame.toml", &proposal.text)?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(|e| Failure::io("make", &path, e))?;
    std::io::Write::write_all(&mut file, proposal.text.as_bytes())
        .map_err(|e| Failure::io("write", &path, e))?;
    let tools: Vec<&str> = found.iter().map(|f| f.tool.name()).collect();
    let tools = proposal.is_known.then(|| tools.join(", "));
    let mut table = Table::default();
    table.row("recipe", path.display());
    for line in &proposal.found {
        table.row("found", line);
    }
    if !proposal.is_known {
        table.row("found", "nothing known: fill in the step");
    }
    for line in &proposal.missing {
        table.row("missing", line);
    }
    table.row("next", "read the recipe; selfsame lock, then selfsame build");
    let answer =
        json!({ "recipe": path, "found": tools, "projects": proposal.found, "missing": proposal.missing });
    Ok(Answer::ok(answer, table.text()))
}
