//! Makefiles and shell scripts.

use std::collections::BTreeMap;

use super::command::{self, Facts, Place};
use super::finding::Page;

/// A shell script.
pub(crate) fn script(page: &mut Page<'_>, facts: &Facts) {
    // Another interpreter is another language.
    let first = page.text.lines().next().unwrap_or_default();
    if first.starts_with("#!") && !first.contains("sh") {
        return;
    }
    command::commands(page, page.text, 0, Place::Script, facts, &BTreeMap::new());
}

/// A Makefile: what belongs to one target is one script.
pub(crate) fn look(page: &mut Page<'_>, facts: &Facts) {
    let text = page.text;
    let mut known = BTreeMap::new();
    let mut parts: Vec<(usize, String)> = Vec::new();
    let mut at = 0;
    let mut continued = false;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let bare = line.trim();
        let goes_on = bare.ends_with('\\');
        let recipe = line.starts_with('\t');
        let asks = line.contains("$(shell") || line.contains("!=");
        if let Some((name, value)) = bare.split_once('=').filter(|_| !recipe && !continued) {
            let name = name.trim_end_matches([':', '?', '+', ' ', '!']).trim();
            if !value.contains(['$', '\\']) && !name.contains(' ') {
                known.insert(name.trim_start_matches("export ").to_owned(), value.trim().to_owned());
            }
        }
        let target =
            !recipe && !continued && bare.contains(':') && !bare.contains(":=") && !bare.starts_with('#');
        if target || parts.is_empty() {
            parts.push((start, String::new()));
        }
        let kept = (recipe || asks || continued) && !bare.starts_with('#');
        let part = parts.last_mut().map(|(_, part)| part);
        if let Some(part) = part {
            if kept && !target {
                part.push_str(&for_shell(line));
            } else {
                part.push_str(&" ".repeat(line.len().saturating_sub(1)));
                part.push('\n');
            }
        }
        continued = goes_on && kept;
    }
    for (start, part) in parts {
        command::commands(page, &part, start, Place::Script, facts, &known);
    }
}

/// A line as the shell would get it, and as long: `$$` is `$`, `$(NAME)` a variable, `$(shell …)` a substitution.
fn for_shell(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    // What makes a recipe's line quiet or forgiven.
    let marks = rest.len() - rest.trim_start_matches(['\t', ' ', '@', '-', '+']).len();
    if line.starts_with('\t') {
        out.push_str(&" ".repeat(marks));
        rest = &rest[marks..];
    }
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push_str(" $");
            rest = tail;
        } else if let Some(tail) = after.strip_prefix("(shell ") {
            out.push_str("$(      ");
            rest = tail;
        } else if let Some(inner) = after.strip_prefix('(') {
            let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
            if inner[end..].starts_with(')') {
                out.push_str("${");
                out.push_str(&inner[..end]);
                out.push('}');
                rest = &inner[end + 1..];
            } else {
                // A function of make: its words are words.
                out.push_str("  ");
                rest = inner;
            }
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}
