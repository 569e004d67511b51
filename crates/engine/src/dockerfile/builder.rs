//! Goes through a plan, and makes the layer of each instruction.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Instant;

use artifact::oci::What;
use model::action::ActionResult;
use model::dockerfile::{
    Add, Added, Copy, From, Ignore, Image, Mount, Origin, Owner, Run, Step as Planned, Work, Workdir,
};
use model::event::{Event, Outcome as Ending, Unit};
use model::lock::LockedStep;
use model::recipe::locked_instruction;
use model::transcript::{Asked, Place as At, Transcript};
use model::{Conditions, Digest, Sha256};
use serde_json::json;

use super::command::{self, Command, Mounted, Ran, Secret};
use super::copy::{self, Copying};
use super::files::{Context, Files, Unpacked};
use super::program::Program;
use super::{Failed, Stage, key, layer, rule, user};
use crate::job::EARLIEST;
use crate::layers::{Entries, Layer, LayerError, Source, View};
use crate::package::Parts;
use crate::run::{self, StepRun};
use crate::tell::{finished, millis};
use crate::{BuildError, plan};

/// Where layers of instructions that run nothing are kept, by everything that they follow from.
const COPIED: &str = "dockerfile-copied-1";
/// So often is one led on to another address.
const LED_ON: usize = 10;

/// Goes through a plan.
pub(crate) struct Builder<'a> {
    pub(super) parts: Parts<'a>,
    pub(super) program: &'a Program,
    /// What commands see of their world: the same at each commit, for layers that stay the same.
    conditions: Conditions,
    /// What instructions fetch, by what the lock calls them.
    pub(super) locked: BTreeMap<String, LockedStep>,
    /// What the lock calls the instructions so far that fetch.
    pub(super) names: Vec<String>,
    /// A command that was run when it was recorded, if that will do, by its name.
    pub(super) ran: RefCell<Option<(String, Ran)>>,
    /// Stages that are done, and the one that is being made.
    stages: Vec<Stage>,
    /// The instruction that comes next, in the last of the stages.
    next: usize,
    /// Of that stage: how many there were of each kind.
    counted: BTreeMap<&'static str, usize>,
}

/// What stops a builder.
pub(super) struct Stopped {
    /// What the lock calls the instruction.
    pub(super) name: String,
    /// Addresses of an `ADD`; none for a `RUN`.
    pub(super) urls: Vec<String>,
}

/// Builds the target: its stage.
pub(crate) fn build(parts: Parts<'_>, program: &Program) -> Result<Stage, BuildError> {
    let mut builder = Builder::new(parts, program, parts.job.lock.steps.clone());
    match builder.go_on()? {
        None => Ok(builder.target()),
        Some(Stopped { name, .. }) => Err(BuildError::Unlocked { what: format!("what `{name}` fetches") }),
    }
}

impl<'a> Builder<'a> {
    pub(super) fn new(parts: Parts<'a>, program: &'a Program, locked: BTreeMap<String, LockedStep>) -> Self {
        let conditions = parts.job.recipe.conditions.apply(EARLIEST);
        let (stages, counted, names) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { parts, program, conditions, locked, names, ran: RefCell::default(), stages, next: 0, counted }
    }

    fn target(mut self) -> Stage {
        self.stages.pop().unwrap_or_default()
    }

    /// Makes every layer, up to the first instruction that fetches and of which nothing is locked.
    pub(super) fn go_on(&mut self) -> Result<Option<Stopped>, BuildError> {
        let program = self.program;
        loop {
            if self.parts.cx.cancel.is_cancelled() {
                return Err(BuildError::Cancelled);
            }
            let at = self.stages.len().saturating_sub(1);
            let steps = match self.stages.is_empty() {
                true => &[][..],
                false => program.plan.stages[at].steps.as_slice(),
            };
            let Some(step) = steps.get(self.next) else {
                let Some(stage) = program.plan.stages.get(self.stages.len()) else { return Ok(None) };
                let begun = match &stage.from {
                    From::Scratch => Stage::default(),
                    From::Image(image) => program.stage(image),
                    From::Stage(id) => self.stages[id.index()].clone(),
                };
                self.stages.push(begun);
                (self.next, self.counted) = (0, BTreeMap::new());
                continue;
            };
            if let Some(stopped) = self.instruction(step)? {
                return Ok(Some(stopped));
            }
            self.next += 1;
        }
    }

    /// What the lock calls the instruction that comes next.
    fn name(&self, word: &'static str) -> String {
        let stage = &self.program.plan.stages[self.stages.len() - 1];
        let of = stage.name.clone().unwrap_or_else(|| stage.number.to_string());
        let nth = self.counted.get(word).copied().unwrap_or(0) + 1;
        locked_instruction(&self.parts.artifact.name, &of, word, nth)
    }

    fn instruction(&mut self, step: &Planned) -> Result<Option<Stopped>, BuildError> {
        let word = match &step.work {
            Work::Run(_) => "RUN",
            Work::Copy(_) => "COPY",
            Work::Add(_) => "ADD",
            Work::Workdir(_) => "WORKDIR",
        };
        let name = self.name(word);
        if matches!(step.work, Work::Run(_) | Work::Add(_)) {
            self.names.push(name.clone());
        }
        let failed = |error| self.failed(step, &name, error);
        let layer = match &step.work {
            Work::Run(run) => {
                let command = self.command(&name, run).map_err(failed)?;
                let locked = match self.locked.get(&name) {
                    Some(locked) if locked.record == command.step().record => Some(locked.clone()),
                    _ if command.is_offline() => None,
                    _ => return Ok(Some(Stopped { name: name.clone(), urls: Vec::new() })),
                };
                self.run(&command, locked.as_ref()).map_err(failed)?
            }
            Work::Copy(copy) => self.copied(&name, copy).map_err(failed)?,
            Work::Add(add) => {
                let urls: Vec<String> = add
                    .sources
                    .iter()
                    .filter_map(|source| match source {
                        Added::Url { url, .. } => Some(url.clone()),
                        _ => None,
                    })
                    .collect();
                let transcript = match self.locked.get(&name) {
                    Some(locked) if locked.record == urls => locked.requests.clone(),
                    _ if urls.is_empty() => Transcript::default(),
                    _ => return Ok(Some(Stopped { name: name.clone(), urls })),
                };
                self.added(&name, add, &transcript).map_err(failed)?
            }
            Work::Workdir(workdir) => self.workdir(&name, workdir).map_err(failed)?,
        };
        let text = self.program.instruction(&step.span);
        if let (Some(layer), Some(stage)) = (layer, self.stages.last_mut()) {
            stage.made.push((layer.diff_id, text));
            stage.stack.push(layer);
        }
        *self.counted.entry(word).or_default() += 1;
        Ok(None)
    }

    /// An instruction that failed, with its place.
    fn failed(&self, step: &Planned, name: &str, error: Failed) -> BuildError {
        let reason = match error {
            Failed::Build(error) => return error,
            Failed::Layer(LayerError::Ids(source)) => {
                return BuildError::Sandbox { step: name.to_owned(), source };
            }
            Failed::Layer(error) => error.to_string(),
            Failed::Why(reason) => reason,
        };
        let place = format!("{}:{}", self.program.origin, self.program.line(step.span.start));
        let instruction = self.program.instruction(&step.span);
        BuildError::Instruction { artifact: self.parts.artifact.name.clone(), place, instruction, reason }
    }

    fn stage(&self) -> &Stage {
        self.stages.last().expect("an instruction stands in a stage")
    }

    /// The command of the instruction that comes next, which the lock does not know.
    pub(super) fn waiting<T>(
        &self,
        with: impl FnOnce(&Command<'_>) -> Result<T, Failed>,
    ) -> Result<T, BuildError> {
        let step = &self.program.plan.stages[self.stages.len() - 1].steps[self.next];
        let name = self.name("RUN");
        let Work::Run(run) = &step.work else {
            return Err(self.failed(step, &name, Failed::Why("runs nothing".to_owned())));
        };
        self.command(&name, run)
            .and_then(|command| with(&command))
            .map_err(|error| self.failed(step, &name, error))
    }

    fn command<'b>(&'b self, name: &'b str, run: &'b Run) -> Result<Command<'b>, Failed> {
        if !run.devices.is_empty() {
            return Err(Failed::Why("asks for devices, which no sealed build has".to_owned()));
        }
        if matches!(run.security, model::dockerfile::Security::Insecure) {
            return Err(Failed::Why("asks for all capabilities, which no sealed build has".to_owned()));
        }
        if matches!(run.network, model::dockerfile::Network::Host) {
            return Err(Failed::Why("asks for the host's network, which no sealed build has".to_owned()));
        }
        let secrets = self.secrets(run)?;
        let mut mounts = Vec::new();
        for mount in &run.mounts {
            mounts.extend(self.mounted(mount)?);
        }
        Ok(Command {
            cx: self.parts.cx,
            name,
            run,
            stage: self.stage(),
            mounts,
            secrets,
            conditions: &self.conditions,
            isa: plan::isa(&self.parts.job.lock.toolchain.arch),
            policies: model::violation::Policies::default(),
        })
    }

    /// The secrets of a command: those that are given, and those that it needs. One that no recipe declares is nobody's to give.
    fn secrets<'b>(&self, run: &'b Run) -> Result<Vec<Secret<'b>>, Failed> {
        let declared = self.parts.artifact.dockerfile().map_or(&[][..], |image| &image.secrets);
        let mut secrets = Vec::new();
        for mount in &run.mounts {
            let Mount::Secret { id, target, env, required, .. } = mount else { continue };
            let is_declared = declared.contains(id);
            if !is_declared && *required {
                let reason = format!(
                    "needs the secret `{id}`: add it to `secrets` of [artifact.dockerfile], or give it with --secret"
                );
                return Err(Failed::Why(reason));
            }
            if is_declared && (*required || self.parts.cx.secrets.value(id).is_some()) {
                secrets.push(Secret { id, target: target.as_deref(), env: env.as_deref() });
            }
        }
        Ok(secrets)
    }

    fn mounted<'b>(&'b self, mount: &'b Mount<Origin>) -> Result<Option<Mounted<'b>>, Failed> {
        let empty = |target: &str, owner: &Owner, mode: u32| {
            let about = (owner.mode.unwrap_or(mode), owner.uid.unwrap_or(0), owner.gid.unwrap_or(0));
            let (target, digest) = (target.to_owned(), key(&json!([about.0, about.1, about.2])));
            Mounted { target, writable: true, digest, fill: Box::new(move || Ok((Entries::new(), about))) }
        };
        let filled = |from: &'b Origin, source: &'b str, target: &str, writable: bool| {
            let digest = self.name_of(from, source)?;
            let fill = Box::new(move || Ok(layer::taken(self.from(from)?.files(), source)?));
            Ok::<_, Failed>(Mounted { target: target.to_owned(), writable, digest, fill })
        };
        Ok(match mount {
            Mount::Bind { from, source, target, writable } => Some(filled(from, source, target, *writable)?),
            // What other builds have left is nothing that was declared: each begins with an empty one.
            Mount::Cache { from, target, owner, .. } if command::is_empty(from) => {
                Some(empty(target, owner, 0o755))
            }
            Mount::Cache { from, source, target, .. } => Some(filled(from, source, target, true)?),
            Mount::Tmpfs { target, .. } => Some(empty(target, &Owner::default(), 0o1777)),
            Mount::Secret { .. } => None,
            Mount::Ssh { required, .. } => {
                if *required {
                    let reason = "needs an agent of SSH: no sealed build has one; declare a source of git";
                    return Err(Failed::Why(reason.to_owned()));
                }
                None
            }
        })
    }

    /// Names everything that lies at or below a path, without looking at files of a stage.
    fn name_of(&self, origin: &Origin, path: &str) -> Result<Digest, Failed> {
        let of_folder = |folder: &Context| Ok(folder.digest(&folder.resolve(path)?));
        match origin {
            Origin::Context => of_folder(&self.program.context),
            Origin::Scratch => Ok(Digest::of(b"")),
            Origin::Stage(id) => Ok(key(&json!([self.stages[id.index()].stack.name(), path]))),
            Origin::Image(image) => match self.program.folders.get(&image.to_string()) {
                Some(_) => match self.from(origin)? {
                    Taken::Folder(folder) => of_folder(&folder),
                    _ => Ok(Digest::of(b"")),
                },
                None => Ok(key(&json!([self.image(image).stack.name(), path]))),
            },
        }
    }

    /// The files that something is taken from.
    fn from(&self, origin: &Origin) -> Result<Taken<'_>, Failed> {
        let of_stage = |stage: &Stage| -> Result<Taken<'_>, Failed> {
            Ok(Taken::Stage(layer::unpacked(self.parts.cx, stage)?))
        };
        match origin {
            Origin::Context => Ok(Taken::Context(&self.program.context)),
            Origin::Scratch => Ok(Taken::Folder(Context::default())),
            Origin::Stage(id) => of_stage(&self.stages[id.index()]),
            Origin::Image(image) => match self.program.folders.get(&image.to_string()) {
                Some(tree) => Ok(Taken::Folder(Context::new(self.parts.cx.store, tree, &|_| false)?)),
                None => of_stage(&self.image(image)),
            },
        }
    }

    fn image(&self, image: &Image) -> Stage {
        self.program.stage(image)
    }

    fn run(&self, command: &Command<'_>, locked: Option<&LockedStep>) -> Result<Option<Layer>, Failed> {
        let parts = &self.parts;
        let action = command.action(locked)?;
        let step = command.step();
        let recipe = (!parts.fresh).then_some(parts.job.recipe.name.as_str());
        let why = RefCell::new(None);
        let done: Result<(ActionResult, StepRun), BuildError> =
            run::run_by(parts.cx, &step, &action, recipe, parts.fresh, |encoded| {
                let ran = self.ran.borrow_mut().take().filter(|(name, _)| name == command.name);
                let ran = ran.map(|(_, ran)| ran);
                command.execute(&action, encoded, parts.fresh, ran).map_err(|error| match error {
                    Failed::Build(error) => error,
                    other => {
                        // Told with its place in the Dockerfile.
                        *why.borrow_mut() = Some(other);
                        BuildError::Cancelled
                    }
                })
            });
        if let Some(why) = why.into_inner() {
            return Err(why);
        }
        let (result, run) = done?;
        parts.made.borrow_mut().runs.push(run);
        command::layer_of(parts.cx, &result)
    }

    /// The layer known by `key`, or the one of what `make` gives.
    fn known(
        &self,
        name: &str,
        key: &Digest,
        make: impl FnOnce() -> Result<Entries, Failed>,
    ) -> Result<Option<Layer>, Failed> {
        let parts = &self.parts;
        let text = parts.cx.store.memo_get(COPIED, key).filter(|_| !parts.fresh);
        let known: Option<Option<(Digest, Sha256)>> =
            text.and_then(|text| serde_json::from_slice::<Option<(Digest, Sha256)>>(&text).ok());
        let layer = |(blob, diff_id)| Layer { blob, diff_id, media_type: artifact::oci::LAYER.to_owned() };
        match known {
            Some(None) => return Ok(None),
            Some(Some(known)) if parts.cx.store.contains(&known.0) => return Ok(Some(layer(known))),
            _ => {}
        }
        let begin = Instant::now();
        let told = name.to_owned();
        (parts.cx.events)(Event::Started { stage: "build", name: told, total: None, unit: Unit::Items });
        let made = make().and_then(|entries| layer::pack(parts.cx, &entries));
        let ending = if made.is_ok() { Ending::Done } else { Ending::Failed };
        finished(parts.cx, "build", name, ending, String::new(), millis(begin));
        let made = made?;
        let kept = made.as_ref().map(|layer| (layer.blob, layer.diff_id));
        parts.cx.store.memo_put(COPIED, key, json!(kept).to_string().as_bytes())?;
        Ok(made)
    }

    fn owner(view: &View, owner: Option<&String>) -> Result<Option<(u32, u32)>, LayerError> {
        owner.map(|owner| user::owner(view, owner)).transpose()
    }

    fn exclude(patterns: &[String]) -> Result<Ignore, Failed> {
        Ignore::parse("--exclude", &patterns.join("\n")).map_err(|error| Failed::Why(error.to_string()))
    }

    fn copied(&self, name: &str, copy: &Copy) -> Result<Option<Layer>, Failed> {
        let exclude = Self::exclude(&copy.exclude)?;
        let stage = self.stage();
        let below = if copy.link && copy.owner.is_none() { Digest::of(b"") } else { stage.stack.name() };
        // What is copied is known by its content: only of a stage or an image has everything to count.
        let from = match &copy.from {
            Origin::Context => Self::of_sources(&self.program.context, copy)?,
            Origin::Image(image) if self.program.folders.contains_key(&image.to_string()) => {
                self.program.folders[&image.to_string()]
            }
            Origin::Image(image) => self.image(image).stack.name(),
            Origin::Stage(id) => self.stages[id.index()].stack.name(),
            Origin::Scratch => Digest::of(b""),
        };
        let text = format!(
            "{:?}",
            (&copy.sources, &copy.documents, &copy.to, &copy.owner, &copy.mode, copy.link, &copy.exclude)
        );
        let key = key(&json!([rule::RULES, "COPY", below, from, text]));
        self.known(name, &key, || {
            let files = layer::unpacked(self.parts.cx, stage)?;
            let owner = Self::owner(&files.view, copy.owner.as_ref())?;
            let many = copy.sources.len() + copy.documents.len();
            let mode = copy.mode.as_ref();
            let mut copying =
                Copying::new((&files, &files.view), &copy.to, (owner, mode), &exclude, copy.link, many)?;
            let from = self.from(&copy.from)?;
            for (path, below) in &copy.sources {
                copying.source(from.files(), path, below.as_deref())?;
            }
            copy.documents.iter().try_for_each(|document| copying.document(document))?;
            Ok(copying.finish()?)
        })
    }

    /// Names everything of the context that a `COPY` may mean.
    fn of_sources(context: &Context, copy: &Copy) -> Result<Digest, Failed> {
        let digests: Result<Vec<Digest>, LayerError> = copy
            .sources
            .iter()
            .map(|(path, below)| Self::of_source(context, path, below.is_some()))
            .collect();
        Ok(key(&json!(digests?)))
    }

    /// Names everything of the context that a source may mean. What a pattern matches may be a link, which leads anywhere.
    fn of_source(context: &Context, path: &str, is_pattern: bool) -> Result<Digest, LayerError> {
        let plain = if is_pattern || path.contains(['*', '?', '[', '\\']) { "" } else { path };
        Ok(context.digest(&context.resolve(plain)?))
    }

    fn added(&self, name: &str, add: &Add, transcript: &Transcript) -> Result<Option<Layer>, Failed> {
        let exclude = Self::exclude(&add.exclude)?;
        let context = &self.program.context;
        let mut digests = Vec::new();
        for source in &add.sources {
            match source {
                Added::Path { path, .. } => digests.push(Self::of_source(context, path, false)?),
                Added::Url { url, checksum, .. } => {
                    let body = fetched(transcript, url)?;
                    if let Some(expected) = checksum {
                        let found = format!("sha256:{}", body.sha256);
                        if *expected != found {
                            return Err(Failed::Why(format!(
                                "has fetched something else\n  expected {expected}\n  found    {found}"
                            )));
                        }
                    }
                    digests.push(body);
                }
                Added::Git { remote, .. } => {
                    return Err(Failed::Why(format!(
                        "adds the git repository `{remote}`, which is not there yet: declare it as a source of the recipe, \
                         give it among `contexts`, and copy it with `COPY --from=`"
                    )));
                }
            }
        }
        let stage = self.stage();
        let text = format!(
            "{:?}",
            (&add.sources, &add.documents, &add.to, &add.owner, &add.mode, add.link, &add.exclude)
        );
        let key = key(&json!([rule::RULES, "ADD", stage.stack.name(), digests, text]));
        self.known(name, &key, || {
            let files = layer::unpacked(self.parts.cx, stage)?;
            let owner = Self::owner(&files.view, add.owner.as_ref())?;
            let many = add.sources.len() + add.documents.len();
            let mode = add.mode.as_ref();
            let mut copying =
                Copying::new((&files, &files.view), &add.to, (owner, mode), &exclude, add.link, many)?;
            for source in &add.sources {
                match source {
                    Added::Path { path, unpack } => {
                        let archive = if *unpack { archive_of(context, path)? } else { None };
                        let unpacked = match archive {
                            Some(content) => copying.unpack(self.parts.cx.store, &content)?,
                            None => false,
                        };
                        if !unpacked {
                            copying.source(context, path, None)?;
                        }
                    }
                    Added::Url { url, name, unpack, .. } => {
                        let body = fetched(transcript, url)?;
                        let unpacked = *unpack && copying.unpack(self.parts.cx.store, &Source::Blob(body))?;
                        if !unpacked {
                            copying.fetched(name, body)?;
                        }
                    }
                    Added::Git { .. } => {}
                }
            }
            add.documents.iter().try_for_each(|document| copying.document(document))?;
            Ok(copying.finish()?)
        })
    }

    fn workdir(&self, name: &str, workdir: &Workdir) -> Result<Option<Layer>, Failed> {
        let stage = self.stage();
        let key = key(&json!([rule::RULES, "WORKDIR", stage.stack.name(), workdir.path, workdir.user]));
        self.known(name, &key, || {
            let files = layer::unpacked(self.parts.cx, stage)?;
            let who = user::user(&files.view, &workdir.user)?.user;
            Ok(copy::folder(&files, &files.view, &workdir.path, (who.uid, who.gid))?)
        })
    }
}

/// Files that something is taken from.
enum Taken<'a> {
    Context(&'a Context),
    Folder(Context),
    Stage(Unpacked),
}

impl Taken<'_> {
    fn files(&self) -> &dyn Files {
        match self {
            Self::Context(context) => *context,
            Self::Folder(folder) => folder,
            Self::Stage(files) => files,
        }
    }
}

/// The file that a path of the context means, if it is one.
fn archive_of(context: &Context, path: &str) -> Result<Option<Source>, LayerError> {
    if path.contains(['*', '?', '[']) {
        return Ok(None);
    }
    let real = context.resolve(path)?;
    Ok(match context.entry(&real)?.map(|entry| entry.what) {
        Some(What::File { content, .. }) => Some(content),
        _ => None,
    })
}

/// The body that a URL led to when it was locked.
fn fetched(transcript: &Transcript, url: &str) -> Result<Digest, Failed> {
    let mut at = url.to_owned();
    for _ in 0..LED_ON {
        let asked = Asked {
            place: At::Url(at.clone()),
            method: "GET".to_owned(),
            accept: None,
            git_protocol: None,
            body: None,
        };
        let Some(answered) = transcript.0.get(&asked) else { break };
        match (&answered.location, answered.status) {
            (Some(location), 300..400) => at.clone_from(location),
            (_, 200) => return Ok(answered.body),
            (_, status) => return Err(Failed::Why(format!("`{at}` answered {status} when it was locked"))),
        }
    }
    Err(Failed::Why(format!("`{url}` has not led to a file when it was locked: run `selfsame lock`")))
}
