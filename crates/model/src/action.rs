//! One step with everything resolved; its digest is the cache key.
//!
//! | enters the digest | as |
//! |---|---|
//! | commands of the step | `Command.arguments`: `/bin/sh -e -c SCRIPT` ([`script`]) |
//! | environment: conditions and the recipe's `env` | `Command.environment_variables`, sorted |
//! | declared outputs | `Command.output_paths`, sorted |
//! | toolchain tree | `toolchain` in the input root |
//! | inputs of the step | `work` in the input root, the `Command.working_directory` |
//! | conditions and limits that are not environment, names of secrets, the transcript of what it fetches, how outputs are normalised, a sandbox that may be degraded | `conditions.json` in the input root |
//! | time limit | `Action.timeout` |
//! | platform | `Action.platform`: `OSFamily`, `ISA` |
//! | version of these rules | `Action.salt` |
//!
//! Not in it: the recipe's and step's names, where the store lies, how many steps run at once, who asked, and what
//! the secrets are.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ecosystem::{self, Ecosystem};
use crate::reapi::{self, MessageError};
use crate::tree::{Directory, Node};
use crate::{Conditions, Digest, FileName, Limits, RelPath};

/// Version of the rules in this module and of what the sandbox gives a step.
pub const RULES: &str = "selfsame-action/2";

/// Everything that decides what a step makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The shell script, made by [`script`].
    pub script: String,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Declared outputs, sorted.
    pub outputs: Vec<RelPath>,
    /// The root filesystem: a tree.
    pub toolchain: Digest,
    /// The build directory: a tree.
    pub work: Digest,
    /// What the process sees of its world.
    pub conditions: Conditions,
    /// Wall-clock limit.
    pub timeout: Duration,
    /// The recorded answers of the network that it may ask for again ([`crate::Transcript::digest`]).
    pub transcript: Option<Digest>,
    /// What else it may use.
    pub limits: Limits,
    /// Names of the secrets that it can read, sorted.
    pub secrets: Vec<String>,
    /// How its outputs are normalised before they are kept: rules and version, if at all.
    pub normalize: Option<String>,
    /// Whether it may run less sealed, where the host refuses a layer of the sandbox.
    pub degraded: bool,
    /// Instruction set, as `uname -m` says it: `x86_64`, `aarch64`.
    pub isa: String,
}

/// The blobs of an action: encodings by digest, for the store or a remote engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Digest of the `Action` message: the cache key.
    pub digest: Digest,
    /// `Action`, `Command`, the input root's directory and `conditions.json`.
    pub blobs: BTreeMap<Digest, Vec<u8>>,
}

/// The parts of an action by name, each as a short text: two of them show what changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Components(pub BTreeMap<String, String>);

/// The shell script of a step: each command is shown before it runs, and the first that fails ends it. What its
/// ecosystems need ([`ecosystem::prologue`]) stands before.
#[must_use]
pub fn script(uses: &[Ecosystem], commands: &[String]) -> String {
    let mut script = ecosystem::prologue(uses);
    for command in commands {
        let shown = command.trim_end().replace('\'', r"'\''");
        script.push_str("printf '$ %s\\n' '");
        script.push_str(&shown);
        script.push_str("'\n");
        script.push_str(command.trim_end());
        script.push('\n');
    }
    script
}

impl Action {
    /// The command line of the process.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        ["/bin/sh", "-e", "-c", &self.script].map(str::to_owned).to_vec()
    }

    /// Encodes the action as Remote Execution API messages.
    #[must_use]
    pub fn encode(&self) -> Encoded {
        let mut blobs = BTreeMap::new();
        let mut keep = |bytes: Vec<u8>| {
            let digest = Digest::of(&bytes);
            blobs.insert(digest, bytes);
            digest
        };
        let command = keep(reapi::encode(&reapi::Command {
            arguments: self.arguments(),
            environment_variables: self
                .env
                .iter()
                .map(|(name, value)| reapi::EnvironmentVariable { name: name.clone(), value: value.clone() })
                .collect(),
            working_directory: "work".to_owned(),
            output_paths: self.outputs.iter().map(ToString::to_string).collect(),
        }));
        let conditions = keep(self.world().into_bytes());
        let name = |text: &str| text.parse::<FileName>().expect("a plain name");
        let root = Directory(BTreeMap::from([
            (name("conditions.json"), Node::File { digest: conditions, executable: false }),
            (name("toolchain"), Node::Directory(self.toolchain)),
            (name("work"), Node::Directory(self.work)),
        ]));
        let root = keep(root.encode());
        let property =
            |name: &str, value: &str| reapi::Property { name: name.to_owned(), value: value.to_owned() };
        let digest = keep(reapi::encode(&reapi::Action {
            command_digest: Some(command.into()),
            input_root_digest: Some(root.into()),
            timeout: Some(reapi::Duration {
                seconds: i64::try_from(self.timeout.as_secs()).unwrap_or(i64::MAX),
                nanos: 0,
            }),
            salt: RULES.into(),
            platform: Some(reapi::Platform {
                properties: vec![property("ISA", &self.isa), property("OSFamily", "linux")],
            }),
        }));
        Encoded { digest, blobs }
    }

    /// `conditions.json`: conditions, limits that a process can notice, and which secrets it has, if it has some.
    fn world(&self) -> String {
        let conditions = serde_json::to_value(&self.conditions).expect("strings and integers are JSON");
        let mut world = serde_json::json!({ "conditions": conditions, "memory": self.limits.memory });
        let limits: serde_json::Map<_, _> = self
            .limits
            .beside_memory()
            .into_iter()
            .map(|(name, limit)| (name.to_owned(), limit.into()))
            .collect();
        if !limits.is_empty() {
            world["limits"] = limits.into();
        }
        if !self.secrets.is_empty() {
            world["secrets"] = serde_json::json!(self.secrets);
        }
        if let Some(transcript) = &self.transcript {
            world["transcript"] = transcript.to_string().into();
        }
        if let Some(normalize) = &self.normalize {
            world["normalize"] = normalize.as_str().into();
        }
        if self.degraded {
            world["sandbox"] = "degraded".into();
        }
        world.to_string()
    }

    /// The parts by name, for telling what changed since another action.
    #[must_use]
    pub fn components(&self) -> Components {
        let mut parts = BTreeMap::new();
        parts.insert("commands".to_owned(), Digest::of(self.script.as_bytes()).to_string());
        parts.insert("inputs".to_owned(), self.work.to_string());
        parts.insert("toolchain".to_owned(), self.toolchain.to_string());
        let outputs: Vec<_> = self.outputs.iter().map(ToString::to_string).collect();
        parts.insert("outputs".to_owned(), outputs.join(" "));
        parts.insert("time limit".to_owned(), format!("{} s", self.timeout.as_secs()));
        parts.insert("memory limit".to_owned(), format!("{:?}", self.limits.memory));
        for (name, limit) in self.limits.beside_memory() {
            parts.insert(format!("{name} limit"), limit.to_string());
        }
        parts.insert("platform".to_owned(), self.isa.clone());
        if !self.secrets.is_empty() {
            parts.insert("secrets".to_owned(), self.secrets.join(" "));
        }
        if let Some(transcript) = &self.transcript {
            parts.insert("transcript".to_owned(), transcript.to_string());
        }
        if let Some(normalize) = &self.normalize {
            parts.insert("normalize".to_owned(), normalize.clone());
        }
        if self.degraded {
            parts.insert("sandbox".to_owned(), "degraded".to_owned());
        }
        parts.insert("rules".to_owned(), RULES.to_owned());
        for (name, value) in &self.env {
            parts.insert(format!("env.{name}"), value.clone());
        }
        let conditions = serde_json::to_value(&self.conditions).expect("strings and integers are JSON");
        for (name, value) in conditions.as_object().into_iter().flatten() {
            parts.insert(format!("conditions.{name}"), value.to_string());
        }
        Components(parts)
    }
}

impl Components {
    /// Names, with the value before and now, of the parts that differ from `before`. Sorted by name.
    #[must_use]
    pub fn changed_since(&self, before: &Self) -> Vec<(String, String, String)> {
        let mut names: Vec<_> = self.0.keys().chain(before.0.keys()).collect();
        names.sort();
        names.dedup();
        let value = |parts: &Self, name: &str| parts.0.get(name).cloned().unwrap_or_default();
        names
            .into_iter()
            .map(|name| (name.clone(), value(before, name), value(self, name)))
            .filter(|(_, then, now)| then != now)
            .collect()
    }
}

/// What an action made. The encoding is the Remote Execution API's `ActionResult`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionResult {
    /// What stands at each declared output.
    pub outputs: BTreeMap<RelPath, Node>,
    /// The whole log: standard output and standard error as they came.
    pub log: Digest,
}

impl ActionResult {
    /// The encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut message = reapi::ActionResult { stdout_digest: Some(self.log.into()), ..Default::default() };
        for (path, node) in &self.outputs {
            let path = path.to_string();
            match node {
                Node::File { digest, executable } => message.output_files.push(reapi::OutputFile {
                    path,
                    digest: Some((*digest).into()),
                    is_executable: *executable,
                }),
                Node::Directory(digest) => message
                    .output_directories
                    .push(reapi::OutputDirectory { path, root_directory_digest: Some((*digest).into()) }),
                Node::Symlink(target) => {
                    message.output_symlinks.push(reapi::OutputSymlink { path, target: target.clone() });
                }
            }
        }
        reapi::encode(&message)
    }

    /// Reads an encoding.
    ///
    /// # Errors
    /// If the bytes are no `ActionResult` that [`ActionResult::encode`] could have made.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        const NAME: &str = "ActionResult";
        let message: reapi::ActionResult = reapi::decode(NAME, bytes)?;
        let path = |text: &str| {
            text.parse::<RelPath>().map_err(|e| MessageError::Decode { message: NAME, reason: e.to_string() })
        };
        let mut outputs = BTreeMap::new();
        for f in &message.output_files {
            let digest = reapi::digest("OutputFile", f.digest.as_ref())?;
            outputs.insert(path(&f.path)?, Node::File { digest, executable: f.is_executable });
        }
        for d in &message.output_directories {
            let digest = reapi::digest("OutputDirectory", d.root_directory_digest.as_ref())?;
            outputs.insert(path(&d.path)?, Node::Directory(digest));
        }
        for s in &message.output_symlinks {
            outputs.insert(path(&s.path)?, Node::Symlink(s.target.clone()));
        }
        Ok(Self { outputs, log: reapi::digest(NAME, message.stdout_digest.as_ref())? })
    }
}
