//! `selfsame image pull`: from a registry to a layout on disk.

use std::path::{Path, PathBuf};

use inputs::{Pull, Target};
use model::oci::{Platform, Reference};
use serde_json::json;

use super::push::in_registry;
use crate::failure::Failure;
use crate::output::answer::{Answer, Table, bytes};
use crate::session::Session;

/// Arguments of `image pull`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which: [REGISTRY/]NAME[:TAG][@DIGEST]
    #[arg(value_name = "REF")]
    from: Reference,
    /// Where to: a new tar archive, or the folder DIR
    #[arg(short, long, value_name = "FILE|oci:DIR")]
    output: PathBuf,
    /// Of an image for several platforms, this one alone: OS/ARCHITECTURE[/VARIANT]
    #[arg(long, value_name = "P", value_parser = platform)]
    platform: Option<Platform>,
    /// What is attached to it, too
    #[arg(long)]
    referrers: bool,
}

fn platform(text: &str) -> Result<Platform, String> {
    let mut parts = text.split('/');
    let mut next = || parts.next().unwrap_or_default().to_owned();
    let platform = Platform { os: next(), architecture: next(), variant: next() };
    if platform.os.is_empty() || platform.architecture.is_empty() || parts.next().is_some() {
        return Err("expected OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, such as linux/amd64".into());
    }
    Ok(platform)
}

fn target(output: &Path) -> Target {
    match output.to_str().and_then(|text| text.strip_prefix("oci:")) {
        Some(folder) => Target::Folder(folder.into()),
        None => Target::Archive(output.to_owned()),
    }
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    in_registry(&args.from)?;
    let target = target(&args.output);
    let pull =
        Pull { from: &args.from, to: &target, platform: args.platform.as_ref(), referrers: args.referrers };
    let done = session.inputs(Path::new("."), |cx| inputs::pull(cx, &pull))?;
    let path = match &target {
        Target::Archive(path) | Target::Folder(path) => path,
    };
    let mut table = Table::default();
    table
        .row("image", path.display())
        .row("digest", format!("sha256:{}", done.digest.hex()))
        .row("blobs", format!("{}, {}", done.blobs, bytes(done.bytes)));
    for referrer in &done.referrers {
        table.row("attached", format!("{} sha256:{}", referrer.kind, referrer.manifest.hex()));
    }
    let referrers: Vec<_> = done
        .referrers
        .iter()
        .map(|r| {
            let layers: Vec<_> =
                r.layers.iter().map(|(d, name)| json!({ "digest": d, "name": name })).collect();
            json!({ "manifest": r.manifest, "type": r.kind, "annotations": r.annotations, "layers": layers })
        })
        .collect();
    let data = json!({
        "path": path, "digest": done.digest, "documents": done.documents, "blobs": done.blobs, "bytes": done.bytes,
        "referrers": referrers,
    });
    Ok(Answer::ok(data, table.text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_and_places_are_read() {
        let of = |os: &str, architecture: &str, variant: &str| Platform {
            os: os.into(),
            architecture: architecture.into(),
            variant: variant.into(),
        };
        assert_eq!(platform("linux/amd64"), Ok(of("linux", "amd64", "")));
        assert_eq!(platform("linux/arm/v7"), Ok(of("linux", "arm", "v7")));
        for wrong in ["", "linux", "linux/", "/amd64", "linux/arm/v7/x"] {
            assert!(platform(wrong).is_err(), "{wrong}");
        }
        assert_eq!(target(Path::new("oci:a/b")), Target::Folder("a/b".into()));
        assert_eq!(target(Path::new("a.tar")), Target::Archive("a.tar".into()));
    }
}
