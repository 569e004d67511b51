//! Answers from a transcript, and nothing else.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;

use model::Digest;
use model::ecosystem::Ecosystem;
use model::transcript::{Asked, Place, Transcript, chooses};

use crate::respond::{Head, Responder};
use crate::{Answers, Request, place_of};

/// Opens the bytes of a digest.
type Open<'a> = &'a (dyn Fn(&Digest) -> io::Result<File> + Sync);

/// A transcript that answers.
pub struct Replay<'a> {
    transcript: &'a Transcript,
    hosts: BTreeSet<String>,
    open: Open<'a>,
}

/// What a transcript has of a request.
#[must_use]
pub fn asked_of(request: &Request) -> Asked {
    Asked {
        place: place_of(&request.address),
        method: request.method.clone(),
        accept: request.header("accept").filter(|accept| chooses(accept)).map(str::to_owned),
        git_protocol: request.header("git-protocol").map(str::to_owned),
        body: (!request.body.is_empty()).then(|| Digest::of(&request.body)),
    }
}

impl<'a> Replay<'a> {
    /// Replays `transcript` to a step that uses `uses`.
    pub fn new(transcript: &'a Transcript, uses: &[Ecosystem], open: Open<'a>) -> Self {
        let recorded = transcript.0.keys().filter_map(|asked| match &asked.place {
            Place::Registry(..) => None,
            Place::Url(url) => {
                let authority = url.split_once("://")?.1.split(['/', '?']).next()?;
                let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
                Some(host.to_ascii_lowercase())
            }
        });
        let registries = uses.iter().filter_map(|e| e.host()).map(str::to_owned);
        Self { transcript, hosts: recorded.chain(registries).collect(), open }
    }
}

impl Answers for Replay<'_> {
    fn knows(&self, host: &str) -> bool {
        self.hosts.contains(host)
    }

    fn answer(&self, request: &Request, responder: Responder) -> Option<Responder> {
        let Some(answered) = self.transcript.0.get(&asked_of(request)) else { return Some(responder) };
        let mut headers = Vec::new();
        if let Some(kind) = &answered.content_type {
            headers.push(("content-type", kind.clone()));
        }
        if let Some(location) = &answered.location {
            headers.push(("location", location.clone()));
        }
        let head = Head { status: answered.status, headers, length: Some(answered.body.size) };
        match (self.open)(&answered.body) {
            Ok(file) => responder.file(file, answered.body.size, head, request.header("range")),
            Err(error) => {
                responder.text(500, &format!("selfsame: {} cannot be read: {error}\n", answered.body));
            }
        }
        None
    }
}
