//! The certificate authority of a sandbox: trusted inside it, worthless outside.
//!
//! A step speaks TLS to hosts that it believes to be far away; the gateway must have a certificate for each. The
//! authority's key follows from a seed that is an input of the step, so that its certificate, which the step can read,
//! is the same at each build. So anybody can compute the key: it is no secret, and needs to be none, since only a sandbox
//! whose every connection ends at the gateway trusts it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::ecosystem;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};
use ring::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::key_store;

/// What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410, section 7).
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// So many hosts have a certificate at once.
const MOST: usize = 4096;

/// Why there is no authority, or no certificate of it.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A certificate could not be made.
    #[error("a certificate of the gateway cannot be made")]
    Make(#[from] rcgen::Error),
    /// It cannot be used.
    #[error("a certificate of the gateway cannot be used")]
    Use(#[from] rustls::Error),
}

/// The authority of one sandbox.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    /// The key of every host's certificate.
    hosts_key: KeyPair,
    made: Mutex<BTreeMap<String, Arc<CertifiedKey>>>,
}

impl Authority {
    /// The authority of a seed; the same seed gives the same certificate.
    ///
    /// # Errors
    /// If the machine has no random numbers for the hosts' key.
    pub fn new(seed: &[u8]) -> Result<Self, AuthorityError> {
        let key = digest(&SHA256, &[b"selfsame authority 1\0", seed].concat());
        let der: Vec<u8> = PKCS8.iter().chain(key.as_ref()).copied().collect();
        let key = KeyPair::try_from(der.as_slice())?;
        let mut params = lasting(Vec::new())?;
        params.distinguished_name = named("selfsame: this sandbox only");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(SerialNumber::from(1));
        let certificate = params.self_signed(&key)?;
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        let issuer = Issuer::new(params, key);
        let hosts_key = KeyPair::generate()?;
        Ok(Self { issuer, certificate: der, pem, hosts_key, made: Mutex::default() })
    }

    /// The files by which a sandbox trusts it: path from the root, content. Where distributions keep what they trust, it
    /// takes the place of all others: no other host can be reached.
    #[must_use]
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let java = key_store::java("selfsame", &self.certificate, ecosystem::JAVA_PASSWORD);
        let pem =
            ["etc/pki/tls/certs/ca-bundle.crt", "etc/ssl/certs/ca-certificates.crt", ecosystem::AUTHORITY];
        let jks = ["etc/ssl/certs/java/cacerts", ecosystem::JAVA_AUTHORITY];
        let relative = |path: &str| path.trim_start_matches('/').to_owned();
        let mut files: Vec<_> =
            pem.iter().map(|path| (relative(path), self.pem.clone().into_bytes())).collect();
        files.extend(jks.iter().map(|path| (relative(path), java.clone())));
        files
    }

    /// How TLS is spoken with a certificate of it for whatever host a client names; `default` for one that names none.
    pub(crate) fn server(
        self: &Arc<Self>,
        default: Option<String>,
    ) -> Result<Arc<ServerConfig>, AuthorityError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let resolver = Resolver { authority: Arc::clone(self), default };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn certificate_for(&self, host: &str) -> Result<Arc<CertifiedKey>, AuthorityError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.get(host) {
            return Ok(Arc::clone(known));
        }
        let mut params = lasting(vec![host.to_owned()])?;
        params.distinguished_name = named("selfsame gateway");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&self.hosts_key, &self.issuer)?;
        let chain = vec![certificate.der().clone(), self.certificate.clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.hosts_key.serialize_der()));
        let key = rustls::crypto::ring::sign::any_supported_type(&key)?;
        let certified = Arc::new(CertifiedKey::new(chain, key));
        if made.len() >= MOST {
            made.clear();
        }
        made.insert(host.to_owned(), Arc::clone(&certified));
        Ok(certified)
    }
}

/// Valid whatever clock a step sees.
fn lasting(hosts: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(hosts)?;
    params.not_before = date_time_ymd(1970, 1, 2);
    params.not_after = date_time_ymd(2199, 12, 31);
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

#[derive(Debug)]
struct Resolver {
    authority: Arc<Authority>,
    default: Option<String>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = hello.server_name().or(self.default.as_deref())?;
        self.authority.certificate_for(&host.to_ascii_lowercase()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_certificate() {
        let files = |seed: &[u8]| Authority::new(seed).unwrap().files();
        assert_eq!(files(b"a"), files(b"a"));
        assert_ne!(files(b"a"), files(b"b"));
        let names: Vec<_> = files(b"a").into_iter().map(|(path, _)| path).collect();
        assert!(names.contains(&"run/selfsame/authority.pem".to_owned()), "{names:?}");
    }

    #[test]
    fn names_and_addresses_have_certificates() {
        let authority = Authority::new(b"").unwrap();
        for host in ["example.org", "127.0.0.1", "2001:db8::1"] {
            assert!(authority.certificate_for(host).is_ok(), "{host}");
        }
    }
}
