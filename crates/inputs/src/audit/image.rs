//! References to images: `[HOST/]NAME[:TAG][@DIGEST]`.

use std::ops::Range;

use super::finding::Page;
use super::pin::Named;
use super::rule::Id;

/// A reference to an image, in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    /// The registry, if the reference names one.
    pub(crate) host: Option<&'a str>,
    /// The repository there.
    pub(crate) path: &'a str,
    pub(crate) tag: Option<&'a str>,
    /// `sha256:` and its digits.
    pub(crate) digest: Option<&'a str>,
}

/// Reads a reference; `None` if it is none, or has variables in it.
pub(crate) fn parse(text: &str) -> Option<Reference<'_>> {
    let fine =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@' | '[' | ']');
    if text.is_empty() || text.len() > 512 || !text.chars().all(fine) {
        return None;
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (Some(host), path),
        _ => (None, name),
    };
    let good =
        !path.is_empty() && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    let tag_fits = tag.is_none_or(|tag| !tag.is_empty() && !tag.contains(['[', ']']));
    (good && tag_fits).then_some(Reference { host, path, tag, digest })
}

impl Reference<'_> {
    /// True if its bytes cannot change.
    pub(crate) fn is_pinned(&self) -> bool {
        self.digest.is_some_and(|digest| {
            digest
                .strip_prefix("sha256:")
                .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
                || digest.strip_prefix("sha512:").is_some_and(|hex| hex.len() == 128)
        })
    }
}

/// Speaks of a reference that is not pinned; `id` is the rule for a tag.
pub(crate) fn judge(page: &mut Page<'_>, id: Id, span: Range<usize>, text: &str) {
    let Some(image) = parse(text.trim()) else { return };
    page.name(span.clone(), Named::Image(text.trim().to_owned()));
    if image.is_pinned() || image.path == "scratch" {
        return;
    }
    let fix = format!("write its digest behind it: `selfsame pin {}`", page.path);
    match image.tag {
        None | Some("latest") => {
            page.add(Id::Img02, span, format!("`{text}` is whatever was pushed last"), fix);
        }
        Some(_) => {
            page.add(id, span, format!("`{text}` is a tag, which can be moved"), fix);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read() {
        let hex = "a".repeat(64);
        let pinned = format!("r.example.org:5000/a/b:1@sha256:{hex}");
        let of = |text| parse(text).map(|r| (r.host, r.path, r.tag, r.is_pinned()));
        assert_eq!(of("debian"), Some((None, "debian", None, false)));
        assert_eq!(of("debian:12"), Some((None, "debian", Some("12"), false)));
        assert_eq!(of("localhost:5000/x"), Some((Some("localhost:5000"), "x", None, false)));
        assert_eq!(of(&pinned), Some((Some("r.example.org:5000"), "a/b", Some("1"), true)));
        for wrong in ["", "${X}", "a b", "a//b", "a/../b", "x:", "{{ a }}"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
