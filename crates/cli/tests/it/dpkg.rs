//! Debian's own tools in a step: dpkg's database, and a package built from its source package.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::home::{Home, bare, need, ran};
use crate::project::{Project, git, one_step};
use crate::seed;

/// dpkg finds a system in order, and writes nothing of it otherwise than it stands.
#[test]
fn dpkg_knows_what_the_toolchain_is_made_of() {
    let control =
        "Package: x\\nVersion: 1\\nArchitecture: all\\nMaintainer: A <a@example.org>\\nDescription: x\\n";
    let build = format!("mkdir -p p/DEBIAN out && printf '{control}' > p/DEBIAN/control");
    let run = [
        "test -z \"$(dpkg --audit)\"",
        "test \"$(dpkg-query -W -f '${db:Status-Abbrev}\\n' | sort -u)\" = 'ii '",
        "dpkg -S /usr/bin/env | grep -x 'coreutils: /usr/bin/env'",
        "dpkg -L libc6 | grep -x /usr/share/doc/libc6/copyright",
        // Documentation is not there, and nothing else is missing or changed.
        "dpkg --verify > verified || true",
        "test -s verified && ! grep -v '^missing.* /usr/share/' verified",
        "cp -r /var/lib/dpkg /tmp/dpkg && chmod -R u+w /tmp/dpkg",
        "echo dash install | dpkg --force-not-root --admindir=/tmp/dpkg --set-selections",
        "cmp /tmp/dpkg/status /var/lib/dpkg/status",
        &build,
        "dpkg-deb --root-owner-group --build p out/x.deb",
    ];
    let project = Project::new(&one_step(&run), &[]);
    Home::shared().ok(project.path(), &["build"]);
}

const SOURCE: &[(&str, &str)] = &[
    (
        "debian/control",
        "Source: greet\nSection: misc\nPriority: optional\nMaintainer: A <a@example.org>\nStandards-Version: 4.6.2\n\
         Build-Depends: debhelper-compat (= 13), nothing-such (>= 3) | libc6-dev,\n# a comment\n only-for-tests <!nocheck>, \
         other-machine [arm64]\n\nPackage: greet\nArchitecture: any\nDepends: ${shlibs:Depends}, ${misc:Depends}\n\
         Description: greets\n",
    ),
    (
        "debian/changelog",
        "greet (1:0.5-1) unstable; urgency=medium\n\n  * A state.\n\n -- A <a@example.org>  Sat, 12 Sep 2020 12:26:40 +0000\n",
    ),
    ("debian/rules", "#!/usr/bin/make -f\n%:\n\tdh $@\n"),
    ("debian/source/format", "3.0 (quilt)\n"),
    ("debian/patches/series", "greeting\n"),
    (
        "debian/patches/greeting",
        "--- a/greet.c\n+++ b/greet.c\n@@ -1,2 +1,2 @@\n #include <stdio.h>\n-int main(void) { return puts(\"upstream\") < 0; }\n+int main(void) { return puts(\"patched\") < 0; }\n",
    ),
    ("greet.c", "#include <stdio.h>\nint main(void) { return puts(\"upstream\") < 0; }\n"),
    (
        "Makefile",
        "greet: greet.c\ninstall: greet\n\tinstall -D greet $(DESTDIR)/usr/bin/greet\nclean:\n\trm -f greet\n",
    ),
];

/// From the recipe that `init` writes: patches, shared libraries' packages, fakeroot, `.buildinfo` and `.changes`.
#[test]
fn a_package_of_a_compiled_program_is_built_and_reproduced() {
    need(&["dpkg-deb"]);
    let home = seed::locked("packages", |home, dir| {
        git(dir, &["init", "-q", "-b", "main"]);
        for (path, text) in SOURCE {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        }
        let rules = dir.join("debian/rules");
        fs::set_permissions(&rules, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let _ = fs::remove_file(dir.join("selfsame.toml"));
        seed::done(seed::selfsame(home, dir, &["init"]));
        git(dir, &["add", "-A", ":!selfsame.lock"]);
        git(dir, &["commit", "-q", "--allow-empty", "-m", "a state"]);
        if seed::selfsame(home, dir, &["fetch"]).is_err() {
            let _ = fs::remove_file(dir.join("selfsame.lock"));
            seed::done(seed::selfsame(home, dir, &["lock"]));
        }
    });
    let dir = home.parent().unwrap().join("dir");
    let recipe = fs::read_to_string(dir.join("selfsame.toml")).unwrap();
    assert!(
        recipe.contains("\"nothing-such (>= 3) | libc6-dev\"") && recipe.contains("\"fakeroot\""),
        "{recipe}"
    );
    let out = tempfile::tempdir().unwrap();
    let mut command = bare(Path::new(env!("CARGO_BIN_EXE_selfsame")), &home, &dir);
    command.args(["reproduce", "--json", "--out"]).arg(out.path());
    let (code, made) = ran(&mut command).envelope("reproduce");
    assert_eq!((code, &made["rebuild"]["verdict"]), (0, &json!("reproduced")), "{made:#}");
    let names: Vec<_> =
        made["build"]["artifacts"].as_array().unwrap().iter().map(|a| a["name"].clone()).collect();
    assert_eq!(names, ["greet_0.5-1_amd64.deb", "greet_0.5-1_amd64.buildinfo", "greet_0.5-1_amd64.changes"]);

    let deb = out.path().join("greet_0.5-1_amd64.deb");
    let about = |args: &[&str]| ran(Command::new("dpkg-deb").args(args).arg(&deb)).out;
    let fields = about(&["--field"]);
    assert!(fields.contains("Version: 1:0.5-1\n") && fields.contains("Depends: libc6 (>= 2."), "{fields}");
    let contents = about(&["--contents"]);
    assert!(!contents.is_empty() && contents.lines().all(|l| l.contains(" root/root ")), "{contents}");
    // Nothing is younger than the last entry of the changelog.
    assert!(contents.lines().all(|l| l.contains(" 2020-09-12 12:26 ")), "{contents}");
    let unpacked = out.path().join("unpacked");
    assert!(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&unpacked).status().unwrap().success());
    let program = fs::read(unpacked.join("usr/bin/greet")).unwrap();
    assert!(program.windows(7).any(|w| w == b"patched"), "debian/patches were applied");

    let info = fs::read_to_string(out.path().join("greet_0.5-1_amd64.buildinfo")).unwrap();
    for line in ["Build-Origin: Debian", "Build-Path: /build/src/package", " gcc-12 (= ", " libc6-dev (= "] {
        assert!(info.contains(line), "{line}: {info}");
    }
    assert!(!info.contains("Build-Date"), "{info}");
    let sum = model::Digest::of(info.as_bytes()).hex();
    let changes = fs::read_to_string(out.path().join("greet_0.5-1_amd64.changes")).unwrap();
    assert!(changes.contains(&sum), "{changes}");
}
