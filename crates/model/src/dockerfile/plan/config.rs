//! How an image is run: what a stage begins with, and what it ends with.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::dockerfile::health::Health;
use crate::oci::OciError;

/// The configuration of an image, as far as a Dockerfile can set it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// `MAINTAINER`.
    pub author: String,
    /// `USER`; empty is root.
    pub user: String,
    /// `EXPOSE`: `80/tcp`.
    pub ports: BTreeSet<String>,
    /// `ENV`, in the order of their first appearance.
    pub env: Vec<(String, String)>,
    /// `ENTRYPOINT`.
    pub entrypoint: Option<Vec<String>>,
    /// `CMD`.
    pub cmd: Option<Vec<String>>,
    /// `VOLUME`.
    pub volumes: BTreeSet<String>,
    /// `WORKDIR`; empty is the root.
    pub workdir: String,
    /// `LABEL`.
    pub labels: BTreeMap<String, String>,
    /// `STOPSIGNAL`.
    pub stop_signal: Option<String>,
    /// `SHELL`.
    pub shell: Option<Vec<String>>,
    /// `HEALTHCHECK`.
    pub health: Option<Health>,
    /// `ONBUILD`: what is done first in a stage that begins with this image.
    pub on_build: Vec<String>,
}

/// Where programs are, if nobody says it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Config {
    /// Of no image at all: what `FROM scratch` begins with.
    #[must_use]
    pub fn scratch() -> Self {
        Self { workdir: "/".to_owned(), ..Self::default() }
    }

    /// Reads the configuration of an image (`application/vnd.oci.image.config.v1+json`, or Docker's).
    ///
    /// # Errors
    /// If it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, OciError> {
        let image: Image = serde_json::from_slice(bytes)
            .map_err(|e| OciError::Json { what: "configuration", reason: e.to_string() })?;
        let run = image.config.unwrap_or_default();
        let mut config = Self {
            author: image.author.unwrap_or_default(),
            user: run.user.unwrap_or_default(),
            ports: run.exposed_ports.unwrap_or_default().into_keys().collect(),
            env: Vec::new(),
            entrypoint: run.entrypoint,
            cmd: run.cmd,
            volumes: run.volumes.unwrap_or_default().into_keys().collect(),
            workdir: run.working_dir.unwrap_or_default(),
            labels: run.labels.unwrap_or_default(),
            stop_signal: run.stop_signal.filter(|signal| !signal.is_empty()),
            shell: run.shell.filter(|shell| !shell.is_empty()),
            health: run.healthcheck,
            on_build: run.on_build.unwrap_or_default(),
        };
        let mut seen = BTreeMap::new();
        for line in run.env.unwrap_or_default() {
            let (name, value) = line.split_once('=').unwrap_or((&line, ""));
            let at = *seen.entry(name.to_owned()).or_insert(config.env.len());
            match config.env.get_mut(at) {
                Some((_, known)) => value.clone_into(known),
                None => config.env.push((name.to_owned(), value.to_owned())),
            }
        }
        Ok(config)
    }

    /// A stage always knows where programs are.
    pub(super) fn with_path(mut self) -> Self {
        if !self.env.iter().any(|(name, _)| name == "PATH") {
            self.env.push(("PATH".to_owned(), PATH.to_owned()));
        }
        self
    }

    /// What a line is given to.
    pub(super) fn shell(&self) -> Vec<String> {
        self.shell.clone().unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()])
    }

    /// About how many bytes it has.
    pub(super) fn size(&self) -> usize {
        let list = |list: &[String]| list.iter().map(|s| s.len() + 24).sum::<usize>();
        let env: usize = self.env.iter().map(|(n, v)| n.len() + v.len() + 48).sum();
        let labels: usize = self.labels.iter().map(|(n, v)| n.len() + v.len() + 48).sum();
        let sets: usize = self.ports.iter().chain(&self.volumes).map(|s| s.len() + 24).sum();
        let lists =
            [&self.entrypoint, &self.cmd, &self.shell].into_iter().flatten().map(|l| list(l)).sum::<usize>();
        256 + env + labels + sets + lists + list(&self.on_build)
    }
}

#[derive(Deserialize)]
struct Image {
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    config: Option<Run>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Run {
    user: Option<String>,
    exposed_ports: Option<BTreeMap<String, serde::de::IgnoredAny>>,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    volumes: Option<BTreeMap<String, serde::de::IgnoredAny>>,
    working_dir: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    stop_signal: Option<String>,
    shell: Option<Vec<String>>,
    healthcheck: Option<Health>,
    on_build: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read() {
        let text = r#"{"architecture":"amd64","os":"linux","author":"me","config":{"User":"u","Env":["A=1","B","A=2"],
            "Cmd":["x"],"Entrypoint":null,"WorkingDir":"/w","ExposedPorts":{"80/tcp":{}},"Volumes":{"/v":{}},
            "Labels":{"a":"b"},"OnBuild":["RUN x"],"Shell":["/bin/bash","-c"],"StopSignal":"SIGINT",
            "Healthcheck":{"Test":["CMD","y"],"Interval":5}}}"#;
        let config = Config::read(text.as_bytes()).unwrap();
        assert_eq!(config.env, [("A".into(), "2".into()), ("B".into(), String::new())]);
        assert_eq!((config.user.as_str(), config.workdir.as_str()), ("u", "/w"));
        assert_eq!((config.cmd, config.entrypoint), (Some(vec!["x".into()]), None));
        assert_eq!(config.health.unwrap().interval, 5);
        assert_eq!(config.on_build, ["RUN x"]);
        assert_eq!(Config::read(b"{}").unwrap(), Config::default());
        assert!(Config::read(b"null").is_err());
    }
}
