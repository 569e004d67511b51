//! No reader panics, loops or grows without bound, whatever the bytes.

use rand::{Rng as _, SeedableRng as _};

use super::of;

/// Every file that some reader takes.
const PATHS: &[&str] = &[
    "Dockerfile",
    ".github/workflows/a.yml",
    ".gitlab-ci.yml",
    "docker-compose.yml",
    "a.yaml",
    "values.yaml",
    "Chart.yaml",
    ".devcontainer/devcontainer.json",
    "package.json",
    "package-lock.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain",
    "pyproject.toml",
    "uv.lock",
    "requirements.txt",
    "go.mod",
    "pom.xml",
    "build.gradle",
    "gradle-wrapper.properties",
    "CMakeLists.txt",
    "WORKSPACE",
    "a.wrap",
    "configure.ac",
    "build.rs",
    "setup.py",
    ".gitignore",
    ".gitmodules",
    ".nvmrc",
    ".tool-versions",
    "selfsame.toml",
    "Makefile",
    "a.sh",
    "a.c",
    ".pre-commit-config.yaml",
    "Pipfile",
    "vite.config.js",
    ".circleci/config.yml",
];

/// Pieces that grammars are made of.
const PIECES: &[&str] = &[
    "FROM ",
    "RUN ",
    "a",
    " ",
    "\n",
    "\t",
    "\\\n",
    "\"",
    "'",
    "`",
    "$(",
    ")",
    "${",
    "}",
    "<<EOF",
    "EOF",
    "|",
    "&&",
    ";",
    "#",
    "é",
    "uses: ",
    "- ",
    ": ",
    "[",
    "]",
    "{",
    ",",
    "=",
    "<",
    ">",
    "curl https://e.org/x",
    "| sh",
    "pip install x",
    "date",
    "@",
    "sha256:",
    "selfsame: allow ",
    "image: ",
    "jobs:\n",
    "&x ",
    "*x",
    "!!t ",
    "|\n  ",
    ">-\n",
    "<!DOCTYPE a>",
    "<a>",
    "</a>",
    "\0",
    "\u{feff}",
    "\r\n",
    "FetchContent_Declare(",
    "$$",
    "/*",
    "*/",
    "//",
    "__DATE__",
    "-----BEGIN ",
    "PRIVATE KEY-----",
    "ghp_",
    "require (",
    "=> ",
    "[[package]]\n",
    "git = ",
    "git clone ",
    "-o",
    "ADD --x=",
    "sh -c '",
    "\\",
];

#[test]
fn no_reader_falls_over_pieces() {
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    for _ in 0..150 {
        let count = random.gen_range(0..60);
        let text: String = (0..count).map(|_| PIECES[random.gen_range(0..PIECES.len())]).collect();
        for path in PATHS {
            of(&[(path, &text)]);
        }
    }
}

#[test]
fn no_reader_falls_over_bytes() {
    let mut random = rand::rngs::StdRng::seed_from_u64(11);
    for _ in 0..60 {
        let bytes: Vec<u8> = (0..random.gen_range(0..400)).map(|_| random.r#gen()).collect();
        let text = String::from_utf8_lossy(&bytes);
        for path in PATHS {
            of(&[(path, &text)]);
        }
    }
}

#[test]
fn what_repeats_is_no_trap() {
    for piece in PIECES {
        let text = piece.repeat(1_000);
        for path in PATHS {
            of(&[(path, &text)]);
        }
    }
}

#[test]
fn the_answer_does_not_depend_on_the_order_of_files() {
    let files = [
        ("b/Dockerfile", "FROM a\nRUN npm install\n"),
        ("a.sh", "curl https://e.org/x | sh\n"),
        ("Makefile", "a:\n\tdate > x\n"),
    ];
    let mut turned = files;
    turned.reverse();
    assert_eq!(of(&files).findings, of(&turned).findings);
}
