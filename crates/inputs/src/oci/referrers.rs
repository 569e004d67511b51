//! What is attached to an image: artifact manifests that name it as their `subject`, so that the image's own digest does not
//! change (<https://github.com/opencontainers/distribution-spec>, referrers).
//!
//! A registry with the referrers API lists them by itself, and says so when it takes one (`OCI-Subject`). For one that does
//! not say it, the list is an index under the tag `sha256-HEX`, read, merged and written by whoever attaches. Registries and
//! clients differ in what their lists say of an entry (a wrong `artifactType`, none, `null` for no entries), so a list only
//! says where to look: each manifest is read for what it is and what it is about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::{Duration, Instant};

use model::oci::{Descriptor, INDEX, MANIFEST};
use model::{Digest, Sha256};
use serde::Deserialize;
use serde_json::{Value, json};

use super::content::Content;
use super::push::Counted;
use super::registry::Registry;
use super::upload::{located, upload};
use super::{DOCUMENT_LIMIT, EMPTY, ImageError};
use crate::{Context, InputError};

/// The type of a configuration that says nothing.
pub(super) const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// No image has more of them.
const MOST: usize = 2000;
/// No more bytes of their manifests are kept.
const KEPT: usize = 256 << 20;
/// Nor more pages of a list.
const PAGES: usize = 200;
/// How often a list under a tag is merged anew with what others write at the same time.
const TRIES: usize = 10;
/// How long is waited before it is looked at again, at least.
const SETTLED: Duration = Duration::from_millis(100);

/// What is to be attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its media type: of the artifact and of its one layer.
    pub kind: String,
    /// The name of its file.
    pub name: String,
    /// Itself.
    pub bytes: Vec<u8>,
    /// What the manifest says of it.
    pub annotations: BTreeMap<String, String>,
}

/// What is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// Its manifest.
    pub manifest: Digest,
    /// Its artifact type, by its own word.
    pub kind: String,
    /// What its manifest says of it.
    pub annotations: BTreeMap<String, String>,
    /// Its layers, with the names of their files as they say them.
    pub layers: Vec<(Digest, Option<String>)>,
    /// Configuration and layers.
    pub(super) blobs: Vec<Digest>,
    pub(super) bytes: Vec<u8>,
}

/// The image that something is attached to.
pub(super) struct Subject<'a> {
    pub(super) media_type: &'a str,
    pub(super) digest: Digest,
}

/// An artifact manifest, as far as it is of use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Artifact {
    pub(super) media_type: Option<String>,
    pub(super) artifact_type: Option<String>,
    pub(super) config: Option<Descriptor>,
    pub(super) layers: Option<Vec<Descriptor>>,
    pub(super) subject: Option<Descriptor>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

impl Artifact {
    /// What it is, by its own word: where no artifact type is said, the type of the configuration.
    pub(super) fn kind(&self) -> String {
        let said = self.artifact_type.clone().filter(|kind| !kind.is_empty());
        said.or_else(|| Some(self.config.as_ref()?.media_type.clone())).unwrap_or_default()
    }
}

/// The manifest of an attachment. It holds no time: the same attachment to the same image is the same manifest.
fn manifest(subject: &Subject<'_>, attachment: &Attachment) -> Vec<u8> {
    let blob = |kind: &str, digest: &Digest| json!({ "mediaType": kind, "digest": format!("sha256:{}", digest.hex()), "size": digest.size });
    let mut layer = blob(&attachment.kind, &Digest::of(&attachment.bytes));
    layer["annotations"] = json!({ "org.opencontainers.image.title": attachment.name });
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST[0],
        "artifactType": attachment.kind,
        "config": blob(EMPTY_TYPE, &Digest::of(EMPTY)),
        "layers": [layer],
        "subject": blob(subject.media_type, &subject.digest),
    });
    if !attachment.annotations.is_empty() {
        manifest["annotations"] = json!(attachment.annotations);
    }
    manifest.to_string().into_bytes()
}

/// Attaches; gives the manifest's digest, and the entry for a list that the registry does not keep itself.
pub(super) fn attach(
    registry: &Registry<'_>,
    image: &dyn Display,
    subject: &Subject<'_>,
    attachment: &Attachment,
    counted: &Counted,
) -> Result<(Digest, Option<Value>), InputError> {
    let manifest = manifest(subject, attachment);
    for bytes in [EMPTY, &attachment.bytes] {
        let content = Content::of(bytes.to_vec());
        counted.add(upload(registry, image, &content, None, &|_| ())?, content.digest.size);
    }
    publish(registry, image, &manifest)
}

/// Puts the manifest of something attached, whose blobs are there.
pub(super) fn publish(
    registry: &Registry<'_>,
    image: &dyn Display,
    manifest: &[u8],
) -> Result<(Digest, Option<Value>), InputError> {
    let digest = Digest::of(manifest);
    let artifact: Artifact = serde_json::from_slice(manifest).map_err(|e| {
        let cause = model::oci::OciError::Json { what: "manifest", reason: e.to_string() };
        InputError::from(ImageError::Document { image: image.to_string(), cause })
    })?;
    let media_type = artifact.media_type.clone().unwrap_or_else(|| MANIFEST[0].to_owned());
    let name = format!("sha256:{}", digest.hex());
    if registry.put(image, &name, &media_type, manifest)?.listed {
        return Ok((digest, None));
    }
    let mut entry = json!({
        "mediaType": media_type, "digest": name, "size": digest.size, "artifactType": artifact.kind(),
    });
    if let Some(annotations) = artifact.annotations.filter(|a| !a.is_empty()) {
        entry["annotations"] = json!(annotations);
    }
    Ok((digest, Some(entry)))
}

/// The tag under which the list is where the registry keeps none.
fn tag(subject: &Sha256) -> String {
    format!("sha256-{subject}")
}

/// Sees to it that the list under the tag has these entries.
///
/// Registries know no "write if it is still the same": of two that read the list before either writes it, the later one writes
/// over the other. So it is read again when whoever had read it before should have written, which is taken to last no longer
/// than four times what it took us; what is missing then is merged and written again.
pub(super) fn enlist(
    registry: &Registry<'_>,
    image: &dyn Display,
    subject: &Sha256,
    entries: &[Value],
) -> Result<(), InputError> {
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    for _ in 0..TRIES {
        let begun = Instant::now();
        let mut list = under_tag(registry, image, subject)?.unwrap_or_default();
        let lacks = |list: &[Value], entry: &Value| !list.iter().any(|e| e["digest"] == entry["digest"]);
        let mut more: Vec<Value> = Vec::new();
        for entry in known.values().chain(entries) {
            if lacks(&list, entry) && lacks(&more, entry) {
                more.push(entry.clone());
            }
        }
        if more.is_empty() {
            return Ok(());
        }
        list.extend(more);
        known.extend(list.iter().filter_map(|e| Some((e["digest"].as_str()?.to_owned(), e.clone()))));
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX[0], "manifests": list });
        registry.put(image, &tag(subject), INDEX[0], index.to_string().as_bytes())?;
        std::thread::sleep(SETTLED + 4 * begun.elapsed());
    }
    let reason = format!("its list `{}` does not keep what is written to it", tag(subject));
    Err(ImageError::Answer { registry: registry.name().to_owned(), image: image.to_string(), reason }.into())
}

/// The list under the tag, if there is one.
fn under_tag(
    registry: &Registry<'_>,
    image: &dyn Display,
    subject: &Sha256,
) -> Result<Option<Vec<Value>>, InputError> {
    let bytes = match registry.manifest(image, &tag(subject)) {
        Ok(bytes) => bytes,
        Err(InputError::Image(ImageError::Missing { .. })) => return Ok(None),
        Err(error) => return Err(error),
    };
    entries(&bytes).map(Some).ok_or_else(|| {
        let reason = format!("its tag `{}` is no list of what is attached", tag(subject));
        ImageError::Answer { registry: registry.name().to_owned(), image: image.to_string(), reason }.into()
    })
}

/// The entries of an index; `null` is none.
fn entries(bytes: &[u8]) -> Option<Vec<Value>> {
    let mut index: Value = serde_json::from_slice(bytes).ok()?;
    let index = index.as_object_mut()?;
    match index.remove("manifests") {
        Some(Value::Array(list)) if list.len() <= MOST => Some(list),
        Some(Value::Null) => Some(Vec::new()),
        // What is left out is none too, unless this is a manifest.
        None if !index.contains_key("config") && index.contains_key("schemaVersion") => Some(Vec::new()),
        _ => None,
    }
}

/// The list that the registry keeps itself; `None` if it keeps none.
fn by_registry(
    registry: &Registry<'_>,
    image: &dyn Display,
    subject: &Sha256,
) -> Result<Option<Vec<Value>>, InputError> {
    let mut url = registry.url(&format!("referrers/sha256:{subject}"));
    let mut all = Vec::new();
    for _ in 0..PAGES {
        let heard = registry.send(image, "GET", &url, &[("Accept", INDEX[0])], &[], DOCUMENT_LIMIT)?;
        let kind = heard.header("content-type").unwrap_or_default();
        let is_index = kind.split(';').next().is_some_and(|kind| kind.trim() == INDEX[0]);
        match heard.status {
            200 if is_index => {}
            // A page for people, or a list of something else.
            200 | 400 | 404 | 405 | 406 | 501 => return Ok(None),
            _ => return Err(registry.refused(image, "list what is attached", &heard)),
        }
        let nonsense = |reason: &str| -> InputError {
            let (registry, image) = (registry.name().to_owned(), image.to_string());
            ImageError::Answer { registry, image, reason: reason.to_owned() }.into()
        };
        let page = entries(&heard.body).ok_or_else(|| nonsense("its list of what is attached is none"))?;
        // What else it says of them is not believed, and could be much.
        all.extend(page.iter().map(|entry| json!({ "digest": entry["digest"] })));
        if all.len() > MOST {
            return Err(nonsense(&format!("it lists more than {MOST} things that are attached")));
        }
        let Some(next) = heard.header("link").and_then(next) else { return Ok(Some(all)) };
        match located(&registry.base, &url, next) {
            Some(address) if !address.foreign && address.url != url => url = address.url,
            _ => return Err(nonsense("the next page of what is attached is elsewhere")),
        }
    }
    Ok(Some(all))
}

/// What a header `Link` says is next.
fn next(link: &str) -> Option<&str> {
    link.split(',').find_map(|one| {
        let (url, rest) = one.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = |p: &str| matches!(p.trim(), "rel=\"next\"" | "rel=next");
        rest.split(';').any(is_next).then_some(url)
    })
}

/// Everything that is attached to a manifest or index: by the registry's list, or where it has none or an empty one, that
/// under the tag.
pub(super) fn list(
    cx: &Context<'_>,
    registry: &Registry<'_>,
    image: &dyn Display,
    subject: &Sha256,
) -> Result<Vec<Referrer>, InputError> {
    let listed = match by_registry(registry, image, subject)? {
        Some(list) if !list.is_empty() => list,
        _ => under_tag(registry, image, subject)?.unwrap_or_default(),
    };
    let mut found: BTreeMap<Digest, Referrer> = BTreeMap::new();
    let names: BTreeSet<&str> = listed.iter().map(|e| e["digest"].as_str().unwrap_or_default()).collect();
    let mut kept = 0;
    for name in names {
        let pass = |why: &str| {
            let text = format!(
                "`{}` is listed as attached to `{image}`, and passed over: {why}",
                name.escape_debug()
            );
            cx.warn(text, None);
        };
        let Ok(sha256) = model::oci::sha256(name) else {
            pass("it is not named by a digest that can be checked");
            continue;
        };
        let bytes = match registry.manifest(image, name) {
            Ok(bytes) => bytes,
            Err(InputError::Image(ImageError::Missing { .. })) => {
                pass("it is not there");
                continue;
            }
            Err(error) => return Err(error),
        };
        kept += bytes.len();
        if kept > KEPT {
            let reason = format!("more than {} MiB of manifests are attached to it", KEPT >> 20);
            let (registry, image) = (registry.name().to_owned(), image.to_string());
            return Err(ImageError::Answer { registry, image, reason }.into());
        }
        let manifest = Digest::of(&bytes);
        if manifest.sha256 != sha256 {
            let what = format!("what is attached to `{image}`");
            return Err(super::mismatch(what, name.to_owned(), format!("sha256:{}", manifest.hex())));
        }
        match read(&bytes, subject) {
            Ok((kind, annotations, layers, blobs)) => {
                found.insert(manifest, Referrer { manifest, kind, annotations, layers, blobs, bytes });
            }
            Err(why) => pass(&why),
        }
    }
    Ok(found.into_values().collect())
}

/// Type, annotations, layers, and all blobs.
type Read = (String, BTreeMap<String, String>, Vec<(Digest, Option<String>)>, Vec<Digest>);

/// Reads a manifest that should be about `subject`.
fn read(bytes: &[u8], subject: &Sha256) -> Result<Read, String> {
    let artifact: Artifact = serde_json::from_slice(bytes).map_err(|e| format!("its manifest: {e}"))?;
    let about = artifact.subject.as_ref().map_or("nothing", |s| s.digest.as_str());
    if about != format!("sha256:{subject}") {
        return Err(format!("it is about {}", about.escape_debug()));
    }
    let kind = artifact.kind();
    let digest = |d: &Descriptor| d.digest().map_err(|e| e.to_string());
    let layers = artifact.layers.unwrap_or_default();
    let title = |d: &Descriptor| d.annotations.get("org.opencontainers.image.title").cloned();
    let layers: Vec<_> = layers.iter().map(|d| Ok((digest(d)?, title(d)))).collect::<Result<_, String>>()?;
    let mut blobs = artifact.config.iter().map(digest).collect::<Result<Vec<_>, _>>()?;
    blobs.extend(layers.iter().map(|(d, _)| *d));
    Ok((kind, artifact.annotations.unwrap_or_default(), layers, blobs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_is_one_manifest_for_ever() {
        let subject = Subject { media_type: MANIFEST[0], digest: Digest::of(b"image") };
        let attachment = Attachment {
            kind: "application/spdx+json".into(),
            name: "x.spdx.json".into(),
            bytes: b"{}\n".to_vec(),
            annotations: [("a".to_owned(), "b".to_owned())].into(),
        };
        let text = String::from_utf8(manifest(&subject, &attachment)).unwrap();
        let expected = r#"{"annotations":{"a":"b"},"artifactType":"application/spdx+json","config":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","mediaType":"application/vnd.oci.empty.v1+json","size":2},"layers":[{"annotations":{"org.opencontainers.image.title":"x.spdx.json"},"digest":"sha256:ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356","mediaType":"application/spdx+json","size":3}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2,"subject":{"digest":"sha256:SUBJECT","mediaType":"application/vnd.oci.image.manifest.v1+json","size":5}}"#;
        assert_eq!(text, expected.replace("SUBJECT", &subject.digest.hex()));
        let (kind, annotations, layers, blobs) = read(text.as_bytes(), &subject.digest.sha256).unwrap();
        assert_eq!((kind.as_str(), annotations["a"].as_str()), ("application/spdx+json", "b"));
        assert_eq!(layers, [(Digest::of(b"{}\n"), Some("x.spdx.json".into()))]);
        assert_eq!(blobs, [Digest::of(EMPTY), Digest::of(b"{}\n")]);
        assert!(read(text.as_bytes(), &Sha256::of(b"other")).unwrap_err().starts_with("it is about sha256:"));
    }

    #[test]
    fn lists_are_read_as_registries_write_them() {
        for (text, entries_of_it) in [
            (r#"{"schemaVersion":2,"manifests":null}"#, Some(0)),
            (r#"{"schemaVersion":2}"#, Some(0)),
            (r#"{"schemaVersion":2,"manifests":[{"digest":"x","annotations":null}]}"#, Some(1)),
            (r#"{"schemaVersion":2,"config":{},"layers":[]}"#, None),
            (r#"{"schemaVersion":2,"manifests":{}}"#, None),
            ("[]", None),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(entries(text.as_bytes()).map(|l| l.len()), entries_of_it, "{text}");
        }
        assert_eq!(next("</v2/a?n=1>; rel=\"next\""), Some("/v2/a?n=1"));
        assert_eq!(next("</a>; rel=prev, </b> ; x=y; rel=next"), Some("/b"));
        for none in ["", "</a>", "/a; rel=next", "</a; rel=next"] {
            assert_eq!(next(none), None);
        }
    }
}
