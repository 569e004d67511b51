//! `selfsame image push`: from a layout on disk to a registry.

use std::path::{Path, PathBuf};

use inputs::{Attached, Push, image_in};
use model::oci::{Place, Reference};
use serde_json::json;

use super::beside;
use crate::failure::Failure;
use crate::output::answer::{Answer, Table, bytes};
use crate::session::Session;

/// Arguments of `image push`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An image: an OCI layout, as a folder or in a tar archive
    #[arg(value_name = "FILE|DIR")]
    from: PathBuf,
    /// Where to: [REGISTRY/]NAME[:TAG][@DIGEST]; without a tag, by digest alone
    #[arg(value_name = "REF")]
    to: Reference,
    /// Which image of the layout, by name or digest, if it has several
    #[arg(long, value_name = "NAME|DIGEST")]
    image: Option<String>,
    /// The tag may be of another image now, and moves
    #[arg(long)]
    move_tag: bool,
    /// Attach this too: a bundle or SBOM by its name, or any file with its media type before it (may be given again)
    #[arg(long, value_name = "[TYPE=]FILE")]
    attach: Vec<String>,
    /// Attach nothing of what lies beside the image
    #[arg(long)]
    no_attach: bool,
    /// Take blobs from this repository of the registry where it has them
    #[arg(long, value_name = "NAME")]
    mount_from: Option<String>,
}

/// A name in a registry, or a usage error.
pub(super) fn in_registry(reference: &Reference) -> Result<(), Failure> {
    match reference.place {
        Place::Registry { .. } => Ok(()),
        Place::Layout(_) | Place::DockerArchive(_) => Err(Failure::failed(format!(
            "`{reference}` is no place in a registry: expected [REGISTRY/]NAME[:TAG][@DIGEST]"
        ))
        .with_exit(crate::exit::Exit::Usage)),
    }
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    in_registry(&args.to)?;
    if let Some(name) = &args.mount_from
        && !matches!(format!("x.example/{name}").parse(), Ok(Reference { tag: None, digest: None, .. }))
    {
        let title = format!("`{name}` is no name of a repository");
        return Err(Failure::failed(title).with_exit(crate::exit::Exit::Usage));
    }
    let mut attach = args.attach.iter().map(|a| beside::named(a)).collect::<Result<Vec<_>, _>>()?;
    // What lies beside is judged by this image, and no other is pushed, should the layout change meanwhile.
    let image = image_in(&args.from, args.image.as_deref())?;
    if !args.no_attach {
        let found = beside::found(session, &args.from, &image)?;
        attach.extend(found.into_iter().filter(|one| !attach.contains(one)).collect::<Vec<_>>());
    }
    let push = Push {
        from: &args.from,
        image: Some(&format!("sha256:{}", image.hex())),
        to: &args.to,
        move_tag: args.move_tag,
        attach: &attach,
        mount_from: args.mount_from.as_deref(),
    };
    let done = session.inputs(Path::new("."), |cx| inputs::push(cx, &push))?;
    let digest = format!("sha256:{}", done.digest.hex());
    let tag = args.to.tag.as_deref();
    let mut table = Table::default();
    table.row("image", format!("{}@{digest}", done.repository));
    if let Some(tag) = tag {
        let was = match done.tag_was {
            None => "new".to_owned(),
            Some(was) if was == done.digest.sha256 => "unchanged".to_owned(),
            Some(was) => format!("moved from sha256:{was}"),
        };
        table.row("tag", format!("{tag} ({was})"));
    }
    let blobs = &done.blobs;
    let counts = format!(
        "{} sent ({}), {} mounted, {} there already",
        blobs.sent,
        bytes(blobs.bytes),
        blobs.mounted,
        blobs.present
    );
    table.row("blobs", counts);
    for Attached { manifest, kind, .. } in &done.attached {
        table.row("attached", format!("{kind} sha256:{}", manifest.hex()));
    }
    let attached: Vec<_> = done
        .attached
        .iter()
        .map(|a| json!({ "manifest": a.manifest, "type": a.kind, "listed_by": if a.listed { "registry" } else { "tag" } }))
        .collect();
    let data = json!({
        "image": format!("{}@{digest}", done.repository), "digest": done.digest, "tag": tag,
        "tag_was": done.tag_was.map(|was| format!("sha256:{was}")), "documents": done.documents,
        "blobs": { "sent": blobs.sent, "mounted": blobs.mounted, "present": blobs.present, "bytes": blobs.bytes },
        "attached": attached,
    });
    Ok(Answer::ok(data, table.text()))
}
