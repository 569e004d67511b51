//! Who answers a request, and what a request is.

use crate::Responder;
use crate::request::Address;

/// One request of a step, whole.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST`, …; a `HEAD` comes as a `GET`, and its answer's body is not sent.
    pub method: String,
    /// Of what.
    pub address: Address,
    /// Headers by lower-case name; of several of one name the first.
    pub headers: Vec<(String, String)>,
    /// What was sent along.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header, by its lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Answers the requests of a step. Called from several threads at once.
pub trait Answers: Sync {
    /// Whether a host of that name (lower case, without port) is there at all.
    fn knows(&self, host: &str) -> bool;

    /// Answers a request. It may take its time and write the body piece by piece; a responder that is dropped before
    /// its body is whole breaks the connection, so that nobody takes a part for the whole. For a request that is none of
    /// the declared, the responder comes back.
    fn answer(&self, request: &Request, responder: Responder) -> Option<Responder>;
}
