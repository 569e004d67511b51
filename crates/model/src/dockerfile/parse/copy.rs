//! `COPY` and `ADD`.

use super::{Checker, Names, Take};
use crate::dockerfile::array::Form;
use crate::dockerfile::expand::{self, Nothing};
use crate::dockerfile::heredoc::Heredoc;
use crate::dockerfile::instruction::{AddText, CopyText, Files, FromText};
use crate::dockerfile::line::Text;
use crate::dockerfile::statement::Statement;

use super::checker::Flags;

const SHARED: [(&str, Take); 4] =
    [("chown", Take::One), ("chmod", Take::One), ("link", Take::Yes), ("exclude", Take::Many)];

/// So much of documents may one instruction have, each counted as often as it is named.
const DOCUMENTS: usize = 16 << 20;

impl Checker {
    pub(super) fn copy(&mut self, statement: &Statement, stage: usize, names: &Names) -> Option<CopyText> {
        let known = [&SHARED[..], &[("from", Take::One), ("parents", Take::Yes)]].concat();
        let mut flags = self.flags(statement, &known);
        let from = match flags.filled("from") {
            Some(word) => Some(self.copied_from(&word, stage, names)?),
            None => None,
        };
        let parents = flags.yes("parents").unwrap_or(false);
        Some(CopyText { files: self.files(statement, flags)?, from, parents })
    }

    pub(super) fn add(&mut self, statement: &Statement) -> Option<AddText> {
        let own = [("checksum", Take::One), ("keep-git-dir", Take::Yes), ("unpack", Take::Yes)];
        let known = [&SHARED[..], &own[..]].concat();
        let mut flags = self.flags(statement, &known);
        let (keep_git_dir, unpack) = (flags.yes("keep-git-dir"), flags.yes("unpack"));
        let checksum = flags.filled("checksum");
        Some(AddText { files: self.files(statement, flags)?, checksum, keep_git_dir, unpack })
    }

    fn copied_from(&mut self, word: &Text, stage: usize, names: &Names) -> Option<FromText> {
        // A name that would change by being expanded has something in it that is no name.
        let plain =
            expand::expand(&word.text, self.escape.char(), &Nothing).is_ok_and(|e| e.text == word.text);
        if !plain {
            let label = "variables are not expanded here";
            let help = "write `FROM … AS name` with the variable, and take from that name".to_owned();
            self.wrong(word.span.clone(), "`--from=` with a variable".to_owned(), label, Some(help));
            return None;
        }
        match names.from(word, stage, true) {
            Ok(from) => Some(from),
            Err(label) => {
                self.wrong(word.span.clone(), format!("`{}` cannot be copied from", word.text), label, None);
                None
            }
        }
    }

    fn files(&mut self, statement: &Statement, mut flags: Flags) -> Option<Files> {
        if statement.form() == Form::Mixed {
            self.mixed(statement);
            return None;
        }
        let words = statement.words();
        let Some((destination, sources)) = words.split_last().filter(|(_, sources)| !sources.is_empty())
        else {
            self.few(statement, "at least two arguments: what is copied, and where to");
            return None;
        };
        if Heredoc::marker(&destination.text).is_some() {
            let label = "expected a path, and documents before it";
            self.wrong(destination.span.clone(), "a document as the destination".to_owned(), label, None);
            return None;
        }
        let mut files = Files {
            sources: Vec::new(),
            documents: Vec::new(),
            destination: destination.clone(),
            chown: flags.filled("chown"),
            chmod: flags.filled("chmod"),
            link: flags.yes("link").unwrap_or(false),
            exclude: flags.many("exclude"),
        };
        let mut length = 0;
        for source in sources {
            let Some(mut document) = Heredoc::marker(&source.text) else {
                files.sources.push(source.clone());
                continue;
            };
            // Of two with the same name, the later one is meant by both.
            let body = statement.heredocs.iter().rev().find(|known| known.name == document.name);
            // Which is then there as often as it is named.
            length += body.map_or(0, |known| known.body.text.len());
            if length > DOCUMENTS {
                let label = format!("expected at most {DOCUMENTS} bytes of documents in one instruction");
                self.wrong(source.span.clone(), "too many documents".to_owned(), label, None);
                return None;
            }
            document.body = body.map(|known| known.body.clone()).unwrap_or_default();
            files.documents.push(document);
        }
        Some(files)
    }
}
