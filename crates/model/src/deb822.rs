//! Debian control data: paragraphs of `Field: value` lines (deb822(5)).

/// One paragraph, read lazily: an index of packages has tens of thousands, of which few are looked at closely.
#[derive(Debug, Clone, Copy)]
pub struct Paragraph<'a>(&'a str);

/// The paragraphs of `text`. Lines that begin with `#` are comments.
pub fn paragraphs(text: &str) -> impl Iterator<Item = Paragraph<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches(['\n', '\r']);
            if rest.is_empty() {
                return None;
            }
            let (paragraph, after) = split(rest);
            rest = after;
            if !paragraph.trim().is_empty() {
                return Some(Paragraph(paragraph));
            }
        }
    })
}

/// Splits at the first line that is empty or blank.
fn split(text: &str) -> (&str, &str) {
    let mut from = 0;
    while let Some(at) = text[from..].find('\n').map(|at| from + at) {
        let line = &text[at + 1..];
        let end = line.find('\n').unwrap_or(line.len());
        // Blank, not only empty: some generators leave spaces.
        if line.is_empty() || line[..end].bytes().all(|b| b == b' ' || b == b'\t' || b == b'\r') {
            return (&text[..=at], &line[end..]);
        }
        from = at + 1;
    }
    (text, "")
}

impl<'a> Paragraph<'a> {
    /// All of it.
    pub fn text(self) -> &'a str {
        self.0
    }

    /// The fields in order: name and raw value, which may span lines.
    pub fn fields(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            loop {
                let end = field_end(rest);
                let (field, after) = rest.split_at(end);
                rest = after;
                if field.is_empty() {
                    return None;
                }
                if let Some((name, value)) = field.split_once(':').filter(|_| !field.starts_with('#')) {
                    return Some((name.trim(), value.trim()));
                }
            }
        })
    }

    /// The value of the field `name`, in any case.
    pub fn get(self, name: &str) -> Option<&'a str> {
        self.fields().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }
}

/// Where the first field of `text` ends: after its last continuation line.
fn field_end(text: &str) -> usize {
    let mut from = 0;
    while let Some(at) = text[from..].find('\n').map(|at| from + at) {
        if !text[at + 1..].starts_with([' ', '\t']) || text.starts_with('#') {
            return at + 1;
        }
        from = at + 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_fields_and_continuations() {
        let text = "\n# comment\nA: 1\nB:\n x\n y\n\n \nA:2\r\nC: z";
        let list: Vec<Vec<(&str, &str)>> = paragraphs(text).map(|p| p.fields().collect()).collect();
        assert_eq!(list, [vec![("A", "1"), ("B", "x\n y")], vec![("A", "2"), ("C", "z")]]);
        assert_eq!(paragraphs(text).next().and_then(|p| p.get("b")), Some("x\n y"));
        assert_eq!(paragraphs("").count(), 0);
        assert_eq!(paragraphs("no colon\n").next().map(|p| p.fields().count()), Some(0));
    }
}
