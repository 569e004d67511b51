//! What a build was seen to attempt: it weighs more than what a text seems to say.

use std::collections::BTreeMap;

use model::violation::{Kind, Violation};

use super::finding::{Finding, Page};
use super::rule::Id;

/// An attempt, and the step that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Path of the recipe among the files looked at.
    pub recipe: String,
    /// Its step.
    pub step: String,
    /// What it attempted.
    pub violation: Violation,
}

/// Findings of what was observed; each stands where its step is declared.
pub(crate) fn look(observed: &[Observed], texts: &BTreeMap<&str, &str>) -> Vec<Finding> {
    let mut list: Vec<Finding> = Vec::new();
    for it in observed {
        let text = texts.get(it.recipe.as_str()).copied().unwrap_or_default();
        let mut page = Page::new(&it.recipe, text);
        let quoted = format!("name = \"{}\"", it.step);
        let span = text.find(&quoted).map_or(0..0, |at| at..at + quoted.len());
        let what = &it.violation.what;
        let (id, message, fix) = match it.violation.kind {
            Kind::Network => {
                let message = format!("step `{}` asked for `{what}`", it.step);
                (
                    Id::Net06,
                    message,
                    "make what it wanted a source of the recipe, or lock it with its ecosystem's lockfile",
                )
            }
            Kind::Program => {
                let message = format!("step `{}` looked for the program `{what}`", it.step);
                (
                    Id::Tool03,
                    message,
                    "add the package that brings it to `toolchain.packages`, and run `selfsame lock`",
                )
            }
            Kind::File => {
                let message = format!("step `{}` looked for `{what}`", it.step);
                (Id::Env03, message, "declare what brings it, or tell the build not to look for it")
            }
            Kind::Write => {
                let message = format!("step `{}` tried to change `{what}`", it.step);
                (
                    Id::Env06,
                    message,
                    "let it install below the build directory, and declare that as an output",
                )
            }
            Kind::Call => {
                let message = format!("step `{}` made the call `{what}`", it.step);
                (Id::Env06, message, "no build needs it: find what asks for it and turn that off")
            }
        };
        let who = it.violation.by.first().map_or_else(String::new, |process| process.command.clone());
        let finding = page.add(id, span, message, fix);
        finding.observed = true;
        finding.evidence = who;
        list.append(&mut page.findings);
    }
    list
}
