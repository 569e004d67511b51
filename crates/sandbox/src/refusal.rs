//! Why a host refuses a sandbox, and the command that makes it allow one.

use std::fs;
use std::io;

use crate::SandboxError;
use crate::error::Stage;

/// The error of a failed step: a refusal with its cause where the host is known to be the cause.
pub(crate) fn setup(stage: Stage, attempted: String, errno: i32) -> SandboxError {
    refused(stage, errno, &|path| fs::read_to_string(path).ok()).unwrap_or_else(|| SandboxError::Setup {
        stage,
        attempted,
        source: io::Error::from_raw_os_error(errno),
    })
}

fn refused(stage: Stage, errno: i32, read: &dyn Fn(&str) -> Option<String>) -> Option<SandboxError> {
    use Stage::{Build, Clone, Etc, Identity, Loopback, MapIds, Network, OwnerMap, Pivot, Proc, Root};
    let number = |path: &str| read(path).and_then(|text| text.trim().parse::<i64>().ok());
    let refusal = |cause: String, fix: &str| Some(SandboxError::Refused { cause, fix: fix.to_owned() });
    let denied = matches!(errno, libc::EPERM | libc::EACCES);
    if stage == Stage::Filter && errno == libc::EBUSY {
        return refusal(
            "a container engine listens to system calls itself, so nobody else can".into(),
            "start the container without its system call interception (LXD, Incus: security.syscalls.intercept.*=false)",
        );
    }
    if stage == Stage::Filter && errno == libc::EINVAL {
        return refusal(
            "this kernel has no system calls that can be listened to (Linux 5.5 or later is needed)".into(),
            "uname -r; boot a newer kernel with CONFIG_SECCOMP_FILTER=y",
        );
    }
    if stage == Stage::Addresses && matches!(errno, libc::EPERM | libc::EACCES | libc::ENOSYS) {
        return refusal(
            "the call `personality` is refused, as container engines' seccomp filters do: addresses stay random"
                .into(),
            "start the container with --security-opt seccomp=unconfined",
        );
    }
    let about_namespaces = matches!(
        stage,
        Clone | Network | MapIds | Identity | Loopback | OwnerMap | Root | Pivot | Proc | Build | Etc
    );
    if !about_namespaces {
        return None;
    }
    if stage == Clone && errno == libc::EINVAL {
        return refusal(
            "this kernel lacks a kind of namespace or clone3's features (Linux 5.11 or later is needed)"
                .into(),
            "uname -r; boot a newer kernel with CONFIG_USER_NS=y",
        );
    }
    if stage == Clone
        && (errno == libc::ENOSPC
            || errno == libc::EUSERS
            || number("/proc/sys/user/max_user_namespaces") == Some(0))
    {
        return refusal(
            "the limit user.max_user_namespaces (or that of another kind of namespace) is reached or 0"
                .into(),
            "sudo sysctl -w user.max_user_namespaces=65536",
        );
    }
    if stage == Network && matches!(errno, libc::ENOSPC | libc::EUSERS) {
        return refusal(
            "the limit user.max_net_namespaces is reached or 0".into(),
            "sudo sysctl -w user.max_net_namespaces=65536",
        );
    }
    if stage == Clone && errno == libc::ENOSYS {
        return refusal(
            "clone3 is blocked, as container engines' seccomp filters do".into(),
            "start the container with --security-opt seccomp=unconfined",
        );
    }
    if matches!(stage, Build | Etc) && errno == libc::ENODEV {
        return refusal("this kernel has no overlay file system".into(), "sudo modprobe overlay");
    }
    if stage == Build && errno == libc::EINVAL {
        return refusal(
            "the file system of the scratch directory cannot hold an overlay's changes (an overlay or a network \
             file system cannot), or Linux is older than 5.11"
                .into(),
            "findmnt -T the scratch directory; put it on ext4, xfs, btrfs or tmpfs",
        );
    }
    // An overlay is refused access to its layers only by their modes and owners: not the host's doing, for what
    // the host denies of mounts it has denied before, of the root.
    if !denied || (matches!(stage, Build | Etc) && errno == libc::EACCES) {
        return None;
    }
    if number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0) {
        return refusal(
            "kernel.unprivileged_userns_clone is 0".into(),
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        );
    }
    if number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        return refusal(
            "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1)".into(),
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        );
    }
    let status = read("/proc/self/status").unwrap_or_default();
    let filtered = status.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|n| n.trim() == "2"));
    if stage == Proc {
        return refusal(
            "parts of /proc are masked, as container engines do, so that no new one may be mounted".into(),
            "start the container with --security-opt systempaths=unconfined",
        );
    }
    if filtered {
        return refusal(
            format!("a seccomp filter (of a container?) does not let it {}", stage.describe()),
            "start the container with --security-opt seccomp=unconfined --security-opt apparmor=unconfined",
        );
    }
    if matches!(stage, Build | Etc) {
        return refusal(
            "this kernel does not mount overlays in a user namespace (Linux 5.11 or later does)".into(),
            "uname -r; boot a newer kernel",
        );
    }
    refusal(
        format!("a security module or a chroot does not let it {}", stage.describe()),
        "sudo dmesg | grep -i denied; run outside a chroot, or allow user namespaces for this program",
    )
}

#[cfg(test)]
mod tests {
    use super::refused;
    use crate::SandboxError;
    use crate::error::Stage;

    /// Stage, errno, what the host's files say; a word of the fix (empty: not a refusal).
    type Case = (Stage, i32, &'static [(&'static str, &'static str)], &'static str);

    #[test]
    fn each_known_refusal_names_its_fix() {
        let cases: &[Case] = &[
            (
                Stage::Clone,
                libc::EPERM,
                &[("unprivileged_userns_clone", "0\n")],
                "unprivileged_userns_clone=1",
            ),
            (
                Stage::MapIds,
                libc::EPERM,
                &[("unprivileged_userns_clone", "1\n"), ("apparmor_restrict_unprivileged_userns", "1\n")],
                "apparmor_restrict_unprivileged_userns=0",
            ),
            (Stage::Clone, libc::ENOSPC, &[("max_user_namespaces", "100\n")], "max_user_namespaces=65536"),
            (Stage::Clone, libc::EPERM, &[("max_user_namespaces", "0\n")], "max_user_namespaces=65536"),
            (Stage::Clone, libc::EPERM, &[("self/status", "Seccomp:\t2\n")], "seccomp=unconfined"),
            (Stage::Clone, libc::ENOSYS, &[], "seccomp=unconfined"),
            (Stage::Addresses, libc::ENOSYS, &[], "seccomp=unconfined"),
            (Stage::Proc, libc::EPERM, &[], "systempaths=unconfined"),
            (Stage::Build, libc::ENODEV, &[], "modprobe overlay"),
            (Stage::Build, libc::EINVAL, &[], "ext4"),
            (Stage::Build, libc::EPERM, &[], "newer kernel"),
            (Stage::Build, libc::EPERM, &[("self/status", "Seccomp:\t2\n")], "seccomp=unconfined"),
            (Stage::Build, libc::EACCES, &[("apparmor_restrict_unprivileged_userns", "1\n")], ""),
            (Stage::Etc, libc::EACCES, &[("self/status", "Seccomp:\t2\n")], ""),
            (Stage::Network, libc::ENOSPC, &[], "max_net_namespaces"),
            (Stage::Bind, libc::EPERM, &[("unprivileged_userns_clone", "0\n")], ""),
            (Stage::Clone, libc::ENOMEM, &[], ""),
        ];
        for (stage, errno, files, fix) in cases {
            let read = |path: &str| {
                files.iter().find(|(name, _)| path.ends_with(name)).map(|(_, text)| (*text).to_owned())
            };
            match refused(*stage, *errno, &read) {
                Some(SandboxError::Refused { fix: found, .. }) => {
                    assert!(!fix.is_empty() && found.contains(fix), "{stage:?} {errno}: {found}");
                }
                other => assert!(fix.is_empty(), "{stage:?} {errno}: {other:?}"),
            }
        }
    }
}
