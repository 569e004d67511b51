//! `HEALTHCHECK` and its flags.

use super::{Checker, Take};
use crate::dockerfile::health::{self, Health};
use crate::dockerfile::instruction::CommandText;
use crate::dockerfile::line::Text;
use crate::dockerfile::statement::Statement;

impl Checker {
    pub(super) fn health(&mut self, statement: &Statement) -> Option<Health> {
        let line = &statement.arguments;
        let text = line.as_str();
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let rest = line.slice(text.len() - text[end..].trim_start().len()..text.len());
        let command = self.command(statement, &rest)?;
        let empty = match &command {
            CommandText::List(list) => list.is_empty(),
            CommandText::Line(line) => line.text.is_empty(),
        };
        match text[..end].to_ascii_uppercase().as_str() {
            "" => {
                self.few(statement, "`CMD command` or `NONE`");
                None
            }
            // Its flags are read by nobody, in BuildKit too.
            "NONE" if empty => Some(Health { test: vec!["NONE".to_owned()], ..Health::default() }),
            "NONE" => {
                self.wrong(
                    rest.span(),
                    "HEALTHCHECK NONE with arguments".to_owned(),
                    "expected nothing",
                    None,
                );
                None
            }
            "CMD" => {
                let take = [
                    ("interval", Take::One),
                    ("timeout", Take::One),
                    ("start-period", Take::One),
                    ("start-interval", Take::One),
                    ("retries", Take::One),
                ];
                let mut flags = self.flags(statement, &take);
                let mut time = |name| {
                    let value = flags.one(name).filter(|v| !v.text.is_empty());
                    value.map_or(0, |value| self.interval(&value))
                };
                let mut health = Health {
                    interval: time("interval"),
                    timeout: time("timeout"),
                    start_period: time("start-period"),
                    start_interval: time("start-interval"),
                    ..Health::default()
                };
                if let Some(value) = flags.one("retries").filter(|v| !v.text.is_empty()) {
                    match value.text.parse::<i32>() {
                        Ok(number) if number >= 0 => health.retries = number.into(),
                        _ => self.wrong(
                            value.span,
                            "not a number of retries".to_owned(),
                            "expected such as `3`",
                            None,
                        ),
                    }
                }
                if empty {
                    self.few(statement, "a command after `CMD`");
                    return None;
                }
                health.test = match command {
                    CommandText::List(list) => [vec!["CMD".to_owned()], list].concat(),
                    CommandText::Line(line) => vec!["CMD-SHELL".to_owned(), line.text],
                };
                Some(health)
            }
            other => {
                let title = format!("`{other}` is no health check");
                self.wrong(line.place(0..end), title, "expected `CMD command` or `NONE`", None);
                None
            }
        }
    }

    fn interval(&mut self, value: &Text) -> i64 {
        // An engine does not take less than a millisecond.
        match health::duration(&value.text) {
            Some(time) if time == 0 || time >= 1_000_000 => time,
            _ => {
                let label = "expected such as `30s`, and at least `1ms`";
                self.wrong(value.span.clone(), "not a duration".to_owned(), label, None);
                0
            }
        }
    }
}
