//! From statements to a tree that holds together; everything wrong is collected.

mod checker;
mod copy;
mod health;
mod names;
mod run;

use std::ops::Range;

use super::array::Form;
use super::instruction::{Argument, CommandText, Dockerfile, Instruction, Pair, Says, StageText};
use super::line::{self, Escape, Line, Text};
use super::statement::{self, Statement};
use crate::{Diagnostic, Diagnostics};

use checker::{Checker, Take};
pub(super) use names::Names;

/// Every instruction.
pub(super) const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// What is told at once, at most.
const MOST: usize = 100;

/// Reads a Dockerfile. `origin` is its name in messages.
///
/// # Errors
/// With everything that is wrong, up to a hundred things, in the order of the file.
pub fn parse(origin: &str, text: &str) -> Result<Dockerfile, Diagnostics> {
    let reading = statement::read(text);
    let mut c = Checker { list: reading.mistakes, escape: reading.directives.escape };
    let names = Names::of(&reading.statements);
    let mut args = Vec::new();
    let mut stages: Vec<StageText> = Vec::new();
    let mut begun = 0;
    for statement in &reading.statements {
        if statement.is("FROM") {
            stages.extend(c.from(statement, begun, &names));
            begun += 1;
            continue;
        }
        let before = c.list.len();
        let says = c.says(statement, begun.saturating_sub(1), &names);
        match (stages.last_mut(), says) {
            (Some(stage), Some(says)) => {
                stage.instructions.push(Instruction { span: statement.span.clone(), says });
            }
            (None, Some(Says::Arg(list))) => args.extend(list),
            (None, Some(_)) if before == c.list.len() && begun == 0 && names.count() > 0 => c.wrong(
                statement.keyword.span.clone(),
                format!("`{}` stands before the first FROM", statement.keyword.text.to_ascii_uppercase()),
                "only ARG may",
                Some("begin with `FROM image`".to_owned()),
            ),
            _ => {}
        }
    }
    if names.count() == 0 {
        let (label, span) = match reading.statements.first() {
            None => ("the file has no instruction", 0..0),
            Some(first) => ("the first instruction is not what a stage begins with", first.span.clone()),
        };
        c.wrong(span, "no FROM".to_owned(), label, Some("begin with `FROM image`".to_owned()));
    }
    if c.list.is_empty() {
        let directives = reading.directives;
        return Ok(Dockerfile { origin: origin.to_owned(), text: text.to_owned(), directives, args, stages });
    }
    Err(collected(origin, text, c.list))
}

/// What is wrong, in the order of the file, and not more than can be read.
pub(super) fn collected(origin: &str, text: &str, mut list: Vec<Diagnostic>) -> Diagnostics {
    list.sort_by_key(|wrong| wrong.span.as_ref().map_or(0, |span| span.start));
    let more = list.len().saturating_sub(MOST);
    list.truncate(MOST);
    if more > 0 {
        list.push(Diagnostic {
            title: format!("{more} more mistakes"),
            span: None,
            label: "they are not listed".to_owned(),
            help: None,
        });
    }
    Diagnostics { origin: origin.to_owned(), text: text.to_owned(), list }
}

/// Reads what an `ONBUILD` recorded, as an instruction of a stage. Its spans are of `expression`.
pub(super) fn trigger(expression: &str, stage: usize, names: &Names) -> Result<Instruction, Vec<Diagnostic>> {
    let reading = statement::read(expression);
    let mut c = Checker { list: reading.mistakes, escape: Escape::Backslash };
    let [statement] = &reading.statements[..] else {
        c.wrong(0..0, "not one instruction".to_owned(), format!("found {}", reading.statements.len()), None);
        return Err(c.list);
    };
    if statement.is("FROM") {
        c.wrong(0..0, "`FROM` in a trigger".to_owned(), "it begins a stage, and no trigger does", None);
    }
    let says = c.says(statement, stage, names);
    match says {
        Some(says) if c.list.is_empty() => Ok(Instruction { span: statement.span.clone(), says }),
        _ => Err(c.list),
    }
}

impl Checker {
    /// `FROM [--platform=…] base [AS name]`.
    fn from(&mut self, statement: &Statement, number: usize, names: &Names) -> Option<StageText> {
        let mut flags = self.flags(statement, &[("platform", Take::One)]);
        let words = line::plain(&statement.arguments);
        let (base, name) = match &words[..] {
            [base] => (base, None),
            [base, word, name] if word.text.eq_ignore_ascii_case("as") => (base, Some(name)),
            _ => {
                let label =
                    format!("expected `FROM base` or `FROM base AS name`, found {} words", words.len());
                self.wrong(statement.span.clone(), "FROM with other words".to_owned(), label, None);
                return None;
            }
        };
        if let Some(name) = name {
            let small = name.text.to_lowercase();
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
            if !small.starts_with(|c: char| c.is_ascii_lowercase()) || !small.chars().all(fits) {
                let label = "letters, digits and `- _ .` are allowed, and a letter at the beginning";
                self.wrong(name.span.clone(), format!("`{}` is no name for a stage", name.text), label, None);
            } else if names.first(&small).is_some_and(|first| first != number) {
                let label = "another stage has it already, and a name means one stage";
                let help = Some("give one of them another name".to_owned());
                self.wrong(name.span.clone(), format!("a second stage `{small}`"), label, help);
            }
        }
        Some(StageText {
            span: statement.span.clone(),
            platform: flags.one("platform"),
            base: base.clone(),
            name: name.map(|name| Text { text: name.text.to_lowercase(), span: name.span.clone() }),
            instructions: Vec::new(),
        })
    }

    /// Everything but `FROM`.
    fn says(&mut self, statement: &Statement, stage: usize, names: &Names) -> Option<Says> {
        let keyword = statement.keyword.text.to_ascii_uppercase();
        let line = &statement.arguments;
        Some(match keyword.as_str() {
            // Flags of these two are read by nobody, in BuildKit too.
            "ARG" => Says::Arg(self.arguments(statement)?),
            "STOPSIGNAL" => Says::StopSignal(self.whole(statement)?),
            "HEALTHCHECK" => Says::Health(self.health(statement)?),
            "RUN" => Says::Run(self.run(statement, stage, names)?),
            "COPY" => Says::Copy(self.copy(statement, stage, names)?),
            "ADD" => Says::Add(self.add(statement)?),
            _ => {
                if KEYWORDS.contains(&keyword.as_str()) {
                    self.flags(statement, &[]);
                }
                match keyword.as_str() {
                    "ENV" => Says::Env(self.pairs(statement)?),
                    "LABEL" => Says::Label(self.pairs(statement)?),
                    "WORKDIR" => Says::Workdir(self.whole(statement)?),
                    "USER" => Says::User(self.whole(statement)?),
                    "MAINTAINER" => Says::Maintainer(self.whole(statement)?.text),
                    "CMD" => Says::Cmd(self.command(statement, line)?),
                    "ENTRYPOINT" => Says::Entrypoint(self.command(statement, line)?),
                    "SHELL" => Says::Shell(self.shell(statement)?),
                    "EXPOSE" => Says::Expose(self.some(statement, line::plain(line))?),
                    "VOLUME" => Says::Volume(self.volume(statement)?),
                    "ONBUILD" => Says::OnBuild(self.onbuild(statement)?),
                    _ => {
                        let title = format!("`{}` is no instruction", statement.keyword.text);
                        // Nobody reads what comes after so many.
                        let near =
                            if self.list.len() < MOST { checker::nearest(&keyword, &KEYWORDS) } else { None };
                        let help = near.map(|near| format!("did you mean `{near}`?"));
                        let label = format!("expected one of {}", KEYWORDS.join(", "));
                        self.wrong(statement.keyword.span.clone(), title, label, help);
                        return None;
                    }
                }
            }
        })
    }

    /// All arguments as one text, blanks and all.
    fn whole(&mut self, statement: &Statement) -> Option<Text> {
        let line = &statement.arguments;
        if line.as_str().is_empty() {
            self.few(statement, "exactly one argument");
            return None;
        }
        Some(line.piece(0..line.as_str().len()))
    }

    fn few(&mut self, statement: &Statement, expected: &str) {
        let keyword = statement.keyword.text.to_ascii_uppercase();
        let title =
            format!("{keyword} without {}", if expected.contains("two") { "enough" } else { "arguments" });
        self.wrong(statement.span.clone(), title, format!("expected {expected}"), None);
    }

    fn some(&mut self, statement: &Statement, words: Vec<Text>) -> Option<Vec<Text>> {
        if words.is_empty() {
            self.few(statement, "at least one argument");
            return None;
        }
        Some(words)
    }

    /// `name` and `name=default`.
    fn arguments(&mut self, statement: &Statement) -> Option<Vec<Argument>> {
        let words = line::quoted(&statement.arguments, self.escape);
        let words = self.some(statement, words)?;
        let list = words.into_iter().map(|word| match word.text.split_once('=') {
            Some((name, default)) => {
                let pair = pair(&word, name, default);
                Argument { name: pair.name, default: Some(pair.value) }
            }
            None => Argument { name: word, default: None },
        });
        let list: Vec<_> = list.collect();
        self.named(statement, list.iter().map(|a| &a.name)).then_some(list)
    }

    /// `name=value …`, or `name value`.
    fn pairs(&mut self, statement: &Statement) -> Option<Vec<Pair>> {
        let line = &statement.arguments;
        let words = line::quoted(line, self.escape);
        let words = self.some(statement, words)?;
        let list = if words[0].text.contains('=') {
            let mut list = Vec::new();
            for word in &words {
                let Some((name, value)) = word.text.split_once('=') else {
                    let title = format!("`{}` has no value", word.text);
                    let help = "put a value with blanks in double quotes".to_owned();
                    self.wrong(word.span.clone(), title, "expected `name=value`", Some(help));
                    return None;
                };
                list.push(pair(word, name, value));
            }
            list
        } else {
            let text = line.as_str();
            let Some(end) = text.find(line::parts) else {
                self.few(statement, "two: `name=value`");
                return None;
            };
            let value = text.len() - text[end..].trim_start_matches(line::parts).len();
            vec![Pair { name: line.piece(0..end), value: line.piece(value..text.len()) }]
        };
        self.named(statement, list.iter().map(|p| &p.name)).then_some(list)
    }

    fn named<'a>(&mut self, statement: &Statement, mut names: impl Iterator<Item = &'a Text>) -> bool {
        let Some(nameless) = names.find(|name| name.text.is_empty()) else { return true };
        let title = format!("{} without a name", statement.keyword.text.to_ascii_uppercase());
        self.wrong(nameless.span.clone(), title, "expected a name before the `=`", None);
        false
    }

    /// A list, or a line.
    fn command(&mut self, statement: &Statement, line: &Line) -> Option<CommandText> {
        match super::array::form(line) {
            Form::List(items) => Some(CommandText::List(items.into_iter().map(|item| item.text).collect())),
            Form::Line => Some(CommandText::Line(line.piece(0..line.as_str().len()))),
            Form::Mixed => {
                self.mixed(statement);
                None
            }
        }
    }

    fn mixed(&mut self, statement: &Statement) {
        let title = "a list of other things than strings".to_owned();
        self.wrong(statement.arguments.span(), title, "expected such as `[\"program\", \"argument\"]`", None);
    }

    fn shell(&mut self, statement: &Statement) -> Option<Vec<String>> {
        match self.command(statement, &statement.arguments)? {
            CommandText::List(list) if !list.is_empty() => Some(list),
            CommandText::Line(line) if !line.text.is_empty() => {
                let label = "expected a list such as `[\"/bin/bash\", \"-c\"]`";
                self.wrong(line.span, "SHELL is not written as a list".to_owned(), label, None);
                None
            }
            _ => {
                self.few(statement, "at least one argument");
                None
            }
        }
    }

    fn volume(&mut self, statement: &Statement) -> Option<Vec<Text>> {
        if statement.form() == Form::Mixed {
            self.mixed(statement);
            return None;
        }
        let mut words = self.some(statement, statement.words())?;
        for word in &mut words {
            word.text = word.text.trim().to_owned();
            if word.text.is_empty() {
                self.wrong(word.span.clone(), "VOLUME without a path".to_owned(), "expected a path", None);
                return None;
            }
        }
        Some(words)
    }

    /// What is recorded: the instruction as one line, with its documents.
    fn onbuild(&mut self, statement: &Statement) -> Option<String> {
        let Some(trigger) = &statement.trigger else {
            self.few(statement, "an instruction");
            return None;
        };
        let keyword = trigger.keyword.text.to_ascii_uppercase();
        if matches!(keyword.as_str(), "ONBUILD" | "FROM" | "MAINTAINER") {
            let title = format!("`{keyword}` is no trigger");
            self.wrong(trigger.keyword.span.clone(), title, "expected another instruction", None);
            return None;
        }
        // What is no list and no pair is so for a trigger too.
        let before = self.list.len();
        match keyword.as_str() {
            "ENV" | "LABEL" if !trigger.arguments.as_str().is_empty() => drop(self.pairs(trigger)),
            "ADD" | "COPY" | "RUN" | "CMD" | "ENTRYPOINT" | "SHELL" | "VOLUME"
                if trigger.form() == Form::Mixed =>
            {
                self.mixed(trigger);
            }
            _ => {}
        }
        if self.list.len() > before {
            return None;
        }
        let line = statement.line.as_str();
        let mut recorded =
            line.trim_start().get("ONBUILD".len()..).unwrap_or_default().trim_start().to_owned();
        for document in &statement.heredocs {
            recorded.push('\n');
            recorded.push_str(&document.body.text);
            recorded.push_str(&document.name);
        }
        Some(recorded)
    }
}

/// A word with an `=` in it, as both of its halves.
fn pair(word: &Text, name: &str, value: &str) -> Pair {
    let Range { start, end } = word.span;
    if word.text.len() != end - start {
        // Where quotes were taken off, nobody knows what stood where.
        let whole = |text: &str| Text { text: text.to_owned(), span: start..end };
        return Pair { name: whole(name), value: whole(value) };
    }
    let middle = start + name.len();
    Pair {
        name: Text { text: name.to_owned(), span: start..middle },
        value: Text { text: value.to_owned(), span: (middle + 1).min(end)..end },
    }
}
