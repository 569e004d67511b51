use super::*;
use crate::ecosystem::files::tests::files;
use crate::ecosystem::{Origin, Scope};

const SUM: &str = "d1a4f0b7c2e39586d1a4f0b7c2e39586d1a4f0b7c2e39586d1a4f0b7c2e39586";

fn read(list: &[(&str, &str)]) -> Result<Vec<Component>, EcosystemError> {
    let files = files(list);
    components(&files, &detect(&files)[0])
}

fn lock(version: &str, more: &str) -> String {
    format!(
        r#"{version}
[[package]]
name = "app"
version = "0.3.0"
dependencies = ["itoa 1.0.1", "pin", "cc", "cfg-if"]

[[package]]
name = "itoa"
version = "0.4.8"
source = "registry+https://example.org/index"
checksum = "{SUM}"

[[package]]
name = "itoa"
version = "1.0.1"
source = "registry+https://example.org/index"
checksum = "{SUM}"
dependencies = ["cfg-if"]

[[package]]
name = "pin"
version = "0.1.0"
source = "git+https://example.org/pin.git?branch=main#0123456789abcdef0123456789abcdef01234567"

[[package]]
name = "cc"
version = "1.1.0"
source = "sparse+https://example.org/sparse/"
checksum = "{SUM}"

[[package]]
name = "cfg-if"
version = "1.0.0"
source = "registry+https://example.org/index"
checksum = "{SUM}"
{more}"#
    )
}

const APP: &str = r#"[package]
name = "app"
version = "0.3.0"
edition = "2021"
license = "MIT"
rust-version = "1.70"
[dependencies]
itoa = "1"
pinned = { package = "pin", git = "https://example.org/pin.git" }
[build-dependencies]
cc = "1.0.83"
[dev-dependencies]
cfg-if = "1"
"#;

#[test]
fn every_version_of_the_lock_gives_the_same() {
    for version in ["", "version = 3", "# made by cargo\nversion = 4"] {
        let list =
            read(&[("Cargo.toml", APP), ("src/main.rs", ""), ("Cargo.lock", &lock(version, ""))]).unwrap();
        let told: Vec<_> = list.iter().map(|c| (c.title(), c.scope, c.direct, c.depends.clone())).collect();
        assert_eq!(told[0], ("app@0.3.0".into(), Scope::Runtime, false, vec![2, 3, 4, 5]));
        assert_eq!(told[1], ("itoa@0.4.8".into(), Scope::Runtime, false, vec![]));
        assert_eq!(told[2], ("itoa@1.0.1".into(), Scope::Runtime, true, vec![5]));
        assert_eq!(told[4].1, Scope::Build);
        assert_eq!(told[5].1, Scope::Runtime, "development asks for it, and so does itoa");
        assert_eq!(list[2].purl.as_ref().unwrap().to_string(), "pkg:cargo/itoa@1.0.1");
        assert_eq!(list[2].files[0].accepted[0].hex, SUM);
        assert!(
            matches!(&list[3].origin, Origin::Git { url, commit } if url == "https://example.org/pin.git" && commit.len() == 40)
        );
        assert!(list[3].files.is_empty());
    }
}

#[test]
fn version_1_has_its_checksums_apart() {
    let text = format!(
        "[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"a 1.0.0 (registry+https://example.org/i)\",\n]\n\n\
         [[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+https://example.org/i\"\n\n\
         [metadata]\n\"checksum a 1.0.0 (registry+https://example.org/i)\" = \"{SUM}\"\n"
    );
    let toml = "[package]\nname = \"app\"\nversion = \"0.1.0\"\n[dependencies]\na = \"1\"\n";
    let list = read(&[("Cargo.toml", toml), ("Cargo.lock", &text)]).unwrap();
    assert_eq!(list[0].depends, [1]);
    assert_eq!(list[1].files[0].accepted[0].hex, SUM);
}

#[test]
fn faults_name_line_value_and_command() {
    let source = "source = \"registry+https://example.org/index\"";
    let no_sum =
        lock("version = 3", &format!("\n[[package]]\nname = \"bad\"\nversion = \"1.0.0\"\n{source}\n"));
    let branch = lock(
        "",
        "\n[[package]]\nname = \"b\"\nversion = \"1.0.0\"\nsource = \"git+https://x/y?branch=main\"\n",
    );
    let newer = APP.replace("itoa = \"1\"", "itoa = \"2\"");
    let more = APP.replace("[dependencies]", "[dependencies]\nserde = \"1\"");
    let bumped = APP.replace("0.3.0", "0.4.0");
    let good = lock("", "");
    for (toml, text, told) in [
        (APP, no_sum.as_str(), "Cargo.lock:38: `bad` 1.0.0 has no checksum that can be used"),
        (
            APP,
            &branch,
            "is from git and not at a commit\n  expected `#` and 40 hexadecimal digits\n  found    git+https://x/y?branch=main",
        ),
        (
            &newer,
            &good,
            "expected `itoa` 2 for Cargo.toml\n  found    1.0.1\nfix: run `cargo update --workspace`",
        ),
        (&more, &good, "expected `serde` 1 for Cargo.toml\n  found    none"),
        (
            &bumped,
            &good,
            "Cargo.lock:3: is not up to date\n  expected `app` 0.4.0, as Cargo.toml says\n  found    0.3.0",
        ),
        (APP, "version = 5\n", "expected version 1, 2, 3 or 4\n  found    version 5"),
        (APP, "version = 3\n[[package]]\nname = 7\n", "Cargo.lock:3: cannot be used"),
    ] {
        let error = read(&[("Cargo.toml", toml), ("Cargo.lock", text)]).unwrap_err().to_string();
        assert!(error.contains(told), "{error}\n---\n{told}");
    }
    let error = read(&[("Cargo.toml", APP)]).unwrap_err();
    assert!(matches!(error, EcosystemError::NoLockfile(_)));
    assert!(error.to_string().contains("run `cargo generate-lockfile`"), "{error}");
}

#[test]
fn a_workspace_is_one_project() {
    let root = "[workspace]\nmembers = [\"crates/*\"]\nexclude = [\"crates/out\"]\n[workspace.package]\nversion = \"2.0.0\"\n\
                edition = \"2024\"\n[workspace.dependencies]\nitoa = \"1\"\n";
    let one = "[package]\nname = \"one\"\nversion.workspace = true\nedition.workspace = true\n[dependencies]\ntwo = { path = \"../../two\" }\nitoa.workspace = true\n";
    let two = "[package]\nname = \"two\"\nversion = \"1.0.0\"\n";
    let files = files(&[
        ("Cargo.toml", root),
        ("crates/one/Cargo.toml", one),
        ("crates/one/src/main.rs", ""),
        ("crates/one/src/bin/extra.rs", ""),
        ("crates/out/Cargo.toml", two),
        ("two/Cargo.toml", two),
        ("two/src/lib.rs", ""),
        ("rust-toolchain.toml", "[toolchain]\nchannel = \"stable\"\n"),
    ]);
    let found = detect(&files);
    assert_eq!(found.iter().map(|f| f.dir.as_str()).collect::<Vec<_>>(), [".", "crates/out"]);
    assert_eq!(found[0].members.iter().map(RelPath::as_str).collect::<Vec<_>>(), ["crates/one", "two"]);
    assert_eq!(
        found[0].makes,
        [Product::Program("extra".into()), Product::Program("one".into()), Product::Library("two".into())]
    );
    assert_eq!((found[0].name.as_deref(), found[0].version.as_deref()), (Some("one"), Some("2.0.0")));
    assert_eq!(found[0].wants[0].at_least, "1.85");
    assert!(found[0].notes[0].contains("`stable`"));
}
