//! One pass over bytes, in pieces, for all needles at once.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input};
use model::Severity;
use model::credential::{KEY_REACH, SHAPES};

use super::needle::{Excerpt, Needle, Sight};

const PIECE: usize = 256 << 10;
/// So much of what came before is kept, to see what a needle stands in.
const BEHIND: usize = KEY_REACH;
/// So many bytes of needles are turned into a table that is as quick as memory; more would need too much of it.
const QUICK: usize = 16 << 10;

/// All needles.
pub(super) struct Matcher {
    needles: Vec<Needle>,
    /// Made when it is first used: not for an artifact of which everything is known.
    automaton: OnceLock<AhoCorasick>,
    /// How many bytes decide about a needle, from its first one on.
    ahead: usize,
}

/// Who is told: which needle, where, and what is seen of it.
pub(super) type Told<'a> = dyn FnMut(&Needle, u64, &Seen<'_>) + 'a;

/// What is seen of a needle.
pub(super) struct Seen<'a> {
    matcher: &'a Matcher,
    bytes: &'a [u8],
    sight: Sight,
}

impl Seen<'_> {
    pub(super) const fn severity(&self) -> Severity {
        self.sight.severity
    }

    /// What may be shown of it. Looked for only when it is asked for: most of what is found is counted.
    pub(super) fn excerpt(&self) -> String {
        match &self.sight.excerpt {
            Excerpt::Bytes(range) => self.matcher.shown(self.bytes, range.clone()),
            Excerpt::Text(text) => text.clone(),
        }
    }
}

/// What stands for what nobody may see.
const HIDDEN: &str = "***";
/// No token is longer.
const TOKEN: usize = 512;

impl Matcher {
    pub(super) fn new(needles: Vec<Needle>) -> Self {
        let longest = needles.iter().map(|needle| needle.text.len()).max().unwrap_or(0);
        Self { needles, automaton: OnceLock::new(), ahead: KEY_REACH.max(longest + 512) }
    }

    fn automaton(&self) -> &AhoCorasick {
        self.automaton.get_or_init(|| {
            let total: usize = self.needles.iter().map(|needle| needle.text.len()).sum();
            let kind = if total <= QUICK { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
            AhoCorasick::builder()
                .kind(Some(kind))
                .build(self.needles.iter().map(|needle| &needle.text))
                .expect("needles are short, and no command line holds a million of them")
        })
    }

    /// Looks through bytes that are all there.
    pub(super) fn bytes(&self, bytes: &[u8], told: &mut Told<'_>) {
        self.window(bytes, 0, bytes.len(), 0, is_binary(bytes), told);
    }

    /// Looks through what comes, in constant memory; gives how much came.
    pub(super) fn stream(
        &self,
        input: &mut dyn Read,
        window: &mut Vec<u8>,
        told: &mut Told<'_>,
    ) -> io::Result<u64> {
        window.resize(PIECE + self.ahead + BEHIND, 0);
        // The window holds what is at `base`; needles that begin before `from` have been looked at.
        let (mut filled, mut from, mut base) = (0, 0, 0);
        let mut binary = None;
        loop {
            let mut ended = None;
            while filled < window.len() {
                match input.read(&mut window[filled..]) {
                    Ok(0) => {
                        ended = Some(Ok(()));
                        break;
                    }
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // What came before it counts.
                    Err(error) => {
                        ended = Some(Err(error));
                        break;
                    }
                }
            }
            let bytes = &window[..filled];
            let binary = *binary.get_or_insert_with(|| is_binary(bytes));
            let until = if ended.is_some() { filled } else { filled - self.ahead };
            self.window(bytes, from, until, base, binary, told);
            if let Some(ended) = ended {
                return ended.map(|()| base + filled as u64);
            }
            let keep = until.saturating_sub(BEHIND);
            window.copy_within(keep..filled, 0);
            (from, base, filled) = (until - keep, base + keep as u64, filled - keep);
        }
    }

    /// Tells of the needles that begin from `from` on and before `until`.
    fn window(&self, bytes: &[u8], from: usize, until: usize, base: u64, binary: bool, told: &mut Told<'_>) {
        // One folder in another: a path is told once, whichever of them are looked for.
        let mut last = None;
        for found in self.automaton().find_overlapping_iter(Input::new(bytes).span(from..bytes.len())) {
            let (at, needle) = (found.start(), &self.needles[found.pattern().as_usize()]);
            if at >= until || last == Some((at, needle.rule)) {
                continue;
            }
            if let Some(sight) = needle.look(bytes, at, binary) {
                last = Some((at, needle.rule));
                told(needle, base + at as u64, &Seen { matcher: self, bytes, sight });
            }
        }
    }
}

impl Matcher {
    /// A text as it may be shown: without secrets and without what makes a token one.
    pub(super) fn plain(&self, text: &str) -> String {
        self.shown(text.as_bytes(), 0..text.len())
    }

    /// The bytes of `range`, likewise; what is cut off at either end was looked at as it stands.
    fn shown(&self, bytes: &[u8], range: Range<usize>) -> String {
        let longest = self.needles.iter().map(|needle| needle.text.len()).max().unwrap_or(0) + TOKEN;
        let around = range.start.saturating_sub(longest)..range.end.saturating_add(longest).min(bytes.len());
        let secrets = self.automaton().find_overlapping_iter(Input::new(bytes).span(around.clone()));
        let secrets = secrets.filter_map(|found| {
            let needle = &self.needles[found.pattern().as_usize()];
            needle.is_secret().then(|| found.start()..found.end())
        });
        // Tokens too, whether they are looked for or not.
        let tokens = SHAPES.iter().flat_map(|shape| {
            let marks = memchr::memmem::find_iter(&bytes[around.clone()], shape.prefix);
            marks.filter_map(|at| {
                let at = around.start + at;
                Some(at + shape.prefix.len()..shape.end_of_any(bytes, at)?)
            })
        });
        let mut hidden: Vec<Range<usize>> = secrets
            .chain(tokens)
            .filter(|hidden| hidden.start < range.end && hidden.end > range.start)
            .collect();
        hidden.sort_by_key(|hidden| hidden.start);
        let (mut text, mut at) = (String::new(), range.start);
        for hidden in hidden {
            if hidden.end > at {
                text.push_str(&String::from_utf8_lossy(&bytes[at..hidden.start.max(at)]));
                text.push_str(if hidden.start >= at { HIDDEN } else { "" });
                at = hidden.end.min(range.end);
            }
        }
        text.push_str(&String::from_utf8_lossy(&bytes[at..range.end]));
        text
    }
}

/// Whether bytes are no text: as git tells it, by a NUL among the first.
fn is_binary(bytes: &[u8]) -> bool {
    memchr::memchr(0, &bytes[..bytes.len().min(PIECE)]).is_some()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use model::LeakRule;

    use super::*;
    use crate::leak::{Wanted, needle};

    /// Gives its bytes in small pieces of many sizes.
    struct Drops(Cursor<Vec<u8>>, usize);

    impl Read for Drops {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = self.1 * 7 % 4099 + 1;
            let count = buffer.len().min(self.1);
            self.0.read(&mut buffer[..count])
        }
    }

    #[test]
    fn what_is_found_does_not_depend_on_how_it_comes() {
        let wanted = Wanted {
            build_paths: vec!["/build/src".into()],
            rules: LeakRule::ALL.into(),
            ..Wanted::default()
        };
        let matcher = Matcher::new(needle::needles(&wanted));
        let key = format!(
            "-----BEGIN {} KEY-----\n{}\n",
            "PRIVATE",
            "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA3bC6".repeat(2)
        );
        let size = 3 * (PIECE + KEY_REACH + BEHIND);
        for step in [1, 997, PIECE - 3, PIECE, PIECE + KEY_REACH + 1] {
            let mut text = vec![b' '; size];
            let mut places = Vec::new();
            for at in (0..size - 300).step_by(step.max(5000)) {
                let what: &[u8] = if at % 2 == 0 { b"/build/src/x" } else { key.as_bytes() };
                text[at..at + what.len()].copy_from_slice(what);
                places.push(at as u64);
            }
            let mut found = Vec::new();
            matcher.bytes(&text, &mut |_, at, _| found.push(at));
            assert_eq!(found, places, "{step}");
            let mut streamed = Vec::new();
            let mut window = Vec::new();
            let mut input = Drops(Cursor::new(text), 1);
            let count = matcher.stream(&mut input, &mut window, &mut |_, at, _| streamed.push(at)).unwrap();
            assert_eq!((count, streamed), (size as u64, places), "{step}");
        }
    }
}
