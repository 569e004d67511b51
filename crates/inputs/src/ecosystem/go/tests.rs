use super::*;
use crate::ecosystem::files::tests::files;

const MOD: &str = r#"module example.org/prog // the module

go 1.21.3
toolchain go1.22.0

require github.com/BurntSushi/toml v1.3.2

require (
	golang.org/x/sync v0.7.0 // indirect
	"example.org/local" v0.0.0
	example.org/old v1.0.0
)

replace example.org/local => ../local

replace example.org/old v1.0.0 => example.org/new v1.1.0
"#;

const SUM: &str = "\
example.org/new v1.1.0 h1:YsImfSBoP9QPYL0xyKJPq0gcaJdG3rInoqxTWbfQu9M=
example.org/new v1.1.0/go.mod h1:Czt+wKu1gCyEFDUtn0jG5QVvpJ6rzVqr5aXyt9drQfk=
github.com/BurntSushi/toml v1.3.2 h1:YsImfSBoP9QPYL0xyKJPq0gcaJdG3rInoqxTWbfQu9M=
github.com/BurntSushi/toml v1.3.2/go.mod h1:Czt+wKu1gCyEFDUtn0jG5QVvpJ6rzVqr5aXyt9drQfk=
golang.org/x/sync v0.7.0 h1:YsImfSBoP9QPYL0xyKJPq0gcaJdG3rInoqxTWbfQu9M=
golang.org/x/sync v0.7.0/go.mod h1:Czt+wKu1gCyEFDUtn0jG5QVvpJ6rzVqr5aXyt9drQfk=
golang.org/x/tools v0.1.0/go.mod h1:Czt+wKu1gCyEFDUtn0jG5QVvpJ6rzVqr5aXyt9drQfk=
";

#[test]
fn modules_with_zip_and_without() {
    let files = files(&[
        ("go.mod", MOD),
        ("go.sum", SUM),
        ("cmd/prog/main.go", "// x\npackage main // y\n"),
        ("cmd/prog/main_test.go", "package main\n"),
        ("gen.go", "//go:build ignore\n\npackage main\n"),
        ("a/a.go", "package a\n\nimport \"C\"\n"),
        ("inner/go.mod", "module example.org/inner\n"),
        ("inner/main.go", "package main\n"),
    ]);
    let found = detect(&files);
    assert_eq!(found.iter().map(|f| f.dir.as_str()).collect::<Vec<_>>(), [".", "inner"]);
    assert_eq!(found[0].makes, [Product::Main("cmd/prog".into())]);
    assert_eq!(found[0].wants[0].at_least, "1.21.3");
    assert_eq!(found[1].makes, [Product::Main(".".into())]);
    assert_eq!(found[1].lock_command, None, "it fetches nothing");
    assert!(components(&files, &found[1]).unwrap().is_empty());
    let list = components(&files, &found[0]).unwrap();
    let told: Vec<_> = list.iter().map(|c| (c.title(), c.scope, c.direct, c.files.len())).collect();
    assert_eq!(
        told,
        [
            ("example.org/new@v1.1.0".into(), Scope::Runtime, true, 2),
            ("github.com/BurntSushi/toml@v1.3.2".into(), Scope::Runtime, true, 2),
            ("golang.org/x/sync@v0.7.0".into(), Scope::Runtime, false, 2),
            ("golang.org/x/tools@v0.1.0".into(), Scope::Resolution, false, 1),
        ]
    );
    assert_eq!(list[1].files[0].ends, ["/github.com/!burnt!sushi/toml/@v/v1.3.2.zip"]);
    assert_eq!(list[1].purl.as_ref().unwrap().to_string(), "pkg:golang/github.com/burntsushi/toml@v1.3.2");
}

#[test]
fn faults_name_line_value_and_command() {
    let read = |sum: Option<&str>| {
        let mut list = vec![("go.mod", MOD)];
        list.extend(sum.map(|s| ("go.sum", s)));
        let files = files(&list);
        components(&files, &detect(&files)[0]).unwrap_err().to_string()
    };
    let missing: String = SUM.lines().filter(|l| !l.contains("x/sync")).map(|l| format!("{l}\n")).collect();
    assert!(read(None).contains("expected go.sum\n"), "{}", read(None));
    let error = read(Some(&missing));
    assert!(
        error.starts_with(
            "go.mod:9: asks for what the lockfile does not have\n  expected `golang.org/x/sync v0.7.0/go.mod"
        ),
        "{error}"
    );
    assert!(error.ends_with("fix: run `go mod tidy`, and commit go.mod and go.sum"), "{error}");
    assert!(read(Some("a b\n")).starts_with("go.sum:1: cannot be used"));
    assert!(read(Some("a v1 h1:AAAA\n")).contains("32 bytes in Base64"));
}

#[test]
fn embedded_folders_are_seen() {
    let files = files(&[
        ("go.mod", MOD),
        ("web/embed.go", "package web\n\n//go:embed all:dist/*\nvar files embed.FS\n"),
        ("b/b.go", "package b\n\n//go:embed b.txt\nvar x string\n"),
    ]);
    let path = |p: &str| p.parse::<RelPath>().unwrap();
    assert!(embeds(&files, &RelPath::root(), &path("web/dist")));
    assert!(!embeds(&files, &RelPath::root(), &path("front/dist")));
}
