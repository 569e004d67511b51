//! What a command answers: text for people or an envelope for programs, and how the process ends.

use anstream::println;
use anstyle::Style;
use model::event::Unit;
use serde_json::Value;

use super::safe;
use crate::exit::Exit;

/// The answer of a command.
pub(crate) struct Answer {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// For programs.
    pub(crate) data: Value,
    /// For people; printed to standard output as it is: what others wrote in it has gone through [`safe`].
    pub(crate) text: String,
}

impl Answer {
    /// A good answer.
    pub(crate) fn ok(data: Value, text: impl Into<String>) -> Self {
        Self { exit: Exit::Ok, data, text: text.into() }
    }

    /// Prints it to standard output.
    pub(crate) fn print(&self, verb: &str, json: bool) {
        if json {
            println!("{}", safe::json(&envelope(verb, self.exit, "result", &self.data)));
        } else if !self.text.is_empty() {
            println!("{}", self.text.trim_end_matches('\n'));
        }
    }
}

/// The JSON envelope: `schema` is the verb and the version of what `result` or `error` holds.
pub(crate) fn envelope(verb: &str, exit: Exit, key: &str, data: &Value) -> String {
    let (code, name, ok) = (exit.code(), exit.name(), exit == Exit::Ok);
    // By hand, so that a reader meets the schema first.
    format!(r#"{{"schema":"{verb}/1","ok":{ok},"exit":{{"code":{code},"name":"{name}"}},"{key}":{data}}}"#)
}

/// Rows of name and value, names aligned, two spaces in.
#[derive(Default)]
pub(crate) struct Table(Vec<(String, String)>);

impl Table {
    /// Adds a row. What others wrote is made harmless here.
    #[expect(clippy::needless_pass_by_value, reason = "a row is given what was made for it")]
    pub(crate) fn row(&mut self, name: impl Into<String>, value: impl ToString) -> &mut Self {
        let value = value.to_string();
        self.0.push((safe::plain(&name.into()).into_owned(), safe::plain(&value).into_owned()));
        self
    }

    /// The text, each row ended.
    pub(crate) fn text(&self) -> String {
        let width = self.0.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let dim = Style::new().dimmed();
        self.0.iter().map(|(name, value)| format!("  {dim}{name:<width$}{dim:#}  {value}\n")).collect()
    }
}

/// Bytes as people say them.
pub(crate) fn bytes(n: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit < units.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{n} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// How much of something there is, as people say it.
pub(crate) fn amount(n: u64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => bytes(n),
        Unit::Items => n.to_string(),
    }
}

/// Milliseconds as people say them.
pub(crate) fn duration(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        _ => format!("{} min {:02} s", millis / 60_000, millis % 60_000 / 1_000),
    }
}
