//! Many writers at once: threads on one ledger, threads and processes each with their own.

use std::process::{Command, Stdio};

use ledger::{Filter, Ledger};

use crate::sample::*;

const CHILD: &str = "LEDGER_TEST_WRITE";
const EACH: u32 = 20;

fn write(ledger: &Ledger, who: &str) {
    for number in 0..EACH {
        let mut row = build(number);
        row.id = format!("{who}-{number}");
        ledger.record_build(&row).unwrap();
        ledger.record_attestation(&attestation(number)).unwrap();
    }
}

#[test]
fn writers_wait_for_each_other() {
    if let Some(path) = std::env::var_os(CHILD) {
        // The child: this very test, started again below.
        return write(&Ledger::open(path.as_ref()).unwrap(), &format!("process-{}", std::process::id()));
    }
    let folder = tempfile::tempdir().unwrap();
    // Nobody has made the file yet: they race for that too.
    let path = folder.path().join("new/folder/ledger.db");
    let mut children: Vec<_> = (0..4)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["writers::writers_wait_for_each_other", "--exact"])
                .env(CHILD, &path)
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    let shared = Ledger::open(&path).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (shared, path) = (&shared, &path);
            scope.spawn(move || write(shared, &format!("shared-{thread}")));
            scope.spawn(move || write(&Ledger::open(path).unwrap(), &format!("own-{thread}")));
        }
    });
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let records = u64::from(EACH) * 2 * (4 + 3 + 3);
    assert_eq!(shared.audit_verify().unwrap().entries, records);
    assert_eq!(shared.log(usize::MAX, &Filter::default()).unwrap().len() as u64, records);
}

#[test]
fn opening_a_new_file_together_makes_it_once() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        std::thread::scope(|scope| {
            for number in 0..6 {
                let path = &path;
                scope.spawn(move || Ledger::open(path).unwrap().record_build(&build(number)).unwrap());
            }
        });
        assert_eq!(Ledger::open(&path).unwrap().audit_verify().unwrap().entries, 6);
    }
}
