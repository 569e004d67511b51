//! What this machine has of the things that a step missed: the likeliest cause is that they lie just outside.

use std::path::{Path, PathBuf};

use inputs::package_of;
use model::violation::{Kind, Violation};

/// A sentence about a thing that was missed, if this machine has it. `recipe` is the folder of the recipe, `build` the
/// build directory inside.
pub(crate) fn hint(violation: &Violation, recipe: &Path, build: &str, search: &str) -> Option<String> {
    let what = violation.what.as_str();
    match violation.kind {
        Kind::File => {
            let own = what.strip_prefix(build).and_then(|rest| rest.strip_prefix('/'));
            match own {
                Some(own) => recipe.join(own).exists().then(|| {
                    format!(
                        "`{own}` lies beside the recipe, but it is not part of the inputs: `git add {own}` if it is a \
                         source, or widen `inputs` of the step"
                    )
                }),
                None => installed(Path::new(what)),
            }
        }
        Kind::Program => {
            search.split(':').map(|dir| Path::new(dir).join(what)).find(|p| p.is_file()).map(|path| {
                installed(&path)
                    .unwrap_or_else(|| format!("this machine has it as `{}`, of no package", path.display()))
            })
        }
        Kind::Network | Kind::Call | Kind::Write => None,
    }
}

/// The package of a file of this machine, as `toolchain.packages` would name it.
fn installed(path: &Path) -> Option<String> {
    let real: PathBuf = path.canonicalize().ok()?;
    let owner = [path, &real].into_iter().find_map(|path| package_of(Path::new("/"), path.to_str()?));
    Some(match owner {
        Some(package) => format!(
            "this machine has `{}` from its package `{package}`: add \"{package}\" to `toolchain.packages`, then run \
             `selfsame lock`",
            path.display()
        ),
        None => format!("this machine has `{}`; a step does not see it", path.display()),
    })
}
