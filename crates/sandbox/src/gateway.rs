//! The one way out of a sandbox's network, for a step that has one: three doors on its loopback interface, with the
//! caller behind them.
//!
//! The sandbox makes the sockets inside its own network namespace and hands them out; no packet of the command leaves
//! the namespace. What stands behind the doors is the caller's: it answers by name, and says which requests were none
//! of the declared.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use model::violation::{Process, Violation};

use crate::Cancel;
use crate::watch::process::ancestry;

/// Listening TCP sockets of the sandbox's loopback interface.
#[derive(Debug)]
pub struct Doors {
    /// Port 80, for tools that know no proxy.
    pub http: OwnedFd,
    /// Port 443, the same with TLS.
    pub https: OwnedFd,
    /// Port 3128, for tools that do.
    pub proxy: OwnedFd,
}

/// Their ports, in the order of [`Doors`].
pub(crate) const PORTS: [u16; 3] = [80, 443, 3128];

/// What stands behind the doors of a sandbox.
pub trait Gateway: Sync {
    /// Whether a host of that name is there. If so, its address is the sandbox's own; if not, there is no such host, and
    /// to ask for it is a violation.
    fn knows(&self, name: &str) -> bool;

    /// Files that the command finds below `/etc` or `/run`, over those of the toolchain: path from the root, content.
    fn files(&self) -> Vec<(String, Vec<u8>)>;

    /// Answers on a thread of its own until `end` is raised; then gives what was asked for and is not declared.
    fn serve(&self, doors: Doors, who: &Who, end: &Cancel) -> Vec<Violation>;
}

/// Tells which process has a connection.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    /// Process 1 of the sandbox, in this process's numbers.
    init: i32,
}

impl Who {
    pub(crate) const fn new(init: i32) -> Self {
        Self { init }
    }

    /// The process at the other end of a connection from `peer`, its parent, and so on; empty if it is gone.
    #[must_use]
    pub fn is(&self, peer: SocketAddr) -> Vec<Process> {
        self.inode(peer)
            .and_then(|inode| self.holder(&inode))
            .map_or_else(Vec::new, |pid| ancestry(pid, self.init))
    }

    /// The socket whose own address is `peer`.
    fn inode(&self, peer: SocketAddr) -> Option<String> {
        let SocketAddr::V4(peer) = peer else { return None };
        let address = format!("{:08X}:{:04X}", u32::from_ne_bytes(peer.ip().octets()), peer.port());
        let table = fs::read_to_string(format!("/proc/{}/net/tcp", self.init)).ok()?;
        table.lines().skip(1).find_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            (fields.next()? == address).then(|| fields.nth(7).map(str::to_owned)).flatten()
        })
    }

    /// A process of the sandbox that has the socket open.
    fn holder(&self, inode: &str) -> Option<i32> {
        let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let own = namespace(self.init)?;
        let socket = format!("socket:[{inode}]");
        let has = |pid: &i32| {
            let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            open.map(|entry| entry.path())
                .any(|path| fs::read_link(path).is_ok_and(|to| to.as_os_str() == socket.as_str()))
        };
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
            .find(|pid| namespace(*pid).as_ref() == Some(&own) && has(pid))
    }
}
