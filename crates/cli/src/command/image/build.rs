//! `selfsame image build`: the images of a recipe, and where else they go.

use std::path::PathBuf;
use std::str::FromStr;

use engine::package::Packed;
use model::recipe::Format;
use model::tree::Node;
use serde_json::json;

use super::dockerfile::Dockerfile;
use crate::command::build::{self, Options, data, table};
use crate::failure::Failure;
use crate::output::answer::Answer;
use crate::project::Project;
use crate::session::{Session, make_folder};

/// Arguments of `image build`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Recipe, or its folder [default: ./selfsame.toml]; with --file, the folder that COPY takes files from
    pub(super) recipe: Option<PathBuf>,
    #[command(flatten)]
    pub(super) dockerfile: Dockerfile,
    /// Only the image of this name, and what is in it; may be given several times
    #[arg(long = "only", value_name = "ARTIFACT")]
    only: Vec<String>,
    /// Write the image there too: `oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE`; may be given several times
    #[arg(long, value_name = "PLACE")]
    to: Vec<To>,
    #[command(flatten)]
    options: Options,
    /// Run every step anew, pack every layer anew, and leave the action cache alone
    #[arg(long)]
    fresh: bool,
}

/// Where an image goes, besides the output folder.
#[derive(Debug, Clone)]
enum To {
    /// A new folder.
    Layout(PathBuf),
    /// A file. For both formats it is the same one.
    Archive(PathBuf),
}

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':').filter(|(_, path)| !path.is_empty()) {
            Some(("oci", path)) => Ok(Self::Layout(path.into())),
            Some(("oci-archive" | "docker-archive", path)) => Ok(Self::Archive(path.into())),
            _ => Err("expected `oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE`".to_owned()),
        }
    }
}

pub(super) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    images(session, args).map_err(|failure| args.dockerfile.told(failure))
}

fn images(session: &Session, args: &Args) -> Result<Answer, Failure> {
    let mut project = match args.dockerfile.project(args.recipe.as_deref(), &args.options.secrets)? {
        Some(project) => project,
        None => Project::open(args.recipe.as_deref())?,
    };
    project.degraded = args.options.degraded();
    choose(&mut project, &args.only)?;
    let copied = if args.to.is_empty() { None } else { Some(meant(&project)?) };
    let secrets = args.options.secrets.read(&project.recipe)?;
    let done = build::finish(session, &project, &args.options, &secrets, args.fresh)?;
    let mut text = String::new();
    for (packed, file) in done.built.artifacts.iter().zip(&done.files) {
        text.push_str(&table(packed, file).text());
    }
    let copied = done.built.artifacts.iter().find(|packed| Some(&packed.name) == copied.as_ref());
    let copies = copied.map_or_else(|| Ok(Vec::new()), |packed| copy(session, &args.to, packed))?;
    for place in &copies {
        text.push_str(&format!("  also in {}\n", place.display()));
    }
    let mut data = data(&done);
    data["copies"] = json!(copies);
    Ok(Answer::ok(data, text))
}

/// Leaves of a recipe what is to be built: its images, or those of these names.
fn choose(project: &mut Project, only: &[String]) -> Result<(), Failure> {
    let artifacts = &project.recipe.artifacts;
    let is_image = |format| matches!(format, Format::OciImage | Format::OciIndex);
    let images: Vec<&str> =
        artifacts.iter().filter(|a| is_image(a.format())).map(|a| a.name.as_str()).collect();
    if images.is_empty() {
        return Err(Failure::invalid("the recipe has no image")
            .help("add an [[artifact]] with `format = \"oci-image\"`: docs/guide/images.md"));
    }
    if let Some(unknown) = only.iter().find(|name| !images.contains(&name.as_str())) {
        return Err(Failure::invalid(format!("the recipe has no image `{unknown}`"))
            .help(format!("it has {}", images.join(", "))));
    }
    let mut wanted: Vec<String> = images.iter().map(|name| (*name).to_owned()).collect();
    if !only.is_empty() {
        wanted = only.to_vec();
        for artifact in artifacts.iter().filter(|a| only.contains(&a.name)) {
            if let model::recipe::Contents::Index(images) = &artifact.contents {
                wanted.extend(images.iter().cloned());
            }
        }
    }
    project.only = Some(wanted);
    Ok(())
}

/// The one image that goes elsewhere too. Asked before anything is built.
fn meant(project: &Project) -> Result<String, Failure> {
    let wanted = project.only.as_deref().unwrap_or_default();
    let chosen = || project.recipe.artifacts.iter().filter(|artifact| wanted.contains(&artifact.name));
    // With an index, the images in it are not meant.
    let has_index = chosen().any(|artifact| artifact.format() == Format::OciIndex);
    let format = if has_index { Format::OciIndex } else { Format::OciImage };
    let names: Vec<&str> = chosen().filter(|a| a.format() == format).map(|a| a.name.as_str()).collect();
    match names.as_slice() {
        [one] => Ok((*one).to_owned()),
        _ => Err(Failure::invalid(format!("`--to` is for one image, and there are {}", names.len()))
            .help(format!("choose one with --only: {}", names.join(", ")))),
    }
}

/// Writes the image to further places.
fn copy(session: &Session, to: &[To], one: &Packed) -> Result<Vec<PathBuf>, Failure> {
    let mut places = Vec::new();
    for place in to {
        let (node, path) = match (place, &one.image) {
            (To::Layout(path), Some(image)) => (Node::Directory(image.layout), path),
            (To::Archive(path) | To::Layout(path), _) => (one.node(), path),
        };
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            make_folder(folder)?;
        }
        session.store.export(&node, path)?;
        places.push(path.clone());
    }
    Ok(places)
}
