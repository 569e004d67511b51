//! One instruction after the other: what it changes, and what it adds to the steps.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::{Choices, Config, Images, Origin, StageId, Step, Work, Workdir, platform, ports, signal};
use crate::dockerfile::expand::{self, ExpandError, Expanded};
use crate::dockerfile::ignore::clean;
use crate::dockerfile::instruction::{Argument, CommandText, Dockerfile, FromText, Instruction, Pair, Says};
use crate::dockerfile::line::Text;
use crate::dockerfile::parse::{self, Names};
use crate::oci::Platform;
use crate::{Diagnostic, Diagnostics};

/// How many bytes a plan may come to, all words and all copies of variables counted.
pub(super) const MOST: usize = 64 << 20;

/// So many steps of a pattern are as much work as a byte.
pub(super) const STEPS: usize = 16;

/// `ARG`s that tell BuildKit something and are no variables.
const SILENT: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];
/// What is handed to every command without being declared.
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// What all stages share.
pub(super) struct Planner<'a> {
    pub(super) file: &'a Dockerfile,
    pub(super) choices: &'a Choices,
    pub(super) images: &'a Images,
    pub(super) names: Names,
    pub(super) platform: Platform,
    pub(super) build_platform: Platform,
    pub(super) globals: BTreeMap<String, String>,
    pub(super) proxies: BTreeMap<String, String>,
    pub(super) used: BTreeSet<String>,
    pub(super) ids: BTreeMap<usize, StageId>,
    /// Where mistakes are, if the text at hand is none of the file.
    pub(super) within: Option<Range<usize>>,
    list: Vec<Diagnostic>,
    left: Option<usize>,
}

/// A stage as far as it is.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) config: Config,
    /// Variables of commands: what the configuration has, and `ARG`s.
    pub(super) env: Arc<BTreeMap<String, String>>,
    /// Where each variable stands in the configuration.
    places: BTreeMap<String, usize>,
    /// About how many bytes the variables are.
    bytes: usize,
    /// Whether this stage had a `CMD`.
    has_cmd: bool,
}

impl State {
    pub(super) fn new(config: Config) -> Self {
        let mut config = config.with_path();
        config.on_build.clear();
        config.workdir = clean(&format!("/{}", config.workdir));
        let env: BTreeMap<_, _> = config.env.iter().cloned().collect();
        let bytes = env.iter().map(|(n, v)| n.len() + v.len() + 64).sum();
        let places = config.env.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
        Self { config, env: Arc::new(env), places, bytes, has_cmd: false }
    }

    /// What a stage begins with that begins with this one.
    pub(super) fn heir(&self) -> Self {
        let mut heir = self.clone();
        heir.config.on_build.clear();
        heir.has_cmd = false;
        heir
    }
}

impl<'a> Planner<'a> {
    pub(super) fn new(file: &'a Dockerfile, choices: &'a Choices, images: &'a Images) -> Self {
        let names = file.stages.iter().map(|stage| stage.name.as_ref().map(|name| name.text.clone()));
        let mut planner = Self {
            file,
            choices,
            images,
            names: Names::new(names),
            platform: platform::normal(&choices.platform),
            build_platform: platform::normal(&choices.build_platform),
            globals: BTreeMap::new(),
            proxies: BTreeMap::new(),
            used: BTreeSet::new(),
            ids: BTreeMap::new(),
            within: None,
            list: Vec::new(),
            left: Some(MOST),
        };
        for (name, value) in &choices.build_args {
            if let Some(known) = PROXIES.into_iter().find(|known| known.eq_ignore_ascii_case(name)) {
                planner.used.insert(name.clone());
                planner.proxies.insert(known.to_owned(), value.clone());
                planner.proxies.insert(known.to_ascii_lowercase(), value.clone());
            }
        }
        planner
    }

    /// What was made, if nothing was wrong.
    pub(super) fn done<T>(self, made: T) -> Result<T, Diagnostics> {
        if self.list.is_empty() {
            return Ok(made);
        }
        Err(parse::collected(&self.file.origin, &self.file.text, self.list))
    }

    pub(super) fn wrong(
        &mut self,
        span: Range<usize>,
        title: String,
        label: impl Into<String>,
        help: Option<String>,
    ) {
        let span = Some(self.within.clone().unwrap_or(span));
        self.list.push(Diagnostic { title, span, label: label.into(), help });
    }

    /// Spends bytes of the plan. Nothing is left when it is `None`, which is told once.
    pub(super) fn charge(&mut self, bytes: usize, span: &Range<usize>) -> Option<()> {
        let left = self.left?;
        self.left = left.checked_sub(bytes);
        if self.left.is_none() {
            let title = "the plan grows too large".to_owned();
            let label = format!("with this, its words and variables are more than {} MiB", MOST >> 20);
            self.wrong(span.clone(), title, label, None);
        }
        self.left.map(|_| ())
    }

    /// A frontend of another kind reads another language.
    pub(super) fn syntax(&mut self) {
        let Some(syntax) = &self.file.directives.syntax else { return };
        let image = syntax.text.split_whitespace().next().unwrap_or_default();
        let name = image.split('@').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        let name = name.split(':').next().unwrap_or_default();
        if !matches!(name, "dockerfile" | "dockerfile-upstream") {
            let title = format!("`{image}` is another frontend");
            let label = "expected `docker/dockerfile`, or none";
            let help = "selfsame reads Dockerfiles itself, and runs no frontend".to_owned();
            self.wrong(syntax.span.clone(), title, label, Some(help));
        }
    }

    /// What the caller gave a value and nothing asked for.
    pub(super) fn unused(&self) -> BTreeSet<String> {
        self.choices.build_args.keys().filter(|name| !self.used.contains(*name)).cloned().collect()
    }

    pub(super) fn id(&self, number: usize) -> Option<StageId> {
        self.ids.get(&number).copied()
    }

    /// Where files come from.
    pub(super) fn origin(&mut self, from: Option<&FromText>) -> Option<Origin> {
        Some(match from {
            None => Origin::Context,
            Some(FromText::Scratch) => Origin::Scratch,
            Some(FromText::Stage(number)) => Origin::Stage(self.id(*number)?),
            Some(FromText::Image(name)) => Origin::Image(self.image(name, &name.text, None)?),
        })
    }

    pub(super) fn unexpanded(&mut self, text: &Text, error: &ExpandError) {
        // What is too long was as much work as what is as long as it may be.
        if matches!(error, ExpandError::Long | ExpandError::Cost)
            && self.charge(expand::GROWTH, &text.span).is_none()
        {
            return;
        }
        let title = "the variables of a word cannot be replaced".to_owned();
        self.wrong(text.span.clone(), title, error.to_string(), None);
    }

    pub(super) fn expanded(&mut self, state: &State, text: &Text) -> Option<Expanded> {
        self.charge(text.text.len(), &text.span)?;
        match expand::expand(&text.text, self.file.directives.escape.char(), &*state.env) {
            Ok(expanded) => {
                self.charge(expanded.text.len() + expanded.steps / STEPS, &text.span)?;
                if expanded.text.contains('\0') {
                    let label = "no path, variable or argument has one";
                    self.wrong(text.span.clone(), "a word with a NUL byte".to_owned(), label, None);
                    return None;
                }
                Some(expanded)
            }
            Err(error) => {
                self.unexpanded(text, &error);
                None
            }
        }
    }

    /// A word with its variables replaced.
    pub(super) fn word(&mut self, state: &State, text: &Text) -> Option<String> {
        self.expanded(state, text).map(|expanded| expanded.text)
    }

    /// Sets a variable of commands.
    fn set(&mut self, state: &mut State, name: &str, value: String, span: &Range<usize>) -> Option<()> {
        if name.is_empty() || name.contains(['=', '\0']) {
            let label = "expected something, without `=`";
            self.wrong(span.clone(), format!("`{name}` is no name of a variable"), label, None);
            return None;
        }
        if Arc::strong_count(&state.env) > 1 {
            self.charge(state.bytes, span)?;
        }
        let size = |value: &String| name.len() + value.len() + 64;
        self.charge(size(&value), span)?;
        state.bytes += size(&value);
        let before = Arc::make_mut(&mut state.env).insert(name.to_owned(), value);
        state.bytes -= before.as_ref().map_or(0, size);
        Some(())
    }

    /// Does what an instruction says.
    pub(super) fn apply(&mut self, state: &mut State, instruction: &Instruction, steps: &mut Vec<Step>) {
        let span = self.within.clone().unwrap_or_else(|| instruction.span.clone());
        // Every step has its own copy of both.
        if self.charge(64 + state.config.workdir.len() + state.config.user.len(), &span).is_none() {
            return;
        }
        if let Some(work) = self.says(state, &instruction.says, &span) {
            steps.push(Step { span, work });
        }
    }

    /// The same; what is `None` adds no step.
    fn says(&mut self, state: &mut State, says: &Says, span: &Range<usize>) -> Option<Work> {
        match says {
            Says::Run(run) => return self.run(state, run, span).map(|run| Work::Run(Box::new(run))),
            Says::Copy(copy) => return self.copy(state, copy).map(Work::Copy),
            Says::Add(add) => return self.add(state, add).map(Work::Add),
            Says::Workdir(path) => return self.workdir(state, path).map(Work::Workdir),
            Says::Arg(list) => list.iter().try_for_each(|argument| self.argument(state, argument))?,
            Says::Env(list) => {
                for (name, value) in self.pairs(state, list)? {
                    self.set(state, &name, value.clone(), span)?;
                    let at = *state.places.entry(name.clone()).or_insert(state.config.env.len());
                    match state.config.env.get_mut(at) {
                        Some((_, known)) => *known = value,
                        None => state.config.env.push((name, value)),
                    }
                }
            }
            Says::Label(list) => state.config.labels.extend(self.pairs(state, list)?),
            Says::User(user) => state.config.user = self.word(state, user)?,
            Says::Shell(shell) => state.config.shell = Some(shell.clone()),
            Says::Cmd(command) => {
                state.config.cmd = Some(self.command(state, command, span)?);
                state.has_cmd = true;
            }
            Says::Entrypoint(command) => {
                let list = self.command(state, command, span)?;
                state.config.entrypoint = Some(list).filter(|list| !list.is_empty());
                // What the base runs is no argument of what this runs.
                if !state.has_cmd {
                    state.config.cmd = None;
                }
            }
            Says::Expose(list) => {
                for text in list {
                    for word in self.expanded(state, text)?.words {
                        match ports::read(&word) {
                            Ok(ports) => {
                                self.charge(ports.count() * 32, &text.span)?;
                                ports.add(&mut state.config.ports);
                            }
                            Err(label) => {
                                self.wrong(text.span.clone(), format!("`{word}` is no port"), label, None);
                            }
                        }
                    }
                }
            }
            Says::Volume(list) => {
                for text in list {
                    let path = self.word(state, text)?;
                    if path.is_empty() {
                        self.wrong(
                            text.span.clone(),
                            "VOLUME without a path".to_owned(),
                            "it is empty",
                            None,
                        );
                    }
                    state.config.volumes.insert(path);
                }
            }
            Says::StopSignal(text) => {
                let name = self.word(state, text)?;
                if !signal::is_signal(&name) {
                    let title = format!("`{name}` is no signal");
                    self.wrong(text.span.clone(), title, "expected such as `SIGTERM` or `15`", None);
                }
                state.config.stop_signal = Some(name);
            }
            Says::Health(health) => state.config.health = Some(health.clone()),
            Says::OnBuild(text) => {
                self.charge(text.len(), span)?;
                state.config.on_build.push(text.clone());
            }
            Says::Maintainer(name) => name.clone_into(&mut state.config.author),
        }
        None
    }

    /// Names and values, all with what was known before.
    fn pairs(&mut self, state: &State, list: &[Pair]) -> Option<Vec<(String, String)>> {
        let mut pairs = Vec::new();
        for pair in list {
            pairs.push((self.word(state, &pair.name)?, self.word(state, &pair.value)?));
        }
        Some(pairs)
    }

    fn argument(&mut self, state: &mut State, argument: &Argument) -> Option<()> {
        let name = &argument.name.text;
        self.used.insert(name.clone());
        let value = match (self.choices.build_args.get(name), &argument.default) {
            (Some(chosen), _) => Some(chosen.clone()),
            (None, Some(default)) => Some(self.word(state, default)?),
            (None, None) => self.globals.get(name).cloned(),
        };
        match value {
            Some(value) if !SILENT.contains(&name.as_str()) => {
                self.set(state, name, value, &argument.name.span)
            }
            _ => Some(()),
        }
    }

    /// A command with its shell.
    pub(super) fn command(
        &mut self,
        state: &State,
        command: &CommandText,
        span: &Range<usize>,
    ) -> Option<Vec<String>> {
        let list = match command {
            CommandText::List(list) => list.clone(),
            CommandText::Line(line) => {
                let mut list = state.config.shell();
                list.push(line.text.clone());
                list
            }
        };
        self.charge(list.iter().map(|word| word.len() + 24).sum(), span)?;
        Some(list)
    }

    fn workdir(&mut self, state: &mut State, text: &Text) -> Option<Workdir> {
        let path = self.word(state, text)?;
        state.config.workdir = join(&state.config.workdir, &path);
        let path = state.config.workdir.clone();
        (path != "/").then(|| Workdir { path, user: state.config.user.clone() })
    }
}

/// A path from a folder, absolute and clean.
pub(super) fn join(folder: &str, path: &str) -> String {
    if path.starts_with('/') { clean(path) } else { clean(&format!("/{folder}/{path}")) }
}
