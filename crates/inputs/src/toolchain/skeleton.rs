//! What every root has for the sandbox to mount on, whatever it is made of.

use model::RelPath;
use model::tree::Tree;

/// A read-only root gains no folder later. Those that Debian's assembler makes as well.
const FOLDERS: [&str; 13] = [
    "build",
    "dev",
    "etc",
    "home",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "sys",
    "tmp",
    "usr/local",
    "var/tmp",
];

/// Makes the folders that are not there. Where a file or a link is in the way, it stays.
pub(crate) fn make(tree: &mut Tree) {
    for folder in FOLDERS {
        let folder: RelPath = folder.parse().expect("the folders are plain paths");
        if tree.leaf(&folder).is_none() {
            let _ = tree.make_directory(&folder);
        }
    }
}
