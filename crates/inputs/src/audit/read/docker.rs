//! Dockerfiles as an audit looks at them: the statements of `model::dockerfile`, broken or not, each with its keyword,
//! flags and arguments where they stand, and what is known of `ARG` in a `FROM`.

use std::collections::BTreeMap;
use std::ops::Range;

use model::dockerfile::{self, Statement};

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
    /// Of `FROM`, `COPY` and `ADD`: the arguments parted, which are no words of a shell.
    parted: Option<Vec<Word>>,
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
    /// All of it.
    pub(crate) span: Range<usize>,
    /// The value, as it is written: with quotes, and over several lines, it is longer.
    pub(crate) at: Range<usize>,
}

/// A word of an instruction's arguments, and where it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
}

/// A Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dockerfile {
    /// `# syntax=…`.
    pub(crate) syntax: Option<Word>,
    /// What escapes.
    escape: char,
    pub(crate) instructions: Vec<Instruction>,
    /// The names of stages, by number; an unnamed one is empty.
    pub(crate) stages: Vec<String>,
    /// `ARG` before the first `FROM`: its default with those before it in their places, and where that stands.
    pub(crate) args: BTreeMap<String, Word>,
    /// The same without the places.
    known: BTreeMap<String, String>,
}

/// No reference to an image is longer, and nothing else is asked of defaults.
const LONGEST: usize = 512;

impl Instruction {
    /// The words of the arguments, quotes taken off.
    pub(crate) fn words(&self) -> Vec<Word> {
        if let Some(parted) = &self.parted {
            return parted.clone();
        }
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
        if text.len() > LONGEST {
            return None;
        }
        let found = dockerfile::expand(text, self.escape, &self.known).ok()?;
        (found.unset.is_empty() && found.text.len() <= LONGEST && !found.text.contains('$'))
            .then_some(found.text)
    }

    /// `ARG` before the first `FROM`. A later one of the same name takes its place, for what comes behind it.
    fn argument(&mut self, name: &str, default: Option<(&str, Range<usize>)>) {
        let expanded = default.and_then(|(text, span)| Some((self.expand(text)?, span)));
        self.args.remove(name);
        self.known.remove(name);
        if let Some((text, span)) = expanded {
            self.known.insert(name.to_owned(), text.clone());
            self.args.insert(name.to_owned(), Word { text, span });
        }
    }

    /// The number of the stage that a name or number means.
    pub(crate) fn is_stage(&self, name: &str, before: usize) -> bool {
        let known = &self.stages[..before.min(self.stages.len())];
        known.iter().any(|stage| !stage.is_empty() && stage.eq_ignore_ascii_case(name))
            || name.parse::<usize>().is_ok_and(|number| number < before)
    }
}

/// Reads a Dockerfile. What is wrong with it is not asked.
pub(crate) fn read(text: &str) -> Dockerfile {
    let reading = dockerfile::read(text);
    let syntax = reading.directives.syntax.map(|text| Word { text: text.text, span: text.span });
    let escape = reading.directives.escape.char();
    let mut file = Dockerfile {
        syntax,
        escape,
        instructions: Vec::new(),
        stages: Vec::new(),
        args: BTreeMap::new(),
        known: BTreeMap::new(),
    };
    for statement in &reading.statements {
        let mut instruction = instruction(statement);
        if instruction.keyword == "FROM" {
            let words = instruction.words();
            let named = words.get(1).filter(|w| w.text.eq_ignore_ascii_case("as")).and(words.get(2));
            file.stages.push(named.map_or_else(String::new, |word| word.text.clone()));
        } else if instruction.keyword == "ARG" && file.stages.is_empty() {
            for word in instruction.words() {
                match word.text.split_once('=') {
                    // Where quotes or other lines are in between, the value's place is not told from the word's.
                    Some((name, value)) => {
                        let whole = word.span.len() == word.text.len();
                        let start = if whole { word.span.start + name.len() + 1 } else { word.span.start };
                        file.argument(name, Some((value, start..word.span.end)));
                    }
                    // It has no default, and what the caller gives is not known.
                    None => file.argument(&word.text, None),
                }
            }
        }
        instruction.stage = file.stages.len().checked_sub(1);
        file.instructions.push(instruction);
    }
    file
}

fn instruction(statement: &Statement) -> Instruction {
    let acting = statement.acting();
    let text = acting.arguments.in_place();
    let flags = acting.flags.iter().map(|flag| Flag {
        name: flag.name.clone(),
        value: flag.value.as_ref().map_or_else(String::new, |value| value.text.clone()),
        span: flag.span.clone(),
        at: flag.value.as_ref().map_or_else(|| flag.span.clone(), |value| value.span.clone()),
    });
    // What runs a document as its script: nothing before it, or a shell.
    let before = text.split("<<").next().unwrap_or_default().trim();
    let alone = acting.is("RUN")
        && (["", "sh", "bash", "ash", "/bin/sh", "/bin/bash"].contains(&before)
            || before.split(' ').next().is_some_and(|word| word.ends_with("bash") || word == "sh"));
    let parted = ["FROM", "COPY", "ADD"].iter().any(|keyword| acting.is(keyword)).then(|| {
        let word = |word: dockerfile::Text| Word { text: word.text, span: word.span };
        acting.words().into_iter().map(word).collect()
    });
    Instruction {
        parted,
        keyword: acting.keyword.text.to_ascii_uppercase(),
        onbuild: statement.trigger.is_some(),
        span: statement.span.clone(),
        flags: flags.collect(),
        at: acting.arguments.span().start,
        documents: statement.heredocs.iter().map(|h| (h.body.span.clone(), alone)).collect(),
        stage: None,
        text,
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
    fn bases_are_known_through_modifiers() {
        let file = read("ARG V=3.12-slim\nARG N\nFROM a:${V%-*}\nFROM b:${V#3.}\nFROM c\\\n:1\n");
        let of = |text: &str| file.expand(text);
        let bases: Vec<_> = file.instructions[2..].iter().map(|i| of(&i.words()[0].text)).collect();
        assert_eq!(bases, ["a:3.12", "b:12-slim", "c:1"].map(|base| Some(base.to_owned())));
        assert_eq!(of("a:${V%-*}").as_deref(), Some("a:3.12"));
        assert_eq!(of("a:${N:-1}").as_deref(), Some("a:1"));
        assert_eq!(of("\"a:${V//./_}\"").as_deref(), Some("a:3_12-slim"));
        assert_eq!((of("a:$N"), of("a:${V^^}")), (None, None));
    }

    #[test]
    fn a_default_is_what_it_is_where_it_stands() {
        let of = |text: &str| {
            let file = read(text);
            let from = file.instructions.iter().find(|i| i.keyword == "FROM").unwrap();
            file.expand(&from.words()[0].text)
        };
        // Modifiers work on the value, not on how it is written; what comes later changes nothing before it.
        let later = "ARG VERSION=3.12\nARG TAG=v${VERSION}\nARG VERSION=4\nFROM a:${TAG//./_}\n";
        assert_eq!(of(later).as_deref(), Some("a:v3_12"));
        assert_eq!(of("ARG A=1\nARG A\nFROM a:$A\n"), None, "the caller's");
        assert_eq!(of("ARG A=$B\nARG B=1\nFROM a:$A\n"), None, "not known there");
    }

    #[test]
    fn what_is_longer_than_any_reference_is_not_kept_and_not_worked_on() {
        let file = read(&format!("ARG x={}\nARG y={}\n", "y".repeat(LONGEST + 1), "y".repeat(LONGEST)));
        assert_eq!(file.args.keys().collect::<Vec<_>>(), ["y"]);
        assert_eq!((file.expand("$y$y"), file.expand(&"z".repeat(LONGEST + 1))), (None, None));
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
