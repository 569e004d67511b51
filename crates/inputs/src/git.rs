//! The host's `git`, run so that a repository cannot make it run anything else, or ask anyone anything.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use model::Timestamp;

/// Why `git` did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// `git` cannot be started.
    #[error("`git` cannot be started: install it")]
    Start(#[source] io::Error),
    /// It failed.
    #[error("`git {command}` failed: {message}")]
    Failed {
        /// Its arguments.
        command: String,
        /// What it printed.
        message: String,
    },
    /// There is no repository.
    #[error(
        "`{path}` is in no git repository, so nothing says which files belong to it: run `git init && git add .` there, \
         or take the source by `url` or `git`", path = .path.display()
    )]
    NoRepository {
        /// The folder.
        path: PathBuf,
    },
    /// The repository does not have the commit.
    #[error("{url} does not have the commit\n  expected {expected}\n  found    {found}")]
    Commit {
        /// The repository.
        url: String,
        /// What the recipe says.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Something in a repository cannot become part of a tree.
    #[error("{place}: {reason}")]
    Content {
        /// Where.
        place: String,
        /// Why.
        reason: String,
    },
    /// A file of the work tree cannot be read.
    #[error("cannot read `{path}`", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

impl GitError {
    /// True if a server did not say whether it has what was asked for. Git tells in words alone.
    #[must_use]
    pub fn is_no_answer(&self) -> bool {
        const SIGNS: [&str; 21] = [
            "Could not resolve host",
            "Could not resolve proxy",
            "name resolution",
            "Name or service not known",
            "Unable to look up",
            "Failed to connect",
            "Couldn't connect",
            "unable to connect to",
            "Connection refused",
            "Connection reset",
            "onnection timed out",
            "Operation timed out",
            "Network is unreachable",
            "No route to host",
            "Empty reply from server",
            "RPC failed",
            "early EOF",
            "returned error: 5",
            "returned error: 408",
            "returned error: 429",
            "GnuTLS recv error",
        ];
        matches!(self, Self::Failed { message, .. } if SIGNS.iter().any(|sign| message.contains(sign)))
    }
}

/// `git` in a folder, with a quiet and closed environment: no prompt, no hook, no file system monitor, no remote helper,
/// and none of the variables by which a calling git would point it elsewhere.
pub(crate) fn command(env: &BTreeMap<String, String>, folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .env_clear()
        .envs(env.iter().filter(|(name, _)| {
            !name.starts_with("GIT_") || name.starts_with("GIT_SSL_") || name.starts_with("GIT_SSH")
        }))
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        // A commit is what its id says, and not what a replacement of it says.
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        // What is missing is missing, and not brought from wherever a repository says.
        .env("GIT_NO_LAZY_FETCH", "1")
        // `NAME::ADDRESS` runs the program `git-remote-NAME`.
        .env("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh")
        .env("LC_ALL", "C.UTF-8")
        .current_dir(folder)
        .stdin(Stdio::null())
        .args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.fsmonitor=false",
            "-c",
            "protocol.ext.allow=never",
        ])
        .args(["-c", "core.quotePath=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false"]);
    command
}

/// Runs `git` and gives what it prints.
pub(crate) fn run(
    env: &BTreeMap<String, String>,
    folder: &Path,
    arguments: &[&str],
) -> Result<Vec<u8>, GitError> {
    output(command(env, folder), arguments)
}

/// Runs `git` in somebody's repository, whose configuration may name programs.
///
/// For plumbing that reads objects, the index or names of files, and never the content of a file of the work tree: so it
/// needs no filter (`filter.*.clean`, `.process`), no `textconv` or external diff, and asks no `gpg.program`. What is
/// left are programs for the network (`core.sshCommand`, `credential.helper`, a promisor remote's), which is closed.
pub(crate) fn ask(
    env: &BTreeMap<String, String>,
    folder: &Path,
    arguments: &[&str],
) -> Result<Vec<u8>, GitError> {
    let mut command = command(env, folder);
    command.env("GIT_ALLOW_PROTOCOL", "");
    output(command, arguments)
}

fn output(mut command: Command, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
    let output = command.args(arguments).output().map_err(GitError::Start)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(GitError::Failed { command: arguments.join(" "), message })
}

/// The committer's time of a commit, from its own text: `git show` may ask the repository's `gpg.program`.
pub(crate) fn commit_time(commit: &[u8]) -> Option<Timestamp> {
    let text = String::from_utf8_lossy(commit);
    // The head ends with an empty line; the name may hold anything but a line end.
    let line = text.lines().take_while(|l| !l.is_empty()).find_map(|l| l.strip_prefix("committer "))?;
    line.rsplit(' ').nth(1)?.parse().ok().map(Timestamp)
}

/// One entry of an index or a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed<'a> {
    /// `100644`, `100755`, `120000` or `160000`.
    pub mode: &'a str,
    pub object: &'a str,
    pub path: &'a str,
    /// Git was told not to look at the file: assume-unchanged or skip-worktree.
    pub hidden: bool,
}

/// Reads the lines of `ls-files -s -v -z` and `ls-tree -r -z`: words, a tab, a path.
pub(crate) fn listed<'a>(place: &str, bytes: &'a [u8]) -> Result<Vec<Listed<'a>>, GitError> {
    let mut list = Vec::new();
    for line in bytes.split(|b| *b == 0).filter(|l| !l.is_empty()) {
        let wrong = |reason: &str| GitError::Content {
            place: format!("{place}: {}", String::from_utf8_lossy(line)),
            reason: reason.to_owned(),
        };
        let line =
            std::str::from_utf8(line).map_err(|_| wrong("a path that is not UTF-8 cannot be in a tree"))?;
        let (head, path) = line.split_once('\t').ok_or_else(|| wrong("cannot be read"))?;
        let mut words = head.split(' ');
        let words = [(); 5].map(|()| words.next());
        let (mode, object, hidden) = match words {
            [Some(mode), Some("blob" | "commit" | "tree"), Some(object), None, None] => (mode, object, false),
            [Some(tag), Some(mode), Some(object), Some("0"), None] => (mode, object, tag != "H"),
            [_, _, _, Some(_), None] => return Err(wrong("is in conflict: finish the merge first")),
            _ => return Err(wrong("cannot be read")),
        };
        list.push(Listed { mode, object, path, hidden });
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_the_committers() {
        let text =
            b"tree 1\nparent 2\nauthor A <a> 1 +0000\ncommitter B 9 <b> 3 +0100\n\ncommitter C <c> 4 +0000\n";
        assert_eq!(commit_time(text), Some(Timestamp(3)));
        assert_eq!(commit_time(b"tree 1\n\ncommitter C <c> 4 +0000\n"), None);
    }
}
