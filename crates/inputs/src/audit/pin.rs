//! Pin: images to digests, actions to commits, in the text, and nothing else of it changed.
//!
//! What is pinned is what the rules of images and actions look at, wherever they find it. Tags are asked of their registry
//! ([`registry`]) and of their forge ([`forge`]), each once. A digest is put behind a tag, so that the tag still says what
//! it is, and [`pin`] with `update` can ask again; the tag of an action becomes a comment.

mod forge;
mod registry;

use std::collections::BTreeMap;
use std::ops::Range;

pub use forge::{Forge, base_of};
pub use registry::Registries;

use super::finding::{Edit, position};
use super::{Content, Sheet};

/// Why something could not be pinned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// No registry is known for a name without one.
    #[error(
        "`{image}` names no registry: give --registry HOST, or set `unqualified-search-registries` in registries.conf"
    )]
    NoRegistry {
        /// The reference.
        image: String,
    },
    /// The registry's answer.
    #[error("`{image}`: {reason}")]
    Registry {
        /// The reference.
        image: String,
        /// What it answers, or why it cannot be asked.
        reason: String,
    },
    /// No forge is known.
    #[error("`{action}`: which forge it is on cannot be told: give --forge URL")]
    NoForge {
        /// The action.
        action: String,
    },
    /// The forge's answer.
    #[error("`{action}`: {reason}")]
    Forge {
        /// The action and its reference.
        action: String,
        /// What git says.
        reason: String,
    },
}

/// What a text names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// An image, variables replaced by their defaults, with its digest if it has one.
    Image(String),
    /// An action, `OWNER/NAME[/PATH]`, and its branch, tag or commit.
    Action(String, String),
}

/// Where it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Path of the file.
    pub file: String,
    /// The bytes that a digest is put behind.
    pub span: Range<usize>,
    /// From 1.
    pub line: usize,
    /// What.
    pub named: Named,
    /// It cannot change.
    pub pinned: bool,
}

/// Who knows what tags mean.
pub trait Resolve {
    /// The digest of an image, as `sha256:…`.
    ///
    /// # Errors
    /// If its registry does not say.
    fn image(&self, reference: &str) -> Result<String, PinError>;
    /// The commit of a branch or tag of an action's repository.
    ///
    /// # Errors
    /// If its forge does not say.
    fn action(&self, name: &str, reference: &str) -> Result<String, PinError>;
}

/// What became of the files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// What was pinned or moved, and to what.
    pub pinned: Vec<(Reference, String)>,
    /// What could not be.
    pub failed: Vec<(Reference, PinError)>,
    /// The new texts, by path; files that stay are not here.
    pub texts: BTreeMap<String, String>,
}

/// Every image and action that files name, in their order.
#[must_use]
pub fn references(sheets: &[Sheet]) -> Vec<Reference> {
    let mut list = Vec::new();
    for sheet in sheets {
        let Content::Text(text) = &sheet.content else { continue };
        for (span, named) in super::named(&sheet.path, text) {
            let pinned = match &named {
                Named::Image(text) => {
                    super::image::parse(text).is_none_or(|r| r.is_pinned() || r.path == "scratch")
                }
                Named::Action(_, reference) => super::command::is_commit(reference),
            };
            let line = position(text, span.start).0;
            list.push(Reference { file: sheet.path.clone(), span, line, named, pinned });
        }
    }
    list.sort_by(|a, b| (&a.file, a.span.start).cmp(&(&b.file, b.span.start)));
    list.dedup();
    list
}

/// Asks for everything that is not pinned, with `update` for everything, and writes the answers into the texts.
#[must_use]
pub fn pin(sheets: &[Sheet], resolve: &dyn Resolve, update: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let mut known: BTreeMap<Named, Result<String, PinError>> = BTreeMap::new();
    let texts: BTreeMap<&str, &str> = sheets
        .iter()
        .filter_map(|sheet| match &sheet.content {
            Content::Text(text) => Some((sheet.path.as_str(), text.as_str())),
            _ => None,
        })
        .collect();
    let mut edits: BTreeMap<String, Vec<Edit>> = BTreeMap::new();
    for reference in references(sheets) {
        let text = texts.get(reference.file.as_str()).copied().unwrap_or_default();
        let Some(asked) = asked(&reference, text, update) else { continue };
        let answer = known.entry(asked.clone()).or_insert_with(|| match &asked {
            Named::Image(image) => resolve.image(image),
            Named::Action(name, tag) => resolve.action(name, tag),
        });
        match answer {
            Err(error) => outcome.failed.push((reference, error.clone())),
            Ok(answer) => {
                let made = written(&reference, &asked, text, answer);
                if !made.is_empty() {
                    edits.entry(reference.file.clone()).or_default().extend(made);
                    outcome.pinned.push((reference, answer.clone()));
                }
            }
        }
    }
    for (file, edits) in edits {
        let text = texts.get(file.as_str()).copied().unwrap_or_default();
        outcome.texts.insert(file, super::apply(text, &edits));
    }
    outcome
}

/// What is asked of a registry or forge; `None` if nothing is to be.
fn asked(reference: &Reference, text: &str, update: bool) -> Option<Named> {
    if !reference.pinned {
        return Some(reference.named.clone());
    }
    if !update {
        return None;
    }
    match &reference.named {
        Named::Image(image) => {
            let bare = image.split('@').next().unwrap_or_default();
            (super::image::parse(bare)?.path != "scratch").then(|| Named::Image(bare.to_owned()))
        }
        // The comment says which tag it was.
        Named::Action(name, _) => {
            let rest = &text[reference.span.end.min(text.len())..];
            let comment = rest.lines().next()?.split_once('#')?.1.trim();
            let tag = comment.split_whitespace().next()?.trim_start_matches("tag=");
            Some(Named::Action(name.clone(), tag.to_owned()))
        }
    }
}

/// The change that writes an answer.
fn written(reference: &Reference, asked: &Named, text: &str, answer: &str) -> Vec<Edit> {
    let span = reference.span.clone();
    let source = text.get(span.clone()).unwrap_or_default();
    if let Some(at) = source.rfind('@') {
        let old = &source[at + 1..];
        if old == answer {
            return Vec::new();
        }
        let mut edits = vec![Edit { span: span.start + at + 1..span.end, text: answer.to_owned() }];
        if let (Named::Action(_, tag), false) = (asked, reference.pinned) {
            edits.extend(comment(text, span.end, tag));
        }
        return edits;
    }
    vec![Edit { span: span.end..span.end, text: format!("@{answer}") }]
}

/// The tag in a comment at the end of the line; before what a comment there says already.
fn comment(text: &str, from: usize, tag: &str) -> Option<Edit> {
    let rest = text.get(from..)?.split(['\n', '\r']).next()?;
    let quote = rest.bytes().take_while(|b| matches!(b, b'"' | b'\'')).count();
    let after = &rest[quote..];
    if after.trim().is_empty() {
        let at = from + quote;
        return Some(Edit { span: at..at, text: format!(" # {tag}") });
    }
    let mark = after.find('#').filter(|at| after[..*at].trim().is_empty() && *at > 0)?;
    let at = from + quote + mark + 1;
    let told = after[mark + 1..].split_whitespace().next() == Some(tag);
    (!told).then(|| Edit { span: at..at, text: format!(" {tag}") })
}
