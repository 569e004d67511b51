//! Secrets that lie in the repository, by their shape ([`model::credential`]). They are never shown.

use model::credential::{KEY_MARKS, PrivateKey, SHAPES};

use super::finding::Page;
use super::rule::{Id, Severity};

pub(crate) fn look(page: &mut Page<'_>, in_tests: bool) {
    let text = page.text;
    for shape in SHAPES {
        for (at, _) in text.match_indices(shape.prefix) {
            if let Some(end) = shape.end(text.as_bytes(), at) {
                tell(page, Id::Sec01, at..end, shape.what, shape.prefix, in_tests);
            }
        }
    }
    for mark in KEY_MARKS {
        for (at, _) in text.match_indices(mark) {
            if let Some(key) = PrivateKey::at(text.as_bytes(), at) {
                tell(page, Id::Sec02, at..key.end, key.what, mark, in_tests || key.encrypted);
            }
        }
    }
}

fn tell(page: &mut Page<'_>, id: Id, span: std::ops::Range<usize>, what: &str, prefix: &str, weaker: bool) {
    let fix =
        "withdraw it where it was issued: it stays in the history; then give it to steps with `secrets`";
    let finding = page.add(id, span, format!("{what} lies here"), fix);
    // The only evidence is what every such secret begins with.
    finding.evidence = format!("{prefix}…");
    if weaker {
        finding.at(Severity::Warn);
    }
}

/// True for the name of a variable that holds a secret.
pub(crate) fn names_a_secret(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let parts: Vec<&str> = upper.split(['_', '-', '.']).collect();
    let single = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "APIKEY", "CREDENTIALS", "PASSPHRASE"];
    let pair = [["API", "KEY"], ["PRIVATE", "KEY"], ["ACCESS", "KEY"], ["SECRET", "KEY"], ["SIGNING", "KEY"]];
    parts.iter().any(|p| single.contains(p)) || parts.windows(2).any(|w| pair.iter().any(|p| w == p))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&'static str, String)> {
        let mut page = Page::new("a", text);
        look(&mut page, false);
        page.findings.into_iter().map(|f| (f.rule.id, f.evidence)).collect()
    }

    #[test]
    fn secrets_are_found_and_not_shown() {
        let token = format!("{}{}", "ghp_", "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA3bC6");
        let said = found(&format!("x = \"{token}\""));
        assert_eq!(said, [("SEC01", "ghp_…".to_owned())]);
        let key = format!(
            "-----BEGIN {} KEY-----\n{}\n",
            "RSA PRIVATE", "MIIEpAIBAAKCAQEAx7Jq9dWf3kLmVbN2sT8yRzUo4HgPcE5vKi"
        );
        assert_eq!(found(&key)[0].0, "SEC02");
    }

    #[test]
    fn what_only_looks_like_one_is_not_told() {
        for text in [
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "grep -- '-----BEGIN RSA PRIVATE KEY-----' file",
            "hf_transfer",
        ] {
            assert!(found(text).is_empty(), "{text}");
        }
        assert!(
            names_a_secret("NPM_TOKEN")
                && names_a_secret("DB_PASSWORD")
                && names_a_secret("AWS_SECRET_ACCESS_KEY")
        );
        assert!(!names_a_secret("TOKENIZERS_PARALLELISM") && !names_a_secret("KEYRING"));
    }
}
