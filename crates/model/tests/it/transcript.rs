//! Transcripts and locks that somebody has damaged: an error or the same text again, never a panic.

use model::lock::Lock;
use model::transcript::{Exchange, Transcript};

const LINES: &[&str] = &[
    "GET npm:/@a%2fb 200 sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/0 accept=application/vnd.x+json;%20q=1 type=application/json",
    "POST https://example.org:8443/git-upload-pack?x=%20y 200 sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/0 git-protocol=version=2 body=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/0 location=https://example.org/%25",
    "GET maven:/org/a/b/1/b-1.jar 404 sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/0",
];

/// Numbers that look like chance and are the same each time (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

/// The text with a few bytes changed, taken out, doubled or put in.
fn damaged(text: &str, chance: &mut Chance) -> String {
    const PIECES: &[u8] = b" %=:/\n\"[]{}#?@\\\x00\x7f\xffaZ0";
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=chance.below(3) {
        let at = chance.below(bytes.len().max(1));
        let piece = PIECES[chance.below(PIECES.len())];
        match chance.below(4) {
            0 if at < bytes.len() => bytes[at] = piece,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.truncate(at),
            _ => bytes.insert(at.min(bytes.len()), piece),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_damaged_line_is_refused_or_is_itself_again() {
    let mut chance = Chance(0x5e1f_5a3e);
    let (mut refused, mut kept) = (0, 0);
    for nth in 0..60_000 {
        let line = damaged(LINES[nth % LINES.len()], &mut chance);
        match line.parse::<Exchange>() {
            Ok(exchange) => {
                assert_eq!(exchange.to_string(), line, "one text for one exchange");
                kept += 1;
            }
            Err(error) => {
                assert!(error.to_string().len() < 2_000, "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 10_000 && kept > 1_000, "{refused} refused, {kept} kept");
}

#[test]
fn a_lock_with_requests_survives_damage() {
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/0";
    let lines: String = LINES.iter().map(|line| format!("    \"{line}\",\n")).collect();
    let text = format!(
        "selfsame-lock = 1\n\n[toolchain]\nkind = \"debian\"\nsuite = \"x\"\ncomponents = [\"main\"]\narch = \"amd64\"\nrequested = []\nsigned-by = []\n\
         assembler = 2\ntree = \"{digest}\"\npackage = []\n\n[step.\"a b\"]\nuses = [\"npm\", \"web\"]\nrecord = [\"npm ci\"]\nrequests = [\n{lines}]\n"
    );
    let lock = Lock::parse("selfsame.lock", &text).unwrap();
    assert_eq!(lock.steps["a b"].requests.0.len(), LINES.len());
    assert_eq!(Lock::parse("selfsame.lock", &lock.to_text()).unwrap(), lock, "written and read");
    let mut chance = Chance(77);
    for _ in 0..4_000 {
        if let Ok(other) = Lock::parse("selfsame.lock", &damaged(&text, &mut chance)) {
            assert_eq!(Lock::parse("selfsame.lock", &other.to_text()).unwrap(), other);
        }
    }
}

#[test]
fn order_of_lines_does_not_reach_the_digest() {
    let forward = Transcript::from_lines(LINES.iter().copied()).unwrap();
    let back = Transcript::from_lines(LINES.iter().rev().copied()).unwrap();
    assert_eq!(forward.digest(), back.digest());
}
