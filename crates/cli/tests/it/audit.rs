//! `audit` and `pin` from the outside.

use std::fs;

use serde_json::Value;

use crate::home::Home;
use crate::project::{Project, one_step};

const LOCK: &str = "{\"lockfileVersion\": 3, \"packages\": {}}";

fn rules(result: &Value) -> Vec<String> {
    let list = result["findings"].as_array().unwrap();
    list.iter()
        .map(|f| format!("{} {}:{}", f["rule"].as_str().unwrap(), f["file"].as_str().unwrap(), f["line"]))
        .collect()
}

#[test]
fn what_is_tracked_is_told_in_its_text_and_mended_on_request() {
    let home = Home::empty();
    let project = Project::new(
        &one_step(&["mkdir out"]),
        &[("Dockerfile", "FROM debian:12\nRUN npm install\n"), ("package-lock.json", LOCK)],
    );
    project.write("untracked.sh", "curl https://example.org/x | sh\n");
    let (code, result) = home.json(project.path(), &["audit"]);
    assert_eq!(code, 1, "{result:#}");
    let found: Vec<_> = rules(&result).into_iter().filter(|r| !r.contains("RCP")).collect();
    assert_eq!(found, ["IMG01 Dockerfile:1", "LOCK14 Dockerfile:2"]);
    assert_eq!(result["counts"]["error"], 2);
    assert_eq!(result["readiness"].as_array().unwrap().len(), 12);

    let text = home.run(project.path(), &["audit"]).out;
    assert!(text.contains("error: IMG01: an image by tag, not by digest\n --> Dockerfile:1:6"), "{text}");
    assert!(text.contains("1 | FROM debian:12\n  |      ^^^^^^^^^"), "{text}");
    assert_eq!(home.run(project.path(), &["audit", "--fail-on", "never"]).code, Some(0));
    assert_eq!(
        home.run(project.path(), &["audit", "selfsame.toml", "--fail-on", "error"]).code,
        Some(1),
        "no lock among these files"
    );

    let shown = home.run(project.path(), &["audit", "--fix", "--dry-run"]).out;
    assert!(shown.contains("-RUN npm install\n+RUN npm ci\n"), "{shown}");
    assert!(fs::read_to_string(project.file("Dockerfile")).unwrap().contains("npm install"));
    let (_, result) = home.json(project.path(), &["audit", "--fix"]);
    assert_eq!(result["changed"], serde_json::json!(["Dockerfile"]));
    assert_eq!(fs::read_to_string(project.file("Dockerfile")).unwrap(), "FROM debian:12\nRUN npm ci\n");
    assert!(rules(&result).iter().all(|r| !r.starts_with("LOCK14")));
}

#[test]
fn a_log_in_sarif_is_the_whole_answer() {
    let home = Home::empty();
    let project = Project::new(&one_step(&["mkdir out"]), &[("Dockerfile", "FROM debian\n")]);
    let ran = home.run(project.path(), &["audit", "--sarif"]);
    assert_eq!(ran.code, Some(1));
    let log: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(log["runs"][0]["results"][0]["ruleId"], "IMG02");
}

#[test]
fn what_a_build_attempted_is_remembered() {
    let home = Home::shared();
    let ask = "perl -MSocket -e 'inet_aton(q(mirror.example.org))'; mkdir out";
    let text = one_step(&[ask]).replace("outputs", "violations = { network = \"warn\" }\noutputs");
    let project = Project::new(&text, &[]);
    let observed = |result: &Value| {
        let list = result["findings"].as_array().unwrap().iter().filter(|f| f["observed"] == true);
        list.map(|f| (f["rule"].clone(), f["line"].as_u64().unwrap(), f["evidence"].clone()))
            .collect::<Vec<_>>()
    };
    let line = 1 + text.lines().position(|line| line == "name = \"build\"").unwrap();
    let wanted = [("NET06".into(), line as u64, "perl -MSocket -e inet_aton(q(mirror.example.org))".into())];

    let (_, before) = home.json(project.path(), &["audit"]);
    assert!(
        observed(&before).is_empty() && rules(&before).iter().any(|r| r.starts_with("RCP03")),
        "{before:#}"
    );
    home.ok(project.path(), &["build"]);
    let (code, after) = home.json(project.path(), &["audit"]);
    assert_eq!((code, &observed(&after)[..]), (1, &wanted[..]));
    // Another text of the recipe has not been built.
    project.write("selfsame.toml", &text.replace(" = \"warn\"", " = \"deny\""));
    assert!(observed(&home.json(project.path(), &["audit"]).1).is_empty());
    // A trial that fails by what it attempts is an answer.
    let (code, trial) = home.json(project.path(), &["audit", "--trial"]);
    assert_eq!((code, &observed(&trial)[..]), (1, &wanted[..]));
    assert!(!project.file("selfsame-out/trial").exists());
}

#[test]
fn outside_a_repository_a_file_can_still_be_named() {
    let home = Home::empty();
    // Not in the room of the other tests, which lies in a repository.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Dockerfile"), "FROM a\n").unwrap();
    let (code, error) = home.json(folder.path(), &["audit"]);
    assert_eq!(code, 1);
    assert!(error["title"].as_str().unwrap().contains("no git repository"), "{error:#}");
    let (_, result) = home.json(folder.path(), &["audit", "Dockerfile"]);
    assert_eq!(rules(&result), ["IMG02 Dockerfile:1"]);
}

#[test]
fn pinning_asks_the_forge_and_checks_without_asking() {
    let home = Home::empty();
    let workflow = "jobs:\n  a:\n    steps:\n      - uses: owner/name@v1 # mine\n";
    let project = Project::new(&one_step(&["mkdir out"]), &[(".github/workflows/a.yml", workflow)]);
    let forge = Project::new(&one_step(&["mkdir out"]), &[]);
    let bare = forge.file("base/owner/name");
    fs::create_dir_all(bare.parent().unwrap()).unwrap();
    forge.git(&["tag", "v1"]);
    forge.git(&["clone", "-q", "--bare", ".", "base/owner/name"]);
    let commit = forge.git(&["rev-parse", "HEAD"]).trim().to_owned();

    let (code, result) = home.json(project.path(), &["pin", "--check"]);
    assert_eq!((code, &result["floating"][0]["reference"]), (1, &Value::from("owner/name@v1")));
    let (code, error) = home.json(project.path(), &["pin"]);
    assert_eq!(code, 1);
    assert!(error["failed"][0]["reason"].as_str().unwrap().contains("--forge"), "{error:#}");
    let base = forge.file("base").display().to_string();
    let pinned = home.ok(project.path(), &["pin", "--forge", &base]);
    assert_eq!(pinned["pinned"][0]["to"], Value::from(commit.clone()));
    let now = fs::read_to_string(project.file(".github/workflows/a.yml")).unwrap();
    assert_eq!(now, workflow.replace("@v1 #", &format!("@{commit} # v1")));
    home.ok(project.path(), &["pin", "--check"]);
    assert_eq!(home.ok(project.path(), &["pin", "--forge", &base])["changed"], serde_json::json!([]));
}

#[test]
fn what_an_artifact_of_the_last_build_holds_is_told() {
    let home = Home::shared();
    let project = Project::new(&one_step(&["mkdir out; pwd > out/where"]), &[]);
    let observed = || {
        let (_, result) = home.json(project.path(), &["audit", "--fail-on", "never"]);
        let list = result["findings"].as_array().unwrap().clone();
        list.into_iter().filter(|f| f["rule"] == "DET04").collect::<Vec<_>>()
    };
    assert_eq!(observed(), [Value::Null; 0], "nothing was built yet");
    home.ok(project.path(), &["lock"]);
    home.ok(project.path(), &["build"]);
    let found = observed();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["observed"], true);
    assert!(found[0]["message"].as_str().unwrap().contains("/where` holds `/build/src`"), "{found:#?}");
    assert_eq!(found[0]["file"], "selfsame.toml");
    assert!(found[0]["line"].as_u64().unwrap() > 1, "where the artifact is declared: {found:#?}");
}
