//! Packages of the operating system.

use super::{Place, Scene, has, operands};
use crate::audit::finding::Page;
use crate::audit::read::shell::{Command, Word};
use crate::audit::rule::{Id, Severity};

/// A package manager.
struct Manager {
    names: &'static [&'static str],
    install: &'static [&'static str],
    upgrade: &'static [&'static str],
    /// What parts a name from a version.
    pin: &'static [&'static str],
    valued: &'static [&'static str],
}

const MANAGERS: &[Manager] = &[
    Manager {
        names: &["apt-get", "apt", "aptitude", "apt-fast", "install_packages"],
        install: &["install", "build-dep"],
        upgrade: &["upgrade", "dist-upgrade", "full-upgrade"],
        pin: &["="],
        valued: &["-o", "-t", "--target-release", "-c", "--option"],
    },
    Manager {
        names: &["apk"],
        install: &["add"],
        upgrade: &["upgrade"],
        pin: &["=", "~"],
        valued: &[
            "-t",
            "--virtual",
            "-X",
            "--repository",
            "--repositories-file",
            "--root",
            "-p",
            "--arch",
            "--keys-dir",
        ],
    },
    Manager {
        names: &["dnf", "dnf5", "yum", "microdnf", "tdnf"],
        install: &["install", "localinstall", "groupinstall", "builddep"],
        upgrade: &["upgrade", "update", "distro-sync"],
        pin: &["-"],
        valued: &[
            "-c",
            "--config",
            "--enablerepo",
            "--disablerepo",
            "--installroot",
            "--releasever",
            "--setopt",
        ],
    },
    Manager {
        names: &["zypper"],
        install: &["install", "in"],
        upgrade: &["update", "up", "dup", "dist-upgrade", "patch"],
        pin: &["="],
        valued: &["-p", "--plus-repo", "-r", "--repo"],
    },
    Manager { names: &["brew"], install: &["install"], upgrade: &["upgrade"], pin: &[], valued: &[] },
    Manager {
        names: &["choco", "winget", "scoop"],
        install: &["install"],
        upgrade: &["upgrade"],
        pin: &[],
        valued: &["--version", "-s", "--source"],
    },
];

pub(super) fn look(page: &mut Page<'_>, scene: &Scene<'_>) {
    for command in &scene.script.commands {
        let Some((program, arguments)) = command.program() else { continue };
        if program == "pacman" {
            pacman(page, scene, command, arguments);
        } else if matches!(program, "add-apt-repository" | "apt-add-repository")
            || (matches!(program, "dnf" | "yum" | "yum-config-manager" | "zypper")
                && adds_repository(arguments))
        {
            let message = "packages from somebody else's archive, whatever it holds that day";
            said(page, scene, command, message);
        } else if let Some(manager) = MANAGERS.iter().find(|m| m.names.contains(&program)) {
            managed(page, scene, command, manager, program, arguments);
        }
    }
}

fn adds_repository(arguments: &[Word]) -> bool {
    has(arguments, &["--add-repo"])
        || arguments.iter().any(|w| matches!(w.text.as_str(), "config-manager" | "addrepo" | "ar"))
}

fn managed(
    page: &mut Page<'_>,
    scene: &Scene<'_>,
    command: &Command,
    manager: &Manager,
    program: &str,
    arguments: &[Word],
) {
    if scene.snapshot
        || has(arguments, &["--snapshot", "-S", "--help", "--download-only", "--dry-run", "-s"])
            && program.starts_with("apt")
    {
        return;
    }
    let words = operands(arguments, manager.valued);
    let (verb, packages) = if program == "install_packages" {
        ("install", &words[..])
    } else {
        let Some((verb, packages)) = words.split_first() else { return };
        (verb.text.as_str(), packages)
    };
    let bare_update = matches!(program, "dnf" | "yum" | "microdnf" | "tdnf" | "dnf5") && verb == "update";
    if manager.upgrade.contains(&verb) && (bare_update || verb != "update" || program == "zypper") {
        let message = "everything installed becomes whatever the archive holds that day";
        let fix = "leave it away, and take a newer base image by its digest";
        page.add(Id::Img06, scene.span(command), message, fix);
        return;
    }
    if !manager.install.contains(&verb) || packages.is_empty() {
        return;
    }
    let floating: Vec<&str> = packages
        .iter()
        .map(|word| word.text.as_str())
        .filter(|name| !is_pinned(scene, manager, name))
        .filter(|name| !name.starts_with(['.', '/']) && !name.contains("://") && !ends_as_file(name))
        .collect();
    let remote = packages.iter().find(|word| word.text.contains("://"));
    if let (Some(remote), true) = (remote, floating.is_empty()) {
        let message = format!("`{}` comes by address, and nothing says which bytes", remote.text);
        said(page, scene, command, &message);
        return;
    }
    if floating.is_empty()
        || (!manager.names.contains(&"choco") || has(arguments, &["--version"])) && program == "choco"
    {
        return;
    }
    let shown: Vec<&str> = floating.iter().take(4).copied().collect();
    let more = if floating.len() > 4 { format!(" and {} more", floating.len() - 4) } else { String::new() };
    said(
        page,
        scene,
        command,
        &format!("{}{more}: whichever version the archive holds that day", shown.join(", ")),
    );
}

fn ends_as_file(name: &str) -> bool {
    [".deb", ".rpm", ".apk"].iter().any(|end| name.ends_with(end))
}

fn is_pinned(scene: &Scene<'_>, manager: &Manager, name: &str) -> bool {
    let name = scene.script.expand(name);
    if manager.pin == ["-"] {
        // `name-1.2-3.el9`: a part that begins with a digit, and one dot at least.
        return name
            .split('-')
            .skip(1)
            .any(|part| part.starts_with(|c: char| c.is_ascii_digit()) && part.contains('.'));
    }
    // `>=` and `~` leave room; so does a star.
    manager.pin.iter().any(|pin| name.contains(pin)) && !name.contains(['*', '>', '<'])
}

fn pacman(page: &mut Page<'_>, scene: &Scene<'_>, command: &Command, arguments: &[Word]) {
    let Some(verb) = arguments.iter().find(|w| w.text.starts_with("-S") || w.text == "--sync") else {
        return;
    };
    if verb.text.contains('s') && !verb.text.contains('y') {
        return;
    }
    let upgrade = verb.text.contains('u');
    if upgrade {
        let message = "everything installed becomes whatever the archive holds that day";
        page.add(Id::Img06, scene.span(command), message, "take a dated base image by its digest");
    }
    if operands(arguments, &[]).iter().any(|w| !w.text.starts_with(['/', '.'])) {
        said(page, scene, command, "whichever versions the archive holds that day");
    }
}

/// The rule and the fix depend on where the command stands.
fn said(page: &mut Page<'_>, scene: &Scene<'_>, command: &Command, message: &str) {
    let span = scene.span(command);
    match scene.place {
        Place::Image => {
            let fix = "take packages from a dated snapshot, or build the image's tree with a locked `debian` toolchain";
            page.add(Id::Img04, span, message, fix);
        }
        Place::Job => {
            let fix = "build in a recipe's toolchain, which `selfsame lock` pins by hash";
            page.add(Id::Ci05, span, message, fix).at(Severity::Warn);
        }
        Place::Script | Place::Package | Place::Recipe => {
            let fix = "name the packages in the recipe's [toolchain], which `selfsame lock` pins by hash";
            page.add(Id::Tool02, span, message, fix);
        }
    }
}
