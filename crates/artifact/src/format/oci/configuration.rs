//! The configuration: what an image is for, how it is run, what its layers are; what it inherits of its base.

use std::collections::{BTreeMap, BTreeSet};

use model::dockerfile::Config;
use model::oci::{OciError, Platform};
use model::recipe::Run;
use model::statement::canonical_json;
use model::{Sha256, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

/// What a configuration is made of, besides its base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described<'a> {
    /// What the image is for.
    pub platform: &'a Platform,
    /// When it was made, and each of its layers: the time of the sources.
    pub created: Timestamp,
    /// How it is run.
    pub run: &'a Run,
    /// Labels by default, over the base's and below those of `run`.
    pub labels: &'a BTreeMap<String, String>,
    /// Its own layers, the lowest first: the hash of the tar, and what made it, for people.
    pub layers: &'a [(Sha256, String)],
}

/// The configuration of a base, as far as an image inherits it.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct Base {
    #[serde(default, deserialize_with = "or_default")]
    config: Inherited,
    #[serde(default, deserialize_with = "or_default")]
    history: Vec<Value>,
    rootfs: RootFs,
    #[serde(flatten)]
    platform: Platform,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// The fields of `config` that an image inherits, as OCI and Docker know them. Others say how one container was run.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "PascalCase")]
struct Inherited {
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    cmd: Option<Vec<String>>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    entrypoint: Option<Vec<String>>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    exposed_ports: BTreeMap<String, Empty>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    healthcheck: Option<Value>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    shell: Option<Vec<String>>,
    /// What a base has of it was done in what begins with it, and is not inherited.
    #[serde(skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    on_build: Vec<String>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    stop_signal: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    user: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    volumes: BTreeMap<String, Empty>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    working_dir: String,
}

/// Go's set: every value is `{}`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
struct Empty {}

/// Go writes `null` for what is empty.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

impl Base {
    /// Reads the configuration of a base with so many layers.
    ///
    /// # Errors
    /// If it is none, or has not as many.
    pub fn read(bytes: &[u8], layers: usize) -> Result<Self, OciError> {
        let what = "configuration";
        let base: Self = serde_json::from_slice(bytes)
            .map_err(|error| OciError::Json { what, reason: error.to_string() })?;
        let diff_ids = base.rootfs.diff_ids.len();
        if diff_ids != layers {
            return Err(OciError::Layers { layers, diff_ids });
        }
        for diff_id in &base.rootfs.diff_ids {
            model::oci::sha256(diff_id)?;
        }
        Ok(base)
    }

    /// What it is for.
    #[must_use]
    pub const fn platform(&self) -> &Platform {
        &self.platform
    }

    /// What its layers are when they are decompressed, the lowest first.
    #[must_use]
    pub fn diff_ids(&self) -> &[String] {
        &self.rootfs.diff_ids
    }

    /// Its labels.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        self.config.labels.clone()
    }

    /// One entry for each layer, at least. A base that tells no history, or another one than that of its layers, gets one
    /// without words: readers match the entries to the layers.
    fn history(&self) -> Vec<Value> {
        let is_layer = |entry: &&Value| entry.get("empty_layer").and_then(Value::as_bool) != Some(true);
        let layers = self.rootfs.diff_ids.len();
        if self.history.iter().all(Value::is_object) && self.history.iter().filter(is_layer).count() == layers
        {
            return self.history.clone();
        }
        vec![json!({ "comment": "of the base" }); layers]
    }
}

/// What the configuration of an image is made of that says all of how it is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built<'a> {
    /// What the image is for.
    pub platform: &'a Platform,
    /// When it was made, and each of its layers: the time of the sources.
    pub created: Timestamp,
    /// How it is run, what it inherits among it.
    pub config: &'a Config,
    /// Its own layers, the lowest first: the hash of the tar, and what made it, for people.
    pub layers: &'a [(Sha256, String)],
}

/// Writes a configuration.
#[must_use]
pub fn configuration(image: &Described<'_>, base: Option<&Base>) -> Vec<u8> {
    let nothing = Base::default();
    let base = base.unwrap_or(&nothing);
    let config = merged(image, &base.config);
    canonical_json(&document(image.platform, image.created, image.layers, base, &config))
}

/// Writes a configuration of which `base` gives nothing but layers and their history.
#[must_use]
pub fn built(image: &Built<'_>, base: Option<&Base>) -> Vec<u8> {
    let nothing = Base::default();
    let base = base.unwrap_or(&nothing);
    let config = image.config;
    let set = |names: &BTreeSet<String>| names.iter().map(|name| (name.clone(), Empty {})).collect();
    let run = Inherited {
        cmd: config.cmd.clone().filter(|list| !list.is_empty()),
        entrypoint: config.entrypoint.clone().filter(|list| !list.is_empty()),
        env: config.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        exposed_ports: set(&config.ports),
        healthcheck: config.health.as_ref().and_then(|health| serde_json::to_value(health).ok()),
        labels: config.labels.clone(),
        shell: config.shell.clone(),
        on_build: config.on_build.clone(),
        stop_signal: config.stop_signal.clone().unwrap_or_default(),
        user: config.user.clone(),
        volumes: set(&config.volumes),
        working_dir: config.workdir.clone(),
    };
    let mut document = document(image.platform, image.created, image.layers, base, &run);
    if !config.author.is_empty() {
        document["author"] = json!(config.author);
    }
    canonical_json(&document)
}

fn document(
    platform: &Platform,
    created: Timestamp,
    layers: &[(Sha256, String)],
    base: &Base,
    config: &Inherited,
) -> Value {
    let created = created.to_string();
    let mut history = base.history();
    let mut diff_ids = base.rootfs.diff_ids.clone();
    for (diff_id, made_by) in layers {
        history.push(json!({ "created": created, "created_by": made_by }));
        diff_ids.push(format!("sha256:{diff_id}"));
    }
    let mut document = json!({
        "architecture": platform.architecture,
        "os": platform.os,
        "created": created,
        "config": config,
        "history": history,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    if !platform.variant.is_empty() {
        document["variant"] = json!(platform.variant);
    }
    document
}

/// How the image is run: the base's way, changed where the image says so.
fn merged(image: &Described<'_>, base: &Inherited) -> Inherited {
    let run = image.run;
    let mut config = base.clone();
    if let Some(entrypoint) = &run.entrypoint {
        // The base's arguments were for the base's program.
        config.cmd = None;
        config.entrypoint = Some(entrypoint.clone()).filter(|list| !list.is_empty());
    }
    if let Some(cmd) = &run.cmd {
        config.cmd = Some(cmd.clone()).filter(|list| !list.is_empty());
    }
    for (name, value) in &run.env {
        let line = format!("{name}={value}");
        match config.env.iter_mut().find(|old| old.split('=').next() == Some(name)) {
            Some(old) => *old = line,
            None => config.env.push(line),
        }
    }
    for (key, value) in image.labels.iter().chain(&run.labels) {
        config.labels.insert(key.clone(), value.clone());
    }
    config.labels.retain(|_, value| !value.is_empty());
    config.exposed_ports.extend(run.ports.iter().map(|port| (port.clone(), Empty {})));
    config.volumes.extend(run.volumes.iter().map(|path| (path.clone(), Empty {})));
    for (field, given) in [
        (&mut config.user, &run.user),
        (&mut config.working_dir, &run.workdir),
        (&mut config.stop_signal, &run.stop_signal),
    ] {
        if let Some(given) = given {
            field.clone_from(given);
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(run: &Run, base: Option<&Base>) -> String {
        let platform = "linux/amd64".parse().unwrap();
        let labels = BTreeMap::from([("version".to_owned(), "1.0".to_owned())]);
        let layers = [(Sha256::of(b"tar"), "selfsame: step:build/out at /".to_owned())];
        let created = Timestamp(1_600_000_000);
        let image = Described { platform: &platform, created, run, labels: &labels, layers: &layers };
        String::from_utf8(configuration(&image, base)).unwrap()
    }

    #[test]
    fn a_configuration_from_scratch_has_its_bytes() {
        let run = Run {
            entrypoint: Some(vec!["/bin/app".into()]),
            user: Some("65532:65532".into()),
            env: BTreeMap::from([("B".into(), "2".into()), ("A".into(), "1=x".into())]),
            ports: ["8080/tcp".to_owned()].into(),
            ..Run::default()
        };
        assert_eq!(
            of(&run, None),
            "{\"architecture\":\"amd64\",\"config\":{\"Entrypoint\":[\"/bin/app\"],\"Env\":[\"A=1=x\",\"B=2\"],\
             \"ExposedPorts\":{\"8080/tcp\":{}},\"Labels\":{\"version\":\"1.0\"},\"User\":\"65532:65532\"},\
             \"created\":\"2020-09-13T12:26:40Z\",\"history\":[{\"created\":\"2020-09-13T12:26:40Z\",\"created_by\":\
             \"selfsame: step:build/out at /\"}],\"os\":\"linux\",\"rootfs\":{\"diff_ids\":[\
             \"sha256:90aebae315675cbf04612de4f7d5874850f48e0b8dd82becbeaa47ca93f5ebfb\"],\"type\":\"layers\"}}"
        );
    }

    #[test]
    fn what_a_base_says_holds_until_the_image_says_otherwise() {
        let text = r#"{"architecture":"amd64","os":"linux","container":"abc","docker_version":"20",
            "created":"2024-01-01T00:00:00.5Z",
            "config":{"Hostname":"h","Env":["PATH=/bin","X=1"],"Cmd":["sh"],"Entrypoint":null,"User":"",
              "Labels":{"a":"b","gone":"x"},"Healthcheck":{"Test":["CMD","true"]},"OnBuild":null},
            "history":[{"created":"2024-01-01T00:00:00.5Z","created_by":"ADD"},{"created_by":"CMD","empty_layer":true}],
            "rootfs":{"type":"layers","diff_ids":["sha256:0000000000000000000000000000000000000000000000000000000000000000"]}}"#;
        let base = Base::read(text.as_bytes(), 1).unwrap();
        let run = Run {
            env: BTreeMap::from([("X".into(), "2".into()), ("Y".into(), String::new())]),
            labels: BTreeMap::from([("gone".into(), String::new())]),
            ..Run::default()
        };
        let found: Value = serde_json::from_str(&of(&run, Some(&base))).unwrap();
        assert_eq!(
            found["config"],
            json!({ "Env": ["PATH=/bin", "X=2", "Y="], "Cmd": ["sh"], "Labels": { "a": "b", "version": "1.0" },
                    "Healthcheck": { "Test": ["CMD", "true"] } })
        );
        assert_eq!(found["history"].as_array().unwrap().len(), 3);
        assert_eq!(found["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);
        assert_eq!(found.get("container"), None);
        let run = Run { entrypoint: Some(vec!["/app".into()]), ..Run::default() };
        let found: Value = serde_json::from_str(&of(&run, Some(&base))).unwrap();
        assert_eq!(
            (&found["config"]["Entrypoint"], &found["config"]["Cmd"]),
            (&json!(["/app"]), &Value::Null)
        );
    }

    #[test]
    fn a_history_that_does_not_match_the_layers_is_made_anew() {
        let hex = "0".repeat(64);
        let text = format!(
            r#"{{"architecture":"amd64","os":"linux","history":[{{}},{{}}],"rootfs":{{"diff_ids":["sha256:{hex}"]}}}}"#
        );
        let base = Base::read(text.as_bytes(), 1).unwrap();
        let found: Value = serde_json::from_str(&of(&Run::default(), Some(&base))).unwrap();
        assert_eq!(found["history"][0], json!({ "comment": "of the base" }));
        assert!(matches!(Base::read(text.as_bytes(), 2), Err(OciError::Layers { layers: 2, diff_ids: 1 })));
        assert!(Base::read(br#"{"rootfs":{"diff_ids":["sha256:xx"]}}"#, 1).is_err());
        assert!(Base::read(br#"{"config":{"Env":{}},"rootfs":{"diff_ids":[]}}"#, 0).is_err());
    }
}
