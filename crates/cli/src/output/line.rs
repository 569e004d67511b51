//! Events as lines: one for each thing that ended, a heartbeat while nothing ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anstream::eprintln;
use anstyle::{AnsiColor, Style};
use model::Event;
use model::event::{Outcome, Unit};
use model::violation::{Kind, Policy};

use super::answer::{amount, duration};
use super::safe::{block, plain};

const SILENCE: Duration = Duration::from_secs(30);
/// Where the text of a line begins.
const INDENT: &str = "             ";

/// How far something has come.
struct Far {
    done: u64,
    total: Option<u64>,
    unit: Unit,
}

/// One line for each thing that ended.
pub(crate) struct Lines {
    verbose: bool,
    running: Arc<(Mutex<Running>, Condvar)>,
}

struct Running {
    /// How far each has come.
    names: BTreeMap<String, Far>,
    last: Instant,
    over: bool,
}

impl Lines {
    pub(crate) fn new(verbose: bool) -> Self {
        let running = Running { names: BTreeMap::new(), last: Instant::now(), over: false };
        let running = Arc::new((Mutex::new(running), Condvar::new()));
        let shared = Arc::clone(&running);
        std::thread::spawn(move || heartbeat(&shared));
        Self { verbose, running }
    }

    pub(crate) fn take(&self, event: &Event) {
        let mut running = self.running.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { stage, name, total, unit } => {
                let far = Far { done: 0, total: *total, unit: *unit };
                running.names.insert(format!("{stage} {name}"), far);
                return;
            }
            Event::Advanced { stage, name, done } => {
                if let Some(far) = running.names.get_mut(&format!("{stage} {name}")) {
                    far.done = *done;
                }
                return;
            }
            Event::Output { .. } if !self.verbose => return,
            Event::Finished { stage, name, .. } => {
                running.names.remove(&format!("{stage} {name}"));
            }
            Event::Output { .. } | Event::Note { .. } | Event::Warning { .. } | Event::Violation { .. } => {}
        }
        running.last = Instant::now();
        if let Some(text) = text(event) {
            eprintln!("{text}");
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.running.0.lock().unwrap_or_else(PoisonError::into_inner).over = true;
        self.running.1.notify_all();
    }
}

impl Far {
    /// ` (1.2 MB of 3.4 MB)`; nothing where nothing is counted.
    fn text(&self) -> String {
        match self.total {
            Some(total) => format!(" ({} of {})", amount(self.done, self.unit), amount(total, self.unit)),
            None if self.done > 0 => format!(" ({})", amount(self.done, self.unit)),
            None => String::new(),
        }
    }
}

fn heartbeat(shared: &(Mutex<Running>, Condvar)) {
    let mut running = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
    while !running.over {
        let wait = SILENCE.saturating_sub(running.last.elapsed()).max(Duration::from_millis(100));
        running = shared.1.wait_timeout(running, wait).unwrap_or_else(PoisonError::into_inner).0;
        if running.last.elapsed() >= SILENCE {
            running.last = Instant::now();
            if !running.names.is_empty() {
                let names: Vec<_> =
                    running.names.iter().take(6).map(|(name, far)| format!("{name}{}", far.text())).collect();
                eprintln!("     ... still at {}", plain(&names.join(", ")));
            }
        }
    }
}

/// The line for an event that has one.
pub(crate) fn text(event: &Event) -> Option<String> {
    let dim = Style::new().dimmed();
    let color = |c: AnsiColor| Style::new().bold().fg_color(Some(c.into()));
    Some(match event {
        Event::Finished { stage, name, outcome, detail, millis } => {
            let (style, word) = match outcome {
                Outcome::Done => (color(AnsiColor::Green), *stage),
                Outcome::Cached => (color(AnsiColor::Cyan), "cached"),
                Outcome::Failed => (color(AnsiColor::Red), "failed"),
                Outcome::Stopped => (color(AnsiColor::Yellow), "stopped"),
            };
            let time = if *outcome == Outcome::Cached { String::new() } else { duration(*millis) };
            let mut line = format!("{style}{word:>12}{style:#} {}", plain(name));
            for part in [time.as_str(), &plain(detail)].into_iter().filter(|p| !p.is_empty()) {
                line.push_str(&format!(" {dim}· {part}{dim:#}"));
            }
            line
        }
        Event::Output { step, line } => format!("{dim}{step:>12} |{dim:#} {}", plain(line)),
        Event::Note { text } => format!("{dim}{:>12}{dim:#} {}", "note", block(text, INDENT)),
        Event::Warning { text, advice } => {
            let style = color(AnsiColor::Yellow);
            let help = |a: &String| format!("\n{:>12} {}", "help", block(a, INDENT));
            let advice = advice.as_ref().map_or(String::new(), help);
            format!("{style}{:>12}{style:#} {}{advice}", "warning", block(text, INDENT))
        }
        Event::Violation { step, policy, violation } => {
            let style = color(if *policy == Policy::Deny { AnsiColor::Red } else { AnsiColor::Yellow });
            let word = match (violation.kind, policy) {
                (Kind::Program | Kind::File, _) => "missed",
                (_, Policy::Deny) => "denied",
                _ => "attempt",
            };
            let (kind, what) = (violation.kind, plain(&violation.what));
            let by = engine::advice::by(violation);
            let by = plain(&by);
            let times =
                if violation.count == 1 { String::new() } else { format!(", {} times", violation.count) };
            let step = plain(step);
            format!("{style}{word:>12}{style:#} {step}: {kind} {what}{times} {dim}· by {by}{dim:#}")
        }
        Event::Started { .. } | Event::Advanced { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_says_how_far_it_is() {
        let far = |done, total, unit| Far { done, total, unit }.text();
        assert_eq!(far(1_200_000, Some(3_400_000), Unit::Bytes), " (1.2 MB of 3.4 MB)");
        assert_eq!(far(1_200_000, None, Unit::Bytes), " (1.2 MB)");
        assert_eq!(far(3, None, Unit::Items), " (3)");
        assert_eq!(far(0, None, Unit::Items), "");
    }

    #[test]
    fn no_event_reaches_the_terminal_as_a_command() {
        let evil = "\x1b[2Jall\rgood\u{9b}m\n     package forged".to_owned();
        for event in [
            Event::Output { step: "build".into(), line: evil.clone() },
            Event::Note { text: evil.clone() },
            Event::Warning { text: evil.clone(), advice: Some(evil.clone()) },
            Event::Finished {
                stage: "fetch",
                name: evil.clone(),
                outcome: Outcome::Done,
                detail: evil.clone(),
                millis: 1,
            },
        ] {
            let shown = anstream::adapter::strip_str(&text(&event).unwrap()).to_string();
            assert!(shown.contains("\\x1b[2Jall\\rgood\\x9bm"), "{shown:?}");
            assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
            assert!(!shown.contains("\n     package"), "{shown:?}");
        }
    }
}
