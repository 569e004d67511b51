use super::*;
use crate::ecosystem::files::tests::files;

const ROOT: &str = r#"<?xml version="1.0"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <groupId>org.example</groupId><artifactId>root</artifactId><version>2.0</version>
  <packaging>pom</packaging>
  <licenses><license><name>Apache-2.0</name></license></licenses>
  <modules><module>lib</module></modules>
  <properties><gson.version>2.10.1</gson.version><maven.compiler.release>17</maven.compiler.release></properties>
  <dependencyManagement><dependencies>
    <dependency><groupId>org.junit</groupId><artifactId>junit</artifactId><version>5.0</version></dependency>
    <dependency><groupId>b</groupId><artifactId>bom</artifactId><version>1</version><type>pom</type><scope>import</scope></dependency>
  </dependencies></dependencyManagement>
  <build><plugins><plugin><artifactId>maven-jar-plugin</artifactId><version>3.3.0</version></plugin></plugins></build>
</project>"#;

const LIB: &str = r#"<project>
  <parent><groupId>org.example</groupId><artifactId>root</artifactId><version>2.0</version></parent>
  <artifactId>lib</artifactId>
  <dependencies>
    <dependency><groupId>com.google</groupId><artifactId>gson</artifactId><version>${gson.version}</version></dependency>
    <dependency><groupId>org.junit</groupId><artifactId>junit</artifactId><scope>test</scope></dependency>
    <dependency><groupId>b</groupId><artifactId>unknown</artifactId></dependency>
    <dependency><groupId>${project.groupId}</groupId><artifactId>root</artifactId><version>${project.version}</version></dependency>
  </dependencies>
</project>"#;

#[test]
fn versions_are_followed_inside_the_repository() {
    let files = files(&[("pom.xml", ROOT), ("lib/pom.xml", LIB)]);
    let found = detect(&files);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].makes, [Product::Jar("lib".into())]);
    assert_eq!((found[0].wants[0].tool, found[0].wants[0].at_least.as_str()), ("java", "17"));
    let list = components(&files, &found[0]).unwrap();
    let told: Vec<_> = list.iter().map(|c| (c.title(), c.scope)).collect();
    assert_eq!(
        told,
        [
            ("org.apache.maven.plugins:maven-jar-plugin@3.3.0".into(), Scope::Build),
            ("com.google:gson@2.10.1".into(), Scope::Runtime),
            ("org.junit:junit@5.0".into(), Scope::Dev),
            ("b:unknown".into(), Scope::Runtime),
            ("org.example:root@2.0".into(), Scope::Runtime),
        ]
    );
    assert!(matches!(list[4].origin, Origin::Path(_)));
    assert_eq!((list[3].purl.as_ref(), list[1].line), (None, 5));
}

#[test]
fn versions_that_move_and_hostile_texts() {
    let moving = LIB.replace("${gson.version}", "[1,2)");
    let list = files(&[("pom.xml", ROOT), ("lib/pom.xml", &moving)]);
    let error = components(&list, &detect(&list)[0]).unwrap_err().to_string();
    assert!(error.starts_with("lib/pom.xml:5: `com.google:gson` has a version that moves"), "{error}");
    let own_parent = "<project><parent><artifactId>a</artifactId><relativePath>pom.xml</relativePath></parent><artifactId>a</artifactId><properties><x>${x}${x}</x></properties><version>${x}</version></project>";
    let list = files(&[("pom.xml", own_parent)]);
    assert_eq!(detect(&list)[0].version, None);
    let list = files(&[("pom.xml", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>")]);
    assert!(components(&list, &detect(&list)[0]).is_err());
}
