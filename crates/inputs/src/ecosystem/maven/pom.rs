//! One `pom.xml`, with the parents that lie in the same repository.

use std::collections::BTreeMap;

use model::RelPath;
use roxmltree::{Document, Node};

use crate::ecosystem::cargo::beside;
use crate::ecosystem::place::line_at;
use crate::ecosystem::{EcosystemError, Files, Problem};

/// How many parents are followed, and how often a property may stand for another.
const MAX_DEPTH: usize = 16;

/// What a project says, its parents' said where it says nothing.
#[derive(Debug)]
pub(super) struct Pom {
    pub(super) file: RelPath,
    group: Option<String>,
    pub(super) artifact: Option<String>,
    version: Option<String>,
    pub(super) packaging: String,
    pub(super) licence: Option<String>,
    pub(super) modules: Vec<String>,
    properties: BTreeMap<String, String>,
    /// By `group:artifact`.
    managed: BTreeMap<String, String>,
    pub(super) dependencies: Vec<Dependency>,
    release: Option<String>,
}

/// A dependency or plugin as it stands.
#[derive(Debug)]
pub(super) struct Dependency {
    pub(super) id: String,
    pub(super) version: Option<String>,
    /// `plugin` for a plugin.
    pub(super) scope: String,
    pub(super) optional: bool,
    pub(super) line: usize,
}

impl Pom {
    pub(super) fn read(files: &Files<'_>, file: &RelPath) -> Result<Self, EcosystemError> {
        Self::read_at(files, file, 0)
    }

    fn read_at(files: &Files<'_>, file: &RelPath, depth: usize) -> Result<Self, EcosystemError> {
        let text = files.text(file)?;
        let wrong = |e: roxmltree::Error| {
            let line = usize::try_from(e.pos().row).unwrap_or(0);
            Problem::form(file, line, "XML of a Maven project", e.to_string(), "correct the file")
        };
        let document = Document::parse(&text).map_err(wrong)?;
        let root = document.root_element();
        let parent = child(root, "parent");
        let parent_text = |name: &str| parent.and_then(|p| value(p, name));
        // A file can name itself as its parent.
        let above = parent.filter(|_| depth < MAX_DEPTH).and_then(|p| {
            let path = value(p, "relativePath");
            let path = path.as_deref().unwrap_or("../pom.xml");
            let place = beside(&file.parent()?, path)?;
            let place = if files.has(&place) { place } else { files.at(&place, "pom.xml")? };
            let pom = Self::read_at(files, &place, depth + 1).ok()?;
            (pom.artifact == value(p, "artifactId")).then_some(pom)
        });
        let mut pom = Self {
            file: file.clone(),
            group: value(root, "groupId").or_else(|| parent_text("groupId")),
            artifact: value(root, "artifactId"),
            version: value(root, "version").or_else(|| parent_text("version")),
            packaging: value(root, "packaging").unwrap_or_else(|| "jar".to_owned()),
            licence: child(root, "licenses").and_then(|l| child(l, "license")).and_then(|l| value(l, "name")),
            modules: Vec::new(),
            properties: above.as_ref().map(|a| a.properties.clone()).unwrap_or_default(),
            managed: above.as_ref().map(|a| a.managed.clone()).unwrap_or_default(),
            dependencies: Vec::new(),
            release: above.as_ref().and_then(|a| a.release.clone()),
        };
        if let Some(above) = &above {
            pom.group = pom.group.take().or_else(|| above.group.clone());
            pom.licence = pom.licence.take().or_else(|| above.licence.clone());
        }
        for module in child(root, "modules").into_iter().flat_map(|m| m.children()) {
            pom.modules.extend(module.text().filter(|_| module.is_element()).map(|t| t.trim().to_owned()));
        }
        for property in child(root, "properties").into_iter().flat_map(|p| p.children()) {
            if property.is_element() {
                let value = property.text().unwrap_or_default().trim().to_owned();
                pom.properties.insert(property.tag_name().name().to_owned(), value);
            }
        }
        let management = child(root, "dependencyManagement").and_then(|m| child(m, "dependencies"));
        for node in management.into_iter().flat_map(|m| m.children()).filter(Node::is_element) {
            let dependency = dependency(&text, node, "");
            if let (Some(version), false) = (&dependency.version, dependency.scope == "import") {
                pom.managed.insert(dependency.id, version.clone());
            }
        }
        let build = child(root, "build");
        let plugins = build.and_then(|b| child(b, "plugins"));
        for node in plugins.into_iter().flat_map(|p| p.children()).filter(|n| n.has_tag_name_local("plugin"))
        {
            let dependency = dependency(&text, node, "plugin");
            if dependency.id.ends_with(":maven-compiler-plugin")
                && let Some(configuration) = child(node, "configuration")
            {
                let said = ["release", "target", "source"].iter().find_map(|n| value(configuration, n));
                pom.release = said.or(pom.release.take());
            }
            pom.dependencies.push(dependency);
        }
        let listed = child(root, "dependencies");
        for node in
            listed.into_iter().flat_map(|d| d.children()).filter(|n| n.has_tag_name_local("dependency"))
        {
            pom.dependencies.push(dependency(&text, node, ""));
        }
        Ok(pom)
    }

    /// `group:artifact`.
    pub(super) fn id(&self) -> Option<String> {
        Some(format!("{}:{}", self.fill(self.group.as_deref()?), self.fill(self.artifact.as_deref()?)))
    }

    /// Its version, if it is said here.
    pub(super) fn version(&self) -> Option<String> {
        self.version.as_deref().map(|v| self.fill(v)).filter(|v| !v.contains("${"))
    }

    /// The value of a property.
    pub(super) fn property(&self, name: &str) -> Option<&str> {
        match name {
            "project.version" | "version" | "pom.version" => self.version.as_deref(),
            "project.groupId" | "groupId" => self.group.as_deref(),
            "project.artifactId" | "artifactId" => self.artifact.as_deref(),
            name => self.properties.get(name).map(String::as_str),
        }
    }

    /// A text with its properties filled in, as far as they are known.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for _ in 0..MAX_DEPTH {
            let Some(start) = text.find("${") else { break };
            let Some(end) = text[start..].find('}').map(|at| start + at) else { break };
            let Some(value) = self.property(&text[start + 2..end]).map(str::to_owned) else { break };
            if text.len() + value.len() > 10_000 {
                break;
            }
            text.replace_range(start..=end, &value);
        }
        text
    }

    /// The version of a dependency, if it is said in this repository.
    pub(super) fn version_of(&self, dependency: &Dependency) -> Option<String> {
        let managed = || {
            let id = self.fill(&dependency.id);
            let managed = self.managed.iter().find(|(key, _)| self.fill(key) == id);
            managed.map(|(_, version)| version.as_str())
        };
        let version = dependency.version.as_deref().or_else(managed)?;
        Some(self.fill(version)).filter(|v| !v.contains("${"))
    }

    /// Which Java the compiler is told to make classes for.
    pub(super) fn java_release(&self) -> Option<String> {
        let names =
            ["maven.compiler.release", "maven.compiler.target", "maven.compiler.source", "java.version"];
        let said = self.release.as_deref().or_else(|| names.iter().find_map(|n| self.property(n)))?;
        Some(self.fill(said)).filter(|v| !v.contains("${"))
    }
}

trait Local {
    fn has_tag_name_local(&self, name: &str) -> bool;
}

impl Local for Node<'_, '_> {
    /// Whatever the namespace: some projects declare none.
    fn has_tag_name_local(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|c| c.has_tag_name_local(name))
}

fn value(node: Node<'_, '_>, name: &str) -> Option<String> {
    child(node, name)?.text().map(|t| t.trim().to_owned())
}

fn dependency(text: &str, node: Node<'_, '_>, scope: &str) -> Dependency {
    let group = value(node, "groupId");
    // Maven's own plugins need not say their group.
    let group = group
        .unwrap_or_else(|| if scope == "plugin" { "org.apache.maven.plugins".into() } else { String::new() });
    let scope = if scope.is_empty() { value(node, "scope").unwrap_or_default() } else { scope.to_owned() };
    Dependency {
        id: format!("{group}:{}", value(node, "artifactId").unwrap_or_default()),
        version: value(node, "version"),
        scope,
        optional: value(node, "optional").as_deref() == Some("true"),
        line: line_at(text, node.range().start),
    }
}
