//! Where events go: to the screen, and whole to the run's own event log.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anstream::eprintln;
use model::Event;

use super::line::Lines;
use super::live::Live;
use super::safe;
use crate::args::Progress;

/// Takes every event of a run.
pub(crate) struct Events {
    screen: Screen,
    log: Mutex<Option<BufWriter<File>>>,
    begin: Instant,
}

enum Screen {
    Live(Live),
    Lines(Lines),
    Json,
    None,
}

impl Events {
    /// `log` takes every event as a line of JSON, if it can be made.
    pub(crate) fn new(progress: Progress, verbose: bool, quiet: bool, log: Option<File>) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let screen = match progress {
            _ if quiet => Screen::None,
            Progress::Auto if terminal => Screen::Live(Live::new(verbose)),
            Progress::Live => Screen::Live(Live::new(verbose)),
            Progress::Auto | Progress::Line => Screen::Lines(Lines::new(verbose)),
            Progress::Json => Screen::Json,
            Progress::None => Screen::None,
        };
        Self { screen, log: Mutex::new(log.map(BufWriter::new)), begin: Instant::now() }
    }

    /// Takes one event.
    pub(crate) fn take(&self, event: &Event) {
        let mut json = serde_json::to_value(event).unwrap_or_default();
        if let Some(object) = json.as_object_mut() {
            let millis = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
            object.insert("at_millis".into(), millis.into());
        }
        if let Some(log) = self.log.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            let _ = writeln!(log, "{json}");
        }
        match &self.screen {
            Screen::Live(live) => live.take(event),
            Screen::Lines(lines) => lines.take(event),
            Screen::Json => eprintln!("{}", safe::json(&json.to_string())),
            Screen::None => {}
        }
    }

    /// Clears what stays on the screen only while something runs.
    pub(crate) fn end(&self) {
        if let Screen::Live(live) = &self.screen {
            live.end();
        }
        if let Some(log) = self.log.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            let _ = log.flush();
        }
    }
}
