//! Names and numbers of stages, and what `--from=` means by them.

use std::collections::BTreeMap;

use crate::dockerfile::instruction::FromText;
use crate::dockerfile::line::{self, Text};
use crate::dockerfile::statement::Statement;

/// The stages of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::dockerfile) struct Names {
    by_name: BTreeMap<String, usize>,
    count: usize,
}

impl Names {
    /// Names as they stand there, right or wrong; of two that are the same, the first.
    pub(super) fn of(statements: &[Statement]) -> Self {
        let mut names = Self::default();
        for from in statements.iter().filter(|s| s.is("FROM")) {
            let words = line::plain(&from.arguments);
            if let [_, word, name] = &words[..]
                && word.text.eq_ignore_ascii_case("as")
            {
                names.by_name.entry(name.text.to_lowercase()).or_insert(names.count);
            }
            names.count += 1;
        }
        names
    }

    /// The names of stages that hold together.
    pub(in crate::dockerfile) fn new(names: impl Iterator<Item = Option<String>>) -> Self {
        let mut all = Self::default();
        for name in names {
            all.by_name.extend(name.map(|name| (name, all.count)));
            all.count += 1;
        }
        all
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// The first stage of a name.
    pub(in crate::dockerfile) fn first(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// All names.
    pub(in crate::dockerfile) fn all(&self) -> Vec<&str> {
        self.by_name.keys().map(String::as_str).collect()
    }

    /// What a name, or of `COPY` a number, means in a stage. An error is what is wrong with it.
    pub(super) fn from(&self, word: &Text, stage: usize, numbers: bool) -> Result<FromText, String> {
        let number = word.text.parse::<i64>().ok().filter(|_| numbers);
        let found = match number {
            Some(number) => match usize::try_from(number) {
                Ok(number) if number < self.count => Some(number),
                _ => return Err(format!("expected a number below {}, the number of stages", self.count)),
            },
            None => self.first(&word.text.to_lowercase()),
        };
        match found {
            Some(found) if found < stage => Ok(FromText::Stage(found)),
            Some(found) if found == stage => Err("a stage cannot take files from itself".to_owned()),
            Some(_) => Err("the stage stands further down: expected one before this".to_owned()),
            None if word.text == "scratch" => Ok(FromText::Scratch),
            None => Ok(FromText::Image(word.clone())),
        }
    }
}
