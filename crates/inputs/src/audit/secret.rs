//! Secrets that lie in the repository: by their shape and by how random they look. They are never shown.

use super::finding::Page;
use super::rule::{Id, Severity};

/// A shape: what it begins with, how many characters follow, and which are allowed besides letters and digits.
struct Shape {
    what: &'static str,
    prefix: &'static str,
    length: std::ops::RangeInclusive<usize>,
    others: &'static str,
}

const SHAPES: &[Shape] = &[
    Shape { what: "a cloud access key", prefix: "AKIA", length: 16..=16, others: "" },
    Shape { what: "a cloud access key", prefix: "ASIA", length: 16..=16, others: "" },
    Shape { what: "a forge token", prefix: "ghp_", length: 36..=255, others: "" },
    Shape { what: "a forge token", prefix: "gho_", length: 36..=255, others: "" },
    Shape { what: "a forge token", prefix: "ghu_", length: 36..=255, others: "" },
    Shape { what: "a forge token", prefix: "ghs_", length: 36..=255, others: "" },
    Shape { what: "a forge token", prefix: "ghr_", length: 36..=255, others: "" },
    Shape { what: "a forge token", prefix: "github_pat_", length: 60..=255, others: "_" },
    Shape { what: "a forge token", prefix: "glpat-", length: 20..=64, others: "_-" },
    Shape { what: "a chat token", prefix: "xoxb-", length: 20..=255, others: "-" },
    Shape { what: "a chat token", prefix: "xoxp-", length: 20..=255, others: "-" },
    Shape { what: "a payment key", prefix: "sk_live_", length: 20..=255, others: "" },
    Shape { what: "a payment key", prefix: "rk_live_", length: 20..=255, others: "" },
    Shape { what: "a cloud API key", prefix: "AIza", length: 35..=35, others: "_-" },
    Shape { what: "a registry token", prefix: "npm_", length: 36..=36, others: "" },
    Shape { what: "a registry token", prefix: "pypi-AgE", length: 60..=255, others: "_-" },
    Shape { what: "a registry token", prefix: "dckr_pat_", length: 20..=64, others: "_-" },
    Shape { what: "a model hub token", prefix: "hf_", length: 34..=40, others: "" },
    Shape { what: "a mail service key", prefix: "SG.", length: 60..=80, others: "._-" },
    Shape { what: "a shop token", prefix: "shpat_", length: 32..=32, others: "" },
];

pub(crate) fn look(page: &mut Page<'_>, in_tests: bool) {
    let text = page.text;
    for shape in SHAPES {
        for (at, _) in text.match_indices(shape.prefix) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
                continue;
            }
            let tail = &text[at + shape.prefix.len()..];
            let fine = |c: char| c.is_ascii_alphanumeric() || shape.others.contains(c);
            let length = tail.find(|c: char| !fine(c)).unwrap_or(tail.len());
            let token = &tail[..length];
            if !shape.length.contains(&length) || entropy(token) < 3.0 || is_example(token) {
                continue;
            }
            let end = at + shape.prefix.len() + length;
            tell(page, Id::Sec01, at..end, shape.what, shape.prefix, in_tests);
        }
    }
    for (at, _) in text.match_indices("-----BEGIN ") {
        let tail = &text[at + "-----BEGIN ".len()..];
        let head = tail.lines().next().unwrap_or_default();
        let Some(kind) = head.strip_suffix("PRIVATE KEY-----") else { continue };
        // Its body, which a mere mention of the words does not have.
        let body: String = tail[head.len()..].chars().filter(|c| !c.is_whitespace()).take(60).collect();
        let body = body.replace("\\n", "");
        let random = body.len() >= 40
            && body.bytes().take(40).all(|b| b.is_ascii_alphanumeric() || b"+/=-:,".contains(&b));
        if random && entropy(&body) >= 3.0 {
            let encrypted = kind.contains("ENCRYPTED") || body.starts_with("Proc-Type");
            let what = if encrypted { "a private key with a password" } else { "a private key" };
            let end = at + "-----BEGIN ".len() + head.len();
            tell(page, Id::Sec02, at..end, what, "-----BEGIN ", in_tests || encrypted);
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

fn is_example(token: &str) -> bool {
    let lower = token.to_ascii_lowercase();
    ["example", "xxxx", "0000000", "1234567", "abcdef", "your", "placeholder", "dummy", "fake", "redacted"]
        .iter()
        .any(|sign| lower.contains(sign))
}

/// Bits a character, by how often each occurs.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let total = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX)).max(1.0);
    counts.iter().filter(|n| **n > 0).map(|n| f64::from(*n) / total).map(|p| -p * p.log2()).sum()
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
