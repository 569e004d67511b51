//! Asking the host whether it can run a sandbox, by trying it.

mod survey;
mod tried;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::OnceLock;

use model::Limits;
use serde::{Deserialize, Serialize};

use crate::achieved::Lacks;
use crate::error::{Failure, Stage};
use crate::filter::{Filter, Listener, Topics};
use crate::job::{Command, Files, Ids, Job, Report, Source, Stack, path_text};
use crate::layout::Layout;
use crate::message::Message;
use crate::own::Users;
use crate::run::{self, Channels};
use crate::supervise::receive;
use crate::{Mode, SandboxError, inside, kernel, refusal};

pub use survey::{Row, State};

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
    attempt(Lacks::default()).map_err(|(_, error)| error)
}

/// The layers that a degraded sandbox does without on this host, with its files below `store`, by the words of
/// [`survey`]. None: it is as good as a sealed one.
///
/// # Errors
/// [`SandboxError::Refused`] where it cannot do without what is refused.
pub fn lacking(store: &Path) -> Result<Vec<String>, SandboxError> {
    lacks(store).map(Lacks::words)
}

/// As [`lacking`]; the host is asked once.
pub(crate) fn lacks(place: &Path) -> Result<Lacks, SandboxError> {
    static REFUSED: OnceLock<Lacks> = OnceLock::new();
    let mut lacks = match REFUSED.get() {
        Some(known) => *known,
        None => {
            let found = refused()?;
            *REFUSED.get_or_init(|| found)
        }
    };
    let disk = path_text(place).ok().and_then(|path| kernel::file_system(&path).ok());
    lacks.overlay |= disk.is_some_and(|(kind, ..)| survey::is_unfit(kind));
    Ok(lacks)
}

/// Leaves out what is refused until the rest can be had.
fn refused() -> Result<Lacks, SandboxError> {
    let mut lacks = Lacks::default();
    loop {
        let Err((stage, error)) = attempt(lacks) else { return Ok(lacks) };
        let layer = match stage {
            Stage::Network | Stage::Loopback => &mut lacks.network,
            Stage::Proc => &mut lacks.proc,
            Stage::Build => &mut lacks.overlay,
            Stage::Addresses => &mut lacks.addresses,
            _ => return Err(error),
        };
        if std::mem::replace(layer, true) {
            return Err(error);
        }
    }
}

/// Everything that a sandbox uses or could use of this host, for a store at `store`: what is there, what is not, and
/// what would fix it. A sealed build can run here if nothing that is [`Row::needed`] is [`State::Missing`].
#[must_use]
pub fn survey(store: &Path) -> Vec<Row> {
    // It may not have been made yet.
    let place = store.ancestors().find(|place| place.exists()).unwrap_or(Path::new("/"));
    let disk = path_text(place).ok().and_then(|path| kernel::file_system(&path).ok());
    let opens = |path: &str| match fs::OpenOptions::new().read(true).write(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.raw_os_error().unwrap_or(libc::EIO)),
    };
    survey::rows(&survey::Facts {
        read: &|path| fs::read_to_string(path).ok(),
        writable: &|path| CString::new(path).is_ok_and(|path| kernel::writable(&path)),
        opens: &opens,
        sandbox: attempt(Lacks::default()),
        mode: run::mode(),
        tried: tried::tried(),
        users: Users::found(),
        own: std::process::id(),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        disk: (place.display().to_string(), disk),
    })
}

/// Sets one up; the step that fails, with the error.
fn attempt(lacks: Lacks) -> Result<Support, (Stage, SandboxError)> {
    let early = |error| (Stage::Prepare, error);
    let mode = run::mode();
    let privileged = mode == Mode::Privileged;
    let channels = Channels::new(false, None).map_err(early)?;
    let nothing = || Source::Path(c"/".to_owned());
    let ids = Ids::new(1000, 1000, privileged);
    let owner = ids.owner();
    let job = Job {
        ids,
        files: Files::Trees { root: nothing(), work: nothing() },
        scratch: nothing(),
        keep: channels.keep([]),
        layout: Layout {
            entries: Vec::new(),
            private: Vec::new(),
            world: Vec::new(),
            names: Vec::new(),
            random: Vec::new(),
            build: c"build".to_owned(),
            etc: false,
        },
        time: 0,
        hostname: Vec::new(),
        umask: 0o022,
        cpus: 1,
        first_cpu: 0,
        limits: Limits::default(),
        watched: None,
        cgroup: false,
        room: None,
        command: Command::new(&["/".into()], &BTreeMap::new()).map_err(early)?,
        secrets: Vec::new(),
        gateway: false,
        descriptors: channels.inherited(),
        lacks,
        trace: false,
        look: false,
        owner,
        process_ids_after: 2,
        random_addresses: false,
        domain: Vec::new(),
        filter: Filter::new(Topics::default(), Listener::None, owner.inside),
        unwatched: Filter::new(Topics::default(), Listener::None, owner.inside),
        may_go_unwatched: false,
        report: Report::new(),
        stack: Stack::new(),
        network_stack: Stack::new(),
    };
    let mut child = run::start(&job, inside::probe, None).map_err(|error| (Stage::Clone, error))?;
    run::map_ids(&job, child.pid(), channels.socket.as_raw_fd()).map_err(|error| (Stage::MapIds, error))?;
    child.wait();
    let mut bytes = [0; 64];
    let received = receive(&channels.socket, &mut bytes).map_or(0, |(length, _)| length);
    match Message::decode(&bytes[..received]) {
        Some(Message::Ready { hidepid, .. }) => Ok(Support { mode, hidepid }),
        Some(Message::Failed(Failure { stage, errno, .. })) => {
            Err((stage, refusal::setup(stage, String::new(), errno)))
        }
        _ => Err((Stage::Supervise, refusal::setup(Stage::Supervise, String::new(), libc::ECHILD))),
    }
}
