//! What is built again, and why.

use serde_json::Value;

use crate::home::{Home, Ran};
use crate::project::{Project, recipe};

/// Two steps that need a file each, and one that needs both steps.
fn three_steps() -> String {
    recipe(
        r#"[[step]]
name = "left"
inputs = { "in" = "source:main/left" }
run = ["cp in left"]
outputs = ["left"]

[[step]]
name = "right"
inputs = { "in" = "source:main/right" }
run = ["cp in right"]
outputs = ["right"]
env = { COLOUR = "blue" }

[[step]]
name = "both"
inputs = { "l" = "step:left/left", "r" = "step:right/right" }
run = ["cat l r > both"]
outputs = ["both"]

[[artifact]]
name = "both.txt"
format = "file"
from = "step:both/both"
"#,
    )
}

/// Each step: was it cached, and which parts had changed.
fn steps(result: &Value) -> Vec<(String, bool, Vec<String>)> {
    let list = result["steps"].as_array().unwrap();
    list.iter()
        .map(|s| {
            let missed = s["missed"].as_array().unwrap();
            let parts = missed.iter().map(|m| m["part"].as_str().unwrap().to_owned()).collect();
            (s["step"].as_str().unwrap().to_owned(), s["cached"].as_bool().unwrap(), parts)
        })
        .collect()
}

fn step(name: &str, cached: bool, parts: &[&str]) -> (String, bool, Vec<String>) {
    (name.to_owned(), cached, parts.iter().map(ToString::to_string).collect())
}

#[test]
fn only_what_changed_is_built_and_what_changed_is_said() {
    let home = Home::own();
    let project = Project::new(&three_steps(), &[("left", "l\n"), ("right", "r\n"), ("readme", "x\n")]);
    let first = home.ok(project.path(), &["build"]);
    assert_eq!(steps(&first), ["left", "right", "both"].map(|s| step(s, false, &[])));
    assert_eq!(first["cached"], false);
    let second = home.ok(project.path(), &["build"]);
    assert_eq!(steps(&second), ["left", "right", "both"].map(|s| step(s, true, &[])));
    assert_eq!((&second["cached"], &second["artifacts"]), (&true.into(), &first["artifacts"]));

    // A file that no step needs.
    project.write("readme", "y\n");
    project.commit();
    assert_eq!(home.ok(project.path(), &["build"])["cached"], true);

    project.write("left", "L\n");
    project.commit();
    let ran = home.run(project.path(), &["build"]);
    assert_line(&ran, "left", "changed: inputs");
    assert_line(&ran, "right", "cached");
    assert_line(&ran, "both", "changed: inputs");
    project.write("left", "LL\n");
    project.commit();
    let result = home.ok(project.path(), &["build"]);
    let expected =
        [step("left", false, &["inputs"]), step("right", true, &[]), step("both", false, &["inputs"])];
    assert_eq!(steps(&result), expected);

    // Another environment, the same output: what needs that output is not built again.
    project.write("selfsame.toml", &three_steps().replace("blue", "green"));
    project.commit();
    let result = home.ok(project.path(), &["build"]);
    let expected = [step("left", true, &[]), step("right", false, &["env.COLOUR"]), step("both", true, &[])];
    assert_eq!(steps(&result), expected);

    // What was there once is there still.
    project.write("left", "l\n");
    project.write("selfsame.toml", &three_steps());
    project.commit();
    let result = home.ok(project.path(), &["build"]);
    assert_eq!((&result["cached"], &result["artifacts"]), (&true.into(), &first["artifacts"]));

    let fresh = home.ok(project.path(), &["build", "--fresh"]);
    assert_eq!(steps(&fresh), ["left", "right", "both"].map(|s| step(s, false, &[])));
    assert_eq!(fresh["artifacts"], first["artifacts"]);
}

/// The name of the recipe, who asks and where it lies are no part of what is built.
#[test]
fn the_same_step_of_another_project_is_cached() {
    let home = Home::own();
    let project = Project::new(&three_steps(), &[("left", "1\n"), ("right", "2\n")]);
    home.ok(project.path(), &["build"]);
    let text = three_steps().replace("name = \"small\"", "name = \"other\"").replace("\"both\"", "\"all\"");
    let text = text.replace("step:both/both", "step:all/both");
    let text = text.replace("outputs = [\"all\"]", "outputs = [\"both\"]");
    let project = Project::new(&text, &[("left", "1\n"), ("right", "2\n")]);
    let mut command = home.command(project.path(), &["build", "--json"]);
    command.env("USER", "another").env("LANG", "fr_FR.UTF-8");
    let (code, result) = crate::home::ran(&mut command).envelope("build");
    assert_eq!((code, &result["cached"]), (0, &true.into()), "{result:#}");
}

/// A failure is not kept, and does not hide what was built before it.
#[test]
fn a_failed_step_runs_again() {
    let home = Home::own();
    let text = three_steps().replace("cat l r > both", "cat l r > both; test -s r");
    let project = Project::new(&text, &[("left", "l\n"), ("right", "")]);
    for _ in 0..2 {
        let (code, error) = home.json(project.path(), &["build"]);
        assert_eq!(code, 10, "{error:#}");
        assert!(error["title"].as_str().unwrap().contains("step `both` failed: exit code 1"), "{error:#}");
    }
    project.write("right", "r\n");
    project.commit();
    let result = home.ok(project.path(), &["build"]);
    let cached: Vec<bool> = steps(&result).iter().map(|s| s.1).collect();
    assert_eq!(cached, [true, false, false]);
}

#[track_caller]
fn assert_line(ran: &Ran, step: &str, detail: &str) {
    let line = ran.err.lines().find(|l| l.split_whitespace().nth(1) == Some(step));
    assert!(line.is_some_and(|l| l.contains(detail)), "{step}, {detail}: {ran:?}");
}
