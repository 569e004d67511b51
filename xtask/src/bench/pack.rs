//! A root file system as a layer of an image, against the tools that people make layers with: in processor time, which
//! the number of processors does not change, and in time.

use std::process::Command;
use std::time::Duration;

use super::find;
use super::project::Bench;
use super::timing::{Aim, Row, Sample, Side, alternate, must, spent};

const ROUNDS: usize = 3;

/// Whose toolchain is packed: Go's has some 20,000 files.
const EXAMPLE: &str = "fzf";

const TAR: &str =
    "tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C \"$0\" -cf - . | COMPRESS > \"$1\"";
/// Both write blobs of an OCI layout. What comes before the layer is not dear.
const UMOCI: &str = "rm -rf \"$1\" && umoci init --layout \"$1\" && umoci new --image \"$1:x\" && umoci insert --image \"$1:x\" \"$0\" /";
const BUILDAH: &str = "rm -rf \"$1\" && buildah $STORE commit --quiet --timestamp 0 \"$2\" \"oci:$1:x\"";

pub(super) fn run(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), String> {
    for program in ["buildah", "pigz", "umoci"] {
        find(program).ok_or_else(|| format!("missing: {program}\nfix: scripts/prepare bench"))?;
    }
    let dir = bench.copy_example(EXAMPLE)?;
    // Puts the toolchain on disk; the rest of the build is not needed.
    must(bench.selfsame().arg("build").arg(&dir))?;
    let tree = bench.on_disk(&dir.join("selfsame.lock"), "[toolchain]")?;
    let counted =
        must(Command::new("sh").args(["-c", "find \"$0\" -type f | wc -l; du -sm \"$0\""]).arg(&tree))?;
    let counted = String::from_utf8_lossy(&counted).into_owned();
    let mut words = counted.split_whitespace();
    let (files, size) = (words.next().unwrap_or("?"), words.next().unwrap_or("?"));
    let what = format!("a layer of {files} files, {size} MB");

    let store = bench.fresh("layer-store")?;
    let digest = must(bench.example("parts").arg("import").arg(&store).arg(&tree))?;
    let digest = String::from_utf8_lossy(&digest).trim().to_owned();
    let out = bench.work.join("layer.out");
    let containers = bench.fresh("containers")?;
    let storage = format!(
        "--storage-driver vfs --root {0}/root --runroot {0}/run --signature-policy {0}/policy.json",
        containers.display()
    );
    let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
    std::fs::write(containers.join("policy.json"), policy).map_err(|error| error.to_string())?;
    let begin = format!(
        "c=$(buildah {storage} from scratch) && buildah {storage} add --quiet \"$c\" \"$0\" / >&2 && echo \"$c\""
    );
    let container = must(Command::new("sh").args(["-c", &begin]).arg(&tree))?;
    let container = String::from_utf8_lossy(&container).trim().to_owned();

    let ours = || {
        let mut command = bench.example("parts");
        command.arg("pack").arg(&store).args([&digest, "tar.gz"]).arg(&out);
        command
    };
    let shell = |name: &str, line: String| {
        // Some write a file and some a folder.
        let peer = bench.work.join(format!("layer.{name}"));
        let (tree, container) = (tree.clone(), container.clone());
        move || {
            let mut command = Command::new("sh");
            command.args(["-ec", &line]).arg(&tree).arg(&peer).arg(&container);
            command
        }
    };
    let gzip = shell("gzip", TAR.replace("COMPRESS", "gzip -n"));
    let pigz = shell("pigz", TAR.replace("COMPRESS", "pigz -n"));
    let umoci = shell("umoci", UMOCI.to_owned());
    let buildah = shell("buildah", BUILDAH.replace("$STORE", &storage));
    let commands: [(&str, &dyn Fn() -> Command, f64); 5] = [
        ("selfsame", &ours, 1.0),
        ("tar \\| gzip -n", &gzip, 1.0 / 3.0),
        ("tar \\| pigz -n", &pigz, 1.0),
        ("umoci insert", &umoci, 1.0 / 1.3),
        ("buildah commit", &buildah, 1.0 / 1.3),
    ];
    let mut used: Vec<Vec<Duration>> = vec![Vec::new(); commands.len()];
    let mut sides: Vec<Side<'_>> = Vec::new();
    for ((_, command, _), used) in commands.iter().zip(&mut used) {
        sides.push(Box::new(move || {
            let (time, processor) = spent(&mut command(), &mut Vec::new())?;
            used.push(processor);
            Ok(time)
        }));
    }
    let times = alternate(ROUNDS, &mut sides)?;
    drop(sides);
    // The first was to warm up, as with the times.
    let used: Vec<_> = used.into_iter().map(|list| Sample::new(list.into_iter().skip(1).collect())).collect();
    for (nth, (name, _, aim)) in commands.iter().enumerate().skip(1) {
        for (kind, samples, aim) in [("processor time", &used, Aim::Ratio(*aim)), ("time", &times, Aim::None)]
        {
            rows.push(Row {
                what: format!("{what}: {kind}"),
                ours: samples[0].clone(),
                peer: Some(((*name).to_owned(), samples[nth].clone())),
                aim,
            });
        }
    }
    Ok(())
}
