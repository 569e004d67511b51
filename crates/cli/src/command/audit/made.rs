//! What the artifacts of a build hold that another machine, hour or key would make another way.

use inputs::audit::{Made, Noted, artifact};
use model::tree::Node;
use model::{Conditions, Digest, Timestamp};

use crate::session::Session;

/// What is looked at: the name of an artifact, whether it is a directory, and its digest.
pub(super) type Artifact = (String, bool, Digest);

/// Looks at each artifact, as far as the store has it.
pub(super) fn noted(
    session: &Session,
    recipe: (&str, &str),
    artifacts: &[Artifact],
    conditions: &Conditions,
) -> Vec<Noted> {
    let (path, text) = recipe;
    let mut list = Vec::new();
    for (name, is_directory, digest) in artifacts {
        let quoted = format!("name = \"{name}\"");
        let line = text.lines().position(|l| l.trim() == quoted).map_or(0, |at| at + 1);
        let look = |name: &str, digest: &Digest| {
            let Ok(mut file) = session.store.open_blob(digest) else { return Vec::new() };
            let epoch = Timestamp(conditions.source_date_epoch.0);
            artifact(Made { recipe: path, line, name, build_path: &conditions.build_path, epoch }, &mut file)
        };
        if !is_directory {
            list.extend(look(name, digest));
            continue;
        }
        let mut of_this: Vec<Noted> = Vec::new();
        for (path, node) in session.store.walk(digest).unwrap_or_default() {
            let Node::File { digest, .. } = node else { continue };
            for noted in look(&format!("{name}/{path}"), &digest) {
                if of_this.iter().all(|known| known.id != noted.id) {
                    of_this.push(noted);
                }
            }
        }
        list.extend(of_this);
    }
    list
}
