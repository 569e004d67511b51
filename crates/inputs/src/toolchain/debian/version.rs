//! Debian versions and their order (Debian Policy 5.6.12, deb-version(7)).

use std::cmp::Ordering;
use std::fmt;

/// A version: `[epoch:]upstream[-revision]`. Every text is one; order is as `dpkg` has it.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    text: &'a str,
    epoch: u64,
    upstream: &'a str,
    revision: &'a str,
}

impl<'a> Version<'a> {
    /// Takes a text apart.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => match epoch.parse() {
                Ok(epoch) => (epoch, rest),
                Err(_) => (0, text),
            },
            None => (0, text),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Self { text, epoch, upstream, revision }
    }
}

impl fmt::Display for Version<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare(self.upstream, other.upstream))
            .then_with(|| compare(self.revision, other.revision))
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version<'_> {}

/// By turns a part without digits, compared with letters before all else and `~` before even the end, and a number.
fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        loop {
            let letter = |s: &[u8]| s.first().copied().filter(|c| !c.is_ascii_digit());
            let (x, y) = (letter(a), letter(b));
            if x.is_none() && y.is_none() {
                break;
            }
            match weight(x).cmp(&weight(y)) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let (x, y) = (digits(&mut a), digits(&mut b));
        match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
    Ordering::Equal
}

fn weight(c: Option<u8>) -> u16 {
    match c {
        Some(b'~') => 0,
        None => 1,
        Some(c) if c.is_ascii_alphabetic() => u16::from(c) + 1,
        Some(c) => u16::from(c) + 257,
    }
}

/// Takes the leading number off, without leading zeros.
fn digits<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|c| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    *text = rest;
    let zeros = number.iter().take_while(|c| **c == b'0').count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_dpkg() {
        // Each line ascends. The first is the policy's own example.
        let lines: &[&[&str]] = &[
            &["~~", "~~a", "~", "", "a"],
            &[
                "1.0~beta1~svc1",
                "1.0~beta1",
                "1.0",
                "1.0-1",
                "1.0-1+b1",
                "1.0-1.1",
                "1.0-2",
                "1.0.1",
                "1:0.1",
            ],
            &["1.2.9", "1.2.10", "1.2a", "1.2a1", "1.2+b", "1.2-1~", "2"],
            &["0.9-1", "0.10-1"],
            &["4:12.2.0-3", "5:1"],
            &["1.0a", "1.0ab", "1.0a+"],
            &["99999999999999999999999999998", "99999999999999999999999999999"],
            &["1-2-2", "1-2-10", "1-10-1"],
        ];
        for line in lines {
            for (i, a) in line.iter().enumerate() {
                for (j, b) in line.iter().enumerate() {
                    if line[0] == "1.2.9" && (i > 1 || j > 1) {
                        continue;
                    }
                    assert_eq!(Version::new(a).cmp(&Version::new(b)), i.cmp(&j), "{a} against {b}");
                }
            }
        }
        let pairs = [("1.2a", "1.2+b"), ("1.2-1~", "1.2-1"), ("1.2.10", "1.2a"), ("1.2", "1.2a")];
        let sorted = |a: &str, b: &str| Version::new(a) < Version::new(b);
        assert!(sorted(pairs[0].0, pairs[0].1) && sorted(pairs[1].0, pairs[1].1));
        assert!(!sorted(pairs[2].0, pairs[2].1), "letters come before other signs");
        assert!(sorted(pairs[3].0, pairs[3].1));
        for (a, b) in [("1.0", "1.00"), ("1.0", "0:1.0"), ("1.0-0", "1.0"), ("01", "1")] {
            assert_eq!(Version::new(a), Version::new(b), "{a} {b}");
        }
    }
}
