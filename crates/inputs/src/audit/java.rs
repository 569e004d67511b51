//! Maven and Gradle.

use roxmltree::{Document, Node, ParsingOptions};

use super::finding::Page;
use super::rule::{Id, Severity};

/// pom.xml.
pub(crate) fn pom(page: &mut Page<'_>) {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: 200_000, ..ParsingOptions::default() };
    let Ok(document) = Document::parse_with_options(page.text, options) else { return };
    let child = |node: Node<'_, '_>, name: &str| {
        node.children()
            .find(|c| c.has_tag_name_of(name))
            .and_then(|c| c.text().map(|t| (t.trim().to_owned(), c.range())))
    };
    let managed = |group: &str| {
        document.descendants().any(|n| {
            n.has_tag_name_of("pluginManagement")
                && n.descendants().any(|d| d.text().map(str::trim) == Some(group))
        })
    };
    let parent = document.root_element().children().any(|c| c.has_tag_name_of("parent"));
    for node in document.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        if !matches!(name, "dependency" | "plugin" | "extension" | "parent") {
            continue;
        }
        let artifact = child(node, "artifactId").map(|(t, _)| t).unwrap_or_default();
        match child(node, "version") {
            Some((version, range)) => {
                let floats = version.starts_with(['[', '('])
                    || matches!(version.as_str(), "LATEST" | "RELEASE")
                    || version.ends_with("-SNAPSHOT");
                if floats {
                    page.add(
                        Id::Lock14,
                        range,
                        format!("`{artifact}` `{version}` is another one next time"),
                        "name a released version",
                    );
                }
            }
            None if name == "plugin" && !parent && !managed(&artifact) => {
                let message = format!("`{artifact}`: Maven chooses the plugin's version");
                page.add(
                    Id::Lock12,
                    node.range().start..node.range().start + "<plugin>".len(),
                    message,
                    "add `<version>`",
                );
            }
            None => {}
        }
    }
    if !page.text.contains("project.build.outputTimestamp") && !parent {
        let message = "archives carry the time of the build";
        page.whole(Id::Time03, message, "set the property `project.build.outputTimestamp`");
    }
}

/// A name without its namespace.
trait Named {
    fn has_tag_name_of(&self, name: &str) -> bool;
}

impl Named for Node<'_, '_> {
    fn has_tag_name_of(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

/// build.gradle and build.gradle.kts.
pub(crate) fn gradle(page: &mut Page<'_>) {
    let text = page.text;
    let mut at = 0;
    let mut comment = false;
    for line in text.split_inclusive('\n') {
        let code = line.trim_start();
        let start = at;
        at += line.len();
        comment = (comment || code.starts_with("/*")) && !line.contains("*/");
        if comment || code.starts_with("//") || code.starts_with('*') {
            continue;
        }
        for quote in ['"', '\''] {
            let mut from = 0;
            for (nth, part) in line.split(quote).enumerate() {
                if nth % 2 == 1 {
                    let version = part.rsplit(':').next().unwrap_or_default();
                    let dependency =
                        part.matches(':').count() == 2 && !part.contains(' ') && !part.contains('/');
                    let floats = version.ends_with('+')
                        || version.starts_with("latest.")
                        || version.ends_with("-SNAPSHOT")
                        || version.starts_with(['[', '(']);
                    let declared = line.contains("version") && (version.ends_with(".+") || version == "+");
                    if (dependency && floats) || declared {
                        page.add(
                            Id::Lock14,
                            start + from..start + from + part.len(),
                            format!("`{part}` is another one next time"),
                            "name a version, and lock: `gradle dependencies --write-locks`",
                        );
                    }
                }
                from += part.len() + 1;
            }
        }
        if let Some(found) =
            ["new Date()", "Instant.now()", "LocalDateTime.now()", "System.currentTimeMillis()"]
                .iter()
                .find_map(|w| line.find(w).map(|f| (f, w.len())))
        {
            page.add(
                Id::Time02,
                start + found.0..start + found.0 + found.1,
                "the build asks for the time",
                "take it from SOURCE_DATE_EPOCH",
            );
        }
        if line.contains("changing") && line.contains("true") && line.contains("isChanging")
            || code.starts_with("changing = true")
            || code.starts_with("changing true")
        {
            page.add(
                Id::Lock14,
                start..start + line.trim_end().len(),
                "a changing module is taken anew",
                "name a released version",
            );
        }
        if code.contains("mavenLocal()") {
            let span = start + line.find("mavenLocal()").unwrap_or(0);
            page.add(
                Id::Lock11,
                span..span + 12,
                "what lies in this user's folder gets in",
                "remove mavenLocal()",
            )
            .at(Severity::Warn);
        }
        if code.contains("http://") && (code.contains("url") || code.contains("maven")) {
            page.add(Id::Lock09, start..start + line.trim_end().len(), "over plain http", "use https");
        }
    }
}

/// gradle-wrapper.properties and maven-wrapper.properties.
pub(crate) fn wrapper(page: &mut Page<'_>) {
    let mut at = 0;
    let summed =
        page.text.lines().any(|l| l.trim_start().starts_with("distributionSha256Sum") && l.contains('='));
    for line in page.text.split_inclusive('\n') {
        let span = at..at + line.trim_end().len();
        at += line.len();
        let Some((key, value)) = line.split_once('=') else { continue };
        if key.trim() != "distributionUrl" {
            continue;
        }
        if !summed {
            page.add(
                Id::Lock15,
                span.clone(),
                "nothing checks the build tool that is downloaded",
                "add `distributionSha256Sum=` and the hash that the distribution publishes",
            );
        }
        if value.trim().replace('\\', "").starts_with("http://") {
            page.add(Id::Lock09, span, "over plain http", "use https");
        }
    }
}
