//! A recipe with its lock and its sources as trees: everything a build needs to know.

use std::collections::BTreeMap;
use std::path::Path;

use model::lock::{Lock, LockedSource, Stale};
use model::recipe::{self, Recipe};
use model::{Conditions, Diagnostics, Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// The earliest time that every archive format can hold: 1980-01-01T00:00:00Z.
pub const EARLIEST: Timestamp = Timestamp(315_532_800);

/// What is to be built.
#[derive(Debug, Clone)]
pub struct Job {
    /// The recipe's file name, for messages and provenance.
    pub recipe_name: String,
    /// Its whole text.
    pub recipe_text: String,
    /// What the text means.
    pub recipe: Recipe,
    /// The lock's file name: the recipe's with `.lock`.
    pub lock_name: String,
    /// The whole text of the lock.
    pub lock_text: String,
    /// What it means.
    pub lock: Lock,
    /// Every source of the recipe.
    pub sources: BTreeMap<String, Source>,
}

/// A source as a tree.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its files.
    pub tree: Digest,
    /// Its time.
    pub epoch: Timestamp,
    /// Where it is from.
    pub origin: Origin,
}

/// Where a source is from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// As the lock says.
    Locked(LockedSource),
    /// The work tree around the recipe.
    Worktree(Worktree),
}

/// State of a work tree when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worktree {
    /// Commit that is checked out; `None` before the first one.
    pub commit: Option<String>,
    /// URL of the remote it is from.
    pub remote: Option<String>,
    /// Folder in the repository that is the source; `.` for all of it.
    pub folder: String,
    /// Files that are not as committed, each with a letter for its state; empty if clean.
    pub dirty: Vec<String>,
}

/// Why recipe, lock and sources make no job.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The recipe is wrong.
    #[error("the recipe cannot be used")]
    Recipe(#[source] Diagnostics),
    /// The lock is wrong.
    #[error("the lock cannot be used")]
    Lock(#[source] Diagnostics),
    /// The lock was made for another recipe.
    #[error("the lock does not fit the recipe")]
    Stale(Vec<Stale>),
}

impl Job {
    /// Puts texts and work trees together. `worktrees` holds one entry for each work-tree source of the recipe.
    ///
    /// # Errors
    /// If a text cannot be read or the lock does not fit the recipe.
    pub fn new(
        recipe_name: &str,
        recipe_text: &str,
        lock_text: &str,
        worktrees: BTreeMap<String, Source>,
    ) -> Result<Self, JobError> {
        let recipe = recipe::parse(recipe_name, recipe_text).map_err(JobError::Recipe)?;
        let lock_name = Path::new(recipe_name).with_extension("lock").display().to_string();
        let lock = Lock::parse(&lock_name, lock_text).map_err(JobError::Lock)?;
        let stale = lock.stale(&recipe);
        if !stale.is_empty() {
            return Err(JobError::Stale(stale));
        }
        let mut sources = worktrees;
        for (name, locked) in &lock.sources {
            let origin = Origin::Locked(locked.clone());
            sources.insert(name.clone(), Source { tree: locked.tree, epoch: locked.epoch, origin });
        }
        Ok(Self {
            recipe_name: recipe_name.to_owned(),
            recipe_text: recipe_text.to_owned(),
            recipe,
            lock_name,
            lock_text: lock_text.to_owned(),
            lock,
            sources,
        })
    }

    /// The conditions of every step: the canonical ones, changed where the recipe says so.
    ///
    /// `SOURCE_DATE_EPOCH` is the recipe's, or the time of the newest source, but never before 1980.
    #[must_use]
    pub fn conditions(&self) -> Conditions {
        let newest = self.sources.values().map(|s| s.epoch).max().unwrap_or(EARLIEST).max(EARLIEST);
        self.recipe.conditions.apply(newest)
    }
}
