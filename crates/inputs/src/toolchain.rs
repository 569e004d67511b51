//! The root filesystem of the steps: one file per kind of base, and the archives that are laid over it.
//!
//! Every kind ends as one tree. What it is made of is in the lock, and a tree that this store has not seen made of that is
//! made anew and compared.

pub(crate) mod debian;
mod host;
pub(crate) mod image;
pub(crate) mod links;
mod overlay;
mod skeleton;

use model::Digest;
use model::lock::{LockedBase, LockedToolchain};
use model::recipe::{Base, Recipe, Toolchain};
use store::Store;

use crate::http::Client;
use crate::{Context, InputError};

pub use host::HostCaptureError;

/// Version of the rules by which a toolchain's inputs become a tree: packages, images, captured files, archives. A change
/// of any that can change a tree raises it.
pub const ASSEMBLER: u32 = 3;

/// Why archives could not be laid over a base.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// Two things want to be at one path.
    #[error(
        "`{path}` would be two things\n  {first_origin}: {first}\n  {second_origin}: {second}\n\
         give the archive another `at`, or leave one of them out"
    )]
    Collision {
        /// In the root.
        path: model::RelPath,
        /// Who brought the first.
        first_origin: String,
        /// What it is.
        first: String,
        /// Who brings the second.
        second_origin: String,
        /// What it is.
        second: String,
    },
    /// `path` names nothing.
    #[error("archive `{archive}` puts `{path}` on PATH, but there is no such directory; it has {nearby}")]
    NoDirectory {
        /// Which archive.
        archive: String,
        /// In the root.
        path: model::RelPath,
        /// What is there.
        nearby: String,
    },
    /// `link` names nothing.
    #[error("archive `{archive}` links to `{path}`, but there is no such file; it has {nearby}")]
    NoFile {
        /// Which archive.
        archive: String,
        /// In the root.
        path: model::RelPath,
        /// What is there.
        nearby: String,
    },
    /// In a named archive.
    #[error("archive `{archive}` of the toolchain")]
    Archive {
        /// Which.
        archive: String,
        /// What went wrong.
        #[source]
        cause: Box<InputError>,
    },
}

/// Resolves and brings everything, and makes the tree. `previous` is what was locked before; its base stays while it is
/// what the recipe asks for and can be had, unless it is to `move_on`.
pub(crate) fn lock(
    cx: &Context<'_>,
    client: &Client<'_>,
    recipe: &Toolchain,
    previous: Option<&LockedToolchain>,
    move_on: bool,
) -> Result<LockedToolchain, InputError> {
    let kept = match previous.filter(|_| !move_on) {
        Some(previous) => kept(cx, client, recipe, previous)?,
        None => None,
    };
    let (base_tree, base) = match (kept, &recipe.base) {
        (Some(kept), _) => kept,
        (None, Base::Debian(packages)) => debian::lock(cx, client, packages, &recipe.arch)?,
        (None, Base::Image { image }) => image::lock(cx, client, image, &recipe.arch, previous)?,
        (None, Base::Host { programs }) => host::lock(cx, programs, &recipe.arch)?,
        (None, Base::Empty) => (overlay::nothing(cx.store)?, LockedBase::Empty),
    };
    let mut archives = Vec::new();
    for archive in &recipe.archives {
        let known = previous.and_then(|p| p.archives.iter().find(|a| a.name == archive.name));
        archives.push(overlay::lock(cx, client, archive, &recipe.arch, known)?);
    }
    let mut locked = LockedToolchain {
        arch: recipe.arch.clone(),
        assembler: ASSEMBLER,
        tree: base_tree,
        base,
        base_tree,
        archives,
    };
    locked.tree = overlay::compose(cx, &locked)?;
    Ok(locked)
}

/// The base that is locked, if the recipe still asks for it and it can still be had.
fn kept(
    cx: &Context<'_>,
    client: &Client<'_>,
    recipe: &Toolchain,
    locked: &LockedToolchain,
) -> Result<Option<(Digest, LockedBase)>, InputError> {
    let stale = locked.stale(recipe);
    // By other rules the same packages may make another tree. What else is said of a base is read by those rules too.
    let same_rules = locked.assembler == ASSEMBLER;
    let by_rules = !same_rules && locked.debian().is_none();
    if by_rules || stale.iter().any(|s| !s.what.starts_with("toolchain.archive")) {
        return Ok(None);
    }
    if same_rules && base_made(cx.store, locked) && cx.store.missing(&locked.base_tree)?.is_empty() {
        return Ok(Some((locked.base_tree, locked.base.clone())));
    }
    let reason = match base(cx, client, locked, Some(recipe)) {
        Ok(tree) if tree == locked.base_tree || !same_rules => return Ok(Some((tree, locked.base.clone()))),
        Ok(tree) => format!("it makes {tree}, and not {}", locked.base_tree),
        Err(error @ InputError::Store(_)) => return Err(error),
        Err(error) => crate::error::chain(&error),
    };
    cx.warn(format!("the locked toolchain cannot be had any more, and is resolved anew: {reason}"), None);
    Ok(None)
}

/// Brings what is locked, and makes the tree that the lock says.
pub(crate) fn fetch(
    cx: &Context<'_>,
    client: &Client<'_>,
    locked: &LockedToolchain,
    recipe: Option<&Recipe>,
) -> Result<(), InputError> {
    if locked.assembler != ASSEMBLER {
        return Err(InputError::Mismatch {
            what: "the version of the rules that make the toolchain's tree".into(),
            expected: format!("assembler {}", locked.assembler),
            found: format!("assembler {ASSEMBLER} in this version of selfsame"),
            advice: "run `selfsame lock`, or use the version of selfsame that wrote the lock",
        });
    }
    let same = |what: &str, expected: Digest, found: Digest| {
        if expected == found { Ok(()) } else { Err(InputError::Tree { what: what.into(), expected, found }) }
    };
    if !base_made(cx.store, locked) || !cx.store.missing(&locked.base_tree)?.is_empty() {
        let recipe = recipe.map(|r| &r.toolchain);
        same("the toolchain", locked.base_tree, base(cx, client, locked, recipe)?)?;
    }
    for archive in &locked.archives {
        overlay::fetch(cx, client, archive, &locked.arch)?;
    }
    same("the toolchain", locked.tree, overlay::compose(cx, locked)?)
}

/// Brings what is missing of the base, and gives the tree that it makes.
fn base(
    cx: &Context<'_>,
    client: &Client<'_>,
    locked: &LockedToolchain,
    recipe: Option<&Toolchain>,
) -> Result<Digest, InputError> {
    match &locked.base {
        LockedBase::Debian(packages) => {
            debian::fetch(cx, client, packages, recipe.and_then(Toolchain::debian))
        }
        LockedBase::Image(image) => image::fetch(cx, client, image),
        LockedBase::Host(host) => host::fetch(cx, host, locked),
        LockedBase::Empty => Ok(overlay::nothing(cx.store)?),
    }
}

/// Brings the files that the store lacks, even if it holds the trees that they make.
pub(crate) fn files(
    cx: &Context<'_>,
    client: &Client<'_>,
    locked: &LockedToolchain,
    recipe: Option<&Recipe>,
) -> Result<(), InputError> {
    let lacks = match &locked.base {
        LockedBase::Debian(debian) => debian.packages.iter().any(|p| !cx.store.contains(&p.digest)),
        LockedBase::Image(image) => image.layers.iter().chain([&image.config]).any(|d| !cx.store.contains(d)),
        LockedBase::Host(_) | LockedBase::Empty => false,
    };
    if lacks {
        base(cx, client, locked, recipe.map(|r| &r.toolchain))?;
    }
    for archive in &locked.archives {
        if archive.files.iter().any(|f| !cx.store.contains(&f.digest)) {
            overlay::bring_again(cx, client, archive, &locked.arch)?;
        }
    }
    Ok(())
}

/// Whether this store has seen the tree made of what the lock says.
pub(crate) fn confirmed(store: &Store, locked: &LockedToolchain) -> bool {
    base_made(store, locked)
        && locked.archives.iter().all(|a| overlay::confirmed(store, a, &locked.arch))
        && overlay::made(store, locked) == Some(locked.tree)
}

fn base_made(store: &Store, locked: &LockedToolchain) -> bool {
    let made = match &locked.base {
        LockedBase::Debian(packages) => debian::made_of(store, locked.assembler, packages),
        LockedBase::Image(image) => image::made(store, locked.assembler, image),
        // Its tree is all that is known of it: it is what it is.
        LockedBase::Host(_) => Some(locked.base_tree),
        LockedBase::Empty => overlay::nothing(store).ok(),
    };
    made == Some(locked.base_tree)
}

/// What [`fetch`] would have to bring, one name each.
pub(crate) fn need(store: &Store, locked: &LockedToolchain) -> Vec<String> {
    let whole = |tree: &Digest| store.missing(tree).is_ok_and(|m| m.is_empty());
    let mut list = Vec::new();
    if confirmed(store, locked) && whole(&locked.tree) {
        return list;
    }
    if !base_made(store, locked) || !whole(&locked.base_tree) {
        match &locked.base {
            LockedBase::Debian(debian) => {
                let packages = debian.packages.iter().filter(|p| !store.contains(&p.digest));
                list.extend(packages.map(|p| format!("package {} {}", p.name, p.version)));
            }
            LockedBase::Image(image) => {
                let blobs = image.layers.iter().chain([&image.config]).filter(|d| !store.contains(d));
                list.extend(blobs.map(|d| format!("image {}: {d}", image.image)));
            }
            LockedBase::Host(host) => list.push(format!("what was captured of {}", host.machine)),
            LockedBase::Empty => {}
        }
    }
    for archive in &locked.archives {
        let files = archive.files.iter().filter(|f| !store.contains(&f.digest));
        list.extend(files.map(|f| format!("archive {}: {}", archive.name, f.path)));
    }
    list
}
