//! Start-up of a sandbox: against bubblewrap with the same isolation and against bare namespaces, and with more and
//! more input files.
//!
//! Measured within one process, as the engine starts it; only read here.

use std::time::Duration;

use super::project::Bench;
use super::timing::{Aim, Row, Sample, must};

const FILES: [usize; 3] = [10, 1_000, 100_000];

pub(super) fn run(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), String> {
    let dir = bench.fresh("startup")?;
    let numbers = FILES.map(|files| files.to_string());
    let said = must(bench.example("parts").arg("start").arg(&dir).arg("200").args(&numbers))?;
    let said = String::from_utf8_lossy(&said).into_owned();
    let few = times(&said, &format!("selfsame-{}", FILES[0]))?;
    for (nth, files) in FILES.into_iter().enumerate() {
        let (peer, aim) = match nth {
            0 => (("bwrap, same isolation".to_owned(), times(&said, "bwrap")?), Aim::Ratio(0.5)),
            _ => ((format!("selfsame, {} files", FILES[0]), few.clone()), Aim::Ratio(1.15)),
        };
        let ours = times(&said, &format!("selfsame-{files}"))?;
        rows.push(Row { what: format!("sandbox start, {files} input files"), ours, peer: Some(peer), aim });
    }
    let peer = Some(("unshare, namespaces and /proc alone".to_owned(), times(&said, "unshare")?));
    let what = "sandbox start, 10 input files".to_owned();
    rows.push(Row { what: what.clone(), ours: few.clone(), peer, aim: Aim::None });
    let bazel = times(&said, "linux-sandbox").ok();
    let what =
        if bazel.is_some() { what } else { format!("{what} (Bazel's linux-sandbox is not installed)") };
    let peer = bazel.map(|times| ("Bazel's linux-sandbox, the host as its root".to_owned(), times));
    rows.push(Row { what, ours: few, peer, aim: Aim::None });
    Ok(())
}

/// The line `NAME microseconds microseconds …`.
fn times(said: &str, name: &str) -> Result<Sample, String> {
    let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let numbers = line.ok_or_else(|| format!("`parts start` gave no times of `{name}`"))?;
    let times = numbers.split(' ').map(|number| number.parse().map(Duration::from_micros));
    times.collect::<Result<_, _>>().map(Sample::new).map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_by_name() {
        let said = "bwrap-old 9\nbwrap 3 1 2\n";
        assert_eq!(times(said, "bwrap").unwrap().median(), Duration::from_micros(2));
        assert!(times(said, "selfsame").is_err());
    }
}
