//! Asking the host whether it can run a sandbox, by trying it.

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;

use serde::{Deserialize, Serialize};

use crate::error::{Failure, Stage};
use crate::filter::{Filter, Listener, Topics};
use crate::job::{Command, Ids, Job, Report, Source, Stack};
use crate::layout::Layout;
use crate::message::Message;
use crate::run::{self, Channels};
use crate::supervise::receive;
use crate::{Mode, SandboxError, inside, refusal};

/// What this host can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Support {
    /// How sandboxes are set up here.
    pub mode: Mode,
    /// Whether other users' processes can be hidden in `/proc`.
    pub hidepid: bool,
}

/// Tries everything that hosts are known to refuse: namespaces, id maps, an overlay, `/proc`, a new root.
///
/// # Errors
/// [`SandboxError::Refused`] with the cause and the command that fixes it.
pub fn probe() -> Result<Support, SandboxError> {
    let mode = run::mode();
    let privileged = mode == Mode::Privileged;
    let channels = Channels::new(false, privileged)?;
    let nothing = || Source::Path(c"/".to_owned());
    let ids = Ids::new(1000, 1000, privileged);
    let owner = ids.owner();
    let job = Job {
        ids,
        root: nothing(),
        work: nothing(),
        scratch: nothing(),
        layout: Layout {
            entries: Vec::new(),
            private: Vec::new(),
            world: Vec::new(),
            random: Vec::new(),
            build: c"build".to_owned(),
            etc: false,
        },
        time: 0,
        hostname: Vec::new(),
        umask: 0o022,
        cpus: 1,
        first_cpu: 0,
        memory: None,
        command: Command::new(&["/".into()], &BTreeMap::new())?,
        secrets: Vec::new(),
        descriptors: channels.inherited(),
        trace: false,
        look: false,
        owner,
        process_ids_after: 2,
        random_addresses: false,
        domain: Vec::new(),
        filter: Filter::new(Topics::default(), Listener::None),
        unwatched: Filter::new(Topics::default(), Listener::None),
        report: Report::new(),
        stack: Stack::new(),
        network_stack: Stack::new(),
    };
    let mut child = run::start(&job, inside::probe)?;
    run::map_ids(&job, child.pid(), channels.socket.as_raw_fd())?;
    child.wait();
    let mut bytes = [0; 64];
    let received = receive(&channels.socket, &mut bytes).map_or(0, |(length, _)| length);
    match Message::decode(&bytes[..received]) {
        Some(Message::Ready { hidepid, .. }) => Ok(Support { mode, hidepid }),
        Some(Message::Failed(Failure { stage, errno, .. })) => {
            Err(refusal::setup(stage, String::new(), errno))
        }
        _ => Err(refusal::setup(Stage::Supervise, String::new(), libc::ECHILD)),
    }
}
