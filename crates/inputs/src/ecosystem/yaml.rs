//! YAML as lockfiles use it: mappings, lists and texts, with the line of each.
//!
//! Anchors and aliases are refused: no lockfile has them, and a few lines of them can describe more than memory holds.

use model::RelPath;
use saphyr_parser::{Event, Parser};

use super::{EcosystemError, Problem};

/// How deeply values may be nested.
const MAX_DEPTH: usize = 64;

/// A value and the line that it begins on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Yaml {
    pub(super) line: usize,
    value: Kind,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Nothing,
    Text(String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

static NOTHING: Yaml = Yaml { line: 0, value: Kind::Nothing };

impl Yaml {
    /// The value under a key; an empty one if there is none.
    pub(super) fn get(&self, key: &str) -> &Self {
        self.entries().find(|(k, _)| *k == key).map_or(&NOTHING, |(_, value)| value)
    }

    /// The pairs of a mapping, in order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Self)> {
        let list = if let Kind::Map(list) = &self.value { list.as_slice() } else { &[] };
        list.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The items of a list.
    pub(super) fn items(&self) -> impl Iterator<Item = &Self> {
        if let Kind::List(list) = &self.value { list.iter() } else { [].iter() }
    }

    /// A text, number or truth value as it is written.
    pub(super) fn text(&self) -> Option<&str> {
        if let Kind::Text(text) = &self.value { Some(text) } else { None }
    }
}

/// Reads the first document of a text; `fix` is told with a fault.
pub(super) fn parse(file: &RelPath, text: &str, fix: &str) -> Result<Yaml, EcosystemError> {
    let wrong = |line: usize, found: String| {
        Problem::form(file, line, "YAML of the form that its tool writes", found, fix)
    };
    // Open mappings and lists, with the key that the next value of a mapping is for.
    let mut open: Vec<(Yaml, Option<String>)> = Vec::new();
    let mut root = Yaml::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| wrong(e.marker().line(), e.info().to_owned()))?;
        let line = span.start.line();
        let done = match event {
            Event::Scalar(value, ..) => Yaml { line, value: Kind::Text(value.into_owned()) },
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                if open.len() >= MAX_DEPTH {
                    return Err(wrong(line, format!("values in more than {MAX_DEPTH} others")));
                }
                let map = matches!(event, Event::MappingStart(..));
                let value = if map { Kind::Map(Vec::new()) } else { Kind::List(Vec::new()) };
                open.push((Yaml { line, value }, None));
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => match open.pop() {
                Some((value, _)) => value,
                None => continue,
            },
            Event::Alias(_) => return Err(wrong(line, "an alias (`*name`)".to_owned())),
            Event::DocumentEnd => return Ok(root),
            _ => continue,
        };
        let Some((parent, key)) = open.last_mut() else {
            root = done;
            continue;
        };
        match &mut parent.value {
            Kind::List(list) => list.push(done),
            Kind::Map(list) => match key.take() {
                Some(name) => list.push((name, done)),
                None => match done.value {
                    Kind::Text(name) => *key = Some(name),
                    _ => return Err(wrong(done.line, "a key that is no text".to_owned())),
                },
            },
            Kind::Nothing | Kind::Text(_) => {}
        }
    }
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_lines_and_hostile_texts_end_in_errors() {
        let file: RelPath = "x.yaml".parse().unwrap();
        let yaml = parse(&file, "a: '6.0'\n\nb:\n  - x\n  - {c: d}\n", "").unwrap();
        assert_eq!(yaml.get("a").text(), Some("6.0"));
        let items: Vec<_> = yaml.get("b").items().collect();
        assert_eq!((items[0].text(), items[1].get("c").text(), items[1].line), (Some("x"), Some("d"), 5));
        assert_eq!(yaml.get("none").get("none").text(), None);
        for text in ["a: [", "a: &x 1\nb: *x\n", "? [a]\n: b\n", &"[".repeat(10_000)] {
            assert!(parse(&file, text, "").is_err(), "{text:.20}");
        }
    }
}
