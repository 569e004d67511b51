//! Java: the jars and wars of Maven or Gradle.

use super::{Step, shell};
use crate::ecosystem::{Files, Found, Product};

/// Plugins look for the JDK's own tools there.
const JAVA_HOME: &str =
    "export JAVA_HOME=$(java -XshowSettings:properties -version 2>&1 | sed -n 's/.*java.home = //p')";

pub(super) fn maven(files: &Files<'_>, found: &Found) -> Step {
    let mut step = Step::new(found, "build");
    step.need(&["default-jdk-headless", "maven"]);
    step.enter();
    step.comments
        .push("Maven has no lockfile: what it fetches, plugins included, is pinned as recorded.".to_owned());
    step.run.push(JAVA_HOME.to_owned());
    step.comments.push(
        "Checks that every file has a licence in its head are left out: the recipe itself has none."
            .to_owned(),
    );
    step.run.push(
        "mvn -B -ntp package -DskipTests -Drat.skip=true -Dlicense.skip=true \
         -Dproject.build.outputTimestamp=\"$(date -u -d @$SOURCE_DATE_EPOCH +%Y-%m-%dT%H:%M:%SZ)\""
            .to_owned(),
    );
    if let Some(plugin) = crate::ecosystem::maven::stamps(files, found) {
        step.conditions = vec![
            (
                "level = \"pinned\"",
                format!(
                    "The clock stands still: the {plugin} that is used here may be one that writes the time into what it packs."
                ),
            ),
            (
                "cpus = 1",
                "And one that packs with several threads, in the order in which they get ready.".to_owned(),
            ),
        ];
    }
    step.run.push("mkdir -p out".to_owned());
    let ends: &[&str] =
        if found.makes.iter().any(|m| matches!(m, Product::War(_))) { &["jar", "war"] } else { &["jar"] };
    let names: Vec<String> = ends.iter().map(|e| format!("-name '*.{e}'")).collect();
    let names = if names.len() > 1 { format!("\\( {} \\)", names.join(" -o ")) } else { names.concat() };
    // What lies directly in a `target`, of whichever module.
    step.run.push(format!(
        "find . -path '*/target/*' ! -path '*/target/*/*' {names} ! -name 'original-*' -exec cp {{}} out/ \\;"
    ));
    step.pack("out", "jars", "dir");
    step
}

pub(super) fn gradle(files: &Files<'_>, found: &Found) -> Step {
    let mut step = Step::new(found, "build");
    step.need(&["default-jdk-headless"]);
    step.enter();
    step.run.push(JAVA_HOME.to_owned());
    // `configureEach` is there from Gradle 4.9 on, and leaves alone what is not made.
    let init = "allprojects { def archives = tasks.withType(AbstractArchiveTask); \
                def plain = { preserveFileTimestamps = false; reproducibleFileOrder = true }; \
                archives.respondsTo('configureEach') ? archives.configureEach(plain) : archives.all(plain) }";
    step.comments.push(
        "Archives get no times and a sorted order; Gradle does so by itself from version 9 on.".to_owned(),
    );
    step.run.push(format!("printf '%s\\n' {} > /tmp/archives.gradle", shell(init)));
    let gradle = if wrapper(files, found) {
        // The wrapper fetches Gradle itself.
        step.uses.insert("web");
        let script = files.at(&found.dir, "gradlew").map(|path| files.glance(&path)).unwrap_or_default();
        let shell = if script.lines().next().is_some_and(|l| l.contains("bash")) { "bash" } else { "sh" };
        if shell == "bash" {
            step.need(&["bash"]);
        }
        format!("{shell} ./gradlew")
    } else {
        step.need(&["gradle"]);
        step.comments.push(
            "There is no wrapper that could fetch the Gradle that is meant: Debian's own is taken, which is 4.4."
                .to_owned(),
        );
        "gradle".to_owned()
    };
    step.run.push(format!(
        "{gradle} --no-daemon --no-build-cache --console=plain -I /tmp/archives.gradle assemble"
    ));
    step.run.push("mkdir -p out".to_owned());
    step.run.push("find . -path '*/build/libs/*.jar' -exec cp {} out/ \\;".to_owned());
    step.pack("out", "jars", "dir");
    step
}

/// Whether the wrapper is there as a whole: source releases often leave its jar out.
fn wrapper(files: &Files<'_>, found: &Found) -> bool {
    let has = |name: &str| files.at(&found.dir, name).is_some();
    has("gradlew") && has("gradle/wrapper/gradle-wrapper.jar")
}
