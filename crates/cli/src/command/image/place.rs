//! From what is said on the command line to an image: a folder, an archive, or what the store has of that name or digest.

use std::path::Path;

use engine::image::{Found, ImageError, Layout};
use ledger::Found as Known;
use model::Digest;
use model::oci::Platform;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// How an image is named in `--help`.
pub(super) const IMAGE: &str = "IMAGE";

/// Opens what `what` names.
pub(super) fn open<'a>(session: &'a Session, what: &str) -> Result<Layout<'a>, Failure> {
    // As other tools write it; what it is, is seen when it is opened.
    let forms = ["oci:", "oci-layout:", "oci-archive:", "docker-archive:"];
    let bare = forms.iter().find_map(|form| what.strip_prefix(form)).unwrap_or(what);
    for path in [what, bare] {
        if Path::new(path).exists() {
            return Ok(Layout::open(Path::new(path))?);
        }
    }
    let digest = digest(session, what)?;
    let file = session.store.open_blob(&digest)?;
    // A manifest or an index is JSON; anything else is the archive of a layout.
    let mut head = [0; 1];
    let is_json = std::os::unix::fs::FileExt::read_at(&file, &mut head, 0).is_ok_and(|count| count == 1)
        && head[0] == b'{';
    if is_json {
        return Ok(Layout::blobs(&session.store, digest, what.to_owned()));
    }
    Ok(Layout::archive(file, what.to_owned())?)
}

/// The digest of a blob that the store holds.
fn digest(session: &Session, what: &str) -> Result<Digest, Failure> {
    if let Ok(digest) = what.parse::<Digest>() {
        return Ok(digest);
    }
    let known = match what.strip_prefix("sha256:").unwrap_or(what).parse() {
        Ok(sha256) => Some(sha256),
        Err(_) => match session.ledger.show(what) {
            Ok(dossier) => match dossier.subject {
                Known::Digest { sha256, .. } => Some(sha256),
                Known::Build { .. } => None,
            },
            Err(error) => {
                let title =
                    format!("`{what}` is neither a file nor a folder, nor a name or digest of an artifact");
                return Err(Failure::failed(title).line(error.to_string()));
            }
        },
    };
    known.and_then(|sha256| session.store.find(&sha256)).ok_or_else(|| {
        Failure::failed(format!("the store has no image `{what}`"))
            .help("name a file or folder, or build it again: `selfsame image build`")
    })
}

/// The images of a layout: all, or those for a platform.
pub(super) fn images(
    layout: &Layout<'_>,
    what: &str,
    platform: Option<&Platform>,
) -> Result<Vec<Found>, Failure> {
    let all = layout.images()?;
    let platforms: Vec<String> = all.iter().map(|image| image.platform.to_string()).collect();
    let found: Vec<Found> =
        all.into_iter().filter(|image| platform.is_none_or(|wanted| wanted.fits(&image.platform))).collect();
    if found.is_empty() {
        let wanted = platform.map_or_else(String::new, |platform| format!(" for {platform}"));
        let has = if platforms.is_empty() { "none".to_owned() } else { platforms.join(", ") };
        return Err(
            Failure::failed(format!("there is no image{wanted} in `{what}`")).help(format!("it has {has}"))
        );
    }
    Ok(found)
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Store(error) => error.into(),
            other => Self::failed(other.to_string()).caused_by(&other).with_exit(Exit::Failed),
        }
    }
}
