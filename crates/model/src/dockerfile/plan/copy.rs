//! `COPY`: which files, from where to where.

use super::planner::{Planner, STEPS, State, join};
use super::{Copy, Document, Mode, Place, add};
use crate::dockerfile::expand::{self, Mode as Reading};
use crate::dockerfile::ignore::clean;
use crate::dockerfile::instruction::{CopyText, Files};
use crate::dockerfile::line::Text;

/// What `COPY` and `ADD` share.
pub(super) struct Shared {
    pub(super) sources: Vec<(Text, String)>,
    pub(super) documents: Vec<Document>,
    pub(super) to: Place,
    pub(super) owner: Option<String>,
    pub(super) mode: Option<Mode>,
    pub(super) exclude: Vec<String>,
}

impl Planner<'_> {
    pub(super) fn copy(&mut self, state: &State, text: &CopyText) -> Option<Copy> {
        let shared = self.files(state, &text.files)?;
        let mut sources = Vec::new();
        for (at, source) in shared.sources {
            if add::is_url(&source) || add::is_git(&source) {
                let label = "COPY takes files of the build, and nothing from the network";
                let help = "use ADD, with `--checksum=`".to_owned();
                self.wrong(at.span, format!("`{source}` is no path"), label, Some(help));
                continue;
            }
            let (path, below) = match (text.parents, source.split_once("/./")) {
                (false, _) => (source.as_str(), None),
                (true, Some((path, below))) => (path, Some(below)),
                (true, None) => ("/", Some(source.as_str())),
            };
            let below = below.map(|below| clean(&format!("/{below}")).trim_start_matches('/').to_owned());
            sources.push((clean(&format!("/{path}")), below));
        }
        let from = self.origin(text.from.as_ref())?;
        let Shared { documents, to, owner, mode, exclude, .. } = shared;
        Some(Copy { from, sources, documents, to, owner, mode, link: text.files.link, exclude })
    }

    pub(super) fn files(&mut self, state: &State, files: &Files) -> Option<Shared> {
        let mut sources = Vec::new();
        for source in &files.sources {
            sources.push((source.clone(), self.word(state, source)?));
        }
        let mut documents = Vec::new();
        for document in &files.documents {
            let mut text = document.content();
            self.charge(text.len(), &document.body.span)?;
            if document.expands {
                let reading = Reading { no_quotes: true, ..Reading::default() };
                match expand::read(&text, '\\', reading, &*state.env) {
                    Ok(expanded) => {
                        self.charge(expanded.steps / STEPS, &document.body.span)?;
                        text = expanded.text;
                    }
                    Err(error) => {
                        self.unexpanded(&document.body, &error);
                        return None;
                    }
                }
                self.charge(text.len(), &document.body.span)?;
            }
            documents.push(Document { name: document.name.clone(), text });
        }
        let destination = self.word(state, &files.destination)?;
        let owner = match &files.chown {
            Some(owner) => Some(self.word(state, owner)?).filter(|owner| !owner.is_empty()),
            None => None,
        };
        let by_name = |owner: &String| {
            owner.split(':').any(|part| !part.is_empty() && !part.bytes().all(|b| b.is_ascii_digit()))
        };
        if files.link && owner.as_ref().is_some_and(by_name) {
            let at = files.chown.as_ref().unwrap_or(&files.destination).span.clone();
            let label = "a layer of its own knows no names: expected numbers";
            self.wrong(at, "`--link` with the name of an owner".to_owned(), label, None);
        }
        let mode = match &files.chmod {
            Some(text) => {
                let mode = self.word(state, text)?;
                let read = read(&mode);
                if read.is_none() {
                    let label = "expected an octal number up to 7777, or such as `u+x,go-w`";
                    self.wrong(text.span.clone(), format!("`{mode}` is no mode"), label, None);
                }
                read
            }
            None => None,
        };
        let exclude = files.exclude.iter().map(|pattern| pattern.text.clone()).collect();
        let to = Place {
            path: join(&state.config.workdir, &destination),
            folder: destination.is_empty()
                || destination == "."
                || destination.ends_with('/')
                || destination.ends_with("/."),
        };
        Some(Shared { sources, documents, to, owner, mode, exclude })
    }
}

/// A mode as a number, or as `chmod` writes it.
fn read(text: &str) -> Option<Mode> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777).map(Mode::Octal);
    }
    let clause = |clause: &str| {
        let mut rest = clause.trim_start_matches(['u', 'g', 'o', 'a']);
        if rest.is_empty() {
            return false;
        }
        while let Some(after) = rest.strip_prefix(['+', '-', '=']) {
            let copied = after.strip_prefix(['u', 'g', 'o']);
            rest = copied.unwrap_or_else(|| after.trim_start_matches(['r', 'w', 'x', 'X', 's', 't']));
        }
        rest.is_empty()
    };
    text.split(',').all(clause).then(|| Mode::Symbolic(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_as_numbers_and_letters() {
        assert_eq!(read("0755"), Some(Mode::Octal(0o755)));
        assert_eq!(read("7777"), Some(Mode::Octal(0o7777)));
        for text in ["u+x", "go-w,a=r", "=rwX", "u=g", "u+x-w", "+t"] {
            assert_eq!(read(text), Some(Mode::Symbolic(text.to_owned())), "{text}");
        }
        for text in ["", "8", "17777", "u", "u+q", "x", "u+x,", "-1"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
