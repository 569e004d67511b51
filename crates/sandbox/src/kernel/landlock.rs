//! Landlock.

#![allow(unsafe_code, reason = "system calls; the arguments are checked types, so callers need no unsafe")]

use std::os::fd::RawFd;
use std::ptr;

use super::{Answer, Errno, answer, descriptor, done};

/// The version of Landlock that the kernel has.
pub(crate) fn landlock_version() -> Answer<u32> {
    const VERSION: u64 = 1; // LANDLOCK_CREATE_RULESET_VERSION
    // SAFETY: with this flag there are no attributes.
    let version =
        answer(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<u64>(), 0, VERSION) })?;
    u32::try_from(version).map_err(|_| Errno(libc::ERANGE))
}

/// New rules that handle `access` to files, and keep `scopes` to the own processes (Landlock 6).
pub(crate) fn landlock_rules(access: u64, scopes: u64) -> Answer<RawFd> {
    // `landlock_ruleset_attr`: files, network, scopes; an older kernel takes a shorter one.
    let attributes = [access, 0, scopes];
    let size = if scopes == 0 { 8 } else { size_of_val(&attributes) };
    // SAFETY: the attributes are readable for their size.
    descriptor(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, attributes.as_ptr(), size, 0_u32) })
}

/// Allows `access` below the directory `dir`.
pub(crate) fn landlock_allow(rules: RawFd, dir: RawFd, access: u64) -> Answer<()> {
    // `landlock_path_beneath_attr` is packed: access, descriptor.
    let mut rule = [0_u8; 12];
    rule[..8].copy_from_slice(&access.to_ne_bytes());
    rule[8..].copy_from_slice(&dir.to_ne_bytes());
    // SAFETY: the rule is readable for its size.
    done(unsafe {
        libc::syscall(libc::SYS_landlock_add_rule, rules, 1 /* beneath */, rule.as_ptr(), 0_u32)
    })
}

/// Puts the rules on this process and its children, for good.
pub(crate) fn landlock_restrict(rules: RawFd) -> Answer<()> {
    // SAFETY: no pointers.
    done(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules, 0_u32) })
}
