//! A recipe on disk, and the job that it is together with its lock and its work tree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::job::{Job, Origin, Source, Worktree};
use model::Event;
use model::recipe::{self, Recipe};

use crate::failure::Failure;
use crate::session::{Session, read_source};

/// A recipe on disk.
pub(crate) struct Project {
    /// The recipe.
    pub(crate) path: PathBuf,
    /// Its folder.
    pub(crate) dir: PathBuf,
    /// Its text.
    pub(crate) text: String,
    /// What it means.
    pub(crate) recipe: Recipe,
    /// Whether its steps may run less sealed on this host.
    pub(crate) degraded: bool,
    /// Names of the artifacts that are built; `None` is all.
    pub(crate) only: Option<Vec<String>>,
}

impl Project {
    /// Reads the recipe: the file, `selfsame.toml` in the folder, or the one here.
    pub(crate) fn open(given: Option<&Path>) -> Result<Self, Failure> {
        let given = given.unwrap_or(Path::new("."));
        let path = if given.is_dir() { given.join("selfsame.toml") } else { given.to_owned() };
        if !path.exists() {
            let title = format!("there is no recipe `{}`", path.display());
            return Err(Failure::invalid(title).help("run `selfsame init` to write a first one"));
        }
        if path.extension().is_some_and(|extension| extension == "lock") {
            let title = format!("`{}` is a lock, and a recipe is asked for", path.display());
            let recipe = path.with_extension("toml");
            return Err(Failure::invalid(title).help(format!("give `{}`", recipe.display())));
        }
        let text = read_source(&path)?;
        let recipe = recipe::parse(&path.display().to_string(), &text)?;
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let dir = parent.canonicalize().map_err(|e| Failure::io("open", parent, e))?;
        Ok(Self { path, dir, text, recipe, degraded: false, only: None })
    }

    /// Where its lock belongs.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.path.with_extension("lock")
    }

    /// Its lock's text.
    pub(crate) fn lock_text(&self) -> Result<String, Failure> {
        let path = self.lock_path();
        if !path.exists() {
            let title = format!("there is no lock `{}`", path.display());
            return Err(Failure::stale(title).help("run `selfsame lock` and commit the file"));
        }
        read_source(&path)
    }

    /// Brings what the store has lost of a job's inputs: from their locators, and from the work tree.
    ///
    /// Whether this host can build at all is asked first: better told before a long download than after.
    pub(crate) fn bring(&self, session: &Session, job: &Job, offline: bool) -> Result<(), Failure> {
        if self.degraded {
            sandbox::lacking(session.store.dir())?;
        } else {
            sandbox::probe()?;
        }
        for source in self.recipe.sources.values() {
            if let recipe::Source::Worktree { path } = source {
                session.inputs(&self.dir, |cx| inputs::bring_worktree(cx, path))?;
            }
        }
        session.fetch(job, &self.dir, offline)
    }

    /// Recipe, lock and sources together. The work tree is read now; what is not as committed is told.
    ///
    /// A tree that this store has not seen made of what the lock says is made anew and compared, so that a `tree`
    /// edited in the lock cannot pass other code off as what the lock names.
    pub(crate) fn job(&self, session: &Session, offline: bool) -> Result<Job, Failure> {
        self.job_of(session, &self.lock_text()?, offline)
    }

    /// As [`Project::job`], with another lock than the one on disk.
    pub(crate) fn job_of(&self, session: &Session, lock_text: &str, offline: bool) -> Result<Job, Failure> {
        let mut worktrees = BTreeMap::new();
        for (name, source) in &self.recipe.sources {
            let recipe::Source::Worktree { path } = source else { continue };
            let tree = session.inputs(&self.dir, |cx| inputs::worktree(cx, path))?;
            let dirty: Vec<String> = tree.dirty.iter().map(ToString::to_string).collect();
            if !dirty.is_empty() {
                let shown: Vec<_> = dirty.iter().take(5).cloned().collect();
                let more =
                    if dirty.len() > 5 { format!(" and {} more", dirty.len() - 5) } else { String::new() };
                session.tell(&Event::Warning {
                    text: format!("the work tree is not as committed: {}{more}", shown.join(", ")),
                    advice: Some("provenance will say so; commit first for a release".into()),
                });
            }
            let origin = Origin::Worktree(Worktree {
                commit: tree.commit,
                remote: tree.remote,
                folder: tree.folder.to_string(),
                dirty,
            });
            worktrees.insert(name.clone(), Source { tree: tree.tree, epoch: tree.epoch, origin });
        }
        let name = self.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let mut job = Job::new(&name, &self.text, lock_text, worktrees)?;
        if let Some(only) = &self.only {
            job.recipe.artifacts.retain(|artifact| only.contains(&artifact.name));
        }
        if !inputs::confirmed(&session.store, &job.lock) {
            session.with_inputs(|| Ok(()), || self.bring(session, &job, offline))?;
        }
        Ok(job)
    }
}
