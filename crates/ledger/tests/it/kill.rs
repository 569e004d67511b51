//! `kill -9` leaves whole records or none.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use ledger::{Filter, Ledger};

use crate::sample::*;

const CHILD: &str = "LEDGER_TEST_WRITE_FOR_EVER";

#[test]
fn kill_leaves_whole_records() {
    if let Some(path) = std::env::var_os(CHILD) {
        // The child: this very test, started again below.
        let ledger = Ledger::open(path.as_ref()).unwrap();
        for number in 0.. {
            let mut row = build(number);
            row.id = format!("{}-{number}", std::process::id());
            row.steps = (0..60).map(|place| step(&format!("step {place}"), number)).collect();
            ledger.record_build(&row).unwrap();
            println!("recorded {}", row.id);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut said = 0;
    for lines in [0, 1, 3, 4, 7, 11, 16, 22] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::kill_leaves_whole_records", "--exact", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut whole = out.lines().map_while(Result::ok).filter(|line| line.contains("recorded"));
        said += whole.by_ref().take(lines).count();
        // It is in the midst of the next record, or of opening the file.
        child.kill().unwrap();
        child.wait().unwrap();
        said += whole.count();

        let ledger = Ledger::open(&path).unwrap();
        let entries = ledger.audit_verify().unwrap().entries;
        let log = ledger.log(usize::MAX, &Filter::default()).unwrap();
        assert_eq!(log.len() as u64, entries);
        assert!(log.len() >= said, "{} records, {said} reported", log.len());
        // At most one record per child was written and not reported.
        said = log.len();
    }
    assert!(said >= 64, "{said}");
}
