//! Real builds in six languages under the default policy, and programs of six that look at their world.
//!
//! One toolchain for all of them, in a home that lives as long as the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

use crate::home::{bare, need, ran};
use crate::project::{Project, git};
use crate::seed;

const TOOLCHAIN: &str = r#"selfsame = 1
name = "languages"
version = "1.0"

[sources.main]
worktree = "."

[toolchain]
kind = "debian"
suite = "bookworm"
packages = ["coreutils", "dash", "gcc", "g++", "git", "libc6-dev", "make", "rustc", "cargo", "golang-go", "python3", "python3-setuptools", "python3-wheel", "nodejs", "npm"]

"#;

/// The home with the toolchain, and its lock.
pub(crate) fn languages() -> &'static (PathBuf, String) {
    static READY: OnceLock<(PathBuf, String)> = OnceLock::new();
    READY.get_or_init(|| {
        let home = seed::locked("languages", |home, dir| {
            let step = "[[step]]\nname = \"build\"\nrun = [\"mkdir out\"]\noutputs = [\"out\"]\n\n[[artifact]]\n\
                        name = \"o.tar\"\nformat = \"tar\"\nfrom = \"step:build/out\"\n";
            fs::write(dir.join("selfsame.toml"), format!("{TOOLCHAIN}{step}")).expect("room");
            git(dir, &["init", "-q", "-b", "main"]);
            git(dir, &["add", "selfsame.toml"]);
            git(dir, &["commit", "-q", "--allow-empty", "-m", "a state"]);
            if seed::selfsame(home, dir, &["build"]).is_err() {
                let _ = fs::remove_file(dir.join("selfsame.lock"));
                seed::done(seed::selfsame(home, dir, &["lock"]));
                seed::done(seed::selfsame(home, dir, &["build"]));
            }
        });
        let lock = home.parent().expect("it is in the seed's folder").join("dir/selfsame.lock");
        (home, fs::read_to_string(lock).expect("the seed has made it"))
    })
}

/// A project of the toolchain; `rest` comes after it.
pub(crate) fn project(rest: &str, files: &[(&str, &str)]) -> Project {
    let project = Project::new(&format!("{TOOLCHAIN}{rest}"), files);
    project.write("selfsame.lock", &languages().1);
    project.commit();
    project
}

/// A recipe with one step that makes `out`.
fn step(run: &[&str]) -> String {
    let run = serde_json::to_string(run).expect("strings");
    format!(
        "[[step]]\nname = \"build\"\nrun = {run}\noutputs = [\"out\"]\n\n[[artifact]]\nname = \"out.tar\"\n\
         format = \"tar\"\nfrom = \"step:build/out\"\n"
    )
}

fn build(project: &Project, args: &[&str]) -> (i32, Value) {
    let mut command = bare(Path::new(env!("CARGO_BIN_EXE_selfsame")), &languages().0, project.path());
    ran(command.arg("build").args(args).arg("--json")).envelope("build")
}

/// A language: its build, its files, and the file that is taken out.
struct Real {
    language: &'static str,
    run: &'static [&'static str],
    files: &'static [(&'static str, &'static str)],
    without: &'static str,
}

const REAL: &[Real] = &[
    Real {
        language: "C",
        run: &["make", "mkdir out", "cp hello out/"],
        files: &[
            ("Makefile", "hello: hello.o other.o\n\tcc -o $@ $^\n%.o: %.c\n\tcc -O2 -g -c -o $@ $<\n"),
            (
                "hello.c",
                "#include <stdio.h>\n#include \"own/part.h\"\nint main(void) { return puts(PART) < 0; }\n",
            ),
            ("other.c", "#include <math.h>\nint other(void) { return 0; }\n"),
            ("own/part.h", "#define PART \"hello\"\n"),
        ],
        without: "own/part.h",
    },
    Real {
        language: "C++",
        run: &["g++ -O2 -std=c++20 -o hello hello.cpp", "./hello", "mkdir out", "cp hello out/"],
        files: &[
            (
                "hello.cpp",
                "#include <iostream>\n#include <regex>\n#include \"part.hpp\"\nint main() { std::cout << part() << std::endl; }\n",
            ),
            ("part.hpp", "#pragma once\ninline const char* part() { return \"hello\"; }\n"),
        ],
        without: "part.hpp",
    },
    Real {
        language: "Rust",
        run: &[
            "cargo build --release --offline",
            "cargo test --offline -q",
            "mkdir out",
            "cp target/release/hello out/",
        ],
        files: &[
            (
                "Cargo.toml",
                "[package]\nname = \"hello\"\nversion = \"1.0.0\"\nedition = \"2021\"\n\n[dependencies]\npart = { path = \"part\" }\n",
            ),
            (
                "Cargo.lock",
                "version = 3\n\n[[package]]\nname = \"hello\"\nversion = \"1.0.0\"\ndependencies = [\n \"part\",\n]\n\n[[package]]\nname = \"part\"\nversion = \"1.0.0\"\n",
            ),
            (
                "src/main.rs",
                "fn main() { println!(\"{}\", part::part()); }\n#[test]\nfn works() { assert_eq!(part::part(), \"hello\"); }\n",
            ),
            ("part/Cargo.toml", "[package]\nname = \"part\"\nversion = \"1.0.0\"\nedition = \"2021\"\n"),
            ("part/src/lib.rs", "pub fn part() -> &'static str { include_str!(\"text.txt\") }\n"),
            ("part/src/text.txt", "hello"),
        ],
        without: "part/src/text.txt",
    },
    Real {
        language: "Go",
        run: &[
            "go vet ./...",
            "go test ./...",
            "mkdir out",
            "CGO_ENABLED=0 go build -trimpath -o out/hello .",
        ],
        files: &[
            ("go.mod", "module example.org/hello\n\ngo 1.19\n"),
            (
                "main.go",
                "package main\n\nimport (\n\t_ \"embed\"\n\t\"fmt\"\n)\n\n//go:embed text.txt\nvar text string\n\nfunc main() { fmt.Println(text) }\n",
            ),
            (
                "main_test.go",
                "package main\n\nimport (\n\t\"net\"\n\t\"testing\"\n)\n\nfunc TestLoopback(t *testing.T) {\n\tl, err := net.Listen(\"tcp\", \"127.0.0.1:0\")\n\tif err != nil {\n\t\tt.Fatal(err)\n\t}\n\tgo l.Accept()\n\tc, err := net.Dial(\"tcp\", l.Addr().String())\n\tif err != nil {\n\t\tt.Fatal(err)\n\t}\n\tc.Close()\n}\n",
            ),
            ("text.txt", "hello"),
        ],
        without: "text.txt",
    },
    Real {
        language: "Python",
        run: &[
            "python3 setup.py -q bdist_wheel",
            "python3 -m unittest -q",
            "mkdir out",
            "cp dist/*.whl out/",
        ],
        files: &[
            (
                "setup.py",
                "from setuptools import Extension, setup\nsetup(name='hello', version='1.0', py_modules=['hello'], long_description=open('about.txt').read())\n",
            ),
            ("hello.py", "def hello():\n    return 'hello'\n"),
            (
                "test_hello.py",
                "import subprocess, unittest, hello\n\nclass Test(unittest.TestCase):\n    def test(self):\n        self.assertEqual(hello.hello(), 'hello')\n        subprocess.run(['true'], check=True)\n",
            ),
            ("about.txt", "Says hello.\n"),
        ],
        without: "about.txt",
    },
    Real {
        language: "JavaScript",
        run: &[
            "npm run build --offline",
            "npm pack --offline --pack-destination .",
            "mkdir out",
            "cp *.tgz out/",
        ],
        files: &[
            (
                "package.json",
                "{\n  \"name\": \"hello\",\n  \"version\": \"1.0.0\",\n  \"scripts\": { \"build\": \"node build.js\" }\n}\n",
            ),
            (
                "build.js",
                "const part = require('./part.js');\nrequire('fs').writeFileSync('hello.js', `console.log('${part}')`);\n",
            ),
            ("part.js", "module.exports = 'hello';\n"),
        ],
        without: "part.js",
    },
];

#[test]
fn real_builds_attempt_nothing_and_name_what_is_taken_out() {
    for Real { language, run, files, without } in REAL {
        let whole = project(&step(run), files);
        let (code, result) = build(&whole, &[]);
        assert_eq!(code, 0, "{language}: {result:#}");
        let digest = result["steps"][0]["observation"].as_str().expect("it was observed").to_owned();
        let seen = observed(&whole, &digest);
        assert_eq!(seen["violations"], Value::Array(Vec::new()), "{language}");
        assert_eq!(seen["achieved"]["watched"], true, "{language}");

        let fewer: Vec<_> = files.iter().filter(|(path, _)| path != without).copied().collect();
        let (code, error) = build(&project(&step(run), &fewer), &[]);
        assert_eq!(code, 12, "{language}: {error:#}");
        let missed = format!("file     /build/src/{without}");
        let lines: Vec<_> = error["lines"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
        let named: Vec<_> =
            lines.iter().filter(|l| l.starts_with("file ") || l.starts_with("program ")).collect();
        assert!(named.len() == 1 && named[0] == &missed, "{language}: {named:?}\n{error:#}");
    }
}

/// Programs that print what they see. Each is compiled in one step and run in another one, alone: name and
/// command.
const LOOKERS: &[(&str, &str)] = &[
    ("shell", "exec sh p.sh"),
    ("c", "exec ./c"),
    ("c-static", "exec ./c-static"),
    ("go-static", "exec ./go-static"),
    ("rust", "exec ./rust"),
    ("python", "exec python3 p.py"),
    ("node", "exec node p.js"),
];

const LOOKER_FILES: &[(&str, &str)] = &[
    ("p.sh", include_str!("languages/p.sh")),
    ("p.c", include_str!("languages/p.c")),
    ("p.go", include_str!("languages/p.go")),
    ("p.rs", include_str!("languages/p.rs")),
    ("p.py", include_str!("languages/p.py")),
    ("p.js", include_str!("languages/p.js")),
    ("d/c", ""),
    ("d/a", ""),
    ("d/b", ""),
];

fn lookers(conditions: &str) -> Project {
    let mut text = format!("[conditions]\nsource-date-epoch = 1500000000\n{conditions}\n");
    text.push_str(
        "[[step]]\nname = \"compile\"\noutputs = [\"c\", \"c-static\", \"go-static\", \"rust\"]\nrun = [\"gcc -o c p.c\", \
         \"gcc -static -o c-static p.c\", \"GO111MODULE=off CGO_ENABLED=0 go build -o go-static p.go\", \"rustc -o rust p.rs\"]\n\n",
    );
    for (name, run) in LOOKERS {
        let built = |name: &str| format!("{name} = \"step:compile/{name}\"");
        let also = ["c", "c-static", "go-static", "rust"]
            .iter()
            .find(|b| *b == name)
            .map(|b| format!(", {}", built(b)));
        text.push_str(&format!(
            "[[step]]\nname = \"see-{name}\"\ninputs = {{ \".\" = \"source:main\"{} }}\nrun = [\"{run} > seen\"]\noutputs = [\"seen\"]\n\n\
             [[artifact]]\nname = \"{name}.txt\"\nformat = \"file\"\nfrom = \"step:see-{name}/seen\"\n\n",
            also.unwrap_or_default()
        ));
    }
    project(&text, LOOKER_FILES)
}

/// What each program printed, its name before it.
fn seen(project: &Project) -> Vec<String> {
    let (code, result) = build(project, &["--fresh"]);
    assert_eq!(code, 0, "{result:#}");
    printed(project)
}

fn printed(project: &Project) -> Vec<String> {
    let read = |name: &str| fs::read_to_string(project.file(&format!("selfsame-out/{name}.txt"))).unwrap();
    LOOKERS.iter().map(|(name, _)| format!("{name}: {}", read(name))).collect()
}

/// An observation by its digest.
fn observed(project: &Project, digest: &str) -> Value {
    let mut show = bare(Path::new(env!("CARGO_BIN_EXE_selfsame")), &languages().0, project.path());
    let said = ran(show.args(["show", "--raw", digest]));
    serde_json::from_str(&said.out).expect("an observation")
}

#[test]
fn pinned_programs_of_every_language_see_the_same_each_time_as_root_or_not() {
    let project = lookers("level = \"pinned\"");
    let first = seen(&project);
    for line in &first {
        for part in ["time 1500000000", "dir a b c", "cpus 4", "pid 3", "umask 022"] {
            assert!(line.contains(part), "`{part}` in {line}");
        }
        assert!(line.starts_with("rust") || line.contains("uname 6.1.0"), "{line}");
    }
    assert_eq!(first, seen(&project));

    // In the other mode: in a user namespace that knows no other id, even root sets it up as an ordinary user does.
    need(&["unshare"]);
    let home = &languages().0;
    let mut command = bare(Path::new("unshare"), home, project.path());
    command.args(["--user", "--map-root-user"]).arg(env!("CARGO_BIN_EXE_selfsame"));
    let (code, result) = ran(command.args(["build", "--fresh", "--json"])).envelope("build");
    assert_eq!(code, 0, "{result:#}");
    let observation = result["steps"][1]["observation"].as_str().expect("it was observed").to_owned();
    assert_eq!(observed(&project, &observation)["achieved"]["mode"], "rootless");
    let other = printed(&project);
    assert_eq!(first, other);
}

#[test]
fn varied_conditions_are_seen_by_programs_of_every_language() {
    let varied = lookers(
        "clock = \"fixed:1234567890\"\nrandom = \"seed:7\"\ndirectory-order = \"reversed\"\ncpus = 3\n\
         kernel-release = \"5.4.0-varied\"\nprocess-ids-after = 700\numask = \"077\"\n",
    );
    let lines = seen(&varied);
    for line in &lines {
        for part in ["time 1234567890", "dir c b a", "cpus 3", "pid 701", "umask 077"] {
            assert!(line.contains(part), "`{part}` in {line}");
        }
        assert!(line.starts_with("rust") || line.contains("uname 5.4.0-varied"), "{line}");
    }
    let random = |lines: &[String]| -> Vec<String> {
        let part = |line: &String| {
            line.split(" random ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().to_owned()
        };
        lines.iter().map(part).collect()
    };
    let pinned = random(&seen(&lookers("level = \"pinned\"")));
    assert!(random(&lines).iter().zip(&pinned).all(|(a, b)| a != b), "another seed, other numbers");
}
