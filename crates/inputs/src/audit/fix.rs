//! Changes of a text, made together.

use super::finding::{Edit, Finding};

/// The text with the edits made. Of two that touch each other the first counts; all else stays byte for byte.
#[must_use]
pub fn apply(text: &str, edits: &[Edit]) -> String {
    let mut sorted: Vec<&Edit> = edits.iter().collect();
    sorted.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for edit in sorted {
        let fits = edit.span.start >= at && edit.span.end >= edit.span.start;
        let (Some(before), true) =
            (text.get(at..edit.span.start.max(at)), fits && text.get(edit.span.clone()).is_some())
        else {
            continue;
        };
        out.push_str(before);
        out.push_str(&edit.text);
        at = edit.span.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// The edits of findings in one file.
#[must_use]
pub fn edits(findings: &[Finding], file: &str) -> Vec<Edit> {
    let mut list: Vec<Edit> = Vec::new();
    for edit in findings.iter().filter(|f| f.file == file).filter_map(|f| f.edit.as_ref()) {
        if !list.contains(edit) {
            list.push(edit.clone());
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_meant_stays() {
        let edit = |span, text: &str| Edit { span, text: text.to_owned() };
        let edits = [edit(4..11, "ci"), edit(15..15, " -x"), edit(5..6, "no"), edit(90..91, "far")];
        assert_eq!(apply("npm install # é\n", &edits), "npm ci # é -x\n".replace("é -x", "é -x"));
    }
}
