//! `selfsame init`: a first recipe for what lies in a folder.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::failure::Failure;
use crate::output::answer::{Answer, Table};

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the project
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Debian suite that the toolchain is taken from
    #[arg(long, default_value = "bookworm")]
    suite: String,
}

/// What tells a build system, and how it is run. The first that fits is taken.
struct Kind {
    sign: &'static str,
    name: &'static str,
    packages: &'static [&'static str],
    run: &'static [&'static str],
}

const KINDS: &[Kind] = &[
    Kind {
        sign: "configure",
        name: "configure and make",
        packages: &["gcc", "libc6-dev", "make"],
        run: &["./configure --prefix=/usr", "make -j$(nproc)", "make install DESTDIR=\"$PWD/out\""],
    },
    Kind {
        sign: "configure.ac",
        name: "autotools",
        packages: &["autoconf", "automake", "gcc", "libc6-dev", "libtool", "make", "pkg-config"],
        run: &[
            "autoreconf --install --force",
            "./configure --prefix=/usr",
            "make -j$(nproc)",
            "make install DESTDIR=\"$PWD/out\"",
        ],
    },
    Kind {
        sign: "CMakeLists.txt",
        name: "CMake",
        packages: &["cmake", "g++", "gcc", "libc6-dev", "make"],
        run: &[
            "cmake -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr",
            "cmake --build build -j$(nproc)",
            "DESTDIR=\"$PWD/out\" cmake --install build",
        ],
    },
    Kind {
        sign: "meson.build",
        name: "Meson",
        packages: &["g++", "gcc", "libc6-dev", "meson", "ninja-build", "pkg-config"],
        run: &[
            "meson setup build --prefix=/usr",
            "ninja -C build",
            "DESTDIR=\"$PWD/out\" ninja -C build install",
        ],
    },
    Kind {
        sign: "Makefile",
        name: "make",
        packages: &["gcc", "libc6-dev", "make"],
        run: &["make -j$(nproc)", "make install PREFIX=/usr DESTDIR=\"$PWD/out\""],
    },
];

pub(crate) fn run(args: &Args) -> Result<Answer, Failure> {
    let folder = args.folder.canonicalize().map_err(|e| Failure::io("open", &args.folder, e))?;
    let path = args.folder.join("selfsame.toml");
    if path.exists() {
        return Err(Failure::failed(format!("`{}` is there already", path.display())));
    }
    let kind = KINDS.iter().find(|k| folder.join(k.sign).is_file());
    let text = recipe(&folder, kind, &args.suite);
    model::recipe::parse("selfsame.toml", &text)?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(|e| Failure::io("make", &path, e))?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(|e| Failure::io("write", &path, e))?;
    let found = kind.map_or("nothing known: fill in the step", |k| k.name);
    let mut table = Table::default();
    table.row("recipe", path.display()).row("found", found).row("next", "selfsame lock, then selfsame build");
    Ok(Answer::ok(json!({ "recipe": path, "found": kind.map(|k| k.name) }), table.text()))
}

fn recipe(folder: &Path, kind: Option<&Kind>, suite: &str) -> String {
    let name: String = folder
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default()
        .chars()
        .take(100)
        .map(|c| if c.is_ascii_alphanumeric() || "._+-".contains(c) { c } else { '-' })
        .collect();
    let name = name.trim_start_matches(['.', '-']);
    let name = if name.is_empty() { "project" } else { name };
    let quote = |text: &str| serde_json::Value::from(text).to_string();
    let list = |words: &[&str]| words.iter().map(|w| quote(w)).collect::<Vec<_>>().join(", ");
    let packages = list(kind.map_or(&["gcc", "libc6-dev", "make"][..], |k| k.packages));
    let run: Vec<String> = kind
        .map_or(&["echo 'say here how this is built' >&2; exit 1"][..], |k| k.run)
        .iter()
        .map(|c| format!("    {},\n", quote(c)))
        .collect();
    let run = run.concat();
    format!(
        r#"# How this project is built. Format: docs/formats/recipe.md of selfsame.
selfsame = 1
name = "{name}"
version = "0.1.0"

[sources.main]
worktree = "."

[toolchain]
kind = "debian"
suite = {suite}
packages = [{packages}]

[[step]]
name = "build"
run = [
{run}]
outputs = ["out"]

[[artifact]]
name = "{name}.tar.gz"
format = "tar.gz"
from = "step:build/out"
"#,
        suite = quote(suite),
    )
}
