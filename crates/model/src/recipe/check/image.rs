//! Images among the artifacts, and images as sources.

use std::collections::{BTreeMap, BTreeSet};

use super::super::checker::Checker;
use super::super::raw::{At, RawArtifact, RawImage, RawLayer, RawSource};
use super::super::{
    Artifact, Contents, Image, Layer, Locator, Owner, Reference, Run, Source, Times, Toolchain,
};
use super::{Names, did_you_mean};
use crate::RelPath;
use crate::oci::{self, Place, Platform};

/// What the parts of an image are checked against.
pub(super) struct World<'a> {
    pub(super) names: &'a Names<'a>,
    pub(super) sources: &'a BTreeMap<String, Source>,
    pub(super) toolchain: Option<&'a Toolchain>,
    /// The recipe's name.
    pub(super) name: &'a str,
}

/// The platform of what is said to be for none: the toolchain's.
pub(super) fn platform_of(toolchain: Option<&Toolchain>) -> Platform {
    let arch = toolchain.map_or("amd64", |t| t.arch.as_str());
    let other = || Platform { architecture: arch.into(), os: "linux".into(), variant: String::new() };
    Platform::of_image(arch).unwrap_or_else(other)
}

impl Checker {
    /// A source that is an image.
    pub(super) fn image_source(
        &mut self,
        at: &At<String>,
        source: &RawSource,
        toolchain: Option<&Toolchain>,
    ) -> Option<Locator> {
        let image = self.parsed::<oci::Reference>(at, "not an image")?;
        let platform = match &source.platform {
            Some(at) => self.parsed(at, "not a platform")?,
            None => platform_of(toolchain),
        };
        Some(Locator::Image { image, platform })
    }

    /// What is in an artifact of format `oci-image`.
    pub(super) fn image_artifact(&mut self, raw: &RawArtifact, world: &World<'_>) -> Option<Contents> {
        let empty = RawImage::default();
        let i = raw.image.as_ref().map_or(&empty, |i| i.get_ref());
        let before = self.list.len();
        let base = i.base.as_ref().and_then(|at| self.base(at, world));
        let layers = self.layers(raw, i, world);
        let of_base = base.as_ref().and_then(|(_, platform)| platform.clone());
        let given =
            i.platform.as_ref().and_then(|at| Some((at, self.parsed::<Platform>(at, "not a platform")?)));
        let platform = match (given, of_base) {
            (Some((at, given)), Some(base)) if !given.fits(&base) => {
                let label = format!("its base is for {base}");
                self.wrong(at, "base and image are for different platforms", label, None);
                given
            }
            (Some((_, given)), _) => given,
            (None, Some(base)) => base,
            (None, None) => platform_of(world.toolchain),
        };
        let name = match &i.name {
            None => Some(oci::repository(world.name)),
            Some(at) => self.image_name(at),
        };
        let times = match i.times.as_ref().map(|t| (t, t.get_ref().as_str())) {
            None | Some((_, "fixed")) => Times::Fixed,
            Some((_, "source-date-epoch")) => Times::SourceDateEpoch,
            Some((at, other)) => {
                let help = "known: fixed, source-date-epoch".to_owned();
                self.wrong(at, "no such time", format!("`{other}`"), Some(help));
                Times::Fixed
            }
        };
        let run = self.run(i);
        let base = base.map(|(reference, _)| reference);
        if self.list.len() > before {
            return None;
        }
        Some(Contents::Image(Box::new(Image { name: name?, base, layers: layers?, platform, times, run })))
    }

    /// The reference of a base, and what it is for if that is known.
    fn base(&mut self, at: &At<String>, world: &World<'_>) -> Option<(Reference, Option<Platform>)> {
        let reference = self.reference(at, world.names)?;
        let Reference::Source { name, path } = &reference else { return Some((reference, None)) };
        match world.sources.get(name) {
            Some(Source::Fetched(Locator::Image { platform, .. })) if path.is_root() => {
                let platform = platform.clone();
                Some((reference, Some(platform)))
            }
            // A mistake in the source itself has been told.
            None => None,
            Some(_) => {
                let help = format!(
                    "give a source with `image = \"…\"`, or a step's output that is the layout of one image; \
                     `{at}` is neither",
                    at = at.get_ref()
                );
                self.wrong(at, "this base is no image", "", Some(help));
                None
            }
        }
    }

    fn layers(&mut self, raw: &RawArtifact, image: &RawImage, world: &World<'_>) -> Option<Vec<Layer>> {
        match (&raw.from, &image.layers) {
            (Some(from), Some(_)) => {
                let help = "put it first among `layers`: `layers = [{ from = \"…\" }, …]`".into();
                self.wrong(from, "both `from` and `layers`", "`from` is short for one layer", Some(help));
                None
            }
            (Some(from), None) => {
                let to =
                    raw.prefix.as_ref().map_or(Some(RelPath::root()), |p| self.parsed(p, "not a prefix"));
                Some(vec![Layer {
                    from: self.reference(from, world.names)?,
                    to: to?,
                    owner: Owner::default(),
                }])
            }
            (None, layers) => {
                if let Some(prefix) = &raw.prefix {
                    let help = Some("give each layer its own `to`".into());
                    self.wrong(prefix, "a prefix without `from`", "", help);
                }
                let list = layers.as_ref().map_or(&[][..], |l| l.get_ref().as_slice());
                if list.is_empty() && image.base.is_none() {
                    let help = "add `from = \"step:…\"`, or `layers` in [artifact.image]".into();
                    self.wrong(&raw.name, "an image of nothing", "neither base nor layers", Some(help));
                    return None;
                }
                list.iter().map(|layer| self.layer(layer, world)).collect()
            }
        }
    }

    fn layer(&mut self, at: &At<RawLayer>, world: &World<'_>) -> Option<Layer> {
        let layer = at.get_ref();
        let from = self.reference(&layer.from, world.names);
        let to = match &layer.to {
            None => Some(RelPath::root()),
            // As people write it: a place in the image.
            Some(to) => match to.get_ref().trim_start_matches('/') {
                "" => Some(RelPath::root()),
                path => path.parse().map_err(|e| self.wrong(to, "not a place in the image", e, None)).ok(),
            },
        };
        let owner = layer.owner.as_ref().map_or(Some(Owner::default()), |o| self.parsed(o, "not an owner"));
        Some(Layer { from: from?, to: to?, owner: owner? })
    }

    pub(super) fn image_name(&mut self, at: &At<String>) -> Option<String> {
        let name = self.parsed::<oci::Reference>(at, "not the name of an image")?;
        if !matches!(name.place, Place::Registry { .. }) || name.tag.is_some() || name.digest.is_some() {
            let help =
                "expected such as `app` or `example.org/team/app`; its tag is the recipe's version".into();
            self.wrong(at, "not the name of an image", "a name without tag or digest", Some(help));
            return None;
        }
        Some(at.get_ref().clone())
    }

    fn run(&mut self, image: &RawImage) -> Run {
        let mut run = Run {
            entrypoint: image.entrypoint.as_ref().map(|list| self.texts(list.get_ref())),
            cmd: image.cmd.as_ref().map(|list| self.texts(list.get_ref())),
            ..Run::default()
        };
        if let Some(at) = &image.user {
            let word = |part: &str| {
                let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
                !part.is_empty() && part.bytes().all(fits)
            };
            let (user, group) = at.get_ref().split_once(':').unwrap_or((at.get_ref(), "-"));
            if word(user) && word(group) {
                run.user = Some(at.get_ref().clone());
            } else {
                self.wrong(at, "not a user", "expected `USER` or `USER:GROUP`, names or numbers", None);
            }
        }
        run.workdir = image.workdir.as_ref().and_then(|at| self.absolute(at));
        run.volumes = image.volumes.iter().filter_map(|at| self.absolute(at)).collect();
        run.ports = image.ports.iter().filter_map(|at| self.port(at)).collect();
        if let Some(at) = &image.stop_signal {
            let text = at.get_ref();
            let named = text.strip_prefix("SIG").is_some_and(|rest| {
                let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b"+-".contains(&b);
                !rest.is_empty() && rest.bytes().all(fits)
            });
            let number = text.parse::<u8>().is_ok_and(|n| (1..=64).contains(&n));
            if named || number {
                run.stop_signal = Some(text.clone());
            } else {
                self.wrong(at, "not a signal", "expected such as `SIGINT`, or a number", None);
            }
        }
        for (key, value) in &image.env {
            let name = key.get_ref();
            if name.is_empty() || name.contains(['=', '\0']) || value.get_ref().contains('\0') {
                self.wrong(key, "not an environment variable", "no `=` in its name, no NUL", None);
            }
            run.env.insert(name.clone(), value.get_ref().clone());
        }
        for (key, value) in &image.labels {
            let name = key.get_ref();
            if name.is_empty() || name.contains(char::is_control) || value.get_ref().contains('\0') {
                self.wrong(key, "not a label", "it is empty or has a control character", None);
            }
            run.labels.insert(name.clone(), value.get_ref().clone());
        }
        run
    }

    fn texts(&mut self, list: &[At<String>]) -> Vec<String> {
        for at in list.iter().filter(|at| at.get_ref().contains('\0')) {
            self.wrong(at, "not an argument", "it has a NUL byte", None);
        }
        list.iter().map(|at| at.get_ref().clone()).collect()
    }

    fn absolute(&mut self, at: &At<String>) -> Option<String> {
        let text = at.get_ref();
        let inner = text.strip_prefix('/');
        if inner
            .is_some_and(|rest| rest.is_empty() || rest.parse::<RelPath>().is_ok_and(|p| p.as_str() == rest))
        {
            return Some(text.clone());
        }
        self.wrong(at, "not a path in the image", "expected an absolute one, such as `/srv/app`", None);
        None
    }

    fn port(&mut self, at: &At<String>) -> Option<String> {
        let (port, protocol) = at.get_ref().split_once('/').unwrap_or((at.get_ref(), "tcp"));
        let number = port.parse::<u16>().ok().filter(|n| *n > 0 && n.to_string() == port);
        if number.is_some() && ["tcp", "udp", "sctp"].contains(&protocol) {
            return Some(format!("{port}/{protocol}"));
        }
        let label = "expected `PORT` or `PORT/PROTOCOL` with tcp, udp or sctp, such as `8080`";
        self.wrong(at, "not a port", label, None);
        None
    }

    /// What is in an artifact of format `oci-index`; whether its images are there is asked when all artifacts are known.
    pub(super) fn index(&mut self, raw: &RawArtifact) -> Option<Contents> {
        if let Some(from) = &raw.from {
            let help = Some("remove `from`".into());
            self.wrong(
                from,
                "an index is made of images alone",
                "what they are made of is theirs to say",
                help,
            );
        }
        if let Some(prefix) = &raw.prefix {
            self.wrong(prefix, "a prefix without an archive", "", Some("remove `prefix`".into()));
        }
        let images = raw.images.as_ref().map_or(&[][..], |list| list.get_ref().as_slice());
        if images.is_empty() {
            let help =
                "add `images = [\"NAME\", …]`, the names of `oci-image` artifacts of this recipe".into();
            self.wrong(&raw.name, "an index of nothing", "", Some(help));
            return None;
        }
        Some(Contents::Index(images.iter().map(|at| at.get_ref().clone()).collect()))
    }

    /// Whether the images of every index are artifacts of the recipe, for different platforms.
    pub(super) fn indexes(&mut self, raw: &[At<RawArtifact>], list: &[Artifact]) {
        let images: BTreeMap<&str, (&str, &Platform)> =
            list.iter().filter_map(|a| Some((a.name.as_str(), a.names_image()?))).collect();
        let names = raw.iter().map(At::get_ref);
        let declared: BTreeSet<&str> = names
            .clone()
            .filter(|a| a.format.get_ref() == "oci-image")
            .map(|a| a.name.get_ref().as_str())
            .collect();
        for at in names.filter_map(|a| a.images.as_ref()).flat_map(At::get_ref) {
            let name = at.get_ref().as_str();
            if raw.iter().any(|a| a.get_ref().name.get_ref() == name) && !declared.contains(name) {
                self.wrong(at, "this artifact is no image", "expected one of format `oci-image`", None);
            } else if !declared.contains(name) {
                let help = did_you_mean(name, declared.iter().copied(), "[[artifact]]");
                self.wrong(at, "no such image among the artifacts", format!("`{name}`"), Some(help));
            }
        }
        for list in raw.iter().filter_map(|a| a.get_ref().images.as_ref()) {
            let mut platforms: BTreeMap<String, &str> = BTreeMap::new();
            for at in list.get_ref() {
                let Some((_, platform)) = images.get(at.get_ref().as_str()) else { continue };
                let platform = platform.to_string();
                if let Some(other) = platforms.insert(platform.clone(), at.get_ref()) {
                    let label =
                        format!("`{other}` is for {platform} too: an engine would not know which to take");
                    self.wrong(at, "two images of one platform", label, None);
                }
            }
        }
        // What provenance calls an image must be one image.
        let mut seen: BTreeMap<(&str, String), &str> = BTreeMap::new();
        for (artifact, (name, platform)) in &images {
            let key = (*name, platform.to_string());
            let Some(other) = seen.insert(key, artifact) else { continue };
            let Some(at) = raw.iter().find(|a| a.get_ref().name.get_ref() == artifact) else { continue };
            let label = format!("`{other}` is `{name}` for {platform} too");
            let help = Some("give one of them a `name` in [artifact.image]".into());
            self.wrong(&at.get_ref().name, "two images of one name and platform", label, help);
        }
    }

    /// Keys that have a meaning for images alone.
    pub(super) fn no_image(&mut self, raw: &RawArtifact, format: &str) {
        let image = raw.image.as_ref().map(|at| ("image", at.span(), "oci-image"));
        let images = raw.images.as_ref().map(|at| ("images", at.span(), "oci-index"));
        let dockerfile = raw.dockerfile.as_ref().map(|at| ("dockerfile", at.span(), "oci-image"));
        for (key, span, owner) in
            image.into_iter().chain(images).chain(dockerfile).filter(|(.., owner)| *owner != format)
        {
            let label = format!("`{key}` belongs to an artifact of format `{owner}`");
            self.wrong_at(span, "this key has no meaning here", label, Some(format!("remove `{key}`")));
        }
    }
}
