//! What commands bring from the network, and whether anything checks it.

use super::{Place, Scene, has, is_commit, operands, value};
use crate::audit::finding::Page;
use crate::audit::read::shell::{Command, Within, Word};
use crate::audit::rule::{Id, Severity};

/// What a shell is called.
const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "zsh", "ksh", "fish", "source", ".", "eval"];

/// Languages that run what they read.
const LANGUAGES: &[&str] =
    &["python", "python2", "python3", "perl", "ruby", "node", "php", "pwsh", "Rscript"];

/// Options of curl and wget that take a value.
const VALUED: &[&str] = &[
    "-o",
    "--output",
    "-O-",
    "-H",
    "--header",
    "-u",
    "--user",
    "-A",
    "--user-agent",
    "-e",
    "--referer",
    "-b",
    "--cookie",
    "-c",
    "--cookie-jar",
    "-w",
    "--write-out",
    "-m",
    "--max-time",
    "--retry",
    "--retry-delay",
    "--retry-max-time",
    "--connect-timeout",
    "-x",
    "--proxy",
    "--proto",
    "--proto-redir",
    "--cacert",
    "--capath",
    "--cert",
    "--key",
    "--output-dir",
    "-P",
    "--directory-prefix",
    "-t",
    "--tries",
    "-T",
    "--timeout",
    "--output-document",
    "-K",
    "--config",
    "--max-redirs",
    "-r",
    "--range",
    "--limit-rate",
    "--tls-max",
    "--resolve",
];

/// A command that brings something.
struct Download {
    /// Where it goes, if that is a file with a name that is known.
    file: Option<String>,
    /// It goes to the command's output.
    stdout: bool,
    url: String,
}

pub(super) fn look(page: &mut Page<'_>, scene: &Scene<'_>) {
    for (index, command) in scene.script.commands.iter().enumerate() {
        let Some((program, arguments)) = command.program() else { continue };
        match program {
            "git" => git(page, scene, index, arguments),
            "pip" | "pip3" => {}
            "Invoke-WebRequest" | "iwr" | "irm" | "Invoke-RestMethod" => {
                let to_shell = readers(scene, index)
                    .any(|c| c.program().is_some_and(|(p, _)| p.eq_ignore_ascii_case("iex")));
                if to_shell {
                    run_from_network(page, scene, command);
                } else if !scene.verified_after(index) {
                    unchecked(page, scene, command);
                }
            }
            _ => {
                if let Some(download) = download(scene, command, program, arguments) {
                    judge(page, scene, index, command, &download);
                }
            }
        }
    }
}

/// The commands that read what this one writes, one after the other.
fn readers<'a>(scene: &'a Scene<'_>, index: usize) -> impl Iterator<Item = &'a Command> {
    let mut from = index;
    std::iter::from_fn(move || {
        let (at, next) =
            scene.script.commands.iter().enumerate().skip(from + 1).find(|(_, c)| c.reads == Some(from))?;
        from = at;
        Some(next)
    })
}

/// Looks whether a command brings something, and where to.
fn download(scene: &Scene<'_>, command: &Command, program: &str, arguments: &[Word]) -> Option<Download> {
    let curl = program == "curl";
    if !curl && !matches!(program, "wget" | "wget2" | "aria2c" | "fetch" | "axel" | "http" | "xh") {
        return None;
    }
    const TALKS: &[&str] = &[
        "-X",
        "--request",
        "-d",
        "--data",
        "--data-binary",
        "--data-raw",
        "--data-urlencode",
        "-F",
        "--form",
        "--json",
        "--upload-file",
        "-I",
        "--head",
        "--spider",
        "--post-data",
        "--method",
        "--version",
        "-V",
        "--help",
    ];
    // `-T` uploads with curl, and is a time-out with wget.
    if has(arguments, TALKS) || (curl && has(arguments, &["-T"])) {
        return None;
    }
    let mut to = value(arguments, &["-o", "--output", "--output-document"]).map(str::to_owned);
    let mut remote = has(arguments, &["-O", "--remote-name", "-J", "--remote-name-all"]);
    let mut valued = VALUED.to_vec();
    if !curl {
        valued.extend(["-O", "-qO", "-nvO", "-o"]);
        to = value(arguments, &["-O", "--output-document", "-qO", "-nvO"]).map(str::to_owned);
        if arguments
            .iter()
            .any(|w| w.text.starts_with('-') && !w.text.starts_with("--") && w.text.ends_with("O-"))
        {
            to = Some("-".to_owned());
        }
        remote = to.is_none();
    }
    // Short options written as one: `-fsSLo FILE`, `-LO`.
    let mut bundles: Vec<&str> = Vec::new();
    for (at, word) in arguments.iter().enumerate() {
        let Some(letters) = word.text.strip_prefix('-').filter(|l| !l.starts_with('-') && l.len() > 1) else {
            continue;
        };
        if curl && letters.ends_with('o') {
            to = arguments.get(at + 1).map(|w| w.text.clone());
            bundles.push(&word.text);
        } else if curl && letters.bytes().all(|b| b.is_ascii_alphabetic()) && letters.contains('O') {
            remote = true;
        } else if !curl && letters.ends_with('O') {
            to = arguments.get(at + 1).map(|w| w.text.clone());
            remote = false;
            bundles.push(&word.text);
        }
    }
    valued.extend(bundles);
    let plain = operands(arguments, &valued);
    let url = plain
        .iter()
        .map(|w| scene.script.expand(&w.text))
        .find(|t| t.contains("://") || t.contains('$'))
        .or_else(|| {
            plain.iter().find(|w| w.text.contains('.') && w.text.contains('/')).map(|w| w.text.clone())
        })?;
    if is_local(&url) || url.starts_with("file:") {
        return None;
    }
    let name = url.split(['?', '#']).next().and_then(|u| u.rsplit('/').next()).map(str::to_owned);
    let redirect = command.redirected.iter().find(|(kind, _)| *kind != "<").map(|(_, w)| w.text.clone());
    let (file, stdout) = match (to, remote, redirect) {
        (Some(to), ..) if to == "/dev/null" => return None,
        (Some(to), ..) if to == "-" || to == "/dev/stdout" => (None, true),
        (Some(to), ..) => (Some(to), false),
        (None, true, _) => (name, false),
        (None, false, Some(to)) if to == "/dev/null" => (None, true),
        (None, false, Some(to)) => (Some(to), false),
        (None, false, None) => (None, true),
    };
    Some(Download { file, stdout, url })
}

/// True for an address of this machine.
fn is_local(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["localhost", "127.", "0.0.0.0", "[::1]", "host.docker.internal"]
        .iter()
        .any(|host| rest.starts_with(host))
}

fn judge(page: &mut Page<'_>, scene: &Scene<'_>, index: usize, command: &Command, download: &Download) {
    let shell = |c: &Command| {
        c.program().is_some_and(|(name, arguments)| {
            let script =
                arguments.iter().any(|w| !w.text.starts_with('-') || w.text == "-c" || w.text.ends_with('c'));
            let reads = arguments.iter().any(|w| matches!(w.text.as_str(), "-" | "-s" | "/dev/stdin"));
            (SHELLS.contains(&name) && (reads || !script))
                || (LANGUAGES.contains(&name) && arguments.first().is_none_or(|w| w.text == "-"))
        })
    };
    let outer = |at: usize| scene.script.commands.get(at).and_then(Command::program).map(|(name, _)| name);
    let is_output = |at: usize| {
        let words = scene.script.commands.get(at).map(|c| c.words.as_slice()).unwrap_or_default();
        words.first().is_some_and(|word| word.text.starts_with("$(") || word.text.starts_with('`'))
    };
    // `readers` looks only ahead, so what a substitution belongs to is asked of the whole pipe.
    let runs_substituted = match command.within {
        Within::Substitution(at) | Within::Process(at) => {
            is_output(at) || outer(at).is_some_and(|n| SHELLS.contains(&n))
        }
        Within::Nothing => false,
    };
    if download.stdout && (readers(scene, index).any(shell) || runs_substituted) {
        run_from_network(page, scene, command);
        return;
    }
    if download.stdout {
        let mut kept = matches!(command.within, Within::Process(_));
        let mut verified = false;
        for reader in readers(scene, index) {
            let Some((name, _)) = reader.program() else { continue };
            verified |= super::verifies(reader);
            kept |= matches!(
                name,
                "tar"
                    | "bsdtar"
                    | "cpio"
                    | "tee"
                    | "gpg"
                    | "apt-key"
                    | "gunzip"
                    | "zcat"
                    | "unzip"
                    | "dd"
                    | "xz"
                    | "unxz"
                    | "bzip2"
                    | "gzip"
                    | "zstd"
                    | "base64"
                    | "patch"
                    | "funzip"
                    | "docker"
                    | "psql"
                    | "install"
            ) || reader.redirected.iter().any(|(kind, w)| *kind != "<" && w.text != "/dev/null");
        }
        if kept && !verified {
            unchecked(page, scene, command);
        } else if let (Within::Substitution(at), false) = (command.within, verified) {
            let asked =
                outer(at).is_none_or(|n| !matches!(n, "test" | "[" | "[[" | "echo" | "printf" | "while"));
            if asked && scene.place != Place::Job {
                let message = "which version comes is asked of the network";
                page.add(
                    Id::Net02,
                    scene.span(command),
                    message,
                    "write the version down, with the hash of what it names",
                );
            }
        }
        return;
    }
    let run = download.file.as_deref().and_then(|file| {
        let base = |t: &str| t.rsplit('/').next().unwrap_or_default().to_owned();
        let file = base(file);
        scene.script.commands.iter().enumerate().skip(index + 1).find_map(|(at, later)| {
            let first = later.words.first()?;
            let (name, arguments) = later.program()?;
            let by_shell = (SHELLS.contains(&name) || LANGUAGES.contains(&name))
                && arguments.iter().any(|w| base(&w.text) == file);
            let itself = !file.is_empty() && base(&first.text) == file && first.text.contains('/');
            (by_shell || itself).then_some(at)
        })
    });
    if scene.verified_after(index) {
        weaker(page, scene, index, command, download);
    } else if run.is_some() {
        run_from_network(page, scene, command);
    } else {
        unchecked(page, scene, command);
    }
    branch(page, scene, command, download);
}

/// A sum that came from the same place says that the transfer was whole, and no more.
fn weaker(page: &mut Page<'_>, scene: &Scene<'_>, index: usize, command: &Command, download: &Download) {
    let is_sum = |text: &str| {
        let lower = text.to_ascii_lowercase();
        let file =
            lower.split(['?', '#']).next().and_then(|u| u.rsplit('/').next()).unwrap_or_default().to_owned();
        ["sha256", "sha512", "checksum", "shasum", ".md5", ".digest"].iter().any(|sign| file.contains(sign))
    };
    let signed = scene.script.commands.iter().any(|c| verifies_by_signature(c));
    if !is_sum(&download.url) || signed {
        return;
    }
    let used = scene
        .script
        .commands
        .iter()
        .skip(index + 1)
        .any(|c| c.program().is_some_and(|(name, _)| super::SUMS.contains(&name)));
    if used {
        let message = "the checksum comes from where the file comes from, so both can be changed together";
        let finding = page.add(Id::Net02, scene.span(command), message, "write the SHA-256 into this file");
        finding.at(Severity::Warn);
    }
}

fn verifies_by_signature(command: &Command) -> bool {
    command.program().is_some_and(|(name, _)| !super::SUMS.contains(&name)) && super::verifies(command)
}

/// A file of a branch: the same address gives other bytes tomorrow.
fn branch(page: &mut Page<'_>, scene: &Scene<'_>, command: &Command, download: &Download) {
    if moves(&download.url) {
        let message = format!("`{}` is not the same tomorrow", shortened(&download.url));
        page.add(
            Id::Net04,
            scene.span(command),
            message,
            "name a commit of 40 digits in the address, or a released file",
        );
    }
}

/// True for the address of a branch's file, or of an archive that a forge makes of a branch or tag.
pub(crate) fn moves(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let mut parts = rest.split(['?', '#']).next().unwrap_or_default().split('/');
    let host = parts.next().unwrap_or_default();
    let parts: Vec<&str> = parts.collect();
    let branch = |name: &str| matches!(name, "main" | "master" | "HEAD" | "develop" | "trunk" | "dev");
    let raw = host.starts_with("raw.") || parts.contains(&"raw");
    let file = raw && parts.iter().any(|p| branch(p));
    let archive = parts.windows(3).any(|w| w[0] == "archive" && w[1] == "refs" && w[2] == "heads")
        || parts.windows(2).any(|w| {
            matches!(w[0], "archive" | "tarball" | "zipball")
                && branch(w[1].split('.').next().unwrap_or_default())
        });
    file || archive || rest.contains("/releases/latest/")
}

fn shortened(url: &str) -> String {
    // What stands before `@` may be a password.
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split_once('@').filter(|(user, _)| !user.contains('/')).map_or(rest, |(_, rest)| rest);
    format!("{scheme}://{}", rest.split(['?', '#']).next().unwrap_or_default())
}

fn run_from_network(page: &mut Page<'_>, scene: &Scene<'_>, command: &Command) {
    let message = "a script from the network is run, and nothing checks what it is";
    let fix = "download it at a fixed version, compare its SHA-256 (`echo \"HASH  FILE\" | sha256sum -c`), then run it";
    page.add(Id::Net01, scene.span(command), message, fix);
}

fn unchecked(page: &mut Page<'_>, scene: &Scene<'_>, command: &Command) {
    let message = "nothing checks what comes from the network";
    page.add(Id::Net02, scene.span(command), message, "add `echo \"HASH  FILE\" | sha256sum -c -` after it");
}

/// `git clone` and the like.
fn git(page: &mut Page<'_>, scene: &Scene<'_>, index: usize, arguments: &[Word]) {
    const GLOBAL: &[&str] = &["-C", "-c", "--git-dir", "--work-tree"];
    const CLONE: &[&str] = &[
        "-C",
        "-c",
        "-b",
        "--branch",
        "--depth",
        "-o",
        "--origin",
        "--reference",
        "-j",
        "--jobs",
        "--filter",
        "--config",
    ];
    let verb = operands(arguments, GLOBAL).first().map(|w| w.text.as_str());
    let command = &scene.script.commands[index];
    match verb {
        Some("clone") => {
            let Some(url) = operands(arguments, CLONE).into_iter().nth(1) else { return };
            let revision = value(arguments, &["--revision"]).map(|r| scene.script.expand(r));
            let whole = |text: &str| {
                let text = scene.script.expand(text);
                let name = text.trim_matches(['$', '{', '}', '"']).to_ascii_lowercase();
                is_commit(&text)
                    || (text.starts_with('$')
                        && ["sha", "commit", "rev", "hash"].iter().any(|s| name.contains(s)))
            };
            if revision.as_deref().is_some_and(whole) {
                return;
            }
            let checked_out = scene.script.commands.iter().skip(index + 1).any(|later| {
                later.program().is_some_and(|(name, words)| {
                    name == "git"
                        && words
                            .iter()
                            .any(|w| matches!(w.text.as_str(), "checkout" | "reset" | "fetch" | "switch"))
                        && words.iter().any(|w| whole(&w.text))
                })
            });
            if checked_out || is_local(&url.text) || !(url.text.contains(['/', '$', ':'])) {
                return;
            }
            let tag = value(arguments, &["-b", "--branch"]);
            let message = match tag {
                Some(tag) => format!("`{tag}` can be moved; only a commit stays"),
                None => "whatever the default branch holds that day is cloned".to_owned(),
            };
            let finding = page.add(
                Id::Lock08,
                scene.span(command),
                message,
                "after it, `git checkout` the commit by its 40 digits",
            );
            if tag.is_some() {
                finding.at(Severity::Warn);
            }
        }
        Some("submodule") if has(arguments, &["--remote"]) => {
            let message = "submodules are moved to the newest commits of their branches";
            page.add(
                Id::Tool09,
                scene.span(command),
                message,
                "leave --remote away: the commits that are recorded are taken",
            );
        }
        _ => {}
    }
}
