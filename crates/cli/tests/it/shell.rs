//! The sandbox of a step, by hand.

use std::path::Path;

use crate::home::{Home, bare, need, ran};
use crate::project::{Project, one_step};

#[test]
fn a_shell_stands_where_the_step_would_run() {
    need(&["script"]);
    let home = Home::shared();
    let project = Project::new(&one_step(&["mkdir out", "false"]), &[("text", "here\n")]);
    let typed = project.file("typed");
    std::fs::write(&typed, "id -un; pwd; cat text; echo $SOURCE_DATE_EPOCH\nexit 7\n").unwrap();
    let mut command = bare(Path::new("script"), home.path(), project.path());
    let line = format!("{} shell build", env!("CARGO_BIN_EXE_selfsame"));
    command.args(["-qefc", &line, "/dev/null"]).env("SHELL", "/bin/sh");
    command.stdin(std::fs::File::open(&typed).unwrap());
    let ran = ran(&mut command);
    assert_eq!(ran.code, Some(7), "{ran:?}");
    let text = ran.out.replace('\r', "");
    for line in ["build", "/build/src", "here", "1600000000"] {
        assert!(
            text.lines().any(|l| l.trim_start_matches("build:/build/src$ ") == line),
            "`{line}` in {text}"
        );
    }
}

#[test]
fn a_step_that_is_not_there_is_told_with_those_that_are() {
    let home = Home::shared();
    let project = Project::new(&one_step(&["mkdir out"]), &[]);
    let (code, error) = home.json(project.path(), &["shell", "biuld"]);
    assert_eq!(code, 3, "{error:#}");
    assert!(error["lines"].to_string().contains("build"), "{error:#}");
}
