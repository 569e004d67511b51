//! Events on a terminal: history scrolls above, at most six running lines below.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use model::Event;
use model::event::{Outcome, Unit};

use super::answer::amount;
use super::line;
use super::safe::plain;

/// How many running things are shown.
const SHOWN: usize = 6;
/// Stages of which there are many short ones: only their sum is worth a line of history.
const MANY: [&str; 2] = ["fetch", "unpack"];

/// The lower part of the screen.
pub(crate) struct Live {
    verbose: bool,
    screen: MultiProgress,
    running: Mutex<BTreeMap<(String, String), Option<Shown>>>,
}

/// A line of it.
struct Shown {
    bar: ProgressBar,
    /// What is counted where nobody knows how much there will be, so that no bar can show it.
    counted: Option<Unit>,
}

impl Live {
    pub(crate) fn new(verbose: bool) -> Self {
        Self { verbose, screen: MultiProgress::new(), running: Mutex::new(BTreeMap::new()) }
    }

    pub(crate) fn take(&self, event: &Event) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { stage, name, total, unit } => {
                let shown = running.values().flatten().count();
                let shown = (shown < SHOWN).then(|| Shown {
                    bar: self.bar(stage, name, *total, *unit),
                    counted: total.is_none().then_some(*unit),
                });
                running.insert(((*stage).to_owned(), name.clone()), shown);
            }
            Event::Advanced { stage, name, done } => {
                match running.get(&((*stage).to_owned(), name.clone())) {
                    Some(Some(Shown { bar, counted: None })) => bar.set_position(*done),
                    Some(Some(Shown { bar, counted: Some(unit) })) => {
                        bar.set_message(format!("{} · {}", plain(name), amount(*done, *unit)));
                    }
                    _ => {}
                }
            }
            Event::Finished { stage, name, outcome, .. } => {
                if let Some(Some(Shown { bar, .. })) = running.remove(&((*stage).to_owned(), name.clone())) {
                    bar.finish_and_clear();
                    self.screen.remove(&bar);
                }
                let short = MANY.contains(stage) && *outcome != Outcome::Failed && name != "toolchain";
                if !short || self.verbose {
                    self.print(event);
                }
            }
            Event::Output { step, line } => {
                if let Some(Some(Shown { bar, .. })) = running.get(&("build".to_owned(), step.clone())) {
                    let said: String = plain(line).replace('\t', " ").chars().take(100).collect();
                    bar.set_message(format!("{}: {said}", plain(step)));
                }
                if self.verbose {
                    self.print(event);
                }
            }
            Event::Note { .. } | Event::Warning { .. } | Event::Violation { .. } => self.print(event),
        }
    }

    fn bar(&self, stage: &str, name: &str, total: Option<u64>, unit: Unit) -> ProgressBar {
        // Into the screen first: a bar that has none of its own draws where it likes.
        let bar = self.screen.add(total.map_or_else(ProgressBar::new_spinner, ProgressBar::new));
        let template = match (total, unit) {
            (None, _) => "{prefix:>12.cyan} {spinner} {elapsed} {wide_msg:.dim}",
            (Some(_), Unit::Bytes) => {
                "{prefix:>12.cyan} {bar:24} {decimal_bytes}/{decimal_total_bytes} {wide_msg:.dim}"
            }
            (Some(_), Unit::Items) => "{prefix:>12.cyan} {bar:24} {pos}/{len} {wide_msg:.dim}",
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the templates above are well-formed"));
        bar.set_prefix(stage.to_owned());
        bar.set_message(plain(name).into_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    fn print(&self, event: &Event) {
        if let Some(text) = line::text(event) {
            let plain = anstream::adapter::strip_str(&text).to_string();
            let color = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
            let _ = self.screen.println(if color { text } else { plain });
        }
    }

    pub(crate) fn end(&self) {
        let _ = self.screen.clear();
    }
}
