//! TOML with places.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::node::{Node, Style, Value};

/// The table of a text; `None` if it is no TOML.
pub(crate) fn read(text: &str) -> Option<Node> {
    let table = DeTable::parse(text).ok()?;
    let span = table.span();
    Some(map(text, table.get_ref(), span))
}

fn map(text: &str, table: &DeTable<'_>, span: std::ops::Range<usize>) -> Node {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| {
            let name = Node::scalar(key.span(), key.get_ref().as_ref(), Style::Plain);
            (name, node(text, value))
        })
        .collect();
    // The crate sorts by name; a reader goes by the text.
    entries.sort_by_key(|(key, _)| key.span.start);
    Node { span, value: Value::Map(entries) }
}

fn node(text: &str, value: &Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let plain = |word: &str| Node::scalar(span.clone(), word, Style::Plain);
    match value.get_ref() {
        DeValue::String(string) => {
            let single = text.get(span.clone()).is_some_and(|raw| raw.starts_with('\''));
            Node::scalar(span, string.as_ref(), if single { Style::Single } else { Style::Double })
        }
        DeValue::Array(items) => {
            let items = items.iter().map(|item| node(text, item)).collect();
            Node { span, value: Value::List(items) }
        }
        DeValue::Table(table) => map(text, table, span),
        DeValue::Integer(number) => plain(number.as_str()),
        DeValue::Float(number) => plain(number.as_str()),
        DeValue::Boolean(yes) => plain(if *yes { "true" } else { "false" }),
        DeValue::Datetime(time) => plain(&time.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_text() {
        let text = "b = 1\n[a]\nx = { git = 'u', list = [\"é\", \"q\"] }\n";
        let root = read(text).unwrap();
        assert_eq!(root.entries()[0].0.str(), Some("b"));
        let git = root.at(&["a", "x", "git"]).unwrap();
        assert_eq!((&text[git.span.clone()], git.str()), ("'u'", Some("u")));
        assert_eq!(&text[root.at(&["a", "x", "list"]).unwrap().items()[1].span.clone()], "\"q\"");
        assert_eq!(read("a ="), None);
    }
}
