//! `mvn`: which repositories it asks.

use std::io::Read as _;
use std::path::Path;

use super::Host;

/// The repositories, parted by spaces: a mirror of the user's or the installation's `settings.xml`, else the one of
/// Maven's own super POM.
pub(super) fn repositories(host: &Host) -> Result<String, String> {
    let installed = installation(host);
    let user = host.home().map(|h| h.join(".m2/settings.xml"));
    let global = installed.as_ref().map(|h| h.join("conf/settings.xml"));
    for path in user.iter().chain(&global) {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let found: Vec<String> =
            blocks(&text, "mirror").filter(|m| value(m, "blocked") != Some("true")).filter_map(url).collect();
        if !found.is_empty() {
            return Ok(found.join(" "));
        }
    }
    let lib = installed.ok_or("Maven is not installed")?.join("lib");
    super_pom(&lib)
        .and_then(|pom| blocks(&pom, "repository").find_map(url))
        .ok_or_else(|| format!("no super POM with a repository in {}", lib.display()))
}

/// Maven's folder, as it says itself.
fn installation(host: &Host) -> Option<std::path::PathBuf> {
    let text = host.ask("mvn", &["--version"]).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Maven home: ")).map(|home| home.trim().into())
}

fn super_pom(lib: &Path) -> Option<String> {
    let mut jars: Vec<_> = std::fs::read_dir(lib).ok()?.flatten().map(|e| e.path()).collect();
    jars.retain(|p| {
        p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("maven-model-builder"))
    });
    jars.sort();
    let mut jar = zip::ZipArchive::new(std::fs::File::open(jars.first()?).ok()?).ok()?;
    let mut text = String::new();
    let pom = jar.by_name("org/apache/maven/model/pom-4.0.0.xml").ok()?;
    pom.take(1 << 20).read_to_string(&mut text).ok()?;
    Some(text)
}

/// What stands between `<name>` and `</name>`, without comments.
fn blocks<'a>(xml: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let plain = without_comments(xml);
    let mut found = Vec::new();
    let mut rest = plain.as_str();
    while let Some((_, after)) = rest.split_once(&open) {
        let Some((block, after)) = after.split_once(&close) else { break };
        found.push(block.to_owned());
        rest = after;
    }
    found.into_iter()
}

fn without_comments(xml: &str) -> String {
    let mut out = String::new();
    let mut rest = xml;
    while let Some((before, after)) = rest.split_once("<!--") {
        out.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, after)| after);
    }
    out + rest
}

fn value<'a>(block: &'a str, name: &str) -> Option<&'a str> {
    let after = block.split_once(&format!("<{name}>"))?.1;
    Some(after.split_once("</")?.0.trim())
}

#[expect(clippy::needless_pass_by_value, reason = "stands at the end of a chain")]
fn url(block: String) -> Option<String> {
    value(&block, "url").filter(|u| u.starts_with("http")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_read() {
        let text = "<settings><!-- <mirror><url>http://no.example.org</url></mirror> --><mirrors>\
                    <mirror><id>b</id><blocked>true</blocked><url>http://0.0.0.0/</url></mirror>\
                    <mirror><mirrorOf>*</mirrorOf><url>https://m.example.org/r</url></mirror></mirrors></settings>";
        let found: Vec<String> =
            blocks(text, "mirror").filter(|m| value(m, "blocked") != Some("true")).filter_map(url).collect();
        assert_eq!(found, ["https://m.example.org/r"]);
    }
}
