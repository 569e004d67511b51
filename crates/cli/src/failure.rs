//! Why a command failed: for people with the cause and the fix, for programs with a code.

use std::error::Error;
use std::io::IsTerminal as _;
use std::path::Path;

use anstream::{eprintln, println};
use anstyle::{AnsiColor, Style};
use engine::BuildError;
use engine::attest::AttestError;
use engine::job::JobError;
use engine::verify::VerifyError;
use inputs::{InputError, UpstreamError};
use ledger::LedgerError;
use model::Diagnostics;
use serde_json::{Value, json};
use store::StoreError;

use crate::command::scan;
use crate::exit::Exit;
use crate::output::answer::envelope;
use crate::output::frame;
use crate::output::safe::{self, block};

/// A failure with everything that is said about it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    title: Box<str>,
    causes: Vec<String>,
    /// Lines shown as they are: the end of a log, two aligned values.
    lines: Vec<String>,
    pub(crate) help: Vec<String>,
    /// Boxed, so that a failure is cheap to hand up.
    frame: Option<Box<Diagnostics>>,
    /// What a step attempted or missed.
    pub(crate) attempts: Option<Box<Attempts>>,
    /// Set if bringing or making a blob again may help.
    pub(crate) lost: Option<Lost>,
    /// Set if the operating system refused something.
    refused: bool,
}

/// How many leaks of one artifact are shown.
const LEAKS: usize = 20;

/// What stands between an error of the ledger and what would fix it.
const FIX: &str = "\nfix: ";

/// What became of a blob that was needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The store has none.
    Missing,
    /// It was found damaged, and is in quarantine now.
    Damaged,
}

/// What a step attempted or missed.
#[derive(Debug)]
pub(crate) struct Attempts {
    /// The step.
    pub(crate) step: String,
    /// What it attempted.
    pub(crate) violations: Vec<model::Violation>,
}

impl Lost {
    /// What an error, not its causes, says about it.
    fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let store = error.downcast_ref::<StoreError>().or(match error.downcast_ref::<InputError>() {
            Some(InputError::Store(e) | InputError::Http(inputs::HttpError::Store(e))) => Some(e),
            // A box stands between, which nobody can look into from outside.
            Some(InputError::Partly { cause, .. } | InputError::Source { cause, .. }) => {
                return Self::of(&**cause);
            }
            Some(InputError::Recording { cause, .. }) => match &**cause {
                UpstreamError::Store(e) | UpstreamError::Http(inputs::HttpError::Store(e)) => Some(e),
                _ => None,
            },
            _ => None,
        });
        match store? {
            StoreError::Missing { .. } => Some(Self::Missing),
            StoreError::Corrupt { .. } => Some(Self::Damaged),
            _ => None,
        }
    }
}

impl Failure {
    fn new(exit: Exit, title: impl Into<String>) -> Self {
        let mut title = title.into();
        // The ledger's errors, which have nobody else to speak for them, bring their fix along.
        let fix = title.find(FIX).map(|at| title.split_off(at));
        let help = fix.iter().map(|fix| fix[FIX.len()..].to_owned()).collect();
        let (title, causes, lines) = (title.into(), Vec::new(), Vec::new());
        Self { exit, title, causes, lines, help, frame: None, attempts: None, lost: None, refused: false }
    }

    /// A failure without a code of its own.
    pub(crate) fn failed(title: impl Into<String>) -> Self {
        Self::new(Exit::Failed, title)
    }

    /// The command line cannot be understood.
    pub(crate) fn usage(error: &clap::Error) -> Self {
        let text = error.to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let title = lines.next().unwrap_or("no verb is given");
        let mut failure = Self::new(Exit::Usage, title.strip_prefix("error: ").unwrap_or(title));
        failure.lines = lines.map(str::to_owned).collect();
        failure
    }

    /// Recipe or lock cannot be used.
    pub(crate) fn invalid(title: impl Into<String>) -> Self {
        Self::new(Exit::Invalid, title)
    }

    /// The lock is missing or does not fit.
    pub(crate) fn stale(title: impl Into<String>) -> Self {
        Self::new(Exit::LockStale, title)
    }

    /// A file could not be handled.
    #[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
    pub(crate) fn io(doing: &str, path: &Path, error: std::io::Error) -> Self {
        Self::new(Exit::Failed, format!("cannot {doing} `{}`", path.display())).because(&error)
    }

    /// The sandbox could not be set up.
    fn no_sandbox(title: String, error: &sandbox::SandboxError) -> Self {
        use sandbox::SandboxError;
        let (exit, help) = match error {
            SandboxError::Refused { fix, .. } => (Exit::NoSandbox, Some(fix.clone())),
            SandboxError::Exec { program, .. } => {
                let help = format!(
                    "no package of the toolchain brings a `{program}` that runs: add the one that does to \
                     `toolchain.packages`, then run `selfsame lock`"
                );
                (Exit::StepFailed, Some(help))
            }
            _ => (Exit::Failed, None),
        };
        let mut failure = Self::new(exit, title).because(error);
        // A toolchain without a shell is the build's matter; all else is this machine's.
        failure.refused = exit != Exit::StepFailed;
        match help {
            Some(help) => failure.help(help),
            None => failure,
        }
    }

    /// A key could not be used.
    #[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
    pub(crate) fn key(path: &Path, error: attest::KeyError) -> Self {
        let exit =
            if matches!(error, attest::KeyError::Password) { Exit::NotAuthenticated } else { Exit::Failed };
        let failure = Self::new(exit, format!("the key `{}` cannot be used", path.display())).because(&error);
        match exit {
            Exit::NotAuthenticated => failure.help("set SELFSAME_KEY_PASSWORD to the key's password"),
            _ => failure,
        }
    }

    /// Another exit code.
    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// What would fix it.
    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// A line shown as it is.
    pub(crate) fn line(mut self, text: impl Into<String>) -> Self {
        self.lines.push(text.into());
        self
    }

    /// What else failed for the same reason: how, and the lines shown of it.
    pub(crate) fn which_ended(mut self, other: Self) -> Self {
        self.lines.push(format!("by which {}", other.sentence()));
        self.lines.extend(other.lines);
        self
    }

    /// What a step attempted, and who in it.
    fn attempt(self, violation: &model::Violation) -> Self {
        let times = if violation.count == 1 { String::new() } else { format!(", {} times", violation.count) };
        self.line(format!("{:8} {}{times}", violation.kind, violation.what)).line(format!(
            "{:8} by {}",
            "",
            engine::advice::by(violation)
        ))
    }

    fn violations(&self) -> &[model::Violation] {
        self.attempts.as_ref().map_or(&[], |attempts| &attempts.violations)
    }

    /// Adds what this machine has of the things that a step missed.
    pub(crate) fn look_around(mut self, recipe: &Path, build: &str, search: &str) -> Self {
        let hints: Vec<_> = self
            .violations()
            .iter()
            .filter_map(|v| crate::host_has::hint(v, recipe, build, search))
            .collect();
        // Before the general advice: it is the more precise one.
        self.help.splice(0..0, hints);
        self
    }

    /// With the causes of an error of which the title speaks already.
    pub(crate) fn caused_by(self, error: &(dyn Error + 'static)) -> Self {
        self.because(error)
    }

    fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            self.lost = self.lost.or_else(|| Lost::of(cause));
            let io = cause.downcast_ref::<std::io::Error>();
            self.refused |= io.is_some_and(|e| e.kind() != std::io::ErrorKind::NotFound) || no_answer(cause);
            let text = cause.to_string();
            let text = text.split(FIX).next().unwrap_or_default().to_owned();
            let said = |t: &str| t.contains(&text);
            if !text.is_empty() && !said(&self.title) && !self.causes.iter().any(|cause| said(cause)) {
                self.causes.push(text);
            }
            next = cause.source();
        }
        self
    }

    /// True if this says something about this machine, its disk or its network, and nothing about what was asked.
    pub(crate) const fn is_of_this_machine(&self) -> bool {
        self.refused
    }

    /// The failure as one sentence, for a ledger.
    pub(crate) fn sentence(&self) -> String {
        let mut text = self.title.to_string();
        for cause in &self.causes {
            text.push_str(": ");
            text.push_str(cause);
        }
        text
    }

    fn to_json(&self) -> Value {
        let diagnostics = self.frame.as_ref().map(|f| {
            let list = f.list.iter().map(|d| {
                let (line, column) = d.span.as_ref().map(|s| f.position(s.start)).unzip();
                json!({ "title": d.title, "label": d.label, "help": d.help, "file": f.origin,
                        "line": line, "column": column })
            });
            list.collect::<Vec<_>>()
        });
        json!({ "title": self.title, "causes": self.causes, "lines": self.lines, "help": self.help,
                "diagnostics": diagnostics, "violations": self.violations() })
    }

    /// Prints it: to standard error for people, to standard output as JSON.
    pub(crate) fn print(&self, verb: &str, json: bool) {
        if json {
            println!("{}", safe::json(&envelope(verb, self.exit, "error", &self.to_json())));
            return;
        }
        if let Some(frame) = &self.frame {
            let color = std::io::stderr().is_terminal()
                && anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
            eprintln!("{}", frame::render(frame, color).trim_end());
        }
        let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        let cyan = Style::new().bold().fg_color(Some(AnsiColor::Cyan.into()));
        let dim = Style::new().dimmed();
        if self.frame.is_none() {
            eprintln!("{red}error{red:#}: {}", block(&self.title, "       "));
        }
        for cause in &self.causes {
            eprintln!("  {dim}because{dim:#} {}", block(cause, "          "));
        }
        for line in &self.lines {
            eprintln!("  {}", block(line, "    "));
        }
        for help in &self.help {
            eprintln!("{cyan}help{cyan:#}: {}", block(help, "      "));
        }
    }
}

/// True if a server did not say whether it has what was asked for: no connection, or told to come back later.
fn no_answer(error: &(dyn Error + 'static)) -> bool {
    use inputs::HttpError;
    let http = match error.downcast_ref::<InputError>() {
        Some(InputError::Git(git)) => return git.is_no_answer(),
        Some(InputError::Http(http)) => http,
        Some(InputError::Recording { cause, .. }) => match &**cause {
            UpstreamError::Down { .. } => return true,
            UpstreamError::Http(http) => http,
            _ => return false,
        },
        Some(
            InputError::Source { cause, .. }
            | InputError::Partly { cause, .. }
            | InputError::Toolchain(inputs::ToolchainError::Archive { cause, .. }),
        ) => return no_answer(&**cause),
        _ => return false,
    };
    matches!(http, HttpError::Transport { .. } | HttpError::Status { status: 408 | 429 | 500..=599, .. })
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        let mut failure = Self::invalid(diagnostics.to_string());
        failure.frame = Some(Box::new(diagnostics));
        failure
    }
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Recipe(diagnostics) | JobError::Lock(diagnostics) => diagnostics.into(),
            JobError::Stale(list) => {
                let mut failure = Self::stale("the lock does not fit the recipe");
                for stale in list {
                    let say = |t: &str| if t.is_empty() { "(nothing)".to_owned() } else { t.to_owned() };
                    failure = failure.line(format!("{}: recipe {}", stale.what, say(&stale.recipe))).line(
                        format!("{:>width$}  lock   {}", "", say(&stale.lock), width = stale.what.len()),
                    );
                }
                failure.help("run `selfsame lock` and commit the file")
            }
        }
    }
}

impl From<sandbox::SandboxError> for Failure {
    fn from(error: sandbox::SandboxError) -> Self {
        Self::no_sandbox("this host cannot run a sealed step".into(), &error)
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        let exit = match &error {
            InputError::Image(inputs::ImageError::Denied { .. }) => Exit::NotAuthenticated,
            InputError::Image(inputs::ImageError::Tag { .. }) => Exit::DigestMismatch,
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string()).because(&error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Exit::Failed, error.to_string()).because(&error)
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let mut failure = Self::new(Exit::Failed, error.to_string()).because(&error);
        failure.refused |= matches!(error, LedgerError::Full { .. } | LedgerError::Busy { .. });
        failure
    }
}

impl From<AttestError> for Failure {
    fn from(error: AttestError) -> Self {
        Self::new(Exit::Failed, error.to_string()).because(&error)
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        Self::new(Exit::Failed, error.to_string()).because(&error)
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let title = error.to_string();
        match &error {
            BuildError::Step(failed) => {
                let exit = match (failed.full, failed.denied) {
                    (true, _) => Exit::Failed,
                    (_, true) => Exit::Violation,
                    _ => Exit::StepFailed,
                };
                let mut failure = Self::new(exit, title);
                failure.refused = failed.full;
                for violation in &failed.violations {
                    failure = failure.attempt(violation);
                }
                failure.attempts = Some(Box::new(Attempts {
                    step: failed.step.to_string(),
                    violations: failed.violations.clone(),
                }));
                if let Some(command) = &failed.command {
                    failure = failure.line(format!("while running: {command}"));
                }
                for line in &failed.last_lines {
                    failure = failure.line(format!("| {line}"));
                }
                let advice = failed.violations.iter().flat_map(|v| engine::advice::advice(&failed.step, v));
                for help in advice.chain(failed.hints.iter().cloned()) {
                    if !failure.help.contains(&help) {
                        failure = failure.help(help);
                    }
                }
                failure = failure.help(format!("the whole log: `selfsame show --raw {}`", failed.log));
                if model::recipe::artifact_of(&failed.step).is_some() {
                    // What a Dockerfile runs is no step of the recipe.
                    return failure;
                }
                failure.help(format!("to look around in its sandbox: `selfsame shell {}`", failed.step))
            }
            BuildError::Unkept { step, log, .. } => Self::new(Exit::StepFailed, title)
                .because(&error)
                .help(format!("the whole log: `selfsame show --raw {log}`"))
                .help(format!(
                    "declare only what can be kept in `outputs`, or look around: `selfsame shell {step}`"
                )),
            BuildError::Unnormalised { log, .. } => Self::new(Exit::StepFailed, title)
                .help(format!("the whole log: `selfsame show --raw {log}`"))
                .help("leave the file out of the outputs, or take out `normalize`"),
            BuildError::NoSecret { secret, .. } => Self::new(Exit::NotAuthenticated, title)
                .help(format!("give it: --secret {secret}=FILE, or --secret {secret}=env:VARIABLE")),
            BuildError::Recorded { secret, .. } => Self::new(Exit::StepFailed, title).help(format!(
                "send `/run/secrets/{secret}` in the header `Authorization`, which is written nowhere; who may have \
                 seen it should not know it any longer"
            )),
            BuildError::Leak { secret, log, .. } => Self::new(Exit::StepFailed, title)
                .help(format!("the whole log: `selfsame show --raw {log}`"))
                .help(format!(
                    "let the step read `/run/secrets/{secret}` where it needs it, and write it nowhere; who may \
                     have seen it before should not know it any longer"
                )),
            BuildError::Leaks { reports } => {
                let mut failure = Self::new(Exit::GateDenied, title);
                for report in reports {
                    for leak in report.counting().iter().take(LEAKS) {
                        failure.lines.extend(scan::finding(&report.artifact, leak).lines().map(str::to_owned));
                    }
                    let more = report.counting().len().saturating_sub(LEAKS) as u64 + report.unseen();
                    if more > 0 {
                        failure = failure.line(format!("and {more} more in {}", report.artifact));
                    }
                }
                failure.help(
                    "mend each, or allow it in the artifact: `allow-leaks = [{ rule = \"…\", path = \"…\", reason = \"…\" }]`",
                )
            }
            BuildError::Output { step, nearby, log, .. } => {
                let mut failure = Self::new(Exit::StepFailed, title);
                if !nearby.is_empty() {
                    failure = failure.line(format!("there is: {}", nearby.join(", ")));
                }
                failure
                    .help(format!("the whole log: `selfsame show --raw {log}`"))
                    .help(format!("correct `outputs` of the step, or look around: `selfsame shell {step}`"))
            }
            BuildError::Reference { nearby, .. } => {
                let failure = Self::invalid(title);
                if nearby.is_empty() {
                    failure
                } else {
                    failure.line(format!("there is: {}", nearby.join(", ")))
                }
            }
            BuildError::Inputs { .. } | BuildError::Package { .. } | BuildError::Contents { .. } => {
                Self::invalid(title)
            }
            BuildError::Text(diagnostics) => Self::from(diagnostics.clone()),
            BuildError::Unlocked { .. } => Self::stale(title)
                .help("run `selfsame lock` and commit the file")
                .with_exit(Exit::LockStale),
            BuildError::Instruction { place, instruction, artifact, reason } => {
                let mut lines = reason.lines();
                let title = format!("{place}: cannot build `{artifact}`: {}", lines.next().unwrap_or_default());
                let mut failure = Self::new(Exit::StepFailed, title).line(format!("| {instruction}"));
                for line in lines {
                    failure = failure.line(line.to_owned());
                }
                failure
            }
            BuildError::Gateway { .. } => Self::new(Exit::Failed, title),
            BuildError::Sandbox { source, .. } => Self::no_sandbox(title, source),
            BuildError::Cancelled => Self::new(Exit::stopped(), "stopped"),
            BuildError::Store(_) | BuildError::Ledger(_) => Self::new(Exit::Failed, title).because(&error),
        }
    }
}

/// Says that this is our fault and what to send. Installed as the panic hook.
#[expect(clippy::exit, reason = "a broken invariant is not a state to go on from")]
pub(crate) fn report_bug(info: &std::panic::PanicHookInfo<'_>) {
    eprintln!(
        "bug: {}\nhelp: this is a fault of selfsame {}: please report it with the command",
        block(&info.to_string(), "     "),
        engine::VERSION
    );
    std::process::exit(70);
}

#[cfg(test)]
mod tests {
    use inputs::HttpError;

    use super::*;

    #[test]
    fn the_fix_of_a_ledgers_error_is_help() {
        let failure = Failure::from(LedgerError::Full { path: "/x".into() });
        assert_eq!(&*failure.title, "no space left to write ledger /x");
        assert_eq!(failure.help, ["free some space on that file system and run again"]);
        assert!(failure.causes.is_empty() && failure.is_of_this_machine());
    }

    #[test]
    fn a_server_that_does_not_answer_says_nothing_about_what_it_has() {
        let url = || "https://example.org/x".to_owned();
        let status = |status| HttpError::Status { url: url(), status };
        for (error, unknown) in [(status(503), true), (status(429), true), (status(403), false)] {
            let in_source = InputError::Source { name: "x".into(), cause: Box::new(error.into()) };
            assert_eq!(Failure::from(in_source).is_of_this_machine(), unknown);
        }
        assert!(Failure::from(InputError::from(status(503))).is_of_this_machine());
        let git = |message: &str| {
            let message = format!("fatal: unable to access 'https://example.org/x/': {message}");
            Failure::from(InputError::from(inputs::GitError::Failed { command: "fetch".into(), message }))
        };
        assert!(git("Could not resolve host: example.org").is_of_this_machine());
        assert!(git("The requested URL returned error: 503").is_of_this_machine());
        assert!(!git("The requested URL returned error: 403").is_of_this_machine());
        let gone = InputError::from(HttpError::NotFound { url: url() });
        assert!(!Failure::from(gone).is_of_this_machine());
    }
}
