//! Which system calls a command may make: an allow-list, as a seccomp filter.
//!
//! Namespaces and mounts are what keeps a command in; the filter is a second wall, and a bell. It answers each
//! call in one of four ways:
//!
//! | answer | for |
//! |---|---|
//! | allowed | what programs need; the kernel remembers it and asks the filter no more |
//! | [`Answer::Refuse`] | what is no use to a build but is tried by ordinary programs, which have another way (io_uring, clone3): an errno, silently |
//! | [`Answer::Tell`] | what no build tries by accident (mount, ptrace of others, loading modules, foreign sockets): refused by the caller, which writes it down |
//! | [`Answer::Ask`] | what the caller wants to see (attempts at the network, and files when it traces) or answers itself (the conditions of [`Topics`]) |
//!
//! Everything that is not in [`table`] is refused with `ENOSYS`: a call that this crate has not heard of has not
//! been thought about, and programs fall back. So is every call of another architecture than the build's own.
//!
//! Without a listener (a host whose container already has one, and a degraded sandbox), `Tell` becomes `EPERM` and `Ask`
//! an allowed call: no wall is lower, but nothing is seen and no condition below the program kept
//! ([`crate::Achieved::watched`]).

mod program;
mod table;

pub(crate) use program::{Filter, Listener};

/// Why calls go to the caller; a call is asked for if one of its topics is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Topics(u32);

impl Topics {
    /// Attempts at the network.
    pub(crate) const NETWORK: Self = Self(1);
    /// Every look at a file or program.
    pub(crate) const FILES: Self = Self(1 << 1);
    /// The wall clock.
    pub(crate) const CLOCK: Self = Self(1 << 2);
    /// Random numbers.
    pub(crate) const RANDOM: Self = Self(1 << 3);
    /// The order of directories.
    pub(crate) const ORDER: Self = Self(1 << 4);
    /// The kernel's name.
    pub(crate) const KERNEL: Self = Self(1 << 5);
    /// The number of processors.
    pub(crate) const CPUS: Self = Self(1 << 6);
    /// Memory and load.
    pub(crate) const MEMORY: Self = Self(1 << 7);
    /// Times of files, where the clock is not the host's.
    pub(crate) const TIMES: Self = Self(1 << 8);
    /// The moment at which a new program can be changed before it has done anything.
    pub(crate) const BIRTH: Self = Self(1 << 9);

    /// Both.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether they have one in common.
    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// What becomes of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Made.
    Allow,
    /// Fails with this errno.
    Refuse(i32),
    /// Fails with this errno, and is written down. The errno is the caller's to send.
    Tell,
    /// Goes to the caller if one of these topics is chosen; else it is made.
    Ask(Topics),
}

/// A rule for one system call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// Its number.
    pub(super) number: i64,
    /// The first condition that holds decides.
    pub(super) cases: &'static [(When, Answer)],
    /// The answer if none holds.
    pub(super) otherwise: Answer,
}

/// A condition on an argument. Arguments are compared in their low 32 bits, but for [`When::NotNull`].
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    /// The argument is this.
    Is(u32, u32),
    /// One of these bits is set.
    Has(u32, u32),
    /// Argument `.0` is `.1` and argument `.2` is `.3`.
    Both(u32, u32, u32, u32),
    /// The 64-bit argument is not zero.
    NotNull(u32),
    /// The argument is a user other than the command's own, and not -1, which means none.
    OtherUser(u32),
    /// The same of a group.
    OtherGroup(u32),
}

/// The errno with which a call that is told of is refused.
pub(crate) fn refusal(number: i64) -> i32 {
    if number == libc::SYS_socket { libc::EAFNOSUPPORT } else { libc::EPERM }
}

/// Whether a call that came to the caller is one to refuse and tell of.
pub(crate) fn is_told(number: i64) -> bool {
    table::TOLD.iter().any(|(told, _)| *told == number)
}

/// The name of a system call that is told of.
pub(crate) fn name(number: i64) -> String {
    table::TOLD
        .iter()
        .find(|(told, _)| *told == number)
        .map_or_else(|| format!("system call {number}"), |(_, name)| (*name).to_owned())
}
