//! A jar: its pom among the answers, and the poms above it (<https://maven.apache.org/pom.html>).

use std::collections::BTreeSet;

use model::ecosystem::Ecosystem;
use model::transcript::{Asked, Place, Transcript};
use roxmltree::{Document, Node};
use store::Store;

use super::{Package, Word, member};

/// How many poms above one are read.
const ABOVE: usize = 16;

/// Names that many poms have for one licence; others are given as they are.
const NAMES: &[(&str, &str)] = &[
    ("apache 2.0", "Apache-2.0"),
    ("apache license 2.0", "Apache-2.0"),
    ("apache license, version 2.0", "Apache-2.0"),
    ("apache software license - version 2.0", "Apache-2.0"),
    ("bsd 3-clause license", "BSD-3-Clause"),
    ("bsd-2-clause license", "BSD-2-Clause"),
    ("bsd-3-clause license", "BSD-3-Clause"),
    ("eclipse distribution license - v 1.0", "BSD-3-Clause"),
    ("eclipse public license - v 1.0", "EPL-1.0"),
    ("eclipse public license - v 2.0", "EPL-2.0"),
    ("eclipse public license 1.0", "EPL-1.0"),
    ("eclipse public license v2.0", "EPL-2.0"),
    ("mit license", "MIT"),
    ("mozilla public license, version 2.0", "MPL-2.0"),
    ("the apache license, version 2.0", "Apache-2.0"),
    ("the apache software license, version 2.0", "Apache-2.0"),
    ("the mit license", "MIT"),
];

pub(super) fn word(store: &Store, package: &Package<'_>, transcript: &Transcript) -> Word {
    let (Some(group), artifact, version) =
        (package.purl.namespace(), package.purl.name(), package.purl.version())
    else {
        return Word::default();
    };
    let mut word = Word::default();
    let mut at = Some((group.to_owned(), artifact.to_owned(), version.to_owned()));
    for _ in 0..ABOVE {
        let Some((group, artifact, version)) = at.take() else { break };
        let path = format!("/{}/{artifact}/{version}/{artifact}-{version}.pom", group.replace('.', "/"));
        let asked = Asked::get(Place::Registry(Ecosystem::Maven, path));
        let Some(answered) = transcript.0.get(&asked).filter(|a| a.status == 200) else { break };
        let Some(text) = member::whole(store, &answered.body) else { break };
        let Some(pom) = read(&text, &group) else { break };
        word.licence = word.licence.or(pom.licence);
        word.needs.get_or_insert_default().extend(pom.needs);
        at = pom.parent;
    }
    word
}

struct Pom {
    parent: Option<(String, String, String)>,
    licence: Option<String>,
    /// `group:artifact`.
    needs: BTreeSet<String>,
}

fn read(text: &str, group: &str) -> Option<Pom> {
    let document = Document::parse(text.trim_start_matches('\u{feff}')).ok()?;
    let root = document.root_element();
    let parent = child(root, "parent")
        .and_then(|p| Some((value(p, "groupId")?, value(p, "artifactId")?, value(p, "version")?)));
    let names = children(root, "licenses", "license").filter_map(|l| value(l, "name"));
    let names: Vec<String> = names.map(|n| n.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let known = |name: &String| {
        let small = name.to_lowercase();
        NAMES.iter().find(|(other, _)| *other == small).map_or(name.clone(), |(_, id)| (*id).to_owned())
    };
    // Which of several may be chosen, and which all hold, no pom says.
    let licence = match names.as_slice() {
        [] => None,
        [one] => Some(known(one)),
        several => Some(several.join("; ")),
    };
    let mut needs = BTreeSet::new();
    for node in children(root, "dependencies", "dependency") {
        let scope = value(node, "scope").unwrap_or_else(|| "compile".into());
        if !matches!(scope.as_str(), "compile" | "runtime")
            || value(node, "optional").as_deref() == Some("true")
        {
            continue;
        }
        let (Some(of), Some(artifact)) = (value(node, "groupId"), value(node, "artifactId")) else {
            continue;
        };
        let own = matches!(of.as_str(), "${project.groupId}" | "${pom.groupId}" | "${groupId}");
        needs.insert(format!("{}:{artifact}", if own { group } else { &of }));
    }
    Some(Pom { parent, licence, needs })
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|c| c.is_element() && c.tag_name().name() == name)
}

fn children<'a, 'i>(node: Node<'a, 'i>, list: &str, each: &str) -> impl Iterator<Item = Node<'a, 'i>> {
    let all = child(node, list).into_iter().flat_map(|list| list.children());
    all.filter(move |c| c.is_element() && c.tag_name().name() == each)
}

fn value(node: Node<'_, '_>, name: &str) -> Option<String> {
    child(node, name)?.text().map(|t| t.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pom_says_licence_parent_and_needs() {
        let pom = read(
            "<project xmlns='x'><parent><groupId>g</groupId><artifactId>p</artifactId><version>1</version></parent>
             <licenses><license><name>The Apache Software
                License, Version 2.0</name></license></licenses>
             <dependencies>
               <dependency><groupId>${project.groupId}</groupId><artifactId>a</artifactId></dependency>
               <dependency><groupId>h</groupId><artifactId>b</artifactId><scope>runtime</scope></dependency>
               <dependency><groupId>h</groupId><artifactId>c</artifactId><scope>test</scope></dependency>
               <dependency><groupId>h</groupId><artifactId>d</artifactId><optional>true</optional></dependency>
               <dependency><groupId>h</groupId></dependency>
             </dependencies></project>",
            "own",
        )
        .unwrap();
        assert_eq!(pom.parent, Some(("g".into(), "p".into(), "1".into())));
        assert_eq!(pom.licence.as_deref(), Some("Apache-2.0"));
        assert_eq!(pom.needs.into_iter().collect::<Vec<_>>(), ["h:b", "own:a"]);
        let two =
            "<p><licenses><license><name>A</name></license><license><name>B</name></license></licenses></p>";
        assert_eq!(read(two, "g").unwrap().licence.as_deref(), Some("A; B"));
        assert!(read("<p", "g").is_none());
        assert!(read("<!DOCTYPE p [<!ENTITY a 'x'>]><p>&a;</p>", "g").is_none());
    }
}
