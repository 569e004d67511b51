//! Dockerfiles as BuildKit reads them: what its own code says of the same texts stands beside them.
//!
//! `tests/golden/dockerfile` holds texts of our own, and in a file of the same name what `oracle/main.go` there answered,
//! which calls BuildKit's packages.

mod dump;
mod plan;
mod wrong;

use std::fs;
use std::path::PathBuf;

use model::dockerfile;
use serde_json::Value;

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/dockerfile")
}

/// The lines of a file: a question each, and what BuildKit answered.
fn answers(name: &str) -> Vec<(Value, Value)> {
    let text = fs::read_to_string(golden().join(name)).unwrap();
    let lines = text.lines().map(|line| {
        let mut pair: Vec<Value> = serde_json::from_str(line).unwrap();
        let answer = pair.pop().unwrap();
        (pair.pop().unwrap(), answer)
    });
    lines.collect()
}

#[test]
#[allow(clippy::disallowed_methods, reason = "every golden file is read, in whatever order")]
fn files_mean_what_they_mean_to_buildkit() {
    let mut count = 0;
    for entry in fs::read_dir(golden().join("files")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "dockerfile") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let expected: Value =
            serde_json::from_str(&fs::read_to_string(path.with_extension("json")).unwrap()).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(dump::tree(&text), expected["tree"], "the tree of {name}");
        assert_eq!(dump::plan(&text), expected["plan"], "the plan of {name}");
        count += 1;
    }
    assert!(count >= 20, "{count} files");
}

#[test]
fn words_are_expanded_as_by_buildkit() {
    let answers = answers("words.jsonl");
    assert!(answers.len() > 200, "{}", answers.len());
    for (ask, expected) in answers {
        let mut found = dump::words(&ask);
        // Where a modifier is, BuildKit forgets words that stood before it, and the answer has none.
        if let (Value::Object(found), None) = (&mut found, expected.get("words")) {
            found.remove("words");
        }
        assert_eq!(found, expected, "{ask}");
    }
}

#[test]
fn paths_are_ignored_and_matched_as_by_docker() {
    for (name, least) in [("ignore.jsonl", 100), ("match.jsonl", 100)] {
        let answers = answers(name);
        assert!(answers.len() > least, "{name} {}", answers.len());
        for (ask, expected) in answers {
            let found = if name == "ignore.jsonl" { dump::ignore(&ask) } else { dump::matched(&ask) };
            assert_eq!(found, expected, "{ask}");
        }
    }
}

/// Whether there is a plan for a text.
fn planned(text: &str) -> bool {
    let Ok(file) = dockerfile::parse("f", text) else { return false };
    let mut images = dockerfile::Images::default();
    let Ok(bases) = dockerfile::bases(&file, &dump::choices(), &images) else { return false };
    for base in bases {
        images.insert(&base.image, dump::image());
    }
    dockerfile::plan(&file, &dump::choices(), &images).is_ok()
}

#[test]
fn size_costs_time_and_no_more() {
    let long = format!("FROM a\nRUN x{}\n", " y".repeat(5_000_000));
    assert_eq!(dockerfile::parse("f", &long).unwrap().stages.len(), 1);
    let many = format!("FROM a\n{}", "RUN x\nENV a=$a$b\n".repeat(50_000));
    assert_eq!(dockerfile::parse("f", &many).unwrap().stages[0].instructions.len(), 100_000);
    assert!(planned(&many));
    let stages: String =
        (0..5_000).map(|n| format!("FROM s{} AS s{n}\nCOPY --from=s{} a b\n", n - 1, n - 1)).collect();
    assert!(planned(&stages.replace("s-1", "a")));
    for hostile in [
        "[".repeat(1_000_000),
        "FROM a\nRUN ".to_owned() + &"[".repeat(1_000_000),
        "ONBUILD ".repeat(500_000),
        "FROM a\nENV x=".to_owned() + &"${x:-".repeat(500_000),
        "FROM a\nCOPY ".to_owned() + &"<<a ".repeat(100_000) + "/x",
        "FROM a\nRUN --mount=".to_owned() + &"a,".repeat(500_000),
        "x\n".repeat(100_000),
        "\\\n".repeat(500_000),
        "FROM a\nENV a=xx\n".to_owned() + &"ENV a=$a$a\n".repeat(60),
        "FROM a\n".to_owned() + &(0..30_000).map(|n| format!("ENV a{n}=x\nRUN y\n")).collect::<String>(),
        "FROM a\n".to_owned() + &"EXPOSE 1-65535\n".repeat(2000) + "RUN x",
    ] {
        // Whether it is refused or not: it comes to an end.
        let _ = planned(&hostile);
    }
}
