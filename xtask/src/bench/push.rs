//! An image of 190 MB to a registry of this machine and back, against `skopeo` and `crane`.
//!
//! The registry is Debian's `docker-registry`, with a fresh repository for each push, so that everything is sent. What counts is
//! the wall clock, in which the registry's own work has a part that is the same for all, and the processor time of the
//! program alone. `skopeo` forgets before each push which blobs it has seen where: it would mount them.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::project::Bench;
use super::timing::{Aim, Row, Sample, Side, alternate, must, timed};
use crate::tree;

/// How often each side is measured.
const ROUNDS: usize = 5;
/// Sizes of the layers in MB, 190 together: a base, and what is put on it.
const LAYERS: [usize; 4] = [120, 40, 20, 10];
const MB: usize = 1_000_000;

/// `docker-registry`, ended when dropped.
struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    fn start(folder: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("docker-registry (scripts/prepare bench): {error}");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(failed)?.port();
        let address = format!("127.0.0.1:{port}");
        let config = folder.join("registry.yml");
        let data = folder.join("data");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            data.display()
        );
        fs::write(&config, text).map_err(failed)?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let registry = Self { child: command.spawn().map_err(failed)?, address };
        for _ in 0..200 {
            if TcpStream::connect(&registry.address).is_ok() {
                return Ok(registry);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("docker-registry does not listen".into())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes an OCI layout of noise, as a folder and as an archive, with the tools of others: `tar`, `sha256sum`.
fn image(folder: &Path) -> Result<(PathBuf, PathBuf), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let layout = folder.join("layout");
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(failed)?;
    let put = |kind: &str, file: &Path| -> Result<String, String> {
        let sum = must(Command::new("sha256sum").arg(file))?;
        let sum = String::from_utf8_lossy(&sum).split(' ').next().unwrap_or_default().to_owned();
        let size = file.metadata().map_err(failed)?.len();
        fs::rename(file, blobs.join(&sum)).map_err(failed)?;
        Ok(format!(
            r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"sha256:{sum}","size":{size}}}"#
        ))
    };
    let text = |kind: &str, text: &str| -> Result<String, String> {
        let file = folder.join("text");
        fs::write(&file, text).map_err(failed)?;
        put(kind, &file)
    };
    let mut state = 1_u64;
    let (mut layers, mut ids) = (Vec::new(), Vec::new());
    for size in LAYERS {
        let file = folder.join("layer");
        let mut writer = std::io::BufWriter::new(fs::File::create(&file).map_err(failed)?);
        for _ in 0..size * MB / 8 {
            // xorshift: noise that no compression makes smaller.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            writer.write_all(&state.to_le_bytes()).map_err(failed)?;
        }
        writer.flush().map_err(failed)?;
        let layer = put("layer.v1.tar", &file)?;
        ids.push(layer.split('"').nth(7).map(|digest| format!("\"{digest}\"")).unwrap_or_default());
        layers.push(layer);
    }
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        ids.join(",")
    );
    let config = text("config.v1+json", &config)?;
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{config},"layers":[{}]}}"#,
        layers.join(",")
    );
    let manifest = text("manifest.v1+json", &manifest)?;
    fs::write(layout.join("index.json"), format!(r#"{{"schemaVersion":2,"manifests":[{manifest}]}}"#))
        .map_err(failed)?;
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).map_err(failed)?;
    let archive = folder.join("image.tar");
    must(Command::new("tar").arg("-C").arg(&layout).arg("-cf").arg(&archive).arg("."))?;
    Ok((layout, archive))
}

/// Runs `sh -c` with words after it; wall clock and processor time of what ran in it, by the shell's own `times`.
fn both(command: &mut Command, cpu: &mut Vec<Duration>) -> Result<Duration, String> {
    let mut output = Vec::new();
    let wall = timed(command, &mut output)?;
    let text = String::from_utf8_lossy(&output);
    let children = text.lines().last().unwrap_or_default();
    let part = |text: &str| -> Option<f64> {
        let (minutes, seconds) = text.trim_end_matches('s').split_once('m')?;
        Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
    };
    let sum: Option<f64> = children.split(' ').map(part).sum();
    cpu.push(Duration::from_secs_f64(sum.ok_or_else(|| format!("`times` says `{children}`"))?));
    Ok(wall)
}

/// A command whose output ends with the processor time of its program.
fn counted(program: &Path, arguments: &[String], before: &str) -> Command {
    let mut command = Command::new("bash");
    command
        .env("LC_ALL", "C")
        .arg("-c")
        .arg(format!("{before}\n\"$0\" \"$@\" >/dev/null; code=$?; times; exit $code"));
    command.arg(program).args(arguments);
    command
}

pub(super) fn run(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), String> {
    let folder = bench.fresh("push")?;
    let (layout, archive) = image(&folder)?;
    let registry = Registry::start(&folder)?;
    let tools =
        std::env::var_os("SELFSAME_TEST_TOOLS").map_or_else(|| "target/test-tools".into(), PathBuf::from);
    let crane = tree::root().join(tools).join("root/usr/bin/crane");
    if !crane.exists() {
        return Err(format!("there is no {}: run scripts/test-tools", crane.display()));
    }
    let ours = bench.selfsame();
    let ours = PathBuf::from(ours.get_program());
    let home = folder.join("home");
    let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let skopeo = PathBuf::from("skopeo");
    let (oci, tar) = (format!("oci:{}", layout.display()), archive.display().to_string());
    // What a program keeps of where it has seen a blob would make the second push nothing but mounts; ours is in its home.
    let skopeo_forgets = "rm -f /var/lib/containers/cache/blob-info-cache-v1.* \"$HOME\"/.local/share/containers/cache/blob-info-cache-v1.*";
    let number = std::cell::Cell::new(0);
    let fresh = || {
        number.set(number.get() + 1);
        format!("{}/app{}:1", registry.address, number.get())
    };
    let own = |verb: &str, rest: &[&str]| {
        words(&[&["image", verb, "--quiet", "--home", &home.display().to_string()], rest].concat())
    };

    let mut cpu: [Vec<Duration>; 3] = Default::default();
    let [ours_cpu, skopeo_cpu, crane_cpu] = &mut cpu;
    let mut sides: [Side<'_>; 3] = [
        Box::new(|| {
            super::remove(&home);
            let arguments = own("push", &[&tar, &fresh(), "--no-attach"]);
            both(&mut counted(&ours, &arguments, ""), ours_cpu)
        }),
        Box::new(|| {
            let to = format!("docker://{}", fresh());
            let arguments = words(&["--insecure-policy", "copy", "-q", "--dest-tls-verify=false", &oci, &to]);
            both(&mut counted(&skopeo, &arguments, skopeo_forgets), skopeo_cpu)
        }),
        Box::new(|| {
            let arguments = words(&["push", "--insecure", &layout.display().to_string(), &fresh()]);
            both(&mut counted(&crane, &arguments, ""), crane_cpu)
        }),
    ];
    let walls = alternate(ROUNDS, &mut sides)?;
    drop(sides);
    told(rows, "pushing 190 MB", &walls, cpu);

    let from = format!("{}/app1:1", registry.address);
    let mut cpu: [Vec<Duration>; 3] = Default::default();
    let [ours_cpu, skopeo_cpu, crane_cpu] = &mut cpu;
    let out = folder.join("out");
    let place = out.display().to_string();
    let mut sides: [Side<'_>; 3] = [
        Box::new(|| {
            super::remove(&home);
            gone(&out);
            let arguments = own("pull", &[&from, "-o", &place]);
            both(&mut counted(&ours, &arguments, ""), ours_cpu)
        }),
        Box::new(|| {
            let (from, to) = (format!("docker://{from}"), format!("oci-archive:{place}:1"));
            let arguments = words(&["--insecure-policy", "copy", "-q", "--src-tls-verify=false", &from, &to]);
            gone(&out);
            both(&mut counted(&skopeo, &arguments, ""), skopeo_cpu)
        }),
        Box::new(|| {
            let arguments = words(&["pull", "--insecure", &from, &place]);
            gone(&out);
            both(&mut counted(&crane, &arguments, ""), crane_cpu)
        }),
    ];
    let walls = alternate(ROUNDS, &mut sides)?;
    drop(sides);
    told(rows, "pulling 190 MB", &walls, cpu);
    Ok(())
}

/// Removes what a pull has written.
fn gone(path: &Path) {
    let _ = fs::remove_file(path);
}

/// Rows of the wall clock and of processor time, against each of the two others.
fn told(rows: &mut Vec<Row>, what: &str, walls: &[Sample], cpu: [Vec<Duration>; 3]) {
    // The first of each was to warm up.
    let cpu = cpu.map(|times| Sample::new(times.into_iter().skip(1).collect()));
    for (nth, peer) in [(1, "skopeo"), (2, "crane")] {
        for (kind, times) in [("", walls), (", processor", cpu.as_slice())] {
            // crane has the kernel send files by itself, without looking at them.
            let unlike = peer == "crane" && !kind.is_empty() && what.starts_with("pushing");
            rows.push(Row {
                what: format!("{what}{kind}"),
                ours: times[0].clone(),
                peer: Some((peer.into(), times[nth].clone())),
                aim: if unlike { Aim::None } else { Aim::Ratio(1.0) },
            });
        }
    }
}
