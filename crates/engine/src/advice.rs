//! What a violation means for the recipe: the line that would declare what was attempted.

use model::violation::{Kind, Violation};

/// Sentences, each with the line of the recipe that would help; the likeliest first.
#[must_use]
pub fn advice(step: &str, violation: &Violation) -> Vec<String> {
    let what = &violation.what;
    match violation.kind {
        // A request to the gateway of a step that fetches.
        Kind::Network if what.contains("://") => vec![
            format!(
                "it was not asked for when step `{step}` was recorded: `selfsame lock` records what its `record` commands \
                 ask for now; if they do not, add one that does"
            ),
            format!(
                "or, if the build is as good without: `violations = {{ network = \"warn\" }}` in step `{step}`"
            ),
        ],
        Kind::Network => vec![
            "a step has no network: declare what it fetches under `[sources]` with its digest, and give it to the \
             step in `inputs`"
                .to_owned(),
            format!(
                "or have what its tools fetch recorded in the lock: `uses = [\"cargo\"]` (or go, maven, npm, pypi, web) in \
                 step `{step}`, then `selfsame lock`"
            ),
            format!(
                "or, if the build is as good without: `violations = {{ network = \"warn\" }}` in step `{step}`"
            ),
        ],
        Kind::Call => vec![format!(
            "no build needs `{what}`: leave that part out, or, if the build is as good when it is refused: \
             `violations = {{ call = \"warn\" }}` in step `{step}`"
        )],
        Kind::Program => vec![format!(
            "`{what}` is not in the toolchain: a step sees no program of this host; add the package that has it to \
             `toolchain.packages`"
        )],
        Kind::File if what.starts_with("/usr/include/") || what.ends_with(".h") => vec![format!(
            "the header `{what}` is not there: add its `-dev` package to `toolchain.packages`, or its source to the \
             step's `inputs`"
        )],
        Kind::File => vec![format!(
            "`{what}` is not there: a step sees only its toolchain and its declared inputs; declare it under \
             `[sources]` and in the step's `inputs`, or add the package that has it to `toolchain.packages`"
        )],
        Kind::Write => vec![format!(
            "`{what}` belongs to the toolchain, which is read-only: write below the build directory, `$HOME` or `/tmp`"
        )],
    }
}

/// Who attempted it, for people: the command line, and those above it.
#[must_use]
pub fn by(violation: &Violation) -> String {
    let mut names = violation.by.iter().map(|p| format!("{} (pid {})", p.command, p.pid));
    let Some(mut text) = names.next() else { return "a process that was gone".to_owned() };
    // The step's own shell stands last and says nothing new.
    let above: Vec<_> = names.collect();
    for parent in above.iter().take(above.len().saturating_sub(1)).take(3) {
        text.push_str(" ← ");
        text.push_str(parent);
    }
    text
}
