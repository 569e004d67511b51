//! A Dockerfile as it is built: its text, its context, the images that it names, and the plan.

use std::collections::BTreeMap;

use model::dockerfile::{self, Base, Config, Ignore, Image, Images, Plan};
use model::recipe::{DockerfileImage, Reference, locked_image};
use model::tree::Node;
use model::{Diagnostic, Diagnostics, Digest, Event, RelPath};

use super::files::Context;
use super::{Failed, Stage};
use crate::layers::{Layer, Stack};
use crate::package::{BaseImage, Parts};
use crate::{BuildError, plan};

/// No Dockerfile and no list of what is ignored is larger.
const LONGEST: u64 = 4 << 20;
/// The time of the sources, for those who ask for it.
const EPOCH: &str = "SOURCE_DATE_EPOCH";
/// An image may record instructions that need further images, and so on; nobody means more.
const ROUNDS: usize = 32;

/// A Dockerfile that can be built.
pub(crate) struct Program {
    /// The recipe's word for it, for messages.
    pub(crate) origin: String,
    pub(crate) text: String,
    pub(crate) plan: Plan,
    pub(super) context: Context,
    /// Images by how the Dockerfile names them and what they are for.
    pub(crate) images: BTreeMap<String, BaseImage>,
    /// Directories that stand for images: digest of each.
    pub(crate) folders: BTreeMap<String, Digest>,
}

/// What reading a Dockerfile gives.
pub(crate) enum Read {
    /// All of it.
    Whole(Box<Program>),
    /// Images that nobody has locked.
    Lacks(Vec<Image>),
}

impl Program {
    /// Reads the Dockerfile of an artifact.
    ///
    /// # Errors
    /// If there is none, or something is wrong with it, with everything that is.
    pub(crate) fn read(parts: &Parts<'_>, wanted: &DockerfileImage) -> Result<Read, BuildError> {
        let store = parts.cx.store;
        let node = plan::resolve(store, parts.job, &parts.artifact.name, &wanted.context, parts.results)?;
        let Node::Directory(tree) = node else {
            return Err(parts.wrong(format!("its context `{}` is a file", wanted.context)));
        };
        let file = &wanted.file;
        let Some(text) = text(parts, &tree, file)? else {
            return Err(BuildError::Reference {
                user: parts.artifact.name.clone(),
                reference: format!("{}/{file}", wanted.context),
                nearby: plan::names_near(store, &tree, file),
            });
        };
        let origin = file.to_string();
        // One of its own goes before that of the context.
        let own: Option<RelPath> = format!("{file}.dockerignore").parse().ok();
        let names = [own, ".dockerignore".parse().ok()];
        let mut ignore = Ignore::default();
        for name in names.into_iter().flatten() {
            if let Some(text) = self::text(parts, &tree, &name)? {
                ignore = Ignore::parse(name.as_str(), &text).map_err(wrong)?;
                break;
            }
        }
        let parsed = dockerfile::parse(&origin, &text).map_err(wrong)?;
        let mut choices = wanted.choices();
        // The time of the sources is for those who ask for it: what does not ask has the same layers at each commit.
        let epoch = parts.conditions.source_date_epoch.0.to_string();
        choices.build_args.entry(EPOCH.to_owned()).or_insert(epoch);
        let mut known = Images::default();
        let mut images: BTreeMap<String, BaseImage> = BTreeMap::new();
        let mut folders = BTreeMap::new();
        for round in 0.. {
            let bases = dockerfile::bases(&parsed, &choices, &known).map_err(wrong)?;
            let mut lacks = Vec::new();
            let mut new = false;
            for base in bases {
                let name = base.image.to_string();
                let is_known = images.contains_key(&name) || folders.contains_key(&name);
                if is_known && (!base.begins || known.get(&base.image).is_some()) {
                    continue;
                }
                match source_of(parts, wanted, &base.image)? {
                    None => lacks.push(base.image.clone()),
                    Some(Node::Directory(tree)) if is_layout(parts, &tree)? => {
                        let reference = reference_of(wanted, &base.image);
                        let image = parts.base(&reference, &base.image.platform)?;
                        let config = Config::read(&image.bytes).map_err(|e| parts.wrong(e.to_string()))?;
                        known.insert(&base.image, config);
                        images.insert(name, image);
                        new = true;
                    }
                    Some(Node::Directory(tree)) if !base.begins => {
                        folders.insert(name, tree);
                        new = true;
                    }
                    Some(_) => return Err(no_image(&origin, &text, &base)),
                }
            }
            if !lacks.is_empty() {
                return Ok(Read::Lacks(lacks));
            }
            if !new || round > ROUNDS {
                break;
            }
        }
        let plan = dockerfile::plan(&parsed, &choices, &known).map_err(wrong)?;
        for name in plan.unused.iter().filter(|name| *name != EPOCH && wanted.build_args.contains_key(*name))
        {
            let text = format!("{origin}: nothing asks for the build argument `{name}`");
            (parts.cx.events)(Event::Warning { text, advice: None });
        }
        // What is locked follows from the context, and so is no part of it.
        let locks = [parts.job.lock_name.clone(), format!("{file}.lock")];
        let context =
            Context::new(store, &tree, &|path| ignore.matches(path) || locks.iter().any(|lock| lock == path))
                .map_err(|error| match Failed::from(error) {
                    Failed::Build(error) => error,
                    Failed::Layer(error) => parts.wrong(error.to_string()),
                    Failed::Why(reason) => parts.wrong(reason),
                })?;
        Ok(Read::Whole(Box::new(Self { origin, text, plan, context, images, folders })))
    }

    /// The layers of an image that it names.
    pub(crate) fn stage(&self, image: &Image) -> Stage {
        let name = image.to_string();
        let Some(found) = self.images.get(&name) else { return Stage::default() };
        let ids = found.configuration.diff_ids();
        let layers = found.layers.iter().zip(ids).filter_map(|(blob, id)| {
            let diff_id = model::oci::sha256(id).ok()?;
            Some(Layer { blob: blob.digest, diff_id, media_type: blob.media_type.clone() })
        });
        Stage { stack: Stack::new(layers.collect()), made: Vec::new(), base: Some(name) }
    }

    /// Where a byte of the text is: its line, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1
    }

    /// An instruction as it is written, on one line.
    pub(crate) fn instruction(&self, span: &std::ops::Range<usize>) -> String {
        let text = self.text.get(span.clone()).unwrap_or_default();
        let words: Vec<&str> = text.split_whitespace().filter(|word| *word != "\\").collect();
        words.join(" ")
    }
}

fn wrong(diagnostics: Diagnostics) -> BuildError {
    BuildError::Text(diagnostics)
}

fn no_image(origin: &str, text: &str, base: &Base) -> BuildError {
    let diagnostic = Diagnostic {
        title: format!("`{}` is no image", base.image.name),
        span: Some(base.span.clone()),
        label: "the recipe gives a file or a directory for it".to_owned(),
        help: Some("give the layout of one image among `contexts` of [artifact.dockerfile]".to_owned()),
    };
    wrong(Diagnostics { origin: origin.to_owned(), text: text.to_owned(), list: vec![diagnostic] })
}

/// What the recipe calls an image of the Dockerfile.
fn reference_of(wanted: &DockerfileImage, image: &Image) -> Reference {
    match wanted.contexts.get(&image.name) {
        Some(reference) => reference.clone(),
        None => Reference::Source { name: locked_image(image), path: RelPath::root() },
    }
}

/// What lies there; `None` if it is neither given nor locked.
fn source_of(parts: &Parts<'_>, wanted: &DockerfileImage, image: &Image) -> Result<Option<Node>, BuildError> {
    let reference = reference_of(wanted, image);
    match &reference {
        Reference::Source { name, .. } if !parts.job.sources.contains_key(name) => Ok(None),
        _ => plan::resolve(parts.cx.store, parts.job, &parts.artifact.name, &reference, parts.results)
            .map(Some),
    }
}

fn is_layout(parts: &Parts<'_>, tree: &Digest) -> Result<bool, BuildError> {
    let index: RelPath = "index.json".parse().expect("a plain name");
    let saved: RelPath = "manifest.json".parse().expect("a plain name");
    Ok(parts.cx.store.lookup(tree, &index)?.is_some() || parts.cx.store.lookup(tree, &saved)?.is_some())
}

/// The text of a file of a tree.
fn text(parts: &Parts<'_>, tree: &Digest, path: &RelPath) -> Result<Option<String>, BuildError> {
    let Some(Node::File { digest, .. }) = parts.cx.store.lookup(tree, path)? else { return Ok(None) };
    if digest.size > LONGEST {
        return Err(parts.wrong(format!("`{path}` has {} bytes: expected at most {LONGEST}", digest.size)));
    }
    let bytes = parts.cx.store.read(&digest)?;
    let text = String::from_utf8(bytes)
        .map_err(|error| parts.wrong(format!("`{path}` is not UTF-8: {}", error.utf8_error())))?;
    Ok(Some(text))
}
