//! What a step attempts and has not declared, and what follows.

use serde_json::Value;

use crate::home::Home;
use crate::project::{Project, one_step, recipe};

/// A command that asks for a name, and goes on.
const ASK: &str = "perl -MSocket -e 'inet_aton(q(mirror.example.org))'; mkdir out";

fn with_policy(run: &str, policy: &str) -> String {
    one_step(&[run]).replace("outputs", &format!("violations = {{ network = \"{policy}\" }}\noutputs"))
}

fn lines(error: &Value) -> Vec<&str> {
    error["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect()
}

#[test]
fn an_attempt_at_the_network_fails_the_step_that_succeeds() {
    let home = Home::shared();
    let project = Project::new(&one_step(&[ASK]), &[]);
    let (code, error) = home.json(project.path(), &["build"]);
    assert_eq!(code, 12, "{error:#}");
    assert_eq!(error["title"], "step `build` attempted what its recipe does not declare");
    let lines = lines(&error);
    assert!(lines[0].starts_with("network  mirror.example.org"), "{lines:?}");
    assert!(lines[1].contains("by perl -MSocket -e inet_aton(q(mirror.example.org))"), "{lines:?}");
    let help = error["help"].to_string();
    assert!(help.contains("[sources]") && help.contains(r#"violations = { network = \"warn\" }"#), "{help}");
}

#[test]
fn a_policy_is_the_recipes_and_a_result_of_the_past_is_judged_by_todays() {
    let home = Home::shared();
    for policy in ["warn", "off"] {
        let project = Project::new(&with_policy(ASK, policy), &[]);
        let ran = home.run(project.path(), &["build"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let told = ran.err.contains("attempt build: network mirror.example.org");
        assert_eq!(told, policy == "warn", "{ran:?}");
        assert_eq!(home.ok(project.path(), &["build"])["cached"], true);
        // Its result is in the store; that does not make it good.
        project.write("selfsame.toml", &with_policy(ASK, "deny"));
        project.commit();
        let (code, error) = home.json(project.path(), &["build"]);
        assert_eq!(code, 12, "{error:#}");
        assert!(lines(&error)[0].starts_with("network  mirror.example.org"), "{error:#}");
    }
}

#[test]
fn a_result_of_which_nobody_knows_what_was_attempted_is_not_taken() {
    let home = Home::own();
    let project = Project::new(&with_policy(ASK, "off"), &[]);
    home.ok(project.path(), &["build"]);
    std::fs::remove_dir_all(home.store().join("memos/observations")).unwrap();
    assert_eq!(home.ok(project.path(), &["build"])["cached"], false);
}

#[test]
fn a_policy_for_the_whole_recipe_is_overridden_by_a_step() {
    let home = Home::shared();
    let text = |step: &str| {
        recipe(&format!(
            "[violations]\ncall = \"warn\"\nnetwork = \"warn\"\n\n[[step]]\nname = \"build\"\nrun = ['''{ASK}; unshare -r true || true''']\n\
             outputs = [\"out\"]\n{step}\n\n[[artifact]]\nname = \"out.tar\"\nformat = \"tar\"\nfrom = \"step:build/out\"\n"
        ))
    };
    let project = Project::new(&text(""), &[]);
    home.ok(project.path(), &["build"]);
    project.write("selfsame.toml", &text("violations = { call = \"deny\" }"));
    let (code, error) = home.json(project.path(), &["build"]);
    assert_eq!(code, 12, "{error:#}");
    let lines = lines(&error);
    assert!(lines.iter().any(|line| line.starts_with("call     unshare")), "{lines:?}");
}

#[test]
fn a_step_that_fails_names_what_it_missed() {
    let home = Home::shared();
    for (command, missed, help) in [
        ("flex a.l", "program  flex", "`flex` is not in the toolchain"),
        ("cat data/in.txt", "file     /build/src/data/in.txt", "declare it under `[sources]`"),
        (
            "perl -e 'open(F, q(/usr/lib/x.conf)) or die qq(/usr/lib/x.conf: $!)'",
            "file     /usr/lib/x.conf",
            "is not there",
        ),
        ("echo x > /usr/share/new", "write    /usr/share/new", "read-only"),
    ] {
        let project = Project::new(&one_step(&["mkdir out", command]), &[]);
        let (code, error) = home.json(project.path(), &["build"]);
        assert_eq!(code, 12, "{command}: {error:#}");
        assert!(lines(&error).iter().any(|line| line.starts_with(missed)), "{command}: {error:#}");
        assert!(error["help"].to_string().contains(help), "{command}: {error:#}");
    }
    // What lies just outside is told with how to bring it in.
    let project = Project::new(&one_step(&["mkdir out", "cat data/in.txt"]), &[]);
    project.write("data/in.txt", "here, and not tracked\n");
    let (_, error) = home.json(project.path(), &["build"]);
    assert!(error["help"][0].as_str().unwrap().contains("`git add data/in.txt`"), "{error:#}");
    assert_eq!(error["violations"][0]["what"], "/build/src/data/in.txt");
    // Git is on every machine that runs this, from some package or from none.
    let project = Project::new(&one_step(&["git --version"]), &[]);
    let (_, error) = home.json(project.path(), &["build"]);
    assert!(error["help"][0].as_str().unwrap().starts_with("this machine has "), "{error:#}");
    // Nothing was missed: it just failed. And what may be missing is not looked for if nobody cares.
    let project = Project::new(&one_step(&["test 1 = 2"]), &[]);
    assert_eq!(home.json(project.path(), &["build"]).0, 10);
    let off = "violations = { program = \"off\", file = \"off\", write = \"off\" }\noutputs";
    let project = Project::new(&one_step(&["flex a.l"]).replace("outputs", off), &[]);
    assert_eq!(home.json(project.path(), &["build"]).0, 10);
}

#[test]
fn a_step_that_fails_only_sometimes_is_told_to_be_so() {
    let home = Home::shared();
    // The first process of a run has the same number each time; the clock has not.
    let odd = "mkdir out; test $(( $(date +%s%N | tail -c 8 | sed 's/^0*//; s/^$/0/') % 2 )) = 0";
    let project = Project::new(&one_step(&[odd]), &[]);
    let mut told = false;
    for _ in 0..40 {
        let (code, answer) = home.json(project.path(), &["build", "--fresh"]);
        assert!(matches!(code, 0 | 10), "{answer:#}");
        told |= code == 10 && answer["help"].to_string().contains("it is not the same each time");
        if told {
            return;
        }
    }
    assert!(told, "of forty runs, none failed and then succeeded");
}

#[test]
fn a_traced_build_shows_what_it_used() {
    let home = Home::shared();
    let project =
        Project::new(&one_step(&["mkdir out", "cat used > out/made"]), &[("used", "x"), ("unused", "y")]);
    let built = home.ok(project.path(), &["build", "--trace"]);
    let digest = built["artifacts"][0]["digest"].as_str().unwrap();
    let shown = home.ok(project.path(), &["show", digest]);
    let usage = &shown["usage"][0];
    assert_eq!(usage["step"], "build");
    let unused: Vec<_> =
        usage["unused_inputs"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    assert!(unused.contains(&"unused") && !unused.contains(&"used"), "{usage:#}");
    assert_eq!(
        usage["writers"]["out/made"][0]
            .as_str()
            .map(|w| w.starts_with("cat used") || w.starts_with("/bin/sh")),
        Some(true)
    );
    assert!(usage["packages"]["coreutils"].as_u64() > Some(0), "{usage:#}");
    assert!(usage["unused_packages"].as_array().unwrap().iter().any(|p| p == "perl-base"), "{usage:#}");
    assert_eq!(usage["lost"], 0);
    // What a step attempts and lives without is none, also when it is heard.
    let lived = "echo x 2>/dev/null > /usr/share/new || mkdir -p out/a; perl -e 'exec q(nothing)' || true";
    home.ok(Project::new(&one_step(&["mkdir out", lived]), &[]).path(), &["build", "--trace"]);
    // A second one has nothing to run again.
    assert_eq!(home.ok(project.path(), &["build", "--trace"])["cached"], true);
}

#[test]
fn a_word_that_is_no_policy_is_told() {
    let home = Home::shared();
    let project = Project::new(&with_policy("true", "forbid"), &[]);
    let (code, error) = home.json(project.path(), &["build"]);
    assert_eq!((code, &error["diagnostics"][0]["title"]), (3, &Value::from("no such policy")), "{error:#}");
}
