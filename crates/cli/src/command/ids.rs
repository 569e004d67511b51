//! Which commands make images of Dockerfiles, and so need ids for the users of these.
//!
//! Asked before anything is opened: an ordinary user gets its ids in a namespace, which a process enters with one thread.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{Cli, Verb};

/// Larger files are no recipes and no bundles.
const LARGEST: u64 = 64 << 20;

/// Whether the command may build an image of a Dockerfile, or remove what is left of one.
pub(super) fn are_needed(cli: &Cli) -> bool {
    let recipe = |given: Option<&Path>| {
        let given = given.unwrap_or(Path::new("."));
        let path = if given.is_dir() { given.join("selfsame.toml") } else { given.to_owned() };
        text(&path).is_some_and(|text| model::recipe::has_dockerfile(&text))
    };
    match &cli.verb {
        Verb::Lock(args) => recipe(args.recipe.as_deref()),
        Verb::Update(args) => recipe(args.recipe.as_deref()),
        Verb::Build(args) => recipe(args.recipe.as_deref()),
        Verb::Reproduce(args) => recipe(args.recipe.as_deref()),
        Verb::Image(args) => args.dockerfile() || args.builds().is_some_and(recipe),
        Verb::Rebuild(args) => text(&args.bundle).is_some_and(|text| of_bundle(&text)),
        Verb::Store(_) => left_behind(cli),
        _ => false,
    }
}

fn text(path: &Path) -> Option<String> {
    let small = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST);
    small.then(|| std::fs::read_to_string(path).ok()).flatten()
}

/// Whether a bundle is about a recipe that has a Dockerfile.
fn of_bundle(text: &str) -> bool {
    let json = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).ok();
    let decoded = |text: &str| BASE64_STANDARD.decode(text).ok();
    let payload =
        json(text.as_bytes()).and_then(|bundle| decoded(bundle["dsseEnvelope"]["payload"].as_str()?));
    let Some(statement) = payload.and_then(|payload| json(&payload)) else { return false };
    let parts = statement["predicate"]["buildDefinition"]["resolvedDependencies"].as_array();
    let texts = parts.into_iter().flatten().filter_map(|part| decoded(part["content"].as_str()?));
    texts.filter_map(|text| String::from_utf8(text).ok()).any(|text| model::recipe::has_dockerfile(&text))
}

/// Whether the store may have files of images' users: those of unpacked layers.
fn left_behind(cli: &Cli) -> bool {
    let home: Option<PathBuf> = cli.globals.home.clone();
    let env = crate::session::environment();
    let Ok(home) = crate::session::home(home.as_deref(), &env) else { return false };
    let boots = std::fs::read_dir(home.join("store/trees")).into_iter().flatten().flatten();
    let trees = boots.flat_map(|boot| std::fs::read_dir(boot.path()).into_iter().flatten().flatten());
    trees.map(|tree| tree.file_name()).any(|name| name.to_string_lossy().ends_with(".layer"))
}
