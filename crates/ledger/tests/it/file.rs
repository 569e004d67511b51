//! What lies at the path: nothing, an older ledger, a newer one, something else, a wreck.

use std::path::Path;

use ledger::{Filter, Ledger, LedgerError};
use rusqlite::Connection;

use crate::sample::*;

/// Opens what must be refused, and checks that not one byte of it changed.
fn refused(path: &Path) -> LedgerError {
    let before = std::fs::read(path).unwrap();
    let error = Ledger::open(path).and_then(|ledger| ledger.audit_verify()).unwrap_err();
    assert!(std::fs::read(path).unwrap() == before, "{error}: the file was written to");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert!(error.to_string().contains("\nfix: "), "{error}");
    error
}

#[test]
fn a_file_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    for content in ["x", "a letter to my aunt, longer than a page header\n", "SQLite format 2\0…", "\0"] {
        std::fs::write(&path, content).unwrap();
        assert!(matches!(refused(&path), LedgerError::Foreign { .. }), "{content}");
    }
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for (name, sql) in [
        ("plain", "CREATE TABLE build (id INTEGER)"),
        ("versioned", "PRAGMA user_version = 1; CREATE TABLE build (id INTEGER)"),
        ("named", "PRAGMA application_id = 252006673; CREATE TABLE fossil (id INTEGER)"),
        ("empty", "PRAGMA user_version = 3"),
    ] {
        let path = folder.path().join(name);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        assert!(matches!(refused(&path), LedgerError::Foreign { .. }), "{name}");
    }
}

#[test]
fn a_newer_ledger_is_left_alone() {
    let (folder, ledger) = ledger();
    fill(&ledger, 1);
    drop(ledger);
    let path = folder.path().join("ledger.db");
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    db.pragma_update_and_check(None, "wal_checkpoint", "truncate", |_| Ok(())).unwrap();
    drop(db);
    let error = refused(&path);
    assert!(matches!(error, LedgerError::Newer { found: 99, .. }), "{error}");
}

#[test]
fn a_wreck_is_called_one() {
    let (folder, ledger) = ledger();
    for number in 0..40 {
        fill(&ledger, number);
    }
    drop(ledger);
    let good = std::fs::read(folder.path().join("ledger.db")).unwrap();
    let path = folder.path().join("wreck.db");
    let half = good.len() / 2;
    // Cut short; a page of zeros in the midst; a page of noise at the root of the tables.
    let cut = good[..half].to_vec();
    let mut hole = good.clone();
    hole[half / 8192 * 8192..][..8192].fill(0);
    let mut noise = good.clone();
    for (place, byte) in noise[100..4096].iter_mut().enumerate() {
        *byte = u8::try_from(place * 31 % 251).unwrap();
    }
    for (name, wreck) in [("cut", cut), ("hole", hole), ("noise", noise)] {
        std::fs::write(&path, wreck).unwrap();
        let error = refused(&path);
        assert!(matches!(error, LedgerError::Damaged { .. }), "{name}: {error:?}");
        for beside in ["wreck.db-wal", "wreck.db-shm"] {
            let _gone = std::fs::remove_file(folder.path().join(beside));
        }
    }
}

#[test]
fn a_folder_or_a_forbidden_place_is_an_error_with_its_cause() {
    let folder = tempfile::tempdir().unwrap();
    let error = Ledger::open(folder.path()).unwrap_err();
    assert!(matches!(error, LedgerError::Database { doing: "open", .. }), "{error:?}");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Ledger::open(&file.join("ledger.db")).unwrap_err();
    assert!(std::error::Error::source(&error).is_some(), "{error:?}");
}

#[test]
fn an_empty_file_becomes_a_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    std::fs::write(&path, "").unwrap();
    fill(&Ledger::open(&path).unwrap(), 1);
    let db = Connection::open(&path).unwrap();
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(
        (pragma("page_size"), pragma("application_id"), pragma("user_version")),
        (8192, 0x7365_6c66, 1)
    );
    let mode: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_ledger_of_version_1_is_read_and_written_on() {
    // As the first published version wrote it: `fill(1)` and `fill(2)`, dumped as SQL. Never make it anew.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch(include_str!("../fixtures/version-1.sql")).unwrap();
    drop(db);
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.audit_verify().unwrap().entries, 8);
    assert_eq!(ledger.build("build-0001").unwrap(), Some(build(1)));
    // The header of both builds is the same bits, so the other statement speaks of this build too.
    assert_eq!(ledger.show("build-0002").unwrap().attestations, [attestation(2), attestation(1)]);
    fill(&ledger, 3);
    assert_eq!(ledger.audit_verify().unwrap().entries, 12);
    assert_eq!(ledger.log(100, &Filter::default()).unwrap().len(), 12);
}

#[test]
fn the_specification_says_the_schema() {
    let specification = include_str!("../../../../docs/formats/ledger.md");
    let schema = include_str!("../../src/schema/1.sql");
    assert!(specification.contains(schema), "docs/formats/ledger.md and src/schema/1.sql differ");
}
