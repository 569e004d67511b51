//! A home that lives as long as the target folder: locks the small toolchain and fetches zlib's, once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use model::lock::Lock;

use crate::home::{bare, ran};

/// What every recipe of the small toolchain begins with: Debian's essential packages, no compiler.
pub(crate) const RECIPE_HEAD: &str = r#"selfsame = 1
name = "small"
version = "1.0"
licence = "MIT"

[sources.main]
worktree = "."

[toolchain]
kind = "debian"
suite = "bookworm"
packages = ["coreutils", "dash"]
"#;

/// A recipe that only needs the toolchain.
const RECIPE_REST: &str = r#"
[[step]]
name = "build"
run = ["mkdir out"]
outputs = ["out"]

[[artifact]]
name = "nothing.tar"
format = "tar"
from = "step:build/out"
"#;

/// The home with the small toolchain: locked, fetched, on disk.
pub(crate) fn small() -> &'static Path {
    static READY: OnceLock<PathBuf> = OnceLock::new();
    READY.get_or_init(|| {
        locked("seed", |home, dir| {
            fs::write(dir.join("selfsame.toml"), format!("{RECIPE_HEAD}{RECIPE_REST}")).expect("room");
            crate::project::git(dir, &["init", "-q", "-b", "main"]);
            crate::project::git(dir, &["add", "selfsame.toml"]);
            crate::project::git(dir, &["commit", "-q", "--allow-empty", "-m", "a state"]);
            // An old lock does for as long as its packages can be had and the rules for trees are the same.
            if selfsame(home, dir, &["build"]).is_err() {
                let _ = fs::remove_file(dir.join("selfsame.lock"));
                done(selfsame(home, dir, &["lock"]));
                done(selfsame(home, dir, &["build"]));
            }
        })
    })
}

/// The same home, with all that zlib is made of as well.
pub(crate) fn zlib() -> &'static Path {
    static READY: OnceLock<PathBuf> = OnceLock::new();
    READY.get_or_init(|| locked("seed", |home, _| done(selfsame(home, &zlib_recipe(), &["fetch"]))))
}

/// The example that is committed.
pub(crate) fn zlib_recipe() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/zlib");
    path.canonicalize().expect("the example is in the repository")
}

/// The lock of the small toolchain.
pub(crate) fn lock_text() -> String {
    let dir = small().parent().expect("it is in the seed's folder").join("dir");
    fs::read_to_string(dir.join("selfsame.lock")).expect("the seed has made it")
}

/// Name of the small toolchain's tree on disk.
pub(crate) fn tree() -> String {
    let lock = Lock::parse("selfsame.lock", &lock_text()).expect("the seed has made it");
    format!("{}.315532800", lock.toolchain.tree.hex())
}

/// Calls `work` with home and recipe folder of a seed while no other process does.
pub(crate) fn locked(name: &str, work: impl FnOnce(&Path, &Path)) -> PathBuf {
    let seed = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let (home, dir) = (seed.join("home"), seed.join("dir"));
    fs::create_dir_all(&home).expect("a writable target");
    fs::create_dir_all(&dir).expect("a writable target");
    let lock = File::create(seed.join("lock")).expect("a writable target");
    lock.lock().expect("a file system with locks");
    work(&home, &dir);
    home
}

/// Puts the files of a lock, all of them in the store of `home`, where an archive has them.
pub(crate) fn mirror_of(home: &Path, lock: &Path, to: &Path) {
    let text = fs::read_to_string(lock).expect("a lock");
    let lock = Lock::parse("selfsame.lock", &text).expect("a lock of ours");
    let packages = lock.toolchain.packages().iter().map(|p| (&p.path, &p.digest));
    let sources = lock.sources.values().flat_map(|s| s.files.iter().map(|f| (&f.path, &f.digest)));
    for (path, digest) in packages.chain(sources) {
        let hex = digest.hex();
        let from = home.join("store/blobs").join(&hex[..2]).join(&hex);
        let to = to.join(path);
        fs::create_dir_all(to.parent().expect("below the mirror")).expect("room");
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to).unwrap_or_else(|e| panic!("{path} is not in the store: {e}"));
        }
    }
}

pub(crate) fn selfsame(home: &Path, dir: &Path, args: &[&str]) -> Result<(), String> {
    let ran = ran(bare(Path::new(env!("CARGO_BIN_EXE_selfsame")), home, dir).args(args));
    if ran.code == Some(0) { Ok(()) } else { Err(format!("selfsame {args:?}: {ran:#?}")) }
}

pub(crate) fn done(result: Result<(), String>) {
    result.unwrap_or_else(|e| panic!("the seed cannot be made; it needs a Debian mirror: {e}"));
}
