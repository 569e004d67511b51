//! Taking times in turns, and saying what came of it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What one side does once; gives how long it took.
pub(super) type Side<'a> = Box<dyn FnMut() -> Result<Duration, String> + 'a>;

/// Many times of one thing, sorted.
#[derive(Debug, Clone)]
pub(super) struct Sample(Vec<Duration>);

impl Sample {
    pub(super) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    pub(super) fn median(&self) -> Duration {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }

    fn least(&self) -> Duration {
        self.0.first().copied().unwrap_or_default()
    }
}

/// One line of the table.
pub(super) struct Row {
    /// What is done.
    pub(super) what: String,
    pub(super) ours: Sample,
    /// Who else does it, and how long that takes.
    pub(super) peer: Option<(String, Sample)>,
    /// What is promised.
    pub(super) aim: Aim,
}

/// What a row must keep.
#[derive(Debug, Clone, Copy)]
pub(super) enum Aim {
    /// Nothing: it is for information.
    None,
    /// At most this part of the peer's time.
    Ratio(f64),
    /// At most this time.
    Time(Duration),
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        let (_, peer) = self.peer.as_ref()?;
        Some(self.ours.median().as_secs_f64() / peer.median().as_secs_f64())
    }

    fn aim(&self) -> String {
        let (text, kept) = match self.aim {
            Aim::None => return String::new(),
            Aim::Ratio(most) => (format!("≤ {most:.2}"), self.ratio().is_some_and(|ratio| ratio <= most)),
            Aim::Time(most) => (format!("≤ {}", show(most)), self.ours.median() <= most),
        };
        format!("{text} {}", if kept { "✓" } else { "✗ MISSED" })
    }
}

/// Calls every side once to warm up, then `rounds` times, in turns; who begins changes from round to round.
pub(super) fn alternate(rounds: usize, sides: &mut [Side<'_>]) -> Result<Vec<Sample>, String> {
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); sides.len()];
    for round in 0..=rounds {
        for turn in 0..sides.len() {
            let nth = (turn + round) % sides.len();
            let time = sides[nth]()?;
            if round > 0 {
                times[nth].push(time);
            }
        }
    }
    Ok(times.into_iter().map(Sample::new).collect())
}

/// Runs a command and gives its time; what it prints on stdout goes to `output`.
pub(super) fn timed(command: &mut Command, output: &mut Vec<u8>) -> Result<Duration, String> {
    let begun = Instant::now();
    let out = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let time = begun.elapsed();
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr).into_owned() + &String::from_utf8_lossy(&out.stdout);
        return Err(format!("{command:?}: {}\n{}", out.status, said.trim()));
    }
    *output = out.stdout;
    Ok(time)
}

/// As [`timed`], and the processor time that it and all it started used, in hundredths of a second.
pub(super) fn spent(command: &mut Command, output: &mut Vec<u8>) -> Result<(Duration, Duration), String> {
    let before = of_children()?;
    let time = timed(command, output)?;
    Ok((time, of_children()?.saturating_sub(before)))
}

/// The processor time of all ended and awaited children (`cutime` and `cstime` of proc(5); a tick is 1/100 s on Linux).
fn of_children() -> Result<Duration, String> {
    let path = "/proc/self/stat";
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    // The second field is a name that may hold anything but comes in parentheses.
    let fields: Vec<&str> =
        text.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
    let ticks: Option<u64> = [13, 14].iter().map(|at| fields.get(*at)?.parse::<u64>().ok()).sum();
    ticks
        .map(|ticks| Duration::from_millis(ticks * 10))
        .ok_or_else(|| format!("{path} cannot be read: `{text}`"))
}

/// Runs a command that must succeed.
pub(super) fn must(command: &mut Command) -> Result<Vec<u8>, String> {
    let mut output = Vec::new();
    timed(command, &mut output).map(|_| output)
}

fn show(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    match millis {
        ..10.0 => format!("{millis:.2} ms"),
        ..1000.0 => format!("{millis:.0} ms"),
        _ => format!("{:.2} s", millis / 1e3),
    }
}

/// The rows as a Markdown table.
pub(super) fn table(rows: &[Row]) -> String {
    let mut cells = vec![[
        "what".to_owned(),
        "selfsame: median (least)".to_owned(),
        "peer: median (least)".to_owned(),
        "ratio".to_owned(),
        "runs".to_owned(),
        "aim".to_owned(),
    ]];
    let sample = |s: &Sample| format!("{} ({})", show(s.median()), show(s.least()));
    cells.extend(rows.iter().map(|row| {
        [
            row.what.clone(),
            sample(&row.ours),
            row.peer.as_ref().map_or(String::new(), |(name, s)| format!("{name}: {}", sample(s))),
            row.ratio().map_or(String::new(), |ratio| format!("{ratio:.2}")),
            row.ours.0.len().to_string(),
            row.aim(),
        ]
    }));
    let mut widths = [3; 6];
    for line in &cells {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (number, line) in cells.iter().enumerate() {
        for (cell, width) in line.iter().zip(widths) {
            text.push_str(&format!("| {cell:width$} "));
        }
        text.push_str("|\n");
        if number == 0 {
            widths.iter().for_each(|width| text.push_str(&format!("|{}", "-".repeat(width + 2))));
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(millis: &[u64]) -> Sample {
        Sample::new(millis.iter().map(|ms| Duration::from_millis(*ms)).collect())
    }

    #[test]
    fn sides_take_turns_and_the_first_round_does_not_count() {
        let order = std::cell::RefCell::new(Vec::new());
        let side = |name: &'static str, millis: u64| -> Side<'_> {
            let order = &order;
            Box::new(move || {
                order.borrow_mut().push(name);
                Ok(Duration::from_millis(millis))
            })
        };
        let samples = alternate(2, &mut [side("a", 1), side("b", 2)]).unwrap();
        assert_eq!(*order.borrow(), ["a", "b", "b", "a", "a", "b"]);
        assert_eq!((samples[0].0.len(), samples[1].median()), (2, Duration::from_millis(2)));
    }

    #[test]
    fn a_missed_aim_is_said() {
        let row = |ours: &[u64], aim| Row {
            what: "x".into(),
            ours: sample(ours),
            peer: Some(("y".into(), sample(&[10]))),
            aim,
        };
        assert_eq!(row(&[4, 5, 90], Aim::Ratio(0.5)).aim(), "≤ 0.50 ✓");
        assert_eq!(row(&[6], Aim::Ratio(0.5)).aim(), "≤ 0.50 ✗ MISSED");
        assert_eq!(row(&[6], Aim::Time(Duration::from_millis(5))).aim(), "≤ 5.00 ms ✗ MISSED");
        let text = table(&[row(&[4, 5, 90], Aim::None)]);
        assert!(text.lines().nth(2).unwrap().contains("| 5.00 ms (4.00 ms) "), "{text}");
        assert!(text.contains(" 0.50 "), "{text}");
    }
}
