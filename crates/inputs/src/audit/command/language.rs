//! Packages of languages: installs that ignore the lock, and versions that float.

use std::ops::Range;

use super::{Place, Scene, has, is_commit, is_exact, operands, value};
use crate::audit::finding::Page;
use crate::audit::read::shell::{Command, Word};
use crate::audit::rule::{Id, Severity};

pub(super) fn look(page: &mut Page<'_>, scene: &Scene<'_>) {
    for command in &scene.script.commands {
        let Some((program, arguments)) = command.program() else { continue };
        let mut words: Vec<&Word> = arguments.iter().collect();
        let mut program = program.to_owned();
        // `python -m pip …`
        let module = arguments.iter().position(|w| w.text == "-m").filter(|_| program.starts_with("py"));
        if let Some(module) = module.and_then(|at| arguments.get(at + 1).map(|w| (at, w))) {
            program.clone_from(&module.1.text);
            words = arguments[module.0 + 2..].iter().collect();
        }
        let arguments: Vec<Word> = words.into_iter().cloned().collect();
        let case = Case { scene, command, arguments: &arguments };
        match program.as_str() {
            "pip" | "pip3" | "pip2" | "pipx" => case.pip(page, &program),
            name if name.starts_with("pip3.") => case.pip(page, "pip"),
            "uv" => case.uv(page),
            "uvx" => case.runner(page, "@"),
            "poetry" | "pdm" if case.verb() == Some("add") || case.verb() == Some("update") => {
                case.adds(page)
            }
            "npm" => case.npm(page),
            "pnpm" => case.pnpm(page),
            "yarn" => case.yarn(page),
            "bun" => case.bun(page),
            "npx" | "bunx" => case.npx(page),
            "corepack" => case.corepack(page),
            "cargo" => case.cargo(page),
            "go" => case.go(page),
            "gem" => case.gem(page),
            "composer" => case.composer(page),
            "conda" | "mamba" | "micromamba" => case.conda(page),
            "rustup" => case.rustup(page),
            "nvm" | "fnm" | "n" | "volta" | "sdk" | "asdf" | "mise" => case.version_manager(page, &program),
            "dotnet" if case.verbs(2) == ["tool", "install"] && !has(&arguments, &["--version"]) => {
                case.adds(page)
            }
            "R" | "Rscript" if arguments.iter().any(|w| w.text.contains("install.packages")) => {
                case.adds(page)
            }
            "cpan" | "cpanm" | "luarocks" | "opam" | "cabal" | "stack" if case.installs() => case.adds(page),
            _ => {}
        }
    }
}

struct Case<'a> {
    scene: &'a Scene<'a>,
    command: &'a Command,
    arguments: &'a [Word],
}

impl Case<'_> {
    fn span(&self) -> Range<usize> {
        self.scene.span(self.command)
    }

    fn verb(&self) -> Option<&str> {
        operands(self.arguments, &["--prefix", "-C", "--cwd", "--dir", "--directory"])
            .first()
            .map(|w| w.text.as_str())
    }

    fn verbs(&self, count: usize) -> Vec<&str> {
        operands(self.arguments, &[]).into_iter().take(count).map(|w| w.text.as_str()).collect()
    }

    fn word(&self, text: &str) -> Option<&Word> {
        self.arguments.iter().find(|w| w.text == text)
    }

    fn installs(&self) -> bool {
        self.arguments.first().is_some_and(|w| w.text == "install" || w.text.contains("::"))
    }

    /// Packages by name: in a workflow that is another rule than elsewhere.
    fn named(&self, page: &mut Page<'_>, message: String, fix: &str, exact: bool) {
        let id = if self.scene.place == Place::Job { Id::Ci05 } else { Id::Lock14 };
        let finding = page.add(id, self.span(), message, fix);
        if exact {
            finding.at(Severity::Warn);
        }
    }

    fn adds(&self, page: &mut Page<'_>) {
        self.named(
            page,
            "the newest of that day is installed".to_owned(),
            "install what a lockfile names",
            false,
        );
    }

    fn pip(&self, page: &mut Page<'_>, program: &str) {
        const VALUED: &[&str] = &[
            "-r",
            "--requirement",
            "-c",
            "--constraint",
            "-i",
            "--index-url",
            "--extra-index-url",
            "-f",
            "--find-links",
            "-t",
            "--target",
            "--prefix",
            "--root",
            "--trusted-host",
            "--python-version",
            "--platform",
            "--timeout",
            "--cache-dir",
            "--progress-bar",
            "--python",
            "--retries",
            "--proxy",
            "--cert",
            "--upgrade-strategy",
        ];
        let words = operands(self.arguments, VALUED);
        let Some((verb, packages)) = words.split_first() else { return };
        if !matches!(verb.text.as_str(), "install" | "download" | "wheel" | "run" | "sync") {
            return;
        }
        if has(self.arguments, &["--extra-index-url"]) {
            let message = "the same name on the other index may win";
            page.add(Id::Lock18, self.span(), message, "use one index that serves both");
        }
        if has(self.arguments, &["--require-hashes", "--no-index", "--dry-run"]) {
            return;
        }
        let hashed = |file: &str| {
            let name = file.rsplit('/').next().unwrap_or_default();
            let list = &self.scene.facts.hashed;
            list.iter().any(|known| known.rsplit('/').next() == Some(name))
        };
        let file = value(self.arguments, &["-r", "--requirement"]).or_else(|| {
            self.arguments.iter().find_map(|w| w.text.strip_prefix("-r").filter(|f| !f.is_empty()))
        });
        if let (Some(file), true) = (file, packages.is_empty()) {
            if hashed(file) {
                // Hashes are enforced once one entry has one; the option also refuses entries without.
                return;
            }
            let message = format!("`{file}` gives no hashes, so other bytes or other versions are taken");
            let fix = "compile it with hashes (`pip-compile --generate-hashes`, `uv pip compile --generate-hashes`), and install with --require-hashes";
            page.add(Id::Lock14, self.span(), message, fix);
            return;
        }
        let no_deps = has(self.arguments, &["--no-deps"]);
        let floating: Vec<&str> = packages
            .iter()
            .map(|w| w.text.as_str())
            .filter(|p| {
                !is_here(p) || (!no_deps && *p == "." && !has(self.arguments, &["--no-build-isolation"]))
            })
            .collect();
        if floating.is_empty() {
            return;
        }
        if let Some(git) = floating.iter().find(|p| p.contains("git+")) {
            let at = git.rsplit_once('@').map_or("", |(_, r)| r.split('#').next().unwrap_or_default());
            if !is_commit(at) {
                page.add(
                    Id::Lock08,
                    self.span(),
                    "a git repository without a commit",
                    "add `@` and the commit's 40 digits",
                );
            }
            return;
        }
        let exact = floating.iter().all(|p| p.contains("==") || is_here(p));
        let what = floating.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let message = if exact {
            format!("{what}: nothing checks the bytes, and what they depend on floats")
        } else {
            format!("{what}: whichever version is newest that day")
        };
        let _ = program;
        self.named(
            page,
            message,
            "put it into a requirements file with hashes and install with --require-hashes",
            exact,
        );
    }

    fn uv(&self, page: &mut Page<'_>) {
        match self.verbs(2).as_slice() {
            ["sync" | "run" | "export", ..] => {
                let frozen = has(self.arguments, &["--locked", "--frozen", "--no-sync"])
                    || page.text.contains("UV_LOCKED")
                    || page.text.contains("UV_FROZEN");
                // `uv run` in a project without a lock is a matter of LOCK01.
                if !frozen && self.verb() == Some("sync") {
                    let message = "the lock is brought up to date silently";
                    self.flagged(page, message, "sync", "--locked");
                }
            }
            ["pip", verb @ ("install" | "sync")] => {
                let _ = verb;
                let at = self.arguments.iter().position(|w| w.text == "pip").unwrap_or(0);
                Case { arguments: &self.arguments[at + 1..], ..*self }.pip(page, "uv pip");
            }
            ["tool", "install" | "run"] => {
                let pinned = operands(self.arguments, &["--from", "--python", "--with", "-p"])
                    .get(2)
                    .is_some_and(|w| {
                        w.text.contains("==") || w.text.rsplit_once('@').is_some_and(|(_, v)| is_exact(v))
                    });
                if !pinned {
                    self.adds(page);
                }
            }
            ["add", ..] => self.adds(page),
            _ => {}
        }
    }

    /// A tool that is brought and run.
    fn runner(&self, page: &mut Page<'_>, at: &str) {
        let Some(tool) = operands(self.arguments, &["--from", "--with", "--python", "-p"]).into_iter().next()
        else {
            return;
        };
        let from = value(self.arguments, &["--from"]).unwrap_or(&tool.text);
        let pinned = from.contains("==") || from.rsplit_once(at).is_some_and(|(_, v)| is_exact(v));
        if !pinned {
            let message = format!("`{from}` is brought anew, whichever version is newest");
            self.named(page, message, "name a whole version, or install it from a lockfile", false);
        }
    }

    /// A missing option, which can be added after `word`.
    fn flagged(&self, page: &mut Page<'_>, message: &str, word: &str, option: &str) {
        let at = self.word(word).map(|w| self.scene.word(w).end);
        let finding = page.add(Id::Lock14, self.span(), message, format!("add {option}"));
        if let Some(at) = at {
            finding.edit(at..at, format!(" {option}"));
        }
    }

    fn npm(&self, page: &mut Page<'_>) {
        const VALUED: &[&str] = &[
            "--prefix",
            "-C",
            "--registry",
            "--loglevel",
            "--cache",
            "-w",
            "--workspace",
            "--omit",
            "--only",
            "--include",
            "--tag",
        ];
        let words = operands(self.arguments, VALUED);
        let Some((verb, packages)) = words.split_first() else { return };
        match verb.text.as_str() {
            "install" | "i" | "add" if packages.is_empty() && !has(self.arguments, &["-g", "--global"]) => {
                if has(self.arguments, &["--package-lock-only", "--dry-run"]) {
                    return;
                }
                let message =
                    "`npm install` may resolve anew and change the lock; `npm ci` takes what is locked";
                let span = self.scene.word(verb);
                let locked =
                    self.scene.facts.has("package-lock.json") || self.scene.facts.has("npm-shrinkwrap.json");
                let finding = page.add(Id::Lock14, self.span(), message, "write `npm ci`");
                if locked {
                    finding.edit(span, "ci");
                }
            }
            "install" | "i" | "add" => self.node_packages(page, packages),
            "update" | "upgrade" => self.adds(page),
            "exec" | "x" if has(self.arguments, &["-y", "--yes"]) => self.npx(page),
            _ => {}
        }
    }

    fn node_packages(&self, page: &mut Page<'_>, packages: &[&Word]) {
        let remote: Vec<&str> = packages.iter().map(|w| w.text.as_str()).filter(|p| !is_here(p)).collect();
        if remote.is_empty() {
            return;
        }
        let exact = remote.iter().all(|p| {
            p.rsplit_once('@')
                .is_some_and(|(name, v)| !name.is_empty() && is_exact(&self.scene.script.expand(v)))
        });
        let what = remote.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let message = if exact {
            format!("{what}: what it depends on floats")
        } else {
            format!("{what}: whichever version is newest that day")
        };
        self.named(page, message, "make it a dependency in package.json and `npm ci`", exact);
    }

    fn pnpm(&self, page: &mut Page<'_>) {
        let words = operands(self.arguments, &["--filter", "-F", "--dir", "-C", "--reporter", "--store-dir"]);
        let Some((verb, packages)) = words.split_first() else { return };
        match verb.text.as_str() {
            "install" | "i" if packages.is_empty() => {
                let frozen = has(self.arguments, &["--frozen-lockfile", "--offline"]);
                // pnpm freezes by itself where CI is set.
                if !frozen && self.scene.place != Place::Job {
                    let verb = verb.text.clone();
                    self.flagged(page, "`pnpm install` may change the lock", &verb, "--frozen-lockfile");
                }
                if self.arguments.iter().any(|w| w.text == "--no-frozen-lockfile") {
                    page.add(
                        Id::Lock14,
                        self.span(),
                        "the lock is overruled",
                        "leave --no-frozen-lockfile away",
                    );
                }
            }
            "add" | "install" | "i" => self.node_packages(page, packages),
            "dlx" => self.npx_of(page, packages.first().copied()),
            _ => {}
        }
    }

    fn yarn(&self, page: &mut Page<'_>) {
        let words = operands(
            self.arguments,
            &["--cwd", "--network-timeout", "--registry", "--cache-folder", "--mutex", "--modules-folder"],
        );
        match words.split_first() {
            None if !has(self.arguments, &["-v", "--version", "--help"]) => self.yarn_install(page, None),
            Some((verb, rest)) if verb.text == "install" && rest.is_empty() => {
                self.yarn_install(page, Some("install"))
            }
            Some((verb, rest)) if verb.text == "add" => self.node_packages(page, rest),
            Some((verb, rest)) if verb.text == "global" => {
                self.node_packages(page, rest.get(1..).unwrap_or_default());
            }
            Some((verb, rest)) if verb.text == "dlx" => self.npx_of(page, rest.first().copied()),
            Some((verb, _)) if matches!(verb.text.as_str(), "upgrade" | "up") => self.adds(page),
            _ => {}
        }
    }

    fn yarn_install(&self, page: &mut Page<'_>, verb: Option<&str>) {
        if has(self.arguments, &["--frozen-lockfile", "--immutable", "--pure-lockfile"]) {
            return;
        }
        let message = "`yarn install` may change the lock";
        match verb {
            Some(verb) => self.flagged(page, message, verb, "--frozen-lockfile"),
            None => {
                page.add(Id::Lock14, self.span(), message, "write `yarn install --frozen-lockfile`");
            }
        }
    }

    fn bun(&self, page: &mut Page<'_>) {
        let words = operands(self.arguments, &["--cwd"]);
        match words.split_first() {
            Some((verb, [])) if matches!(verb.text.as_str(), "install" | "i") => {
                if !has(self.arguments, &["--frozen-lockfile"]) {
                    let verb = verb.text.clone();
                    self.flagged(page, "`bun install` may change the lock", &verb, "--frozen-lockfile");
                }
            }
            Some((verb, rest)) if matches!(verb.text.as_str(), "add" | "install" | "i") => {
                self.node_packages(page, rest)
            }
            Some((verb, rest)) if verb.text == "x" => self.npx_of(page, rest.first().copied()),
            _ => {}
        }
    }

    /// `npx` takes what is installed already; only what says otherwise is brought.
    fn npx(&self, page: &mut Page<'_>) {
        let package = value(self.arguments, &["-p", "--package"]);
        let words = operands(self.arguments, &["-p", "--package", "-c", "--call"]);
        let tool = words.into_iter().find(|w| w.text != "exec" && w.text != "x");
        let tagged = tool.is_some_and(|w| w.text.get(1..).is_some_and(|t| t.contains('@')));
        if has(self.arguments, &["-y", "--yes"]) || package.is_some() || tagged {
            let exact = package
                .or(tool.map(|w| w.text.as_str()))
                .is_some_and(|t| t.rsplit_once('@').is_some_and(|(name, v)| !name.is_empty() && is_exact(v)));
            if !exact {
                self.npx_of(page, tool);
            }
        }
    }

    fn npx_of(&self, page: &mut Page<'_>, tool: Option<&Word>) {
        let Some(tool) = tool else { return };
        let exact = tool.text.rsplit_once('@').is_some_and(|(name, v)| !name.is_empty() && is_exact(v));
        if !exact {
            let message = format!("`{}` is brought anew, whichever version is newest", tool.text);
            self.named(page, message, "name a whole version, or make it a dependency", false);
        }
    }

    fn corepack(&self, page: &mut Page<'_>) {
        for word in operands(self.arguments, &[]).iter().skip(1) {
            if word
                .text
                .rsplit_once('@')
                .is_some_and(|(_, v)| !is_exact(v.split('+').next().unwrap_or_default()))
            {
                let message = format!("`{}` is another version next time", word.text);
                page.add(
                    Id::Tool06,
                    self.span(),
                    message,
                    "name a whole version, or set `packageManager` in package.json",
                );
            }
        }
    }

    fn cargo(&self, page: &mut Page<'_>) {
        let words = operands(
            self.arguments,
            &[
                "--manifest-path",
                "--target",
                "--features",
                "-p",
                "--package",
                "--bin",
                "--root",
                "--path",
                "--git",
                "--version",
                "--vers",
                "-F",
                "-j",
                "--profile",
                "--tag",
                "--rev",
                "--branch",
                "-Z",
                "--config",
                "--target-dir",
                "--color",
            ],
        );
        let mut words = words.into_iter().skip_while(|w| w.text.starts_with('+'));
        let Some(verb) = words.next() else { return };
        let locked = has(self.arguments, &["--locked", "--frozen"]) || page.text.contains("CARGO_LOCKED");
        let option =
            if self.scene.place == Place::Recipe && verb.text != "install" { "--frozen" } else { "--locked" };
        match verb.text.as_str() {
            "install" => {
                if let Some(_git) = value(self.arguments, &["--git"]) {
                    if !value(self.arguments, &["--rev"]).is_some_and(is_commit) {
                        page.add(
                            Id::Lock08,
                            self.span(),
                            "a git repository without a commit",
                            "add --rev and the commit's 40 digits",
                        );
                    }
                } else if !has(self.arguments, &["--version", "--vers", "--path"])
                    && !words.any(|w| w.text.contains('@'))
                {
                    let message =
                        "the newest version of that day is installed, with whatever it depends on".to_owned();
                    let id = if self.scene.place == Place::Job { Id::Ci05 } else { Id::Lock14 };
                    let at = self.scene.word(verb).end;
                    let finding =
                        page.add(id, self.span(), message, "name a version (`NAME@1.2.3`) and add --locked");
                    if !locked {
                        finding.edit(at..at, " --locked");
                    }
                    return;
                }
                if !locked {
                    self.flagged(
                        page,
                        "the program's own lock is ignored: what it depends on floats",
                        "install",
                        option,
                    );
                }
            }
            "build" | "b" | "rustc" | "package" if !locked => {
                let verb = verb.text.clone();
                self.flagged(page, "a lock that does not fit is changed silently", &verb, option);
            }
            "update" | "add" | "upgrade" => self.adds(page),
            _ => {}
        }
    }

    fn go(&self, page: &mut Page<'_>) {
        let words =
            operands(self.arguments, &["-o", "-ldflags", "-tags", "-mod", "-modfile", "-C", "-gcflags"]);
        let Some((verb, packages)) = words.split_first() else { return };
        let update = has(self.arguments, &["-u"]);
        if !matches!(verb.text.as_str(), "install" | "get" | "run") {
            return;
        }
        for package in packages {
            let version = package.text.rsplit_once('@').map(|(_, v)| self.scene.script.expand(v));
            let floats = match version.as_deref() {
                Some(version) => {
                    !is_exact(version)
                        && !is_commit(version)
                        && !version.starts_with('$')
                        && !version.starts_with("v0.0.0-")
                }
                // Without a version, `install` takes what go.mod names.
                None => verb.text == "get" && !is_here(&package.text),
            };
            if floats || update {
                let message = format!("`{}` is another version next time", package.text);
                self.named(page, message, "name a whole version, as in `@v1.2.3`", false);
                return;
            }
        }
    }

    fn gem(&self, page: &mut Page<'_>) {
        let words = operands(self.arguments, &["-v", "--version", "-i", "--install-dir", "-P", "--source"]);
        let Some((verb, gems)) = words.split_first() else { return };
        if verb.text == "update"
            || (verb.text == "install" && !has(self.arguments, &["-v", "--version", "--local", "-l"]))
        {
            let floating: Vec<_> =
                gems.iter().filter(|g| !g.text.contains(':') && !g.text.ends_with(".gem")).collect();
            if verb.text == "update" || !floating.is_empty() {
                self.adds(page);
            }
        }
    }

    fn composer(&self, page: &mut Page<'_>) {
        match self.verbs(2).as_slice() {
            ["update" | "upgrade", ..] => self.adds(page),
            ["require", package] | ["create-project", package] if !package.contains(':') => self.adds(page),
            ["global", "require"] => self.adds(page),
            _ => {}
        }
    }

    fn conda(&self, page: &mut Page<'_>) {
        let words =
            operands(self.arguments, &["-n", "--name", "-c", "--channel", "-p", "--prefix", "-f", "--file"]);
        let Some(verb) = words.first() else { return };
        let file = value(self.arguments, &["-f", "--file"]);
        let explicit = file.is_some_and(|f| f.contains("lock") || f.contains("explicit"));
        let named = |from: usize| words.iter().skip(from).any(|w| w.text.matches('=').count() < 2);
        let floats = match verb.text.as_str() {
            "install" | "create" => named(1) || file.is_some(),
            "update" | "upgrade" => true,
            "env" => words.get(1).is_some_and(|w| matches!(w.text.as_str(), "create" | "update")),
            _ => false,
        };
        if floats && !explicit {
            self.named(
                page,
                "conda solves anew, with the packages of that day".to_owned(),
                "install from a file made by `conda list --explicit --sha256` or conda-lock",
                false,
            );
        }
    }

    fn rustup(&self, page: &mut Page<'_>) {
        let words = operands(self.arguments, &["--profile", "--component", "-c", "--target", "-t"]);
        let names: Vec<&str> = words.iter().map(|w| w.text.as_str()).collect();
        let channel = match names.as_slice() {
            ["update" | "upgrade"] => Some("stable"),
            ["default" | "install" | "update", channel, ..]
            | ["toolchain", "install" | "add", channel, ..] => Some(*channel),
            ["override", "set", channel] => Some(*channel),
            _ => None,
        };
        let floats = channel.is_some_and(|c| {
            let c = self.scene.script.expand(c);
            !c.contains('$') && is_channel(&c)
        });
        if floats {
            let message = format!("`{}` is another compiler next time", channel.unwrap_or_default());
            page.add(
                Id::Tool01,
                self.span(),
                message,
                "name a version, as in `1.90.0`, or a day, as in `nightly-2026-01-31`",
            );
        }
    }

    fn version_manager(&self, page: &mut Page<'_>, program: &str) {
        let words = operands(self.arguments, &[]);
        let Some(verb) = words.first() else { return };
        let versions: Vec<&str> = match (program, verb.text.as_str()) {
            ("n", version) => vec![version],
            (_, "install" | "use" | "default" | "global") => {
                words.get(1..).unwrap_or_default().iter().map(|w| w.text.as_str()).collect()
            }
            _ => return,
        };
        let floats = has(self.arguments, &["--lts"])
            || versions.last().is_some_and(|v| {
                let v = v.rsplit('@').next().unwrap_or_default();
                !v.contains('$')
                    && (matches!(v, "latest" | "stable" | "lts" | "node" | "current")
                        || v.starts_with("lts/")
                        || (v.starts_with(|c: char| c.is_ascii_digit())
                            && !is_exact(v.split('-').next().unwrap_or_default())))
            });
        if floats {
            page.add(Id::Tool06, self.span(), "the version floats", "name a whole version");
        }
    }
}

/// True for a channel of Rust that moves: neither a version nor a day.
pub(crate) fn is_channel(channel: &str) -> bool {
    let mut parts = channel.split('-');
    let first = parts.next().unwrap_or_default();
    let dated = parts.next().is_some_and(|year| year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()));
    !dated && !is_exact(first)
}

/// True for a path, and not a name that a registry knows.
pub(crate) fn is_here(package: &str) -> bool {
    package.starts_with(['.', '/'])
        || package.starts_with("file:")
        || package.starts_with("~/")
        || [".whl", ".tgz", ".tar.gz", ".gem"]
            .iter()
            .any(|end| package.ends_with(end) && !package.contains("://"))
}
