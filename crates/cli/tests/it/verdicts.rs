//! Rebuilding: the verdicts that are not `reproduced`, and a rebuild that has a bundle and nothing else.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::home::{Home, bare, need, open_up, ran, room};
use crate::project::{EPOCH, Project, git, one_step, recipe};

#[test]
fn an_output_that_holds_the_clock_or_chance_differs() {
    let home = Home::shared();
    for run in ["date +%N > out/made", "head -c 16 /dev/urandom > out/made"] {
        let project = Project::new(&one_step(&["mkdir out", run]), &[]);
        let (code, result) = home.json(project.path(), &["reproduce"]);
        assert_eq!((code, &result["rebuild"]["verdict"]), (30, &Value::from("differs")), "{run}: {result:#}");
        let compared = &result["rebuild"]["artifacts"][0];
        assert_eq!(compared["expected"], result["build"]["artifacts"][0]["digest"]);
        assert_ne!(compared["expected"], compared["found"]);

        let ran = home.run(project.path(), &["rebuild", "selfsame-out/out.tar.sigstore.json"]);
        assert_eq!(ran.code, Some(30), "{ran:?}");
        assert!(ran.out.contains("expected sha256:") && ran.out.contains("found    sha256:"), "{ran:?}");
    }
}

#[test]
fn without_its_work_tree_it_is_not_built() {
    let home = Home::own();
    let project = Project::new(&one_step(&["mkdir out", "cp text out"]), &[("text", "gone soon\n")]);
    let built = home.ok(project.path(), &["build"]);
    let tree = source_tree(&home, &project, &built);
    fs::remove_file(home.blob(&tree)).unwrap();
    forget_trees_on_disk(&home);
    let (code, result) = home.json(project.path(), &["rebuild", "selfsame-out/out.tar.sigstore.json"]);
    assert_eq!((code, &result["verdict"]), (31, &Value::from("not_built")), "{result:#}");
    let reason = result["reason"].as_str().unwrap();
    assert!(reason.contains("source `main`") && reason.contains("no remote repository"), "{reason}");
    assert_eq!(result["artifacts"][0]["found"], Value::Null);
    home.assert_clean();
}

#[test]
fn without_a_file_that_its_address_no_longer_has_it_is_not_built() {
    let home = Home::own();
    let elsewhere = room();
    let file = elsewhere.path().join("data.txt");
    fs::write(&file, "from far away\n").unwrap();
    let digest = model::Digest::of(b"from far away\n");
    let text = one_step(&["mkdir out", "cp far/data.txt out"]).replace(
        "[toolchain]",
        &format!(
            "[sources.far]\nurl = \"file://{}\"\nsha256 = \"{}\"\n\n[toolchain]",
            file.display(),
            digest.hex()
        ),
    );
    let text = text.replace("run = ", "inputs = { far = \"source:far\" }\nrun = ");
    let project = Project::new(&text, &[]);
    assert_eq!(home.run(project.path(), &["build"]).code, Some(5), "the lock lacks the source");
    home.ok(project.path(), &["lock"]);
    home.ok(project.path(), &["build"]);

    // The store lacks it: it comes again from its address.
    let tree = locked_tree(&project, "far");
    let lose = || {
        for lost in [digest.to_string(), tree.clone()] {
            fs::remove_file(home.blob(&lost)).unwrap();
        }
        forget_trees_on_disk(&home);
    };
    lose();
    let bundle = ["rebuild", "selfsame-out/out.tar.sigstore.json"];
    assert_eq!(home.ok(project.path(), &bundle)["verdict"], "reproduced");

    // Nor does its address have it: that is said.
    lose();
    fs::remove_file(&file).unwrap();
    let (code, result) = home.json(project.path(), &bundle);
    assert_eq!((code, &result["verdict"]), (31, &Value::from("not_built")), "{result:#}");
    assert!(result["reason"].as_str().unwrap().contains("data.txt"), "{result:#}");

    // Other bytes at its address are no substitute.
    fs::write(&file, "from far awry\n").unwrap();
    let (code, result) = home.json(project.path(), &bundle);
    assert_eq!((code, &result["verdict"]), (31, &Value::from("not_built")), "{result:#}");
}

/// A build that ends well by chance and fails by chance: the second is no `differs`, and not `reproduced` either.
#[test]
fn a_step_that_fails_when_it_is_rebuilt_is_not_built() {
    let home = Home::own();
    let coin = "test $(($(od -An -N1 -tu1 /dev/urandom) % 2)) = 0";
    let project = Project::new(&one_step(&["mkdir out", coin]), &[]);
    // One in 2^50 that a coin does not do what is waited for.
    assert!((0..50).any(|_| home.run(project.path(), &["build", "--quiet"]).code == Some(0)));
    let bundle = ["rebuild", "selfsame-out/out.tar.sigstore.json"];
    let unlucky = (0..50).map(|_| home.json(project.path(), &bundle)).find(|(code, _)| *code != 0);
    let (code, result) = unlucky.expect("a coin shows both sides");
    assert_eq!((code, &result["verdict"]), (31, &Value::from("not_built")), "{result:#}");
    assert!(result["reason"].as_str().unwrap().contains("step `build` failed"), "{result:#}");
}

#[test]
fn a_bundle_and_a_key_are_enough_in_a_home_that_never_saw_the_build() {
    let builder = Home::own();
    let project = Project::new(
        &one_step(&["mkdir out", "cp -r text deep out", "stat -c %Y text > out/time"]),
        &[("text", "seen by all\n"), ("deep/run", "#!/bin/sh\n")],
    );
    let remotes = room();
    let remote = remotes.path().join("repository.git");
    git(remotes.path(), &["clone", "-q", "--bare", project.path().to_str().unwrap(), "repository.git"]);
    let url = format!("file://{}", remote.display());
    project.git(&["remote", "add", "origin", &url]);
    let built = builder.ok(project.path(), &["build"]);
    assert_eq!(built["conditions"]["source-date-epoch"], EPOCH);

    // All that the other one gets.
    let given = room();
    fs::copy(project.file("selfsame-out/out.tar.sigstore.json"), given.path().join("bundle")).unwrap();
    fs::copy(builder.path().join("keys/selfsame.pub"), given.path().join("builder.pub")).unwrap();
    let tree = source_tree(&builder, &project, &built);
    drop(project);

    let other = Home::own();
    assert!(!other.blob(&tree).exists(), "the other store must not have the source");
    let with_key = ["rebuild", "bundle", "--key", "builder.pub"];
    let (code, error) = other.json(given.path(), &["rebuild", "bundle"]);
    assert_eq!(code, 21, "no key, no trust: {error:#}");
    let (code, result) = other.json(given.path(), &[&with_key[..], &["--offline"]].concat());
    assert_eq!((code, &result["verdict"]), (31, &Value::from("not_built")), "{result:#}");
    let result = other.ok(given.path(), &with_key);
    assert_eq!(result["verdict"], "reproduced", "{result:#}");
    let shown = other.ok(given.path(), &["log", "--kind", "rebuild"]);
    assert_eq!(shown["entries"].as_array().unwrap().len(), 2, "{shown:#}");

    let third = Home::own();
    open_up(&remote);
    fs::remove_dir_all(&remote).unwrap();
    let (code, result) = third.json(given.path(), &with_key);
    assert_eq!((code, &result["verdict"]), (31, &Value::from("not_built")), "{result:#}");
    assert!(result["reason"].as_str().unwrap().contains("repository.git"), "{result:#}");
}

#[test]
fn a_dirty_work_tree_is_told_and_cannot_be_had_again() {
    let home = Home::own();
    let project = Project::new(&one_step(&["mkdir out", "cp text out"]), &[("text", "committed\n")]);
    let origin = format!("file://{}", project.path().display());
    project.git(&["remote", "add", "origin", &origin]);
    project.write("text", "changed\n");
    let ran = home.run(project.path(), &["build"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("not as committed") && ran.err.contains("text"), "{ran:?}");
    let built = home.ok(project.path(), &["build"]);
    fs::remove_file(home.blob(&source_tree(&home, &project, &built))).unwrap();
    forget_trees_on_disk(&home);
    let (code, result) = home.json(project.path(), &["rebuild", "selfsame-out/out.tar.sigstore.json"]);
    assert_eq!(code, 31, "{result:#}");
    assert!(result["reason"].as_str().unwrap().contains("not as committed"), "{result:#}");
}

#[test]
fn two_artifacts_are_compared_each() {
    let home = Home::shared();
    let text = recipe(
        "[[step]]\nname = \"build\"\nrun = [\"echo same > a\", \"date +%N > b\"]\noutputs = [\"a\", \"b\"]\n\n\
         [[artifact]]\nname = \"a\"\nformat = \"file\"\nfrom = \"step:build/a\"\n\n\
         [[artifact]]\nname = \"b\"\nformat = \"file\"\nfrom = \"step:build/b\"\n",
    );
    let project = Project::new(&text, &[]);
    let (code, result) = home.json(project.path(), &["reproduce"]);
    assert_eq!(code, 30, "{result:#}");
    let [a, b] = [0, 1].map(|i| &result["rebuild"]["artifacts"][i]);
    assert_eq!(a["expected"], a["found"]);
    assert_ne!(b["expected"], b["found"]);
    assert_eq!(result["rebuild"]["reason"], "other bits in b");
}

/// The tree of the source `main`, as the ledger knows it.
pub(crate) fn source_tree(home: &Home, project: &Project, built: &Value) -> String {
    let dossier = home.ok(project.path(), &["show", built["build"].as_str().unwrap()]);
    let materials =
        dossier["builds"][0]["materials"].as_array().unwrap_or_else(|| panic!("{dossier:#}")).clone();
    let source = materials.iter().find(|m| m["kind"] == "source").unwrap_or_else(|| panic!("{dossier:#}"));
    source["digest"].as_str().unwrap().to_owned()
}

fn locked_tree(project: &Project, source: &str) -> String {
    let text = fs::read_to_string(project.file("selfsame.lock")).unwrap();
    model::lock::Lock::parse("selfsame.lock", &text).unwrap().sources[source].tree.to_string()
}

/// Removes all trees on disk but the toolchain's: what is needed is read from blobs again.
pub(crate) fn forget_trees_on_disk(home: &Home) {
    for boot in fs::read_dir(home.store().join("trees")).unwrap() {
        for tree in fs::read_dir(boot.unwrap().path()).unwrap() {
            let path = tree.unwrap().path();
            if path.extension().is_some_and(|e| e == "rw") {
                open_up(&path);
                fs::remove_dir_all(&path).unwrap();
            }
        }
    }
}

/// A disk that fills up under a step is a fault of this machine: no `step_failed`, no `not_built`.
#[test]
fn a_step_on_a_full_disk_says_nothing_about_the_build() {
    need(&["unshare", "mount"]);
    let home = Home::shared();
    // Needs 30 MB, and says nothing of its own if it does not get them.
    let text = one_step(&["mkdir out", "head -c 30000000 /dev/zero >big 2>/dev/null", "rm big"]);
    let project = Project::new(&text, &[]);
    home.ok(project.path(), &["build"]);
    let place = room();
    // Everything but the store's room for scratch lies elsewhere.
    let script = r#"
        place=$1 home=$2 selfsame=$3
        mount -t tmpfs -o size=1g tmpfs "$place"
        mkdir "$place/store"
        cp -r "$home/store/blobs" "$home/store/memos" "$home/store/VERSION" "$place/store"
        cp -r "$home/keys" "$home/ledger.sqlite" "$place"
        "$selfsame" --home "$place" build --fresh >/dev/null
        free=$(df --output=avail -k "$place" | tail -n 1)
        head -c "$(($free - 20000))K" /dev/zero >"$place/ballast"
        code=0; "$selfsame" --home "$place" build --fresh 2>&1 >/dev/null || code=$?
        echo "build $code"
        code=0; "$selfsame" --home "$place" rebuild selfsame-out/out.tar.sigstore.json || code=$?
        echo "rebuild $code"
    "#;
    let mut command = bare(Path::new("unshare"), home.path(), project.path());
    command.args(["--user", "--map-root-user", "--mount", "sh", "-ec", script, "sh"]);
    command.args([place.path(), home.path()]).arg(env!("CARGO_BIN_EXE_selfsame"));
    let said = ran(&mut command);
    let told = ["failed on a full disk", "`selfsame store gc`", "build 1\n", "unknown", "rebuild 1\n"];
    assert!(told.iter().all(|t| said.out.contains(t)), "{said:?}");
}

#[test]
fn a_repository_that_cannot_be_reached_says_nothing_about_the_build() {
    let home = Home::own();
    let project = Project::new(&one_step(&["mkdir out", "cp text out"]), &[("text", "far\n")]);
    // Nobody listens there.
    project.git(&["remote", "add", "origin", "http://127.0.0.1:9/x.git"]);
    let built = home.ok(project.path(), &["build"]);
    let tree = source_tree(&home, &project, &built);
    fs::remove_file(home.blob(&tree)).unwrap();
    forget_trees_on_disk(&home);
    let (code, result) = home.json(project.path(), &["rebuild", "selfsame-out/out.tar.sigstore.json"]);
    assert_eq!((code, &result["verdict"]), (1, &Value::from("unknown")), "{result:#}");
}
