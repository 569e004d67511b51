//! Replacing secrets in a stream of bytes, however it is cut into pieces.
//!
//! Each pattern is followed through the stream as Knuth, Morris and Pratt do: how much of its beginning are the last
//! bytes? The longest such beginning is held back, for it may become a secret; all before it can go. Every byte of
//! every occurrence is marked, also where two overlap, and each run of marked bytes is told as [`MARK`].

/// What stands instead of a secret.
pub(super) const MARK: &[u8] = b"***";

/// What is to be replaced.
pub(super) struct Patterns {
    list: Vec<Pattern>,
    /// The bytes that one of them begins with.
    first: [bool; 256],
}

struct Pattern {
    bytes: Vec<u8>,
    /// By how much of it has come: how much of its beginning that ends with.
    back: Vec<usize>,
}

impl Patterns {
    pub(super) fn new(patterns: Vec<Vec<u8>>) -> Self {
        let list: Vec<_> = patterns.into_iter().filter(|bytes| !bytes.is_empty()).map(Pattern::new).collect();
        let mut first = [false; 256];
        for pattern in &list {
            first[usize::from(pattern.bytes[0])] = true;
        }
        Self { list, first }
    }

    /// A text with every pattern replaced; if it was `cut`, a beginning of one at its end too.
    pub(super) fn text(&self, text: &str, cut: bool) -> String {
        if self.list.is_empty() {
            return text.to_owned();
        }
        let mut out = Vec::new();
        let mut redaction = Redaction::new(self);
        redaction.write(text.as_bytes(), &mut |bytes| out.extend_from_slice(bytes));
        if cut {
            redaction.marked.fill(true);
        }
        redaction.finish(&mut |bytes| out.extend_from_slice(bytes));
        String::from_utf8_lossy(&out).into_owned()
    }
}

impl Pattern {
    fn new(bytes: Vec<u8>) -> Self {
        let mut back = vec![0; bytes.len() + 1];
        let mut so_far = 0;
        for at in 1..bytes.len() {
            while so_far > 0 && bytes[so_far] != bytes[at] {
                so_far = back[so_far];
            }
            if bytes[so_far] == bytes[at] {
                so_far += 1;
            }
            back[at + 1] = so_far;
        }
        Self { bytes, back }
    }

    /// How much of it has come when, after `so_far` of it, `byte` comes.
    fn step(&self, mut so_far: usize, byte: u8) -> usize {
        if so_far == self.bytes.len() {
            so_far = self.back[so_far];
        }
        while so_far > 0 && self.bytes[so_far] != byte {
            so_far = self.back[so_far];
        }
        if self.bytes[so_far] == byte { so_far + 1 } else { 0 }
    }
}

/// A stream in which secrets are replaced.
pub(crate) struct Redaction<'a> {
    patterns: &'a Patterns,
    /// Of each pattern, how much has come.
    so_far: Vec<usize>,
    /// What is held back, and which of it belongs to a secret.
    held: Vec<u8>,
    marked: Vec<bool>,
    /// Whether the last byte that went was one of a secret.
    in_secret: bool,
}

impl<'a> Redaction<'a> {
    pub(super) fn new(patterns: &'a Patterns) -> Self {
        let so_far = vec![0; patterns.list.len()];
        Self { patterns, so_far, held: Vec::new(), marked: Vec::new(), in_secret: false }
    }

    /// Takes a piece, and tells what is certain by now.
    pub(crate) fn write(&mut self, piece: &[u8], tell: &mut dyn FnMut(&[u8])) {
        if self.so_far.is_empty() {
            return tell(piece);
        }
        let mut longest = self.so_far.iter().copied().max().unwrap_or(0);
        for byte in piece {
            self.held.push(*byte);
            self.marked.push(false);
            if longest == 0 && !self.patterns.first[usize::from(*byte)] {
                continue;
            }
            longest = 0;
            for (pattern, so_far) in self.patterns.list.iter().zip(&mut self.so_far) {
                *so_far = pattern.step(*so_far, *byte);
                longest = longest.max(*so_far);
                if *so_far == pattern.bytes.len() {
                    let begin = self.marked.len() - *so_far;
                    self.marked[begin..].fill(true);
                }
            }
        }
        self.pass(self.held.len() - longest, tell);
    }

    /// Tells what was held back.
    pub(crate) fn finish(mut self, tell: &mut dyn FnMut(&[u8])) {
        self.pass(self.held.len(), tell);
    }

    /// Lets the first `count` bytes go.
    fn pass(&mut self, count: usize, tell: &mut dyn FnMut(&[u8])) {
        let mut at = 0;
        while at < count {
            let marked = self.marked[at];
            let run = self.marked[at..count].iter().take_while(|other| **other == marked).count();
            if !marked {
                tell(&self.held[at..at + run]);
            } else if !self.in_secret {
                tell(MARK);
            }
            self.in_secret = marked;
            at += run;
        }
        self.held.drain(..count);
        self.marked.drain(..count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(list: &[&str]) -> Patterns {
        Patterns::new(list.iter().map(|text| text.as_bytes().to_vec()).collect())
    }

    /// The text in pieces of each size: all must come out the same.
    fn redacted(list: &[&str], text: &str) -> String {
        let patterns = patterns(list);
        let mut results: Vec<String> = Vec::new();
        for size in 1..=text.len().max(1) {
            let mut out = Vec::new();
            let mut redaction = Redaction::new(&patterns);
            for piece in text.as_bytes().chunks(size) {
                redaction.write(piece, &mut |bytes| out.extend_from_slice(bytes));
            }
            redaction.finish(&mut |bytes| out.extend_from_slice(bytes));
            results.push(String::from_utf8(out).unwrap());
        }
        results.dedup();
        assert_eq!(results.len(), 1, "{text}: {results:?}");
        results.remove(0)
    }

    #[test]
    fn every_occurrence_is_replaced_however_it_is_cut() {
        for (list, text, expected) in [
            (&["secret"][..], "a secret, and the secret\n", "a ***, and the ***\n"),
            (&["secret"], "secretsecret secre secreecret", "*** secre secreecret"),
            (&["abab"], "xababab abaabab", "x*** aba***"),
            (&["aaaa"], "aaaaaaa aaa", "*** aaa"),
            (&["abcdef", "defghi"], "-abcdefghi-", "-***-"),
            (&["abcdef", "cde"], "abcdeg abcdef cd", "ab***g *** cd"),
            (&["abcd"], "abc", "abc"),
            (&["abcd"], "", ""),
            (&[], "abcd", "abcd"),
        ] {
            assert_eq!(redacted(list, text), expected, "{list:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_secret_any_more_is_not_held_back() {
        let patterns = patterns(&["secret"]);
        let mut redaction = Redaction::new(&patterns);
        let mut told = |piece: &str| {
            let mut out = Vec::new();
            redaction.write(piece.as_bytes(), &mut |bytes| out.extend_from_slice(bytes));
            String::from_utf8(out).unwrap()
        };
        assert_eq!(told("ready? "), "ready? ");
        assert_eq!(told("sec"), "");
        assert_eq!(told("s"), "sec");
        assert_eq!(told("ecrets\n"), "***s\n");
    }

    #[test]
    fn a_text_that_was_cut_may_end_in_a_part() {
        let patterns = patterns(&["secret"]);
        assert_eq!(patterns.text("the secr", false), "the secr");
        assert_eq!(patterns.text("the secr", true), "the ***");
        assert_eq!(patterns.text("the end", true), "the end");
    }
}
