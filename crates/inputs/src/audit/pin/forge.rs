//! What a branch or tag of a repository is, asked of its forge with git.

use std::collections::BTreeMap;
use std::path::Path;

use super::PinError;
use crate::git;

/// A forge: what `OWNER/NAME` is put behind.
#[derive(Debug, Clone)]
pub struct Forge {
    /// Such as `https://forge.example.org`.
    pub base: Option<String>,
    /// The caller's environment.
    pub env: BTreeMap<String, String>,
}

impl Forge {
    /// The commit of a tag or branch; of a tag that has an object of its own, what that points to.
    ///
    /// # Errors
    /// If there is no forge, it does not answer, or has no such branch or tag.
    pub fn resolve(&self, name: &str, reference: &str) -> Result<String, PinError> {
        let action = format!("{name}@{reference}");
        let fail = |reason: String| PinError::Forge { action: action.clone(), reason };
        if self.base.is_none() {
            return Err(PinError::NoForge { action });
        }
        let plain = !reference.is_empty()
            && !reference.starts_with('-')
            && !reference.contains([' ', '*', '?', '[', '^', ':', '\\']);
        if !plain {
            return Err(fail("expected OWNER/NAME and a branch or tag".to_owned()));
        }
        let url = self.url(name).map_err(fail)?;
        let (tag, head) = (format!("refs/tags/{reference}"), format!("refs/heads/{reference}"));
        let peeled = format!("{tag}^{{}}");
        let output = git::run(&self.env, Path::new("/"), &["ls-remote", "--", &url, &tag, &peeled, &head])
            .map_err(|error| fail(error.to_string()))?;
        let text = String::from_utf8_lossy(&output);
        let of = |wanted: &str| {
            text.lines().find_map(|line| {
                line.split_once('\t').filter(|(_, name)| *name == wanted).map(|(id, _)| id.to_owned())
            })
        };
        let found = of(&peeled).or_else(|| of(&tag)).or_else(|| of(&head));
        found
            .filter(|id| crate::audit::command::is_commit(id))
            .ok_or_else(|| fail("the repository has no such branch or tag".to_owned()))
    }

    /// Where the repository of an action is; an error is a sentence.
    pub(crate) fn url(&self, name: &str) -> Result<String, String> {
        let base = self.base.as_ref().ok_or("which forge it is on cannot be told: give --forge URL")?;
        let mut parts = name.split('/');
        let (Some(owner), Some(repository)) = (parts.next(), parts.next()) else {
            return Err("expected OWNER/NAME".to_owned());
        };
        let word = |part: &str| {
            !part.is_empty()
                && !part.starts_with(['.', '-'])
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        if !word(owner) || !word(repository) {
            return Err("expected OWNER/NAME and a branch or tag".to_owned());
        }
        Ok(format!("{}/{owner}/{repository}", base.trim_end_matches('/')))
    }
}

/// The forge that a repository's remote is on; `None` if its address does not tell.
#[must_use]
pub fn base_of(remote: &str) -> Option<String> {
    if let Some((scheme, rest)) = remote.split_once("://") {
        let authority = rest.split('/').next()?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        return match scheme {
            "http" | "https" => Some(format!("{scheme}://{host}")),
            "ssh" | "git" => Some(format!("https://{}", host.split(':').next()?)),
            _ => None,
        };
    }
    // `user@host:path`
    let (host, path) = remote.split_once(':')?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    (!host.contains('/') && !path.is_empty()).then(|| format!("https://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_tells_its_forge() {
        let cases = [
            ("https://u:p@f.example.org/a/b.git", Some("https://f.example.org")),
            ("git@f.example.org:a/b.git", Some("https://f.example.org")),
            ("ssh://git@f.example.org:22/a/b", Some("https://f.example.org")),
            ("/srv/git/a", None),
            ("file:///srv/a", None),
        ];
        for (remote, expected) in cases {
            assert_eq!(base_of(remote).as_deref(), expected, "{remote}");
        }
    }
}
