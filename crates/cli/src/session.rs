//! What every command works with: the home folder, store, ledger, events, and who is asking.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use engine::Cancel;
use engine::attest::Identity;
use engine::job::Job;
use engine::secrets::Secrets;
use ledger::Ledger;
use model::{Event, Timestamp};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use store::Store;

use crate::args::Globals;
use crate::exit;
use crate::failure::{Failure, Lost};
use crate::output::events::Events;

/// How often work is begun again when the store turns out to lack a blob, or finds one damaged: each time, one
/// damaged blob is found.
const TRIES: usize = 16;

/// Only verbs that run steps are given some.
static NO_SECRETS: Secrets = Secrets::none();

/// Everything of a run that is not the recipe.
pub(crate) struct Session {
    pub(crate) home: PathBuf,
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    pub(crate) cancel: Arc<Cancel>,
    /// Name of this run.
    pub(crate) id: String,
    events: Events,
    pub(crate) env: BTreeMap<String, String>,
}

/// The time now.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

impl Session {
    /// Opens home, store and ledger, makes them if they are not there, and listens for Ctrl-C. One that `asks` writes
    /// nothing to the ledger, which may then lie on a full disk.
    pub(crate) fn open(globals: &Globals, asks: bool) -> Result<Self, Failure> {
        let env = environment();
        let home = home(globals.home.as_deref(), &env)?;
        make_private_folder(&home)?;
        let store = Store::open(&home.join("store"))?;
        let path = home.join(LEDGER);
        let ledger = if asks { Ledger::open_to_read(&path) } else { Ledger::open(&path) }?;
        let id = run_id();
        let events = Events::new(
            globals.progress,
            globals.verbose,
            globals.quiet || globals.json,
            event_log(&home, &id),
        );
        let unwatched = |e| Failure::failed(format!("cannot listen for signals: {e}"));
        let cancel = Arc::new(Cancel::new().map_err(unwatched)?);
        listen(&cancel).map_err(unwatched)?;
        Ok(Self { home, store, ledger, cancel, id, events, env })
    }

    /// Tells an event.
    pub(crate) fn tell(&self, event: &Event) {
        self.events.take(event);
    }

    /// Ends the live part of the screen.
    pub(crate) fn quiet_down(&self) {
        self.events.end();
    }

    /// Calls `work` with what the engine needs.
    pub(crate) fn engine<T>(&self, work: impl FnOnce(&engine::Context<'_>) -> T) -> T {
        let events = |event: Event| self.tell(&event);
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        work(&engine::Context {
            store: &self.store,
            ledger: &self.ledger,
            events: &events,
            cancel: &self.cancel,
            clock: &now,
            jobs,
            secrets: &NO_SECRETS,
            degraded: false,
            trace: false,
        })
    }

    /// Calls `work` with what wall one needs.
    pub(crate) fn inputs<T>(&self, dir: &Path, work: impl FnOnce(&inputs::Context<'_>) -> T) -> T {
        self.inputs_from(&[], dir, work)
    }

    /// As [`Session::inputs`], with mirrors that are asked before those of the environment.
    pub(crate) fn inputs_from<T>(
        &self,
        mirrors: &[String],
        dir: &Path,
        work: impl FnOnce(&inputs::Context<'_>) -> T,
    ) -> T {
        let events = |event: Event| self.tell(&event);
        let mut host = inputs::Host::discover(&self.env);
        host.mirrors.splice(0..0, mirrors.iter().cloned());
        work(&inputs::Context { store: &self.store, recipe_dir: dir, events: &events, host: &host })
    }

    /// Calls `work`; while it fails because a blob is missing or was found damaged, calls `bring` and then it again.
    ///
    /// What `bring` meets damaged is no reason to stop either: it is in quarantine, and so brought the next time.
    pub(crate) fn with_inputs<T>(
        &self,
        bring: impl Fn() -> Result<(), Failure>,
        work: impl Fn() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut tries = 0;
        let mut again = |failure: &Failure| {
            tries += 1;
            if failure.lost == Some(Lost::Damaged) {
                let advice = Some("it is put aside, and brought or built again".to_owned());
                self.tell(&Event::Warning { text: failure.sentence(), advice });
            }
            failure.lost.is_some() && tries <= TRIES
        };
        loop {
            match work() {
                Err(failure) if again(&failure) => {}
                result => return result,
            }
            match bring() {
                Err(failure) if !again(&failure) => return Err(failure),
                _ => {}
            }
        }
    }

    /// Brings what the lock of `job` names, unless that is forbidden.
    pub(crate) fn fetch(&self, job: &Job, dir: &Path, offline: bool) -> Result<(), Failure> {
        let context = |cx: &inputs::Context<'_>| {
            if offline && !inputs::need(&job.lock, cx.store).is_empty() {
                let help = "run `selfsame fetch` while there is a network, or go without --offline";
                return Err(Failure::failed("the store lacks inputs, and --offline was given").help(help));
            }
            inputs::fetch(cx, &job.lock, Some(&job.recipe)).map_err(Failure::from)
        };
        self.inputs(dir, context)
    }

    /// Who builds here.
    pub(crate) fn identity(&self, builder: Option<&str>) -> Identity {
        let uname = rustix::system::uname();
        let text = |c: &std::ffi::CStr| c.to_string_lossy().into_owned();
        Identity {
            builder: builder.unwrap_or("https://selfsame.dev/builder/local/v1").to_owned(),
            requester: Some(self.env.get("SELFSAME_REQUESTER").cloned().unwrap_or_else(user)),
            host: attest::provenance::Host {
                arch: text(uname.machine()),
                kernel: format!("{} {}", text(uname.sysname()), text(uname.release())),
            },
        }
    }
}

/// No recipe, lock or key file is larger.
const MAX_TEXT: u64 = 64 << 20;

/// Reads a recipe or lock, which must be UTF-8.
pub(crate) fn read_source(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read_bytes(path)?).map_err(|error| {
        let (at, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let before = String::from_utf8_lossy(&bytes[..at]);
        let (line, column) =
            (before.matches('\n').count() + 1, before.chars().rev().take_while(|c| *c != '\n').count() + 1);
        Failure::invalid(format!("`{}` is not UTF-8", path.display()))
            .line(format!("--> {}:{line}:{column}", path.display()))
            .line(format!("expected UTF-8, found the byte 0x{:02x}", bytes[at]))
            .help("write the file anew as UTF-8")
    })
}

/// Reads a text file; never all of a device that has no end, which a link in a recipe's place may point to.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let text = String::from_utf8(read_bytes(path)?);
    text.map_err(|e| Failure::io("read", path, std::io::Error::new(std::io::ErrorKind::InvalidData, e)))
}

/// Reads a file of any bytes, and no more of it than a text may have.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let read = || {
        let mut text = Vec::new();
        File::open(path)?.take(MAX_TEXT + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MAX_TEXT {
            return Err(std::io::Error::other(format!("it has more than {MAX_TEXT} bytes")));
        }
        Ok(text)
    };
    read().map_err(|e| Failure::io("read", path, e))
}

/// Reads a bundle, if it is there, and no more of it than a bundle can have.
pub(crate) fn read_bundle(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    use std::io::Read as _;
    let read = || {
        // A pipe would be waited for, a device read for ever.
        if !fs::metadata(path)?.is_file() {
            return Err(std::io::Error::other("it is not a file"));
        }
        let mut bytes = Vec::new();
        // One byte more than is allowed, so that it is refused as too long and not as cut.
        File::open(path)?.take(attest::bundle::MAX_SIZE as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::io("read", path, e)),
    }
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|e| Failure::io("make", path, e))
}

/// Makes a folder that is its user's matter alone, and those above it.
pub(crate) fn make_private_folder(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|e| Failure::io("make", path, e))
}

/// The ledger's file in a home.
pub(crate) const LEDGER: &str = "ledger.sqlite";

/// The variables of the environment that are text.
pub(crate) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// Where everything of this user is.
pub(crate) fn home(given: Option<&Path>, env: &BTreeMap<String, String>) -> Result<PathBuf, Failure> {
    if let Some(path) = given {
        return std::path::absolute(path).map_err(|e| Failure::io("find", path, e));
    }
    let set = |name: &str| env.get(name).filter(|v| v.starts_with('/')).map(PathBuf::from);
    set("XDG_DATA_HOME")
        .or_else(|| set("HOME").map(|h| h.join(".local/share")))
        .map(|data| data.join("selfsame"))
        .ok_or_else(|| Failure::failed("there is no home folder: HOME is not set").help("give --home DIR"))
}

/// A name for this run: when it began, and four digits that tell two of one second apart.
fn run_id() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = now().to_string().replace(['-', ':'], "");
    let mark = model::Digest::of(format!("{} {}", std::process::id(), since.as_nanos()).as_bytes());
    format!("{at}-{}", &mark.hex()[..8])
}

/// Who runs this: the name that the machine has for the user id, else the id. Not `USER`, which anyone may set.
pub(crate) fn user() -> String {
    let id = rustix::process::getuid().as_raw().to_string();
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {id}"))
}

/// The event log of this run; without one if it cannot be made.
fn event_log(home: &Path, id: &str) -> Option<File> {
    let folder = home.join("runs");
    fs::create_dir_all(&folder).ok()?;
    File::create(folder.join(format!("{id}.jsonl"))).ok()
}

/// A signal stops what runs in the sandbox at once; what still runs two seconds later ends with the process, which
/// leaves nothing broken: the store takes only whole things.
fn listen(cancel: &Arc<Cancel>) -> std::io::Result<()> {
    let cancel = Arc::clone(cancel);
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let stop = move || {
        let mut end = None;
        for signal in signals.forever() {
            exit::stopped_by(signal);
            cancel.cancel();
            #[expect(clippy::exit, reason = "somebody asked for the end, and nothing needs to be cleaned up")]
            let last = move || std::process::exit(128 + signal);
            if end.is_some() {
                last();
            }
            end = Some(std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_secs(2));
                last();
            }));
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(stop).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_end_is_not_read_for_ever() {
        assert!(read_text(Path::new("/dev/zero")).unwrap_err().sentence().contains("more than"));
    }

    #[test]
    fn a_bundle_is_a_file_and_no_device() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read_bundle(Path::new("/dev/zero")).unwrap_err().sentence().contains("not a file"));
        assert!(read_bundle(dir.path()).is_err());
        assert!(read_bundle(&dir.path().join("none")).unwrap().is_none());
        let path = dir.path().join("bundle");
        File::create(&path).unwrap().set_len(attest::bundle::MAX_SIZE as u64 * 2).unwrap();
        assert_eq!(read_bundle(&path).unwrap().unwrap().len(), attest::bundle::MAX_SIZE + 1);
    }
}
