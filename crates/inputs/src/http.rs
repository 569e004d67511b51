//! Bytes from a URL: with limits, retries and resumption.
//!
//! `http`, `https` and `file` URLs. A transfer that breaks is continued where it broke (`Range` with `If-Range`), and
//! tried again after connection errors, 5xx and 429 on a fixed schedule; an attempt that made progress starts the
//! schedule over, but not for ever. Nothing is decoded on the way, so a hash is that of the bytes as served.
//!
//! What is sent to a server goes through [`send`]: one request, one answer; what of a body has arrived is the sender's
//! to ask.

mod pass;
mod region;
mod send;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::{Digest, RelPath};
use store::{BlobWriter, Store, StoreError};
use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::Host;

pub(crate) use pass::{Passed, Reply};
pub(crate) use region::Region;
pub(crate) use send::{Heard, Patience, Sending};

/// However much progress they make, there are no more attempts than this for one download: a server that gives one byte
/// at a time is not waited for.
const ATTEMPTS: usize = 100;

/// Why a URL gave no bytes.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not a URL that can be read.
    #[error("`{url}`: {reason}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// 404 or 410, or no such file.
    #[error("{url} is not there (404)")]
    NotFound {
        /// The URL.
        url: String,
    },
    /// 401: who asks must say who it is.
    #[error("{url} wants to know who asks (401)")]
    Unauthorized {
        /// The URL.
        url: String,
        /// The header `WWW-Authenticate`.
        challenge: String,
    },
    /// Another refusal.
    #[error("{url} answers {status}")]
    Status {
        /// The URL.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// The connection failed, again and again.
    #[error("{url} could not be read in {attempts} attempts")]
    Transport {
        /// The URL.
        url: String,
        /// How often it was tried.
        attempts: usize,
        /// The last failure.
        #[source]
        cause: Box<ureq::Error>,
    },
    /// More bytes than are wanted.
    #[error("{url} is larger than the {limit} bytes expected of it")]
    TooLarge {
        /// The URL.
        url: String,
        /// How many bytes are wanted at most.
        limit: u64,
    },
    /// A file could not be read.
    #[error("{path}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An HTTP client as the host is configured. Connections are kept and shared between threads.
pub(crate) struct Client<'a> {
    host: &'a Host,
    /// How long to wait before each further attempt.
    retry: Vec<Duration>,
    agents: Mutex<BTreeMap<Option<String>, Agent>>,
    roots: Mutex<Option<RootCerts>>,
}

/// Takes what a transfer brings.
trait Sink {
    /// Begins anew: what came so far is not part of what comes now.
    fn restart(&mut self) -> Result<(), HttpError>;
    fn take(&mut self, bytes: &[u8]) -> Result<(), HttpError>;
}

struct Memory(Vec<u8>);

impl Sink for Memory {
    fn restart(&mut self) -> Result<(), HttpError> {
        self.0.clear();
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), HttpError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

struct Blob<'a> {
    store: &'a Store,
    writer: BlobWriter,
    done: u64,
    progress: &'a dyn Fn(u64),
}

impl Sink for Blob<'_> {
    fn restart(&mut self) -> Result<(), HttpError> {
        self.writer = self.store.writer()?;
        self.done = 0;
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), HttpError> {
        self.writer.write_all(bytes).map_err(|e| StoreError::io("write", self.store.dir(), e))?;
        self.done += bytes.len() as u64;
        (self.progress)(self.done);
        Ok(())
    }
}

enum Attempt {
    Whole,
    /// Broke, or the server asks to come back; may be tried again.
    Broken(ureq::Error),
}

impl<'a> Client<'a> {
    pub(crate) fn new(host: &'a Host) -> Self {
        Self::with_retry(host, host.retry.clone())
    }

    /// As [`Client::new`], with these waits before further attempts.
    pub(crate) fn with_retry(host: &'a Host, retry: Vec<Duration>) -> Self {
        Self { host, retry, agents: Mutex::default(), roots: Mutex::default() }
    }

    /// The bytes at `url`, at most `limit` of them.
    pub(crate) fn get(&self, url: &str, accept: Option<&str>, limit: u64) -> Result<Vec<u8>, HttpError> {
        let accept = accept.map(|accept| ("Accept", accept));
        self.get_with(url, accept.as_slice(), limit)
    }

    /// As [`Client::get`], with these headers.
    pub(crate) fn get_with(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        limit: u64,
    ) -> Result<Vec<u8>, HttpError> {
        let mut sink = Memory(Vec::new());
        self.transfer(url, headers, limit, Resume::default(), &mut sink)?;
        Ok(sink.0)
    }

    /// A header of the answer to a `HEAD`, if it is there. Tried again as [`Client::get_with`] does.
    pub(crate) fn head(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        wanted: &str,
    ) -> Result<Option<String>, HttpError> {
        let mut waits = self.retry.iter();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut request = self.agent(url)?.head(url);
            if let Some(authorization) = self.host.authorization(url).filter(|_| !says_who(headers)) {
                request = request.header("Authorization", authorization);
            }
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let cause = match request.call() {
                Ok(response) => {
                    let header = |name: &str| {
                        response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
                    };
                    match response.status().as_u16() {
                        200 => return Ok(header(wanted)),
                        401 => {
                            let challenge = header("www-authenticate").unwrap_or_default();
                            return Err(HttpError::Unauthorized { url: url.to_owned(), challenge });
                        }
                        404 | 410 => return Err(HttpError::NotFound { url: url.to_owned() }),
                        status @ (408 | 429 | 500..=599) => ureq::Error::StatusCode(status),
                        status => return Err(HttpError::Status { url: url.to_owned(), status }),
                    }
                }
                Err(ureq::Error::BadUri(reason)) => {
                    return Err(HttpError::Url { url: url.to_owned(), reason });
                }
                Err(cause) => cause,
            };
            match (waits.next(), cause) {
                (Some(wait), _) => std::thread::sleep(*wait),
                (None, ureq::Error::StatusCode(status)) => {
                    return Err(HttpError::Status { url: url.to_owned(), status });
                }
                (None, cause) => {
                    let cause = Box::new(cause);
                    return Err(HttpError::Transport { url: url.to_owned(), attempts, cause });
                }
            }
        }
    }

    /// Brings `url` into the store, at most `limit` bytes; `progress` hears how many have come. The caller checks the
    /// digest: a wrong one costs only a blob that nothing refers to.
    pub(crate) fn download(
        &self,
        url: &str,
        limit: u64,
        store: &Store,
        progress: &dyn Fn(u64),
    ) -> Result<Digest, HttpError> {
        self.download_with(url, &[], limit, store, progress)
    }

    /// As [`Client::download`], with these headers. They do not go along where the server sends the client elsewhere.
    pub(crate) fn download_with(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        limit: u64,
        store: &Store,
        progress: &dyn Fn(u64),
    ) -> Result<Digest, HttpError> {
        let mut sink = Blob { store, writer: store.writer()?, done: 0, progress };
        self.transfer(url, headers, limit, Resume::default(), &mut sink)?;
        Ok(sink.writer.finish()?)
    }

    fn transfer(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        limit: u64,
        mut state: Resume,
        sink: &mut dyn Sink,
    ) -> Result<(), HttpError> {
        if let Some(path) = url.strip_prefix("file://") {
            return read_file(url, path, limit, sink);
        }
        if !url.starts_with("http://") && !url.starts_with("https://") {
            let reason = "expected a URL that begins with http://, https:// or file://".to_owned();
            return Err(HttpError::Url { url: url.to_owned(), reason });
        }
        let mut waits = self.retry.iter();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let before = state.done;
            let cause = match self.attempt(url, headers, limit, &mut state, sink)? {
                Attempt::Whole => return Ok(()),
                Attempt::Broken(cause) => cause,
            };
            if state.done > before {
                waits = self.retry.iter();
            }
            match (waits.next().filter(|_| attempts < ATTEMPTS), cause) {
                (Some(wait), _) => std::thread::sleep(*wait),
                (None, ureq::Error::StatusCode(status)) => {
                    return Err(HttpError::Status { url: url.to_owned(), status });
                }
                (None, cause) => {
                    let cause = Box::new(cause);
                    return Err(HttpError::Transport { url: url.to_owned(), attempts, cause });
                }
            }
        }
    }

    fn attempt(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        limit: u64,
        state: &mut Resume,
        sink: &mut dyn Sink,
    ) -> Result<Attempt, HttpError> {
        let mut request = self.agent(url)?.get(url);
        if let Some(authorization) = self.host.authorization(url).filter(|_| !says_who(headers)) {
            request = request.header("Authorization", authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if state.done > 0 && (state.addressed || state.validator.is_some()) {
            // There are servers that know no range without an end.
            let end = if state.addressed { limit.saturating_sub(1).to_string() } else { String::new() };
            request = request.header("Range", format!("bytes={}-{end}", state.done));
            if let Some(validator) = &state.validator {
                request = request.header("If-Range", validator);
            }
        } else if state.done > 0 {
            // Without a validator, the rest might be of another file.
            state.done = 0;
            sink.restart()?;
        }
        let response = match request.call() {
            Ok(response) => response,
            Err(ureq::Error::BadUri(reason)) => {
                return Err(HttpError::Url { url: url.to_owned(), reason });
            }
            Err(cause) => return Ok(Attempt::Broken(cause)),
        };
        let header =
            |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        match response.status().as_u16() {
            200 => {
                if state.done > 0 {
                    state.done = 0;
                    sink.restart()?;
                }
                state.validator = strong_validator(header);
            }
            206 if header("content-range")
                .is_some_and(|r| r.starts_with(&format!("bytes {}-", state.done))) => {}
            206 | 416 => {
                (state.validator, state.addressed) = (None, false);
                return Ok(Attempt::Broken(ureq::Error::StatusCode(response.status().as_u16())));
            }
            401 => {
                let challenge = header("www-authenticate").unwrap_or_default();
                return Err(HttpError::Unauthorized { url: url.to_owned(), challenge });
            }
            404 | 410 => return Err(HttpError::NotFound { url: url.to_owned() }),
            status @ (408 | 429 | 500..=599) => return Ok(Attempt::Broken(ureq::Error::StatusCode(status))),
            status => return Err(HttpError::Status { url: url.to_owned(), status }),
        }
        let announced = header("content-length").and_then(|v| v.parse::<u64>().ok());
        let expected = match announced.map(|n| state.done.checked_add(n)) {
            None => None,
            Some(Some(whole)) => Some(whole),
            Some(None) => return Err(HttpError::TooLarge { url: url.to_owned(), limit }),
        };
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match body.read(&mut buffer) {
                Ok(0) if expected.is_none_or(|n| n == state.done) => return Ok(Attempt::Whole),
                Ok(0) => {
                    let cause = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                    return Ok(Attempt::Broken(ureq::Error::Io(cause)));
                }
                Ok(count) => {
                    state.done += count as u64;
                    if state.done > limit {
                        return Err(HttpError::TooLarge { url: url.to_owned(), limit });
                    }
                    sink.take(&buffer[..count])?;
                }
                Err(cause) => return Ok(Attempt::Broken(ureq::Error::Io(cause))),
            }
        }
    }

    /// The client for a URL, with the proxy and the certificates that this host is configured for.
    pub(crate) fn agent(&self, url: &str) -> Result<Agent, HttpError> {
        let proxy = self.host.proxies.of(url).map(str::to_owned);
        let mut agents = self.agents.lock().expect("no thread panics while it holds the agents");
        if let Some(agent) = agents.get(&proxy) {
            return Ok(agent.clone());
        }
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(self.roots()?)
            .build();
        let through = match &proxy {
            None => None,
            Some(text) => Some(
                ureq::Proxy::new(text)
                    .map_err(|e| HttpError::Url { url: text.clone(), reason: format!("as a proxy: {e}") })?,
            ),
        };
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("selfsame/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .max_redirects(10)
            .max_idle_connections_per_host(self.host.connections)
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(60)))
            .tls_config(tls)
            .proxy(through)
            .build();
        let agent = Agent::with_parts(agent, DefaultConnector::new(), KnownNames::default());
        agents.insert(proxy, agent.clone());
        Ok(agent)
    }

    /// The host's certificate authorities, so that a site's own are trusted too.
    fn roots(&self) -> Result<RootCerts, HttpError> {
        let mut roots = self.roots.lock().expect("no thread panics while it holds the certificates");
        if let Some(roots) = &*roots {
            return Ok(roots.clone());
        }
        let mut list: Vec<Certificate<'static>> = Vec::new();
        for path in &self.host.roots {
            let pem = std::fs::read(path).map_err(|cause| HttpError::File { path: path.clone(), cause })?;
            for item in ureq::tls::parse_pem(&pem).flatten() {
                if let PemItem::Certificate(certificate) = item {
                    list.push(certificate);
                }
            }
        }
        let made = RootCerts::new_with_certs(&list);
        *roots = Some(made.clone());
        Ok(made)
    }
}

/// Looks every name up once. Otherwise each file of a toolchain asks anew, over a kept connection as well, and a name
/// server that drops what comes in bursts makes a download of a second take many.
#[derive(Debug, Default)]
struct KnownNames {
    inner: DefaultResolver,
    known: Mutex<BTreeMap<String, ResolvedSocketAddrs>>,
}

impl Resolver for KnownNames {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return self.inner.resolve(uri, config, timeout);
        };
        let Some(name) = DefaultResolver::host_and_port(scheme, authority) else {
            return self.inner.resolve(uri, config, timeout);
        };
        // Held while it asks, so that the threads of one download do not all ask at once.
        let mut known = self.known.lock().expect("no thread panics while it holds the names");
        if let Some(found) = known.get(&name) {
            return Ok(found.clone());
        }
        let found = self.inner.resolve(uri, config, timeout)?;
        known.insert(name, found.clone());
        Ok(found)
    }
}

/// By what a server can tell that a file is still the same: a strong entity tag, or a date. A weak tag cannot prove that
/// two ranges are of the same bytes (RFC 9110, 13.1.5).
fn strong_validator(header: impl Fn(&str) -> Option<String>) -> Option<String> {
    let strong = header("etag").filter(|tag| !tag.starts_with("W/"));
    strong.or_else(|| header("last-modified"))
}

#[derive(Default)]
struct Resume {
    /// A strong entity tag or a date, by which the server can tell that the file is still the same.
    validator: Option<String>,
    /// The URL names the file by its digest, so that it is the same for ever, and whoever asks checks that; its size is the
    /// limit.
    addressed: bool,
    done: u64,
}

/// Whether the caller says who asks: then the host's own word for that does not go along.
fn says_who(headers: &[(&str, &str)]) -> bool {
    headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
}

fn read_file(url: &str, path: &str, limit: u64, sink: &mut dyn Sink) -> Result<(), HttpError> {
    let path = PathBuf::from(percent_decode(path));
    let fail = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::NotFound => HttpError::NotFound { url: url.to_owned() },
        _ => HttpError::File { path: path.clone(), cause },
    };
    let mut file = std::fs::File::open(&path).map_err(fail)?;
    let mut buffer = vec![0; 128 * 1024];
    let mut done = 0;
    loop {
        let count = file.read(&mut buffer).map_err(fail)?;
        if count == 0 {
            return Ok(());
        }
        done += count as u64;
        if done > limit {
            return Err(HttpError::TooLarge { url: url.to_owned(), limit });
        }
        sink.take(&buffer[..count])?;
    }
}

/// Undoes `%XX`; what is no such sequence stays.
pub(crate) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).filter(|h| h.iter().all(u8::is_ascii_hexdigit));
        let hex = hex.and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// `base` and `path` joined by one slash; what may not stand in a URL's path is escaped.
pub(crate) fn join(base: &str, path: &RelPath) -> String {
    let mut url = format!("{}/", base.trim_end_matches('/'));
    for byte in path.as_str().bytes() {
        match byte {
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'/'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b'+'
            | b':'
            | b'@'
            | b'='
            | b',' => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use ureq::unversioned::transport::time::Duration as Limit;

    use super::*;

    #[test]
    fn a_name_is_looked_up_once() {
        let names = KnownNames::default();
        let ask = |url: &str| {
            let (after, reason) = (Limit::NotHappening, ureq::Timeout::Resolve);
            let limit = NextTimeout { after, reason, per_read: None, per_write: None };
            names.resolve(&url.parse().unwrap(), &Config::default(), limit).map(|found| found.to_vec())
        };
        let first = ask("http://127.0.0.1:1/a").unwrap();
        assert_eq!(first, ["127.0.0.1:1".parse().unwrap()]);
        let known = names.known.lock().unwrap().remove("127.0.0.1:1").unwrap();
        // A name that nobody can look up, so what comes was kept.
        names.known.lock().unwrap().insert("name.invalid:443".into(), known);
        assert_eq!(ask("https://name.invalid/b").unwrap(), first);
    }

    #[test]
    fn paths_are_escaped_and_read_back() {
        let path: RelPath = "pool/a b/x%y+1~2.deb".parse().unwrap();
        let url = join("http://127.0.0.1/debian/", &path);
        assert_eq!(url, "http://127.0.0.1/debian/pool/a%20b/x%25y+1~2.deb");
        assert_eq!(percent_decode(&url), "http://127.0.0.1/debian/pool/a b/x%y+1~2.deb");
        for plain in ["100%", "%+1", "%-1", "%zz"] {
            assert_eq!(percent_decode(plain), plain);
        }
    }
}
