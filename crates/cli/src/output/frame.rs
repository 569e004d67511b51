//! What is wrong with a recipe or a lock, shown in its text.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use model::Diagnostics;
use model::diagnostic::Diagnostic;

use super::safe::{block, plain};

/// The diagnostics as code frames.
pub(crate) fn render(diagnostics: &Diagnostics, color: bool) -> String {
    diagnostics
        .list
        .iter()
        .map(|d| one(&diagnostics.origin, &diagnostics.text, d, Level::ERROR, color))
        .collect()
}

/// One diagnostic as a code frame of the given level.
pub(crate) fn one(origin: &str, text: &str, d: &Diagnostic, level: Level<'_>, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    // The renderer makes the other control characters visible. The mark is as long, so that spans stay right.
    let text = text.replace(|c| matches!(c, '\u{80}'..='\u{9f}'), "·");
    let origin = plain(origin);
    let (title, label) = (block(&d.title, ""), block(&d.label, ""));
    let help = d.help.as_ref().map(|help| block(help, ""));
    let title = level.primary_title(title.as_str());
    let mut group = match &d.span {
        Some(span) => {
            let end = span.end.min(text.len());
            let start = span.start.min(end);
            let snippet = Snippet::source(text.as_str())
                .path(&*origin)
                .annotation(AnnotationKind::Primary.span(start..end).label(label.as_str()));
            title.element(snippet)
        }
        None => Group::with_title(title),
    };
    if d.span.is_none() && !label.is_empty() {
        group = group.element(Level::NOTE.message(label.as_str()));
    }
    if let Some(help) = &help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group]) + "\n"
}
