//! A Dockerfile without a recipe: the recipe that its flags mean, written in memory. Provenance has it whole, so that a rebuild
//! needs nothing else.

use std::path::{Path, PathBuf};

use model::recipe::{Reference, parse};

use crate::failure::Failure;
use crate::project::Project;
use crate::secrets::Given;

/// What the file is called: the same whatever the image is called, since the lock speaks of it.
const ARTIFACT: &str = "image.oci.tar";

/// Flags, as other builders have them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "A Dockerfile without a recipe")]
pub(super) struct Dockerfile {
    /// Build this Dockerfile; what it needs is in the lock beside it (`image lock`)
    #[arg(short, long, value_name = "DOCKERFILE")]
    file: Option<PathBuf>,
    /// What the image is called [default: the folder's name, `latest`]
    #[arg(short, long, value_name = "NAME[:TAG]", requires = "file")]
    tag: Option<String>,
    /// The stage to build [default: the last]
    #[arg(long, value_name = "STAGE", requires = "file")]
    target: Option<String>,
    /// Value of an ARG; may be given several times
    #[arg(long = "build-arg", value_name = "NAME=VALUE", requires = "file")]
    build_args: Vec<String>,
    /// What a name after FROM or --from= means: an image, such as `oci-layout:PATH`; may be given several times
    #[arg(long = "build-context", value_name = "NAME=IMAGE", requires = "file")]
    contexts: Vec<String>,
    /// Label of the image; may be given several times
    #[arg(long = "label", value_name = "NAME=VALUE", requires = "file")]
    labels: Vec<String>,
    /// What the image is for [default: linux/amd64]
    #[arg(long, value_name = "OS/ARCH", requires = "file")]
    platform: Option<String>,
}

impl Dockerfile {
    pub(super) const fn is_given(&self) -> bool {
        self.file.is_some()
    }

    /// The project that the flags mean; none without a Dockerfile.
    pub(super) fn project(
        &self,
        context: Option<&Path>,
        secrets: &Given,
    ) -> Result<Option<Project>, Failure> {
        let Some(file) = &self.file else { return Ok(None) };
        let context = context.unwrap_or(Path::new("."));
        let dir = context.canonicalize().map_err(|e| Failure::io("open", context, e))?;
        let real = file.canonicalize().map_err(|e| Failure::io("read", file, e))?;
        let Some(inner) = real.strip_prefix(&dir).ok().and_then(Path::to_str) else {
            let title = format!("`{}` is not in `{}`", file.display(), context.display());
            return Err(Failure::invalid(title).help(
                "what is built is built from files of one git work tree: give the folder that both are in",
            ));
        };
        let text = self.recipe(&dir, inner, &secrets.names())?;
        // Beside the Dockerfile, so that its lock is `Dockerfile.lock`.
        let path = PathBuf::from(format!("{}.toml", file.display()));
        let recipe = parse(&path.display().to_string(), &text)?;
        Ok(Some(Project { path, dir, text, recipe, degraded: false, only: None }))
    }

    /// A failure with the command that locks a Dockerfile, and not a recipe.
    pub(super) fn told(&self, mut failure: Failure) -> Failure {
        if let Some(file) = &self.file {
            let lock = format!("`selfsame image lock -f {}`, with the same flags,", file.display());
            for help in &mut failure.help {
                *help = help.replace("`selfsame lock`", &lock);
            }
        }
        failure
    }

    fn recipe(&self, dir: &Path, file: &str, secrets: &[&str]) -> Result<String, Failure> {
        let called = dir.file_name().and_then(|name| name.to_str()).unwrap_or("image").to_ascii_lowercase();
        let given = self.tag.as_deref().unwrap_or(&called);
        // What follows the last colon is a tag, unless it is a port.
        let (name, tag) = match given.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (given, "latest"),
        };
        let last: String = name.rsplit('/').next().unwrap_or(name).to_owned();
        let mut text = format!(
            "selfsame = 1\nname = {}\nversion = {}\n\n[sources.main]\nworktree = \".\"\n",
            quoted(&last),
            quoted(tag)
        );
        let mut contexts = String::new();
        for (number, pair) in self.contexts.iter().enumerate() {
            let (name, image) = pair_of("--build-context", pair)?;
            let source = format!("context{number}");
            text.push_str(&format!("\n[sources.{source}]\nimage = {}\n", quoted(image)));
            if let Some(platform) = &self.platform {
                text.push_str(&format!("platform = {}\n", quoted(platform)));
            }
            let reference = Reference::Source { name: source, path: model::RelPath::root() };
            contexts.push_str(&format!("{} = {}\n", quoted(name), quoted(&reference.to_string())));
        }
        text.push_str(&format!(
            "\n[[artifact]]\nname = {}\nformat = \"oci-image\"\n\n[artifact.dockerfile]\nname = {}\ncontext = \"source:main\"\nfile = {}\n",
            quoted(ARTIFACT),
            quoted(name),
            quoted(file)
        ));
        for (key, value) in [("target", &self.target), ("platform", &self.platform)] {
            if let Some(value) = value {
                text.push_str(&format!("{key} = {}\n", quoted(value)));
            }
        }
        if !secrets.is_empty() {
            let names: Vec<String> = secrets.iter().map(|name| quoted(name)).collect();
            text.push_str(&format!("secrets = [{}]\n", names.join(", ")));
        }
        for (key, flag, list) in
            [("build-args", "--build-arg", &self.build_args), ("labels", "--label", &self.labels)]
        {
            if !list.is_empty() {
                text.push_str(&format!("\n[artifact.dockerfile.{key}]\n"));
            }
            for pair in list {
                let (name, value) = pair_of(flag, pair)?;
                text.push_str(&format!("{} = {}\n", quoted(name), quoted(value)));
            }
        }
        if !contexts.is_empty() {
            text.push_str(&format!("\n[artifact.dockerfile.contexts]\n{contexts}"));
        }
        Ok(text)
    }
}

fn pair_of<'a>(flag: &str, pair: &'a str) -> Result<(&'a str, &'a str), Failure> {
    pair.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
        Failure::invalid(format!("`{flag} {pair}` is no pair"))
            .help("expected `NAME=VALUE`; nothing is taken from the environment")
    })
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
