//! Dockerfiles as instructions: parser directives, continued lines, comments between them, documents (`<<EOF`), flags,
//! the JSON form, stages, and what is known of `ARG` and `ENV` in a `FROM`.

use std::collections::BTreeMap;
use std::ops::Range;

use super::node::Node;
use super::{json, shell};

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// In capitals; of `ONBUILD RUN …` it is `RUN`.
    pub(crate) keyword: String,
    pub(crate) onbuild: bool,
    /// All of it, without its documents.
    pub(crate) span: Range<usize>,
    /// `--name=value` before the arguments, with where it stands.
    pub(crate) flags: Vec<Flag>,
    /// Where the arguments begin.
    pub(crate) at: usize,
    /// The arguments, as long as they stand there: continued lines are joined, comments blanked.
    pub(crate) text: String,
    /// Its documents: where each body stands, and whether it is a script that runs.
    pub(crate) documents: Vec<(Range<usize>, bool)>,
    /// The stage that it belongs to, from 0; before the first `FROM`, none.
    pub(crate) stage: Option<usize>,
}

/// A flag of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flag {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) span: Range<usize>,
}

/// A word of an instruction's arguments, and where it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
}

/// A Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Dockerfile {
    /// `# syntax=…`.
    pub(crate) syntax: Option<Word>,
    pub(crate) instructions: Vec<Instruction>,
    /// The names of stages, by number; an unnamed one is empty.
    pub(crate) stages: Vec<String>,
    /// `ARG` before the first `FROM`: its default, and where that stands.
    pub(crate) args: BTreeMap<String, Word>,
}

impl Instruction {
    /// The words of the arguments, quotes taken off.
    pub(crate) fn words(&self) -> Vec<Word> {
        if let Some(items) = self.json() {
            let words = items.into_iter().filter_map(|item| {
                let text = item.str()?.to_owned();
                Some(Word { text, span: self.at + item.span.start..self.at + item.span.end })
            });
            return words.collect();
        }
        let script = shell::read(&self.text.replace(['\n', ';', '&', '|', '(', ')', '<', '>', '#'], " "));
        let mut words = Vec::new();
        for command in script.commands {
            for (name, word) in &command.assigned {
                let span = self.at + word.span.start..self.at + word.span.end;
                words.push(Word { text: format!("{name}={}", word.text), span });
            }
            for word in command.words {
                let span = self.at + word.span.start..self.at + word.span.end;
                words.push(Word { text: word.text, span });
            }
        }
        words
    }

    /// The list of the JSON form.
    pub(crate) fn json(&self) -> Option<Vec<Node>> {
        self.text
            .trim_start()
            .starts_with('[')
            .then(|| json::read(&self.text))
            .flatten()
            .map(|n| n.items().to_vec())
    }

    /// The value of a flag.
    pub(crate) fn flag(&self, name: &str) -> Option<&Flag> {
        self.flags.iter().find(|flag| flag.name == name)
    }
}

impl Dockerfile {
    /// `text` with the defaults of `ARG`s in it, if they are all known.
    pub(crate) fn expand(&self, text: &str) -> Option<String> {
        let known = self.args.iter().map(|(name, word)| (name.clone(), word.text.clone())).collect();
        let mut out = text.to_owned();
        // A default may be composed of others, but not for ever.
        for _ in 0..8 {
            let next = shell::Script { commands: Vec::new(), known: BTreeMap::clone(&known) }.expand(&out);
            if next == out || next.len() > 4096 {
                break;
            }
            out = next;
        }
        // `${NAME:-default}` of an argument without a value.
        if let (Some(start), true) = (out.find("${"), out.contains(":-")) {
            let end = out[start..].find('}').map(|end| start + end)?;
            let default = out[start + 2..end].split_once(":-")?.1.to_owned();
            out.replace_range(start..=end, &default);
        }
        (!out.contains('$')).then_some(out)
    }

    /// The number of the stage that a name or number means.
    pub(crate) fn is_stage(&self, name: &str, before: usize) -> bool {
        let known = &self.stages[..before.min(self.stages.len())];
        known.iter().any(|stage| !stage.is_empty() && stage.eq_ignore_ascii_case(name))
            || name.parse::<usize>().is_ok_and(|number| number < before)
    }
}

/// A line: where it stands, without its end.
fn lines(text: &str) -> Vec<Range<usize>> {
    let mut list = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\n', '\r']);
        list.push(start..start + bare.len());
        start += line.len();
    }
    list
}

/// Reads a Dockerfile.
pub(crate) fn read(text: &str) -> Dockerfile {
    let mut file = Dockerfile::default();
    let lines = lines(text);
    let mut next = 0;
    let mut escape = '\\';
    // Directives stand before everything else, even before other comments.
    while let Some((name, value)) = lines.get(next).and_then(|line| directive(text, line)) {
        match name.as_str() {
            "escape" if value.text == "`" => escape = '`',
            "syntax" => file.syntax = Some(value),
            _ => {}
        }
        next += 1;
    }
    while let Some(line) = lines.get(next) {
        let raw = &text[line.clone()];
        let trimmed = raw.trim_start();
        next += 1;
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let start = line.start + (raw.len() - trimmed.len());
        let mut end = line.end;
        // Everything of the instruction, as long as it stands there.
        let mut body = trimmed.to_owned();
        let mut from = start;
        loop {
            let whole = &text[from..end];
            let bare = whole.trim_end();
            if !bare.ends_with(escape) {
                break;
            }
            let cut = body.len() - (whole.len() - bare.len()) - escape.len_utf8();
            body.truncate(cut);
            body.push_str(&" ".repeat(end - start - cut));
            // Comments and empty lines between are no part of it.
            let mut more = None;
            while let Some(line) = lines.get(next) {
                let raw = &text[line.clone()];
                next += 1;
                body.push_str(&" ".repeat(line.start - (start + body.len())));
                if raw.trim_start().starts_with('#') || raw.trim().is_empty() {
                    body.push_str(&" ".repeat(raw.len()));
                    end = line.end;
                    continue;
                }
                body.push_str(raw);
                more = Some(line.clone());
                break;
            }
            match more {
                Some(line) => (from, end) = (line.start, line.end),
                None => break,
            }
        }
        let mut instruction = instruction(&body, start);
        instruction.span = start..end;
        documents(text, &lines, &mut next, &mut instruction);
        if instruction.keyword == "FROM" {
            let words = instruction.words();
            let named = words.get(1).filter(|w| w.text.eq_ignore_ascii_case("as")).and(words.get(2));
            file.stages.push(named.map_or_else(String::new, |word| word.text.clone()));
        } else if instruction.keyword == "ARG" && file.stages.is_empty() {
            for word in instruction.words() {
                if let Some((name, value)) = word.text.split_once('=') {
                    let start = word.span.start + name.len() + 1;
                    let span = start.min(word.span.end)..word.span.end;
                    file.args.insert(name.to_owned(), Word { text: value.to_owned(), span });
                }
            }
        }
        instruction.stage = file.stages.len().checked_sub(1);
        file.instructions.push(instruction);
    }
    file
}

/// `# name=value`.
fn directive(text: &str, line: &Range<usize>) -> Option<(String, Word)> {
    let raw = &text[line.clone()];
    let inner = raw.trim_start().strip_prefix('#')?;
    let (name, value) = inner.split_once('=')?;
    let name = name.trim().to_ascii_lowercase();
    if !matches!(name.as_str(), "syntax" | "escape" | "check") {
        return None;
    }
    let start = line.end - value.trim_start().len();
    let value = value.trim();
    Some((name, Word { text: value.to_owned(), span: start..start + value.len() }))
}

/// Keyword, flags and arguments.
fn instruction(body: &str, start: usize) -> Instruction {
    let mut at = 0;
    let mut onbuild = false;
    let mut keyword;
    loop {
        let rest = &body[at..];
        let word = rest.split_whitespace().next().unwrap_or_default();
        keyword = word.to_ascii_uppercase();
        at += (rest.len() - rest.trim_start().len()) + word.len();
        if keyword != "ONBUILD" || onbuild {
            break;
        }
        onbuild = true;
    }
    let mut flags = Vec::new();
    loop {
        let rest = &body[at..];
        let blanks = rest.len() - rest.trim_start().len();
        let word = rest.split_whitespace().next().unwrap_or_default();
        let takes = matches!(keyword.as_str(), "FROM" | "COPY" | "ADD" | "RUN" | "HEALTHCHECK");
        let Some(flag) = word.strip_prefix("--").filter(|_| takes && word.len() > 2) else {
            at += blanks;
            break;
        };
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        let from = start + at + blanks;
        flags.push(Flag { name: name.to_owned(), value: value.to_owned(), span: from..from + word.len() });
        at += blanks + word.len();
    }
    let (text, at) = (body[at..].to_owned(), start + at);
    Instruction { keyword, onbuild, span: start..start, flags, at, text, documents: Vec::new(), stage: None }
}

/// The documents that follow `RUN`, `COPY` and `ADD`.
fn documents(text: &str, lines: &[Range<usize>], next: &mut usize, instruction: &mut Instruction) {
    if !matches!(instruction.keyword.as_str(), "RUN" | "COPY" | "ADD") {
        return;
    }
    // What runs a document as its script: nothing before it, or a shell.
    let alone = instruction.keyword == "RUN" && {
        let before = instruction.text.split("<<").next().unwrap_or_default().trim();
        before.is_empty()
            || ["sh", "bash", "ash", "/bin/sh", "/bin/bash"].contains(&before)
            || before.split(' ').next().is_some_and(|word| word.ends_with("bash") || word == "sh")
    };
    let mut names = Vec::new();
    let mut rest = instruction.text.as_str();
    while let Some(at) = rest.find("<<") {
        let after = &rest[at + 2..];
        let (after, here) = match after.strip_prefix('<') {
            Some(after) => (after, true),
            None => (after, false),
        };
        let after = after.strip_prefix('-').unwrap_or(after);
        let bare = after.trim_start_matches(['"', '\'']);
        let end = bare.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(bare.len());
        if end > 0 && !here && !bare.starts_with(|c: char| c.is_ascii_digit()) {
            names.push(bare[..end].to_owned());
        }
        rest = after;
    }
    for name in names {
        let Some(first) = lines.get(*next) else { return };
        let start = first.start;
        let mut end = text.len();
        while let Some(line) = lines.get(*next) {
            *next += 1;
            if text[line.clone()].trim_start_matches('\t') == name {
                end = line.start;
                break;
            }
        }
        instruction.documents.push((start..end.max(start), alone));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# syntax=docker/dockerfile:1\n# escape=\\\n\nARG V=12\nARG BASE=debian:${V}\n\
        FROM --platform=linux/amd64 ${BASE} AS build\nRUN a \\\n# note\n\n  && b\nRUN <<EOF\nc\nEOF\n\
        ONBUILD COPY --from=build [\"x\", \"y\"]\n";

    #[test]
    fn instructions_are_read_whole() {
        let file = read(TEXT);
        assert_eq!(file.syntax.as_ref().unwrap().text, "docker/dockerfile:1");
        assert_eq!(&TEXT[file.syntax.as_ref().unwrap().span.clone()], "docker/dockerfile:1");
        let words: Vec<_> = file.instructions.iter().map(|i| i.keyword.as_str()).collect();
        assert_eq!(words, ["ARG", "ARG", "FROM", "RUN", "RUN", "COPY"]);
        assert_eq!(file.stages, ["build"]);
        let from = &file.instructions[2];
        assert_eq!(file.expand(&from.words()[0].text).as_deref(), Some("debian:12"));
        assert_eq!(&TEXT[from.words()[0].span.clone()], "${BASE}");
        let run = &file.instructions[3];
        assert_eq!(run.text.split_whitespace().collect::<Vec<_>>(), ["a", "&&", "b"]);
        assert_eq!(&TEXT[run.at..run.at + 1], "a");
        assert_eq!(run.at + run.text.len(), run.span.end);
        assert_eq!(&TEXT[file.instructions[4].documents[0].0.clone()], "c\n");
        let copy = &file.instructions[5];
        assert!(copy.onbuild && copy.flag("from").unwrap().value == "build");
        assert_eq!(&TEXT[copy.words()[1].span.clone()], "\"y\"");
    }

    #[test]
    fn another_escape_and_no_end() {
        let file = read("# escape=`\nFROM a:1\nRUN x `\n y\nRUN z \\");
        assert_eq!(file.instructions.len(), 3);
        for text in
            ["RUN \\", "RUN \\\n", "RUN <<E", "FROM", "ONBUILD ONBUILD", "#", "\\\n\\\n", "RUN é\\\n# é\né"]
        {
            read(text);
        }
    }
}
