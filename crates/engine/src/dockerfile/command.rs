//! `RUN`: a command over the layers of its stage, as a step of its own: known by its action, run in the sandbox, recorded
//! when it is locked, and answered from that record ever after.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use artifact::oci::{self, What};
use gateway::{Answers, Replay, Request, Responder};
use model::action::{Action, ActionResult, Encoded};
use model::dockerfile::{self, Network, Origin};
use model::ecosystem::{self, Ecosystem};
use model::lock::LockedStep;
use model::recipe::Step;
use model::tree::{Node, Tree};
use model::violation::Policies;
use model::{Conditions, Digest, Limits, RelPath, Sha256};
use sandbox::{Exit, Files, Gateway, Image, Io, Mount, Spec};
use serde_json::{Value, json};

use super::files::open;
use super::layer::{Filled, TIME, pack, put_all};
use super::road::Road;
use super::{Failed, Stage, road, rule, user};
use crate::error::FailedStep;
use crate::execute::Executed;
use crate::layers::{About, Entries, Layer, LayerError, Put, Source, View, Writer, written};
use crate::log::Log;
use crate::network;
use crate::observation::{OBSERVATIONS, Observation};
use crate::record::Screen;
use crate::secrets::Guard;
use crate::tell::{judge, less_sealed};
use crate::{BuildError, Context, failed, hint};

/// A command that takes longer is ended.
const TIMEOUT: Duration = Duration::from_secs(3600);
/// Where programs that stand in the Dockerfile lie.
const PROGRAMS: &str = "/run/selfsame/programs";

/// A command that can be run.
pub(super) struct Command<'a> {
    pub(super) cx: &'a Context<'a>,
    /// What the lock and everybody who is told call it.
    pub(super) name: &'a str,
    pub(super) run: &'a dockerfile::Run,
    pub(super) stage: &'a Stage,
    pub(super) mounts: Vec<Mounted<'a>>,
    /// Those that it may have and that are given, or that it needs.
    pub(super) secrets: Vec<Secret<'a>>,
    pub(super) conditions: &'a Conditions,
    pub(super) isa: &'a str,
    pub(super) policies: Policies,
}

/// A secret of a command.
pub(super) struct Secret<'a> {
    pub(super) id: &'a str,
    /// The file, absolute.
    pub(super) target: Option<&'a str>,
    /// The variable.
    pub(super) env: Option<&'a str>,
}

/// A mount, and what lies in it.
pub(super) struct Mounted<'a> {
    pub(super) target: String,
    pub(super) writable: bool,
    /// Names what lies in it.
    pub(super) digest: Digest,
    /// That itself: looked for only when the command runs.
    pub(super) fill: Box<dyn Fn() -> Result<Filled, Failed> + 'a>,
}

impl Command<'_> {
    /// The step that it is to everybody who knows steps.
    pub(super) fn step(&self) -> Step {
        let text = self.run.argv.last().cloned().unwrap_or_default();
        Step {
            name: self.name.to_owned(),
            inputs: BTreeMap::new(),
            run: vec![text.clone()],
            outputs: vec![layer(), diff_id()],
            env: BTreeMap::new(),
            uses: if self.is_offline() { Vec::new() } else { Ecosystem::ALL.to_vec() },
            record: vec![text],
            secrets: self.names(),
            timeout: TIMEOUT,
            limits: Limits::default(),
            normalize: std::collections::BTreeSet::new(),
            policies: self.policies,
        }
    }

    /// Names of its secrets, sorted.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.secrets.iter().map(|secret| secret.id.to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }

    pub(super) const fn is_offline(&self) -> bool {
        matches!(self.run.network, Network::None)
    }

    /// Everything that its layer follows from, in the store. Two trees stand for what no tree can hold: the names of the
    /// layers, and what is mounted over them.
    pub(super) fn action(&self, locked: Option<&LockedStep>) -> Result<Action, BuildError> {
        let store = self.cx.store;
        let transcript = match locked {
            Some(locked) => Some(store.put(locked.requests.to_text().as_bytes())?),
            None => None,
        };
        let mounts: Vec<Value> =
            self.mounts.iter().map(|m| json!([m.target, m.writable, m.digest.to_string()])).collect();
        let about = json!({
            "argv": self.run.argv,
            "script": self.run.script.as_ref().map(|script| [&script.path, &script.text]),
            "user": self.run.user,
            "workdir": self.run.workdir,
            "mounts": mounts,
            "offline": self.is_offline(),
            "secrets": self.secrets.iter().map(|s| json!([s.id, s.target, s.env])).collect::<Vec<_>>(),
        });
        let mut env = self.hidden();
        env.extend(self.run.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        Ok(Action {
            script: serde_json::to_string(&self.run.argv).unwrap_or_default(),
            env,
            outputs: vec![layer(), diff_id()],
            toolchain: self.tree("layers.json", &self.stage.stack.document())?,
            work: self.tree("run.json", &about.to_string())?,
            conditions: self.conditions.clone(),
            timeout: TIMEOUT,
            transcript,
            limits: Limits::default(),
            secrets: self.names(),
            degraded: false,
            normalize: Some(rule::RULES.to_owned()),
            isa: self.isa.to_owned(),
        })
    }

    fn tree(&self, name: &str, text: &str) -> Result<Digest, BuildError> {
        let digest = self.cx.store.put(text.as_bytes())?;
        let mut tree = Tree::default();
        let path: RelPath = name.parse().expect("a plain name");
        let inserted = tree.insert(&path, Node::File { digest, executable: false });
        inserted.expect("one file fits into a tree");
        let finished = tree.finish();
        self.cx.store.put_tree(&finished)?;
        Ok(finished.root)
    }

    /// What the command has in its environment without the image's having it: time and chance, and where the network is.
    fn hidden(&self) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        let epoch = self.conditions.source_date_epoch.0.to_string();
        for (name, value) in [
            ("SOURCE_DATE_EPOCH", epoch.as_str()),
            ("PYTHONHASHSEED", "0"),
            ("PERL_HASH_SEED", "0"),
            ("ZERO_AR_DATE", "1"),
        ] {
            env.insert(name.to_owned(), value.to_owned());
        }
        if !self.is_offline() {
            env.extend(ecosystem::environment(&Ecosystem::ALL));
            env.extend(road::variables());
        }
        env
    }

    /// Runs it with what answers its requests, and keeps nothing. A run that asked nobody is as good as any other, and comes
    /// back: it need not be made again.
    pub(super) fn record(&self, answers: &dyn Answers) -> Result<Option<Ran>, Failed> {
        let step = self.step();
        self.has_secrets(&step)?;
        let guard = Guard::new(self.cx.secrets, &step);
        let screen = Screen::new(answers, &guard);
        let heard = Heard { inner: &screen, asked: AtomicBool::new(false) };
        let ran = self.in_sandbox(&step, &guard, Some(&heard))?;
        let asked = heard.asked.into_inner();
        // Whether the command got on without an answer or not.
        screen.refused(self.name)?;
        if ran.ended.exit == Exit::Code(0) {
            return Ok((!asked).then_some(ran));
        }
        let Ended { exit, violations, log, tail, .. } = ran.ended;
        Err(BuildError::from(FailedStep { violations, ..FailedStep::new(self.name, exit, log, tail) }).into())
    }

    /// Runs it with the answers that are locked, and keeps the layer of what it wrote.
    pub(super) fn execute(
        &self,
        action: &Action,
        encoded: &Encoded,
        fresh: bool,
        ran: Option<Ran>,
    ) -> Result<Executed, Failed> {
        let cx = self.cx;
        if cx.cancel.is_cancelled() {
            return Err(BuildError::Cancelled.into());
        }
        let step = self.step();
        self.has_secrets(&step)?;
        let guard = Guard::new(cx.secrets, &step);
        let Ran { place, ended } = match ran {
            Some(ran) => ran,
            None => {
                let transcript = network::transcript(cx, action)?.unwrap_or_default();
                let open_body = |digest: &Digest| cx.store.open_blob(digest).map_err(std::io::Error::other);
                let replay = Replay::new(&transcript, &Ecosystem::ALL, &open_body);
                let answers = (!self.is_offline()).then_some(&replay as &dyn Answers);
                self.in_sandbox(&step, &guard, answers)?
            }
        };
        let (violations, denied) = judge(cx, &step, &ended.violations, ended.exit != Exit::Code(0));
        if denied || ended.exit != Exit::Code(0) {
            let full =
                ended.exit == Exit::DiskFull || ended.exit != Exit::Code(0) && failed::disk_is_full(cx);
            let hints = hint::hints(&ended.tail.lines);
            let (exit, log, tail) = (ended.exit, ended.log, ended.tail);
            let failed =
                FailedStep { violations, denied, full, hints, ..FailedStep::new(self.name, exit, log, tail) };
            return Err(BuildError::from(failed).into());
        }
        let mut entries = written(&place.scratch.path().join("upper"), &place.view, place.first)?;
        self.search(&guard, &entries, ended.log)?;
        let applied = rule::apply(&mut entries, &place.view, self.conditions.source_date_epoch.0)?;
        for (rule, count) in applied {
            let files = if count == 1 { "file".to_owned() } else { format!("{count} files") };
            let text = format!("{}: `{rule}` has normalised {files}", self.name);
            (cx.events)(model::Event::Note { text });
        }
        if !self.is_offline() {
            self.no_authority(&entries, &ended.authority)?;
        }
        let mut outputs = BTreeMap::new();
        if let Some(made) = pack(cx, &entries)? {
            let file = |digest| Node::File { digest, executable: false };
            outputs.insert(layer(), file(made.blob));
            outputs.insert(diff_id(), file(cx.store.put(made.diff_id.to_string().as_bytes())?));
        }
        let result = ActionResult { outputs, log: ended.log };
        let observation = cx.store.put(ended.observation.as_bytes())?;
        if !fresh {
            for bytes in encoded.blobs.values() {
                cx.store.put(bytes)?;
            }
            cx.store.memo_put(OBSERVATIONS, &encoded.digest, ended.observation.as_bytes())?;
            cx.store.put_action_result(&encoded.digest, &result)?;
        }
        Ok(Executed { result, observation, trace: None })
    }

    /// Runs the command to its end; a stopped one is an error.
    fn in_sandbox(&self, step: &Step, guard: &Guard, answers: Option<&dyn Answers>) -> Result<Ran, Failed> {
        let cx = self.cx;
        let place = Place::new(cx, self.stage)?;
        let who = user::user(&place.view, &self.run.user)?;
        let network = answers.map(|answers| Road::new(step, self.stage, answers)).transpose()?;
        let mounts = self.laid(&place)?;
        let mounts: Vec<Mount<'_>> = mounts
            .iter()
            .map(|(source, target, writable)| Mount { source, target, writable: *writable })
            .collect();
        let mut env = self.hidden();
        env.insert("HOME".to_owned(), who.home.clone());
        env.extend(self.run.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut secrets: Vec<(&str, &[u8])> = Vec::new();
        for secret in &self.secrets {
            let Some(value) = cx.secrets.value(secret.id) else { continue };
            secrets.extend(secret.target.map(|target| (target, value)));
            if let Some(variable) = secret.env {
                env.insert(variable.to_owned(), String::from_utf8_lossy(value).into_owned());
            }
        }
        let argv: Vec<String> = match &self.run.script {
            // Where a builder has it is a folder of devices here.
            Some(script) => {
                let ours = program(&script.path);
                self.run.argv.iter().map(|word| word.replace(&script.path, &ours)).collect()
            }
            None => self.run.argv.clone(),
        };
        let workdir = place.view.resolve(&self.run.workdir, true)?;
        let workdir = format!("/{workdir}");
        let layers: Vec<&Path> = place.dirs.iter().map(PathBuf::as_path).collect();
        let mut log = Log::new(cx, self.name, guard)?;
        let outcome = sandbox::run(Spec {
            files: Files::Image(Image {
                layers: &layers,
                user: who.user,
                workdir: &workdir,
                mounts: &mounts,
            }),
            scratch: place.scratch.path(),
            arguments: &argv,
            env: &env,
            secrets: &secrets,
            gateway: network.as_ref().map(|network| network as &dyn Gateway),
            conditions: self.conditions,
            timeout: Some(TIMEOUT),
            limits: Limits::default(),
            trace: false,
            degraded: false,
            io: Io::Log { sink: &mut |bytes| log.write(bytes) },
            cancel: cx.cancel,
        })
        .map_err(|source| BuildError::Sandbox { step: self.name.to_owned(), source })?;
        if outcome.exit == Exit::Cancelled {
            return Err(BuildError::Cancelled.into());
        }
        less_sealed(cx, self.name, &outcome.achieved);
        let observation = Observation::of(&outcome, None).to_json();
        let (exit, violations) = (outcome.exit, outcome.violations);
        drop(outcome.work);
        let (log, tail) = log.finish()?;
        let authority = network.map(|network| network.pem).unwrap_or_default();
        Ok(Ran { place, ended: Ended { exit, violations, log, tail, observation, authority } })
    }

    /// What is mounted, on disk: source, target, whether it may be written to.
    fn laid(&self, place: &Place) -> Result<Vec<(PathBuf, String, bool)>, Failed> {
        let mut laid = Vec::new();
        let around = place.scratch.path().join("mounts");
        if !self.mounts.is_empty() || self.run.script.is_some() {
            fs::create_dir(&around).map_err(LayerError::path("mounts"))?;
        }
        let nothing = View::new(&[]);
        for (number, mounted) in self.mounts.iter().enumerate() {
            let source = around.join(number.to_string());
            let (entries, (mode, uid, gid)) = (mounted.fill)()?;
            let about = About { mode, uid, gid, mtime: TIME.0, attributes: BTreeMap::new() };
            if let Some(file) = entries.get("") {
                let mut writer = Writer::new(&around, &nothing, place.first);
                let What::File { content, .. } = &file.what else {
                    let reason = "is neither a file nor a directory, and is to be mounted";
                    return Err(LayerError::refused(&mounted.target, reason).into());
                };
                let mut content = open(self.cx.store, content).map_err(LayerError::path(&mounted.target))?;
                writer.put(&number.to_string(), Put::File(&mut content), &about)?;
                writer.finish()?;
            } else {
                fs::create_dir(&source).map_err(LayerError::path(&mounted.target))?;
                let mut writer = Writer::new(&source, &nothing, place.first);
                writer.put("", Put::Folder, &about)?;
                put_all(self.cx, &mut writer, &entries)?;
                writer.finish()?;
            }
            laid.push((source, mounted.target.clone(), mounted.writable));
        }
        if let Some(script) = &self.run.script {
            let source = around.join("program");
            let at = || LayerError::path(&script.path);
            fs::write(&source, &script.text).map_err(at())?;
            fs::set_permissions(&source, fs::Permissions::from_mode(0o755)).map_err(at())?;
            lchown(&source, Some(place.first), Some(place.first)).map_err(at())?;
            laid.push((source, program(&script.path), false));
        }
        Ok(laid)
    }

    fn has_secrets(&self, step: &Step) -> Result<(), BuildError> {
        match self.cx.secrets.lacking(step) {
            Some(secret) => Err(BuildError::NoSecret { step: self.name.to_owned(), secret }),
            None => Ok(()),
        }
    }

    /// No layer may hold a secret of the command.
    fn search(&self, guard: &Guard, entries: &Entries, log: Digest) -> Result<(), Failed> {
        let Some(search) = guard.search() else { return Ok(()) };
        for (path, entry) in entries {
            let texts = match &entry.what {
                What::Symlink(target) => vec![path.as_str(), target],
                _ => vec![path.as_str()],
            };
            let mut found = texts.into_iter().find_map(|text| search.first(text.as_bytes()));
            found = found.or_else(|| entry.attributes.values().find_map(|value| search.first(value)));
            if let (None, What::File { content: Source::Disk(place), .. }) = (&found, &entry.what) {
                let file = fs::File::open(place).map_err(LayerError::path(path))?;
                found = search.whole(&file, self.cx.cancel).map_err(LayerError::path(path))?;
            }
            if let Some(secret) = found {
                let (step, place) = (self.name.to_owned(), guard.text(&format!("`/{path}`")));
                return Err(BuildError::Leak { step, secret, place, log }.into());
            }
        }
        Ok(())
    }

    /// No layer may trust whoever answered a build: that one's key follows from names that anybody knows.
    fn no_authority(&self, entries: &Entries, pem: &str) -> Result<(), Failed> {
        let Some(needle) = pem.lines().nth(1).filter(|line| line.len() > 40) else {
            return Err(Failed::Why("the gateway has no certificate that could be looked for".to_owned()));
        };
        let finder = aho_corasick::AhoCorasick::new([needle]).expect("one short pattern");
        for (path, entry) in entries {
            let What::File { content: content @ Source::Disk(_), .. } = &entry.what else { continue };
            let reader = open(self.cx.store, content).map_err(LayerError::path(path))?;
            if let Some(found) = finder.stream_find_iter(reader).next() {
                found.map_err(LayerError::path(path))?;
                let reason = "has the certificate of the gateway that answers a build, which nobody may trust: \
                              leave it out, or remove it in the same RUN";
                return Err(LayerError::refused(path, reason).into());
            }
        }
        Ok(())
    }
}

fn program(path: &str) -> String {
    format!("{PROGRAMS}/{}", path.rsplit('/').next().unwrap_or("program"))
}

/// The layer that a result has; `None` if nothing was written.
pub(super) fn layer_of(cx: &Context<'_>, result: &ActionResult) -> Result<Option<Layer>, Failed> {
    let file = |path: &RelPath| match result.outputs.get(path) {
        Some(Node::File { digest, .. }) => Some(*digest),
        _ => None,
    };
    let (Some(blob), Some(id)) = (file(&layer()), file(&diff_id())) else { return Ok(None) };
    let text = cx.store.read(&id)?;
    let diff_id = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<Sha256>().ok());
    let Some(diff_id) = diff_id else { return Err(Failed::Why("its layer has no name".to_owned())) };
    Ok(Some(Layer { blob, diff_id, media_type: oci::LAYER.to_owned() }))
}

fn layer() -> RelPath {
    "layer.tar.gz".parse().expect("a plain name")
}

fn diff_id() -> RelPath {
    "diff-id".parse().expect("a plain name")
}

/// A command that has ended, with what it wrote.
pub(super) struct Ran {
    place: Place,
    ended: Ended,
}

/// Hears whether anything is asked at all.
struct Heard<'a> {
    inner: &'a dyn Answers,
    asked: AtomicBool,
}

impl Answers for Heard<'_> {
    fn knows(&self, host: &str) -> bool {
        self.asked.store(true, Ordering::Relaxed);
        self.inner.knows(host)
    }

    fn answer(&self, request: &Request, responder: Responder) -> Option<Responder> {
        self.asked.store(true, Ordering::Relaxed);
        self.inner.answer(request, responder)
    }
}

/// The layers of a stage on disk, and room for what is written over them.
struct Place {
    dirs: Vec<PathBuf>,
    view: View,
    first: u32,
    scratch: store::Scratch,
}

impl Place {
    fn new(cx: &Context<'_>, stage: &Stage) -> Result<Self, Failed> {
        let first = sandbox::first_id().map_err(LayerError::from)?;
        let dirs = stage.stack.unpacked(cx.store)?;
        let view = View::new(&dirs);
        Ok(Self { dirs, view, first, scratch: cx.store.scratch()? })
    }
}

/// How a command ended.
struct Ended {
    exit: Exit,
    violations: Vec<model::violation::Violation>,
    log: Digest,
    tail: crate::log::Tail,
    observation: String,
    /// The certificate of whoever answered it.
    authority: String,
}

/// Whether a mount is of nothing that lies anywhere.
pub(super) const fn is_empty(origin: &Origin) -> bool {
    matches!(origin, Origin::Scratch)
}
