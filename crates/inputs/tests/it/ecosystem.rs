//! Adapters on hostile and on real texts, through the public door.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use inputs::ecosystem::{Adapter, Files, Scope, Wish, agree, components, detect, propose};
use model::RelPath;
use model::tree::{Node, Tree};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// A repository made of bytes.
fn files(list: &BTreeMap<String, Vec<u8>>) -> Files<'_> {
    let paths: Vec<RelPath> = list.keys().map(|path| path.parse().unwrap()).collect();
    Files::new(paths, |path| Ok(list.get(path.as_str()).ok_or(io::ErrorKind::NotFound)?.clone()))
}

/// Texts of every format, in pairs that belong together.
const SEEDS: &[&[(&str, &str)]] = &[
    &[
        (
            "Cargo.toml",
            "[package]\nname = \"a\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[dependencies]\nb = { version = \"1\", path = \"../b\" }\n[workspace]\nmembers = [\"c*\"]\n",
        ),
        (
            "Cargo.lock",
            "version = 3\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\ndependencies = [\"b 1.0.0 (registry+x)\"]\n[[package]]\nname = \"b\"\nversion = \"1.0.0\"\nsource = \"git+https://x/y?branch=z#0123\"\n",
        ),
        ("src/main.rs", "include_str!(\"web/dist\")"),
    ],
    &[
        (
            "go.mod",
            "module a/b/v2\n\ngo 1.21\nrequire (\n\tc/d v1.0.0 // indirect\n)\nreplace c/d v1.0.0 => ../x\n",
        ),
        ("go.sum", "c/d v1.0.0 h1:YsImfSBoP9QPYL0xyKJPq0gcaJdG3rInoqxTWbfQu9M=\nc/d v1.0.0/go.mod h1:AA=\n"),
        ("main.go", "package main\n//go:embed all:web/dist ../x\n"),
    ],
    &[
        (
            "package.json",
            "{\"name\": \"@a/b\", \"version\": \"1.0.0\", \"scripts\": {\"build\": \"vite build --outDir x\"}, \"dependencies\": {\"c\": \"^1\"}, \"workspaces\": [\"p/*\", \"!q/**\"], \"engines\": {\"node\": \">=18\"}}",
        ),
        (
            "package-lock.json",
            "{\"lockfileVersion\": 3, \"packages\": {\"\": {\"dependencies\": {\"c\": \"^1\"}}, \"node_modules/c\": {\"version\": \"1.0.0\", \"integrity\": \"sha1-AA==\", \"resolved\": \"https://x/c/-/c-1.0.0.tgz\"}, \"node_modules/d\": {\"link\": true, \"resolved\": \"p/d\"}}}",
        ),
        ("vite.config.ts", "build: { outDir: 'x' }"),
    ],
    &[
        ("package.json", "{\"packageManager\": \"pnpm@9.1.0\", \"dependencies\": {\"c\": \"^1\"}}"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      c: {specifier: ^1, version: 1.0.0(d@1)}\npackages:\n  c@1.0.0:\n    resolution: {integrity: sha512-AA==}\n",
        ),
        ("pnpm-workspace.yaml", "packages:\n  - 'p/*'\n"),
    ],
    &[
        ("package.json", "{\"dependencies\": {\"c\": \"^1\"}}"),
        (
            "yarn.lock",
            "# yarn lockfile v1\n\n\"c@^1\", c@x:\n  version \"1.0.0\"\n  resolved \"https://x/c-1.0.0.tgz#aa\"\n  dependencies:\n    \"@d/e\" \"^1\"\n",
        ),
    ],
    &[
        ("package.json", "{\"dependencies\": {\"c\": \"^1\"}}"),
        (
            "yarn.lock",
            "__metadata:\n  version: 8\n\n\"c@npm:^1\":\n  version: 1.0.0\n  resolution: \"c@npm:1.0.0\"\n  checksum: 10c0/aa\n  linkType: hard\n",
        ),
    ],
    &[
        (
            "pyproject.toml",
            "[project]\nname = \"a\"\nversion = \"1\"\nrequires-python = \">=3.9\"\ndependencies = [\"b[x]>=1,<2 ; y\"]\n[build-system]\nrequires = [\"setuptools_scm>=1\"]\n",
        ),
        (
            "uv.lock",
            "version = 1\n[[package]]\nname = \"a\"\nversion = \"1\"\nsource = { editable = \".\" }\n[package.metadata]\nrequires-dist = [{ name = \"b\", specifier = \">=1,<2\" }]\n",
        ),
        ("setup.cfg", "[metadata]\nname = a\n"),
    ],
    &[
        (
            "pyproject.toml",
            "[tool.poetry]\nname = \"a\"\n[tool.poetry.dependencies]\npython = \"^3\"\nb = \"*\"\n",
        ),
        (
            "poetry.lock",
            "[[package]]\nname = \"b\"\nversion = \"1\"\nfiles = [{file = \"b-1.whl\", hash = \"sha256:aa\"}]\n[metadata.files]\n",
        ),
    ],
    &[
        ("requirements.txt", "-r x/../y.txt\na==1 ; b \\\n  --hash=sha256:aa\nc @ git+https://x@y\n--hash\n"),
        ("y.txt", "-e .\n-r requirements.txt\n"),
    ],
    &[
        ("Pipfile", "[packages]\na = \"*\"\n"),
        ("Pipfile.lock", "{\"default\": {\"a\": {\"version\": \"==1\", \"hashes\": [\"sha256:aa\"]}}}"),
    ],
    &[
        (
            "pylock.toml",
            "lock-version = \"1.0\"\n[[packages]]\nname = \"a\"\n[packages.archive]\nurl = \"x/y\"\nhashes = {sha256 = \"aa\"}\n",
        ),
        ("pyproject.toml", "[project]\nname = \"a\"\n"),
    ],
    &[(
        "pom.xml",
        "<project><artifactId>a</artifactId><version>${x}</version><properties><x>${y}</x><y>1</y></properties><modules><module>b</module></modules><dependencies><dependency><groupId>g</groupId><artifactId>b</artifactId><version>${x}</version></dependency></dependencies></project>",
    )],
    &[
        ("build.gradle", ""),
        ("gradle.lockfile", "g:a:1=runtimeClasspath\nempty=\n"),
        (
            "gradle/verification-metadata.xml",
            "<v><component group=\"g\" name=\"a\" version=\"1\"><artifact name=\"a.jar\"><sha256 value=\"aa\"/></artifact></component></v>",
        ),
    ],
    &[(
        "CMakeLists.txt",
        "project(a VERSION 1.0)\nfind_package(ZLIB)\nFetchContent_Declare(b URL https://x/b.tgz URL_HASH SHA256=aa)\n",
    )],
    &[
        ("meson.build", "project('a', version: '1', meson_version: '>=1')\ndependency('x')\n"),
        ("subprojects/b.wrap", "source_url = x\nsource_hash = aa\n"),
    ],
    &[
        ("debian/control", "Source: a\nBuild-Depends: b (>= 1) | c, d <!x>\n e\n\nPackage: a\n"),
        ("debian/changelog", "a (1-1) x; y\n"),
    ],
];

/// Everything that is done with a repository. What comes out does not matter, but that it comes.
fn through(list: &BTreeMap<String, Vec<u8>>) {
    let files = files(list);
    let found = detect(&files);
    for project in &found {
        if let Ok(list) = components(&files, project) {
            let fetched =
                list.iter().flat_map(|c| &c.files).flat_map(|f| &f.ends).map(|end| (end, || Ok(&b"x"[..])));
            let _ = agree(&list, fetched);
            assert!(list.iter().all(|c| c.depends.iter().all(|at| *at < list.len())));
        }
    }
    let proposal = propose(&files, &found, &Wish { folder: "a", suite: None });
    if let Err(error) = model::recipe::parse("selfsame.toml", &proposal.text) {
        panic!("{error}\n{list:?}\n{}", proposal.text);
    }
}

#[test]
fn no_text_brings_an_adapter_down() {
    let mut random = StdRng::seed_from_u64(4);
    for seed in SEEDS {
        let whole: BTreeMap<String, Vec<u8>> =
            seed.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        through(&whole);
        for _ in 0..400 {
            let mut list = whole.clone();
            for bytes in list.values_mut() {
                for _ in 0..random.gen_range(0..4) {
                    damage(&mut random, bytes);
                }
            }
            through(&list);
        }
        // Nothing but noise, in place of each.
        for _ in 0..20 {
            let mut list = whole.clone();
            for bytes in list.values_mut() {
                *bytes = (0..random.gen_range(0..200)).map(|_| random.r#gen()).collect();
            }
            through(&list);
        }
    }
}

/// Cuts, doubles or changes a piece.
fn damage(random: &mut StdRng, bytes: &mut Vec<u8>) {
    const PIECES: &[&str] = &[
        "\"", "'", "@", "é", "/", "\\", "..", "#", "{", "}", "[", "]", "=", ":", "\n", " ", "0", "(", "${x}",
        "\u{0}", "-r", "a-",
    ];
    let at = random.gen_range(0..=bytes.len());
    let end = (at + random.gen_range(0..12)).min(bytes.len());
    match random.gen_range(0..4) {
        0 => drop(bytes.drain(at..end)),
        1 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        2 => bytes.truncate(at),
        _ => drop(bytes.splice(at..end, PIECES[random.gen_range(0..PIECES.len())].bytes())),
    }
}

/// selfsame's own repository is a Rust workspace with a lockfile.
#[test]
fn this_workspace_is_understood() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).unwrap();
    let env = BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap())]);
    let files = Files::of_folder(&env, root).unwrap();
    let found = detect(&files);
    let ours = found.iter().find(|f| f.adapter == Adapter::Cargo && f.dir.is_root()).unwrap();
    let list = components(&files, ours).unwrap();
    let ring = list.iter().find(|c| c.name == "ring").unwrap();
    assert!(ring.direct && ring.scope == Scope::Runtime && ring.files.len() == 1 && ring.line > 0);
    let tempfile = list.iter().find(|c| c.name == "tempfile").unwrap();
    assert!(tempfile.direct && !tempfile.depends.is_empty());
    let proposal = propose(&files, &found, &Wish { folder: "x", suite: None });
    assert!(proposal.text.contains("cp target/release/selfsame"), "{}", proposal.text);
}

#[test]
fn a_tree_of_the_store_is_a_repository_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = store::Store::open(dir.path()).unwrap();
    let mut tree = Tree::default();
    let list = [("a/go.mod", "module example.org/a\n\ngo 1.20\n"), ("a/main.go", "package main\n")];
    for (path, text) in list {
        let digest = store.put(text.as_bytes()).unwrap();
        tree.insert(&path.parse().unwrap(), Node::File { digest, executable: false }).unwrap();
    }
    tree.insert(&"go.mod".parse().unwrap(), Node::Symlink("a/go.mod".into())).unwrap();
    let tree = tree.finish();
    store.put_tree(&tree).unwrap();
    let files = Files::of_tree(&store, &tree.root).unwrap();
    let found = detect(&files);
    assert_eq!(found.len(), 1, "a link is no file: {found:?}");
    assert_eq!((found[0].dir.as_str(), found[0].name.as_deref()), ("a", Some("example.org/a")));
    assert!(files.text(&"go.mod".parse().unwrap()).is_err());
}
