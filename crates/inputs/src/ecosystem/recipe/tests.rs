use super::*;
use crate::ecosystem::detect;
use crate::ecosystem::files::tests::files;

fn proposal(list: &[(&str, &str)], suite: Option<&str>) -> Proposal {
    let files = files(list);
    propose(&files, &detect(&files), &Wish { folder: "my folder", suite })
}

/// The recipe must be one, whatever stands in the repository.
fn parses(text: &str) {
    if let Err(error) = model::recipe::parse("selfsame.toml", text) {
        panic!("{error}\n{text}");
    }
}

/// Compares with `golden/NAME.toml`; `SELFSAME_BLESS=1` writes it.
fn golden(name: &str, list: &[(&str, &str)]) {
    let text = proposal(list, None).text;
    parses(&text);
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("src/ecosystem/recipe/golden/{name}.toml"));
    if std::env::var_os("SELFSAME_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{}", path.display());
}

const SUM: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const SRI: &str =
    "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";

const RUST: &str = "[package]\nname = \"prog\"\nversion = \"1.2.0\"\nedition = \"2021\"\nlicense = \"MIT/Apache-2.0\"\nrust-version = \"1.70\"\n[dependencies]\nopenssl-sys = \"0.9\"\n";

fn rust_lock() -> String {
    format!(
        "version = 3\n[[package]]\nname = \"prog\"\nversion = \"1.2.0\"\ndependencies = [\"openssl-sys\"]\n\n\
         [[package]]\nname = \"openssl-sys\"\nversion = \"0.9.100\"\nsource = \"registry+https://example.org/i\"\nchecksum = \"{SUM}\"\n"
    )
}

const FRONT: &str = r#"{"name": "front", "version": "0.1.0", "private": true, "scripts": {"build": "tsc && vite build"},
  "devDependencies": {"vite": "^5.0.0"}}"#;

fn front_lock() -> String {
    format!(
        r#"{{"lockfileVersion": 3, "packages": {{"": {{"devDependencies": {{"vite": "^5.0.0"}}}},
        "node_modules/vite": {{"version": "5.0.0", "integrity": "{SRI}", "dev": true}}}}}}"#
    )
}

#[test]
fn a_rust_program() {
    golden("rust", &[("Cargo.toml", RUST), ("Cargo.lock", &rust_lock()), ("src/main.rs", "")]);
}

#[test]
fn several_crates() {
    let member =
        |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.2.0\"\nedition = \"2024\"\n");
    golden(
        "rust-workspace",
        &[
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n"),
            ("crates/a/Cargo.toml", &member("a")),
            ("crates/a/src/main.rs", ""),
            ("crates/b/Cargo.toml", &member("b")),
            ("crates/b/src/main.rs", ""),
            ("crates/c/Cargo.toml", &member("c")),
            ("crates/c/src/lib.rs", ""),
        ],
    );
}

#[test]
fn a_rust_library() {
    let toml = "[package]\nname = \"lib-x\"\nversion = \"1.0.0\"\n";
    golden("rust-library", &[("Cargo.toml", toml), ("src/lib.rs", "")]);
}

#[test]
fn a_rust_program_with_a_front() {
    golden(
        "rust-front",
        &[
            ("Cargo.toml", RUST),
            ("Cargo.lock", &rust_lock()),
            ("src/main.rs", "#[derive(RustEmbed)]\n#[folder = \"web/dist\"]\nstruct Front;\n"),
            ("web/package.json", FRONT),
            ("web/package-lock.json", &front_lock()),
        ],
    );
}

#[test]
fn an_npm_package() {
    let json = r#"{"name": "@s/lib", "version": "3.0.0", "license": "MIT", "scripts": {"build": "tsc", "prepare": "husky"},
      "engines": {"node": ">=20"}, "dependencies": {"left": "1"}}"#;
    golden("npm", &[("package.json", json), ("tsconfig.json", "{}")]);
}

#[test]
fn a_pnpm_front() {
    let json = r#"{"name": "app", "packageManager": "pnpm@9.1.0+sha512.x", "scripts": {"build": "vite build --outDir www"},
      "devDependencies": {"vite": "^5.0.0"}}"#;
    golden("pnpm", &[("package.json", json), ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n")]);
}

#[test]
fn packages_of_a_workspace() {
    let root = r#"{"name": "root", "private": true, "workspaces": ["packages/*"], "devDependencies": {"left": "1"}}"#;
    let member = r#"{"name": "@s/a", "version": "1.0.0", "scripts": {"build": "tsc"}}"#;
    let private = r#"{"name": "b", "version": "1.0.0", "private": true}"#;
    let list = [
        ("package.json", root),
        ("packages/a/package.json", member),
        ("packages/b/package.json", private),
        ("pnpm-lock.yaml", "lockfileVersion: '6.0'\n"),
        ("pnpm-workspace.yaml", "packages:\n  - packages/*\n"),
    ];
    golden("pnpm-workspace", &list);
    let yarn = "__metadata:\n  version: 8\n";
    for (name, text, expected) in [
        ("yarn.lock", yarn, "(cd packages/a && yarn pack --out ../../out/s-a-1.0.0.tgz)"),
        (
            "yarn.lock",
            "# yarn lockfile v1\n",
            "(cd packages/a && npm pack --ignore-scripts --pack-destination ../../out)",
        ),
        ("package-lock.json", "{}", "npm run build --workspaces --if-present"),
    ] {
        let text = proposal(&[list[0], list[1], list[2], (name, text)], None).text;
        parses(&text);
        assert!(text.contains(expected) && !text.contains("packages/b"), "{text}");
    }
}

#[test]
fn what_a_publisher_runs_before_packing() {
    let of = |json: &str, more: &[(&'static str, &'static str)]| {
        let text = proposal(&[&[("package.json", json)], more].concat(), None).text;
        parses(&text);
        text.lines().filter(|l| l.starts_with("    \"npm run ")).map(str::trim).collect::<String>()
    };
    let json = |rest: &str| format!(r#"{{"name": "a", "version": "1.0.0", {rest}}}"#);
    let prepare = r#""scripts": {"prepare": "husky", "prepublishOnly": "rollup -c"}"#;
    for (rest, more, expected) in [
        (r#""main": "dist/a.js""#, &[("a.js", "")][..], "\"npm run prepublishOnly\","),
        (r#""main": "a""#, &[("a.js", "")], ""),
        (r#""files": ["lib/**/*.js", "src"]"#, &[("src/a.js", "")], "\"npm run prepublishOnly\","),
        (r#""files": ["src", "!src/x"], "bin": {"a": "./bin/a"}"#, &[("src/a.js", ""), ("bin/a", "")], ""),
        (r#""bin": "./bin/a""#, &[], "\"npm run prepublishOnly\","),
    ] {
        assert_eq!(of(&json(&format!("{prepare}, {rest}")), more), expected, "{rest}");
    }
    let both = r#""main": "dist/a.js", "scripts": {"prepack": "tsc", "prepublishOnly": "x", "build": "y"}"#;
    assert_eq!(of(&json(both), &[]), "\"npm run build\",");
    assert_eq!(of(&json(&both.replace("build", "test")), &[]), "\"npm run prepack\",");
}

#[test]
fn a_yarn_that_is_not_there() {
    let json = r#"{"name": "a", "version": "1.0.0", "packageManager": "yarn@4.0.0-rc.2", "dependencies": {"left": "1"}}"#;
    let list = [
        ("package.json", json),
        ("yarn.lock", "__metadata:\n  version: 6\n"),
        (".yarnrc.yml", "yarnPath: x\n"),
    ];
    golden("yarn", &list);
    let own = [&list[..], &[(".yarn/releases/yarn-4.0.0-rc.2.cjs", "")]].concat();
    let text = proposal(&own, None).text;
    assert!(text.contains("\"node .yarn/releases/yarn-4.0.0-rc.2.cjs install --immutable\""), "{text}");
    assert!(!text.contains("YARN_IGNORE_PATH"), "{text}");
}

#[test]
fn a_go_program_with_a_front() {
    golden(
        "go-front",
        &[
            ("go.mod", "module example.org/tool/v2\n\ngo 1.26\n"),
            ("main.go", "package main\n"),
            ("cmd/extra/main.go", "package main\n"),
            ("web/embed.go", "package web\n\n//go:embed dist\nvar files embed.FS\n"),
            ("web/package.json", FRONT),
            ("web/package-lock.json", &front_lock()),
        ],
    );
}

#[test]
fn a_pure_wheel() {
    let toml = "[project]\nname = \"Flask_X\"\nversion = \"3.1\"\nlicense = \"BSD-3-Clause\"\nrequires-python = \">=3.9\"\ndependencies = [\"click\"]\n\
                [build-system]\nrequires = [\"flit_core<4\"]\nbuild-backend = \"flit_core.buildapi\"\n";
    golden("wheel", &[("pyproject.toml", toml), ("src/flask_x/__init__.py", "")]);
}

#[test]
fn a_wheel_with_c() {
    let toml = "[project]\nname = \"fast\"\ndynamic = [\"version\"]\n[build-system]\nrequires = [\"setuptools>=70\", \"setuptools_scm\"]\nbuild-backend = \"setuptools.build_meta\"\n";
    let setup = "setup(ext_modules=[Extension('fast._x', ['src/x.c'])])\n";
    golden(
        "wheel-c",
        &[("pyproject.toml", toml), ("setup.py", setup), ("src/x.c", ""), ("Makefile", "test:\n")],
    );
}

#[test]
fn a_wheel_with_rust() {
    let toml = "[project]\nname = \"rpds\"\nversion = \"0.1\"\n[build-system]\nrequires = [\"maturin>=1.2,<2.0\"]\nbuild-backend = \"maturin\"\n";
    let cargo = "[package]\nname = \"rpds\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\ncrate-type = [\"cdylib\"]\n";
    golden("wheel-rust", &[("pyproject.toml", toml), ("Cargo.toml", cargo), ("src/lib.rs", "")]);
}

#[test]
fn a_python_program() {
    let text = format!("flask==3.0.0 --hash=sha256:{SUM}\n");
    golden("python-program", &[("requirements.txt", &text), ("app.py", "")]);
}

#[test]
fn a_maven_jar() {
    let pom = "<project><groupId>g</groupId><artifactId>jar-x</artifactId><version>1.0</version><properties><maven.compiler.release>21</maven.compiler.release></properties></project>";
    golden("maven", &[("pom.xml", pom)]);
    // A plugin that knows `project.build.outputTimestamp` needs no clock that stands still.
    for (version, is_pinned) in
        [("3.2.0", false), ("3.10", false), ("4.0.0-beta-1", false), ("3.1.2", true), ("${x}", true)]
    {
        let plugin = format!(
            "<build><plugins><plugin><artifactId>maven-jar-plugin</artifactId><version>{version}</version></plugin></plugins></build></project>"
        );
        let pom = pom.replace("</project>", &plugin);
        assert_eq!(
            proposal(&[("pom.xml", &pom)], None).text.contains("[conditions]"),
            is_pinned,
            "{version}"
        );
    }
}

#[test]
fn a_gradle_build() {
    let build =
        [("build.gradle.kts", ""), ("settings.gradle.kts", "rootProject.name = \"app\"\n"), ("gradlew", "")];
    golden("gradle", &[&build[..], &[("gradle/wrapper/gradle-wrapper.jar", "")]].concat());
    golden("gradle-without-wrapper", &build);
}

#[test]
fn c_with_cmake() {
    let cmake = "cmake_minimum_required(VERSION 3.20)\nproject(tool VERSION 1.2 LANGUAGES C)\nfind_package(ZLIB)\nfind_package(Odd)\nfind_package(Threads)\n";
    golden("cmake", &[("CMakeLists.txt", cmake), ("a.c", "")]);
}

#[test]
fn a_debian_source_package() {
    let control = "Source: hello\nBuild-Depends: debhelper-compat (= 13), libfoo-dev (>= 1) | libbar-dev, tests <!nocheck>\n\n\
                   Package: hello\nArchitecture: any\n\nPackage: hello-doc\nArchitecture: all\n";
    golden(
        "debian",
        &[
            ("debian/control", control),
            ("debian/changelog", "hello (2.10-3) unstable; urgency=low\n"),
            ("configure", ""),
        ],
    );
}

#[test]
fn nothing_known() {
    let proposal = proposal(&[("README", "")], None);
    parses(&proposal.text);
    assert!(!proposal.is_known && proposal.text.contains("exit 1"));
    golden("unknown", &[("README", "")]);
}

#[test]
fn a_suite_that_was_asked_for_is_taken() {
    let list = [("Cargo.toml", RUST), ("src/main.rs", "")];
    assert!(proposal(&list, None).text.contains("\nsuite = \"trixie\"\n"));
    let text = proposal(&list, Some("bookworm")).text;
    parses(&text);
    let why = "# bookworm has rust 1.63; `rust-version` in Cargo.toml asks for 1.70, and so cargo-web and rustc-web 1.85 is taken";
    assert!(text.contains("\nsuite = \"bookworm\"\n") && text.contains(why), "{text}");
    assert!(text.contains("    \"rustc-web\",\n") && !text.contains("\"rustc\""), "{text}");
    let python =
        "[project]\nname = \"x\"\nrequires-python = \">=3.99\"\n[build-system]\nrequires = [\"flit_core\"]\n";
    let proposal = proposal(&[("pyproject.toml", python)], None);
    assert!(proposal.text.contains("asks for python 3.99, and trixie has 3.13"), "{}", proposal.text);
    assert_eq!(proposal.missing.len(), 1);
    // Of a program that needs nothing of Debian's, an archive alone is no toolchain.
    golden(
        "go-archive",
        &[("go.mod", "module example.org/tool\n\ngo 1.26\n"), ("main.go", "package main\n")],
    );
}

#[test]
fn what_a_repository_says_cannot_leave_its_place() {
    let evil = "x\\\"\\n[[step]]\\nname = \\\"evil\\\"";
    let toml = format!(
        "[package]\nname = \"{evil}\"\nversion = \"{evil}\"\nlicense = \"{evil}\"\nrust-version = \"1{evil}\"\n[[bin]]\nname = \"$(evil)\"\n"
    );
    let json = format!(
        r#"{{"name": "{evil}", "version": "{evil}", "scripts": {{"build": "vite build --outDir $(evil)"}}}}"#
    );
    let go = "module a/$(evil)\n";
    let text = proposal(
        &[
            ("Cargo.toml", &toml),
            ("src/main.rs", ""),
            ("a';b/package.json", &json),
            ("c d/go.mod", go),
            ("c d/main.go", "package main\n"),
        ],
        None,
    )
    .text;
    parses(&text);
    assert!(!text.contains("\nname = \"evil\""), "{text}");
    for line in text.lines().filter(|l| l.contains("$(evil)") && l.starts_with("    ")) {
        assert!(line.contains("'"), "{line}");
    }
}
