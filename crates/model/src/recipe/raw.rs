//! The text of a recipe as serde reads it: shapes and spans, no meaning yet.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::Diagnostic;

/// A value and the byte range it stands at.
pub(super) type At<T> = Spanned<T>;
pub(super) type Table<T> = BTreeMap<At<String>, T>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Raw {
    pub(super) selfsame: At<i64>,
    pub(super) name: At<String>,
    pub(super) version: At<String>,
    pub(super) licence: Option<At<String>>,
    pub(super) producer: Option<At<String>>,
    #[serde(default)]
    pub(super) sources: Table<At<RawSource>>,
    pub(super) toolchain: Option<At<RawToolchain>>,
    #[serde(default)]
    pub(super) conditions: RawConditions,
    #[serde(default)]
    pub(super) violations: RawPolicies,
    #[serde(default, rename = "step")]
    pub(super) steps: Vec<At<RawStep>>,
    #[serde(default, rename = "artifact")]
    pub(super) artifacts: Vec<At<RawArtifact>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawSource {
    pub(super) worktree: Option<At<String>>,
    pub(super) git: Option<At<String>>,
    pub(super) commit: Option<At<String>>,
    pub(super) url: Option<At<String>>,
    pub(super) sha256: Option<At<String>>,
    pub(super) strip: Option<At<i64>>,
    pub(super) purl: Option<At<String>>,
    pub(super) packed: Option<At<bool>>,
    pub(super) image: Option<At<String>>,
    pub(super) platform: Option<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawToolchain {
    pub(super) kind: At<String>,
    pub(super) arch: Option<At<String>>,
    pub(super) packages: Option<At<Vec<At<String>>>>,
    pub(super) suite: Option<At<String>>,
    pub(super) components: Option<At<Vec<At<String>>>>,
    pub(super) mirror: Option<At<String>>,
    pub(super) snapshot: Option<At<String>>,
    pub(super) snapshot_mirror: Option<At<String>>,
    pub(super) keyring: Option<At<String>>,
    pub(super) image: Option<At<String>>,
    pub(super) programs: Option<At<Vec<At<String>>>>,
    #[serde(default, rename = "archive")]
    pub(super) archives: Vec<At<RawToolArchive>>,
}

/// An archive that is laid over a toolchain.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawToolArchive {
    pub(super) name: Option<At<String>>,
    pub(super) version: Option<At<String>>,
    pub(super) url: Option<At<String>>,
    pub(super) sha256: Option<At<String>>,
    pub(super) purl: Option<At<String>>,
    pub(super) strip: Option<At<i64>>,
    pub(super) at: At<String>,
    #[serde(default)]
    pub(super) path: Vec<At<String>>,
    #[serde(default)]
    pub(super) link: Table<At<String>>,
    #[serde(default)]
    pub(super) env: Table<At<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawConditions {
    pub(super) level: Option<At<String>>,
    pub(super) address_randomness: Option<bool>,
    pub(super) build_path: Option<At<String>>,
    pub(super) clock: Option<At<String>>,
    pub(super) cpus: Option<At<i64>>,
    pub(super) directory_order: Option<At<String>>,
    pub(super) domain: Option<At<String>>,
    pub(super) gid: Option<At<i64>>,
    pub(super) group: Option<At<String>>,
    pub(super) home: Option<At<String>>,
    pub(super) hostname: Option<At<String>>,
    pub(super) kernel_release: Option<At<String>>,
    pub(super) kernel_version: Option<At<String>>,
    pub(super) locale: Option<At<String>>,
    pub(super) memory_seen: Option<At<String>>,
    pub(super) process_ids_after: Option<At<i64>>,
    pub(super) random: Option<At<String>>,
    pub(super) source_date_epoch: Option<At<i64>>,
    pub(super) timezone: Option<At<String>>,
    pub(super) uid: Option<At<i64>>,
    pub(super) umask: Option<At<String>>,
    pub(super) user: Option<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawStep {
    pub(super) name: At<String>,
    pub(super) inputs: Option<Table<At<String>>>,
    pub(super) run: At<Vec<At<String>>>,
    pub(super) outputs: At<Vec<At<String>>>,
    #[serde(default)]
    pub(super) env: Table<At<String>>,
    #[serde(default)]
    pub(super) secrets: Vec<At<String>>,
    #[serde(default)]
    pub(super) uses: Vec<At<String>>,
    pub(super) record: Option<At<Vec<At<String>>>>,
    pub(super) timeout: Option<At<String>>,
    pub(super) memory: Option<At<String>>,
    pub(super) processes: Option<At<i64>>,
    pub(super) cpu_time: Option<At<String>>,
    pub(super) file_size: Option<At<String>>,
    pub(super) disk: Option<At<String>>,
    #[serde(default)]
    pub(super) normalize: Vec<At<String>>,
    #[serde(default)]
    pub(super) violations: RawPolicies,
}

/// Policies by the name of their kind.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawPolicies {
    pub(super) network: Option<At<String>>,
    pub(super) call: Option<At<String>>,
    pub(super) program: Option<At<String>>,
    pub(super) file: Option<At<String>>,
    pub(super) write: Option<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawArtifact {
    pub(super) name: At<String>,
    pub(super) format: At<String>,
    pub(super) from: Option<At<String>>,
    pub(super) prefix: Option<At<String>>,
    #[serde(default)]
    pub(super) normalize: Vec<At<String>>,
    pub(super) debug: Option<At<String>>,
    #[serde(default)]
    pub(super) allow_leaks: Vec<At<RawAllowedLeak>>,
    pub(super) image: Option<At<RawImage>>,
    pub(super) images: Option<At<Vec<At<String>>>>,
    pub(super) dockerfile: Option<At<RawDockerfile>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawDockerfile {
    pub(super) name: Option<At<String>>,
    pub(super) context: Option<At<String>>,
    pub(super) file: Option<At<String>>,
    pub(super) target: Option<At<String>>,
    pub(super) build_args: Table<At<String>>,
    pub(super) contexts: Table<At<String>>,
    pub(super) labels: Table<At<String>>,
    pub(super) secrets: Vec<At<String>>,
    pub(super) platform: Option<At<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawImage {
    pub(super) name: Option<At<String>>,
    pub(super) base: Option<At<String>>,
    pub(super) layers: Option<At<Vec<At<RawLayer>>>>,
    pub(super) platform: Option<At<String>>,
    pub(super) times: Option<At<String>>,
    pub(super) entrypoint: Option<At<Vec<At<String>>>>,
    pub(super) cmd: Option<At<Vec<At<String>>>>,
    pub(super) user: Option<At<String>>,
    pub(super) workdir: Option<At<String>>,
    pub(super) env: Table<At<String>>,
    pub(super) labels: Table<At<String>>,
    pub(super) ports: Vec<At<String>>,
    pub(super) volumes: Vec<At<String>>,
    pub(super) stop_signal: Option<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawLayer {
    pub(super) from: At<String>,
    pub(super) to: Option<At<String>>,
    pub(super) owner: Option<At<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawAllowedLeak {
    pub(super) rule: At<String>,
    pub(super) path: Option<At<String>>,
    pub(super) reason: At<String>,
}

/// Reads the shapes. The first thing that does not fit is reported.
pub(super) fn read(text: &str) -> Result<Raw, Diagnostic> {
    toml::from_str(text).map_err(|error| {
        let message = error.message().to_owned();
        let (title, help) = match quoted(&message).split_first() {
            Some((found, expected)) if message.starts_with("unknown field") => {
                ("unknown key".to_owned(), Some(known_keys(found, expected)))
            }
            Some((field, _)) if message.starts_with("missing field") => {
                ("a key is missing".to_owned(), Some(format!("add `{field} = …` here")))
            }
            _ if message.starts_with("duplicate") => {
                ("a key stands twice".to_owned(), Some("keep one of them".into()))
            }
            _ if message.starts_with("invalid type") => ("wrong kind of value".to_owned(), None),
            _ => ("not readable as TOML".to_owned(), None),
        };
        Diagnostic { title, span: error.span(), label: message, help }
    })
}

/// The words between back quotes.
fn quoted(message: &str) -> Vec<String> {
    message.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn known_keys(found: &str, expected: &[String]) -> String {
    match nearest(found, expected.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", expected.join(", ")),
    }
}

/// The candidate that `found` most likely stands for, if any is near enough.
pub(super) fn nearest<'a>(found: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|c| (strsim::jaro_winkler(found, c), c))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}
