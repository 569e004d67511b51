//! The network of a step that fetches: a gateway behind the doors of its sandbox.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use gateway::{Answers, Authority};
use model::action::Action;
use model::recipe::Step;
use model::transcript::Transcript;
use model::violation::{Kind, Violation};
use sandbox::{Cancel, Doors, Gateway, Who};
use store::StoreError;

use crate::{BuildError, Context};

/// So many different requests that are none of the declared are told; a build that asks for more has said enough.
const MOST: usize = 256;

/// A gateway for one run of a step.
pub(crate) struct Network<'a> {
    authority: Arc<Authority>,
    answers: &'a dyn Answers,
}

impl<'a> Network<'a> {
    /// Its authority follows from the toolchain, which the action's digest has.
    pub(crate) fn new(step: &Step, action: &Action, answers: &'a dyn Answers) -> Result<Self, BuildError> {
        let authority = Authority::new(action.toolchain.to_string().as_bytes())
            .map_err(|source| BuildError::Gateway { step: step.name.clone(), reason: source.to_string() })?;
        Ok(Self::of(authority, answers))
    }

    /// Of a given authority.
    pub(crate) fn of(authority: Authority, answers: &'a dyn Answers) -> Self {
        Self { authority: Arc::new(authority), answers }
    }
}

impl Gateway for Network<'_> {
    fn knows(&self, name: &str) -> bool {
        self.answers.knows(name)
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        self.authority.files()
    }

    fn serve(&self, doors: Doors, who: &Who, end: &Cancel) -> Vec<Violation> {
        let seen: Mutex<Vec<Violation>> = Mutex::default();
        let undeclared = |peer: SocketAddr, what: &str| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let room = seen.len() < MOST;
            match seen.iter_mut().find(|v| v.what == what) {
                Some(known) => known.count += 1,
                None if room => {
                    let (kind, what) = (Kind::Network, what.to_owned());
                    seen.push(Violation { kind, what, by: who.is(peer), count: 1 });
                }
                None => {}
            }
        };
        let Doors { http, https, proxy } = doors;
        let doors = gateway::Doors { http, https, proxy };
        if let Err(error) = gateway::serve(doors, &self.authority, self.answers, || end.wait(), &undeclared) {
            undeclared(SocketAddr::from(([0, 0, 0, 0], 0)), &format!("the gateway: {error}"));
        }
        seen.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The transcript that an action replays; `None` for one that fetches nothing.
pub(crate) fn transcript(cx: &Context<'_>, action: &Action) -> Result<Option<Transcript>, BuildError> {
    let Some(digest) = action.transcript else { return Ok(None) };
    let text = String::from_utf8(cx.store.read(&digest)?).unwrap_or_default();
    // Its digest is that of the lines of a lock that was read, so this is one.
    let transcript = Transcript::from_lines(text.lines()).unwrap_or_default();
    for body in transcript.bodies() {
        if !cx.store.contains(&body) {
            return Err(StoreError::Missing { digest: body }.into());
        }
    }
    Ok(Some(transcript))
}
