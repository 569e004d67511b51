//! Images of Dockerfiles among the artifacts.

use std::collections::BTreeMap;

use super::super::checker::Checker;
use super::super::raw::{At, RawArtifact, Table};
use super::super::{Contents, DockerfileImage};
use super::image::{World, platform_of};
use crate::oci::{self, Platform};

impl Checker {
    /// What is in an artifact of format `oci-image` that has a Dockerfile.
    pub(super) fn dockerfile(&mut self, raw: &RawArtifact, world: &World<'_>) -> Option<Contents> {
        let d = raw.dockerfile.as_ref()?.get_ref();
        let before = self.list.len();
        let others = [
            ("from", raw.from.as_ref().map(At::span)),
            ("prefix", raw.prefix.as_ref().map(At::span)),
            ("image", raw.image.as_ref().map(At::span)),
        ];
        for (key, span) in others {
            let Some(span) = span else { continue };
            let label = "the Dockerfile says what is in the image, and how it is run".to_owned();
            self.wrong_at(span, "both a Dockerfile and layers", label, Some(format!("remove `{key}`")));
        }
        let Some(context) = &d.context else {
            let help = "add `context = \"source:NAME\"`, where `COPY` takes files from".to_owned();
            self.wrong(&raw.name, "a Dockerfile without a context", "", Some(help));
            return None;
        };
        let context = self.reference(context, world.names);
        let file = match &d.file {
            Some(at) => self.parsed(at, "not a path in the context"),
            None => "Dockerfile".parse().ok(),
        };
        let name = match &d.name {
            None => Some(oci::repository(world.name)),
            Some(at) => self.image_name(at),
        };
        let platform = match &d.platform {
            Some(at) => self.parsed::<Platform>(at, "not a platform"),
            None => Some(platform_of(world.toolchain)),
        };
        let mut contexts = BTreeMap::new();
        for (name, at) in &d.contexts {
            if let Some(reference) = self.reference(at, world.names) {
                contexts.insert(name.get_ref().clone(), reference);
            }
        }
        let (build_args, labels) = (self.pairs(&d.build_args), self.pairs(&d.labels));
        let mut secrets: Vec<String> =
            d.secrets.iter().filter_map(|at| self.word(at, "name of a secret")).collect();
        secrets.sort();
        secrets.dedup();
        if self.list.len() > before {
            return None;
        }
        Some(Contents::Dockerfile(Box::new(DockerfileImage {
            name: name?,
            context: context?,
            file: file?,
            target: d.target.as_ref().map(|at| at.get_ref().clone()),
            build_args,
            contexts,
            labels,
            secrets,
            platform: platform?,
        })))
    }

    fn pairs(&mut self, table: &Table<At<String>>) -> BTreeMap<String, String> {
        let mut pairs = BTreeMap::new();
        for (key, value) in table {
            let name = key.get_ref();
            if name.is_empty() || name.contains(['=', '\0']) || value.get_ref().contains('\0') {
                self.wrong(key, "not a name", "no `=` in it, and no NUL", None);
            }
            pairs.insert(name.clone(), value.get_ref().clone());
        }
        pairs
    }
}
