//! Requests that are passed on for somebody else: what is answered is an answer, be it a redirection or a refusal.
//!
//! They are tried again as downloads are. An answer to a plain `GET` that breaks is continued where it broke, if its server
//! says by what it can tell that it is still the same; any other one is asked for anew, whole.

use std::io::Read;

use model::Digest;
use store::Store;

use super::{ATTEMPTS, Blob, Client, HttpError, Sink as _, says_who, strong_validator};

/// A request that is passed on.
#[derive(Debug)]
pub(crate) struct Passed<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    /// Name, value.
    pub(crate) headers: Vec<(&'static str, &'a str)>,
    pub(crate) body: &'a [u8],
}

/// The answer to it; its body is in the store, without any encoding of its transfer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) body: Digest,
}

/// What is said of an answer before its body.
#[derive(Debug, Clone)]
struct Head {
    status: u16,
    content_type: Option<String>,
    location: Option<String>,
}

/// The beginning of an answer that broke, and can be continued.
struct Begun<'a> {
    head: Head,
    validator: String,
    blob: Blob<'a>,
}

/// What became of one attempt.
enum Once {
    Answered(Reply),
    Broken(ureq::Error),
}

impl Client<'_> {
    /// Passes a request on, its body of at most `limit` bytes into the store. What the host has of credentials goes along.
    /// Connection errors, 408, 429 and 5xx are tried again on the host's schedule; the last 5xx is an answer. `progress`
    /// hears how many bytes have come.
    pub(crate) fn pass(
        &self,
        passed: &Passed<'_>,
        limit: u64,
        store: &Store,
        progress: &dyn Fn(u64),
    ) -> Result<Reply, HttpError> {
        let mut waits = self.retry.iter();
        let mut attempts = 0;
        let mut begun: Option<Begun<'_>> = None;
        loop {
            attempts += 1;
            let before = begun.as_ref().map_or(0, |begun| begun.blob.done);
            let once = self.pass_once(passed, limit, store, &mut begun, progress)?;
            if begun.as_ref().is_some_and(|begun| begun.blob.done > before) {
                waits = self.retry.iter();
            }
            let wait = waits.next().filter(|_| attempts < ATTEMPTS);
            match (once, wait) {
                (Once::Answered(reply), None) => return Ok(reply),
                (Once::Answered(reply), _) if !matches!(reply.status, 408 | 429 | 500..=599) => {
                    return Ok(reply);
                }
                (Once::Answered(_) | Once::Broken(_), Some(wait)) => std::thread::sleep(*wait),
                (Once::Broken(cause), None) => {
                    let (url, cause) = (passed.url.to_owned(), Box::new(cause));
                    return Err(HttpError::Transport { url, attempts, cause });
                }
            }
        }
    }

    fn pass_once<'s>(
        &self,
        passed: &Passed<'_>,
        limit: u64,
        store: &'s Store,
        begun: &mut Option<Begun<'s>>,
        progress: &'s dyn Fn(u64),
    ) -> Result<Once, HttpError> {
        let Passed { method, url, headers, body } = passed;
        let wrong = |reason: String| HttpError::Url { url: (*url).to_owned(), reason };
        let mut request = ureq::http::Request::builder().method(*method).uri(*url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = self.host.authorization(url).filter(|_| !says_who(headers)) {
            request = request.header("authorization", authorization);
        }
        if let Some(Begun { validator, blob, .. }) = &begun {
            request = request.header("range", format!("bytes={}-", blob.done)).header("if-range", validator);
        }
        let request = request.body(*body).map_err(|e| wrong(e.to_string()))?;
        let agent = self.agent(url)?;
        let request = agent
            .configure_request(request)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .allow_non_standard_methods(true)
            .build();
        let response = match agent.run(request) {
            Ok(response) => response,
            Err(ureq::Error::BadUri(reason)) => return Err(wrong(reason)),
            Err(cause) => return Ok(Once::Broken(cause)),
        };
        let header =
            |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let status = response.status().as_u16();
        let packed = header("content-encoding").is_some_and(|e| !e.eq_ignore_ascii_case("identity"));
        let gzip = header("content-encoding").is_some_and(|e| e.eq_ignore_ascii_case("gzip"));
        let length = header("content-length").and_then(|v| v.parse::<u64>().ok()).filter(|_| !gzip);
        let (head, mut blob, validator) = match begun.take() {
            Some(Begun { head, validator, blob }) if status == 206 => {
                let range = header("content-range").unwrap_or_default();
                if packed || !range.starts_with(&format!("bytes {}-", blob.done)) {
                    return Ok(Once::Broken(ureq::Error::StatusCode(status)));
                }
                (head, blob, Some(validator))
            }
            Some(_) if status == 416 => return Ok(Once::Broken(ureq::Error::StatusCode(status))),
            _ => {
                let head =
                    Head { status, content_type: header("content-type"), location: header("location") };
                let whole = *method == "GET" && body.is_empty() && status == 200 && !packed;
                let validator = strong_validator(header).filter(|_| whole && length.is_some());
                (head, Blob { store, writer: store.writer()?, done: 0, progress }, validator)
            }
        };
        let Some(end) = length.map_or(Some(None), |n| blob.done.checked_add(n).map(Some)) else {
            return Err(HttpError::TooLarge { url: (*url).to_owned(), limit });
        };
        let reader = response.into_body().into_reader();
        let mut reader: Box<dyn Read> =
            if gzip { Box::new(flate2::read::MultiGzDecoder::new(reader)) } else { Box::new(reader) };
        let mut buffer = vec![0; 64 * 1024];
        let broken = loop {
            match reader.read(&mut buffer) {
                Ok(0) if end.is_none_or(|n| n == blob.done) => {
                    let Head { status, content_type, location } = head;
                    let body = blob.writer.finish()?;
                    return Ok(Once::Answered(Reply { status, content_type, location, body }));
                }
                Ok(0) => break std::io::ErrorKind::UnexpectedEof.into(),
                Ok(count) => {
                    blob.take(&buffer[..count])?;
                    if blob.done > limit {
                        return Err(HttpError::TooLarge { url: (*url).to_owned(), limit });
                    }
                }
                Err(cause) => break cause,
            }
        };
        *begun = validator.filter(|_| blob.done > 0).map(|validator| Begun { head, validator, blob });
        Ok(Once::Broken(ureq::Error::Io(broken)))
    }
}
