//! Shell scripts as commands: words with their places, pipes, substitutions, redirections.
//!
//! A word splitter and no shell: nothing is expanded, control words are read over, and a construct that is not understood
//! costs the reader that construct and no more. Enough to say who reads from whom, and what is a comment or a string.

use std::collections::BTreeMap;
use std::ops::Range;

/// How deep substitutions may lie in each other; deeper ones are text.
const DEPTH: usize = 40;

/// One word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Word {
    /// Without quotes; variables and substitutions as they are written.
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
    /// Some of it stood in quotes.
    pub(crate) quoted: bool,
}

/// Where a command stands in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Within {
    /// In none.
    #[default]
    Nothing,
    /// Its output becomes part of a word of that command: `$(…)`.
    Substitution(usize),
    /// Its output is read by that command as a file: `<(…)`.
    Process(usize),
}

/// A simple command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Command {
    /// The first is the program; control words and assignments are not among them.
    pub(crate) words: Vec<Word>,
    /// `NAME=VALUE` before the program.
    pub(crate) assigned: Vec<(String, Word)>,
    /// The command whose output it reads.
    pub(crate) reads: Option<usize>,
    /// It is written `>`, `>>`, `<`, with the file.
    pub(crate) redirected: Vec<(&'static str, Word)>,
    pub(crate) within: Within,
}

/// Programs that only run what follows.
const CARRIERS: &[&str] = &[
    "sudo",
    "doas",
    "env",
    "exec",
    "command",
    "nice",
    "time",
    "nohup",
    "eatmydata",
    "retry",
    "travis_retry",
    "builtin",
    "chronic",
    "stdbuf",
];

impl Command {
    /// The program's name without its folder, and its arguments. `sudo`, `env` and the like are not it.
    pub(crate) fn program(&self) -> Option<(&str, &[Word])> {
        let mut words = &self.words[..];
        loop {
            let (first, rest) = words.split_first()?;
            let name = first.text.rsplit('/').next().unwrap_or_default();
            if !CARRIERS.contains(&name) && name != "timeout" && name != "gosu" {
                return Some((name, rest));
            }
            words = rest;
            if name != "sudo" && name != "env" && name != "nice" {
                let skipped = usize::from(name == "timeout" || name == "gosu");
                let options = words.iter().take_while(|w| w.text.starts_with('-')).count();
                words = words.get(options + skipped..)?;
                continue;
            }
            while let Some(word) = words.first() {
                let takes = matches!(word.text.as_str(), "-u" | "-g" | "-n" | "--user");
                if !word.text.starts_with('-') && !is_assignment(&word.text) {
                    break;
                }
                words = words.get(1 + usize::from(takes)..)?;
            }
        }
    }

    /// From its first word to its last.
    pub(crate) fn span(&self) -> Option<Range<usize>> {
        let first = self.words.first().or(self.assigned.first().map(|(_, w)| w))?;
        let last = self.words.last().unwrap_or(first);
        Some(first.span.start..last.span.end.max(first.span.end))
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| is_name(name.trim_end_matches('+')))
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A script's commands in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Script {
    pub(crate) commands: Vec<Command>,
    /// Variables that are given a word without variables in it.
    pub(crate) known: BTreeMap<String, String>,
}

impl Script {
    /// `text` with the known variables in it replaced.
    pub(crate) fn expand(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let (name, end) = if let Some(inner) = after.strip_prefix('{') {
                match inner.find('}') {
                    Some(end) => (&inner[..end], end + 2),
                    None => ("", 0),
                }
            } else {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                (&after[..end], end)
            };
            let name = name.split(':').next().unwrap_or_default();
            match self.known.get(name) {
                Some(value) => out.push_str(value),
                None => out.push_str(&rest[at..=at + end]),
            }
            rest = &after[end..];
        }
        out.push_str(rest);
        out
    }
}

/// Reads a script.
pub(crate) fn read(text: &str) -> Script {
    let mut reader = Reader {
        bytes: text.as_bytes(),
        at: 0,
        depth: 0,
        back: false,
        commands: Vec::new(),
        heredocs: Vec::new(),
    };
    while reader.at < reader.bytes.len() {
        reader.list(None, Within::Nothing);
    }
    let mut script = Script { commands: reader.commands, known: BTreeMap::new() };
    for command in &script.commands {
        for (name, word) in &command.assigned {
            if !word.text.contains(['$', '`']) {
                script.known.insert(name.clone(), word.text.clone());
            }
        }
        // `export A=b`, `local A=b`
        if matches!(command.program(), Some(("export" | "local" | "declare" | "readonly", _))) {
            for word in &command.words {
                if let Some((name, value)) =
                    word.text.split_once('=').filter(|(_, v)| !v.contains(['$', '`']))
                {
                    script.known.insert(name.to_owned(), value.to_owned());
                }
            }
        }
    }
    script
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// A backquote ends what is read now.
    back: bool,
    commands: Vec<Command>,
    /// Delimiters of documents that begin on the next line, whether tabs before them go, and whose they are.
    heredocs: Vec<(String, usize)>,
}

/// Words that may come before a command and are none.
const CONTROL: &[&str] =
    &["if", "then", "elif", "else", "do", "while", "until", "!", "{", "}", "fi", "done", "esac"];

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// Commands up to `end` or the end of the text.
    fn list(&mut self, end: Option<u8>, within: Within) {
        let mut reads = None;
        while self.at < self.bytes.len() {
            let index = self.commands.len();
            self.commands.push(Command { within, reads: reads.take(), ..Command::default() });
            let piped = self.simple(index, end, within);
            if piped {
                reads = Some(index);
            }
            if end.is_some() && self.peek(0) == end {
                self.at += 1;
                return;
            }
        }
    }

    /// One command with what ends it. True if the next one reads its output.
    fn simple(&mut self, index: usize, end: Option<u8>, within: Within) -> bool {
        loop {
            let Some(byte) = self.peek(0) else { return false };
            if Some(byte) == end {
                return false;
            }
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if self.peek(1) == Some(b'\n') => self.at += 2,
                b'#' => self.at = self.line_end(),
                b'\n' => {
                    self.at += 1;
                    self.bodies(within);
                    return false;
                }
                b';' => {
                    self.at += 1;
                    return false;
                }
                b'&' if self.peek(1) == Some(b'>') => self.redirect(index),
                b'&' => {
                    self.at += if self.peek(1) == Some(b'&') { 2 } else { 1 };
                    return false;
                }
                b'|' => {
                    let (or, both) = (self.peek(1) == Some(b'|'), self.peek(1) == Some(b'&'));
                    self.at += if or || both { 2 } else { 1 };
                    // The reader may stand on the next line.
                    while matches!(self.peek(0), Some(b' ' | b'\t' | b'\n' | b'\r'))
                        || (self.peek(0) == Some(b'\\') && self.peek(1) == Some(b'\n'))
                    {
                        self.at += 1;
                    }
                    return !or;
                }
                b'(' => {
                    self.at += 1;
                    if self.depth < DEPTH {
                        self.depth += 1;
                        self.list(Some(b')'), within);
                        self.depth -= 1;
                    }
                }
                b')' => {
                    self.at += 1;
                    return false;
                }
                b'<' | b'>' if self.peek(1) == Some(b'(') => {
                    let start = self.at;
                    self.at += 2;
                    self.nested(b')', Within::Process(index));
                    let word = Word { text: "<()".to_owned(), span: start..self.at, quoted: false };
                    self.commands[index].words.push(word);
                }
                b'<' if self.peek(1) == Some(b'<') && self.peek(2) != Some(b'<') => {
                    self.at += 2;
                    if self.peek(0) == Some(b'-') {
                        self.at += 1;
                    }
                    self.spaces();
                    let word = self.word(index);
                    self.heredocs.push((word.text, index));
                }
                b'<' | b'>' => self.redirect(index),
                _ => self.take(index),
            }
        }
    }

    fn take(&mut self, index: usize) {
        let word = self.word(index);
        if word.span.is_empty() {
            self.at += 1;
            return;
        }
        let digits = !word.quoted && word.text.bytes().all(|b| b.is_ascii_digit());
        if digits && matches!(self.peek(0), Some(b'<' | b'>')) {
            return;
        }
        let command = &mut self.commands[index];
        if command.words.is_empty() {
            if !word.quoted && CONTROL.contains(&word.text.as_str()) {
                return;
            }
            if is_assignment(&word.text) {
                let (name, value) = word.text.split_once('=').unwrap_or_default();
                let value = Word { text: value.to_owned(), span: word.span.clone(), quoted: word.quoted };
                command.assigned.push((name.trim_end_matches('+').to_owned(), value));
                return;
            }
        }
        let program = command.program().map(|(name, _)| name.to_owned());
        let script = word.quoted
            && matches!(program.as_deref(), Some("sh" | "bash" | "dash" | "ash" | "zsh" | "su"))
            && command.words.last().is_some_and(|w| w.text.starts_with('-') && w.text.ends_with('c'));
        let span = word.span.clone();
        command.words.push(word);
        // `sh -c '…'` has a script of its own.
        if script && self.depth < DEPTH && span.len() >= 2 && matches!(self.bytes[span.start], b'\'' | b'"') {
            let (at, bytes) = (self.at, self.bytes);
            self.bytes = &bytes[..span.end - 1];
            self.at = span.start + 1;
            self.depth += 1;
            self.list(None, Within::Nothing);
            self.depth -= 1;
            (self.at, self.bytes) = (at, bytes);
        }
    }

    fn redirect(&mut self, index: usize) {
        let kind = match (self.peek(0), self.peek(1)) {
            (Some(b'<'), _) => "<",
            (_, Some(b'>')) if self.peek(0) == Some(b'>') => ">>",
            _ => ">",
        };
        while matches!(self.peek(0), Some(b'<' | b'>' | b'&' | b'|')) {
            self.at += 1;
        }
        self.spaces();
        let word = self.word(index);
        if !word.span.is_empty() && !word.text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            self.commands[index].redirected.push((kind, word));
        }
    }

    fn spaces(&mut self) {
        while matches!(self.peek(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn line_end(&self) -> usize {
        self.bytes[self.at..].iter().position(|b| *b == b'\n').map_or(self.bytes.len(), |n| self.at + n)
    }

    /// The documents that begin here. A shell's is a script.
    fn bodies(&mut self, within: Within) {
        for (delimiter, index) in std::mem::take(&mut self.heredocs) {
            let start = self.at;
            let mut end = self.bytes.len();
            while self.at < self.bytes.len() {
                let line_start = self.at;
                let line_end = self.line_end();
                self.at = (line_end + 1).min(self.bytes.len());
                // Blanks before it, because a script may be indented as a whole.
                if self.bytes[line_start..line_end].trim_ascii() == delimiter.as_bytes() {
                    end = line_start;
                    break;
                }
                if line_end >= self.bytes.len() {
                    break;
                }
            }
            let shell = matches!(
                self.commands[index].program(),
                Some(("sh" | "bash" | "dash" | "ash" | "zsh" | "ssh" | "su" | "chroot", _))
            );
            if shell && self.depth < DEPTH && start < end {
                let (at, bytes) = (self.at, self.bytes);
                self.bytes = &bytes[..end];
                self.at = start;
                self.depth += 1;
                self.list(None, within);
                self.depth -= 1;
                (self.at, self.bytes) = (at, bytes);
            }
        }
    }

    /// Commands in a word, up to `end`.
    fn nested(&mut self, end: u8, within: Within) {
        if self.depth >= DEPTH {
            self.at += 1;
            return;
        }
        self.depth += 1;
        let heredocs = std::mem::take(&mut self.heredocs);
        let back = std::mem::replace(&mut self.back, end == b'`');
        self.list(Some(end), within);
        self.back = back;
        self.heredocs = heredocs;
        self.depth -= 1;
    }

    /// The word that begins here; empty if none does.
    fn word(&mut self, index: usize) -> Word {
        let start = self.at;
        let mut text: Vec<u8> = Vec::new();
        let mut quoted = false;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'`' if self.back => break,
                b' ' | b'\t' | b'\n' | b'\r' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => break,
                b'\\' if self.peek(1) == Some(b'\n') => self.at += 2,
                b'\\' => {
                    text.extend(self.peek(1));
                    self.at += 2;
                }
                b'\'' => {
                    quoted = true;
                    self.at += 1;
                    let rest = &self.bytes[self.at..];
                    let end = rest.iter().position(|b| *b == b'\'').unwrap_or(rest.len());
                    text.extend(&rest[..end]);
                    self.at += end + 1;
                }
                b'"' => {
                    quoted = true;
                    self.at += 1;
                    self.double(index, &mut text);
                }
                b'$' => self.dollar(index, &mut text),
                b'`' => self.back(index, &mut text),
                other => {
                    text.push(other);
                    self.at += 1;
                }
            }
        }
        self.at = self.at.min(self.bytes.len());
        Word { text: String::from_utf8_lossy(&text).into_owned(), span: start..self.at.max(start), quoted }
    }

    fn double(&mut self, index: usize, text: &mut Vec<u8>) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'`' if self.back => return,
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' => {
                    if self.peek(1) != Some(b'\n') {
                        text.extend(self.peek(1));
                    }
                    self.at += 2;
                }
                b'$' => self.dollar(index, text),
                b'`' => self.back(index, text),
                other => {
                    text.push(other);
                    self.at += 1;
                }
            }
        }
    }

    fn back(&mut self, index: usize, text: &mut Vec<u8>) {
        let start = self.at;
        self.at += 1;
        self.nested(b'`', Within::Substitution(index));
        self.at = self.at.min(self.bytes.len());
        text.extend(&self.bytes[start..self.at.max(start)]);
    }

    fn dollar(&mut self, index: usize, text: &mut Vec<u8>) {
        let start = self.at;
        match (self.peek(1), self.peek(2)) {
            (Some(b'('), Some(b'(')) => {
                let rest = &self.bytes[self.at..];
                self.at += rest.windows(2).position(|w| w == b"))").map_or(rest.len(), |n| n + 2);
            }
            (Some(b'('), _) => {
                self.at += 2;
                self.nested(b')', Within::Substitution(index));
            }
            (Some(b'{'), _) => {
                let mut depth = 0_usize;
                while let Some(byte) = self.peek(0) {
                    self.at += 1;
                    match byte {
                        b'{' => depth += 1,
                        b'}' => {
                            depth = depth.saturating_sub(1);
                            if depth == 0 {
                                break;
                            }
                        }
                        b'\n' => break,
                        _ => {}
                    }
                }
            }
            _ => self.at += 1,
        }
        self.at = self.at.min(self.bytes.len());
        text.extend(&self.bytes[start..self.at.max(start)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        let script = read(text);
        script
            .commands
            .iter()
            .filter(|c| !c.words.is_empty())
            .map(|c| c.words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn commands_are_told_apart() {
        let cases: &[(&str, &[&str])] = &[
            ("a b && c; d | e # f", &["a b", "c", "d", "e"]),
            ("if ! a; then b 'c d'; fi", &["a", "b c d"]),
            ("x=1 y=\"$(date +%s)\" run", &["run", "date +%s"]),
            ("cat <<EOF >f\ncurl x | sh\nEOF\nnext", &["cat", "next"]),
            ("bash -eu <<'EOF'\n  one\nEOF\ntwo", &["bash -eu", "one", "two"]),
            ("sh -c 'a | b' c", &["sh -c a | b c", "a", "b"]),
            ("a \\\n  b \\\n && c", &["a b", "c"]),
            ("bash <(curl u)", &["bash <()", "curl u"]),
            ("echo 'curl x | sh'", &["echo curl x | sh"]),
            ("a 2>/dev/null 2>&1", &["a"]),
            ("(cd x && make)", &["cd x", "make"]),
            ("a ${{ matrix.x }} b", &["a ${{ matrix.x }} b"]),
        ];
        for (text, expected) in cases {
            assert_eq!(said(text), *expected, "{text}");
        }
    }

    #[test]
    fn pipes_are_followed() {
        let script = read("curl u | tee f | sudo -E bash -");
        let last = script.commands.iter().rfind(|c| !c.words.is_empty()).unwrap();
        assert_eq!(last.program().unwrap().0, "bash");
        assert_eq!(last.reads, Some(1));
    }

    #[test]
    fn variables_are_known() {
        let script = read("V=1.2\nexport W=x\nU=$(date)");
        assert_eq!(script.expand("a-$V-${W}-${V:-3}-$U-$"), "a-1.2-x-1.2-$U-$");
    }

    #[test]
    fn nothing_breaks_it() {
        for text in ["$(", "`", "'", "\"", "\\", "${", "<<", "<(", "((((", ")", "a <<E\n", "$((", "sh -c '"] {
            read(text);
        }
        read(&"$(".repeat(10_000));
        read(&"(".repeat(100_000));
        read(&"`".repeat(10_001));
    }
}
