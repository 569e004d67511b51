//! Documents in an instruction: `<<NAME`, and the lines up to that name.

use super::expand::{self, Mode, Nothing};
use super::line::Text;

/// A document and how it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// What ends it.
    pub name: String,
    /// The file descriptor before `<<`, 0 if none is.
    pub descriptor: u32,
    /// Whether variables in it are replaced: nothing of its name is quoted.
    pub expands: bool,
    /// `<<-`: tabs at the beginning of lines go.
    pub chomps: bool,
    /// The lines, as they stand there.
    pub body: Text,
}

impl Heredoc {
    /// What a word of a command begins: `<<NAME`, `3<<-'NAME'`.
    pub(super) fn marker(word: &str) -> Option<Self> {
        let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let rest = word[digits..].strip_prefix("<<")?;
        let (chomps, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
        let rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
        if rest.is_empty() || rest.contains('<') {
            return None;
        }
        // A name is one word. That some of it is quoted is seen by what goes when quotes are taken off.
        let read = |mode| expand::read(rest, '\\', Mode { keep_unset: true, ..mode }, &Nothing).ok();
        let bare = read(Mode::default())?.words;
        let raw = read(Mode { raw_quotes: true, ..Mode::default() })?.words;
        let ([name], [raw]) = (&bare[..], &raw[..]) else { return None };
        let quotes = |text: &str| text.matches(['\'', '"']).count();
        Some(Self {
            expands: quotes(name) == quotes(raw),
            name: name.clone(),
            descriptor: word[..digits].parse().unwrap_or(0),
            chomps,
            body: Text::default(),
        })
    }

    /// All that a whole line begins, in their order. A line that no shell would read begins none.
    pub(super) fn markers(line: &str) -> Vec<Self> {
        if !line.contains("<<") {
            return Vec::new();
        }
        let mode = Mode { raw_quotes: true, raw_escapes: true, keep_unset: true, no_quotes: false };
        let words = expand::read(line, '\\', mode, &Nothing).map(|e| e.words).unwrap_or_default();
        words.iter().filter_map(|word| Self::marker(word)).collect()
    }

    /// Whether a line ends it.
    pub(super) fn ends(&self, line: &str) -> bool {
        let line = line.trim_end_matches(['\r', '\n']);
        let line = if self.chomps { line.trim_start_matches('\t') } else { line };
        line == self.name
    }

    /// The lines as they are meant.
    #[must_use]
    pub fn content(&self) -> String {
        if !self.chomps {
            return self.body.text.clone();
        }
        self.body.text.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_begin_as_in_a_shell() {
        let of = |line: &str| {
            let found = Heredoc::markers(line).into_iter();
            found.map(|h| (h.name, h.descriptor, h.expands, h.chomps)).collect::<Vec<_>>()
        };
        let one = |name: &str, expands, chomps| vec![(name.to_owned(), 0, expands, chomps)];
        assert_eq!(of("RUN <<EOF"), one("EOF", true, false));
        assert_eq!(of("RUN <<-EOF"), one("EOF", true, true));
        assert_eq!(of("RUN <<'EOF'"), one("EOF", false, false));
        assert_eq!(of("RUN <<\"E F\""), one("E F", false, false));
        assert_eq!(of("RUN <<E\"O\"F"), one("EOF", false, false));
        assert_eq!(of("RUN << EOF"), one("EOF", true, false));
        assert_eq!(of("RUN <<$EOF"), one("$EOF", true, false));
        assert_eq!(of("RUN <<EOF | sh"), one("EOF", true, false));
        assert_eq!(of("COPY <<a <<b /x/").len(), 2);
        assert_eq!(of("RUN 3<<EOF cat"), [("EOF".to_owned(), 3, true, false)]);
        for none in
            ["RUN '<<EOF'", "RUN a<<EOF", "RUN <<<EOF", "RUN <<", "RUN <<''", "RUN it's <<EOF", "RUN 1 < 2"]
        {
            assert_eq!(of(none), [], "{none}");
        }
    }

    #[test]
    fn tabs_go_where_they_are_said_to() {
        let mut document = Heredoc::marker("<<-X").unwrap();
        document.body.text = "\t\ta\n b\n\tc\td".to_owned();
        assert_eq!(document.content(), "a\n b\nc\td");
        assert!(document.ends("\t\tX\r\n") && !document.ends(" X") && !document.ends("X "));
    }
}
