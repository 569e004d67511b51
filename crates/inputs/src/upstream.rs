//! Where a recorded request really goes, and how its answer is made the same whichever mirror gave it.
//!
//! Inside a sandbox each registry has one name and one layout; a file per ecosystem says what that layout is, turns a
//! path of it into addresses of this host's registries, and pages that list versions into a canonical form: addresses
//! become those of the inside, what changes with time goes, and of the versions only those stay that were fetched. So a
//! page can be brought again by digest, from any mirror, after new versions were published.

mod cargo;
mod go;
mod maven;
mod npm;
mod pypi;
mod web;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use model::Digest;
use model::ecosystem::Ecosystem;
use model::transcript::{Answered, Asked, Place, Transcript};

use crate::Context;
use crate::host::HostError;
use crate::http::{Client, HttpError, Passed, Reply};

/// No answer is larger.
const LIMIT: u64 = 16 << 30;
/// No page that lists versions is larger.
const PAGE: u64 = 256 << 20;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// This host does not know where the registry is.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It could not be asked.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// It answered what is no answer.
    #[error("{url} answers {status}: tried again until patience ended")]
    Down {
        /// The URL.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// A page is not what its registry's format says.
    #[error("{url} is not as the registry's format says: {reason}")]
    Page {
        /// The URL.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

/// What of a request is passed on besides its place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent {
    /// Name, value.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// Headers of a tool that are passed on to hosts of the web; no other one's answer may depend on them.
pub(crate) const PASSED: &[&str] = &[
    "accept",
    "accept-language",
    "content-encoding",
    "content-type",
    "git-protocol",
    "user-agent",
    "x-requested-with",
];

/// Whether a request is for a page that lists the versions of a package.
pub(crate) fn is_page(asked: &Asked) -> bool {
    match &asked.place {
        Place::Registry(Ecosystem::Cargo, path) => path.starts_with("/index/"),
        Place::Registry(Ecosystem::Pypi, path) => path.starts_with("/simple/"),
        Place::Registry(Ecosystem::Npm, path) => !path.contains("/-/"),
        Place::Registry(Ecosystem::Go, path) => path.ends_with("/@v/list") || path.ends_with("/@latest"),
        Place::Registry(Ecosystem::Maven, path) => path.contains("/maven-metadata"),
        _ => false,
    }
}

/// Where a path of a registry goes.
enum Route {
    /// The answer is known without asking: content type, body.
    Here(&'static str, String),
    /// To the first of these that has it.
    To(Vec<String>),
    /// A page that lists versions, to be brought from there and made canonical.
    Page(Listing, Vec<String>),
    /// There is nothing at such a path.
    Nowhere,
}

/// A page that lists the versions of one package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Listing {
    /// Of a crate, in the sparse index.
    Cargo(String),
    /// Of an npm package.
    Npm(String),
    /// Of a Python project; as JSON, or else HTML.
    Pypi(String, bool),
}

/// Which versions or files of each package stay in its page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept(BTreeMap<(Ecosystem, String), BTreeSet<String>>);

impl Kept {
    /// Those that a transcript has fetched.
    pub(crate) fn of(transcript: &Transcript) -> Self {
        let mut kept: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for asked in transcript.0.keys() {
            let Place::Registry(ecosystem, path) = &asked.place else { continue };
            let fetched = match ecosystem {
                Ecosystem::Cargo => cargo::fetched(path),
                Ecosystem::Npm => npm::fetched(path),
                Ecosystem::Pypi => pypi::fetched(path),
                _ => None,
            };
            if let Some((package, which)) = fetched {
                kept.entry((*ecosystem, package)).or_default().insert(which);
            }
        }
        Self(kept)
    }

    /// `None`: all of them.
    fn versions(&self, ecosystem: Ecosystem, package: &str) -> Option<&BTreeSet<String>> {
        self.0.get(&(ecosystem, package.to_owned()))
    }
}

/// The URL that a page came from, and its bytes.
type Page = (String, Vec<u8>);

/// What came.
pub(crate) struct Brought {
    pub(crate) answered: Answered,
    /// Whether it is a page that lists versions, of which only some may stay.
    pub(crate) page: bool,
}

impl From<Answered> for Brought {
    fn from(answered: Answered) -> Self {
        Self { answered, page: false }
    }
}

/// The registries as this host reaches them.
pub(crate) struct Upstream<'a> {
    cx: &'a Context<'a>,
    client: &'a Client<'a>,
    /// Pages as they came, so that each is asked for once: URL it came from, content.
    pages: Mutex<BTreeMap<Listing, Arc<Page>>>,
    /// Hosts of the web that do not answer.
    silent: Mutex<BTreeSet<String>>,
    /// What registries say about themselves, by URL, each asked for once.
    documents: Mutex<BTreeMap<String, Arc<Vec<u8>>>>,
}

impl<'a> Upstream<'a> {
    pub(crate) fn new(cx: &'a Context<'a>, client: &'a Client<'a>) -> Self {
        let (silent, documents) = (Mutex::default(), Mutex::default());
        Self { cx, client, pages: Mutex::default(), silent, documents }
    }

    /// Brings the answer to a request; its body is in the store. Of pages, what is `kept` stays. `progress` hears how many
    /// bytes of it have come.
    pub(crate) fn bring(
        &self,
        asked: &Asked,
        sent: &Sent,
        kept: &Kept,
        progress: &dyn Fn(u64),
    ) -> Result<Brought, UpstreamError> {
        let (ecosystem, path) = match &asked.place {
            Place::Url(url) => return web::bring(self, asked, sent, url, progress).map(Brought::from),
            Place::Registry(ecosystem, path) => (*ecosystem, path),
        };
        let json = asked.accept.as_deref().is_some_and(|a| a.contains("simple.v1+json"));
        let route = match ecosystem {
            Ecosystem::Cargo => cargo::route(self, path)?,
            Ecosystem::Go => go::route(self, path)?,
            Ecosystem::Maven => maven::route(self, path)?,
            Ecosystem::Npm => npm::route(self, path)?,
            Ecosystem::Pypi => pypi::route(self, path, json)?,
            Ecosystem::Web => Route::Nowhere,
        };
        match route {
            Route::Here(kind, body) => {
                let body = self.cx.store.put(body.as_bytes())?;
                Ok(Answered { status: 200, body, content_type: Some(kind.to_owned()), location: None }.into())
            }
            Route::Nowhere => Ok(self.nothing(404)?.into()),
            Route::To(urls) => {
                if asked.method != "GET" {
                    return Ok(self.nothing(405)?.into());
                }
                for url in urls {
                    match self.file(&url, progress)? {
                        Answered { status: 404 | 410, .. } => {}
                        answered => return Ok(answered.into()),
                    }
                }
                Ok(self.nothing(404)?.into())
            }
            Route::Page(listing, urls) => {
                let Some(page) = self.page(&listing, &urls)? else {
                    return Ok(self.nothing(404)?.into());
                };
                Ok(Brought { answered: self.canonical(&listing, &page, kept)?, page: true })
            }
        }
    }

    /// A page in its canonical form.
    fn canonical(&self, listing: &Listing, page: &Page, kept: &Kept) -> Result<Answered, UpstreamError> {
        let (url, bytes) = page;
        let text = std::str::from_utf8(bytes).map_err(|e| wrong(url, e.to_string()))?;
        let (kind, body) = match listing {
            Listing::Cargo(name) => {
                ("text/plain", cargo::canonical(text, kept.versions(Ecosystem::Cargo, name)))
            }
            Listing::Npm(name) => {
                let versions = kept.versions(Ecosystem::Npm, name);
                ("application/json", npm::canonical(text, name, versions).map_err(|r| wrong(url, r))?)
            }
            Listing::Pypi(name, json) => {
                let files = kept.versions(Ecosystem::Pypi, name);
                let kind = if *json { "application/vnd.pypi.simple.v1+json" } else { "text/html" };
                (kind, pypi::canonical(text, url, name, files, *json).map_err(|r| wrong(url, r))?)
            }
        };
        let body = self.cx.store.put(body.as_bytes())?;
        Ok(Answered { status: 200, body, content_type: Some(kind.to_owned()), location: None })
    }

    /// Brings a page once; `None` if there is none.
    fn page(&self, listing: &Listing, urls: &[String]) -> Result<Option<Arc<Page>>, UpstreamError> {
        let key = match listing {
            Listing::Pypi(name, _) => Listing::Pypi(name.clone(), true),
            other => other.clone(),
        };
        if let Some(known) = self.pages.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Some(Arc::clone(known)));
        }
        let accept = match listing {
            Listing::Cargo(_) => "*/*",
            Listing::Npm(_) => "application/json",
            Listing::Pypi(..) => crate::source::registry::pypi::ACCEPT,
        };
        for url in urls {
            match self.client.get(url, Some(accept), PAGE) {
                Ok(bytes) => {
                    let page = Arc::new((url.clone(), bytes));
                    let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
                    pages.insert(key, Arc::clone(&page));
                    return Ok(Some(page));
                }
                Err(HttpError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// What a registry says about itself at a URL.
    fn document(&self, url: &str) -> Result<Arc<Vec<u8>>, UpstreamError> {
        // Held while it asks, so that the threads of one download do not all ask at once.
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = documents.get(url) {
            return Ok(Arc::clone(known));
        }
        let found = Arc::new(self.client.get(url, None, 1 << 20)?);
        documents.insert(url.to_owned(), Arc::clone(&found));
        Ok(found)
    }

    /// Brings a file of a registry, continued where it broke. What kind of file it is, each mirror says in its own way, and
    /// no tool asks.
    fn file(&self, url: &str, progress: &dyn Fn(u64)) -> Result<Answered, UpstreamError> {
        match self.client.download(url, LIMIT, self.cx.store, progress) {
            Ok(body) => Ok(Answered { status: 200, body, content_type: None, location: None }),
            Err(HttpError::NotFound { .. }) => self.nothing(404),
            Err(HttpError::Status { status, .. }) if (400..500).contains(&status) => self.nothing(status),
            Err(HttpError::Status { url, status }) => Err(UpstreamError::Down { url, status }),
            Err(error) => Err(error.into()),
        }
    }

    fn pass(
        &self,
        asked: &Asked,
        sent: &Sent,
        url: &str,
        progress: &dyn Fn(u64),
    ) -> Result<Reply, UpstreamError> {
        let headers = sent.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let passed = Passed { method: &asked.method, url, headers, body: &sent.body };
        let reply = self.client.pass(&passed, LIMIT, self.cx.store, progress)?;
        if reply.status >= 500 {
            return Err(UpstreamError::Down { url: url.to_owned(), status: reply.status });
        }
        Ok(reply)
    }

    /// What a transcript keeps of a reply: of a refusal, that it was one.
    fn answered(&self, url: &str, reply: Reply) -> Result<Answered, UpstreamError> {
        let Reply { status, content_type, location, body } = reply;
        if status >= 400 {
            return self.nothing(status);
        }
        let location = location.filter(|_| (300..400).contains(&status));
        let location = location.map(|to| crate::source::registry::pypi::absolute(url, &to));
        let body = if (300..400).contains(&status) { self.cx.store.put(b"")? } else { body };
        Ok(Answered { status, body, content_type, location })
    }

    fn nothing(&self, status: u16) -> Result<Answered, UpstreamError> {
        let body: Digest = self.cx.store.put(b"")?;
        Ok(Answered { status, body, content_type: None, location: None })
    }

    /// The addresses of a registry on this host.
    fn bases(&self, kind: &'static str) -> Result<Vec<String>, UpstreamError> {
        let bases = self.cx.host.registry(kind)?;
        Ok(bases.split(' ').map(|b| b.trim_end_matches('/').to_owned()).collect())
    }
}

fn wrong(url: &str, reason: String) -> UpstreamError {
    UpstreamError::Page { url: url.to_owned(), reason }
}
