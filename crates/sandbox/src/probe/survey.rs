//! What a host can do, row by row: pure functions over what was read and tried.

use serde::{Deserialize, Serialize};

use super::tried::Tried;
use crate::cgroup::Lack;
use crate::error::Stage;
use crate::own::Users;
use crate::{Mode, SandboxError};

/// How a thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Less than it could be; a sealed build runs all the same.
    Limited,
    /// Not there.
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// What: a word that stays the same.
    pub what: String,
    /// How it stands.
    pub state: State,
    /// Whether a sealed build cannot be without it.
    pub needed: bool,
    /// What was found.
    pub detail: String,
    /// The command that would fix it.
    pub fix: Option<String>,
}

impl Row {
    /// Something that is as it should be.
    #[must_use]
    pub fn ok(what: &str, detail: impl Into<String>) -> Self {
        let (what, detail) = (what.to_owned(), detail.into());
        Self { what, state: State::Ok, needed: false, detail, fix: None }
    }

    /// Something that is not.
    #[must_use]
    pub fn not(what: &str, state: State, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        let fix = Some(fix.into()).filter(|fix| !fix.is_empty());
        Self { state, fix, ..Self::ok(what, detail) }
    }

    const fn needed(mut self) -> Self {
        self.needed = true;
        self
    }
}

/// Everything that was read and tried.
pub(crate) struct Facts<'a> {
    /// The text of a file, if it can be read.
    pub(crate) read: &'a dyn Fn(&str) -> Option<String>,
    /// Whether a path may be written to.
    pub(crate) writable: &'a dyn Fn(&str) -> bool,
    /// Whether a path can be opened for reading and writing: the errno if not.
    pub(crate) opens: &'a dyn Fn(&str) -> Result<(), i32>,
    /// What came of setting a sandbox up, and the step that failed.
    pub(crate) sandbox: Result<super::Support, (Stage, SandboxError)>,
    pub(crate) mode: Mode,
    pub(crate) tried: Tried,
    pub(crate) processors: usize,
    /// Where the users of images would be from.
    pub(crate) users: Users,
    /// The number of this process.
    pub(crate) own: u32,
    /// The store's place; magic number, bytes that are free, and all.
    pub(crate) disk: (String, Option<(i64, u64, u64)>),
}

/// All rows.
pub(crate) fn rows(facts: &Facts<'_>) -> Vec<Row> {
    let mut rows = vec![kernel(facts), processors(facts), memory(facts), mode(facts.mode)];
    rows.extend(setup(&facts.sandbox));
    rows.push(filter(facts.tried.filter));
    rows.push(listener(facts.tried.listener));
    rows.push(clock(facts));
    rows.push(landlock(facts.tried.landlock));
    rows.push(cgroup(facts));
    rows.push(yama(facts));
    rows.push(users(facts.users));
    rows.push(fuse((facts.opens)("/dev/fuse")));
    rows.push(disk(&facts.disk.0, facts.disk.1));
    rows
}

/// The number in a file.
fn number(facts: &Facts<'_>, path: &str) -> Option<i64> {
    (facts.read)(path)?.trim().parse().ok()
}

fn kernel(facts: &Facts<'_>) -> Row {
    let text = (facts.read)("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = text.trim();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (5, 11) {
        return Row::ok("kernel", format!("Linux {release}")).needed();
    }
    let detail = format!("Linux {release}: expected 5.11 or later");
    Row::not("kernel", State::Missing, detail, "boot a newer kernel").needed()
}

fn processors(facts: &Facts<'_>) -> Row {
    let count = facts.processors;
    if count >= 4 {
        return Row::ok("processors", count.to_string());
    }
    let detail = format!("{count}, fewer than the condition `cpus` has by default (4): a step runs on these");
    Row::not("processors", State::Limited, detail, "")
}

fn memory(facts: &Facts<'_>) -> Row {
    let text = (facts.read)("/proc/meminfo").unwrap_or_default();
    let kib = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    };
    match (kib("MemTotal"), kib("MemAvailable")) {
        (Some(total), available) => {
            let available = available.map_or(String::new(), |kib| format!(", {} MiB available", kib >> 10));
            Row::ok("memory", format!("{} MiB{available}", total >> 10))
        }
        _ => Row::not("memory", State::Limited, "/proc/meminfo cannot be read", ""),
    }
}

fn mode(mode: Mode) -> Row {
    Row::ok(
        "mode",
        match mode {
            Mode::Rootless => "rootless: the builder is this user outside",
            Mode::Privileged => "privileged: the builder is an unused id outside",
        },
    )
}

/// The things that a sandbox is made of, in the order in which they are made, and the words for them.
const PARTS: [(&str, &str); 5] = [
    ("user-namespaces", "namespaces of users, processes, mounts and names"),
    ("network-namespace", "a network of its own"),
    ("proc", "a /proc of its own"),
    ("overlay", "overlays in a user namespace"),
    ("addresses", "a program's addresses can be kept from being random"),
];

/// Which of them a step of setting up belongs to.
const fn part(stage: Stage) -> usize {
    match stage {
        Stage::Network | Stage::Loopback => 1,
        Stage::Proc | Stage::Mask => 2,
        Stage::Build | Stage::Etc | Stage::Pivot => 3,
        Stage::Addresses => 4,
        _ => 0,
    }
}

/// A row for each; of those behind the one that failed nothing is known.
fn setup(result: &Result<super::Support, (Stage, SandboxError)>) -> Vec<Row> {
    let failed = result.as_ref().err().map(|(stage, error)| (part(*stage), error));
    let row = |(at, (what, words)): (usize, &(&str, &str))| match failed {
        Some((part, error)) if part == at => {
            let (detail, fix) = match error {
                SandboxError::Refused { cause, fix } => (cause.clone(), fix.clone()),
                other => {
                    let cause = std::error::Error::source(other).map_or(String::new(), |c| format!(": {c}"));
                    (format!("{other}{cause}"), String::new())
                }
            };
            Row::not(what, State::Missing, detail, fix)
        }
        Some((part, _)) if part < at => {
            Row::not(what, State::Missing, format!("not known without {}", PARTS[part].1), "")
        }
        _ if at == 2 && result.as_ref().is_ok_and(|support| !support.hidepid) => {
            let detail = "a /proc of its own, in which process 1 is seen (hidepid: Linux 5.8 or later)";
            Row::not(what, State::Limited, detail, "")
        }
        _ => Row::ok(what, *words),
    };
    PARTS.iter().enumerate().map(|pair| row(pair).needed()).collect()
}

/// What the kernel said, in words.
fn said(errno: i32) -> String {
    std::io::Error::from_raw_os_error(errno).to_string()
}

const UNCONFINED: &str = "start the container with --security-opt seccomp=unconfined";

fn filter(result: Result<(), i32>) -> Row {
    match result {
        Ok(()) => Row::ok("seccomp", "system calls can be restricted"),
        Err(errno) => {
            let detail = format!("system calls cannot be restricted: {}", said(errno));
            Row::not("seccomp", State::Missing, detail, "boot a kernel with CONFIG_SECCOMP_FILTER=y")
        }
    }
    .needed()
}

fn listener(result: Result<(), i32>) -> Row {
    const WHAT: &str = "seccomp-notify";
    let lost = "attempts cannot be seen, nor conditions below the program kept";
    let row = match result {
        Ok(()) => Row::ok(WHAT, "attempts can be seen, conditions pinned"),
        Err(libc::EBUSY) => {
            let detail = format!("a container engine listens to system calls already: {lost}");
            Row::not(WHAT, State::Missing, detail, UNCONFINED)
        }
        Err(libc::EINVAL) => {
            let detail = format!("this kernel has none (Linux 5.5 or later): {lost}");
            Row::not(WHAT, State::Missing, detail, "boot a newer kernel")
        }
        Err(errno) => Row::not(WHAT, State::Missing, format!("{}: {lost}", said(errno)), UNCONFINED),
    };
    row.needed()
}

fn clock(facts: &Facts<'_>) -> Row {
    const WHAT: &str = "pinned-clock";
    match (facts.tried.listener, facts.tried.memory) {
        (Ok(()), Ok(())) => Row::ok(WHAT, "the clock of a program can be taken away"),
        (Err(_), _) => {
            Row::not(WHAT, State::Limited, "needs seccomp-notify: only `clock = \"host\"` can be had", "")
        }
        (_, Err(errno)) => {
            let detail = format!(
                "the memory of another process cannot be written ({}): only `clock = \"host\"` can be had",
                said(errno)
            );
            let fix = match number(facts, "/proc/sys/kernel/yama/ptrace_scope") {
                Some(2..) => "sudo sysctl -w kernel.yama.ptrace_scope=1",
                _ => "boot with proc_mem.force_override=always",
            };
            Row::not(WHAT, State::Limited, detail, fix)
        }
    }
}

fn landlock(result: Result<u32, i32>) -> Row {
    const WHAT: &str = "landlock";
    let lost = "mounts alone say where a step may write";
    match result {
        Ok(version @ 3..) => {
            Row::ok(WHAT, format!("version {version}: says once more where a step may write"))
        }
        Ok(version) => {
            let detail = format!("version {version}, of 3 or later: {lost}");
            Row::not(WHAT, State::Limited, detail, "boot a newer kernel (Linux 6.2 or later)")
        }
        Err(libc::EOPNOTSUPP) => {
            let detail = format!("the kernel has it, and it is turned off: {lost}");
            Row::not(WHAT, State::Limited, detail, "boot with lsm=landlock before the others")
        }
        Err(libc::ENOSYS) => {
            let detail = format!("the kernel has none (Linux 5.13 or later): {lost}");
            Row::not(WHAT, State::Limited, detail, "boot a kernel with CONFIG_SECURITY_LANDLOCK=y")
        }
        Err(errno) => Row::not(WHAT, State::Limited, format!("{}: {lost}", said(errno)), UNCONFINED),
    }
}

fn cgroup(facts: &Facts<'_>) -> Row {
    const WHAT: &str = "cgroup";
    let lost = "the limits of a step are watched instead, every 20 ms";
    let fix = "systemd-run --user --scope -p Delegate=yes selfsame …";
    let (detail, fix) = match crate::cgroup::find(facts.read, facts.writable, facts.own) {
        Ok(place) => {
            return Row::ok(WHAT, format!("the kernel keeps the limits of a step, below {}", place.base));
        }
        Err(Lack::Version) => {
            ("no cgroup v2 here".to_owned(), "boot with systemd.unified_cgroup_hierarchy=1")
        }
        Err(Lack::Delegation(detail)) => (detail, fix),
    };
    Row::not(WHAT, State::Limited, format!("{detail}: {lost}"), fix)
}

fn yama(facts: &Facts<'_>) -> Row {
    match number(facts, "/proc/sys/kernel/yama/ptrace_scope") {
        None => Row::ok("yama", "not there"),
        Some(scope @ 0..=1) => Row::ok("yama", format!("ptrace_scope {scope}")),
        Some(scope) => Row::not(
            "yama",
            State::Limited,
            format!("ptrace_scope {scope}: no process of a step can be looked into but by root"),
            "sudo sysctl -w kernel.yama.ptrace_scope=1",
        ),
    }
}

fn users(found: Users) -> Row {
    match found {
        Users::Own(first) => Row::ok("image-users", format!("65536 ids from {first}, this process's own")),
        Users::Subordinate(first) => Row::ok("image-users", format!("65536 subordinate ids from {first}")),
        Users::None => {
            let detail = "no ids for the users of images: Dockerfiles cannot be built";
            let fix = "sudo apt-get install uidmap; sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER";
            Row::not("image-users", State::Limited, detail, fix)
        }
    }
}

fn fuse(result: Result<(), i32>) -> Row {
    match result {
        Ok(()) => Row::ok("fuse", "/dev/fuse can be opened (not used yet)"),
        Err(libc::ENOENT) => {
            Row::not("fuse", State::Limited, "no /dev/fuse (not used yet)", "sudo modprobe fuse")
        }
        Err(errno) => Row::not(
            "fuse",
            State::Limited,
            format!("/dev/fuse: {} (not used yet)", said(errno)),
            "sudo chmod 0666 /dev/fuse",
        ),
    }
}

/// File systems that cannot be the upper layer of an overlay, or not reliably.
const UNFIT: [(i64, &str); 7] = [
    (0x794c_7630, "overlay"),
    (0x6969, "nfs"),
    (0xff53_4d42, "cifs"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "fuse"),
    (0x4d44, "vfat"),
    (0x2011_bab0, "exfat"),
];
const FIT: [(i64, &str); 6] = [
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x0102_1994, "tmpfs"),
    (0xf2f5_2010, "f2fs"),
    (0x2fc1_2fc1, "zfs"),
];
/// Whether no overlay can have its upper layer on that kind of file system.
pub(crate) fn is_unfit(kind: i64) -> bool {
    UNFIT.iter().any(|(number, _)| *number == kind)
}

const LITTLE: u64 = 2 << 30;

fn disk(place: &str, found: Option<(i64, u64, u64)>) -> Row {
    const WHAT: &str = "disk";
    let Some((kind, free, all)) = found else {
        return Row::not(WHAT, State::Missing, format!("`{place}` cannot be looked at"), "give --home DIR")
            .needed();
    };
    let name =
        |list: &[(i64, &'static str)]| list.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name);
    let room = format!("{} of {} MiB free at `{place}`", free >> 20, all >> 20);
    if let Some(unfit) = name(&UNFIT) {
        let detail = format!("{unfit}, which no overlay writes to; {room}");
        return Row::not(WHAT, State::Missing, detail, "give --home DIR on a disk of its own (a volume)")
            .needed();
    }
    let kind = name(&FIT).map_or_else(|| format!("file system {kind:#x}"), str::to_owned);
    if free < LITTLE {
        return Row::not(WHAT, State::Limited, format!("{kind}, {room}"), "selfsame store gc").needed();
    }
    Row::ok(WHAT, format!("{kind}, {room}")).needed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Support;

    /// A host on which all is well, with some of its files and answers changed.
    fn told(
        files: &[(&str, &str)],
        sandbox: Result<Support, (Stage, SandboxError)>,
        change: impl Fn(&mut Tried),
        disk: (i64, u64),
    ) -> Vec<Row> {
        let mut tried = Tried { filter: Ok(()), listener: Ok(()), memory: Ok(()), landlock: Ok(4) };
        change(&mut tried);
        let good = [
            ("/proc/sys/kernel/osrelease", "6.1.0-13-amd64\n"),
            ("/proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n"),
            ("/proc/self/cgroup", "0::/user.slice\n"),
            ("/sys/fs/cgroup/user.slice/cgroup.controllers", "cpu memory pids\n"),
            ("/proc/sys/kernel/yama/ptrace_scope", "1\n"),
        ];
        let read = |path: &str| {
            let found = files.iter().chain(&good).find(|(name, _)| *name == path);
            found.map(|(_, text)| (*text).to_owned()).filter(|text| !text.is_empty())
        };
        let facts = Facts {
            read: &read,
            writable: &|path| !files.contains(&("closed", path)),
            opens: &|path| if files.contains(&("closed", path)) { Err(libc::ENOENT) } else { Ok(()) },
            sandbox,
            mode: Mode::Rootless,
            tried,
            processors: 8,
            users: if files.contains(&("no-ids", "")) { Users::None } else { Users::Subordinate(100_000) },
            own: 7,
            disk: ("/home/me".into(), Some((disk.0, disk.1, 1 << 40))),
        };
        rows(&facts)
    }

    const EXT4: (i64, u64) = (0xef53, 1 << 39);

    fn well() -> Result<Support, (Stage, SandboxError)> {
        Ok(Support { mode: Mode::Rootless, hidepid: true })
    }

    #[test]
    fn a_good_host_has_nothing_to_fix() {
        for row in told(&[], well(), |_| {}, EXT4) {
            assert_eq!((row.state, &row.fix), (State::Ok, &None), "{row:?}");
        }
    }

    /// Which files, what was tried, the row, its state, a word of the detail, a word of the fix.
    type Case = (
        &'static [(&'static str, &'static str)],
        fn(&mut Tried),
        &'static str,
        State,
        &'static str,
        &'static str,
    );

    #[test]
    fn each_lack_is_told_with_its_fix() {
        use State::{Limited, Missing};
        let same: fn(&mut Tried) = |_| {};
        let cases: &[Case] = &[
            (&[("no-ids", "")], same, "image-users", Limited, "Dockerfiles cannot be built", "--add-subuids"),
            (
                &[("/proc/sys/kernel/osrelease", "5.10.0")],
                same,
                "kernel",
                Missing,
                "5.11 or later",
                "newer kernel",
            ),
            (
                &[],
                |t| t.listener = Err(libc::EBUSY),
                "seccomp-notify",
                Missing,
                "container engine listens",
                "seccomp=unconfined",
            ),
            (
                &[],
                |t| t.listener = Err(libc::EINVAL),
                "seccomp-notify",
                Missing,
                "this kernel has none",
                "newer kernel",
            ),
            (&[], |t| t.listener = Err(libc::EBUSY), "pinned-clock", Limited, "seccomp-notify", ""),
            (
                &[],
                |t| t.memory = Err(libc::EACCES),
                "pinned-clock",
                Limited,
                "cannot be written",
                "force_override",
            ),
            (
                &[("/proc/sys/kernel/yama/ptrace_scope", "3")],
                |t| t.memory = Err(libc::EACCES),
                "pinned-clock",
                Limited,
                "cannot be written",
                "ptrace_scope=1",
            ),
            (
                &[("/proc/sys/kernel/yama/ptrace_scope", "2")],
                same,
                "yama",
                Limited,
                "ptrace_scope 2",
                "ptrace_scope=1",
            ),
            (
                &[],
                |t| t.filter = Err(libc::EINVAL),
                "seccomp",
                Missing,
                "cannot be restricted",
                "CONFIG_SECCOMP_FILTER",
            ),
            (&[], |t| t.landlock = Err(libc::EOPNOTSUPP), "landlock", Limited, "turned off", "lsm=landlock"),
            (
                &[],
                |t| t.landlock = Err(libc::ENOSYS),
                "landlock",
                Limited,
                "has none",
                "CONFIG_SECURITY_LANDLOCK",
            ),
            (
                &[("/proc/self/cgroup", "1:memory:/x\n")],
                same,
                "cgroup",
                Limited,
                "no cgroup v2",
                "unified_cgroup",
            ),
            (
                &[("closed", "/sys/fs/cgroup/user.slice")],
                same,
                "cgroup",
                Limited,
                "not this user's",
                "Delegate=yes",
            ),
            (
                &[("/sys/fs/cgroup/user.slice/cgroup.controllers", "memory cpu")],
                same,
                "cgroup",
                Limited,
                "without pids",
                "Delegate=yes",
            ),
            (
                &[("/sys/fs/cgroup/user.slice/cgroup.procs", "6\n7\n"), ("/proc/6/stat", "6 (sh) S 1 6")],
                same,
                "cgroup",
                Limited,
                "holds other processes",
                "systemd-run",
            ),
            (&[("closed", "/dev/fuse")], same, "fuse", Limited, "no /dev/fuse", "modprobe fuse"),
        ];
        for (files, change, what, state, detail, fix) in cases {
            let rows = told(files, well(), change, EXT4);
            let row = rows.iter().find(|row| row.what == *what).unwrap();
            assert_eq!(row.state, *state, "{row:?}");
            assert!(row.detail.contains(detail), "{row:?}");
            assert!(row.fix.as_deref().unwrap_or_default().contains(fix), "{row:?}");
            assert_eq!(row.fix.is_none(), fix.is_empty(), "{row:?}");
        }
    }

    #[test]
    fn what_refuses_a_sandbox_is_told_at_the_part_that_it_refuses() {
        let refused = |stage, cause: &str| {
            (stage, SandboxError::Refused { cause: cause.into(), fix: format!("fix {cause}") })
        };
        for (stage, cause, missing) in [
            (Stage::Clone, "kernel.unprivileged_userns_clone is 0", 5),
            (Stage::MapIds, "AppArmor restricts user namespaces", 5),
            (Stage::Network, "max_net_namespaces", 4),
            (Stage::Proc, "parts of /proc are masked", 3),
            (Stage::Build, "no overlay", 2),
            (Stage::Addresses, "the call `personality` is refused", 1),
        ] {
            let rows = told(&[], Err(refused(stage, cause)), |_| {}, EXT4);
            let lacking: Vec<_> = rows.iter().filter(|row| row.state == State::Missing).collect();
            assert_eq!(lacking.len(), missing, "{lacking:?}");
            assert!(lacking.iter().all(|row| row.needed));
            assert_eq!(
                (lacking[0].detail.as_str(), lacking[0].fix.clone()),
                (cause, Some(format!("fix {cause}")))
            );
            assert!(
                lacking[1..]
                    .iter()
                    .all(|row| row.detail.starts_with("not known without") && row.fix.is_none())
            );
        }
        let rows = told(&[], Ok(Support { mode: Mode::Rootless, hidepid: false }), |_| {}, EXT4);
        assert!(rows.iter().any(|row| row.what == "proc" && row.state == State::Limited));
    }

    #[test]
    fn a_disk_that_no_overlay_writes_to_is_missing() {
        let row = |disk| told(&[], well(), |_| {}, disk).into_iter().find(|row| row.what == "disk").unwrap();
        assert_eq!(row((0x794c_7630, 1 << 39)).state, State::Missing);
        assert!(row((0x6969, 1 << 39)).detail.starts_with("nfs"));
        assert_eq!(row((0xef53, 1 << 20)).state, State::Limited);
        assert_eq!(
            row((0x1234, 1 << 39)).detail,
            "file system 0x1234, 524288 of 1048576 MiB free at `/home/me`"
        );
    }
}
