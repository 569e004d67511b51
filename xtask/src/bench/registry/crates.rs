//! Crates: against `cargo fetch` and `cargo vendor`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::recorded::{Recorded, is_file};
use super::served::Served;
use super::{CRATES, ROUNDS, replay};
use crate::bench::project::Bench;
use crate::bench::timing::{Aim, Row, Side, alternate, must, timed};

/// The build that is replayed to: what people wait for, without what makes the linker slow.
const STEPS: &str = "[[step]]\nname = \"build\"\nuses = [\"cargo\"]\n\
                     run = [\"cargo check --locked --no-default-features\", \"mkdir out\", \"cp Cargo.lock out/\"]";

pub(super) fn run(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), String> {
    let recorded = Recorded::new(bench, &CRATES, STEPS)?;
    let source = recorded.source(bench, "crates-source")?;
    // Whatever lies above it is not its workspace.
    let manifest = source.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
    fs::write(&manifest, format!("{text}\n[workspace]\n")).map_err(|error| error.to_string())?;

    let served = Served::new(bench, "crates")?;
    recorded.copy(bench, &served.folder, is_file)?;
    pages(bench, &source, &served)?;
    let config = format!("{{\"dl\":\"{}/cargo/crates\"}}", served.base);
    served.has("cargo/index/config.json", config.as_bytes())?;

    let native = Native { source: &source, served: &served, home: bench.work.join("cargo-home") };
    fetch(bench, &recorded, &native, rows)?;
    replay::crates(bench, &recorded, &native, rows)
}

fn fetch(bench: &Bench, recorded: &Recorded, native: &Native<'_>, rows: &mut Vec<Row>) -> Result<(), String> {
    let ours = |verb: &str| {
        let mut command = native.served.selfsame(bench, "CARGO", "/cargo/index");
        command.arg(verb).arg(&recorded.dir);
        command
    };
    let what = format!("{} crates", recorded.packages());
    let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
    let cold: Side<'_> = Box::new(|| {
        recorded.forget(bench)?;
        timed(&mut ours("fetch"), &mut a)
    });
    let cargo: Side<'_> = Box::new(|| {
        native.fresh(bench)?;
        timed(&mut native.cargo(&["fetch", "--locked"]), &mut b)
    });
    let vendor: Side<'_> = Box::new(|| {
        native.fresh(bench)?;
        let out = bench.fresh("vendored")?;
        timed(native.cargo(&["vendor", "--locked"]).arg(out), &mut c)
    });
    let [cold, cargo, vendor] =
        <[_; 3]>::try_from(alternate(ROUNDS, &mut [cold, cargo, vendor])?).expect("three sides");
    for (peer, times, aim) in
        [("cargo fetch", &cargo, Aim::Ratio(1.0)), ("cargo vendor", &vendor, Aim::Ratio(1.0))]
    {
        let peer = Some((format!("{peer}, nothing cached"), times.clone()));
        rows.push(Row { what: format!("fetch, none of {what} in the store"), ours: cold.clone(), peer, aim });
    }

    let warm: Side<'_> = Box::new(|| timed(&mut ours("fetch"), &mut a));
    let lock: Side<'_> = Box::new(|| timed(&mut ours("lock"), &mut b));
    let known: Side<'_> = Box::new(|| timed(&mut native.cargo(&["fetch", "--locked"]), &mut c));
    let [warm, lock, known] =
        <[_; 3]>::try_from(alternate(ROUNDS, &mut [warm, lock, known])?).expect("three sides");
    let peer = Some(("cargo fetch, all cached".to_owned(), known));
    for (verb, ours, aim) in [("fetch", warm, Aim::Ratio(1.0)), ("lock", lock, Aim::Ratio(1.0))] {
        let what = format!("{verb} with nothing to do, {what}");
        rows.push(Row { what, ours, peer: peer.clone(), aim });
    }
    Ok(())
}

/// The host's own `cargo`, asking the registry of this run.
pub(super) struct Native<'a> {
    pub(super) source: &'a Path,
    served: &'a Served,
    home: PathBuf,
}

impl Native<'_> {
    /// A home with nothing but the registry's address in it.
    pub(super) fn fresh(&self, bench: &Bench) -> Result<(), String> {
        let home = bench.fresh("cargo-home")?;
        let config = format!(
            "[source.crates-io]\nreplace-with = \"bench\"\n[source.bench]\nregistry = \"sparse+{}/cargo/index/\"\n\
             [http]\ncainfo = \"{}\"\n",
            self.served.base,
            self.served.authority.display()
        );
        fs::write(home.join("config.toml"), config).map_err(|error| error.to_string())
    }

    pub(super) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = cargo(&self.home);
        command.args(arguments).current_dir(self.source);
        command
    }
}

/// `cargo` itself, not rustup's, with this home.
fn cargo(home: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO") {
            command.env_remove(name);
        }
    }
    command.env("CARGO_HOME", home);
    command
}

/// The pages of the index as the host's registry gives them, whole, as its `cargo` keeps them.
fn pages(bench: &Bench, source: &Path, served: &Served) -> Result<(), String> {
    let home = bench.kept("cargo-home")?;
    if !home.join("registry/index").exists() {
        let host = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let host = host.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
        if let Some(config) = host.map(|host| host.join("config.toml")).filter(|file| file.exists()) {
            fs::copy(config, home.join("config.toml")).map_err(|error| error.to_string())?;
        }
        eprintln!("  fetching the pages of the index …");
        must(cargo(&home).args(["fetch", "--locked"]).current_dir(source))?;
    }
    let index = home.join("registry/index");
    let folders = fs::read_dir(&index).map_err(|error| format!("{}: {error}", index.display()))?;
    let mut count = 0;
    for folder in folders.flatten() {
        let cache = folder.path().join(".cache");
        let mut open = vec![cache.clone()];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?.flatten()
            {
                let path = entry.path();
                if path.is_dir() {
                    open.push(path);
                    continue;
                }
                let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                let page = page(&bytes).ok_or_else(|| format!("{}: unknown form", path.display()))?;
                let place = path.strip_prefix(&cache).expect("it was found there");
                served.has(&format!("cargo/index/{}", place.display()), &page)?;
                count += 1;
            }
        }
    }
    if count < CRATES.packages / 2 { Err(format!("only {count} pages of the index")) } else { Ok(()) }
}

/// A page out of cargo's cache (`sources/registry/index/cache.rs`): version 3, the version of the index's format, a tag,
/// and then each version of the crate and its line, all ended by zero bytes.
fn page(cached: &[u8]) -> Option<Vec<u8>> {
    let [3, _, _, _, _, rest @ ..] = cached else { return None };
    let mut parts = rest.split(|byte| *byte == 0).skip(1);
    let mut page = Vec::new();
    while let (Some(_), Some(line)) = (parts.next(), parts.next()) {
        page.extend_from_slice(line);
        page.push(b'\n');
    }
    Some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_from_cargos_cache() {
        let cached = b"\x03\x02\0\0\0etag: x\x001.0.0\0{\"vers\":\"1.0.0\"}\x002.0.0\0{}\0";
        assert_eq!(page(cached).unwrap(), b"{\"vers\":\"1.0.0\"}\n{}\n");
        assert!(page(b"\x01").is_none());
    }
}
