//! Keys on disk: this machine's own pair, and those that are named on the command line.

use std::fs;
use std::path::{Path, PathBuf};

use attest::{PublicKey, SecretKey};
use model::Event;

use crate::failure::Failure;
use crate::session::{Session, make_private_folder, read_text};

impl Session {
    /// Folder of the keys of this home.
    pub(crate) fn keys(&self) -> PathBuf {
        self.home.join("keys")
    }

    /// The password of a key file: `SELFSAME_KEY_PASSWORD`, empty if it is not set.
    pub(crate) fn password(&self) -> Vec<u8> {
        self.env.get("SELFSAME_KEY_PASSWORD").cloned().unwrap_or_default().into_bytes()
    }

    /// Where the signing key is: the given file, or this home's own, made when first used.
    pub(crate) fn secret_key_path(&self, given: Option<&Path>) -> Result<PathBuf, Failure> {
        let own = self.keys().join("selfsame.key");
        if given.is_none() && !own.exists() {
            match write_key_pair(&self.keys(), "selfsame", &self.password()) {
                Ok(_) => self.tell(&Event::Note { text: about_own_key(&own) }),
                // Another process was faster: its key is this machine's.
                Err(_) if own.exists() => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(given.map_or(own, Path::to_owned))
    }

    /// Public keys: those given, or this home's own.
    pub(crate) fn public_keys(&self, given: &[PathBuf]) -> Result<Vec<PublicKey>, Failure> {
        public_keys(Some(&self.home), given, &self.password())
    }
}

/// Public keys: those given, or those of a home, which need not be there.
pub(crate) fn public_keys(
    home: Option<&Path>,
    given: &[PathBuf],
    password: &[u8],
) -> Result<Vec<PublicKey>, Failure> {
    let own = home.map(|home| [home.join("keys/selfsame.pub")]);
    let list = match &own {
        Some(own) if given.is_empty() => {
            let secret = own[0].with_extension("key");
            if !own[0].exists() && secret.exists() {
                // Lost, or its making was interrupted: the secret half has it.
                let key = SecretKey::from_pem(&read_text(&secret)?, password);
                let key = key.map_err(|e| Failure::key(&secret, e))?;
                // For the next time, if there is a right to and room.
                let _ = write_public(&own[0], &key);
                return Ok(vec![key.public().clone()]);
            }
            if own[0].exists() { &own[..] } else { given }
        }
        _ => given,
    };
    list.iter()
        .map(|path| PublicKey::from_pem(&read_text(path)?).map_err(|e| Failure::key(path, e)))
        .collect()
}

/// A clear word about what a key that lies on this machine is good for.
fn about_own_key(path: &Path) -> String {
    format!(
        "made a signing key for this machine: {}\nit can say \"selfsame on this machine built this\", and \
         anyone who reads the file can say so too;\nfor releases, sign with a key kept elsewhere. Give \
         others only {}",
        path.display(),
        path.with_extension("pub").display(),
    )
}

/// Makes a key pair `NAME.key` (mode 0600) and `NAME.pub` in a folder. Never replaces a key: of several processes
/// that try at once, one succeeds.
pub(crate) fn write_key_pair(folder: &Path, name: &str, password: &[u8]) -> Result<SecretKey, Failure> {
    make_private_folder(folder)?;
    let path = folder.join(format!("{name}.key"));
    let public = folder.join(format!("{name}.pub"));
    let key = SecretKey::generate().map_err(|e| Failure::key(&path, e))?;
    let pem = key.to_pem(password).map_err(|e| Failure::key(&path, e))?;
    // Before the secret half is made: a lone public half belongs to a key that is kept elsewhere.
    for place in [&path, &public] {
        if fs::symlink_metadata(place).is_ok() {
            return Err(is_there(place));
        }
    }
    make(&path, &pem, 0o600, &key)?;
    write_public(&public, &key)?;
    Ok(key)
}

/// Writes the public half; one that is there must be the same.
fn write_public(path: &Path, key: &SecretKey) -> Result<(), Failure> {
    let pem = key.public().to_pem();
    let same =
        || fs::symlink_metadata(path).is_ok_and(|m| m.is_file()) && read_text(path).ok() == Some(pem.clone());
    match make(path, &pem, 0o644, key) {
        Err(_) if same() => Ok(()),
        made => made,
    }
}

/// Makes a file whole or not at all, in place of nothing, through no link, and readable as `mode` says from its
/// first byte on.
fn make(path: &Path, text: &str, mode: u32, key: &SecretKey) -> Result<(), Failure> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    // The id of a key that nobody has seen yet is a name that nobody can have prepared.
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{}.{extension}", key.public().id()));
    // `create_new` follows no link either.
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary);
    let mut file = opened.map_err(|e| Failure::io("make", &temporary, e))?;
    let mut write = || {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // A link, unlike a rename, does not replace what is there.
        fs::hard_link(&temporary, path)
    };
    let written = write();
    let _ = fs::remove_file(&temporary);
    written.map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => is_there(path),
        _ => Failure::io("make", path, e),
    })
}

fn is_there(path: &Path) -> Failure {
    Failure::failed(format!("the key `{}` is there already", path.display()))
        .help("choose another --name; what the old key signed needs it")
}

/// A name of a key: a word, so that it can neither leave the folder nor hide in it.
pub(crate) fn key_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text.len() > 100 || text.starts_with('.') || !text.chars().all(fits) {
        return Err("expected letters, digits and `. _ -`, at most 100, and no dot to begin with".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_pair_replaces_nothing_and_follows_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        let keys = dir.path().join("keys");
        fs::create_dir(&keys).unwrap();
        for half in ["a.pub", "b.key"] {
            std::os::unix::fs::symlink(&victim, keys.join(half)).unwrap();
        }
        fs::write(keys.join("c.pub"), "another key").unwrap();
        for name in ["a", "b", "c"] {
            assert!(write_key_pair(&keys, name, b"").unwrap_err().sentence().contains("there already"));
        }
        assert!(!victim.exists());
        assert_eq!(fs::read_to_string(keys.join("c.pub")).unwrap(), "another key");

        let key = write_key_pair(&keys, "d", b"").unwrap();
        write_public(&keys.join("d.pub"), &key).unwrap();
        assert!(write_public(&keys.join("c.pub"), &key).is_err());
        let mode = |name: &str| fs::metadata(keys.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("d.key"), 0o600);
        assert_eq!(mode("d.pub") & 0o600, 0o600);
        assert_eq!(fs::read_dir(&keys).unwrap().count(), 5, "no temporary file is left");
    }

    #[test]
    fn a_name_is_a_word() {
        for bad in ["", ".hidden", "../up", "a/b", "a b", "a\0", "\x1b[m"] {
            assert!(key_name(bad).is_err(), "{bad:?}");
        }
        assert_eq!(key_name("release-2026.a_b").unwrap(), "release-2026.a_b");
    }
}
