//! A step that reaches a limit of its recipe is told which, and which key raises it.

use crate::home::Home;
use crate::project::{Project, one_step};

#[test]
fn a_limit_is_told_by_name_with_the_key_that_raises_it() {
    let home = Home::shared();
    let many = "for i in $(seq 100); do sleep 1000 & done; wait";
    let table = [
        ("timeout = \"1s\"", "sleep 1000", "its time limit passed", "`timeout` of step `build`: \"1s\" now"),
        ("processes = 20", many, "its limit of processes was reached", "`processes` of step `build`: 20 now"),
        (
            "cpu-time = \"1s\"",
            "while :; do :; done",
            "its limit of processor time",
            "`cpu-time` of step `build`",
        ),
        (
            "file-size = \"1MiB\"",
            "head -c 2M /dev/zero > x",
            "a file reached its limit of size",
            "`file-size`",
        ),
        (
            "disk = \"5MiB\"",
            "head -c 9M /dev/zero > x; sleep 9",
            "more than its limit of the disk",
            "\"5MiB\" now",
        ),
        (
            "memory = \"32MiB\"",
            "head -c 99M /dev/zero > /tmp/x; sleep 9",
            "its memory limit was",
            "\"32MiB\" now",
        ),
    ];
    for (key, command, sentence, help) in table {
        let text =
            one_step(&[command]).replacen("outputs = [\"out\"]", &format!("outputs = [\"out\"]\n{key}"), 1);
        let project = Project::new(&text, &[]);
        let ran = home.run(project.path(), &["build"]);
        assert_eq!(ran.code, Some(10), "{key}: {ran:?}");
        assert!(ran.err.contains(sentence) && ran.err.contains(help), "{key}: {ran:?}");
    }
}

#[test]
fn limits_are_parts_of_an_action_where_they_are_set() {
    let home = Home::shared();
    let plain = one_step(&["mkdir out; echo limited > out/file"]);
    let limited = plain.replacen("outputs", "disk = \"1GiB\"\nprocesses = 100\noutputs", 1);
    let [plain, limited] = [plain, limited].map(|text| {
        let project = Project::new(&text, &[]);
        home.ok(project.path(), &["build"])["steps"][0].clone()
    });
    assert_ne!(plain["action"], limited["action"]);
    assert_eq!(plain["components"].get("disk limit"), None);
    assert_eq!(limited["components"]["disk limit"], "1073741824");
    assert_eq!(limited["components"]["processes limit"], "100");
}
