//! What deploys: compose files, Kubernetes manifests, charts, development containers.

use super::command::{Facts, is_exact};
use super::finding::Page;
use super::image::{self, parse};
use super::read::node::Node;
use super::read::{json, yaml};
use super::rule::Id;

/// A compose file.
pub(crate) fn compose(page: &mut Page<'_>) {
    for root in yaml::read(page.text) {
        for (_, service) in root.get("services").map(Node::entries).unwrap_or_default() {
            // With `build`, the name is what the image will be called.
            if service.get("build").is_some() {
                continue;
            }
            if let Some(image) = service.get("image") {
                judge(page, image);
            }
        }
    }
}

fn judge(page: &mut Page<'_>, node: &Node) {
    let Some(text) = node.str() else { return };
    image::judge(page, Id::Img01, node.inner(page.text), &with_defaults(text));
}

/// `${NAME:-default}` as its default.
fn with_defaults(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inner, behind)) = after.split_once('}') else { break };
        out.push_str(before);
        match inner.split_once(":-").or_else(|| inner.split_once('-')) {
            Some((_, default)) => out.push_str(default),
            None => out.push('$'),
        }
        rest = behind;
    }
    out + rest
}

/// Any YAML file that may be a manifest.
pub(crate) fn manifest(page: &mut Page<'_>, facts: &Facts) {
    let name = page.path.rsplit('/').next().unwrap_or_default().to_owned();
    for root in yaml::read(page.text) {
        if root.get("apiVersion").is_some() && root.get("kind").is_some() {
            let mut images = Vec::new();
            root.walk(&mut |path, key, value| {
                let above = path.last().copied().unwrap_or_default();
                let container = matches!(above, "containers" | "initContainers" | "ephemeralContainers");
                match key.str() {
                    Some("image") if container && value.str().is_some() => images.push(value.clone()),
                    Some("reference") if above == "image" && path.contains(&"volumes") => {
                        images.push(value.clone())
                    }
                    _ => {}
                }
            });
            images.iter().for_each(|image| judge(page, image));
        }
        if name.starts_with("kustomization.") {
            for item in root.get("images").map(Node::items).unwrap_or_default() {
                if let (Some(tag), None) = (item.get("newTag"), item.get("digest")) {
                    page.add(
                        Id::Img01,
                        tag.span.clone(),
                        "a tag, which can be moved",
                        "write `digest: sha256:…` instead of `newTag`",
                    );
                }
            }
        }
        if name.starts_with("values") && name.ends_with("ml") {
            values(page, &root);
        }
        if name == "Chart.yaml" {
            let folder = page.path.trim_end_matches("Chart.yaml");
            let locked = facts.paths.contains(&format!("{folder}Chart.lock"));
            for dependency in root.get("dependencies").map(Node::items).unwrap_or_default() {
                if let Some(version) =
                    dependency.get("version").filter(|v| v.str().is_some_and(|t| !is_exact(t)) && !locked)
                {
                    page.add(
                        Id::Tool10,
                        version.span.clone(),
                        "the chart's version floats",
                        "name a whole version, and commit Chart.lock",
                    );
                }
            }
        }
    }
}

/// A chart's values: `image: {repository, tag, digest}` or `image: TEXT`.
fn values(page: &mut Page<'_>, root: &Node) {
    let mut found: Vec<(Node, String)> = Vec::new();
    root.walk(&mut |_, key, value| {
        if !key.str().is_some_and(|k| k == "image" || k.ends_with("Image")) {
            return;
        }
        if let (Some(repository), Some(tag)) = (value.text(&["repository"]), value.get("tag")) {
            let digest = value.text(&["digest"]).unwrap_or_default();
            let text = tag.str().unwrap_or_default();
            if digest.is_empty() && !text.is_empty() && parse(repository).is_some() {
                let host = value
                    .text(&["registry"])
                    .filter(|r| !r.is_empty())
                    .map(|r| format!("{r}/"))
                    .unwrap_or_default();
                found.push((tag.clone(), format!("{host}{repository}:{text}")));
            }
        } else if let Some(text) = value.str().filter(|t| t.contains(':') && !t.contains(' ')) {
            found.push((value.clone(), text.to_owned()));
        }
    });
    for (node, text) in found {
        image::judge(page, Id::Img01, node.inner(page.text), &text);
    }
}

/// A development container.
pub(crate) fn devcontainer(page: &mut Page<'_>, facts: &Facts) {
    let Some(root) = json::read(page.text) else { return };
    if let Some(image) = root.get("image") {
        judge(page, image);
    }
    let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    if facts.paths.contains(&format!("{folder}/devcontainer-lock.json")) {
        return;
    }
    for (feature, _) in root.get("features").map(Node::entries).unwrap_or_default() {
        let Some(text) = feature.str() else { continue };
        if parse(text).is_some_and(|r| !r.is_pinned()) && !text.starts_with('.') {
            let message = format!("`{text}` is another one next time");
            page.add(
                Id::Tool10,
                feature.inner(page.text),
                message,
                "commit devcontainer-lock.json, or name its digest",
            );
        }
    }
}
