//! go.mod and go.sum.

use super::finding::Page;
use super::rule::{Id, Severity};

/// go.mod, and the text of go.sum beside it.
pub(crate) fn module(page: &mut Page<'_>, sum: Option<&str>) {
    let mut at = 0;
    let mut block = "";
    let (mut needs, mut chain, mut language) = (None, false, None);
    for line in page.text.split_inclusive('\n') {
        let code = line.split("//").next().unwrap_or_default().trim();
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        let words: Vec<&str> = code.split_whitespace().collect();
        let (verb, rest) = match (block, &words[..]) {
            (_, []) => continue,
            (_, [verb, "("]) => {
                block = verb;
                continue;
            }
            (_, [")"]) => {
                block = "";
                continue;
            }
            ("", [verb, rest @ ..]) => (*verb, rest),
            (verb, rest) => (verb, rest),
        };
        let span = start..start + code.len();
        match (verb, rest) {
            ("require", [path, version]) => {
                needs = needs.or(Some(span.clone()));
                let known = |sum: &str| {
                    sum.lines().any(|l| {
                        let mut words = l.split(' ');
                        words.next() == Some(path)
                            && words.next().is_some_and(|v| v.trim_end_matches("/go.mod") == *version)
                    })
                };
                let replaced = page.text.contains(&format!("replace {path} "))
                    || page.text.contains(&format!("\t{path} =>"))
                    || page.text.contains(&format!("\t{path} {version} =>"));
                if sum.is_some_and(|sum| !known(sum)) && !replaced {
                    page.add(
                        Id::Lock17,
                        span,
                        format!("go.sum has no line for `{path} {version}`"),
                        "run `go mod tidy` and commit go.sum",
                    );
                }
            }
            ("replace", words) => {
                let Some(to) = words.iter().position(|w| *w == "=>").and_then(|p| words.get(p + 1)) else {
                    continue;
                };
                if to.starts_with('/') || (to.starts_with("../") && !page.path.contains('/')) {
                    page.add(
                        Id::Lock11,
                        span,
                        format!("`{to}` lies outside the repository"),
                        "replace it by a module with a version",
                    );
                }
            }
            ("toolchain", _) => chain = true,
            ("go", [version]) => language = Some((span, (*version).to_owned())),
            _ => {}
        }
    }
    if let (Some(span), None) = (&needs, sum) {
        page.add(Id::Lock01, span.clone(), "no go.sum beside it", "run `go mod tidy` and commit go.sum");
    }
    if let (Some((span, version)), false) = (language, chain) {
        if version.split('.').count() < 3 {
            let message = format!("`go {version}` is the language; which compiler is used stays open");
            page.add(
                Id::Tool01,
                span,
                message,
                "add `toolchain go1.N.P`, and GOTOOLCHAIN=local in the build",
            )
            .at(Severity::Warn);
        }
    }
}
