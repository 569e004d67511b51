//! A whole repository: files that belong together, observed attempts, permission, fixes, scores.

use inputs::audit::{Bar, Content, Maturity, Observed, Severity, Sheet, State, apply, audit, edits};
use model::violation::{Kind, Process, Violation};

use super::{of, rules};

#[test]
fn a_lock_beside_it_is_enough() {
    let manifest = "[package]\nname = \"a\"\n[dependencies]\nb = \"1\"\n";
    let lock = "version = 4\n[[package]]\nname = \"b\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\nchecksum = \"aa\"\n";
    assert_eq!(rules(&of(&[("Cargo.toml", manifest), ("Cargo.lock", lock)])), [""; 0]);
    assert_eq!(rules(&of(&[("c/a/Cargo.toml", manifest), ("Cargo.lock", lock)])), [""; 0]);
    assert_eq!(
        rules(&of(&[("Cargo.toml", &manifest.replace('b', "c")), ("Cargo.lock", lock)])),
        ["LOCK02:4"]
    );
}

#[test]
fn hashes_of_a_requirements_file_are_known_where_it_is_installed() {
    let install = "FROM scratch\nRUN pip install -r requirements.txt\n";
    assert_eq!(
        rules(&of(&[("Dockerfile", install), ("requirements.txt", "a==1 --hash=sha256:aa\n")])),
        [""; 0]
    );
    let found = rules(&of(&[("Dockerfile", install), ("requirements.txt", "a==1\n")]));
    assert_eq!(found, ["LOCK14:2", "LOCK06:1"]);
}

#[test]
fn go_sum_and_package_lock_are_compared() {
    let module = "module a\ngo 1.22.1\nrequire (\n\tb v1.0.0\n\tc v1.1.0 // indirect\n)\n";
    let sum = "b v1.0.0 h1:aa\nb v1.0.0/go.mod h1:aa\n";
    assert_eq!(rules(&of(&[("go.mod", module), ("go.sum", sum)])), ["LOCK17:5"]);
    let package = "{\"dependencies\": {\"b\": \"^2.0.0\"}}";
    let lock = "{\"lockfileVersion\": 3, \"packages\": {\"\": {\"dependencies\": {\"b\": \"^1.0.0\"}}}}";
    assert_eq!(rules(&of(&[("package.json", package), ("package-lock.json", lock)])), ["LOCK02:1"]);
}

#[test]
fn what_a_comment_allows_is_listed_apart() {
    let text = "FROM a:1 # selfsame: allow IMG01,IMG02 ours\nRUN echo selfsame: allow NET01 x\nRUN curl https://e.org/a | sh\n";
    let report = of(&[("Dockerfile", text)]);
    assert_eq!(rules(&report), ["NET01:3"]);
    assert_eq!(report.allowed.len(), 1);
    assert_eq!(report.allowed[0].allowed.as_deref(), Some("ours"));
}

#[test]
fn places_are_exact_inside_other_texts() {
    let text = "jobs:\n  a:\n    steps:\n      - run: |\n          echo é\n          npm install --foo\n";
    let report = of(&[(".github/workflows/a.yml", text)]);
    let finding = &report.findings[0];
    assert_eq!(&text[finding.span.clone()], "npm install --foo");
    assert_eq!((finding.line, finding.column, finding.end), (6, 11, (6, 28)));
}

#[test]
fn mechanical_fixes_change_nothing_else() {
    let files = [
        ("package-lock.json", "{\"lockfileVersion\": 3, \"packages\": {}}"),
        (
            "Dockerfile",
            "FROM scratch\nRUN  npm   install  --omit=dev   # keep\nRUN cargo build --release && cargo install x --version 1.2.3\n",
        ),
        ("package.json", "{\"scripts\": {\"a\": \"echo \\\"x\\\" && cargo build\"}}"),
    ];
    let report = of(&files);
    let fixed = |file: usize| apply(files[file].1, &edits(&report.findings, files[file].0));
    assert_eq!(
        fixed(1),
        "FROM scratch\nRUN  npm   ci  --omit=dev   # keep\nRUN cargo build --locked --release && cargo install --locked x --version 1.2.3\n"
    );
    assert_eq!(fixed(2), "{\"scripts\": {\"a\": \"echo \\\"x\\\" && cargo build --locked\"}}");
    let again = [files[0], ("Dockerfile", &fixed(1)), ("package.json", &fixed(2))];
    assert!(of(&again).findings.iter().all(|f| f.edit.is_none()));
}

#[test]
fn a_compiled_file_is_told() {
    let sheet =
        |path: &str| Sheet { path: path.to_owned(), content: Content::Compiled("an ELF program or library") };
    let report =
        audit(&[sheet("bin/x"), sheet("tests/data/y"), sheet("gradle/wrapper/gradle-wrapper.jar")], &[], &[]);
    assert_eq!(rules(&report), ["SBOM04:1"]);
}

#[test]
fn what_was_observed_weighs_more() {
    let recipe = "selfsame = 1\n[[step]]\nname = \"build\"\n";
    let sheets = [Sheet { path: "selfsame.toml".to_owned(), content: Content::Text(recipe.to_owned()) }];
    let violation = |kind, what: &str| Violation {
        kind,
        what: what.to_owned(),
        by: vec![Process { pid: 3, command: "make".to_owned() }],
        count: 2,
    };
    let observed: Vec<Observed> = [
        (Kind::Network, "e.org"),
        (Kind::Program, "cmake"),
        (Kind::File, "zlib.h"),
        (Kind::Write, "/usr/a"),
        (Kind::Call, "bpf"),
    ]
    .into_iter()
    .map(|(kind, what)| Observed {
        recipe: "selfsame.toml".to_owned(),
        step: "build".to_owned(),
        violation: violation(kind, what),
    })
    .collect();
    let report = audit(&sheets, &observed, &[]);
    let seen: Vec<_> = report.findings.iter().filter(|f| f.observed).map(|f| (f.rule.id, f.line)).collect();
    assert_eq!(seen, [("ENV03", 3), ("ENV06", 3), ("ENV06", 3), ("NET06", 3), ("TOOL03", 3)]);
    let hermetic = Bar::ALL.iter().position(|b| *b == Bar::Hermetic).unwrap();
    assert!(report.bars[hermetic] < audit(&sheets, &[], &[]).bars[hermetic] - 60);
}

#[test]
fn readiness_says_why_and_what_would_raise_it() {
    let bare = of(&[("Dockerfile", "FROM ubuntu\n")]);
    assert_eq!(bare.maturity, Maturity::None);
    assert_eq!(bare.points.len(), 12);
    assert!(bare.points.iter().all(|p| !p.why.is_empty() && (p.state == State::Met) == p.raise.is_empty()));
    assert!(bare.fails(Severity::Error) && bare.count(Severity::Error) == 1);
    let recipe =
        "selfsame = 1\n[conditions]\nlevel = \"pinned\"\n[toolchain]\nkind = \"debian\"\nsnapshot = \"x\"\n";
    let ready = of(&[
        ("selfsame.toml", recipe),
        ("selfsame.lock", "x"),
        (
            ".github/workflows/a.yml",
            "jobs:\n  a:\n    steps:\n      - run: selfsame reproduce && selfsame verify x\n",
        ),
    ]);
    assert_eq!(rules(&ready), [""; 0]);
    assert_eq!((ready.score(), ready.maturity), (100, Maturity::Advanced));
}
