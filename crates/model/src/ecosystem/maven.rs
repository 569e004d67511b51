//! Maven and Gradle: repositories in the Maven 2 layout (<https://maven.apache.org/repository/layout.html>).

use super::Preset;

pub(super) const HOST: &str = "maven.registry.internal";

/// The registry is asked first; what it does not have, the project's other repositories are asked for at their own
/// addresses. The same names both for what Maven has by itself.
const SETTINGS: &str = "\
<settings>
  <interactiveMode>false</interactiveMode>
  <mirrors>
    <mirror>
      <id>selfsame</id>
      <mirrorOf>central</mirrorOf>
      <url>http://maven.registry.internal/</url>
    </mirror>
  </mirrors>
  <profiles>
    <profile>
      <id>selfsame</id>
      <repositories>
        <repository>
          <id>central</id>
          <url>http://maven.registry.internal/</url>
          <snapshots><enabled>false</enabled></snapshots>
        </repository>
      </repositories>
      <pluginRepositories>
        <pluginRepository>
          <id>central</id>
          <url>http://maven.registry.internal/</url>
          <snapshots><enabled>false</enabled></snapshots>
        </pluginRepository>
      </pluginRepositories>
    </profile>
  </profiles>
  <activeProfiles>
    <activeProfile>selfsame</activeProfile>
  </activeProfiles>
</settings>
";

/// The same for every Gradle from 4 on: the registry comes before the first repository of each list, and takes the place
/// of what Gradle calls Maven Central, and of JCenter, which is no more.
const GRADLE: &str = "\
def inside = { repository ->
    repository.url = 'http://maven.registry.internal/'
    if (repository.hasProperty('allowInsecureProtocol')) {
        repository.allowInsecureProtocol = true
    }
}
def first = { handler ->
    def repository = handler.maven(inside)
    handler.remove(repository)
    handler.addFirst(repository)
}
def registry = { handler ->
    def done = false
    handler.all { repository ->
        if (!(repository instanceof MavenArtifactRepository) || !(repository.url?.scheme in ['http', 'https'])) {
            return
        }
        if (repository.name.startsWith('MavenRepo') || repository.name.startsWith('BintrayJCenter')) {
            inside(repository)
        }
        if (!done) {
            done = true
            first(handler)
        }
    }
}
def plugins = { settings ->
    def own = settings.pluginManagement.repositories
    def none = own.isEmpty()
    registry(own)
    if (none) {
        own.gradlePluginPortal()
    }
}
def version = org.gradle.util.GradleVersion.current()
if (version >= org.gradle.util.GradleVersion.version('6.8')) {
    beforeSettings { settings ->
        plugins(settings)
        registry(settings.dependencyResolutionManagement.repositories)
    }
} else {
    settingsEvaluated(plugins)
}
allprojects {
    registry(buildscript.repositories)
    registry(repositories)
}
";

pub(super) const PRESET: Preset = Preset {
    env: &[
        ("GRADLE_OPTS", "-Dorg.gradle.daemon=false -Djavax.net.ssl.trustStore=/run/selfsame/authority.jks"),
        ("MAVEN_OPTS", "-Djavax.net.ssl.trustStore=/run/selfsame/authority.jks"),
    ],
    files: &[(".m2/settings.xml", SETTINGS), (".gradle/init.d/selfsame.gradle", GRADLE)],
    // Its goals know what they need only when they run.
    prefetch: "",
};
