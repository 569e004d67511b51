//! What follows from violations: a table of words, at the top of a recipe and in its steps.

use super::checker::Checker;
use super::raw::{RawPolicies, nearest};
use crate::violation::{Kind, Policies, Policy};

/// The words of a recipe.
const WORDS: [Policy; 3] = [Policy::Deny, Policy::Warn, Policy::Off];

/// `base`, changed by what stands in the table.
pub(super) fn lower(c: &mut Checker, raw: &RawPolicies, base: Policies) -> Policies {
    let mut policies = base;
    let given = [
        (Kind::Network, &raw.network),
        (Kind::Call, &raw.call),
        (Kind::Program, &raw.program),
        (Kind::File, &raw.file),
        (Kind::Write, &raw.write),
    ];
    for (kind, at) in given {
        let Some(at) = at else { continue };
        let word = at.get_ref().as_str();
        match WORDS.iter().find(|policy| policy.as_str() == word) {
            Some(policy) => policies.set(kind, *policy),
            None => {
                let words = WORDS.map(Policy::as_str);
                let help = match nearest(word, words.into_iter()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("known here: {}", words.join(", ")),
                };
                c.wrong(at, "no such policy", format!("`{word}`"), Some(help));
            }
        }
    }
    policies
}
