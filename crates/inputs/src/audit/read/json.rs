//! JSON with places, and with what editors allow in it: comments and commas before a bracket.

use super::node::{DEPTH, Node, Style, Value};

/// The value of a text; `None` if it is no JSON.
pub(crate) fn read(text: &str) -> Option<Node> {
    let mut reader = Reader { text, at: 0 };
    reader.value(0)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(b'/') => {
                    let rest = &self.text[self.at..];
                    let end = if rest.starts_with("//") {
                        rest.find('\n').unwrap_or(rest.len())
                    } else if rest.starts_with("/*") {
                        rest.find("*/").map_or(rest.len(), |end| end + 2)
                    } else {
                        return;
                    };
                    self.at += end;
                }
                _ => {
                    // A byte order mark, which some editors write.
                    if self.at == 0 && self.text.starts_with('\u{feff}') {
                        self.at = 3;
                        continue;
                    }
                    return;
                }
            }
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Option<Node> {
        if depth > DEPTH {
            return None;
        }
        self.blanks();
        let start = self.at;
        match self.peek()? {
            b'"' => self.string(),
            b'[' => {
                self.at += 1;
                let mut items = Vec::new();
                loop {
                    self.blanks();
                    if self.eat(b']') {
                        return Some(Node { span: start..self.at, value: Value::List(items) });
                    }
                    items.push(self.value(depth + 1)?);
                    self.blanks();
                    if !self.eat(b',') && self.peek() != Some(b']') {
                        return None;
                    }
                }
            }
            b'{' => {
                self.at += 1;
                let mut entries = Vec::new();
                loop {
                    self.blanks();
                    if self.eat(b'}') {
                        return Some(Node { span: start..self.at, value: Value::Map(entries) });
                    }
                    let key = self.string()?;
                    self.blanks();
                    if !self.eat(b':') {
                        return None;
                    }
                    entries.push((key, self.value(depth + 1)?));
                    self.blanks();
                    if !self.eat(b',') && self.peek() != Some(b'}') {
                        return None;
                    }
                }
            }
            _ => {
                let rest = &self.text[start..];
                let length = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '+' | '.'))
                    .unwrap_or(rest.len());
                self.at += length;
                (length > 0).then(|| Node::scalar(start..self.at, &rest[..length], Style::Plain))
            }
        }
    }

    fn string(&mut self) -> Option<Node> {
        let start = self.at;
        if !self.eat(b'"') {
            return None;
        }
        loop {
            match self.peek()? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        let raw = self.text.get(start..self.at)?;
        let text = serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw[1..raw.len() - 1].to_owned());
        Some(Node::scalar(start..self.at, text, Style::Double))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_last_commas_are_read_over() {
        let text = "// c\n{ \"a\": [1, \"b\\n\", /* x */ true,], }";
        let root = read(text).unwrap();
        let items = root.get("a").unwrap().items();
        assert_eq!(items[1].str(), Some("b\n"));
        assert_eq!(&text[items[1].span.clone()], "\"b\\n\"");
        assert_eq!(read(&"[".repeat(100_000)), None);
        assert_eq!(read("{\"a"), None);
        assert_eq!(read("\"\\"), None);
    }
}
