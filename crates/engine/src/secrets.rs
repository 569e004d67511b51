//! Secrets: what a step may read and nobody may see.
//!
//! A recipe names them; their values come with the call ([`crate::Context::secrets`]) and go into the memory of the
//! sandbox, and nowhere else. What comes out of a step goes through its [`Guard`]: the log and what was seen of its
//! processes have every form of a secret replaced ([`redact`]), and an output that holds one is not kept ([`search`]).
//!
//! That is a guard against accidents. A step that wants to give a secret away can write it in a form of its own.

mod forms;
mod redact;
mod search;

use std::collections::BTreeMap;
use std::fmt;

use model::recipe::{Recipe, Step};
use model::trace::Trace;
use model::violation::{Process, Violation};

pub(crate) use redact::Redaction;
pub(crate) use search::Search;

use redact::Patterns;

/// A shorter one would be found by chance, in words that mean something else.
pub const SHORTEST: usize = 8;
/// What is longer is no key and no token.
pub const LONGEST: usize = 16 << 10;

/// The value of a secret. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Why bytes are no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Too short.
    #[error(
        "it has {0} bytes, but for the end of the line: expected at least {SHORTEST}, or it could not be told from other text"
    )]
    Short(usize),
    /// Too long.
    #[error("it has more than {LONGEST} bytes")]
    Long,
}

impl Secret {
    /// The bytes as a step reads them.
    ///
    /// # Errors
    /// If they are too few or too many. The ends of lines at its end do not count.
    pub fn new(value: Vec<u8>) -> Result<Self, SecretError> {
        let length = forms::trimmed(&value).len();
        if length < SHORTEST {
            return Err(SecretError::Short(length));
        }
        if value.len() > LONGEST { Err(SecretError::Long) } else { Ok(Self(value)) }
    }
}

/// Secrets by name.
#[derive(Debug, Clone, Default)]
pub struct Secrets(BTreeMap<String, Secret>);

impl Secrets {
    /// No secrets.
    #[must_use]
    pub const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds one; false if there is one of that name.
    pub fn add(&mut self, name: &str, secret: Secret) -> bool {
        let new = !self.0.contains_key(name);
        self.0.entry(name.to_owned()).or_insert(secret);
        new
    }

    /// Every form of each that is looked for in files, with its name.
    pub(crate) fn forms(&self) -> Vec<(String, Vec<u8>)> {
        let forms = |(name, secret): (&String, &Secret)| {
            forms::in_files(&secret.0).into_iter().map(|form| (name.clone(), form)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(forms).collect()
    }

    /// The value of one.
    pub(crate) fn value(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(|secret| secret.0.as_slice())
    }

    /// The first that `step` names and that is not here.
    pub(crate) fn lacking(&self, step: &Step) -> Option<String> {
        step.secrets.iter().find(|name| !self.0.contains_key(*name)).cloned()
    }

    /// The files of a step; those that are not here are left out.
    pub(crate) fn files(&self, step: &Step) -> Vec<(&str, &[u8])> {
        let named = step.secrets.iter().filter_map(|name| self.0.get_key_value(name));
        named.map(|(name, secret)| (name.as_str(), secret.0.as_slice())).collect()
    }
}

/// Every name of a secret in a recipe, sorted.
#[must_use]
pub fn names(recipe: &Recipe) -> Vec<&str> {
    let mut names: Vec<&str> =
        recipe.steps.iter().flat_map(|step| &step.secrets).map(String::as_str).collect();
    let images = recipe.artifacts.iter().filter_map(|artifact| artifact.dockerfile());
    names.extend(images.flat_map(|image| &image.secrets).map(String::as_str));
    names.sort_unstable();
    names.dedup();
    names
}

/// What stands between a step with secrets and everybody else. Of a step without, nothing is held up.
pub(crate) struct Guard {
    patterns: Patterns,
    search: Option<Search>,
}

impl Guard {
    pub(crate) fn new(secrets: &Secrets, step: &Step) -> Self {
        let files = secrets.files(step);
        let patterns = files.iter().flat_map(|(_, value)| forms::in_text(value)).collect();
        let forms = files
            .iter()
            .flat_map(|(name, value)| forms::in_files(value).into_iter().map(|f| ((*name).to_owned(), f)));
        let search = (!files.is_empty()).then(|| Search::new(forms));
        Self { patterns: Patterns::new(patterns), search }
    }

    /// What is looked for in outputs; `None` without secrets.
    pub(crate) const fn search(&self) -> Option<&Search> {
        self.search.as_ref()
    }

    /// A log on its way.
    pub(crate) fn redaction(&self) -> Redaction<'_> {
        Redaction::new(&self.patterns)
    }

    /// A text with its secrets replaced.
    pub(crate) fn text(&self, text: &str) -> String {
        self.patterns.text(text, false)
    }

    fn process(&self, process: &Process) -> Process {
        // Its command line may be cut within a secret.
        let command = match process.command.strip_suffix('…') {
            Some(cut) => format!("{}…", self.patterns.text(cut, true)),
            None => self.text(&process.command),
        };
        Process { pid: process.pid, command }
    }

    /// What was attempted, and by whom, with secrets replaced.
    pub(crate) fn violations(&self, violations: &[Violation]) -> Vec<Violation> {
        let one = |violation: &Violation| Violation {
            what: self.text(&violation.what),
            by: violation.by.iter().map(|process| self.process(process)).collect(),
            ..violation.clone()
        };
        violations.iter().map(one).collect()
    }

    /// The files that were used, and by whom, with secrets replaced. Of two files that look the same then, one stays.
    pub(crate) fn trace(&self, trace: Trace) -> Trace {
        if self.search.is_none() {
            return trace;
        }
        Trace {
            files: trace.files.into_iter().map(|(path, used)| (self.text(&path), used)).collect(),
            processes: trace.processes.iter().map(|process| self.process(process)).collect(),
            lost: trace.lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use model::violation::Kind;

    use super::*;

    fn guard(value: &str) -> Guard {
        let patterns = forms::in_text(value.as_bytes());
        let forms = forms::in_files(value.as_bytes()).into_iter().map(|form| ("token".to_owned(), form));
        Guard { patterns: Patterns::new(patterns), search: Some(Search::new(forms)) }
    }

    #[test]
    fn a_secret_is_neither_short_nor_long_and_never_printed() {
        assert_eq!(Secret::new(b"1234567\n\r\n".to_vec()), Err(SecretError::Short(7)));
        assert_eq!(Secret::new(vec![b'x'; LONGEST + 1]), Err(SecretError::Long));
        let secret = Secret::new(b"12345678\n".to_vec()).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(***)");
    }

    #[test]
    fn command_lines_and_names_are_redacted_also_where_they_were_cut() {
        let guard = guard("correct horse\nbattery staple\n");
        let process = |command: &str| Process { pid: 3, command: command.to_owned() };
        let violation = Violation {
            kind: Kind::Network,
            what: "battery staple.example.org".into(),
            by: vec![process("curl -H correct horse battery staple x"), process("curl -H corre…")],
            count: 1,
        };
        let seen = guard.violations(&[violation]);
        assert_eq!(seen[0].what, "***.example.org");
        let commands: Vec<_> = seen[0].by.iter().map(|p| p.command.as_str()).collect();
        assert_eq!(commands, ["curl -H *** x", "curl -H ***…"]);
    }
}
