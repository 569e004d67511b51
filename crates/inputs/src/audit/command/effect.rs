//! Commands that put the day, the machine or chance into what is built.

use super::{Place, Scene, has, operands, value};
use crate::audit::finding::Page;
use crate::audit::read::shell::{Command, Within, Word};
use crate::audit::rule::{Id, Severity};

pub(super) fn look(page: &mut Page<'_>, scene: &Scene<'_>) {
    for (index, command) in scene.script.commands.iter().enumerate() {
        native(page, scene, command);
        chance(page, scene, command);
        let Some((program, arguments)) = command.program() else { continue };
        match program {
            "date" | "gdate" => date(page, scene, command, arguments),
            "uuidgen" => {
                page.add(Id::Det01, scene.span(command), "a new id at every build", RANDOM);
            }
            "openssl"
                if arguments.first().is_some_and(|w| w.text == "rand") && scene.place == Place::Image =>
            {
                page.add(Id::Det01, scene.span(command), "random bytes at every build", RANDOM);
            }
            "hostname" | "whoami" | "uname" if scene.place != Place::Recipe => {
                machine(page, scene, command, program, arguments);
            }
            "git" if scene.place != Place::Job => describe(page, scene, command, arguments),
            "tar" | "bsdtar" | "gtar" => tar(page, scene, command, arguments),
            "zip" if !has(arguments, &["-X", "--no-extra"]) && scene.place != Place::Recipe => {
                zip(page, scene, command, arguments)
            }
            "find" => find(page, scene, index, command),
            "useradd" | "adduser" if scene.place == Place::Image && program == "useradd" => {
                useradd(page, scene, command)
            }
            "docker" | "podman" | "buildah" | "nerdctl" => image(page, scene, command, arguments),
            _ => {}
        }
    }
}

const RANDOM: &str = "derive it from what is built: a hash of the inputs, or a version";

/// `-march=native` and its like, in words of any command.
fn native(page: &mut Page<'_>, scene: &Scene<'_>, command: &Command) {
    const SIGNS: &[&str] = &["-march=native", "-mtune=native", "-mcpu=native", "target-cpu=native", "-xHost"];
    for word in command.words.iter().chain(command.assigned.iter().map(|(_, word)| word)) {
        if SIGNS.iter().any(|sign| word.text.contains(sign)) {
            let message = "code is made for the processor of whoever builds";
            page.add(Id::Tool05, scene.word(word), message, "name a processor: -march=x86-64-v2");
        }
    }
}

fn chance(page: &mut Page<'_>, scene: &Scene<'_>, command: &Command) {
    for word in command.words.iter().chain(command.assigned.iter().map(|(_, word)| word)) {
        if scene.place != Place::Job && (word.text.contains("$RANDOM") || word.text.contains("${RANDOM}")) {
            page.add(Id::Det01, scene.word(word), "a random number in the build", RANDOM);
        }
    }
    let urandom =
        command.redirected.iter().map(|(_, w)| w).chain(&command.words).find(|w| w.text == "/dev/urandom");
    if let (Some(word), Place::Image | Place::Recipe) = (urandom, scene.place) {
        page.add(Id::Det01, scene.word(word), "random bytes in the build", RANDOM);
    }
}

fn date(page: &mut Page<'_>, scene: &Scene<'_>, command: &Command, arguments: &[Word]) {
    let set = has(arguments, &["-d", "--date", "-r", "--reference", "-s", "--set", "-f"])
        || arguments.iter().any(|w| w.text.contains("SOURCE_DATE_EPOCH") || w.text.starts_with("-d"));
    if set {
        return;
    }
    let Within::Substitution(outer) = command.within else {
        // What is only printed is a log; what goes into a file is not.
        if command.redirected.iter().any(|(kind, w)| *kind != "<" && !w.text.starts_with("/dev/")) {
            page.add(Id::Time02, scene.span(command), "the time of the build goes into a file", TIME);
        }
        return;
    };
    let Some(outer) = scene.script.commands.get(outer) else { return };
    let logs = outer.program().is_some_and(|(name, _)| {
        matches!(
            name,
            "echo"
                | "printf"
                | "log"
                | "logger"
                | "info"
                | "test"
                | "["
                | "[["
                | "while"
                | "expr"
                | "let"
                | "sleep"
        )
    }) && outer.redirected.iter().all(|(kind, w)| *kind == "<" || w.text.starts_with("/dev/"));
    let watch = outer.assigned.iter().any(|(name, _)| {
        let name = name.to_ascii_lowercase();
        ["start", "end", "begin", "t0", "t1", "elapsed", "duration", "deadline", "now", "timeout", "log"]
            .iter()
            .any(|w| name.contains(w))
    });
    if logs || watch {
        return;
    }
    page.add(Id::Time02, scene.span(command), "the build asks for the time", TIME);
}

const TIME: &str = "write `date -u -d \"@$SOURCE_DATE_EPOCH\"`";

fn machine(page: &mut Page<'_>, scene: &Scene<'_>, command: &Command, program: &str, arguments: &[Word]) {
    // `uname -m` and `-s` choose; the kernel's release and the host's name do not belong in a build.
    let tells = match program {
        "uname" => arguments.iter().any(|w| w.text.starts_with('-') && w.text.contains(['a', 'n', 'r', 'v'])),
        _ => true,
    };
    let kept = match command.within {
        Within::Substitution(outer) => scene.script.commands.get(outer).is_some_and(|outer| {
            !outer.program().is_some_and(|(n, _)| {
                matches!(n, "echo" | "test" | "[" | "[[" | "case" | "printf" | "chown" | "id")
            }) || outer.redirected.iter().any(|(kind, w)| *kind != "<" && !w.text.starts_with("/dev/"))
        }),
        _ => command.redirected.iter().any(|(kind, w)| *kind != "<" && !w.text.starts_with("/dev/")),
    };
    if tells && kept && matches!(scene.place, Place::Image | Place::Script) {
        let message = format!("`{program}` tells of the machine that builds");
        page.add(Id::Det05, scene.span(command), message, "leave it away, or write a fixed word");
    }
}

fn describe(page: &mut Page<'_>, scene: &Scene<'_>, command: &Command, arguments: &[Word]) {
    let verb = operands(arguments, &["-C", "-c"]).first().map(|w| w.text.clone()).unwrap_or_default();
    let asks = match verb.as_str() {
        "describe" => true,
        "rev-parse" => arguments.iter().any(|w| w.text == "HEAD" || w.text == "--short"),
        "log" | "show" => {
            arguments.iter().any(|w| w.text.starts_with("--format") || w.text.starts_with("--pretty"))
        }
        _ => false,
    };
    let kept = matches!(command.within, Within::Substitution(_)) || !command.redirected.is_empty();
    if asks && kept {
        let message = "the build asks git what it is, and a tarball or shallow clone has another answer";
        page.add(
            Id::Env04,
            scene.span(command),
            message,
            "write the version into a file, or give it as a variable",
        );
    }
}

/// True if a first argument or an option makes an archive.
fn creates(arguments: &[Word]) -> bool {
    has(arguments, &["--create"])
        || arguments.iter().enumerate().any(|(at, w)| {
            let letters = w.text.strip_prefix('-').or((at == 0).then_some(w.text.as_str()));
            letters.is_some_and(|l| {
                !l.starts_with('-')
                    && l.contains('c')
                    && l.bytes().all(|b| b.is_ascii_alphabetic())
                    && l.len() <= 6
            })
        })
}

fn tar(page: &mut Page<'_>, scene: &Scene<'_>, command: &Command, arguments: &[Word]) {
    if !creates(arguments) || scene.place == Place::Recipe {
        return;
    }
    // To another tar, and gone.
    let to_output =
        value(arguments, &["-f", "--file"]) == Some("-") || arguments.iter().any(|w| w.text == "-");
    if to_output || (has(arguments, &["--sort"]) && has(arguments, &["--mtime", "--clamp-mtime"])) {
        return;
    }
    let message = "the archive has the times, owners and order of this machine";
    let fix = "add --sort=name --mtime=@$SOURCE_DATE_EPOCH --owner=0 --group=0 --numeric-owner, or let the recipe pack";
    page.add(Id::Det06, scene.span(command), message, fix);
}

fn zip(page: &mut Page<'_>, scene: &Scene<'_>, command: &Command, arguments: &[Word]) {
    if operands(arguments, &[]).len() < 2 {
        return;
    }
    let message = "the archive has the times and order of this machine";
    page.add(Id::Det06, scene.span(command), message, "let the recipe pack: `format = \"zip\"`");
}

/// A list of files whose order matters to who reads it.
fn find(page: &mut Page<'_>, scene: &Scene<'_>, index: usize, command: &Command) {
    if scene.place == Place::Recipe {
        return;
    }
    let reader = scene.script.commands.iter().find(|c| c.reads == Some(index));
    let Some((name, arguments)) = reader.and_then(Command::program) else { return };
    let carried = arguments.iter().find(|w| !w.text.starts_with('-')).map(|w| w.text.as_str());
    let ordered = match name {
        "xargs" => carried,
        other => Some(other),
    };
    if matches!(ordered, Some("tar" | "cpio" | "ar" | "zip" | "cat" | "jar" | "ld")) {
        let message = "files come in the order of the directory, which differs between machines";
        page.add(Id::Det02, scene.span(command), message, "put `LC_ALL=C sort` between");
    }
}

fn useradd(page: &mut Page<'_>, scene: &Scene<'_>, command: &Command) {
    let message = "`/etc/shadow` gets the day of the build";
    page.add(
        Id::Time02,
        scene.span(command),
        message,
        "afterwards, `chage -d 0 USER`, or write the entries yourself",
    );
}

/// An image built by a command.
fn image(page: &mut Page<'_>, scene: &Scene<'_>, command: &Command, arguments: &[Word]) {
    let words = operands(arguments, &[]);
    let builds = words.first().is_some_and(|w| matches!(w.text.as_str(), "build" | "bud"))
        || (words.first().is_some_and(|w| w.text == "buildx")
            && words.get(1).is_some_and(|w| w.text == "build"));
    let told = page.text.contains("SOURCE_DATE_EPOCH") || page.text.contains("rewrite-timestamp");
    let timestamp = has(arguments, &["--timestamp", "--source-date-epoch"]);
    if builds && !told && !timestamp {
        let message = "the image carries the time of the build";
        let fix = "set SOURCE_DATE_EPOCH and build with `--output type=image,rewrite-timestamp=true`";
        page.add(Id::Img05, scene.span(command), message, fix);
    }
    for word in arguments {
        let secret = word.text.split_once('=').filter(|(_, v)| v.contains("secrets.") || v.starts_with('$'));
        let named = secret.is_some_and(|(name, _)| crate::audit::secret::names_a_secret(name));
        if named && builds && arguments.iter().any(|w| w.text == "--build-arg") {
            let message = "a secret given as an argument stays in the image's history";
            page.add(Id::Env07, scene.word(word), message, "use `--secret` and `RUN --mount=type=secret`")
                .at(Severity::Error);
        }
    }
}
