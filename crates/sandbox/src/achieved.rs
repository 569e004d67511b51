//! Which isolation a command really had: recorded in provenance, never assumed.

use serde::{Deserialize, Serialize};

/// The isolation that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Achieved {
    /// Who set it up.
    pub mode: Mode,
    /// The kinds of namespaces that were new, as `/proc/self/ns` names them.
    pub namespaces: Vec<String>,
    /// How many CPUs the command could run on.
    pub cpus: u32,
    /// How the memory limit was kept.
    pub memory: MemoryLimit,
    /// Whether it had a cgroup of its own: processes and processor time were then counted by the kernel.
    #[serde(default)]
    pub cgroup: bool,
    /// Whether processes of other users (init) are hidden in `/proc`.
    pub hidepid: bool,
    /// Whether the command had a session keyring of its own (otherwise the kernel refuses keyrings altogether).
    pub keyring: bool,
    /// Whether the kernel refuses further user namespaces inside.
    pub nested_namespaces_refused: bool,
    /// Whether attempts at what is not declared could be seen, and conditions below the program be kept. Always, but in
    /// a degraded sandbox: a container engine that listens to system calls itself leaves nobody else to.
    pub watched: bool,
    /// Version of Landlock that says once more where the command may write; 0 where the kernel has none that will do
    /// (3 or later).
    pub landlock: u32,
    /// Which layers were not there, if less than all of them was asked for ([`crate::Spec::degraded`]). What was
    /// asked for sealed has none of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degraded: Option<Vec<String>>,
}

/// Layers of a sandbox that a host refuses and that a degraded one does without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lacks {
    /// The command stays in the caller's network namespace, and may make no socket at all.
    pub(crate) network: bool,
    /// `/proc` is empty. Nothing in there can be read, and memory is not watched.
    pub(crate) proc: bool,
    /// The build directory is a copy of the inputs, and files are laid into `/etc` one by one.
    pub(crate) overlay: bool,
    /// The command's addresses are random, whatever its conditions say.
    pub(crate) addresses: bool,
}

impl Lacks {
    /// Their words, as in [`crate::survey`].
    pub(crate) fn words(self) -> Vec<String> {
        let all = [
            (self.network, "network-namespace"),
            (self.proc, "proc"),
            (self.overlay, "overlay"),
            (self.addresses, "addresses"),
        ];
        all.into_iter().filter(|(lacks, _)| *lacks).map(|(_, word)| word.to_owned()).collect()
    }
}

/// Who set the sandbox up. What is seen inside is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// An ordinary user: the builder inside is this user outside.
    Rootless,
    /// A process with CAP_SYS_ADMIN and its like: the builder inside is an otherwise unused id outside
    /// (0x7000_0000), so that nothing inside is the host's root, nor any of its users.
    Privileged,
}

/// How the memory limit of a command is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryLimit {
    /// There is none.
    None,
    /// Init adds up the resident memory of all processes every 20 ms and ends them when it is too much; a
    /// process that allocates quickly may go above the limit for that long.
    Watched,
    /// The kernel keeps it, in a cgroup: of all memory, also of what it keeps of files and can give back.
    Cgroup,
}
