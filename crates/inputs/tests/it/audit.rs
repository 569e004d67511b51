//! Audit: a labelled corpus, hostile texts, and what an answer is made of.

mod beyond;
mod corpus;
mod hostile;
mod repository;
mod sarif;
mod table;

use inputs::audit::{Content, Report, Sheet, audit};

/// An audit of texts by path.
pub(crate) fn of(files: &[(&str, &str)]) -> Report {
    let sheets: Vec<Sheet> = files
        .iter()
        .map(|(path, text)| Sheet { path: (*path).to_owned(), content: Content::Text((*text).to_owned()) })
        .collect();
    audit(&sheets, &[], &[])
}

/// The rules found, with their lines.
pub(crate) fn rules(report: &Report) -> Vec<String> {
    report.findings.iter().map(|f| format!("{}:{}", f.rule.id, f.line)).collect()
}
