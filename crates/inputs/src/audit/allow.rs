//! Findings that a comment allows: `# selfsame: allow RULE[,RULE] reason`, on the line or alone on the line above.

use super::finding::Finding;

const MARK: &str = "selfsame: allow ";

/// The reason, if the line of a finding or a comment above it allows its rule.
pub(crate) fn reason(text: &str, finding: &Finding) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let at = finding.line.checked_sub(1)?;
    let own = lines.get(at).and_then(|line| allows(line, finding.rule.id));
    own.or_else(|| {
        let above = at.checked_sub(1).and_then(|at| lines.get(at))?;
        let comment = above.trim_start().starts_with(['#', '/', ';', '<', '-', '*', '!']);
        comment.then(|| allows(above, finding.rule.id)).flatten()
    })
}

fn allows(line: &str, rule: &str) -> Option<String> {
    let at = line.find(MARK)?;
    // It must stand in a comment.
    let before = line[..at].trim_end();
    if !["#", "//", "/*", "<!--", ";", "--", "dnl"].iter().any(|mark| before.ends_with(mark)) {
        return None;
    }
    let rest = line[at + MARK.len()..].trim_end_matches("-->").trim_end_matches("*/").trim();
    let (rules, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    rules.split(',').any(|name| name.eq_ignore_ascii_case(rule)).then(|| reason.trim().to_owned())
}
