use super::*;
use crate::ecosystem::files::tests::files;
use crate::ecosystem::{Origin, Scope};

const SUM: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const APP: &str = r#"[project]
name = "My.App"
version = "1.0"
license = "MIT"
requires-python = ">=3.9,<4"
dependencies = ["click>=8.1.3", "six ; python_version < '3.10'"]
[project.scripts]
app = "my_app:main"
[dependency-groups]
dev = ["pytest"]
[build-system]
requires = ["hatchling>=1.2", "cython"]
build-backend = "hatchling.build"
"#;

fn read(list: &[(&str, &str)]) -> Result<Vec<Component>, EcosystemError> {
    let files = files(list);
    components(&files, &detect(&files)[0])
}

fn fails(list: &[(&str, &str)], expected: &str) {
    let error = read(list).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}\n---\n{expected}");
}

const UV: &str = r#"version = 1
requires-python = ">=3.9"

[[package]]
name = "click"
version = "8.1.7"
source = { registry = "https://example.org/simple" }
sdist = { url = "https://example.org/f/click-8.1.7.tar.gz", hash = "sha256:SUM", size = 1 }
wheels = [
    { url = "https://example.org/f/click-8.1.7-py3-none-any.whl", hash = "sha256:SUM", size = 1 },
]

[[package]]
name = "my-app"
version = "1.0"
source = { editable = "." }
dependencies = [
    { name = "click" },
    { name = "six", marker = "python_full_version < '3.10'" },
]

[package.dev-dependencies]
dev = [
    { name = "pytest" },
]

[package.metadata]
requires-dist = [
    { name = "click", specifier = ">=8.1.3" },
    { name = "six", marker = "python_full_version < '3.10'" },
]

[[package]]
name = "pytest"
version = "8.0.0"
source = { git = "https://example.org/pytest?rev=main#0123456789abcdef0123456789abcdef01234567" }
dependencies = [{ name = "click" }]

[[package]]
name = "six"
version = "1.16.0"
source = { registry = "https://example.org/simple" }
wheels = [{ url = "https://example.org/f/six-1.16.0-py2.py3-none-any.whl", hash = "sha256:SUM" }]
"#;

#[test]
fn uv() {
    let text = UV.replace("SUM", SUM);
    let list = read(&[("pyproject.toml", APP), ("uv.lock", &text)]).unwrap();
    let told: Vec<_> = list.iter().map(|c| (c.title(), c.scope, c.direct, c.files.len())).collect();
    assert_eq!(
        told,
        [
            ("click@8.1.7".into(), Scope::Runtime, true, 2),
            ("my-app@1.0".into(), Scope::Runtime, false, 0),
            ("pytest@8.0.0".into(), Scope::Dev, true, 0),
            ("six@1.16.0".into(), Scope::Runtime, true, 1),
        ]
    );
    assert_eq!(list[1].depends, [0, 3]);
    assert!(matches!(&list[2].origin, Origin::Git { url, .. } if url == "https://example.org/pytest"));
    assert_eq!(list[0].line, 5);
    let toml = APP.replace("click>=8.1.3", "click>=9");
    fails(
        &[("pyproject.toml", &toml), ("uv.lock", &text)],
        "uv.lock:14: is not up to date\n  expected `click>=9`, as pyproject.toml says\n  found    `click>=8.1.3`\nfix: run `uv lock`",
    );
    let more = APP.replace("\"click", "\"rich\", \"click");
    fails(
        &[("pyproject.toml", &more), ("uv.lock", &text)],
        "expected `rich`, as pyproject.toml says\n  found    none",
    );
    fails(
        &[("pyproject.toml", APP), ("uv.lock", &UV.replace("SUM", "x"))],
        "uv.lock:5: `click` has a file without hash, and so have",
    );
    fails(&[("pyproject.toml", APP), ("uv.lock", "version = 2\n")], "expected `version = 1`");
}

#[test]
fn requirements() {
    let text = format!(
        "# made\n--index-url https://example.org/simple\n-r more/base.txt\n\
         click==8.1.7 ; python_version >= '3.8' \\\n    --hash=sha256:{SUM} \\\n    --hash=sha256:{SUM}  # via x\n\
         flask @ https://example.org/flask-3.0.0-py3-none-any.whl --hash=sha256:{SUM}\n\
         tool @ git+https://example.org/tool.git@0123456789abcdef0123456789abcdef01234567\n-e .\n"
    );
    let base = format!("Six[x]==1.16.0 --hash=sha256:{SUM}\n-r ../requirements.txt\n");
    let list = read(&[("requirements.txt", &text), ("more/base.txt", &base)]).unwrap();
    let told: Vec<_> = list.iter().map(|c| (c.title(), c.lockfile.as_str().to_owned(), c.line)).collect();
    assert_eq!(
        told,
        [
            ("six@1.16.0".into(), "more/base.txt".into(), 1),
            ("click@8.1.7".into(), "requirements.txt".into(), 4),
            ("flask".into(), "requirements.txt".into(), 7),
            ("tool".into(), "requirements.txt".into(), 8),
            (".".into(), "requirements.txt".to_string(), 9),
        ]
    );
    assert_eq!(list[1].files[0].accepted.len(), 2);
    assert_eq!(list[2].files[0].ends, ["/flask-3.0.0-py3-none-any.whl"]);
    for (line, expected) in [
        ("a==1", "requirements.txt:2: `a` has no hash"),
        (
            &format!("a>=1 --hash=sha256:{SUM}"),
            "`a` is a range\n  expected `==` and one version\n  found    a>=1",
        ),
        ("a @ git+https://example.org/a.git@main", "not at a commit"),
        ("-r none.txt", "expected a file of the repository\n  found    none.txt"),
    ] {
        fails(&[("requirements.txt", &format!("# --hash\n{line}\n"))], expected);
    }
    let files = files(&[("requirements.txt", "flask\n")]);
    let found = &detect(&files)[0];
    assert!(found.lockfile.is_none());
    let error = components(&files, found).unwrap_err().to_string();
    assert!(error.contains("uv pip compile --generate-hashes requirements.txt"), "{error}");
}

#[test]
fn poetry() {
    let toml = "[tool.poetry]\nname = \"app\"\nversion = \"1\"\n[tool.poetry.dependencies]\npython = \"^3.9\"\nClick = \"^8\"\n\
                [tool.poetry.group.test.dependencies]\npytest = \"*\"\n";
    let text = format!(
        "[[package]]\nname = \"click\"\nversion = \"8.1.7\"\noptional = false\nfiles = [\n    {{file = \"click-8.1.7.tar.gz\", hash = \"sha256:{SUM}\"}},\n]\n\n\
         [[package]]\nname = \"pytest\"\nversion = \"8.0.0\"\noptional = false\nfiles = [{{file = \"pytest-8.0.0.tar.gz\", hash = \"sha256:{SUM}\"}}]\n\n\
         [package.dependencies]\nclick = \">=1\"\n\n[metadata]\nlock-version = \"2.0\"\n"
    );
    let list = read(&[("pyproject.toml", toml), ("poetry.lock", &text)]).unwrap();
    assert_eq!(
        (list[0].scope, list[1].scope, list[1].depends.as_slice()),
        (Scope::Runtime, Scope::Dev, &[0][..])
    );
    assert_eq!(list[0].files[0].ends, ["/click-8.1.7.tar.gz"]);
    let more = toml.replace("Click", "rich = \"*\"\nClick");
    fails(
        &[("pyproject.toml", &more), ("poetry.lock", &text)],
        "an entry for `rich`, as pyproject.toml says",
    );
    let old = format!(
        "[[package]]\nname = \"click\"\nversion = \"8\"\ncategory = \"dev\"\n\n[metadata.files]\nclick = [{{file = \"click-8.tar.gz\", hash = \"sha256:{SUM}\"}}]\n"
    );
    let list = read(&[("pyproject.toml", "[tool.poetry]\nname = \"a\"\n"), ("poetry.lock", &old)]).unwrap();
    assert_eq!((list[0].scope, list[0].files.len()), (Scope::Dev, 1));
}

#[test]
fn pylock_and_pipfile() {
    let text = format!(
        "lock-version = '1.0'\ncreated-by = 'pip'\n[[packages]]\nname = 'a'\nversion = '1.0'\nindex = 'https://example.org/simple'\n\
         [[packages.wheels]]\nname = 'a-1.0-py3-none-any.whl'\nurl = 'https://example.org/x'\n[packages.wheels.hashes]\nsha256 = '{SUM}'\n\
         [[packages]]\nname = 'b'\ndependencies = [{{name = 'a'}}]\n[packages.directory]\npath = '.'\n"
    );
    let list = read(&[("pyproject.toml", APP), ("pylock.toml", &text)]).unwrap();
    assert_eq!(list[0].files[0].ends, ["/a-1.0-py3-none-any.whl"]);
    assert_eq!(list[1].depends, [0]);
    fails(
        &[("pyproject.toml", APP), ("pylock.toml", &text.replace("'1.0'\ncreated", "'2.0'\ncreated"))],
        "found    2.0",
    );
    let pipfile = "[packages]\nA = \"*\"\n";
    let lock = format!(
        "{{\"_meta\": {{}}, \"default\": {{\n\"a\": {{\"hashes\": [\"sha256:{SUM}\"], \"version\": \"==1.0\"}}}}, \"develop\": {{}}}}"
    );
    let list = read(&[("Pipfile", pipfile), ("Pipfile.lock", &lock)]).unwrap();
    assert_eq!((list[0].title(), list[0].direct, list[0].line), ("a@1.0".into(), true, 2));
    fails(&[("Pipfile", "[packages]\nb = \"*\"\n"), ("Pipfile.lock", &lock)], "an entry for `b`");
    fails(&[("Pipfile", pipfile)], "run `pipenv lock`");
}

#[test]
fn what_is_found() {
    let files = files(&[
        ("pyproject.toml", APP),
        ("tools/pyproject.toml", "[tool.black]\nline-length = 100\n"),
        ("docs/requirements.txt", "sphinx\n"),
        ("old/setup.py", "setup(ext_modules=[Extension('x', ['x.c'])])\n"),
    ]);
    let found = detect(&files);
    assert_eq!(found.iter().map(|f| f.dir.as_str()).collect::<Vec<_>>(), [".", "old"]);
    let wheel = Product::Wheel {
        backend: "hatchling.build".into(),
        requires: vec!["hatchling>=1.2".into(), "cython".into()],
        compiled: true,
    };
    assert_eq!(found[0].makes, [wheel, Product::Command("app".into())]);
    assert_eq!((found[0].wants[0].tool, found[0].wants[0].at_least.as_str()), ("python", "3.9"));
    assert_eq!(found[0].lock_command, None, "a wheel is built without a lockfile");
    assert!(components(&files, &found[0]).unwrap().is_empty());
    assert!(matches!(&found[1].makes[0], Product::Wheel { compiled: true, .. }));
}
