//! Registries of source packages: one file each. Where each is comes from [`crate::Host`].

pub(crate) mod cargo;
mod debian;
pub(crate) mod golang;
mod npm;
pub(crate) mod pypi;

use std::io::Read;

use model::lock::LockedFile;
use model::recipe::Debian;
use model::{Digest, Purl, Sha256};
use sha2::Digest as _;

use crate::http::Client;
use crate::{Context, InputError};

/// No document of a registry is larger.
const DOCUMENT_LIMIT: u64 = 128 << 20;

/// Why a registry could not give a package.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Not a type that selfsame can fetch.
    #[error(
        "`{purl}`: expected a purl of type cargo, deb, golang, npm or pypi; of a tool, golang, npm or pypi"
    )]
    Kind {
        /// The purl.
        purl: String,
    },
    /// The registry does not have the package, or not that version.
    #[error("`{purl}` is not in the registry: {reason}")]
    Missing {
        /// The purl.
        purl: String,
        /// What is there instead.
        reason: String,
    },
    /// A locked file is gone.
    #[error(
        "`{purl}`: the registry no longer has {path}; bring it into the store from elsewhere, or lock another version"
    )]
    Gone {
        /// The purl.
        purl: String,
        /// Which file.
        path: String,
    },
    /// The registry's answer cannot be used.
    #[error("{url}: {reason}")]
    Answer {
        /// What was asked.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

/// The registry's own hash of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    Sha256(Sha256),
    /// Lower-case hexadecimal.
    Sha512(String),
    /// The `h1` hash of a Go module, as the checksum database has it, without `h1:`; `None` if no database says it.
    Module(Option<String>),
}

impl Check {
    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::Sha512(_) => "sha512",
            Self::Module(_) => "h1",
        }
    }

    /// As the lock writes it, if it is not SHA-256, which the digest is already.
    pub(crate) fn other(&self) -> Option<String> {
        match self {
            Self::Sha256(_) => None,
            Self::Sha512(hex) => Some(format!("sha512:{hex}")),
            Self::Module(h1) => h1.as_ref().map(|h1| format!("h1:{h1}")),
        }
    }
}

/// One file of a package.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub url: String,
    /// Relative to the registry.
    pub path: String,
    pub check: Check,
    pub size: Option<u64>,
}

/// Where a package's source is.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub files: Vec<Remote>,
    pub licence: Option<String>,
}

/// Asks the registry for a package's files.
pub(crate) fn locate(
    cx: &Context<'_>,
    client: &Client<'_>,
    purl: &Purl,
    toolchain: Option<&Debian>,
    suite: &str,
) -> Result<Located, InputError> {
    match purl.kind() {
        "cargo" => cargo::locate(cx, client, purl),
        "golang" => golang::locate(cx, client, purl),
        "npm" => npm::locate(cx, client, purl),
        "pypi" => pypi::locate(cx, client, purl),
        "deb" => debian::locate(cx, client, purl, toolchain, suite),
        _ => Err(RegistryError::Kind { purl: purl.to_string() }.into()),
    }
}

/// Asks the registry for the one file of a tool that it carries as a package, built for an architecture.
pub(crate) fn locate_tool(
    cx: &Context<'_>,
    client: &Client<'_>,
    purl: &Purl,
    arch: &str,
) -> Result<Located, InputError> {
    match purl.kind() {
        "golang" => golang::locate(cx, client, purl),
        "npm" => npm::locate(cx, client, purl),
        "pypi" => pypi::wheel(cx, client, purl, arch),
        _ => Err(RegistryError::Kind { purl: purl.to_string() }.into()),
    }
}

/// Where a locked package's files are now.
pub(crate) fn relocate(
    cx: &Context<'_>,
    client: &Client<'_>,
    purl: &Purl,
    files: &[LockedFile],
    toolchain: Option<&Debian>,
    suite: &str,
) -> Result<Located, InputError> {
    match purl.kind() {
        // Its index has moved on long before its files are gone.
        "deb" => debian::relocate(cx, purl, files, toolchain, suite),
        _ => locate(cx, client, purl, toolchain, suite),
    }
}

/// The SHA-512 of a blob.
pub(crate) fn sha512(cx: &Context<'_>, digest: &Digest) -> Result<String, InputError> {
    let mut file = cx.store.open_blob(digest)?;
    let mut hasher = sha2::Sha512::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file
            .read(&mut buffer)
            .map_err(|cause| crate::HttpError::File { path: format!("blob {digest}").into(), cause })?;
        if count == 0 {
            return Ok(hasher.finalize().iter().map(|b| format!("{b:02x}")).collect());
        }
        hasher.update(&buffer[..count]);
    }
}

/// A document of a registry; one that is not there means that the package is not.
fn document(client: &Client<'_>, purl: &Purl, url: &str, accept: Option<&str>) -> Result<String, InputError> {
    let bytes = client.get(url, accept, DOCUMENT_LIMIT).map_err(|e| match e {
        crate::HttpError::NotFound { url } => {
            let reason = format!("{url} is not there");
            InputError::from(RegistryError::Missing { purl: purl.to_string(), reason })
        }
        other => other.into(),
    })?;
    String::from_utf8(bytes).map_err(|_| answer(url, "is no UTF-8"))
}

/// A registry must speak of the very package and version that were asked for: it may answer to `latest` or another
/// spelling of a name, which would be locked under words that mean something else tomorrow.
fn same(purl: &Purl, name: (&str, &str), version: (&str, &str)) -> Result<(), InputError> {
    for (what, (expected, found)) in [("name", name), ("version", version)] {
        if expected != found {
            let reason =
                format!("its {what} is `{found}`, not `{expected}`; write `{found}` if you mean that");
            return Err(RegistryError::Missing { purl: purl.to_string(), reason }.into());
        }
    }
    Ok(())
}

fn answer(url: &str, reason: impl Into<String>) -> InputError {
    RegistryError::Answer { url: url.to_owned(), reason: reason.into() }.into()
}
