//! What a bundle says is enough to build again, and it cannot contradict itself.

use attest::provenance::{BUILD_TYPE, ReadError, build, read};
use model::statement::{SLSA_PROVENANCE, Statement};
use serde_json::{Value, json};

use crate::{example, golden};

#[test]
fn the_record_comes_back_from_the_signed_bytes() {
    let record = example::record();
    let bytes = build(&record).to_json();
    let statement: Statement = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(statement.to_json(), bytes);
    assert_eq!(read(&statement).unwrap(), record);
}

#[test]
fn names_of_secrets_come_back() {
    let mut record = example::record();
    record.secrets.insert("build".into(), vec!["key".into(), "token".into()]);
    let statement = build(&record);
    let internal = &statement.predicate["buildDefinition"]["internalParameters"];
    assert_eq!(internal["secrets"], json!({ "build": ["key", "token"] }));
    assert_eq!(read(&statement).unwrap(), record);
}

#[test]
fn an_image_is_a_subject_of_its_own() {
    use attest::provenance::ImageRecord;
    use model::Digest;
    let mut record = example::record();
    let image = |platform: Option<&str>, digest: &str| ImageRecord {
        name: "app:1.0".into(),
        platform: platform.map(str::to_owned),
        media_type: model::oci::MANIFEST[0].into(),
        digest: Digest::of(digest.as_bytes()),
    };
    record.subjects[0].format = model::recipe::Format::OciImage;
    record.subjects[0].image = Some(image(Some("linux/amd64"), "one"));
    record.subjects[1].format = model::recipe::Format::OciIndex;
    record.subjects[1].image = Some(image(None, "all"));
    let statement = build(&record);
    let names: Vec<_> = statement.subject.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["zlib.tar.gz", "app:1.0 (linux/amd64)", "headers", "app:1.0"]);
    assert_eq!(statement.subject[1].digest["sha256"], Digest::of(b"one").hex());
    assert_eq!(read(&statement).unwrap(), record);
    // Of an artifact that is not before it, or of the same one twice: whose it is cannot be said.
    let mut moved = statement.clone();
    moved.subject.swap(1, 2);
    assert!(matches!(read(&moved), Err(ReadError::Contradiction { .. })));
    let mut twice = statement.clone();
    twice.subject.insert(2, twice.subject[1].clone());
    assert!(matches!(read(&twice), Err(ReadError::Contradiction { .. })));
    let mut nameless = statement;
    nameless.subject[1].annotations.remove("image");
    assert!(matches!(read(&nameless), Err(ReadError::Field { .. })));
}

#[test]
fn reports_on_leaks_come_back_by_artifact() {
    let mut record = example::record();
    record.leaks.push(attest::provenance::Byproduct {
        name: "zlib.tar.gz".into(),
        media_type: "application/vnd.selfsame.leaks+json".into(),
        digest: model::Digest::of(b"{}"),
    });
    let statement = build(&record);
    let made = &statement.predicate["runDetails"]["byproducts"];
    assert_eq!(made.as_array().unwrap().last().unwrap()["name"], "leaks/zlib.tar.gz");
    assert_eq!(read(&statement).unwrap(), record);
}

#[test]
fn golden_bytes() {
    let bytes = build(&example::record()).to_json();
    golden::check("zlib.provenance.json", &bytes, include_str!("../golden/zlib.provenance.json"));
}

#[test]
fn credentials_in_a_clone_s_url_are_not_published() {
    let mut record = example::record();
    record.worktrees.get_mut("clean").unwrap().url = Some("https://me:s3cret@example.org/us.git".into());
    let statement = build(&record);
    assert_eq!(statement, build(&example::record()));
}

#[test]
fn its_fields_are_where_the_specification_puts_them() {
    let statement: Value = serde_json::from_slice(&build(&example::record()).to_json()).unwrap();
    let at = |pointer: &str| statement.pointer(pointer).unwrap_or(&Value::Null).clone();
    assert_eq!(at("/_type"), "https://in-toto.io/Statement/v1");
    assert_eq!(at("/predicateType"), SLSA_PROVENANCE);
    assert_eq!(at("/subject/0/name"), "zlib.tar.gz");
    assert_eq!(at("/predicate/buildDefinition/buildType"), BUILD_TYPE);
    assert_eq!(
        at("/predicate/buildDefinition/externalParameters/sources/dirty/dirty"),
        json!(["a.c", "b c.h"])
    );
    assert_eq!(at("/predicate/runDetails/builder/id"), "https://selfsame.dev/builder/local/v1");
    assert_eq!(at("/predicate/runDetails/metadata/startedOn"), "2027-01-15T08:00:00Z");
    let inputs = at("/predicate/buildDefinition/resolvedDependencies");
    let named = |name: &str| inputs.as_array().unwrap().iter().find(|d| d["name"] == name).unwrap().clone();
    assert_eq!(
        named("toolchain/g++")["uri"],
        "pkg:deb/debian/g%2B%2B@1:2.36-9%2Bdeb12u8?arch=amd64&distro=bookworm"
    );
    assert_eq!(named("source/clean")["digest"]["gitCommit"], "cd".repeat(20));
    assert_eq!(named("source/clean")["uri"], format!("git+https://example.org/us.git@{}", "cd".repeat(20)));
    assert_eq!(named("source/dirty")["digest"].get("gitCommit"), None);
    assert_eq!(named("source/zlib/zlib_1.3.orig.tar.gz")["digest"]["sha512"], "ab".repeat(64));
    // Every dependency has a name that no other has, and lower-case digests.
    let mut names: Vec<_> = inputs.as_array().unwrap().iter().map(|d| d["name"].to_string()).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn what_contradicts_itself_is_refused() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 10] = [
        ("content of recipe", |s| s["resolvedDependencies"][0]["content"] = json!("AAAA")),
        ("content of lock", |s| s["resolvedDependencies"][1]["content"] = json!("AAAA")),
        ("recipe: content", |s| s["resolvedDependencies"][0]["content"] = json!("?")),
        ("source/data", |s| entry(s, "source/data")["digest"]["sha256"] = json!("0".repeat(64))),
        ("toolchain/make", |s| entry(s, "toolchain/make")["digest"]["sha256"] = json!("0".repeat(64))),
        ("missing", |s| entry(s, "toolchain")["name"] = json!("other")),
        ("pkg:deb", |s| s["externalParameters"]["sources"]["zlib"]["locator"] = json!("pkg:deb/debian/x@1")),
        ("unknown field", |s| s["externalParameters"]["more"] = json!(1)),
        ("twice", |s| entry(s, "toolchain/make")["name"] = json!("toolchain/g++")),
        ("build type", |s| s["buildType"] = json!("https://example.org/other")),
    ];
    for (expected, change) in cases {
        let mut statement = build(&example::record());
        change(&mut statement.predicate["buildDefinition"]);
        let error = read(&statement).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let text = format!("{error}: {cause}");
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let mut statement = build(&example::record());
    statement.predicate_type = "https://example.org/other".into();
    assert!(matches!(read(&statement), Err(ReadError::PredicateType { .. })));
}

fn entry<'a>(definition: &'a mut Value, name: &str) -> &'a mut Value {
    let list = definition["resolvedDependencies"].as_array_mut().unwrap();
    list.iter_mut().find(|d| d["name"] == name).unwrap()
}

/// The example, with a step that fetched; `record.steps` decides whether it was built.
fn fetching() -> attest::provenance::BuildRecord {
    let digest = |text: &str| model::Digest::of(text.as_bytes());
    let lines = [
        format!("GET npm:/a/-/a-1.0.0.tgz 200 {}", digest("a")),
        format!(
            "GET npm:/a 200 {} accept=application/vnd.npm.install-v1+json type=application/json",
            digest("page")
        ),
        format!("GET https://example.org/x?token=1 200 {}", digest("x")),
        format!("GET https://example.org/x?token=1 200 {} accept=application/vnd.y", digest("y")),
        format!("GET https://example.org/gone 404 {}", digest("")),
        format!("POST https://example.org/x 200 {} body={}", digest("z"), digest("q")),
    ];
    let requests = model::Transcript::from_lines(lines.iter().map(String::as_str)).unwrap();
    let step = model::lock::LockedStep { uses: vec![], record: vec![], requests, packages: vec![] };
    let mut record = example::record();
    let name = record.steps[0].name.clone();
    record.locked.steps.insert(name, step.clone());
    record.locked.steps.insert("not-built".into(), step);
    record.lock.text = record.locked.to_text();
    record
}

#[test]
fn every_file_that_a_step_fetched_is_listed() {
    let record = fetching();
    let statement = build(&record);
    assert_eq!(read(&statement).unwrap(), record);
    let step = &record.steps[0].name;
    let list = statement.predicate["buildDefinition"]["resolvedDependencies"].as_array().unwrap();
    let told: Vec<_> = list
        .iter()
        .filter(|d| d["annotations"]["kind"] == "fetched")
        .map(|d| {
            (d["name"].as_str().unwrap().replace(step.as_str(), "S"), d["uri"].as_str().unwrap().to_owned())
        })
        .collect();
    let told: Vec<_> = told.iter().map(|(name, uri)| (name.as_str(), uri.as_str())).collect();
    assert_eq!(
        told,
        [
            ("fetched/S/npm:/a/-/a-1.0.0.tgz", "pkg:npm/a@1.0.0"),
            ("fetched/S/https://example.org/x?token=1", "https://example.org/x"),
            ("fetched/S/https://example.org/x?token=1 accept=application/vnd.y", "https://example.org/x"),
        ]
    );
    let transcript = list.iter().find(|d| d["annotations"]["kind"] == "transcript").unwrap();
    let digest = record.locked.steps[step].requests.digest();
    assert_eq!(transcript["digest"]["sha256"], digest.hex());
    assert_eq!(transcript["annotations"]["requests"], 6);
}

#[test]
fn what_was_fetched_cannot_contradict_the_lock() {
    let name = format!("fetched/{}/npm:/a/-/a-1.0.0.tgz", fetching().steps[0].name);
    let statement = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut statement = build(&fetching());
        let list = &mut statement.predicate["buildDefinition"]["resolvedDependencies"];
        change(list.as_array_mut().unwrap());
        read(&statement).unwrap_err().to_string()
    };
    let other = statement(&|list| {
        let entry = list.iter_mut().find(|d| d["name"] == name).unwrap();
        entry["digest"]["sha256"] = json!("0".repeat(64));
    });
    assert!(other.contains("contradicts itself") && other.contains("npm:/a"), "{other}");
    let less = statement(&|list| list.retain(|d| d["name"] != name));
    assert!(less.contains("missing"), "{less}");
    let more = statement(&|list| {
        let mut entry = list.iter().find(|d| d["name"] == name).unwrap().clone();
        entry["name"] = json!("fetched/smuggled");
        list.push(entry);
    });
    assert!(more.contains("what steps fetched"), "{more}");
}
