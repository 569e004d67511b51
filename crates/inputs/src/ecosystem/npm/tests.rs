use super::*;
use crate::ecosystem::files::tests::files;
use crate::ecosystem::{Algorithm, Origin, Scope};

/// SHA-512 of nothing, as npm writes it.
const SRI: &str =
    "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";

const APP: &str = r#"{"name": "app", "version": "1.0.0", "license": "MIT",
 "scripts": {"build": "tsc", "prepare": "husky"}, "engines": {"node": "^18.12.0 || >=20"},
 "dependencies": {"left": "^1.0.0", "other": "npm:real@2.0.0"},
 "devDependencies": {"@s/dev": "~3.0.0"}}"#;

fn read(list: &[(&str, &str)]) -> Result<Vec<Component>, EcosystemError> {
    let files = files(list);
    components(&files, &detect(&files)[0])
}

fn told(list: &[Component]) -> Vec<(String, Scope, bool, Vec<usize>)> {
    list.iter().map(|c| (c.title(), c.scope, c.direct, c.depends.clone())).collect()
}

fn lock(more: &str) -> String {
    format!(
        r#"{{
  "name": "app",
  "lockfileVersion": 3,
  "requires": true,
  "packages": {{
    "": {{
      "name": "app",
      "version": "1.0.0",
      "dependencies": {{"left": "^1.0.0", "other": "npm:real@2.0.0"}},
      "devDependencies": {{"@s/dev": "~3.0.0"}}
    }},
    "node_modules/@s/dev": {{
      "version": "3.0.1",
      "resolved": "https://registry.example.org/@s/dev/-/dev-3.0.1.tgz",
      "integrity": "{SRI}",
      "dev": true,
      "dependencies": {{"left": "^0.9.0"}}
    }},
    "node_modules/@s/dev/node_modules/left": {{
      "version": "0.9.0",
      "integrity": "{SRI}",
      "dev": true
    }},
    "node_modules/left": {{
      "version": "1.0.2",
      "resolved": "https://registry.example.org/left/-/left-1.0.2.tgz",
      "integrity": "{SRI}",
      "license": "ISC"
    }},
    "node_modules/other": {{
      "name": "real",
      "version": "2.0.0",
      "resolved": "https://registry.example.org/real/-/real-2.0.0.tgz",
      "integrity": "{SRI}",
      "dependencies": {{"left": "*"}}
    }}{more}
  }}
}}"#
    )
}

#[test]
fn places_are_found_as_node_finds_them() {
    let list = read(&[("package.json", APP), ("package-lock.json", &lock(""))]).unwrap();
    assert_eq!(
        told(&list),
        [
            ("@s/dev@3.0.1".into(), Scope::Dev, true, vec![1]),
            ("left@0.9.0".into(), Scope::Dev, false, vec![]),
            ("left@1.0.2".into(), Scope::Runtime, true, vec![]),
            ("real@2.0.0".into(), Scope::Runtime, true, vec![2]),
        ]
    );
    assert_eq!(list[0].files[0].ends, ["/@s/dev/-/dev-3.0.1.tgz"]);
    assert_eq!(list[0].origin, Origin::Registry(Some("https://registry.example.org".into())));
    assert_eq!(list[1].origin, Origin::Registry(None));
    assert_eq!((list[2].line, list[2].licence.as_deref()), (24, Some("ISC")));
    assert_eq!(list[0].purl.as_ref().unwrap().to_string(), "pkg:npm/%40s/dev@3.0.1");
    assert_eq!(list[0].files[0].accepted[0].algorithm, Algorithm::Sha512);
}

#[test]
fn workspaces_links_bundles_and_git() {
    let root = r#"{"name": "app", "version": "1.0.0", "private": true, "workspaces": ["packages/*"]}"#;
    let member = r#"{"name": "member", "version": "0.1.0", "dependencies": {"left": "^1.0.0"}}"#;
    let text = format!(
        r#"{{"lockfileVersion": 2, "packages": {{
    "": {{"workspaces": ["packages/*"]}},
    "node_modules/member": {{"resolved": "packages/member", "link": true}},
    "node_modules/left": {{"version": "1.0.0", "integrity": "{SRI}", "dependencies": {{"in": "1"}}}},
    "node_modules/left/node_modules/in": {{"version": "1.0.0", "inBundle": true}},
    "node_modules/g": {{"version": "1.0.0", "resolved": "git+ssh://git@example.org/g.git#0123456789abcdef0123456789abcdef01234567"}},
    "packages/member": {{"version": "0.1.0", "dependencies": {{"left": "^1.0.0"}}}}
  }}, "dependencies": {{}}}}"#
    );
    let list = [
        ("package.json", root),
        ("packages/member/package.json", member),
        ("package-lock.json", text.as_str()),
    ];
    let found = detect(&files(&list));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].members[0].as_str(), "packages/member");
    let list = read(&list).unwrap();
    let member = list.iter().position(|c| c.name == "packages/member" || c.name == "member").unwrap();
    let left = list.iter().position(|c| c.name == "left").unwrap();
    assert_eq!(list[member].depends, [left]);
    assert!(list[left].direct);
    assert!(list.iter().any(|c| c.name == "in" && matches!(c.origin, Origin::Path(_))));
    assert!(list.iter().any(|c| c.name == "g" && matches!(c.origin, Origin::Git { .. })));
}

/// As npm 6 writes it.
const FIRST: &str = r#"{
  "name": "app",
  "version": "1.0.0",
  "lockfileVersion": 1,
  "requires": true,
  "dependencies": {
    "@s/dev": {
      "version": "3.0.1",
      "resolved": "https://registry.example.org/@s/dev/-/dev-3.0.1.tgz",
      "integrity": "SRI",
      "dev": true,
      "requires": {
        "left": "^0.9.0"
      },
      "dependencies": {
        "left": {
          "version": "0.9.0",
          "resolved": "https://registry.example.org/left/-/left-0.9.0.tgz",
          "integrity": "SRI",
          "dev": true
        }
      }
    },
    "left": {
      "version": "1.0.2",
      "resolved": "https://registry.example.org/left/-/left-1.0.2.tgz",
      "integrity": "SRI"
    },
    "other": {
      "version": "npm:real@2.0.0",
      "resolved": "https://registry.example.org/real/-/real-2.0.0.tgz",
      "integrity": "SRI",
      "requires": {
        "left": "*"
      }
    }
  }
}
"#;

#[test]
fn the_tree_of_npm_6_is_read_as_places() {
    let text = FIRST.replace("SRI", SRI);
    let list = read(&[("package.json", APP), ("package-lock.json", &text)]).unwrap();
    assert_eq!(
        told(&list),
        [
            ("@s/dev@3.0.1".into(), Scope::Dev, true, vec![1]),
            ("left@0.9.0".into(), Scope::Dev, false, vec![]),
            ("left@1.0.2".into(), Scope::Runtime, true, vec![]),
            ("real@2.0.0".into(), Scope::Runtime, true, vec![2]),
        ]
    );
    assert_eq!(list.iter().map(|c| c.line).collect::<Vec<_>>(), [7, 16, 24, 29]);
    let more = APP.replace("\"left\"", "\"right\": \"1\", \"left\"");
    let error = read(&[("package.json", &more), ("package-lock.json", &text)]).unwrap_err().to_string();
    assert!(error.contains("expected `right` 1"), "{error}");
    let git = text.replace("\"version\": \"1.0.2\"", "\"version\": \"git+https://example.org/l.git#main\"");
    let error = read(&[("package.json", APP), ("package-lock.json", &git)]).unwrap_err().to_string();
    assert!(error.contains("is from git and not at a commit"), "{error}");
}

#[test]
fn faults_name_line_value_and_command() {
    let no_hash = lock(
        ",\n    \"node_modules/bad\": {\n      \"version\": \"1.0.0\"\n    },\n    \"node_modules/bad2\": {\n      \"version\": \"1.0.0\"\n    }",
    );
    let good = lock("");
    let newer = APP.replace("^1.0.0", "^2.0.0");
    let fewer = APP.replace("\"left\": \"^1.0.0\", ", "");
    for (json, text, expected) in [
        (
            APP,
            no_hash.as_str(),
            "package-lock.json:37: `bad` 1.0.0 has no hash, and so have 1 more\n  expected `integrity` with a SHA-512\n  found    none",
        ),
        (
            APP,
            "{\n\"lockfileVersion\": 4}",
            "package-lock.json:2: cannot be used\n  expected `lockfileVersion` 1 to 3\n  found    version 4\nfix: run `npm install --package-lock-only --lockfile-version 3`",
        ),
        (&newer, &good, "expected `left` ^2.0.0, as `dependencies` in package.json says\n  found    ^1.0.0"),
        (&fewer, &good, "nothing called `left`"),
        (APP, "{", "package-lock.json:1: cannot be used"),
    ] {
        let error = read(&[("package.json", json), ("package-lock.json", text)]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\n---\n{expected}");
    }
    let error = read(&[("package.json", APP)]).unwrap_err().to_string();
    assert!(error.contains("`npm install --package-lock-only`"), "{error}");
}

const PNPM_9: &str = "\
lockfileVersion: '9.0'

importers:

  .:
    dependencies:
      left:
        specifier: ^1.0.0
        version: 1.0.2
      other:
        specifier: npm:real@2.0.0
        version: real@2.0.0(left@1.0.2)
    devDependencies:
      '@s/dev':
        specifier: ~3.0.0
        version: 3.0.1

packages:

  '@s/dev@3.0.1':
    resolution: {integrity: SRI}

  left@1.0.2:
    resolution: {integrity: SRI}

  real@2.0.0:
    resolution: {integrity: SRI}

snapshots:

  '@s/dev@3.0.1':
    dependencies:
      left: 1.0.2

  left@1.0.2: {}

  real@2.0.0(left@1.0.2):
    dependencies:
      left: 1.0.2
";

const PNPM_6: &str = "\
lockfileVersion: '6.0'

dependencies:
  left:
    specifier: ^1.0.0
    version: 1.0.2
  other:
    specifier: npm:real@2.0.0
    version: /real@2.0.0(left@1.0.2)

devDependencies:
  '@s/dev':
    specifier: ~3.0.0
    version: 3.0.1

packages:

  /@s/dev@3.0.1:
    resolution: {integrity: SRI}
    dependencies:
      left: 1.0.2
    dev: true

  /left@1.0.2:
    resolution: {integrity: SRI}

  /real@2.0.0(left@1.0.2):
    resolution: {integrity: SRI}
    dependencies:
      left: 1.0.2
";

const PNPM_5: &str = r"
lockfileVersion: 5.4

specifiers:
  '@s/dev': ~3.0.0
  left: ^1.0.0
  other: npm:real@2.0.0

dependencies:
  left: 1.0.2
  other: /real/2.0.0

devDependencies:
  '@s/dev': 3.0.1_left@1.0.2

packages:

  /@s/dev/3.0.1_left@1.0.2:
    resolution: {integrity: SRI}
    engines: {node: '>=18.19'}
    dependencies:
      left: 1.0.2
    dev: true

  /left/1.0.2:
    resolution: {integrity: SRI}
    dev: false

  /real/2.0.0:
    resolution: {integrity: SRI}
    dependencies:
      left: 1.0.2
    dev: false
";

#[test]
fn all_versions_of_pnpm_give_the_same() {
    for text in [PNPM_9, PNPM_6, PNPM_5] {
        let text = text.replace("SRI", SRI);
        let list = read(&[("package.json", APP), ("pnpm-lock.yaml", &text)]).unwrap();
        assert_eq!(
            told(&list),
            [
                ("@s/dev@3.0.1".into(), Scope::Dev, true, vec![1]),
                ("left@1.0.2".into(), Scope::Runtime, true, vec![]),
                ("real@2.0.0".into(), Scope::Runtime, true, vec![1]),
            ]
        );
        assert_eq!(list[0].files[0].ends, ["/@s/dev/-/dev-3.0.1.tgz"]);
        let newer = APP.replace("^1.0.0", "^2.0.0");
        let error = read(&[("package.json", &newer), ("pnpm-lock.yaml", &text)]).unwrap_err().to_string();
        assert!(error.contains("expected `left` ^2.0.0") && error.contains("found    ^1.0.0"), "{error}");
        let error = read(&[("package.json", APP), ("pnpm-lock.yaml", &text.replace(SRI, "x"))]).unwrap_err();
        assert!(matches!(error, EcosystemError::Loose(_)), "{error}");
    }
    let old =
        read(&[("package.json", APP), ("pnpm-lock.yaml", "lockfileVersion: 4\n")]).unwrap_err().to_string();
    assert!(old.contains("found    4"), "{old}");
}

const YARN_1: &str = r#"# yarn lockfile v1


"@s/dev@~3.0.0":
  version "3.0.1"
  resolved "https://registry.example.org/@s/dev/-/dev-3.0.1.tgz#da39a3ee5e6b4b0d3255bfef95601890afd80709"
  integrity SRI
  dependencies:
    left "^1.0.0"

left@*, left@^1.0.0:
  version "1.0.2"
  resolved "https://registry.example.org/left/-/left-1.0.2.tgz#da39a3ee5e6b4b0d3255bfef95601890afd80709"

"other@npm:real@2.0.0":
  version "2.0.0"
  resolved "https://registry.example.org/real/-/real-2.0.0.tgz#da39a3ee5e6b4b0d3255bfef95601890afd80709"
  integrity SRI
  dependencies:
    left "*"
"#;

const YARN_4: &str = r#"__metadata:
  version: 8
  cacheKey: 10c0

"@s/dev@npm:~3.0.0":
  version: 3.0.1
  resolution: "@s/dev@npm:3.0.1"
  dependencies:
    left: "npm:^1.0.0"
  checksum: 10c0/ab12
  languageName: node
  linkType: hard

"app@workspace:.":
  version: 0.0.0-use.local
  resolution: "app@workspace:."
  dependencies:
    left: "npm:^1.0.0"
  languageName: unknown
  linkType: soft

"left@npm:*, left@npm:^1.0.0":
  version: 1.0.2
  resolution: "left@npm:1.0.2"
  checksum: 10c0/ab12
  languageName: node
  linkType: hard

"other@npm:real@2.0.0":
  version: 2.0.0
  resolution: "real@npm:2.0.0"
  dependencies:
    left: "npm:*"
  checksum: 10c0/ab12
  languageName: node
  linkType: hard
"#;

#[test]
fn both_yarns_are_read() {
    let list = read(&[("package.json", APP), ("yarn.lock", &YARN_1.replace("SRI", SRI))]).unwrap();
    assert_eq!(
        told(&list),
        [
            ("@s/dev@3.0.1".into(), Scope::Dev, true, vec![1]),
            ("left@1.0.2".into(), Scope::Runtime, true, vec![]),
            ("real@2.0.0".into(), Scope::Runtime, true, vec![1]),
        ]
    );
    assert_eq!(list[1].files[0].accepted[0].algorithm, Algorithm::Sha1);
    assert_eq!(list[1].line, 11);
    let files_4 = files(&[("package.json", APP), ("yarn.lock", YARN_4)]);
    let found = &detect(&files_4)[0];
    assert_eq!(found.tool, Tool::YarnBerry);
    let list = components(&files_4, found).unwrap();
    assert_eq!(list.len(), 4);
    assert_eq!(list[3].depends, [2]);
    assert_eq!(list[2].files[0].accepted[0].algorithm, Algorithm::YarnArchive);
    let newer = APP.replace("^1.0.0", "^2.0.0");
    for text in [&YARN_1.replace("SRI", SRI), YARN_4] {
        let error = read(&[("package.json", &newer), ("yarn.lock", text)]).unwrap_err().to_string();
        assert!(error.contains("an entry for `left@^2.0.0`"), "{error}");
    }
    let error = read(&[("package.json", APP), ("yarn.lock", "  version \"1\"\n")]).unwrap_err();
    assert!(matches!(error, EcosystemError::Form(_)));
}

#[test]
fn what_is_found() {
    let files = files(&[
        ("package.json", APP),
        (".nvmrc", "lts/*\n"),
        ("docs/package.json", "{\"type\": \"module\"}"),
        (
            "web/package.json",
            "{\"name\": \"web\", \"packageManager\": \"pnpm@9.1.0+sha256.x\", \"dependencies\": {\"a\": \"1\"}}",
        ),
    ]);
    let found = detect(&files);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].makes, [Product::Bundle("build".into()), Product::Package("app".into())]);
    assert_eq!(found[0].wants[0].at_least, "18.12.0");
    assert!(
        found[0].notes.iter().any(|n| n.contains("lts/*"))
            && found[0].notes.iter().any(|n| n.contains("prepare"))
    );
    assert_eq!(
        (found[1].tool, found[1].lock_command.as_deref()),
        (Tool::Pnpm, Some("pnpm install --lockfile-only"))
    );
}
