//! A published project whose step is recorded: its recipe, its lock, and what that says was fetched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Project;
use crate::bench::project::Bench;
use crate::bench::timing::must;
use crate::tree;

/// A recorded project; everything of its lock is in the store.
pub(super) struct Recorded {
    pub(super) dir: PathBuf,
    pub(super) exchanges: Vec<Exchange>,
}

/// A request that was recorded, and the blob that answers it.
pub(super) struct Exchange {
    /// `cargo:/crates/NAME/VERSION/download`.
    pub(super) locator: String,
    hex: String,
}

impl Recorded {
    /// Locks the project if that was not done in an earlier run, and brings what it names.
    pub(super) fn new(bench: &Bench, project: &Project, steps: &str) -> Result<Self, String> {
        let dir = bench.kept(project.uses)?;
        let source = format!("purl = \"{}\"", project.purl);
        write(&dir, project, &source, steps)?;
        let lock = dir.join("selfsame.lock");
        let fetch = || must(bench.selfsame().arg("fetch").arg(&dir)).map(drop);
        // A lock of an earlier run may be one by other rules.
        if !lock.exists() || fetch().is_err() {
            let example = tree::root().join("examples").join(project.example).join("selfsame.lock");
            fs::write(&lock, toolchain_of(&example)?)
                .map_err(|error| format!("{}: {error}", lock.display()))?;
            eprintln!("  locking {} …", project.purl);
            if let Err(error) = must(bench.selfsame().arg("lock").arg(&dir)) {
                let _ = fs::remove_file(&lock);
                return Err(error);
            }
            fetch()?;
        }
        let exchanges = exchanges(&lock)?;
        let files = exchanges.iter().filter(|e| is_file(&e.locator)).count();
        if files < project.packages {
            return Err(format!("{} has {files} packages, expected {}", project.purl, project.packages));
        }
        Ok(Self { dir, exchanges })
    }

    /// How many packages were fetched.
    pub(super) fn packages(&self) -> usize {
        self.exchanges.iter().filter(|e| is_file(&e.locator)).count()
    }

    /// Takes every answer out of the store, as if it had never been brought.
    pub(super) fn forget(&self, bench: &Bench) -> Result<(), String> {
        for exchange in &self.exchanges {
            match fs::remove_file(bench.blob(&exchange.hex)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(format!("{}: {error}", exchange.locator));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Copies the answers into `folder`, by locator, where `wanted`.
    pub(super) fn copy(
        &self,
        bench: &Bench,
        folder: &Path,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), String> {
        for exchange in self.exchanges.iter().filter(|e| wanted(&e.locator)) {
            let path = folder.join(exchange.locator.replacen(":/", "/", 1));
            let failed = |error: std::io::Error| format!("{}: {error}", path.display());
            fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
            fs::copy(bench.blob(&exchange.hex), &path).map_err(failed)?;
        }
        Ok(())
    }

    /// Unpacks the project's own package from the store into a fresh folder, without the folder that all of it is in.
    pub(super) fn source(&self, bench: &Bench, name: &str) -> Result<PathBuf, String> {
        let lock = fs::read_to_string(self.dir.join("selfsame.lock")).map_err(|error| error.to_string())?;
        let lock: toml::Table = toml::from_str(&lock).map_err(|error| error.to_string())?;
        let file = lock.get("source").and_then(|s| s.get("main")?.get("file")?.get(0)?.get("digest"));
        let digest = file.and_then(toml::Value::as_str).ok_or("the lock names no file of the source")?;
        let hex = digest.trim_start_matches("sha256:").split('/').next().unwrap_or_default();
        let folder = bench.fresh(name)?;
        let mut tar = Command::new("tar");
        tar.args(["--strip-components=1", "-xzf"]).arg(bench.blob(hex)).arg("-C").arg(&folder);
        must(&mut tar)?;
        Ok(folder)
    }
}

/// Writes the recipe of a project with this source.
pub(super) fn write(dir: &Path, project: &Project, source: &str, steps: &str) -> Result<(), String> {
    let example = tree::root().join("examples").join(project.example).join("selfsame.toml");
    let text = fs::read_to_string(&example).map_err(|error| format!("{}: {error}", example.display()))?;
    let toolchain = text
        .split_once("[toolchain]\n")
        .and_then(|(_, rest)| rest.split_once("\n\n"))
        .ok_or_else(|| format!("{}: no [toolchain]", example.display()))?
        .0;
    let recipe = format!(
        "selfsame = 1\nname = \"bench\"\nversion = \"1\"\n\n[sources.main]\n{source}\n\n\
         [toolchain]\n{toolchain}\n\n{steps}\noutputs = [\"out\"]\ntimeout = \"60m\"\n\n\
         [[artifact]]\nname = \"out.tar\"\nformat = \"tar\"\nfrom = \"step:build/out\"\n"
    );
    let path = dir.join("selfsame.toml");
    fs::write(&path, recipe).map_err(|error| format!("{}: {error}", path.display()))
}

/// The part of a lock that is about its toolchain.
pub(super) fn toolchain_of(lock: &Path) -> Result<String, String> {
    let text = fs::read_to_string(lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    Ok(format!("{}\n", text.split("\n[source.").next().unwrap_or_default()))
}

/// Whether a locator is that of a package's file, and not of a page about it.
pub(super) fn is_file(locator: &str) -> bool {
    locator.starts_with("cargo:/crates/") || locator.contains("/-/")
}

fn exchanges(lock: &Path) -> Result<Vec<Exchange>, String> {
    let text = fs::read_to_string(lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    let lock: toml::Table = toml::from_str(&text).map_err(|error| format!("{}: {error}", lock.display()))?;
    let lines = lock.get("step").and_then(|step| step.get("build")?.get("requests")?.as_array());
    let lines = lines.into_iter().flatten().filter_map(toml::Value::as_str);
    Ok(lines.filter_map(exchange).collect())
}

/// `GET LOCATOR STATUS sha256:HEX/SIZE …`.
fn exchange(line: &str) -> Option<Exchange> {
    let mut words = line.split(' ');
    let (locator, digest) = (words.nth(1)?, words.nth(1)?);
    let (hex, size) = digest.strip_prefix("sha256:")?.split_once('/')?;
    // What is empty is in every store.
    (size != "0").then(|| Exchange { locator: locator.to_owned(), hex: hex.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_lock_are_read() {
        let line = "GET npm:/@s/a/-/a-1.0.0.tgz 200 sha256:00ff/12 type=x";
        let found = exchange(line).unwrap();
        assert_eq!((found.locator.as_str(), found.hex.as_str()), ("npm:/@s/a/-/a-1.0.0.tgz", "00ff"));
        assert!(is_file(&found.locator) && !is_file("cargo:/index/se/rd/serde"));
        assert!(exchange("GET npm:/gone 404 sha256:00/0").is_none());
        assert!(exchange("").is_none());
    }
}
