//! One word, character by character.

use std::fmt::Write as _;

use super::{COST, DEPTH, ExpandError, Mode, Variables};
use crate::dockerfile::pattern::Pattern;

/// Reads one word.
pub(super) struct Lexer<'a> {
    pub(super) rest: &'a str,
    pub(super) limit: usize,
    pub(super) escape: char,
    pub(super) mode: Mode,
    pub(super) variables: &'a dyn Variables,
    pub(super) unset: Vec<String>,
    pub(super) depth: usize,
    pub(super) steps: usize,
}

/// Words as they come.
#[derive(Default)]
struct Words {
    word: String,
    list: Vec<String>,
}

impl Words {
    fn char(&mut self, c: char) {
        if !c.is_whitespace() {
            self.word.push(c);
        } else if !self.word.is_empty() {
            self.list.push(std::mem::take(&mut self.word));
        }
    }

    fn done(mut self) -> Vec<String> {
        if !self.word.is_empty() {
            self.list.push(self.word);
        }
        self.list
    }
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next();
        self.rest = chars.as_str();
        c
    }

    fn bounded(&self, text: &str) -> Result<(), ExpandError> {
        if text.len() > self.limit { Err(ExpandError::Long) } else { Ok(()) }
    }

    /// Reads up to a character, which is taken too, or up to the end. In a pattern, what is quoted is no wildcard.
    pub(super) fn until(
        &mut self,
        stop: Option<char>,
        raw_escapes: bool,
        pattern: bool,
    ) -> Result<(String, Vec<String>), ExpandError> {
        let before = std::mem::replace(&mut self.mode.raw_escapes, raw_escapes);
        let mut text = String::new();
        // Nobody asks for the words of what stands in braces.
        let mut words = Words::default();
        while let Some(c) = self.peek() {
            if stop == Some(c) {
                self.next();
                self.mode.raw_escapes = before;
                return Ok((text, words.done()));
            }
            match c {
                '$' => {
                    let value = self.dollar()?;
                    text.push_str(&value);
                    value.chars().for_each(|c| words.char(c));
                    self.bounded(&text)?;
                }
                '\'' | '"' if !self.mode.no_quotes => {
                    let value = if c == '"' { self.double(pattern)? } else { self.single(pattern)? };
                    text.push_str(&value);
                    words.word.push_str(&value);
                    self.bounded(&text)?;
                }
                // Blanks between `<<` and the name of a document belong to the word.
                '<' if stop.is_none() => {
                    let blanks = match self.rest.strip_prefix("<<") {
                        Some(rest) => 2 + rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len(),
                        None => 1,
                    };
                    text.push_str(&self.rest[..blanks]);
                    words.word.push_str(&self.rest[..blanks]);
                    self.rest = &self.rest[blanks..];
                }
                _ if c == self.escape => {
                    self.next();
                    if self.mode.raw_escapes {
                        words.word.push(c);
                        text.push(c);
                    }
                    // At the end it is nothing.
                    let Some(escaped) = self.next() else { break };
                    words.word.push(escaped);
                    text.push(escaped);
                }
                _ => {
                    self.next();
                    words.char(c);
                    text.push(c);
                }
            }
        }
        match stop {
            Some(stop) => Err(ExpandError::Open(stop)),
            None => Ok((text, words.done())),
        }
    }

    /// Between single quotes everything is as it is.
    fn single(&mut self, pattern: bool) -> Result<String, ExpandError> {
        let inner = &self.rest[1..];
        let end = inner.find('\'').ok_or(ExpandError::Quote('\''))?;
        let value = if self.mode.raw_quotes { &self.rest[..end + 2] } else { &inner[..end] };
        let value = if pattern {
            value.replace(self.escape, &String::from_iter([self.escape, self.escape]))
        } else {
            value.to_owned()
        };
        self.rest = &inner[end + 1..];
        Ok(value)
    }

    /// Between double quotes variables are replaced, and `"`, `$` and the escape character can be escaped.
    fn double(&mut self, pattern: bool) -> Result<String, ExpandError> {
        let mut text = String::new();
        self.next();
        if self.mode.raw_quotes {
            text.push('"');
        }
        loop {
            match self.peek().ok_or(ExpandError::Quote('"'))? {
                '"' => {
                    self.next();
                    if self.mode.raw_quotes {
                        text.push('"');
                    }
                    return Ok(text);
                }
                '$' => {
                    text.push_str(&self.dollar()?);
                    self.bounded(&text)?;
                }
                c if c == self.escape => {
                    self.next();
                    let escapes =
                        matches!(self.peek(), Some(next) if next == '"' || next == '$' || next == c);
                    // Before anything else it stands for itself.
                    let raw = self.mode.raw_escapes && (escapes || pattern || !self.mode.raw_quotes);
                    match self.peek() {
                        None => {}
                        Some(next) => {
                            text.extend(raw.then_some(c));
                            text.push(if escapes { next } else { c });
                            if escapes {
                                self.next();
                            }
                        }
                    }
                }
                c => {
                    self.next();
                    text.push(c);
                }
            }
        }
    }

    /// `$x` and `${x…}`.
    fn dollar(&mut self) -> Result<String, ExpandError> {
        self.next();
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            return Ok(match self.get(&name) {
                None if self.mode.keep_unset => format!("${name}"),
                value => self.needed(&name, value),
            });
        }
        self.next();
        match self.peek() {
            None => return Err(ExpandError::Open('}')),
            Some('{' | '}' | ':') => return Err(ExpandError::Name),
            Some(_) => {}
        }
        let name = self.name();
        if self.depth >= DEPTH {
            return Err(ExpandError::Deep);
        }
        self.depth += 1;
        let value = self.modified(&name);
        self.depth -= 1;
        value
    }

    /// What follows the name in braces, and the brace.
    fn modified(&mut self, name: &str) -> Result<String, ExpandError> {
        let first = self.next().ok_or(ExpandError::Open('}'))?;
        let (null_is_unset, modifier) = match first {
            '}' => {
                return Ok(match self.get(name) {
                    None if self.mode.keep_unset => format!("${{{name}}}"),
                    value => self.needed(name, value),
                });
            }
            '/' => return self.replaced(name),
            ':' => (true, self.next().ok_or(ExpandError::Open('}'))?),
            '+' | '-' | '?' | '#' | '%' => (false, first),
            other => return Err(ExpandError::Modifier(other.to_string())),
        };
        let written = if null_is_unset { format!(":{modifier}") } else { modifier.to_string() };
        let pattern = matches!(modifier, '#' | '%');
        if null_is_unset && pattern {
            return Err(ExpandError::Modifier(written));
        }
        let (word, _) = self.until(Some('}'), pattern, pattern)?;
        let value = self.get(name);
        if value.is_none() && self.mode.keep_unset {
            return Ok(format!("${{{name}{written}{word}}}"));
        }
        let there = value.as_ref().is_some_and(|value| !(null_is_unset && value.is_empty()));
        match modifier {
            '-' => Ok(if there { value.unwrap_or_default() } else { word }),
            '+' => Ok(if there { word } else { String::new() }),
            '?' if there => Ok(value.unwrap_or_default()),
            '?' => {
                let default = if value.is_none() { "is not set" } else { "is empty" };
                let message = if word.is_empty() { default.to_owned() } else { word };
                Err(ExpandError::Required { name: name.to_owned(), message })
            }
            '#' | '%' => {
                let value = self.needed(name, value);
                let longest = word.starts_with(modifier);
                let word = if longest { &word[1..] } else { &word };
                let pattern = match modifier {
                    '#' => Pattern::substitution(word)?,
                    _ => Pattern::reversed_substitution(word)?,
                };
                self.walk(&pattern, &value)?;
                Ok(if modifier == '#' {
                    let end = pattern.prefix(value.chars(), longest).unwrap_or(0);
                    value[end..].to_owned()
                } else {
                    let end = pattern.prefix(value.chars().rev(), longest).unwrap_or(0);
                    value[..value.len() - end].to_owned()
                })
            }
            _ => Err(ExpandError::Modifier(written)),
        }
    }

    /// `${x/what/by}` and `${x//what/by}`.
    fn replaced(&mut self, name: &str) -> Result<String, ExpandError> {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let (what, _) = self.until(Some('/'), true, true)?;
        let (by, _) = self.until(Some('}'), true, false)?;
        let value = self.get(name);
        if value.is_none() && self.mode.keep_unset {
            return Ok(format!("${{{name}/{what}/{by}}}"));
        }
        let value = self.needed(name, value);
        let pattern = Pattern::substitution(&what)?;
        self.walk(&pattern, &value)?;
        let mut text = String::new();
        let mut rest = value.as_str();
        // Right after a match that has a length, one without is none.
        let mut after = false;
        while let Some(found) = pattern.find(rest) {
            if !(after && found.is_empty() && found.start == 0) {
                text.push_str(&rest[..found.start]);
                if all {
                    template(&mut text, &by, &rest[found.clone()]);
                } else {
                    text.push_str(&by);
                }
                self.bounded(&text)?;
            }
            after = !found.is_empty();
            if found.is_empty() {
                let from = if found.start == 0 { 0 } else { found.start };
                let step = rest[from..].chars().next().map_or(0, char::len_utf8);
                text.push_str(&rest[from..from + step]);
                rest = &rest[from + step..];
                if step == 0 {
                    break;
                }
            } else {
                rest = &rest[found.end..];
            }
            if !all {
                break;
            }
        }
        text.push_str(rest);
        Ok(text)
    }

    /// Letters, digits and `_`; digits alone; or one special character.
    fn name(&mut self) -> String {
        let digits = self.rest.len() - self.rest.trim_start_matches(char::is_numeric).len();
        let end = if digits > 0 {
            digits
        } else if self.rest.starts_with(['@', '*', '#', '?', '-', '$', '!']) {
            1
        } else {
            self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len())
        };
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name.to_owned()
    }

    fn get(&self, name: &str) -> Option<String> {
        self.variables.value(name).map(str::to_owned)
    }

    /// Counts what walking over a value costs.
    fn walk(&mut self, pattern: &Pattern, value: &str) -> Result<(), ExpandError> {
        self.steps += pattern.cost(value.len());
        if self.steps > COST { Err(ExpandError::Cost) } else { Ok(()) }
    }

    /// The value of a variable for which there is no other text.
    fn needed(&mut self, name: &str, value: Option<String>) -> String {
        if value.is_none() && !self.unset.iter().any(|known| known == name) && self.unset.len() < 64 {
            self.unset.push(name.to_owned());
        }
        value.unwrap_or_default()
    }
}

/// Where all places are replaced, BuildKit reads the new text as a template of Go's: `$0` is what was there, other
/// names are nothing, `$$` is `$`.
fn template(out: &mut String, by: &str, found: &str) {
    let mut rest = by;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (braced, inner) = rest.strip_prefix('{').map_or((false, rest), |inner| (true, inner));
        let end = inner.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inner.len());
        let closed = !braced || inner[end..].starts_with('}');
        if end == 0 || !closed {
            out.push('$');
            continue;
        }
        if inner[..end].chars().all(|c| c == '0') {
            let _ = out.write_str(found);
        }
        rest = &inner[end + usize::from(braced)..];
    }
    out.push_str(rest);
}
