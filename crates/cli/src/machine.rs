//! The machine that builds, as a scan for leaks looks for it: its names, who uses it, and its folders.

use std::path::{Path, PathBuf};

use engine::leaks::Machine;

use crate::session::{environment, user};

/// What is known of this machine, with folders of the call: the recipe's, the store's.
pub(crate) fn machine(folders: &[&Path]) -> Machine {
    let env = environment();
    let mut hosts = vec![rustix::system::uname().nodename().to_string_lossy().into_owned()];
    if let Some((short, _)) = hosts[0].split_once('.') {
        hosts.push(short.to_owned());
    }
    let mut users = vec![user()];
    // Of somebody who became another user.
    users.extend(["USER", "LOGNAME", "SUDO_USER"].iter().filter_map(|name| env.get(*name).cloned()));
    let mut paths: Vec<PathBuf> =
        ["HOME", "TMPDIR"].iter().filter_map(|name| env.get(*name)).map(PathBuf::from).collect();
    for folder in folders {
        paths.push(folder.to_path_buf());
        paths.extend(checkout(folder));
    }
    // A folder is also found by the name that the kernel has for it.
    paths.extend(paths.clone().iter().filter_map(|path| path.canonicalize().ok()));
    let mut paths: Vec<String> = paths.iter().filter_map(|path| path.to_str().map(str::to_owned)).collect();
    for list in [&mut hosts, &mut users, &mut paths] {
        list.sort();
        list.dedup();
    }
    Machine { hosts, users, paths }
}

/// The work tree that a folder is in.
fn checkout(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|path| path.join(".git").exists()).map(Path::to_owned)
}
