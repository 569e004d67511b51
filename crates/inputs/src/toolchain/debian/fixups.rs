//! What maintainer scripts do that a build needs and that cannot be read from them: a table, part of
//! [`ASSEMBLER`](crate::ASSEMBLER).

/// One thing that the assembler does after all packages are laid down.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fixup {
    /// A link, where nothing is and its target exists.
    Link { at: &'static str, to: &'static str, target: &'static str },
    /// A copy of a file, where nothing is and the file exists.
    Copy { from: &'static str, to: &'static str },
    /// All files below a folder whose names end so, in order of their paths, as one file; if there are any.
    Concatenate { below: &'static str, suffix: &'static str, to: &'static str },
    /// A folder.
    Directory(&'static str),
}

/// In this order.
pub(super) const TABLE: &[Fixup] = &[
    // Debian's sh is dash; older packages of it make the link in a script.
    Fixup::Link { at: "usr/bin/sh", to: "dash", target: "usr/bin/dash" },
    Fixup::Link { at: "usr/bin/sh", to: "bash", target: "usr/bin/bash" },
    // libc-bin and base-files copy these on installation.
    Fixup::Copy { from: "usr/share/libc-bin/nsswitch.conf", to: "etc/nsswitch.conf" },
    Fixup::Copy { from: "usr/share/base-files/profile", to: "etc/profile" },
    // base-files: whose packages these are. dpkg-buildflags and dpkg-genbuildinfo ask.
    Fixup::Link { at: "etc/dpkg/origins/default", to: "debian", target: "etc/dpkg/origins/debian" },
    // ca-certificates: update-ca-certificates with nothing deselected.
    Fixup::Concatenate {
        below: "usr/share/ca-certificates",
        suffix: ".crt",
        to: "etc/ssl/certs/ca-certificates.crt",
    },
    // What is mounted, or written to, in a sandbox; a read-only root gains no folder later.
    Fixup::Directory("build"),
    Fixup::Directory("dev"),
    Fixup::Directory("etc"),
    Fixup::Directory("home"),
    Fixup::Directory("mnt"),
    Fixup::Directory("opt"),
    Fixup::Directory("proc"),
    Fixup::Directory("root"),
    Fixup::Directory("run"),
    Fixup::Directory("sys"),
    Fixup::Directory("tmp"),
    Fixup::Directory("usr/local"),
    Fixup::Directory("var/tmp"),
];
