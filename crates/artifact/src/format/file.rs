//! One file as it is: no name, mode or time is kept.

use std::io::Write;

use model::tree::Node;

use super::Packing;
use crate::{PackError, member};

pub(super) fn write(packing: &Packing<'_>, out: &mut dyn Write) -> Result<(), PackError> {
    let found = match packing.members {
        [one] => match &one.node {
            Node::File { digest, .. } => {
                return member::copy(packing.contents, &one.path, digest, &mut Vec::new(), out);
            }
            Node::Directory(_) => format!("`{}`, a directory", one.path),
            Node::Symlink(_) => format!("`{}`, a symlink", one.path),
        },
        members => format!("{} members", members.len()),
    };
    Err(PackError::NotOneFile { found })
}
