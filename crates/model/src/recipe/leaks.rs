//! Leaks that a recipe allows, line by line, each with its reason.

use super::checker::Checker;
use super::raw::{At, RawAllowedLeak};
use crate::{LeakRule, Pattern};

/// One line of `allow-leaks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedLeak {
    /// What is allowed.
    pub rule: LeakRule,
    /// Where in the artifact. All of it by default.
    pub path: Pattern,
    /// Why.
    pub reason: String,
}

pub(super) fn lower(c: &mut Checker, list: &[At<RawAllowedLeak>]) -> Option<Vec<AllowedLeak>> {
    let lines: Vec<AllowedLeak> = list.iter().filter_map(|at| line(c, at.get_ref())).collect();
    (lines.len() == list.len()).then_some(lines)
}

fn line(c: &mut Checker, raw: &RawAllowedLeak) -> Option<AllowedLeak> {
    let rule = match raw.rule.get_ref().parse::<LeakRule>() {
        Ok(LeakRule::Secret) => {
            let help = "let no step write it, and take it out of what is built from";
            c.wrong(&raw.rule, "the value of a secret cannot be allowed", "", Some(help.into()));
            None
        }
        Ok(rule) => Some(rule),
        Err(error) => {
            let known: Vec<_> = LeakRule::ALL
                .into_iter()
                .filter(|rule| *rule != LeakRule::Secret)
                .map(LeakRule::as_str)
                .collect();
            let label = format!("`{}`", error.found);
            c.wrong(&raw.rule, "no such kind of leak", label, Some(format!("known: {}", known.join(", "))));
            None
        }
    };
    let path = match &raw.path {
        Some(path) => c.parsed(path, "not a pattern"),
        None => Some(Pattern::all()),
    };
    let reason = raw.reason.get_ref().trim();
    if reason.is_empty() {
        let help = "say why it may be there, for who reviews the recipe and who reads the report";
        c.wrong(&raw.reason, "a leak allowed without a reason", "", Some(help.into()));
        return None;
    }
    Some(AllowedLeak { rule: rule?, path: path?, reason: reason.to_owned() })
}
