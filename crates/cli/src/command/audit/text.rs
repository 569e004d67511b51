//! An audit for people: findings in their texts, then bars, points and the level.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;

use annotate_snippets::Level;
use anstyle::Style;
use inputs::audit::{Bar, Content, Finding, Report, Severity, Sheet, State};
use model::diagnostic::Diagnostic;

use crate::output::answer::Table;
use crate::output::frame;
use crate::output::safe::plain;

/// The whole answer.
pub(super) fn text(report: &Report, files: &[Sheet]) -> String {
    let texts: BTreeMap<&str, &str> = files
        .iter()
        .filter_map(|sheet| match &sheet.content {
            Content::Text(text) => Some((sheet.path.as_str(), text.as_str())),
            _ => None,
        })
        .collect();
    let color = std::io::stdout().is_terminal()
        && anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    let mut out = String::new();
    for finding in &report.findings {
        out.push_str(&framed(finding, texts.get(finding.file.as_str()).copied().unwrap_or_default(), color));
        out.push('\n');
    }
    for finding in &report.allowed {
        let reason = finding.allowed.as_deref().unwrap_or_default();
        let line = format!("allowed {} at {}:{}: {reason}", finding.rule.id, finding.file, finding.line);
        out.push_str(&format!("{}\n", plain(&line)));
    }
    out.push_str(&summary(report));
    out
}

fn framed(finding: &Finding, text: &str, color: bool) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warn => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let observed = if finding.observed && !finding.evidence.is_empty() {
        format!(" (by `{}`)", finding.evidence)
    } else {
        String::new()
    };
    let secret = finding.rule.id.starts_with("SEC");
    let place = !text.is_empty() && !finding.span.is_empty() && !secret;
    let at = if place { String::new() } else { format!("{}:{}: ", finding.file, finding.line) };
    let diagnostic = Diagnostic {
        title: format!("{at}{}: {}", finding.rule.id, finding.rule.title),
        span: place.then(|| finding.span.clone()),
        label: format!("{}{observed}", finding.message),
        help: Some(finding.fix.clone()),
    };
    frame::one(&finding.file, text, &diagnostic, level, color)
}

fn summary(report: &Report) -> String {
    let count = |severity| report.count(severity);
    let bold = Style::new().bold();
    let mut table = Table::default();
    table.row("files", report.files).row(
        "findings",
        format!(
            "{} errors, {} warnings, {} notes, {} allowed",
            count(Severity::Error),
            count(Severity::Warn),
            count(Severity::Info),
            report.allowed.len()
        ),
    );
    for (bar, score) in Bar::ALL.iter().zip(report.bars) {
        let filled = usize::try_from(score / 5).unwrap_or(20).min(20);
        let picture = format!("{}{}", "#".repeat(filled), ".".repeat(20 - filled));
        table.row(bar.as_str(), format!("{picture} {score:>3}"));
    }
    table.row("score", format!("{} of 100, {}", report.score(), report.maturity.as_str()));
    for point in &report.points {
        let mark = match point.state {
            State::Met => "yes",
            State::Partly => "partly",
            State::Unmet => "no",
            State::Unknown => "?",
        };
        let raise = if point.raise.is_empty() { String::new() } else { format!("; {}", point.raise) };
        table.row(point.id, format!("{mark:<6}  {}: {}{raise}", point.title, point.why));
    }
    format!("{bold}audit{bold:#}\n{}", table.text())
}
