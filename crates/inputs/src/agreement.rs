//! What was recorded and what the lockfiles say: the same bytes, or no lock.

use model::Digest;
use model::ecosystem::Ecosystem;
use model::lock::Declared;
use model::transcript::Transcript;

use crate::declared::declared;
use crate::ecosystem::{Component, Files, agree, components, detect};
use crate::{Context, InputError};

/// What came of the comparison.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Agreed {
    /// How many recorded files a lockfile vouches for.
    pub checked: usize,
    /// What no lockfile vouches for: the recording alone pins it.
    pub beyond: usize,
    /// What is wrong with lockfiles that the step got on without, each with its fix.
    pub problems: Vec<String>,
    /// What is known of each package that was fetched, sorted by purl.
    pub packages: Vec<Declared>,
}

/// Compares the recording of a step that `uses` these ecosystems with the lockfiles in its sources.
///
/// # Errors
/// If a lockfile says another hash than was recorded, with both.
pub fn agreed(
    cx: &Context<'_>,
    uses: &[Ecosystem],
    sources: &[Digest],
    transcript: &Transcript,
) -> Result<Agreed, InputError> {
    let mut agreed = Agreed::default();
    let mut pinned: Vec<Vec<Component>> = Vec::new();
    for tree in sources {
        let files = Files::of_tree(cx.store, tree)?;
        for found in detect(&files) {
            if !found.adapter.uses().is_some_and(|word| uses.iter().any(|e| e.as_str() == word)) {
                continue;
            }
            match components(&files, &found) {
                Ok(list) => pinned.push(list),
                // Not every project of a repository is this step's; its own tool refuses a lockfile that does not do.
                Err(problem) => agreed.problems.push(problem.to_string()),
            }
        }
    }
    let fetched =
        transcript.0.iter().filter(|(_, answered)| answered.status == 200).map(|(asked, answered)| {
            let open = || cx.store.open_blob(&answered.body).map_err(std::io::Error::other);
            (asked.place.to_string(), open)
        });
    agreed.packages = declared(cx.store, &pinned, transcript);
    let pinned: Vec<Component> = pinned.into_iter().flatten().collect();
    let found = agree(&pinned, fetched)?;
    (agreed.checked, agreed.beyond) = (found.checked, found.beyond.len());
    Ok(agreed)
}
