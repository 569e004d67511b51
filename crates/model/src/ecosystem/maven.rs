//! Maven and Gradle: repositories in the Maven 2 layout (<https://maven.apache.org/repository/layout.html>).

use super::Preset;

pub(super) const HOST: &str = "maven.registry.internal";

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
        (
            ".gradle/init.d/selfsame.gradle",
            "def registry = { handler ->\n    handler.all { repository ->\n        if (repository instanceof MavenArtifactRepository \
             && repository.url.scheme in ['http', 'https']) {\n            repository.url = 'http://maven.registry.internal/'\n            \
             repository.allowInsecureProtocol = true\n        }\n    }\n}\n\
             beforeSettings { settings ->\n    settings.pluginManagement.repositories.gradlePluginPortal()\n    \
             registry(settings.pluginManagement.repositories)\n    \
             registry(settings.dependencyResolutionManagement.repositories)\n}\n\
             allprojects {\n    registry(buildscript.repositories)\n    registry(repositories)\n}\n",
        ),
    ],
    // Its goals know what they need only when they run.
    prefetch: "",
};
