//! Whether a pinned commit is what its comment says, and is of the repository at all.
//!
//! A forge gives a commit of any fork under the name of the repository that it was forked from. So a commit that no
//! branch and no tag leads to is nobody's word but its maker's. Branches and tags are listed first; only where the commit is at
//! the head of none is the history read, without any file.

use std::collections::BTreeMap;
use std::path::Path;

use crate::audit::noted::Noted;
use crate::audit::pin::{Forge, Named, references};
use crate::audit::rule::Id;
use crate::audit::{Content, Sheet};
use crate::git;

pub(super) fn ask(forge: &Forge, sheets: &[Sheet], noted: &mut Vec<Noted>, problems: &mut Vec<String>) {
    let texts: BTreeMap<&str, &str> = sheets
        .iter()
        .filter_map(|sheet| match &sheet.content {
            Content::Text(text) => Some((sheet.path.as_str(), text.as_str())),
            _ => None,
        })
        .collect();
    let mut known: BTreeMap<String, Result<Repository, String>> = BTreeMap::new();
    for reference in references(sheets) {
        let Named::Action(name, commit) = &reference.named else { continue };
        if !reference.pinned {
            continue;
        }
        let repository = name.split('/').take(2).collect::<Vec<_>>().join("/");
        let opened = known.entry(repository.clone()).or_insert_with(|| Repository::ask(forge, &repository));
        let repository = match opened {
            Ok(repository) => repository,
            Err(reason) => {
                let sentence = format!("{name}: {reason}");
                if !problems.contains(&sentence) {
                    problems.push(sentence);
                }
                continue;
            }
        };
        let text = texts.get(reference.file.as_str()).copied().unwrap_or_default();
        let said = tag(text.get(reference.span.end..).unwrap_or_default());
        let add =
            |message: String, fix: &str| Noted::new(Id::Ci03, &reference.file, reference.line, message, fix);
        if let Some(tag) = &said
            && let Some(is) = repository.tag(tag)
            && is != commit
        {
            let message = format!("the comment says `{tag}`, which is {}", &is[..12]);
            noted.push(add(message, "run `selfsame pin --update`, and look at what changes"));
            continue;
        }
        match repository.holds(forge, commit) {
            Ok(true) => {}
            Ok(false) => {
                let message = format!("no branch and no tag of `{name}` leads to this commit");
                noted.push(add(message, "pin a commit of a release: `selfsame pin --update`"));
            }
            Err(reason) => problems.push(format!("{name}: {reason}")),
        }
    }
}

/// The tag in the comment behind a reference.
fn tag(rest: &str) -> Option<String> {
    let comment = rest.lines().next()?.split_once('#')?.1.trim();
    let word = comment.split_whitespace().next()?.trim_start_matches("tag=");
    let version = word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    version.then(|| word.to_owned())
}

/// What a forge lists of a repository.
struct Repository {
    url: String,
    /// Commits by full name of branch or tag; of a tag with an object of its own, what it points to.
    heads: BTreeMap<String, String>,
    /// Its whole history, once it was needed.
    history: Option<Result<tempfile::TempDir, String>>,
}

impl Repository {
    fn ask(forge: &Forge, name: &str) -> Result<Self, String> {
        let url = forge.url(name)?;
        let output = git::run(&forge.env, Path::new("/"), &["ls-remote", "--heads", "--tags", "--", &url])
            .map_err(|e| e.to_string())?;
        let mut heads = BTreeMap::new();
        for line in String::from_utf8_lossy(&output).lines() {
            let Some((commit, name)) = line.split_once('\t') else { continue };
            match name.strip_suffix("^{}") {
                Some(tag) => drop(heads.insert(tag.to_owned(), commit.to_owned())),
                None => drop(heads.entry(name.to_owned()).or_insert_with(|| commit.to_owned())),
            }
        }
        Ok(Self { url, heads, history: None })
    }

    /// The commit of a tag, with or without the `v` that a comment may leave out.
    fn tag(&self, tag: &str) -> Option<&String> {
        let named = |tag: &str| self.heads.get(&format!("refs/tags/{tag}"));
        named(tag).or_else(|| named(&format!("v{tag}")))
    }

    fn holds(&mut self, forge: &Forge, commit: &str) -> Result<bool, String> {
        if self.heads.values().any(|head| head == commit) {
            return Ok(true);
        }
        let url = &self.url;
        let history = self.history.get_or_insert_with(|| {
            let folder = tempfile::tempdir_in(forge.env.get("TMPDIR").map_or("/tmp", String::as_str))
                .map_err(|e| e.to_string())?;
            let git = |arguments: &[&str]| {
                git::run(&forge.env, folder.path(), arguments).map(drop).map_err(|e| e.to_string())
            };
            git(&["init", "-q", "--bare", "."])?;
            let specs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
            let options = ["fetch", "-q", "--filter=tree:0", "--no-tags", "--no-auto-gc"];
            let arguments: Vec<&str> = options.into_iter().chain(["--", url.as_str()]).chain(specs).collect();
            git(&arguments)?;
            Ok(folder)
        });
        let folder = history.as_ref().map_err(Clone::clone)?;
        let arguments = ["for-each-ref", "--count=1", "--contains", commit];
        // git says of a commit that it does not have that it is none.
        Ok(git::run(&forge.env, folder.path(), &arguments).is_ok_and(|output| !output.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn comments_that_say_a_version() {
        for (rest, tag) in [
            (" # v4.2.2", Some("v4.2.2")),
            ("' # tag=v1\nnext # v2", Some("v1")),
            (" # 4.2", Some("4.2")),
            (" # main", None),
            ("\n # v4", None),
            ("", None),
        ] {
            assert_eq!(super::tag(rest).as_deref(), tag, "{rest}");
        }
    }
}
