//! Tokens and private keys, by their shape and by how random they look.
//!
//! One table for all who look for them: in a repository, and in what was built of it. Each begins with a mark that can be
//! searched for; what follows decides. What only speaks of keys, or is somebody's example, is none.

use std::ops::RangeInclusive;

use memchr::memmem;

/// A shape of token: what it begins with, how many characters follow, and which are allowed besides letters and digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// What it is, with its article.
    pub what: &'static str,
    /// What every one of its kind begins with.
    pub prefix: &'static str,
    length: RangeInclusive<usize>,
    others: &'static [u8],
    /// Whether letters are upper case.
    upper: bool,
    /// Where among the characters a dot stands.
    dot: Option<usize>,
}

const fn shape(
    what: &'static str,
    prefix: &'static str,
    length: RangeInclusive<usize>,
    others: &'static [u8],
) -> Shape {
    Shape { what, prefix, length, others, upper: false, dot: None }
}

/// Every shape that is known.
pub const SHAPES: &[Shape] = &[
    Shape { upper: true, ..shape("a cloud access key", "AKIA", 16..=16, b"") },
    Shape { upper: true, ..shape("a cloud access key", "ASIA", 16..=16, b"") },
    shape("a forge token", "ghp_", 36..=255, b""),
    shape("a forge token", "gho_", 36..=255, b""),
    shape("a forge token", "ghu_", 36..=255, b""),
    shape("a forge token", "ghs_", 36..=255, b""),
    shape("a forge token", "ghr_", 36..=255, b""),
    shape("a forge token", "github_pat_", 60..=255, b"_"),
    shape("a forge token", "glpat-", 20..=64, b"_-"),
    shape("a chat token", "xoxb-", 20..=255, b"-"),
    shape("a chat token", "xoxp-", 20..=255, b"-"),
    shape("a payment key", "sk_live_", 20..=255, b""),
    shape("a payment key", "rk_live_", 20..=255, b""),
    shape("a cloud API key", "AIza", 35..=35, b"_-"),
    shape("a registry token", "npm_", 36..=36, b""),
    shape("a registry token", "pypi-AgE", 60..=255, b"_-"),
    shape("a registry token", "dckr_pat_", 20..=64, b"_-"),
    shape("a model hub token", "hf_", 34..=40, b""),
    Shape { dot: Some(22), ..shape("a mail service key", "SG.", 60..=80, b"._-") },
    shape("a shop token", "shpat_", 32..=32, b""),
    Shape { upper: true, ..shape("a private key of age", "AGE-SECRET-KEY-1", 58..=58, b"") },
];

impl Shape {
    /// The end of the token that begins at `at`, where [`Shape::prefix`] stands; `None` if it is none.
    #[must_use]
    pub fn end(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        if before.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
            return None;
        }
        self.end_after_text(bytes, at)
    }

    /// As [`Shape::end`], whatever stands before it: in programs, texts follow each other without anything between.
    #[must_use]
    pub fn end_after_text(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let length = self.count(bytes, at);
        let from = at + self.prefix.len();
        let tail = bytes.get(from..)?;
        // What costs little first: a hostile text has a prefix at every few bytes.
        if !self.length.contains(&length) || tail.get(length).is_some_and(u8::is_ascii_alphanumeric) {
            return None;
        }
        let token = &tail[..length];
        let shaped = self.dot.is_none_or(|dot| token.get(dot) == Some(&b'.'));
        // By chance, a long one has a digit; the name of a function may have none.
        let has_digit = length < 30 || token.iter().any(u8::is_ascii_digit);
        (shaped && has_digit && !is_example(token) && entropy(token) >= 3.0).then_some(from + length)
    }

    /// Whether nothing but such a token is likely to begin as this one does, even in the middle of a word.
    #[must_use]
    pub fn is_distinct(&self) -> bool {
        self.prefix.len() >= 4 && self.prefix.bytes().any(|b| b"_-".contains(&b))
    }

    /// The end of what could be such a token at `at`, or the beginning of one, whatever stands around it and however it
    /// looks: what is not to be shown. `None` if it is too short for one.
    #[must_use]
    pub fn end_of_any(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let length = self.count(bytes, at);
        (length >= *self.length.start()).then_some(at + self.prefix.len() + length)
    }

    /// How many characters that such a token may have follow the prefix at `at`; one more than it may have at most.
    fn count(&self, bytes: &[u8], at: usize) -> usize {
        let fine = |b: &u8| {
            (b.is_ascii_alphanumeric() && !(self.upper && b.is_ascii_lowercase())) || self.others.contains(b)
        };
        let tail = bytes.get(at + self.prefix.len()..).unwrap_or_default();
        tail.iter().take(self.length.end() + 1).take_while(|b| fine(b)).count()
    }
}

/// A private key that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrivateKey {
    /// What it is, with its article.
    pub what: &'static str,
    /// Whether a password guards it.
    pub encrypted: bool,
    /// Where its first line ends.
    pub end: usize,
}

/// What private keys begin with, or hold.
pub const KEY_MARKS: [&str; 4] = ["-----BEGIN ", "PuTTY-User-Key-File-", "untrusted comment: ", "\"kty\""];

/// So many lines of a key in PEM are looked at: an empty one, those that say what it is, and the first ones of its body.
const KEY_LINES: usize = 24;

/// How many bytes before and behind a mark decide about it.
pub const KEY_REACH: usize = 4096;

impl PrivateKey {
    /// The key to which the mark at `at` (one of [`KEY_MARKS`]) belongs.
    #[must_use]
    pub fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let end = bytes.len().min(at.saturating_add(KEY_REACH));
        let tail = bytes.get(at..end)?;
        if tail.starts_with(b"-----BEGIN ") {
            pem(tail, at)
        } else if tail.starts_with(b"PuTTY-User-Key-File-") {
            putty(tail, at)
        } else if tail.starts_with(b"untrusted comment: ") {
            minisign(tail, at)
        } else {
            jwk(&bytes[at.saturating_sub(KEY_REACH)..end], at.min(KEY_REACH), at)
        }
    }
}

/// A key between `-----BEGIN … PRIVATE KEY-----` and its end: PKCS#1, PKCS#8, SEC1, OpenSSH, OpenPGP.
fn pem(tail: &[u8], at: usize) -> Option<PrivateKey> {
    let label = &tail["-----BEGIN ".len()..];
    let length = label.iter().take(60).position(|&b| b == b'-')?;
    let (label, rest) = label.split_at(length);
    let kind = label.strip_suffix(b" BLOCK").unwrap_or(label).strip_suffix(b"PRIVATE KEY")?;
    // In programs of Rust and Go the next text follows at once.
    let body =
        rest.strip_prefix(b"-----").filter(|b| b.first().is_some_and(|b| !b.is_ascii_alphanumeric()))?;
    let mut encrypted = kind.starts_with(b"ENCRYPTED");
    let fine = |b: &u8| b.is_ascii_alphanumeric() || b"+/=".contains(b);
    // Its body, which a mere mention of the words does not have. In source code its lines are strings.
    let mut key = Vec::new();
    for line in lines(body).take(KEY_LINES) {
        if line.is_empty() || (key.is_empty() && find(line, b": ").is_some()) {
            encrypted |= line.ends_with(b"ENCRYPTED");
            continue;
        }
        // A line may be all the rest of the file.
        let line = &line[..line.len().min(80)];
        if !line.iter().take(40 - key.len()).all(fine) {
            return None;
        }
        key.extend_from_slice(line);
        if key.len() >= 40 {
            break;
        }
    }
    if key.len() < 40 || entropy(&key) < 3.0 {
        return None;
    }
    // "openssh-key-v1", and the name of the cipher: `none`.
    encrypted |= kind == b"OPENSSH " && !key.starts_with(b"b3BlbnNzaC1rZXktdjEAAAAABG5vbmU");
    let what = if encrypted { "a private key with a password" } else { "a private key" };
    let end = at + "-----BEGIN ".len() + length + 5;
    Some(PrivateKey { what, encrypted, end })
}

/// Lines, also where `\n` stands for their end, without what code has around them.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = memchr::memchr3(b'\n', b'\r', b'\\', text);
        let (line, next) = match end {
            Some(end) => {
                let escaped = text[end] == b'\\' && matches!(text.get(end + 1), Some(b'n' | b'r'));
                (&text[..end], Some(&text[end + 1 + usize::from(escaped)..]))
            }
            None => (text, None),
        };
        rest = next;
        let aside = |b: &u8| b.is_ascii_whitespace() || b"\"',".contains(b);
        let from = line.iter().position(|b| !aside(b)).unwrap_or(line.len());
        let to = line.iter().rposition(|b| !aside(b)).map_or(from, |last| last + 1);
        Some(&line[from..to])
    })
}

fn putty(tail: &[u8], at: usize) -> Option<PrivateKey> {
    if !tail.get("PuTTY-User-Key-File-".len())?.is_ascii_digit() {
        return None;
    }
    let private = find(tail, b"Private-Lines: ")?;
    if !tail.get(private + 15)?.is_ascii_digit() {
        return None;
    }
    let encrypted = find(tail, b"Encryption: none").is_none();
    let what = if encrypted { "a private key with a password" } else { "a private key" };
    Some(PrivateKey { what, encrypted, end: at + "PuTTY-User-Key-File-".len() })
}

/// minisign and signify: a comment, and a line of Base64 that begins with the algorithm, `Ed`.
fn minisign(tail: &[u8], at: usize) -> Option<PrivateKey> {
    let mut lines = lines(tail);
    let comment = lines.next()?;
    let key = lines.take(3).find(|line| !line.is_empty())?;
    let fine = |b: &u8| b.is_ascii_alphanumeric() || b"+/=".contains(b);
    let fits = key.starts_with(b"RW")
        && key.len() >= 100
        && key.iter().all(fine)
        && find(comment, b"secret key").is_some();
    // signify's have a KDF `BK` with no rounds if they have no password: not told apart.
    fits.then_some(PrivateKey { what: "a private key", encrypted: false, end: at + 19 })
}

/// A key as JSON (RFC 7517): an object with `kty` and the private member, `d` or, of a symmetric one, `k`.
fn jwk(around: &[u8], mark: usize, at: usize) -> Option<PrivateKey> {
    // What costs little first: a hostile text is nothing but marks. Names of kinds of keys are short.
    let value = |text| Some(trimmed(trimmed(text).strip_prefix(b":")?).strip_prefix(b"\""))?;
    let kind = value(&around[mark + b"\"kty\"".len()..])?;
    let kind = &kind[..kind.iter().take(16).position(|&b| b == b'"')?];
    let from = memchr::memrchr2(b'{', b'}', &around[..mark])?;
    // The second one of an object is told with the first.
    if around[from] == b'}' || find(&around[from..mark], b"\"kty\"").is_some() {
        return None;
    }
    let to = mark + memchr::memchr(b'}', &around[mark..])?;
    let object = &around[from..to];
    let member = |name: &[u8]| {
        let rest = value(&object[find(object, name)? + name.len()..])?;
        Some(&rest[..memchr::memchr(b'"', rest)?])
    };
    let symmetric = kind == b"oct";
    let secret = member(if symmetric { b"\"k\"" } else { b"\"d\"" })?;
    let fine = |b: &u8| b.is_ascii_alphanumeric() || b"-_=".contains(b);
    let fits = secret.len() >= 40 && secret.iter().all(fine) && entropy(secret) >= 3.0;
    fits.then_some(PrivateKey { what: "a private key (JWK)", encrypted: false, end: at + 6 })
}

/// Without white space before it, of which there is little.
fn trimmed(text: &[u8]) -> &[u8] {
    let space = text.iter().take(64).take_while(|b| b.is_ascii_whitespace()).count();
    &text[space..]
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    memmem::find(text, part)
}

fn is_example(token: &[u8]) -> bool {
    let lower = token.to_ascii_lowercase();
    ["example", "xxxx", "0000000", "1234567", "abcdef", "your", "placeholder", "dummy", "fake", "redacted"]
        .iter()
        .any(|sign| find(&lower, sign.as_bytes()).is_some())
}

/// Bits a character, by how often each occurs.
fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text {
        counts[usize::from(*byte)] += 1;
    }
    let total = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX)).max(1.0);
    counts.iter().filter(|n| **n > 0).map(|n| f64::from(*n) / total).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digits and letters that look random, and are not in this text as they are.
    fn noise(length: usize, alphabet: &[u8]) -> String {
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(alphabet[usize::try_from(state >> 33).unwrap() % alphabet.len()])
        };
        (0..length).map(|_| next()).collect()
    }

    const MIXED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    #[test]
    fn each_shape_is_found_between_others_and_not_as_a_part_of_a_word() {
        for shape in SHAPES {
            let mut tail = noise(*shape.length.start(), if shape.upper { &MIXED[..26] } else { MIXED });
            tail.replace_range(1..2, "7");
            if let Some(dot) = shape.dot {
                tail.replace_range(dot..=dot, ".");
            }
            let text = format!("x=\"{}{tail}\" ", shape.prefix);
            let end = shape.end(text.as_bytes(), 3);
            assert_eq!(end, Some(text.len() - 2), "{text}");
            let text = format!("x{}{tail}", shape.prefix);
            assert_eq!(shape.end(text.as_bytes(), 1), None, "{text}");
            let text = format!("{}{}", shape.prefix, &tail[..tail.len() - 8]);
            assert_eq!(shape.end(text.as_bytes(), 0), None, "{text}");
        }
    }

    #[test]
    fn names_and_examples_are_no_tokens() {
        for (prefix, text) in [
            ("AKIA", "AKIAIOSFODNN7EXAMPLE"),
            ("AKIA", "AKIAiosfodnn7ABCDEFG"),
            ("ghp_", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
            ("hf_", "hf_thisIsTheNameOfSomeFunctionThatIsLong"),
            ("SG.", "SG.thisIsTheNameOfSomeFunctionThatIsLong.andHas7Dots.butNotWhereTheyBelong"),
            ("npm_", "npm_config_registry"),
            ("npm_", "npm_"),
        ] {
            let shape = SHAPES.iter().find(|shape| shape.prefix == prefix).unwrap();
            assert_eq!(shape.end(text.as_bytes(), 0), None, "{text}");
        }
    }

    fn key(text: &str, mark: &str) -> Option<bool> {
        PrivateKey::at(text.as_bytes(), text.find(mark).unwrap()).map(|key| key.encrypted)
    }

    /// Nothing but marks: what is no key is seen to be none without a look at all that follows, for each of them.
    #[test]
    fn marks_without_keys_are_no_keys() {
        let pem = format!("-----BEGIN {} KEY----- : x\n", "PRIVATE");
        for (text, mark) in [
            ("\"kty\"".to_owned(), KEY_MARKS[3]),
            ("{\"kty\":\"EC\",".to_owned(), KEY_MARKS[3]),
            ("\"kty\":\"EC\",".to_owned(), KEY_MARKS[3]),
            ("\"kty\" : ".to_owned() + &" ".repeat(3000), KEY_MARKS[3]),
            (pem.clone(), KEY_MARKS[0]),
            (pem.replace(" : x\n", ""), KEY_MARKS[0]),
            ("PuTTY-User-Key-File-3".to_owned(), KEY_MARKS[1]),
            ("untrusted comment: \n".to_owned(), KEY_MARKS[2]),
        ] {
            let text = format!("{{{}}}", text.repeat((1 << 20) / text.len()));
            for (at, _) in text.match_indices(mark) {
                assert_eq!(PrivateKey::at(text.as_bytes(), at), None, "{text:.60}");
            }
        }
    }

    #[test]
    fn keys_are_found_however_they_are_written() {
        let body = noise(64, MIXED);
        let pem = |label: &str, body: &str| format!("x -----BEGIN {label}-----{body}-----END {label}-----");
        for (label, body, encrypted) in [
            ("PRIVATE KEY", format!("\n{body}\n"), false),
            ("RSA PRIVATE KEY", format!("\r\n{body}\r\n"), false),
            ("PRIVATE KEY", format!("\\n{body}\\n"), false),
            ("PRIVATE KEY", format!("\\n\"\n   \"{}\\n\"\n   \"{}\\n\"", &body[..32], &body[32..]), false),
            ("ENCRYPTED PRIVATE KEY", format!("\n{body}\n"), true),
            ("RSA PRIVATE KEY", format!("\nProc-Type: 4,ENCRYPTED\nDEK-Info: X,1\n\n{body}\n"), true),
            ("PGP PRIVATE KEY BLOCK", format!("\nVersion: 1\n\n{body}\n"), false),
            ("OPENSSH PRIVATE KEY", format!("\n{}{body}\n", "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU"), false),
            ("OPENSSH PRIVATE KEY", format!("\n{}{body}\n", "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHI"), true),
        ] {
            assert_eq!(key(&pem(label, &body), "-----BEGIN "), Some(encrypted), "{label} {body}");
        }
        for (label, body) in [
            ("PRIVATE KEY", "\n...\n".to_owned()),
            ("PRIVATE KEY", "' file".to_owned()),
            ("PRIVATE KEY", body.clone()),
            ("PUBLIC KEY", format!("\n{body}\n")),
            ("CERTIFICATE", format!("\n{body}\n")),
            ("PRIVATE KEY", format!("\n{}\n", "A".repeat(64))),
            ("PRIVATE KEY", "\nand then comes the text of the key in several lines\n".to_owned()),
        ] {
            assert_eq!(key(&pem(label, &body), "-----BEGIN "), None, "{label} {body}");
        }
        let putty = |encryption: &str| {
            format!(
                "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: {encryption}\nComment: x\nPrivate-Lines: 1\n{body}"
            )
        };
        assert_eq!(key(&putty("none"), "PuTTY"), Some(false));
        assert_eq!(key(&putty("aes256-cbc"), "PuTTY"), Some(true));
        assert_eq!(key("PuTTY-User-Key-File-%d: %s\nPrivate-Lines: %d", "PuTTY"), None);
        let minisign = format!("untrusted comment: minisign encrypted secret key\nRW{}\n", noise(210, MIXED));
        assert_eq!(key(&minisign, "untrusted"), Some(false));
        assert_eq!(key(&minisign.replace("secret", "public"), "untrusted"), None);
        let jwk = format!("{{\"keys\":[{{\"crv\":\"P-256\",\"d\": \"{}\",\"kty\":\"EC\"}}]}}", &body[..43]);
        assert_eq!(key(&jwk, "\"kty\""), Some(false));
        assert_eq!(key(&jwk.replace("\"d\"", "\"x\""), "\"kty\""), None, "a public one");
        assert_eq!(key(&jwk.replace("\"d\"", "\"k\"").replace("EC", "oct"), "\"kty\""), Some(false));
        assert_eq!(key("{\"kty\"", "\"kty\""), None);
    }
}
