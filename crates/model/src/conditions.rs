//! What a sealed process sees of its world.

mod choice;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

pub use choice::{ChoiceError, Clock, DirectoryOrder, Random};

/// The conditions of a step: enforced by the sandbox, part of the action's digest, recorded in provenance.
///
/// A build runs under the canonical conditions ([`Conditions::canonical`], changed only by the recipe); a
/// rebuild may vary them. JSON keys are kebab-case and sorted, so the encoding is canonical.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Conditions {
    /// Whether addresses in memory are random, as the kernel has it for ordinary programs.
    pub address_randomness: bool,
    /// Absolute path of the build directory inside the sandbox. The working directory of a step.
    pub build_path: String,
    /// The wall clock.
    pub clock: Clock,
    /// How many CPUs the step sees; it runs on as many, as far as the machine has them.
    pub cpus: u32,
    /// The order of directories.
    pub directory_order: DirectoryOrder,
    /// NIS domain name, as `uname` has it; `(none)` is the kernel's word for none.
    pub domain: String,
    /// The group's name; its id is [`Conditions::gid`].
    pub group: String,
    /// Numeric group id.
    pub gid: u32,
    /// Absolute path of the (empty, private) home directory.
    pub home: String,
    /// Host name.
    pub hostname: String,
    /// Release of the kernel, as `uname -r` says it.
    pub kernel_release: String,
    /// Version of the kernel, as `uname -v` says it.
    pub kernel_version: String,
    /// `LC_ALL` and `LANG`.
    pub locale: String,
    /// How much memory the step sees, all of it free, in bytes. Not a limit.
    pub memory_seen: u64,
    /// The number of the step's first process is greater than this.
    pub process_ids_after: u32,
    /// Random numbers.
    pub random: Random,
    /// `SOURCE_DATE_EPOCH`, and the modification time of every file of the build directory.
    pub source_date_epoch: Timestamp,
    /// `TZ`.
    pub timezone: String,
    /// Numeric user id; never 0.
    pub uid: u32,
    /// File mode creation mask, for example `0o022`.
    pub umask: u32,
    /// The user's name, with a real passwd entry.
    pub user: String,
}

impl Conditions {
    /// The canonical conditions of a build whose source is of `source_date_epoch`.
    #[must_use]
    pub fn canonical(source_date_epoch: Timestamp) -> Self {
        Self {
            address_randomness: false,
            build_path: "/build/src".into(),
            clock: Clock::Host,
            cpus: 4,
            directory_order: DirectoryOrder::Sorted,
            domain: "(none)".into(),
            group: "build".into(),
            gid: 1000,
            home: "/build/home".into(),
            hostname: "selfsame".into(),
            kernel_release: "6.1.0".into(),
            kernel_version: "#1 SMP selfsame".into(),
            locale: "C.UTF-8".into(),
            memory_seen: 8 << 30,
            process_ids_after: 2,
            random: Random::Host,
            source_date_epoch,
            timezone: "UTC".into(),
            uid: 1000,
            umask: 0o022,
            user: "build".into(),
        }
    }

    /// The canonical JSON encoding: sorted keys, no white space.
    #[must_use]
    pub fn to_json(&self) -> String {
        let value = serde_json::to_value(self).expect("strings and integers are JSON");
        value.to_string()
    }

    /// The environment variables that these conditions give to a step.
    ///
    /// Everything a step has in its environment comes from here, from the recipe's `env`, and nowhere else.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        let mut set = |name: &str, value: &str| env.insert(name.to_owned(), value.to_owned());
        set("HOME", &self.home);
        set("LANG", &self.locale);
        set("LC_ALL", &self.locale);
        set("LOGNAME", &self.user);
        set("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        set("PERL_HASH_SEED", "0");
        set("PYTHONDONTWRITEBYTECODE", "1");
        set("PYTHONHASHSEED", "0");
        set("SHELL", "/bin/sh");
        set("SOURCE_DATE_EPOCH", &self.source_date_epoch.0.to_string());
        set("TERM", "dumb");
        set("TMPDIR", "/tmp");
        set("TZ", &self.timezone);
        set("USER", &self.user);
        set("ZERO_AR_DATE", "1");
        env
    }
}
