//! Debian source packages: the suite's signed `Sources` index lists their files with hashes.

use model::lock::LockedFile;
use model::recipe::Debian;
use model::{Purl, RelPath};

use super::{Check, Located, RegistryError, Remote, answer};
use crate::http::{Client, join};
use crate::toolchain::debian::Archive;
use crate::{Context, InputError};
use model::deb822::paragraphs;

/// The archive of the suite that the purl's `distro` names, else that of the toolchain.
fn archive(
    cx: &Context<'_>,
    purl: &Purl,
    toolchain: Option<&Debian>,
    suite: &str,
) -> Result<(Archive, Debian), InputError> {
    let suite = purl.qualifier("distro").unwrap_or(suite);
    if suite.is_empty() {
        let reason = "the toolchain has no suite, so the purl must name one: add `?distro=SUITE`".to_owned();
        return Err(RegistryError::Missing { purl: purl.to_string(), reason }.into());
    }
    let same = toolchain.filter(|t| t.suite == suite).cloned();
    let asked = same.unwrap_or_else(|| Debian {
        packages: Vec::new(),
        suite: suite.to_owned(),
        components: vec!["main".to_owned()],
        mirror: None,
        snapshot_mirror: None,
        snapshot: None,
        keyring: None,
    });
    Ok((Archive::of(cx, &asked)?, asked))
}

pub(super) fn locate(
    cx: &Context<'_>,
    client: &Client<'_>,
    purl: &Purl,
    toolchain: Option<&Debian>,
    suite: &str,
) -> Result<Located, InputError> {
    let (archive, asked) = archive(cx, purl, toolchain, suite)?;
    let release = archive.release(cx, client, &asked.suite, asked.snapshot.is_some())?;
    let mut versions = Vec::new();
    for component in &asked.components {
        let name = format!("{component}/source/Sources");
        let (url, text) = archive.index(cx, client, &asked.suite, &release, &name)?;
        for paragraph in paragraphs(&text).filter(|p| p.get("Package") == Some(purl.name())) {
            let version = paragraph.get("Version").unwrap_or_default();
            if version != purl.version() {
                versions.push(version.to_owned());
                continue;
            }
            let folder =
                paragraph.get("Directory").ok_or_else(|| answer(&url, "an entry without a directory"))?;
            let mut files = Vec::new();
            for line in
                paragraph.get("Checksums-Sha256").unwrap_or_default().lines().filter(|l| !l.trim().is_empty())
            {
                let words: Vec<&str> = line.split_whitespace().collect();
                let [sha256, size, name] = words[..] else {
                    return Err(answer(&url, format!("cannot read the line `{}`", line.trim())));
                };
                let sha256 = sha256.parse().map_err(|e| answer(&url, format!("{e}")))?;
                let path: RelPath =
                    format!("{folder}/{name}").parse().map_err(|e| answer(&url, format!("{e}")))?;
                files.push(Remote {
                    url: join(&archive.bases[0], &path),
                    path: path.to_string(),
                    check: Check::Sha256(sha256),
                    size: size.parse().ok(),
                });
            }
            return Ok(Located { files, licence: None });
        }
    }
    let reason = match versions.is_empty() {
        true => format!("suite `{}` has no such source package", asked.suite),
        false => format!("suite `{}` has {}", asked.suite, versions.join(", ")),
    };
    Err(RegistryError::Missing { purl: purl.to_string(), reason }.into())
}

pub(super) fn relocate(
    cx: &Context<'_>,
    purl: &Purl,
    files: &[LockedFile],
    toolchain: Option<&Debian>,
    suite: &str,
) -> Result<Located, InputError> {
    let (archive, _) = archive(cx, purl, toolchain, suite)?;
    let mut remotes = Vec::new();
    for file in files {
        let path: RelPath = file.path.parse().map_err(|e| answer(&file.path, format!("{e}")))?;
        remotes.push(Remote {
            url: join(&archive.bases[0], &path),
            path: file.path.clone(),
            check: Check::Sha256(file.digest.sha256),
            size: Some(file.digest.size),
        });
    }
    Ok(Located { files: remotes, licence: None })
}
