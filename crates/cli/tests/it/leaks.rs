//! Leaks in artifacts: told, recorded, allowed by line, denied; and `scan` over files.

use std::fs;

use serde_json::Value;

use crate::home::{Home, room};
use crate::project::{Project, recipe};

/// A step that writes the path that it runs in into one of two files, and an artifact of both.
fn project(allow: &str) -> Project {
    let text = recipe(&format!(
        "[[step]]\nname = \"build\"\nrun = [\"mkdir -p out/lib\", \"echo libdir=$PWD/lib > out/lib/x.la\", \
         \"echo clean > out/y\"]\noutputs = [\"out\"]\n\n[[artifact]]\nname = \"x.tar.gz\"\nformat = \"tar.gz\"\n\
         from = \"step:build/out\"\nprefix = \"x-1.0\"\n{allow}\n"
    ));
    Project::new(&text, &[])
}

const ALLOW: &str =
    "allow-leaks = [{ rule = \"build-path\", path = \"*/lib/*.la\", reason = \"as libtool has it\" }]";

#[test]
fn a_leak_is_told_recorded_and_found_again_by_the_artifact_s_digest() {
    let home = Home::own();
    let project = project("");
    let ran = home.run(project.path(), &["build", "--progress", "line"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.err.contains("warn build-path x.tar.gz!/x-1.0/lib/x.la: /build/src/lib (at byte 7)"),
        "{}",
        ran.err
    );
    let built = home.ok(project.path(), &["build"]);
    let artifact = &built["artifacts"][0];
    assert_eq!(
        artifact["leaks"]["counts"],
        serde_json::json!({ "error": 0, "warn": 1, "info": 0, "allowed": 0 })
    );
    let digest = artifact["digest"].as_str().unwrap();
    let shown = home.ok(project.path(), &["show", digest]);
    let report = &shown["leaks"][0];
    assert_eq!((&report["blob"], &report["digest"]), (&artifact["leaks"]["report"], &artifact["digest"]));
    let finding = &report["findings"][0];
    assert_eq!(
        (&finding["id"], &finding["place"]),
        (&"LEAK01".into(), &"x-1.0/lib/x.la".into()),
        "{shown:#}"
    );
    let text = home.run(project.path(), &["show", digest]).out;
    assert!(text.contains("leaks in x.tar.gz"), "{text}");
    // Provenance names the report, and a rebuild needs none.
    let bundle: Value =
        serde_json::from_slice(&fs::read(project.file("selfsame-out/x.tar.gz.sigstore.json")).unwrap())
            .unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    let statement = std::process::Command::new("sh")
        .args(["-c", &format!("echo {payload} | base64 -d")])
        .output()
        .unwrap();
    let statement: Value = serde_json::from_slice(&statement.stdout).unwrap();
    let byproducts = statement["predicate"]["runDetails"]["byproducts"].as_array().unwrap();
    let leaks = byproducts.iter().find(|entry| entry["name"] == "leaks/x.tar.gz").unwrap();
    assert_eq!(leaks["annotations"]["kind"], "leaks");
    let rebuilt = home.ok(project.path(), &["rebuild", "selfsame-out/x.tar.gz.sigstore.json"]);
    assert_eq!(rebuilt["verdict"], "reproduced");
    // Who does not look records nothing.
    let off = home.ok(project.path(), &["build", "--leaks", "off"]);
    assert_eq!(off["artifacts"][0]["leaks"], Value::Null);
}

#[test]
fn a_leak_is_denied_unless_a_line_allows_it() {
    let home = Home::own();
    let leaky = project("");
    let (code, error) = home.json(leaky.path(), &["build", "--leaks", "deny"]);
    assert_eq!(code, 23, "{error:#}");
    assert_eq!(error["title"], "`x.tar.gz` has a leak that no line of the recipe allows");
    assert!(error["lines"][0].as_str().unwrap().contains("x.tar.gz!/x-1.0/lib/x.la"), "{error:#}");
    assert!(!leaky.file("selfsame-out/x.tar.gz").exists(), "nothing is written");
    let log = home.ok(leaky.path(), &["log"]);
    assert_eq!(log["entries"][0]["ok"], false, "{log:#}");
    let allowed = project(ALLOW);
    let built = home.ok(allowed.path(), &["build", "--leaks", "deny"]);
    let counts = &built["artifacts"][0]["leaks"]["counts"];
    assert_eq!(*counts, serde_json::json!({ "error": 0, "warn": 0, "info": 0, "allowed": 1 }));
    let shown = home.ok(allowed.path(), &["show", built["artifacts"][0]["digest"].as_str().unwrap()]);
    let reports = shown["leaks"].as_array().unwrap();
    assert!(
        reports.iter().any(|report| report["findings"][0]["allowed"] == "as libtool has it"),
        "{shown:#}"
    );
    // A line that allows nothing is told.
    let other = project(&ALLOW.replace("*/lib/*.la", "*/bin"));
    let ran = home.run(other.path(), &["build", "--leaks", "deny", "--progress", "line"]);
    assert_eq!(ran.code, Some(23));
    assert!(ran.err.contains("allows nothing that is there"), "{}", ran.err);
}

#[test]
fn what_is_not_kept_is_denied_and_what_could_not_be_opened_is_told() {
    let home = Home::own();
    let text = recipe(
        "[[step]]\nname = \"build\"\nrun = [\"mkdir out\", \"for n in $(seq 1001); do echo $PWD/x > out/$n; done\", \
         \"printf '\\\\037\\\\213\\\\010' > out/cut.gz\"]\noutputs = [\"out\"]\n\n[[artifact]]\nname = \"x.tar\"\n\
         format = \"tar\"\nfrom = \"step:build/out\"\nprefix = \"x\"\n\
         allow-leaks = [{ rule = \"build-path\", path = \"x/*\", reason = \"as many as are looked at\" }]\n",
    );
    let project = Project::new(&text, &[]);
    let ran = home.run(project.path(), &["build", "--progress", "line"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("x.tar: 1 more such findings"), "{}", ran.err);
    assert!(ran.err.contains("x.tar!/x/cut.gz could not be looked into: damaged gzip"), "{}", ran.err);
    let (code, error) = home.json(project.path(), &["build", "--leaks", "deny"]);
    assert_eq!(code, 23, "{error:#}");
    assert_eq!(error["title"], "`x.tar` has a leak that no line of the recipe allows");
    assert_eq!(error["lines"], serde_json::json!(["and 1 more in x.tar"]));
}

#[test]
fn the_value_of_a_secret_that_came_with_the_source_is_found() {
    let home = Home::own();
    let text = recipe(
        "[[step]]\nname = \"build\"\nrun = [\"test -s /run/secrets/token\", \"echo x > out\"]\noutputs = [\"out\"]\n\
         secrets = [\"token\"]\n\n[[artifact]]\nname = \"out\"\nformat = \"file\"\nfrom = \"step:build/out\"\n\n\
         [[artifact]]\nname = \"src.tar\"\nformat = \"tar\"\nfrom = \"source:main\"\n",
    );
    let value = format!("of-{}-in-a-source", std::process::id());
    let project = Project::new(&text, &[("config", &format!("password = {value}\n"))]);
    let dir = room();
    let file = dir.path().join("token");
    fs::write(&file, &value).unwrap();
    let secret = format!("--secret=token={}", file.display());
    let ran = home.run(project.path(), &["build", "--leaks", "deny", &secret]);
    assert_eq!(ran.code, Some(23), "{ran:?}");
    assert!(ran.err.contains("error secret src.tar!/config: the secret `token`: ***"), "{}", ran.err);
    assert!(!ran.err.contains(&value));
}

#[test]
fn scan_looks_through_any_file() {
    let home = Home::empty();
    let folder = room();
    let at = folder.path();
    fs::create_dir(at.join("d")).unwrap();
    fs::write(at.join("d/a"), "rpath /opt/my-checkout/lib and /build/src/x\n").unwrap();
    fs::write(at.join("d/b"), "nothing\n").unwrap();
    let (code, result) = home.json(at, &["scan", "d", "--path", "/opt/my-checkout"]);
    assert_eq!((code, &result["looked"]), (1, &2.into()), "{result:#}");
    assert_eq!(result["counts"], serde_json::json!({ "error": 1, "warn": 1, "info": 0 }));
    assert_eq!(result["files"][0]["findings"][1]["rule"], "host-path");
    let ran = home.run(at, &["scan", "d", "--rule", "token"]);
    assert_eq!((ran.code, ran.out.trim()), (Some(0), "2 files: 0 error, 0 warn, 0 info"));
    let text = home.run(at, &["scan", "d/a"]).out;
    assert!(
        text.starts_with("warn build-path d/a: /build/src/x (at byte 31)\n  have it written relative"),
        "{text}"
    );
    assert_eq!(home.run(at, &["scan", "nowhere"]).code, Some(1));
    assert_eq!(home.run(at, &["scan", "d", "--rule", "tokens"]).code, Some(2));
    // There are no secrets here that could be looked for: none found would say nothing.
    let ran = home.run(at, &["scan", "d", "--rule", "secret"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("expected one of "), "{}", ran.err);
}
