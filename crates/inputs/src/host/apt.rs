//! `apt`: sources.list(5) in both its forms, keyrings and proxies (apt.conf(5)).

use std::path::{Path, PathBuf};

use super::Host;
use model::deb822;

/// One archive that the package manager knows: a base address and a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSource {
    /// Base URL.
    pub uri: String,
    /// Suite, such as `bookworm`.
    pub suite: String,
    /// Components, such as `main`.
    pub components: Vec<String>,
    /// Keyring file that its index must be signed by.
    pub signed_by: Option<PathBuf>,
}

/// All entries for binary packages, in apt's order of files.
pub(super) fn sources(etc: &Path) -> Vec<AptSource> {
    let mut list = Vec::new();
    if let Ok(text) = std::fs::read_to_string(etc.join("sources.list")) {
        one_line(&text, &mut list);
    }
    for path in files_in(&etc.join("sources.list.d")) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        match path.extension().and_then(|e| e.to_str()) {
            Some("list") => one_line(&text, &mut list),
            Some("sources") => stanzas(&text, &mut list),
            _ => {}
        }
    }
    list.retain(|s| ["http://", "https://", "file:/"].iter().any(|scheme| s.uri.starts_with(scheme)));
    for source in &mut list {
        if let Some(path) = source.uri.strip_prefix("file:/").filter(|p| !p.starts_with('/')) {
            source.uri = format!("file:///{path}");
        }
    }
    list
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    files
}

/// `deb [ options ] uri suite components…`
fn one_line(text: &str, list: &mut Vec<AptSource>) {
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(mut rest) = line.strip_prefix("deb").filter(|r| r.starts_with([' ', '\t'])).map(str::trim)
        else {
            continue;
        };
        let mut signed_by = None;
        if let Some((options, after)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            let option = options.split_whitespace().find_map(|o| o.strip_prefix("signed-by="));
            signed_by = option.and_then(|v| v.split(',').find(|k| k.starts_with('/'))).map(PathBuf::from);
            rest = after.trim();
        }
        let mut words = rest.split_whitespace();
        if let (Some(uri), Some(suite)) = (words.next(), words.next()) {
            list.push(AptSource {
                uri: uri.to_owned(),
                suite: suite.to_owned(),
                components: words.map(str::to_owned).collect(),
                signed_by,
            });
        }
    }
}

fn stanzas(text: &str, list: &mut Vec<AptSource>) {
    for paragraph in deb822::paragraphs(text) {
        let words = |field| paragraph.get(field).unwrap_or_default().split_whitespace().map(str::to_owned);
        let enabled = !paragraph.get("Enabled").is_some_and(|v| matches!(v, "no" | "false" | "0"));
        if !enabled || !words("Types").any(|t| t == "deb") {
            continue;
        }
        let signed_by = words("Signed-By").find(|k| k.starts_with('/')).map(PathBuf::from);
        for uri in words("URIs") {
            for suite in words("Suites") {
                list.push(AptSource {
                    uri: uri.clone(),
                    suite,
                    components: words("Components").collect(),
                    signed_by: signed_by.clone(),
                });
            }
        }
    }
}

/// The keyrings that apt trusts for entries without `Signed-By`, then the Debian archive's own.
pub(super) fn keyrings(root: &Path) -> Vec<PathBuf> {
    let is_keyring = |p: &PathBuf| p.extension().is_some_and(|e| e == "gpg" || e == "asc") && p.is_file();
    let mut list: Vec<PathBuf> =
        files_in(&root.join("etc/apt/trusted.gpg.d")).into_iter().filter(is_keyring).collect();
    list.extend(Some(root.join("usr/share/keyrings/debian-archive-keyring.gpg")).filter(is_keyring));
    list
}

/// `Acquire::http::Proxy "URL";` and `Acquire::http::Proxy::HOST "URL";`, in the flat and in the nested form.
pub(super) fn proxies(etc: &Path, host: &mut Host) {
    let mut files = files_in(&etc.join("apt.conf.d"));
    files.push(etc.join("apt.conf"));
    let mut settings = Vec::new();
    for path in files {
        if let Ok(text) = std::fs::read_to_string(path) {
            read_conf(&text, &mut settings);
        }
    }
    let apt_hosts: Vec<String> =
        host.apt.iter().filter_map(|s| super::host_of(&s.uri)).map(str::to_owned).collect();
    for (key, value) in settings {
        let key = key.to_ascii_lowercase();
        let proxy = (value != "DIRECT" && value != "false" && !value.is_empty()).then(|| value.clone());
        for scheme in ["acquire::http::proxy", "acquire::https::proxy"] {
            let Some(rest) = key.strip_prefix(scheme) else { continue };
            match rest.strip_prefix("::") {
                Some(name) => {
                    host.proxies.by_host.insert(name.to_owned(), proxy.clone());
                }
                // apt's proxy is for what apt reaches, not for other registries.
                None if rest.is_empty() => {
                    for name in &apt_hosts {
                        let wanted = if scheme.contains("https") { "https://" } else { "http://" };
                        if host.apt.iter().any(|s| {
                            s.uri.starts_with(wanted) && super::host_of(&s.uri) == Some(name.as_str())
                        }) {
                            host.proxies.by_host.insert(name.clone(), proxy.clone());
                        }
                    }
                }
                None => {}
            }
        }
    }
}

/// Reads apt.conf(5) into pairs of full key and value.
fn read_conf(text: &str, settings: &mut Vec<(String, String)>) {
    let mut plain = String::new();
    for line in text.lines() {
        let line = line.trim();
        if !line.starts_with("//") && !line.starts_with('#') {
            plain.push_str(line);
            plain.push('\n');
        }
    }
    let mut scopes: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut chars = plain.chars();
    while let Some(c) = chars.next() {
        match c {
            '{' => {
                scopes.push(word.trim().to_owned());
                word.clear();
            }
            '}' => {
                scopes.pop();
                word.clear();
            }
            ';' => {
                let (key, value) = word.trim().split_once(char::is_whitespace).unwrap_or((word.trim(), ""));
                if !key.is_empty() && !key.starts_with('"') {
                    let full: Vec<&str> =
                        scopes.iter().map(String::as_str).chain(std::iter::once(key)).collect();
                    settings.push((full.join("::"), value.trim().trim_matches('"').to_owned()));
                }
                word.clear();
            }
            '"' => {
                word.push('"');
                for c in chars.by_ref() {
                    word.push(c);
                    if c == '"' {
                        break;
                    }
                }
            }
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let mut list = Vec::new();
        one_line(
            "# deb x y z\ndeb-src http://a.example.org/d s main\n\
             deb [arch=amd64 signed-by=/k.gpg] http://a.example.org/d s main contrib # why\n",
            &mut list,
        );
        stanzas(
            "Types: deb deb-src\nURIs: http://b.example.org/d\nSuites: s s-updates\nComponents: main\nSigned-By: /b.gpg\n\n\
             Enabled: no\nTypes: deb\nURIs: http://c.example.org\nSuites: s\n",
            &mut list,
        );
        let found: Vec<(&str, &str, usize, Option<&str>)> = list
            .iter()
            .map(|s| {
                (
                    s.uri.as_str(),
                    s.suite.as_str(),
                    s.components.len(),
                    s.signed_by.as_ref().and_then(|p| p.to_str()),
                )
            })
            .collect();
        let b = "http://b.example.org/d";
        assert_eq!(
            found,
            [
                ("http://a.example.org/d", "s", 2, Some("/k.gpg")),
                (b, "s", 1, Some("/b.gpg")),
                (b, "s-updates", 1, Some("/b.gpg"))
            ]
        );
    }

    #[test]
    fn proxies_are_found_in_both_forms() {
        let mut settings = Vec::new();
        read_conf(
            "// no\nAcquire::http::Proxy \"http://p.example.org:1/\";\nAcquire {\n https {\n  Proxy \"DIRECT\";\n };\n};\n",
            &mut settings,
        );
        let expected =
            [("Acquire::http::Proxy", "http://p.example.org:1/"), ("Acquire::https::Proxy", "DIRECT")];
        assert_eq!(settings, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }
}
