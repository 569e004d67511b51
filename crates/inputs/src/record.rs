//! Lock time: answers the requests of a step that is recorded, and writes the answers down.
//!
//! What the lock has already is answered from it, so that locking again changes nothing that still is asked for; the
//! rest is brought from this host's registries. An answer goes to the step only when its body is whole in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock, PoisonError};

use gateway::{Address, Answers, Head, Request, Responder, asked_of};
use model::event::{Event, Outcome};
use model::transcript::{Answered, Asked, Place, Transcript};

use crate::http::Client;
use crate::several::Sum;
use crate::upstream::{Kept, PASSED, Sent, Upstream, UpstreamError, is_page};
use crate::{Context, InputError};

/// So often is one led on to another address.
const LED_ON: usize = 10;

/// A recording in the making.
pub struct Recorder<'a> {
    cx: &'a Context<'a>,
    upstream: Upstream<'a>,
    /// Whose requests they are.
    step: &'a str,
    /// What the lock has.
    known: &'a Transcript,
    /// Whether pages that list versions are brought even if they are known: what is known lists only what was chosen then.
    anew: bool,
    state: Mutex<State>,
    /// What comes from registries, as soon as something does.
    sum: OnceLock<Sum<'a>>,
}

#[derive(Default)]
struct State {
    transcript: Transcript,
    /// Pages that list versions, brought now.
    pages: BTreeSet<Asked>,
    /// What could not be answered, and why.
    failed: BTreeMap<Asked, UpstreamError>,
    /// Of those, what the step got on without: it was told that there is no answer, and will be again.
    refused: BTreeSet<Asked>,
}

/// The connections of one recording.
pub struct Network<'a>(Client<'a>);

impl<'a> Network<'a> {
    /// As the host of `cx` is configured.
    #[must_use]
    pub fn new(cx: &Context<'a>) -> Self {
        Self(Client::new(cx.host))
    }
}

impl<'a> Recorder<'a> {
    /// Records what `step` asks and is not `known`; with `anew`, pages that list versions are brought in any case.
    #[must_use]
    pub fn new(
        cx: &'a Context<'a>,
        network: &'a Network<'a>,
        step: &'a str,
        known: &'a Transcript,
        anew: bool,
    ) -> Self {
        let (upstream, state, sum) = (Upstream::new(cx, &network.0), Mutex::default(), OnceLock::new());
        Self { cx, upstream, step, known, anew, state, sum }
    }

    /// The files of registries that have come so far: what need not be asked for again, should this recording fail. Pages
    /// and hosts of the web may answer something else the next time.
    pub fn files(&self) -> Transcript {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let lasting = |asked: &Asked, answered: &Answered| {
            matches!(asked.place, Place::Registry(..)) && !is_page(asked) && answered.status == 200
        };
        let files = state.transcript.0.iter().filter(|(asked, answered)| lasting(asked, answered));
        Transcript(files.map(|(asked, answered)| (asked.clone(), answered.clone())).collect())
    }

    /// What could not be answered, in the order of the locators.
    pub fn unanswered(&self) -> Vec<InputError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = std::mem::take(&mut state.failed);
        let mut list = Vec::new();
        for (asked, cause) in failed {
            list.push(InputError::recording(&asked, cause));
            state.refused.insert(asked);
        }
        list
    }

    /// What was recorded so far, pages as they came.
    #[must_use]
    pub fn so_far(&self) -> Transcript {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).transcript.clone()
    }

    /// What was recorded, pages reduced to what was fetched.
    ///
    /// # Errors
    /// If a page cannot be made again.
    pub fn finish(self) -> Result<Transcript, InputError> {
        let State { mut transcript, pages, refused, .. } =
            self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let kept = Kept::of(&transcript);
        for asked in pages {
            let recording = |cause| InputError::recording(&asked, cause);
            let brought = self.upstream.bring(&asked, &Sent::default(), &kept, &|_| {}).map_err(recording)?;
            transcript.0.insert(asked, brought.answered);
        }
        for asked in refused {
            let text = format!(
                "`{asked}` was not answered, and the step got on without: so it will be at each build"
            );
            self.cx.warn(text, Some("`selfsame update` asks again".into()));
            let body = self.cx.store.put(b"")?;
            let answered = Answered { status: 502, body, content_type: None, location: None };
            transcript.0.entry(asked).or_insert(answered);
        }
        if let Some(sum) = self.sum.get() {
            sum.finish(Outcome::Done, format!("{} answers", transcript.0.len()));
        }
        Ok(transcript)
    }

    /// Asks for a file at an address, and for those that it leads on to.
    ///
    /// # Errors
    /// If nothing is there.
    pub fn get(&self, url: &str) -> Result<(), InputError> {
        let mut at = url.to_owned();
        for _ in 0..LED_ON {
            let (scheme, rest) = at.split_once("://").unwrap_or(("", ""));
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let plain = path.split('#').next().unwrap_or_default();
            let Some(address) = Address::new(scheme == "https", authority, plain) else { break };
            let request =
                Request { method: "GET".to_owned(), address, headers: Vec::new(), body: Vec::new() };
            let asked = asked_of(&request);
            let answered = match self.find(&asked, &request) {
                Ok(answered) => answered,
                Err(reason) => {
                    return Err(self
                        .unanswered()
                        .into_iter()
                        .next()
                        .unwrap_or(InputError::NoFile { url: at, reason }));
                }
            };
            match answered.location {
                Some(location) if (300..400).contains(&answered.status) => at = location,
                _ if answered.status == 200 => return Ok(()),
                _ => {
                    let reason = format!("it answers {}", answered.status);
                    return Err(InputError::NoFile { url: at, reason });
                }
            }
        }
        Err(InputError::NoFile { url: url.to_owned(), reason: "it leads to no file".to_owned() })
    }

    fn find(&self, asked: &Asked, request: &Request) -> Result<Answered, String> {
        let known = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.transcript.0.get(asked).cloned()
        };
        if let Some(answered) = known {
            return Ok(answered);
        }
        let known = self.known.0.get(asked).filter(|a| self.cx.store.contains(&a.body)).cloned();
        let known = known.filter(|_| !(self.anew && is_page(asked)));
        let answered = match known {
            Some(answered) => answered,
            None => self.bring(asked, request)?,
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failed.remove(asked);
        state.transcript.0.insert(asked.clone(), answered.clone());
        let done = state.transcript.0.len() as u64;
        (self.cx.events)(Event::Advanced { stage: "record", name: self.step.to_owned(), done });
        Ok(answered)
    }

    fn bring(&self, asked: &Asked, request: &Request) -> Result<Answered, String> {
        // Of the tool's own headers a registry's answer must not depend on any; a host's of the web may.
        let passed = match asked.place {
            Place::Url(_) => PASSED,
            Place::Registry(..) => &["accept"],
        };
        // Who asks is for the host alone that is asked, and only where nobody else reads it.
        let who = match &asked.place {
            Place::Url(url) if is_private(url) => Some("authorization"),
            Place::Url(_) | Place::Registry(..) => None,
        };
        let headers = passed
            .iter()
            .copied()
            .chain(who)
            .filter_map(|name| Some((name, request.header(name)?.to_owned())))
            .collect();
        let sent = Sent { headers, body: request.body.clone() };
        let sum = self.sum.get_or_init(|| Sum::new(self.cx, format!("requests of {}", self.step), None));
        let found = self.upstream.bring(asked, &sent, &Kept::default(), &sum.one());
        let kept = found.and_then(|brought| {
            if asked.body.is_some() {
                self.cx.store.put(&request.body)?;
            }
            if brought.page {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.pages.insert(asked.clone());
            }
            Ok(brought.answered)
        });
        kept.map_err(|error| {
            let text = crate::error::chain(&error);
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.failed.insert(asked.clone(), error);
            text
        })
    }
}

/// Whether what is sent to a URL is read by its host alone.
fn is_private(url: &str) -> bool {
    let host = crate::host::host_of(url).unwrap_or_default();
    url.starts_with("https://") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Answers for Recorder<'_> {
    fn knows(&self, host: &str) -> bool {
        // What has no dot is a name of this machine or of its network, and nobody else's.
        host.contains('.')
    }

    fn answer(&self, request: &Request, responder: Responder) -> Option<Responder> {
        let asked = asked_of(request);
        match self.find(&asked, request) {
            Ok(answered) => {
                let mut headers = Vec::new();
                headers.extend(answered.content_type.clone().map(|kind| ("content-type", kind)));
                headers.extend(answered.location.clone().map(|to| ("location", to)));
                let head = Head { status: answered.status, headers, length: Some(answered.body.size) };
                match self.cx.store.open_blob(&answered.body) {
                    Ok(file) => responder.file(file, answered.body.size, head, request.header("range")),
                    Err(error) => responder.text(500, &format!("selfsame: {error}\n")),
                }
            }
            Err(reason) => responder.text(502, &format!("selfsame: {asked}: {reason}\n")),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn who_asks_is_told_to_the_host_alone() {
        for (url, private) in [
            ("https://example.org/a", true),
            ("http://127.0.0.1:8080/a", true),
            ("http://[::1]/a", true),
            ("http://example.org/a", false),
            ("http://127.0.0.1.example.org/", false),
            ("http://localhost.example.org/", false),
        ] {
            assert_eq!(super::is_private(url), private, "{url}");
        }
    }
}
