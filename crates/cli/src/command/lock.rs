//! `selfsame lock`: resolve every input and write the lock.

pub(super) mod dockerfile;
pub(super) mod record;

use std::path::{Path, PathBuf};

use model::lock::Lock;
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::answer::{Answer, Table, bytes};
use crate::project::Project;
use crate::secrets::Given;
use crate::session::Session;

/// Arguments of `lock`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Recipe, or its folder [default: ./selfsame.toml]
    pub(super) recipe: Option<PathBuf>,
    /// Write nothing; fail if the lock would change
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    secrets: Given,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    if let Some(path) = args.recipe.as_deref().filter(|p| !p.is_dir() && is_lock(p)) {
        let title = format!("`{}` is called like a lock: its own lock would replace it", path.display());
        return Err(
            Failure::invalid(title).help("name the recipe, or give it another ending, such as `.toml`")
        );
    }
    let project = Project::open(args.recipe.as_deref())?;
    locked(session, &project, args.check, &args.secrets)
}

/// Locks a project; with `check`, only says whether the lock would change.
pub(super) fn locked(
    session: &Session,
    project: &Project,
    check: bool,
    secrets: &Given,
) -> Result<Answer, Failure> {
    let secrets = secrets.read(&project.recipe)?;
    let path = project.lock_path();
    let before = std::fs::read_to_string(&path).ok();
    let previous = before.as_ref().and_then(|text| Lock::parse("selfsame.lock", text).ok());
    let lock = || session.inputs(&project.dir, |cx| inputs::lock(cx, &project.recipe, previous.as_ref()));
    let mut lock = session.with_inputs(|| Ok(()), || lock().map_err(Failure::from))?;
    record::record(session, project, &mut lock, previous.as_ref(), &|_| false, &secrets)?;
    dockerfile::record(session, project, &mut lock, previous.as_ref(), &|_| false, &secrets)?;
    let text = lock.to_text();
    let changed = before.as_deref() != Some(text.as_str());
    if changed && check {
        return Err(Failure::stale(format!("`{}` would change", path.display()))
            .help("run `selfsame lock` and commit the file")
            .with_exit(Exit::LockStale));
    }
    if changed {
        replace(&path, &text)?;
    }
    let size: u64 = lock.toolchain.packages().iter().map(|p| p.digest.size).sum();
    let packages = lock.toolchain.packages().len() + lock.toolchain.installed().len();
    let signed_by = lock.toolchain.debian().map_or(&[][..], |d| &d.signed_by);
    let data = json!({
        "lock": path, "changed": changed, "toolchain": lock.toolchain.tree,
        "requests": lock.steps.iter().map(|(n, s)| (n.clone(), s.requests.0.len())).collect::<std::collections::BTreeMap<_, _>>(),
        "packages": packages, "bytes": size, "signed_by": signed_by, "archives": lock.toolchain.archives.len(),
    });
    let mut table = Table::default();
    table
        .row("lock", format!("{}{}", path.display(), if changed { "" } else { " (unchanged)" }))
        .row("toolchain", lock.toolchain.tree)
        .row(
            "packages",
            if size > 0 { format!("{packages}, {}", bytes(size)) } else { packages.to_string() },
        );
    for archive in &lock.toolchain.archives {
        table.row(format!("archive {}", archive.name), archive.tree);
    }
    for (name, source) in &lock.sources {
        table.row(format!("source {name}"), source.tree);
    }
    for (name, step) in &lock.steps {
        let size = step.requests.0.values().map(|a| a.body.size).sum();
        table.row(format!("step {name}"), format!("{} requests, {}", step.requests.0.len(), bytes(size)));
    }
    Ok(Answer::ok(data, table.text()))
}

/// Whether the path of a recipe is also that of its lock.
fn is_lock(recipe: &Path) -> bool {
    recipe.extension().is_some_and(|e| e.eq_ignore_ascii_case("lock"))
}

/// Writes a file whole or not at all.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let temporary = path.with_extension(format!("lock.{}", std::process::id()));
    let write = || {
        // Not through a link that lies in wait under this name.
        let mut file = std::fs::File::create_new(&temporary)?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        Failure::io("write", path, e)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_not_its_own_lock() {
        assert!(is_lock(Path::new("a/foo.lock")) && is_lock(Path::new("foo.LOCK")));
        assert!(!is_lock(Path::new("foo.toml")) && !is_lock(Path::new(".lock")));
    }
}
