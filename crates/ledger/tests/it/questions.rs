//! What is recorded comes back, and the questions find it.

use ledger::{Filter, Found, Keep, Kind, LedgerError, Role};
use model::{Sha256, Timestamp, Verdict};

use crate::sample::*;

#[test]
fn every_record_comes_back_as_it_was() {
    let (_folder, ledger) = ledger();
    fill(&ledger, 1);
    let dossier = ledger.show("build-0001").unwrap();
    assert_eq!(dossier.builds, [build(1)]);
    assert_eq!(dossier.attestations, [attestation(1)]);
    assert_eq!(dossier.rebuilds, [rebuild(1, Verdict::Reproduced)]);
    assert_eq!(dossier.verifications, [verification(1, true)]);
    assert_eq!(dossier.artifacts.len(), 2);
    assert!(!dossier.cut);
    assert_eq!(ledger.build("build-0001").unwrap(), Some(build(1)));
    assert_eq!(ledger.build("build-0002").unwrap(), None);
}

#[test]
fn a_build_with_nothing_optional_comes_back_too() {
    let (_folder, ledger) = ledger();
    let mut bare = build(1);
    bare.lock_digest = None;
    bare.source = ledger::Source::default();
    bare.requester = None;
    bare.ok = false;
    bare.error = Some("step `make` failed: exit 2".into());
    bare.steps.clear();
    bare.artifacts.clear();
    bare.materials.clear();
    bare.byproducts.clear();
    ledger.record_build(&bare).unwrap();
    assert_eq!(ledger.show(&bare.id).unwrap().builds, [bare]);
    ledger.audit_verify().unwrap();
}

#[test]
fn one_id_is_one_build() {
    let (_folder, ledger) = ledger();
    ledger.record_build(&build(1)).unwrap();
    let mut other = build(1);
    other.version = "2".into();
    let refused = ledger.record_build(&other).unwrap_err();
    assert!(matches!(refused, LedgerError::Duplicate { id } if id == "build-0001"));
    assert_eq!(ledger.build("build-0001").unwrap(), Some(build(1)));
    assert_eq!(ledger.audit_verify().unwrap().entries, 1);
}

#[test]
fn a_size_beyond_the_database_is_an_error_and_writes_nothing() {
    let (_folder, ledger) = ledger();
    let mut huge = build(1);
    huge.artifacts[1].digest.size = u64::MAX;
    assert!(matches!(ledger.record_build(&huge), Err(LedgerError::Database { doing: "write", .. })));
    assert_eq!(ledger.log(10, &Filter::default()).unwrap(), []);
    assert_eq!(ledger.audit_verify().unwrap().entries, 0);
}

#[test]
fn a_digest_is_found_by_itself_and_by_its_first_digits() {
    let (_folder, ledger) = ledger();
    fill(&ledger, 1);
    let artifact = build(1).artifacts[0].digest;
    let hex = artifact.hex();
    for text in [
        hex.clone(),
        format!("sha256:{hex}"),
        artifact.to_string(),
        hex.to_uppercase(),
        hex[..12].to_owned(),
        format!("sha256:{}", &hex[..13]),
        format!(" {} ", &hex[..12]),
        "zlib.tar.gz".to_owned(),
    ] {
        let found = ledger.find(&text).unwrap();
        let expected = Found::Digest {
            sha256: artifact.sha256,
            size: Some(artifact.size),
            roles: vec![Role::Artifact, Role::Subject],
            name: Some("zlib.tar.gz".into()),
        };
        assert_eq!(found, [expected], "{text}");
    }
    for text in ["", "sha256:", &hex[..3], "0", "nothing", "%", "build%", "_uild-0001", &"0".repeat(65)] {
        assert_eq!(ledger.find(text).unwrap(), [], "{text:?}");
        let refused = ledger.show(text).unwrap_err();
        assert!(matches!(refused, LedgerError::NotFound { .. }), "{text:?}: {refused}");
    }
}

#[test]
fn an_ambiguous_beginning_lists_what_it_could_mean() {
    let (_folder, ledger) = ledger();
    // Two artifacts whose hashes share their first four digits, found by trying.
    let first = digest("0");
    let second = (1..).map(|n: u32| n.to_string()).find(|text| digest(text).hex()[..4] == first.hex()[..4]);
    let second = second.unwrap();
    let mut row = build(1);
    row.artifacts = vec![artifact("first", "0"), artifact("second", &second)];
    ledger.record_build(&row).unwrap();

    let shared = first.hex()[..4].to_owned();
    let refused = ledger.show(&shared).unwrap_err();
    let LedgerError::Ambiguous { candidates, .. } = &refused else { panic!("{refused}") };
    assert_eq!(candidates.len(), 2);
    let text = refused.to_string();
    assert!(text.contains(&first.hex()) && text.contains("artifact second"), "{text}");
    assert_eq!(ledger.show(&first.hex()).unwrap().builds.len(), 1);

    // Builds by the beginning of their id; an exact id wins over longer ones.
    let mut longer = build(1);
    longer.id = "build-00011".into();
    ledger.record_build(&longer).unwrap();
    assert_eq!(ledger.find("build-").unwrap().len(), 2);
    assert_eq!(ledger.find("build-0001").unwrap().len(), 1);
}

#[test]
fn an_input_tells_what_was_built_from_it() {
    let (_folder, ledger) = ledger();
    fill(&ledger, 1);
    fill(&ledger, 2);
    let gcc = digest("pkg:deb/debian/gcc@12").hex();
    let dossier = ledger.show(&gcc).unwrap();
    assert!(dossier.builds.is_empty());
    let users: Vec<_> = dossier.used_by.iter().map(|used| (&*used.build, &*used.role)).collect();
    assert_eq!(users, [("build-0002", "package"), ("build-0001", "package")]);
    assert_eq!(dossier.used_by[1].artifacts, build(1).artifacts);

    for (content, role) in
        [("recipe", "recipe"), ("lock", "lock"), ("tree", "source tree"), ("sbom 1", "sbom")]
    {
        let used = ledger.show(&digest(content).hex()).unwrap().used_by;
        assert!(used.iter().any(|used| used.build == "build-0001" && used.role == role), "{content}");
    }
    let bundle = ledger.show(&digest("bundle 2").hex()).unwrap();
    assert_eq!(bundle.attestations, [attestation(2)]);
}

#[test]
fn an_artifact_known_only_by_hash_is_found_and_joined_with_its_size_later() {
    let (_folder, ledger) = ledger();
    ledger.record_verification(&verification(1, false)).unwrap();
    let artifact = build(1).artifacts[0].digest;
    let before = ledger.show(&artifact.hex()).unwrap();
    assert!(matches!(before.subject, Found::Digest { size: None, .. }));
    ledger.record_build(&build(1)).unwrap();
    let after = ledger.show(&artifact.hex()).unwrap();
    assert!(matches!(after.subject, Found::Digest { size: Some(size), .. } if size == artifact.size));
    assert_eq!((after.builds.len(), after.verifications.len()), (1, 1));
    assert_eq!(ledger.show("build-0001").unwrap().verifications.len(), 1);
}

#[test]
fn the_newest_of_a_kind_is_the_last_recorded() {
    let (_folder, ledger) = ledger();
    let artifact = build(1).artifacts[0].digest.sha256;
    assert_eq!(ledger.latest_rebuild(&artifact).unwrap(), None);
    assert_eq!(ledger.latest_build_of(&artifact).unwrap(), None);
    fill(&ledger, 1);
    // A clock that went backwards changes nothing.
    let mut late = rebuild(1, Verdict::Differs);
    late.at = Timestamp(5);
    ledger.record_rebuild(&late).unwrap();
    assert_eq!(ledger.latest_rebuild(&artifact).unwrap(), Some(late));
    fill(&ledger, 2);
    let header = digest("header").sha256;
    assert_eq!(ledger.latest_build_of(&header).unwrap(), Some(build(2)));
    assert_eq!(ledger.latest_build_of(&artifact).unwrap(), Some(build(1)));
}

#[test]
fn components_of_the_last_run_tell_what_changed() {
    let (_folder, ledger) = ledger();
    assert_eq!(ledger.last_components("zlib", "make").unwrap(), None);
    for number in [1, 2] {
        ledger.record_build(&build(number)).unwrap();
    }
    let last = ledger.last_components("examples/zlib/selfsame.toml", "make").unwrap().unwrap();
    assert_eq!(last, step("make", 2).components);
    assert_eq!(ledger.last_components("zlib", "make").unwrap(), Some(last.clone()));
    assert_eq!(ledger.last_components("zlib", "install").unwrap(), None);
    let changed = step("make", 3).components.changed_since(&last);
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].0, "inputs");
}

#[test]
fn the_log_is_newest_first_and_can_be_narrowed_and_paged() {
    let (_folder, ledger) = ledger();
    fill(&ledger, 1);
    let mut failed = build(2);
    failed.recipe = "jq".into();
    failed.ok = false;
    failed.error = Some("step `make` failed".into());
    failed.artifacts.clear();
    ledger.record_build(&failed).unwrap();
    ledger.record_rebuild(&rebuild(1, Verdict::NotBuilt)).unwrap();

    let lines: Vec<_> = ledger.log(10, &Filter::default()).unwrap();
    let short: Vec<_> = lines.iter().map(|line| (line.seq, line.kind, &*line.outcome, line.ok)).collect();
    assert_eq!(
        short,
        [
            (6, Kind::Rebuild, "not_built", false),
            (5, Kind::Build, "failed", false),
            (4, Kind::Verification, "ok", true),
            (3, Kind::Rebuild, "reproduced", true),
            (2, Kind::Attestation, "https://slsa.dev/provenance/v1", true),
            (1, Kind::Build, "ok", true),
        ]
    );
    assert_eq!(lines[1].detail.as_deref(), Some("step `make` failed"));
    assert_eq!(lines[2].name.as_deref(), Some("zlib.tar.gz"));
    assert_eq!(lines[2].recipe.as_deref(), Some("zlib"));

    let seqs = |limit, filter: Filter| -> Vec<u64> {
        ledger.log(limit, &filter).unwrap().iter().map(|line| line.seq).collect()
    };
    assert_eq!(seqs(2, Filter::default()), [6, 5]);
    assert_eq!(seqs(2, Filter { before: Some(5), ..Filter::default() }), [4, 3]);
    assert_eq!(seqs(9, Filter { kind: Some(Kind::Rebuild), ..Filter::default() }), [6, 3]);
    assert_eq!(seqs(9, Filter { recipe: Some("jq".into()), ..Filter::default() }), [5]);
    let since = Some(Timestamp(1_700_000_031));
    assert_eq!(seqs(9, Filter { since, kind: Some(Kind::Rebuild), ..Filter::default() }), [6, 3]);
    assert_eq!(seqs(9, Filter { since: Some(Timestamp(1_700_000_041)), ..Filter::default() }), [4]);
    assert_eq!(seqs(0, Filter::default()), [0_u64; 0]);
}

#[test]
fn roots_hold_what_a_rebuild_and_an_audit_need() {
    let (_folder, ledger) = ledger();
    for number in [1, 2, 3] {
        fill(&ledger, number);
    }
    let mut failed = build(4);
    failed.ok = false;
    ledger.record_build(&failed).unwrap();
    // About something that was never built here.
    let mut foreign = attestation(9);
    foreign.subjects = vec![Sha256::of(b"from elsewhere")];
    ledger.record_attestation(&foreign).unwrap();

    let all = ledger.roots(Keep::All).unwrap();
    for number in [1, 2, 3] {
        let mut expected =
            vec![digest("recipe"), digest("lock"), digest("tree"), digest(&format!("log {number}"))];
        expected.extend(build(number).artifacts.iter().map(|artifact| artifact.digest));
        expected.extend(build(number).materials.iter().chain(&build(number).byproducts).map(|m| m.digest));
        expected.push(attestation(number).bundle);
        for digest in expected {
            assert!(all.contains(&digest), "{number} {digest}");
        }
    }
    let newest = ledger.roots(Keep::Newest(1)).unwrap();
    for kept in ["log 3", "zlib 3", "sbom 3", "log 4", "bundle 9", "header", "lock"] {
        assert!(newest.contains(&digest(kept)), "{kept}");
    }
    for dropped in ["log 1", "zlib 1", "sbom 1", "log 2", "zlib 2"] {
        assert!(!newest.contains(&digest(dropped)), "{dropped}");
    }
    assert!(!ledger.roots(Keep::Newest(0)).unwrap().contains(&digest("zlib 3")));
}

#[test]
fn look_ups_use_indexes() {
    // No seconds are asserted; that each look-up works among many rows, and that none scans a table, is.
    let (folder, ledger) = ledger();
    for number in 0..300 {
        fill(&ledger, number);
    }
    assert_eq!(ledger.show(&build(150).artifacts[0].digest.hex()).unwrap().verifications.len(), 1);
    let header = ledger.show(&digest("header").hex()).unwrap();
    assert_eq!((header.builds.len(), header.cut), (100, true));
    drop(ledger);
    let db = rusqlite::Connection::open(folder.path().join("ledger.db")).unwrap();
    for ask in [
        "SELECT 1 FROM digest WHERE sha256 BETWEEN x'00' AND x'01'",
        "SELECT 1 FROM artifact WHERE digest = 1",
        "SELECT 1 FROM material JOIN build ON build.materials = material.material_set WHERE material.digest = 1",
        "SELECT 1 FROM attestation WHERE key_id = 'k'",
        "SELECT 1 FROM verification WHERE subject = 1 ORDER BY id DESC",
        "SELECT 1 FROM rebuild_artifact WHERE expected = 1 ORDER BY rebuild DESC",
        "SELECT 1 FROM audit WHERE recipe = 'r' AND seq < 9 ORDER BY seq DESC",
    ] {
        let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {ask}")).unwrap();
        let lines: Vec<String> =
            plan.query_map([], |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap();
        assert!(
            lines.iter().all(|line| !line.contains("SCAN") && !line.contains("TEMP")),
            "{ask}: {lines:?}"
        );
    }
}

#[test]
fn a_bundle_without_subjects_is_kept() {
    let (_folder, ledger) = ledger();
    let mut bare = attestation(1);
    bare.subjects.clear();
    bare.build = None;
    ledger.record_attestation(&bare).unwrap();
    assert!(ledger.roots(Keep::Newest(1)).unwrap().contains(&bare.bundle));
    assert_eq!(ledger.show(&bare.bundle.hex()).unwrap().attestations, [bare]);
    ledger.audit_verify().unwrap();
}
