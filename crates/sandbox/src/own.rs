//! The subordinate ids of an ordinary user, made the ids of images.
//!
//! `newuidmap` and `newgidmap` (package `uidmap`, set-user-id root) give a namespace the ids that `/etc/subuid` and
//! `/etc/subgid` hold for its owner. They want the namespace to be there, and to be started by its owner outside of it: so a
//! shell waits outside, while this process goes inside.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::image::IDS;
use crate::{SandboxError, first_id, kernel};

/// What the shell does when it is told that the namespace is there.
const GIVE: &str =
    "read -r _ && newuidmap \"$1\" 0 \"$2\" 1 1 \"$4\" 65536 && newgidmap \"$1\" 0 \"$3\" 1 1 \"$5\" 65536";

/// Gives this process ids for images: it becomes root of a namespace of its own, where 0 is its user and those from 1 on are
/// its subordinate ids. Where it has ids to give already, nothing happens.
///
/// To be called while the process has one thread. Everything that it starts afterwards is in the namespace too.
///
/// # Errors
/// [`SandboxError::Refused`], with what would give it ids. The process is then as it was, or of no use if it was the
/// kernel that refused halfway.
pub fn take_ids() -> Result<(), SandboxError> {
    let Err(refused) = first_id() else { return Ok(()) };
    let (uid, gid) = kernel::own_ids();
    let name = user_name(uid);
    let (Some(users), Some(groups)) =
        (subordinate("/etc/subuid", uid, name.as_deref()), subordinate("/etc/subgid", uid, name.as_deref()))
    else {
        return Err(refused);
    };
    let failed = |cause: String| SandboxError::Refused {
        cause: format!("an image has many users, and this host gives no ids to them: {cause}"),
        fix: "apt-get install uidmap, and let user namespaces be made (`selfsame doctor`)".to_owned(),
    };
    let numbers = [std::process::id(), uid, gid, users, groups].map(|number| number.to_string());
    let mut outside = Command::new("/bin/sh")
        .args(["-c", GIVE, "sh"])
        .args(numbers)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let entered = kernel::unshare_users();
    if let Some(mut input) = outside.stdin.take().filter(|_| entered.is_ok()) {
        input.write_all(b"\n").map_err(|error| failed(error.to_string()))?;
    }
    let ended = outside.wait_with_output().map_err(|error| failed(error.to_string()))?;
    entered.map_err(|errno| failed(std::io::Error::from(errno).to_string()))?;
    if !ended.status.success() {
        return Err(failed(String::from_utf8_lossy(&ended.stderr).trim().to_owned()));
    }
    kernel::be_root().map_err(|errno| failed(std::io::Error::from(errno).to_string()))?;
    first_id().map(|_| ())
}

/// Where the users of images are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Users {
    /// This process has ids to give, from this one on.
    Own(u32),
    /// Its user has subordinate ones, and `newuidmap` gives them.
    Subordinate(u32),
    /// Nowhere.
    None,
}

impl Users {
    pub(crate) fn found() -> Self {
        if let Ok(first) = first_id() {
            return Self::Own(first);
        }
        let uid = kernel::own_ids().0;
        let name = user_name(uid);
        let ids = ["/etc/subuid", "/etc/subgid"].map(|file| subordinate(file, uid, name.as_deref()));
        let gives = ["newuidmap", "newgidmap"].iter().all(|program| is_on_path(program));
        match ids {
            [Some(first), Some(_)] if gives => Self::Subordinate(first),
            _ => Self::None,
        }
    }
}

/// Whether a shell would find a program.
fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// The first of enough ids in a row that a file holds for a user, by number or name.
fn subordinate(file: &str, uid: u32, name: Option<&str>) -> Option<u32> {
    of_lines(&std::fs::read_to_string(file).ok()?, uid, name)
}

fn of_lines(text: &str, uid: u32, name: Option<&str>) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let (who, first, count) = (fields.next()?, fields.next()?, fields.next()?);
        let (first, count) = (first.parse::<u32>().ok()?, count.parse::<u32>().ok()?);
        let ours = who == uid.to_string() || Some(who) == name;
        (ours && count >= IDS && first > 0).then_some(first)
    })
}

fn user_name(uid: u32) -> Option<String> {
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = text.lines().find(|line| line.split(':').nth(2) == Some(&uid.to_string()))?;
    line.split(':').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_by_number_and_by_name() {
        let text = "root:5:10\nalice:100000:65536\n1001:200000:65535\n1001:300000:70000\nbob:x:65536\n";
        assert_eq!(of_lines(text, 1000, Some("alice")), Some(100_000));
        assert_eq!(of_lines(text, 1001, None), Some(300_000), "the first that is enough");
        assert_eq!(of_lines(text, 0, Some("root")), None);
        assert_eq!(of_lines(text, 1002, Some("bob")), None);
        assert_eq!(of_lines("", 1, None), None);
    }
}
