//! Hashing and packing against the tools that everyone has.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use super::project::Bench;
use super::timing::{Aim, Row, Side, alternate, must, timed};

const ROUNDS: usize = 5;
const MIB: usize = 1 << 20;
const HASHED: usize = 256;

/// The folders of a toolchain that are packed: texts, programs and libraries, some 80 MB.
const PACKED: [&str; 2] = ["usr/include", "usr/bin"];

pub(super) fn run(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), String> {
    hash(bench, rows)?;
    pack(bench, rows)
}

fn hash(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), String> {
    let file = bench.work.join("hashed");
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    let mut writer = fs::File::create(&file).map_err(failed)?;
    for number in 0..HASHED {
        writer.write_all(&vec![u8::try_from(number % 251).expect("below 251"); MIB]).map_err(failed)?;
    }
    drop(writer);
    let (mut said, mut summed) = (Vec::new(), Vec::new());
    let ours: Side<'_> = Box::new(|| timed(bench.example("parts").arg("hash").arg(&file), &mut said));
    let peer: Side<'_> = Box::new(|| timed(Command::new("sha256sum").arg(&file), &mut summed));
    let [ours, peer] = <[_; 2]>::try_from(alternate(ROUNDS, &mut [ours, peer])?).expect("two sides");
    rows.push(Row {
        what: format!("hashing {HASHED} MiB"),
        ours,
        peer: Some(("sha256sum".into(), peer)),
        aim: Aim::Ratio(1.1),
    });
    Ok(())
}

fn pack(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), String> {
    let zlib = bench.copy_example("zlib")?;
    must(bench.selfsame().arg("build").arg(&zlib))?;
    let toolchain = bench.on_disk(&zlib.join("selfsame.lock"), "[toolchain]")?;
    let tree = bench.fresh("packed")?;
    for folder in PACKED {
        must(Command::new("cp").args(["-a", "--"]).arg(toolchain.join(folder)).arg(&tree))?;
    }
    let store = bench.fresh("packed-store")?;
    let digest = must(bench.example("parts").arg("import").arg(&store).arg(&tree))?;
    let digest = String::from_utf8_lossy(&digest).trim().to_owned();
    let out = bench.work.join("packed.out");
    let tar = "tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C \"$0\" -cf";
    for (format, name, line, aim) in [
        ("tar", "tar", format!("{tar} \"$1\" ."), Aim::None),
        ("tar.gz", "tar \\| gzip -n", format!("{tar} - . | gzip -n > \"$1\""), Aim::Ratio(1.0)),
        ("tar.zst", "tar \\| zstd -9", format!("{tar} - . | zstd -q -9 -f -o \"$1\""), Aim::Ratio(1.0)),
    ] {
        let (mut said, mut told) = (Vec::new(), Vec::new());
        let ours: Side<'_> = Box::new(|| {
            let mut command = bench.example("parts");
            timed(command.arg("pack").arg(&store).args([&digest, format]).arg(&out), &mut said)
        });
        let peer: Side<'_> = Box::new(|| {
            let peer = bench.work.join("packed.peer");
            timed(Command::new("sh").args(["-c", &line]).arg(&tree).arg(peer), &mut told)
        });
        let [ours, peer] = <[_; 2]>::try_from(alternate(ROUNDS, &mut [ours, peer])?).expect("two sides");
        rows.push(Row {
            what: format!("packing 80 MB as {format}"),
            ours,
            peer: Some((name.into(), peer)),
            aim,
        });
    }
    Ok(())
}
