//! What every part of the check works with: a list of mistakes, and flags that are taken by name.

use std::ops::Range;

use crate::Diagnostic;
use crate::dockerfile::flag::Flag;
use crate::dockerfile::line::{Escape, Text};
use crate::dockerfile::statement::Statement;

/// Collects what is wrong.
pub(super) struct Checker {
    pub(super) list: Vec<Diagnostic>,
    pub(super) escape: Escape,
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// A value, once.
    One,
    /// A value, any number of times.
    Many,
    /// Nothing, or `true` or `false`.
    Yes,
}

/// Flags that are known and have what they need.
#[derive(Debug, Default)]
pub(super) struct Flags {
    list: Vec<(String, Text)>,
}

impl Flags {
    /// Takes the value of a flag.
    pub(super) fn one(&mut self, name: &str) -> Option<Text> {
        let at = self.list.iter().position(|(known, _)| known == name)?;
        Some(self.list.remove(at).1)
    }

    /// Takes the value of a flag of which an empty one means nothing.
    pub(super) fn filled(&mut self, name: &str) -> Option<Text> {
        self.one(name).filter(|value| !value.text.is_empty())
    }

    /// Takes all values of a flag.
    pub(super) fn many(&mut self, name: &str) -> Vec<Text> {
        let (taken, kept) = std::mem::take(&mut self.list).into_iter().partition(|(known, _)| known == name);
        self.list = kept;
        let taken: Vec<(String, Text)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// Whether a flag says yes.
    pub(super) fn yes(&mut self, name: &str) -> Option<bool> {
        self.one(name).map(|value| value.text == "true")
    }
}

impl Checker {
    pub(super) fn wrong(
        &mut self,
        span: Range<usize>,
        title: String,
        label: impl Into<String>,
        help: Option<String>,
    ) {
        self.list.push(Diagnostic { title, span: Some(span), label: label.into(), help });
    }

    /// The flags of a statement, of which only these may be.
    pub(super) fn flags(&mut self, statement: &Statement, known: &[(&str, Take)]) -> Flags {
        let mut flags = Flags::default();
        let keyword = statement.keyword.text.to_ascii_uppercase();
        for flag in &statement.flags {
            let Some((name, take)) = known.iter().find(|(name, _)| *name == flag.name) else {
                self.unknown(flag, &keyword, known);
                continue;
            };
            if *take != Take::Many && flags.list.iter().any(|(seen, _)| seen == name) {
                let title = format!("`--{name}` stands here for the second time");
                self.wrong(flag.span.clone(), title, "expected once", None);
                continue;
            }
            let value = match (take, &flag.value) {
                (Take::Yes, None) => Text { text: "true".to_owned(), span: flag.span.clone() },
                (Take::Yes, Some(value)) => {
                    let text = value.text.to_lowercase();
                    if text != "true" && text != "false" {
                        let label = "expected `true`, `false` or the flag alone";
                        self.wrong(flag.span.clone(), format!("`--{name}` with another value"), label, None);
                        continue;
                    }
                    Text { text, span: value.span.clone() }
                }
                (_, None) => {
                    let label = format!("expected `--{name}=value`");
                    self.wrong(flag.span.clone(), format!("`--{name}` without a value"), label, None);
                    continue;
                }
                (_, Some(value)) => value.clone(),
            };
            flags.list.push(((*name).to_owned(), value));
        }
        flags
    }

    fn unknown(&mut self, flag: &Flag, keyword: &str, known: &[(&str, Take)]) {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let label = match &names[..] {
            [] => format!("{keyword} has no flags"),
            names => format!("expected one of --{}", names.join(", --")),
        };
        let help = nearest(&flag.name, &names).map(|name| format!("did you mean `--{name}`?"));
        self.wrong(flag.span.clone(), format!("`--{}` is no flag of {keyword}", flag.name), label, help);
    }
}

/// The word that is most like another, if it is like it at all.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // Longer ones are no slip of the pen.
    if word.len() > 40 {
        return None;
    }
    let likeness = |other: &&&str| strsim::jaro_winkler(word, other);
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(&best) > 0.8).then_some(*best)
}
