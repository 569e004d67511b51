//! Requests that send something: one attempt, one answer, whatever its status but 401.
//!
//! Redirections are answers too: nothing that is sent follows one. Bodies are streamed, with their length said before.

use std::io::Read;
use std::time::Duration;

use ureq::http::{HeaderMap, Request, Response};
use ureq::{Agent, Body, SendBody};

use super::{ATTEMPTS, Client, HttpError, says_who};

/// How long a server may take to do something with what it was sent before it answers: to put a large blob in its place.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long it may take nothing of what is sent.
const STALLED: Duration = Duration::from_secs(60);
/// How long it may take to answer what is no trouble to it.
const PROMPT: Duration = Duration::from_secs(60);

/// A request.
#[derive(Debug)]
pub(crate) struct Sending<'a> {
    pub(crate) method: &'static str,
    pub(crate) url: &'a str,
    /// Name, value.
    pub(crate) headers: Vec<(&'a str, &'a str)>,
    pub(crate) body: &'a [u8],
    /// Whether what the host has of credentials for the URL may go along.
    pub(crate) known: bool,
}

/// The answer to it.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    headers: HeaderMap,
    /// Its first bytes, as many as were wanted.
    pub(crate) body: Vec<u8>,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// When to try again: the host's schedule, begun anew whenever something was achieved, but not for ever.
pub(crate) struct Patience<'a> {
    retry: &'a [Duration],
    next: usize,
    pub(crate) attempts: usize,
}

impl Patience<'_> {
    /// Waits before another attempt; false if there is to be none.
    pub(crate) fn wait(&mut self) -> bool {
        self.attempts += 1;
        match self.retry.get(self.next).filter(|_| self.attempts < ATTEMPTS) {
            Some(wait) => {
                std::thread::sleep(*wait);
                self.next += 1;
                true
            }
            None => false,
        }
    }

    /// Something was achieved.
    pub(crate) fn renew(&mut self) {
        self.next = 0;
    }
}

impl Client<'_> {
    pub(crate) fn patience(&self) -> Patience<'_> {
        Patience { retry: &self.retry, next: 0, attempts: 0 }
    }

    /// Sends once; keeps at most `most` bytes of the answer's body. 401 is [`HttpError::Unauthorized`], any other status an
    /// answer.
    pub(crate) fn send(&self, sending: &Sending<'_>, most: u64) -> Result<Heard, HttpError> {
        let mut body = sending.body;
        let length = body.len() as u64;
        self.send_from(sending, &mut body, length, most)
    }

    /// As [`Client::send`], again after connection errors, 408, 429 and 5xx: for what may arrive twice. The last such status
    /// is an answer.
    pub(crate) fn send_again(&self, sending: &Sending<'_>, most: u64) -> Result<Heard, HttpError> {
        let mut patience = self.patience();
        loop {
            match self.send(sending, most) {
                Ok(heard) if matches!(heard.status, 408 | 429 | 500..=599) => {
                    if !patience.wait() {
                        return Ok(heard);
                    }
                }
                Err(HttpError::Transport { url, cause, .. }) => {
                    if !patience.wait() {
                        return Err(HttpError::Transport { url, attempts: patience.attempts, cause });
                    }
                }
                other => return other,
            }
        }
    }

    /// As [`Client::send`], with `length` bytes of `reader` for a body.
    pub(crate) fn send_from(
        &self,
        sending: &Sending<'_>,
        reader: &mut dyn Read,
        length: u64,
        most: u64,
    ) -> Result<Heard, HttpError> {
        let Sending { method, url, headers, known, .. } = sending;
        let wrong = |reason: String| HttpError::Url { url: (*url).to_owned(), reason };
        let broken =
            |cause| HttpError::Transport { url: (*url).to_owned(), attempts: 1, cause: Box::new(cause) };
        let mut request = Request::builder().method(*method).uri(*url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = self.host.authorization(url).filter(|_| *known && !says_who(headers)) {
            request = request.header("authorization", authorization);
        }
        let agent = self.agent(url)?;
        let answer = if matches!(*method, "GET" | "HEAD") {
            once(&agent, request.body(SendBody::none()).map_err(|e| wrong(e.to_string()))?)
        } else {
            let request = request.header("content-length", length).body(SendBody::from_reader(reader));
            once(&agent, request.map_err(|e| wrong(e.to_string()))?)
        };
        let response = match answer {
            Ok(response) => response,
            Err(ureq::Error::BadUri(reason)) => return Err(wrong(reason)),
            Err(cause) => return Err(broken(cause)),
        };
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        if status == 401 {
            let challenge = parts.headers.get("www-authenticate").and_then(|v| v.to_str().ok());
            let challenge = challenge.unwrap_or_default().to_owned();
            return Err(HttpError::Unauthorized { url: (*url).to_owned(), challenge });
        }
        let mut kept = Vec::new();
        let mut reader = body.into_reader().take(most);
        reader.read_to_end(&mut kept).map_err(|cause| broken(ureq::Error::Io(cause)))?;
        Ok(Heard { status, headers: parts.headers, body: kept })
    }
}

/// One attempt, in which nothing is followed.
fn once(agent: &Agent, request: Request<SendBody<'_>>) -> Result<Response<Body>, ureq::Error> {
    let sends = matches!(request.method().as_str(), "PUT" | "PATCH");
    let patience = if sends { PATIENCE } else { PROMPT };
    let request = agent
        .configure_request(request)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_recv_response(Some(patience))
        .timeout_per_read(Some(patience))
        .timeout_per_write(Some(STALLED))
        .build();
    agent.run(request)
}
