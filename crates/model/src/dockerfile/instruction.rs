//! What a Dockerfile says, as a tree: stages, and the instructions of each, with their words still unexpanded.

use std::ops::Range;

use super::directive::Directives;
use super::health::Health;
use super::heredoc::Heredoc;
use super::line::Text;
use super::mount::RawMount;

/// A Dockerfile that holds together. Made by [`super::parse`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// The file's name, as the caller gave it.
    pub origin: String,
    /// The whole text; every span is one of it.
    pub text: String,
    /// What its head says.
    pub directives: Directives,
    /// `ARG` before the first `FROM`: seen by every `FROM`, and in a stage only where it is declared again.
    pub args: Vec<Argument>,
    /// At least one.
    pub stages: Vec<StageText>,
}

/// `FROM`, and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageText {
    /// The `FROM`.
    pub span: Range<usize>,
    /// `--platform=`.
    pub platform: Option<Text>,
    /// An image, `scratch`, or the name of a stage before it.
    pub base: Text,
    /// `AS name`, in small letters.
    pub name: Option<Text>,
    /// In their order.
    pub instructions: Vec<Instruction>,
}

/// An instruction and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// All of it, without its documents.
    pub span: Range<usize>,
    /// What it says.
    pub says: Says,
}

/// What an instruction says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// `ARG name[=default] …`.
    Arg(Vec<Argument>),
    /// `ENV name=value …` and `ENV name value`.
    Env(Vec<Pair>),
    /// `LABEL name=value …`.
    Label(Vec<Pair>),
    /// `RUN`.
    Run(RunText),
    /// `COPY`.
    Copy(CopyText),
    /// `ADD`.
    Add(AddText),
    /// `WORKDIR path`.
    Workdir(Text),
    /// `USER name[:group]`.
    User(Text),
    /// `SHELL ["program", …]`: at least one.
    Shell(Vec<String>),
    /// `CMD`.
    Cmd(CommandText),
    /// `ENTRYPOINT`.
    Entrypoint(CommandText),
    /// `EXPOSE port …`: at least one.
    Expose(Vec<Text>),
    /// `VOLUME path …`: at least one, none empty.
    Volume(Vec<Text>),
    /// `STOPSIGNAL signal`.
    StopSignal(Text),
    /// `HEALTHCHECK`.
    Health(Health),
    /// `ONBUILD instruction`: what is recorded, with its documents.
    OnBuild(String),
    /// `MAINTAINER name`.
    Maintainer(String),
}

/// `name` or `name=default` of an `ARG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Not empty, never expanded.
    pub name: Text,
    /// With its quotes.
    pub default: Option<Text>,
}

/// `name=value`, both with their quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Not empty.
    pub name: Text,
    /// What follows the `=`.
    pub value: Text,
}

/// A command: a list of words, or a line for a shell. Variables in it are the shell's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandText {
    /// `["program", "argument"]`.
    List(Vec<String>),
    /// Anything else, also nothing.
    Line(Text),
}

/// A `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunText {
    /// What runs.
    pub command: CommandText,
    /// Documents; none if the command is a list.
    pub heredocs: Vec<Heredoc>,
    /// `--mount=`.
    pub mounts: Vec<RawMount>,
    /// `--network=`.
    pub network: Network,
    /// `--security=`.
    pub security: Security,
    /// `--device=`.
    pub devices: Vec<Device>,
}

/// `--network=` of a `RUN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// What the build gives every `RUN`.
    #[default]
    Default,
    /// None.
    None,
    /// The host's.
    Host,
}

/// `--security=` of a `RUN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Security {
    /// As every `RUN`.
    #[default]
    Sandbox,
    /// With all capabilities.
    Insecure,
}

/// `--device=` of a `RUN`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Device {
    /// A name of the Container Device Interface.
    pub name: String,
    /// Whether it must be there.
    pub required: bool,
}

/// What is copied, and where to: what `COPY` and `ADD` share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Paths and, of `ADD`, URLs.
    pub sources: Vec<Text>,
    /// Documents, as files of their names.
    pub documents: Vec<Heredoc>,
    /// A path; with a slash at its end, a folder.
    pub destination: Text,
    /// `--chown=`.
    pub chown: Option<Text>,
    /// `--chmod=`.
    pub chmod: Option<Text>,
    /// `--link`: as a layer of its own, whatever lies below.
    pub link: bool,
    /// `--exclude=`.
    pub exclude: Vec<Text>,
}

/// A `COPY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyText {
    /// What, and where to.
    pub files: Files,
    /// `--from=`; none is the build's context.
    pub from: Option<FromText>,
    /// `--parents`: with the folders they are in.
    pub parents: bool,
}

/// An `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddText {
    /// What, and where to.
    pub files: Files,
    /// `--checksum=`.
    pub checksum: Option<Text>,
    /// `--keep-git-dir`.
    pub keep_git_dir: Option<bool>,
    /// `--unpack=`.
    pub unpack: Option<bool>,
}

/// Where files come from, by name: variables are not expanded in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromText {
    /// A stage before this one, by its number in the file.
    Stage(usize),
    /// Nothing at all: `scratch`.
    Scratch,
    /// An image.
    Image(Text),
}

impl FromText {
    /// The stage, if it is one.
    #[must_use]
    pub const fn stage(&self) -> Option<usize> {
        match self {
            Self::Stage(number) => Some(*number),
            Self::Scratch | Self::Image(_) => None,
        }
    }
}

impl Instruction {
    /// Where it takes files from, other than the build's context.
    pub(super) fn sources(&self) -> Vec<&FromText> {
        match &self.says {
            Says::Copy(copy) => copy.from.iter().collect(),
            Says::Run(run) => run.mounts.iter().filter_map(|mount| mount.from.as_ref()).collect(),
            _ => Vec::new(),
        }
    }
}
