//! The signing key as a run needs it: known by its public half, opened only when something is built.
//!
//! Opening a key file costs a tenth of a second and more, on purpose: its password is stretched. A build with nothing
//! to do signs nothing, so it does not open the key. A build that runs a step opens it meanwhile, in the background;
//! a wrong password then stops the build at once, and not after an hour.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use attest::{KeyError, PublicKey, SecretKey, SignError, Signer};
use engine::Cancel;
use model::Event;

use crate::failure::Failure;
use crate::session::{Session, read_text};

/// A key that signs, opened at most once.
pub(crate) struct SigningKey {
    public: PublicKey,
    file: Arc<KeyFile>,
    /// Being opened, or open.
    expected: AtomicBool,
}

struct KeyFile {
    path: PathBuf,
    pem: String,
    password: Vec<u8>,
    opened: OnceLock<Result<SecretKey, KeyError>>,
}

impl KeyFile {
    fn open(&self) -> &Result<SecretKey, KeyError> {
        self.opened.get_or_init(|| SecretKey::from_pem(&self.pem, &self.password))
    }
}

impl Session {
    /// The signing key: the given file, or this home's own, made when first used. Its public half is taken from the
    /// file `.pub` beside it; without one, the key is opened for it.
    pub(crate) fn signing_key(&self, given: Option<&Path>) -> Result<SigningKey, Failure> {
        let path = self.secret_key_path(given)?;
        let file = KeyFile {
            pem: read_text(&path)?,
            password: self.password(),
            opened: OnceLock::new(),
            path: path.clone(),
        };
        let beside = std::fs::read_to_string(path.with_extension("pub")).ok();
        let public = match beside.and_then(|text| PublicKey::from_pem(&text).ok()) {
            Some(public) => public,
            None => {
                let opened = file.open().as_ref().map_err(|e| Failure::key(&path, e.clone()))?;
                opened.public().clone()
            }
        };
        Ok(SigningKey {
            public,
            expected: AtomicBool::new(file.opened.get().is_some()),
            file: Arc::new(file),
        })
    }
}

impl SigningKey {
    /// Opens the key in the background when the first step begins; if it does not open, `cancel` stops the build.
    pub(crate) fn expect(&self, event: &Event, cancel: &Arc<Cancel>) {
        if matches!(event, Event::Started { stage: "build", .. })
            && !self.expected.swap(true, Ordering::Relaxed)
        {
            let (file, cancel) = (Arc::clone(&self.file), Arc::clone(cancel));
            std::thread::spawn(move || {
                if file.open().is_err() {
                    cancel.cancel();
                }
            });
        }
    }

    /// Why the key did not open, if it was tried.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let error = self.file.opened.get()?.as_ref().err()?;
        Some(Failure::key(&self.file.path, error.clone()))
    }
}

impl Signer for SigningKey {
    fn sign(&self, pae: &[u8]) -> Result<Vec<u8>, SignError> {
        let key = self.file.open().as_ref().map_err(|error| SignError::Failed(error.to_string()))?;
        if *key.public() != self.public {
            let path = self.file.path.with_extension("pub");
            let text = format!("`{}` is not the public half of the key beside it", path.display());
            return Err(SignError::Failed(text));
        }
        key.sign(pae)
    }

    fn public_key(&self) -> &PublicKey {
        &self.public
    }
}
