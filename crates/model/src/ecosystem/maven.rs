//! Maven and Gradle: repositories in the Maven 2 layout (<https://maven.apache.org/repository/layout.html>).

use super::Preset;

pub(super) const HOST: &str = "maven.registry.internal";

/// For every Gradle from 4 on. What Gradle names Maven Central (or JCenter, which is no more) is the registry; the portal
/// of plugins, which has what Central has, comes behind it. Any other repository is asked at its own address.
const GRADLE: &str = "\
def inside = { repository ->
    repository.url = 'http://maven.registry.internal/'
    if (repository.hasProperty('allowInsecureProtocol')) {
        repository.allowInsecureProtocol = true
    }
}
def registry = { handler ->
    handler.all { repository ->
        if (repository.name.startsWith('MavenRepo') || repository.name.startsWith('BintrayJCenter')) {
            inside(repository)
        }
    }
}
def plugins = { settings ->
    def own = settings.pluginManagement.repositories
    registry(own)
    def first = own.maven(inside)
    own.remove(first)
    own.addFirst(first)
    if (own.size() == 1) {
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
    files: &[
        (
            ".m2/settings.xml",
            "<settings>\n  <interactiveMode>false</interactiveMode>\n  <mirrors>\n    <mirror>\n      <id>selfsame</id>\n      \
             <mirrorOf>*</mirrorOf>\n      <url>http://maven.registry.internal/</url>\n    </mirror>\n  </mirrors>\n\
             </settings>\n",
        ),
        (".gradle/init.d/selfsame.gradle", GRADLE),
    ],
    // Its goals know what they need only when they run.
    prefetch: "",
};
