//! One flipped bit in the store: seen when it is used, put aside, brought or built again, never served.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::home::{Home, flip, open_up};
use crate::project::{Project, one_step, recipe};
use crate::seed;
use crate::verdicts::forget_trees_on_disk;

/// Two steps, so that one can be cached while the other needs its output.
fn two_steps(last: &str) -> String {
    recipe(&format!(
        r#"[[step]]
name = "first"
inputs = {{ "text" = "source:main/text" }}
run = ["mkdir made", "sed s/^/made:/ text > made/text", "echo first"]
outputs = ["made"]

[[step]]
name = "last"
inputs = {{ "in" = "step:first/made" }}
run = ["cat in/text > out", "echo {last} >> out"]
outputs = ["out"]

[[artifact]]
name = "out.txt"
format = "file"
from = "step:last/out"
"#
    ))
}

/// A blob with exactly these bytes.
fn blob_of(home: &Home, bytes: &[u8]) -> PathBuf {
    let path = home.blob(&model::Digest::of(bytes).to_string());
    assert!(path.exists(), "the store has no blob of {bytes:?}");
    path
}

/// The build ends well with the right bytes, the damage was put aside, and nothing else is wrong.
#[track_caller]
fn assert_heals(home: &Home, project: &Project, expected: &Value) -> Value {
    let result = home.ok(project.path(), &["build"]);
    assert_eq!(result["artifacts"][0]["digest"], *expected, "{result:#}");
    let stats = home.ok(project.path(), &["store", "stats"]);
    assert!(stats["quarantined"].as_u64().unwrap() > 0, "{stats:#}");
    home.assert_clean();
    result
}

#[test]
fn a_file_of_the_work_tree() {
    let home = Home::own();
    let project = Project::new(&one_step(&["mkdir out", "cp text out"]), &[("text", "of the work tree\n")]);
    let good = home.ok(project.path(), &["build"]);
    forget_trees_on_disk(&home);
    forget_actions(&home);
    flip(&blob_of(&home, b"of the work tree\n"));
    // The work tree is read at each build, and what is put heals what lies there.
    let again = home.ok(project.path(), &["build"]);
    assert_eq!(again["artifacts"], good["artifacts"]);
    assert_eq!(again["cached"], false);
    home.assert_clean();

    // Now the store believes that it holds the work tree as it is, and does not read it again before it must.
    let bytes = model::Digest::of(b"of the work tree\n").to_string();
    for _ in 0..2 {
        home.ok(project.path(), &["build"]);
        forget_trees_on_disk(&home);
        forget_actions(&home);
        flip(&home.blob(&bytes));
        let again = home.ok(project.path(), &["build"]);
        assert_eq!((&again["artifacts"], &again["cached"]), (&good["artifacts"], &false.into()));
        home.assert_clean();
    }
}

#[test]
fn what_a_cached_step_made() {
    let home = Home::own();
    let project = Project::new(&two_steps("one"), &[("text", "kept by a step\n")]);
    home.ok(project.path(), &["build"]);
    // The last step has other commands and needs what the first, which is cached, made.
    project.write("selfsame.toml", &two_steps("two"));
    project.commit();
    forget_trees_on_disk(&home);
    // Not the bytes of any file of the work tree: reading that again would mend the blob before anyone meets it.
    flip(&blob_of(&home, b"made:kept by a step\n"));
    let expected = model::Digest::of(b"made:kept by a step\ntwo\n").to_string();
    let result = assert_heals(&home, &project, &expected.into());
    assert_eq!(result["cached"], false);
}

#[test]
fn an_output_that_is_the_artifact() {
    let home = Home::own();
    let project = Project::new(&two_steps("three"), &[("text", "shipped\n")]);
    let good = home.ok(project.path(), &["build"]);
    flip(&blob_of(&home, b"made:shipped\nthree\n"));
    let again = assert_heals(&home, &project, &good["artifacts"][0]["digest"]);
    let shipped = fs::read(project.file("selfsame-out/out.txt")).unwrap();
    assert_eq!(shipped, b"made:shipped\nthree\n");
    assert_eq!(again["steps"][1]["cached"], false, "{again:#}");
}

#[test]
fn a_packed_artifact_and_a_bundle_and_an_sbom() {
    let home = Home::own();
    let project = Project::new(&one_step(&["mkdir out", "cp text out"]), &[("text", "packed\n")]);
    let good = home.ok(project.path(), &["build"]);
    for damaged in
        [&good["artifacts"][0]["digest"], &good["bundle"], &good["cyclonedx"], &good["steps"][0]["log"]]
    {
        flip(&home.blob(damaged.as_str().unwrap()));
        let result = home.ok(project.path(), &["build"]);
        assert_eq!(result["artifacts"][0]["digest"], good["artifacts"][0]["digest"]);
        home.ok(project.path(), &["verify", "selfsame-out/out.tar"]);
        let (_, report) = home.json(project.path(), &["store", "verify"]);
        let left = report["damaged"].as_array().unwrap().len();
        assert!(left <= 2, "only what was not used may be found later: {report:#}");
        home.ok(project.path(), &["build"]);
        home.assert_clean();
    }
    flip(&home.blob(good["steps"][0]["log"].as_str().unwrap()));
    let said = home.run(project.path(), &["store", "verify"]).out;
    let place = said.split("now ").nth(1).and_then(|t| t.split(", until").next()).unwrap_or_default();
    assert!(fs::metadata(place).is_ok_and(|m| m.is_file()), "where it is now: {said}");
    let bundle = fs::read_to_string(project.file("selfsame-out/out.tar.sigstore.json")).unwrap();
    serde_json::from_str::<Value>(&bundle).unwrap();
}

#[test]
fn an_entry_of_the_action_cache() {
    let home = Home::own();
    let project = Project::new(&one_step(&["mkdir out", "cp text out"]), &[("text", "acted\n")]);
    let good = home.ok(project.path(), &["build"]);
    let action = good["steps"][0]["action"].as_str().unwrap();
    let hex = action.strip_prefix("sha256:").unwrap().split('/').next().unwrap();
    flip(&home.store().join("actions").join(&hex[..2]).join(hex));
    let again = assert_heals(&home, &project, &good["artifacts"][0]["digest"]);
    assert_eq!(again["cached"], false);
}

#[test]
fn a_file_of_the_toolchain_and_the_package_it_is_from() {
    let home = Home::own();
    let mirror = crate::home::room();
    let text = one_step(&["mkdir out", "cp text out"]);
    let address = format!("[toolchain]\nmirror = \"file://{}\"\n", mirror.path().display());
    let project = Project::new(&text.replace("[toolchain]\n", &address), &[("text", "tools\n")]);
    seed::mirror_of(seed::small(), &project.file("selfsame.lock"), mirror.path());
    let good = home.ok(project.path(), &["build"]);

    // The tree on disk is gone, so it is made from blobs again: one of them is damaged, and so is the package.
    let lock = fs::read_to_string(project.file("selfsame.lock")).unwrap();
    let lock = model::lock::Lock::parse("selfsame.lock", &lock).unwrap();
    for boot in fs::read_dir(home.store().join("trees")).unwrap() {
        let boot = boot.unwrap().path();
        open_up(&boot);
        fs::remove_dir_all(&boot).unwrap();
    }
    forget_actions(&home);
    flip(&home.blob(&lock.toolchain.tree.to_string()));
    let result = home.ok(project.path(), &["build"]);
    assert_eq!(result["artifacts"], good["artifacts"]);
    home.assert_clean();

    for boot in fs::read_dir(home.store().join("trees")).unwrap() {
        let boot = boot.unwrap().path();
        open_up(&boot);
        fs::remove_dir_all(&boot).unwrap();
    }
    forget_actions(&home);
    let dash = lock.toolchain.packages().iter().find(|p| p.name == "dash").unwrap();
    flip(&home.blob(&dash.digest.to_string()));
    fs::remove_file(home.blob(&lock.toolchain.tree.to_string())).unwrap();
    let _ = fs::remove_dir_all(home.store().join("memos/toolchain"));
    let _ = fs::remove_dir_all(home.store().join("memos/deb"));
    assert_heals(&home, &project, &good["artifacts"][0]["digest"]);
}

fn forget_actions(home: &Home) {
    for fan in fs::read_dir(home.store().join("actions")).unwrap() {
        fs::remove_dir_all(fan.unwrap().path()).unwrap();
    }
}
