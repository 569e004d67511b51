//! No secret of a step reaches what is recorded of it: not the lines of the lock, not the store.
//!
//! A request is looked at before anybody is asked: its method, place and the headers that a line keeps, and what it sends
//! along. An answer is looked at when it has come, and taken out of the store again. The header `Authorization` is in
//! neither, and the way to use a secret here.

use std::sync::{Mutex, PoisonError};

use gateway::{Answers, Request, Responder, asked_of};
use model::Digest;
use model::recipe::Step;
use model::transcript::{Exchange, Transcript};

use crate::secrets::Guard;
use crate::{BuildError, Context};

/// Somebody who answers, behind a look at each request.
pub(crate) struct Screen<'a> {
    inner: &'a dyn Answers,
    guard: &'a Guard,
    /// The first secret that was found, and where.
    found: Mutex<Option<(String, String)>>,
}

impl<'a> Screen<'a> {
    pub(crate) fn new(inner: &'a dyn Answers, guard: &'a Guard) -> Self {
        Self { inner, guard, found: Mutex::default() }
    }

    /// The error that stands for the first request that was not let through.
    pub(crate) fn refused(&self, step: &str) -> Result<(), BuildError> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((secret, place)) = found else { return Ok(()) };
        Err(BuildError::Recorded { step: step.to_owned(), secret, place })
    }
}

impl Answers for Screen<'_> {
    fn knows(&self, host: &str) -> bool {
        // A name that is looked up would be asked of the host's name server.
        self.guard.search().is_none_or(|search| search.first(host.as_bytes()).is_none())
            && self.inner.knows(host)
    }

    fn answer(&self, request: &Request, responder: Responder) -> Option<Responder> {
        let Some(search) = self.guard.search() else { return self.inner.answer(request, responder) };
        let asked = asked_of(request);
        let kept = [Some(asked.to_string()), asked.accept.clone(), asked.git_protocol.clone()];
        let line = kept.iter().flatten().find_map(|text| search.first(text.as_bytes()));
        let Some(secret) = line.or_else(|| search.first(&request.body)) else {
            return self.inner.answer(request, responder);
        };
        let place = format!("the request `{}`", self.guard.text(&asked.to_string()));
        responder.text(403, &format!("selfsame: {place} holds the secret `{secret}`\n"));
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get_or_insert((secret, place));
        None
    }
}

/// Looks for the step's secrets in what was recorded of it; bodies that hold one are removed from the store.
///
/// # Errors
/// At the first exchange that holds one, or if a body cannot be looked through.
pub fn screen(cx: &Context<'_>, step: &Step, recorded: &Transcript) -> Result<(), BuildError> {
    let guard = Guard::new(cx.secrets, step);
    let Some(search) = guard.search() else { return Ok(()) };
    let mut first = None;
    for (asked, answered) in &recorded.0 {
        let place = || format!("the answer to `{}`", guard.text(&asked.to_string()));
        let line = Exchange { asked: asked.clone(), answered: answered.clone() }.to_string();
        let headers = [answered.content_type.as_deref(), answered.location.as_deref()];
        let texts = headers.into_iter().flatten().chain([line.as_str()]);
        let mut found = texts.map(str::as_bytes).find_map(|text| search.first(text));
        for body in [Some(answered.body), asked.body].into_iter().flatten() {
            let held = held(cx, search, &body).map_err(|error| BuildError::Recorded {
                step: step.name.clone(),
                secret: step.secrets.join("`, `"),
                place: format!("perhaps ({error}) {}", place()),
            });
            if let Some(secret) = held? {
                cx.store.discard(&body)?;
                found.get_or_insert(secret);
            }
        }
        if let (None, Some(secret)) = (&first, found) {
            first = Some(BuildError::Recorded { step: step.name.clone(), secret, place: place() });
        }
    }
    first.map_or(Ok(()), Err)
}

fn held(
    cx: &Context<'_>,
    search: &crate::secrets::Search,
    body: &Digest,
) -> Result<Option<String>, std::io::Error> {
    if !cx.store.contains(body) {
        return Ok(None);
    }
    let file = cx.store.open_blob(body).map_err(std::io::Error::other)?;
    search.whole(&file, cx.cancel)
}
