//! The certificate and key with which a mirror is served.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::MirrorError;

/// What a server needs to speak TLS 1.2 and 1.3.
#[derive(Debug, Clone)]
pub struct Tls(pub(super) Arc<ServerConfig>);

impl Tls {
    /// Reads both from PEM files: the certificate first, then those that lead to an authority; one key without a password.
    ///
    /// # Errors
    /// If a file cannot be read, or the two do not belong together.
    pub fn read(certificates: &Path, key: &Path) -> Result<Self, MirrorError> {
        let wrong = |path: &Path, reason: String| MirrorError::Tls { path: path.to_owned(), reason };
        let list: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_file_iter(certificates).and_then(Iterator::collect);
        let list = list.map_err(|e| wrong(certificates, e.to_string()))?;
        if list.is_empty() {
            return Err(wrong(certificates, "it has no certificate".to_owned()));
        }
        let private = PrivateKeyDer::from_pem_file(key).map_err(|e| wrong(key, e.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(list, private))
            .map_err(|e| wrong(certificates, e.to_string()))?;
        Ok(Self(Arc::new(config)))
    }
}
