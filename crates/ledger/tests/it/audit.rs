//! Nobody changes the past unseen.

use ledger::{AuditHead, Ledger, LedgerError};
use model::Sha256;
use rusqlite::Connection;

use crate::sample::*;

#[test]
fn an_untouched_ledger_holds() {
    let (_folder, ledger) = ledger();
    assert_eq!(ledger.audit_verify().unwrap().entries, 0);
    fill(&ledger, 1);
    let noted = ledger.audit_head().unwrap();
    fill(&ledger, 2);
    let audited = ledger.audit_verify_since(&noted).unwrap();
    assert_eq!((audited.entries, audited.head), (8, ledger.audit_head().unwrap()));
    assert_eq!(noted.seq, 4);
    let other = AuditHead { hash: Sha256::of(b"another history"), ..noted };
    assert!(matches!(ledger.audit_verify_since(&other), Err(LedgerError::Tampered { .. })));
    let later = AuditHead { seq: 99, ..noted };
    assert!(matches!(ledger.audit_verify_since(&later), Err(LedgerError::Tampered { .. })));
}

#[test]
fn every_edit_is_seen() {
    for (edit, place) in [
        // Records.
        ("UPDATE build SET ok = 0 WHERE id = 2", "entry 5, build 2"),
        ("UPDATE build SET requester = NULL WHERE id = 1", "entry 1, build 1"),
        ("UPDATE build SET recipe_path = 'elsewhere' WHERE id = 1", "entry 1, build 1"),
        ("UPDATE step SET cached = 1 - cached WHERE build = 1 AND position = 1", "entry 1, build 1"),
        ("UPDATE artifact SET name = 'evil' WHERE build = 2 AND position = 0", "entry 5, build 2"),
        ("UPDATE artifact SET digest = 1 WHERE build = 1 AND position = 0", "entry 1, build 1"),
        ("UPDATE digest SET sha256 = zeroblob(32) WHERE id = 1", "entry 1, build 1"),
        ("UPDATE digest SET size = size + 1 WHERE id = 1", "entry 1, build 1"),
        ("UPDATE document SET body = '{}' WHERE id = 1", "entry 1, build 1"),
        ("UPDATE material SET kind = 'nothing'", "entry 1, build 1"),
        ("DELETE FROM step WHERE build = 1 AND position = 0", "entry 1, build 1"),
        ("DELETE FROM material WHERE position = 1", "entry 1, build 1"),
        ("UPDATE attestation SET key_id = 'other' WHERE id = 1", "entry 2, attestation 1"),
        (
            "UPDATE attestation_subject SET digest = 1 WHERE attestation = 1 AND position = 1",
            "entry 2, attestation 1",
        ),
        ("UPDATE rebuild SET verdict = 'differs' WHERE id = 1", "entry 3, rebuild 1"),
        ("UPDATE rebuild SET verdict = 'lovely' WHERE id = 1", "entry 3, rebuild 1"),
        ("UPDATE verification SET ok = 0 WHERE id = 2", "entry 8, verification 2"),
        ("DELETE FROM verification_key WHERE verification = 1 AND position = 1", "entry 4, verification 1"),
        (
            "DELETE FROM verification_key WHERE verification = 2; DELETE FROM verification WHERE id = 2",
            "entry 8, verification 2",
        ),
        // Records without an entry.
        (
            "INSERT INTO attestation SELECT 9, predicate_type, bundle, key_id, build, at FROM attestation WHERE id = 1",
            "attestation 9",
        ),
        (
            "INSERT INTO artifact SELECT 1, 7, name, format, digest, encoder FROM artifact WHERE build = 2 AND position = 0",
            "entry 1, build 1",
        ),
        (
            "INSERT INTO artifact SELECT 77, position, name, format, digest, encoder FROM artifact WHERE build = 2",
            "table artifact",
        ),
        // Entries.
        ("UPDATE audit SET at = at + 1 WHERE seq = 3", "entry 3"),
        ("UPDATE audit SET recipe = NULL WHERE seq = 1", "entry 1"),
        ("UPDATE audit SET kind = 'party' WHERE seq = 1", "entry 1, party 1"),
        ("UPDATE audit SET content = zeroblob(32) WHERE seq = 6", "entry 6, attestation 2"),
        ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 8", "entry 8"),
        ("DELETE FROM audit WHERE seq = 4", "entry 4"),
        ("DELETE FROM audit WHERE seq = 1", "entry 1"),
        ("DELETE FROM audit WHERE seq = 8", "the end"),
        // The newest entry together with its record.
        (
            "DELETE FROM audit WHERE seq = 8; DELETE FROM verification_key WHERE verification = 2; DELETE FROM verification WHERE id = 2",
            "the end",
        ),
        ("UPDATE audit SET seq = seq + 100 WHERE seq > 4; UPDATE audit_head SET seq = 108", "entry 5"),
        (
            "INSERT INTO audit SELECT 9, at, kind, 77, recipe, content, hash FROM audit WHERE seq = 8",
            "entry 9, verification 77",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path).unwrap();
        fill(&ledger, 1);
        fill(&ledger, 2);
        ledger.audit_verify().unwrap();
        drop(ledger);

        let db = Connection::open(&path).unwrap();
        db.pragma_update(None, "foreign_keys", false).unwrap();
        db.execute_batch(edit).unwrap();
        assert!(db.changes() > 0, "{edit}: changed nothing");
        drop(db);

        let seen = Ledger::open(&path).unwrap().audit_verify();
        let Err(LedgerError::Tampered { place: found, .. }) = &seen else { panic!("{edit}: {seen:?}") };
        assert_eq!(found, place, "{edit}");
    }
}

#[test]
fn a_whole_new_chain_shows_against_a_noted_head() {
    let (_one, ledger) = ledger();
    fill(&ledger, 1);
    let noted = ledger.audit_head().unwrap();
    // What somebody with the file in hand could do: write another history with selfsame itself.
    let (_other, forged) = crate::sample::ledger();
    let mut build = build(1);
    build.requester = Some("mallory".into());
    forged.record_build(&build).unwrap();
    forged.record_attestation(&attestation(1)).unwrap();
    forged.record_rebuild(&rebuild(1, model::Verdict::Reproduced)).unwrap();
    forged.record_verification(&verification(1, true)).unwrap();
    forged.audit_verify().unwrap();
    assert!(matches!(forged.audit_verify_since(&noted), Err(LedgerError::Tampered { .. })));
}
