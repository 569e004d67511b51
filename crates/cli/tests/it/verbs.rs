//! The verbs around the build: lock, show, log, store, key, init, completions.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::home::{Home, ran, room};
use crate::project::{Project, one_step};

#[test]
fn locking_twice_gives_the_same_bytes() {
    let home = Home::shared();
    let project = Project::new(&one_step(&["mkdir out"]), &[]);
    fs::remove_file(project.file("selfsame.lock")).unwrap();
    let (code, error) = home.json(project.path(), &["lock", "--check"]);
    assert_eq!(code, 5, "{error:#}");
    let first = home.ok(project.path(), &["lock"]);
    assert_eq!(first["changed"], true);
    assert!(!first["signed_by"].as_array().unwrap().is_empty(), "{first:#}");
    let text = fs::read(project.file("selfsame.lock")).unwrap();
    let second = home.ok(project.path(), &["lock"]);
    assert_eq!(second["changed"], false);
    assert!(text == fs::read(project.file("selfsame.lock")).unwrap(), "the same bytes");
    home.ok(project.path(), &["lock", "--check"]);

    let shorter = one_step(&["mkdir out"]).replace("[\"coreutils\", \"dash\"]", "[\"dash\"]");
    project.write("selfsame.toml", &shorter);
    let (code, error) = home.json(project.path(), &["build"]);
    assert_eq!(code, 5, "{error:#}");
    assert!(error["lines"].to_string().contains("toolchain.packages: recipe dash"), "{error:#}");
    assert_eq!(home.json(project.path(), &["lock", "--check"]).0, 5);
}

#[test]
fn all_that_is_known_is_shown_by_digest_name_and_build() {
    let home = Home::shared();
    let project = Project::new(&one_step(&["mkdir out", "cp text out"]), &[("text", "shown\n")]);
    let made = home.ok(project.path(), &["reproduce"]);
    home.ok(project.path(), &["verify", "selfsame-out/out.tar"]);
    let digest = made["build"]["artifacts"][0]["digest"].as_str().unwrap();
    let short = &digest["sha256:".len()..][..10];
    for what in [digest, &digest[..digest.find('/').unwrap()], short, "out.tar"] {
        let dossier = home.ok(project.path(), &["show", what]);
        for (kind, least) in [("builds", 1), ("attestations", 1), ("rebuilds", 1), ("verifications", 1)] {
            let found = dossier[kind].as_array().map_or(0, Vec::len);
            assert!(found >= least, "{what}: {kind}: {dossier:#}");
        }
    }
    let id = made["build"]["build"].as_str().unwrap();
    assert_eq!(home.ok(project.path(), &["show", id])["builds"][0]["id"], id);
    let text = home.run(project.path(), &["show", short]);
    for said in ["out.tar", "small 1.0", "reproduced", "accepted", "toolchain", "bundle"] {
        assert!(text.out.contains(said), "`{said}` in {}", text.out);
    }
    // A source's file is known too: where it went.
    let step_log = made["build"]["steps"][0]["log"].as_str().unwrap();
    let log = home.run(project.path(), &["show", "--raw", step_log]);
    assert_eq!((log.code, log.out.as_str()), (Some(0), "$ mkdir out\n$ cp text out\n"));
    let (code, error) = home.json(project.path(), &["show", "0123456789abcdef"]);
    assert_eq!(code, 1, "{error:#}");

    let entries = home.ok(project.path(), &["log", "--audit"]);
    let kinds: Vec<_> = entries["entries"].as_array().unwrap().iter().map(|e| e["kind"].clone()).collect();
    for kind in ["build", "attestation", "rebuild", "verification"] {
        assert!(kinds.iter().any(|k| k == kind), "{kind} in {kinds:?}");
    }
    assert!(entries["audit"]["entries"].as_u64().unwrap() >= 4, "{entries:#}");
    let only = home.ok(project.path(), &["log", "--kind", "rebuild", "-n", "1"]);
    assert_eq!(only["entries"].as_array().unwrap().len(), 1);
}

#[test]
fn collecting_garbage_keeps_what_the_newest_build_needs() {
    let home = Home::own();
    let project = Project::new(&one_step(&["mkdir out", "cp text out"]), &[("text", "old\n")]);
    let old = home.ok(project.path(), &["build"]);
    project.write("text", "new\n");
    project.commit();
    let new = home.ok(project.path(), &["build"]);
    let before = home.ok(project.path(), &["store", "stats"]);
    let dry = home.ok(project.path(), &["store", "gc", "--keep", "1", "--dry-run"]);
    assert_eq!(home.ok(project.path(), &["store", "stats"])["blobs"], before["blobs"]);
    let freed = home.ok(project.path(), &["store", "gc", "--keep", "1"]);
    assert_eq!(freed["blobs"], dry["blobs"]);
    assert!(freed["blobs"].as_u64().unwrap() > 0, "{freed:#}");
    let artifact = |built: &Value| built["artifacts"][0]["digest"].as_str().unwrap().to_owned();
    assert!(!home.blob(&artifact(&old)).exists(), "the older artifact is gone");
    assert!(home.blob(&artifact(&new)).exists());
    home.assert_clean();
    let rebuild = ["rebuild", "selfsame-out/out.tar.sigstore.json", "--offline"];
    assert_eq!(home.ok(project.path(), &rebuild)["verdict"], "reproduced");
    assert_eq!(home.ok(project.path(), &["build", "--offline"])["cached"], true);
    // Nothing to keep: everything goes, and comes again when it is needed.
    home.ok(project.path(), &["store", "gc", "--keep", "0"]);
    home.assert_clean();
}

#[test]
fn keys_are_made_listed_shown_and_protected() {
    let home = Home::shared();
    let project = Project::new(&one_step(&["mkdir out"]), &[]);
    let with = |password: &str, args: &[&str]| {
        let mut command = home.command(project.path(), &[args, &["--json"]].concat());
        if !password.is_empty() {
            command.env("SELFSAME_KEY_PASSWORD", password);
        }
        ran(&mut command).envelope(args[0])
    };
    let (code, made) = with("correct horse", &["key", "generate", "--name", "release"]);
    assert_eq!((code, &made["password"]), (0, &true.into()), "{made:#}");
    let secret = made["secret"].as_str().unwrap();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(secret).unwrap().permissions().mode() & 0o777, 0o600);
    let pem = fs::read_to_string(secret).unwrap();
    let (code, error) = with("", &["key", "generate", "--name", "release"]);
    assert_eq!(code, 1, "a key is never replaced: {error:#}");
    assert_eq!(pem, fs::read_to_string(secret).unwrap());

    let (_, list) = with("", &["key", "list"]);
    assert_eq!(list["keys"][0]["id"], made["id"], "{list:#}");
    let shown = home.run(project.path(), &["key", "show", made["public"].as_str().unwrap()]);
    assert!(shown.out.contains("-----BEGIN PUBLIC KEY-----"), "{shown:?}");

    for wrong in ["", "battery staple"] {
        let (code, error) = with(wrong, &["build", "--key", secret]);
        assert_eq!(code, 4, "{error:#}");
        assert!(error["help"].to_string().contains("SELFSAME_KEY_PASSWORD"), "{error:#}");
    }
    let (code, built) = with("correct horse", &["build", "--key", secret]);
    assert_eq!(code, 0, "{built:#}");
    home.ok(project.path(), &["verify", "selfsame-out/out.tar", "--key", made["public"].as_str().unwrap()]);
}

/// The home's own key is made when first used, and what it is good for is said once.
#[test]
fn the_first_key_comes_with_a_word_about_it() {
    let home = Home::shared();
    let project = Project::new(&one_step(&["mkdir out"]), &[]);
    let first = home.run(project.path(), &["build"]);
    assert!(first.err.contains("made a signing key") && first.err.contains("for releases"), "{first:?}");
    let second = home.run(project.path(), &["build"]);
    assert!(second.code == Some(0) && !second.err.contains("signing key"), "{second:?}");
}

#[test]
fn a_first_recipe_fits_what_lies_there() {
    let home = Home::empty();
    let cases = [
        ("configure", "configure and make"),
        ("CMakeLists.txt", "CMake"),
        ("meson.build", "Meson"),
        ("Makefile", "make"),
        ("configure.ac", "autotools"),
    ];
    for (sign, found) in cases {
        let folder = room();
        fs::write(folder.path().join(sign), "").unwrap();
        let answer = home.ok(folder.path(), &["init"]);
        assert_eq!(answer["found"], found);
        let text = fs::read_to_string(folder.path().join("selfsame.toml")).unwrap();
        model::recipe::parse("selfsame.toml", &text).unwrap();
        let (code, error) = home.json(folder.path(), &["init"]);
        assert_eq!(code, 1, "what is there stays: {error:#}");
        assert_eq!(home.json(folder.path(), &["build"]).0, 5, "the next thing is to lock");
    }
    let empty = room();
    assert_eq!(home.ok(empty.path(), &["init"])["found"], Value::Null);
}

#[test]
fn a_first_recipe_joins_what_belongs_together() {
    let home = Home::empty();
    let folder = room();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("go.mod", "module example.org/tool\n\ngo 1.19\n");
    write("main.go", "package main\n\n//go:embed web/dist\nvar web embed.FS\n");
    write(
        "web/package.json",
        r#"{"name": "web", "scripts": {"build": "vite build"}, "devDependencies": {"vite": "5"}}"#,
    );
    let answer = home.ok(folder.path(), &["init"]);
    assert_eq!(answer["found"], "go, npm");
    assert_eq!(answer["projects"].as_array().unwrap().len(), 2);
    let missing = answer["missing"][0].as_str().unwrap();
    assert!(missing.contains("npm install --package-lock-only` in `web`"), "{missing}");
    let text = fs::read_to_string(folder.path().join("selfsame.toml")).unwrap();
    assert!(
        text.contains("\"web/dist\" = \"step:web/web/dist\"") && text.contains("suite = \"bookworm\""),
        "{text}"
    );
    let (code, error) = home.json(folder.path(), &["init", "--suite", "no word"]);
    assert_eq!(code, 1, "what is there stays: {error:#}");
    fs::remove_file(folder.path().join("selfsame.toml")).unwrap();
    let (code, error) = home.json(folder.path(), &["init", "--suite", "no word"]);
    assert_eq!(code, 3, "{error:#}");
    assert!(!folder.path().join("selfsame.toml").exists(), "nothing is written that cannot be used");
}

#[test]
fn completions_are_scripts() {
    let home = Home::empty();
    for (shell, sign) in
        [("bash", "complete -F _selfsame"), ("zsh", "#compdef selfsame"), ("fish", "complete -c selfsame")]
    {
        let ran = home.run(home.path(), &["completions", shell]);
        assert!(ran.code == Some(0) && ran.out.contains(sign), "{shell}");
    }
    let script = home.run(home.path(), &["completions", "bash"]).out;
    let mut bash = std::process::Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut bash.stdin.take().unwrap(), script.as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success());
}

#[test]
fn the_help_is_a_page() {
    let home = Home::empty();
    let help = home.run(home.path(), &["--help"]);
    assert_eq!(help.code, Some(0));
    let page = help.out.replace(&home.path().display().to_string(), "HOME");
    let page: Vec<&str> = page.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(page.join("\n"), @r###"
    Builds software sealed, proves that it comes out the same, and lets nothing else ship

    Usage: selfsame [OPTIONS] <COMMAND>

    Commands:
      init         Write a first recipe for the project in this folder
      audit        Say what floats or leaks in this repository, and how ready it is
      pin          Rewrite images to digests and actions to commits, in place (uses the network)
      lock         Resolve every input of the recipe and write selfsame.lock (uses the network)
      update       Move locked inputs on to what there is now, showing what changes (uses the network)
      fetch        Bring the locked inputs into the store (uses the network)
      mirror       Carry locked inputs to where there is no network, or serve them
      build        Build in the sandbox, pack, write SBOMs and signed provenance
      image        Build container images, look at them, compare them, push and pull them
      reproduce    Build, build again, compare, verify: the whole proof in one command
      shell        Open a shell in the sandbox of a step
      normalize    Take out of finished files what says when, where and by whom they were made
      scan         Say what in finished files tells of a machine, a person or a secret
      verify       Check an artifact against its signed provenance, offline
      rebuild      Build again from a bundle alone and compare
      show         Show everything known about a digest, an artifact or a build
      log          List what happened, newest first
      toolchain    Look at locked toolchains
      store        Look after the store of bytes
      key          Look after signing keys
      doctor       Tell what this host can do, and what would fix what it cannot
      completions  Print a completion script for a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
          --json
              Print one JSON document to standard output

          --home <DIR>
              Folder of store, ledger and keys [default: `selfsame` in the user's data folder]

              [env: SELFSAME_HOME=HOME]

          --progress <HOW>
              How progress is shown on standard error

              Possible values:
              - auto: `live` on a terminal, else `line`
              - live: History scrolls, running work stays below
              - line: One line for each thing that ended
              - json: One JSON event a line
              - none: Nothing

              [default: auto]

      -v, --verbose
              Show what steps print

      -q, --quiet
              Say nothing but errors on standard error

          --color <WHEN>
              When to use colour

              Possible values:
              - auto:   On a terminal, unless NO_COLOR is set
              - always: Always
              - never:  Never

              [default: auto]

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version
    "###);
    for (verb, said) in [
        ("build", "--offline"),
        ("lock", "--check"),
        ("verify", "--key"),
        ("rebuild", "--key"),
        ("show", "--raw"),
        ("log", "--audit"),
        ("shell", "<STEP>"),
        ("store", "verify"),
        ("key", "generate"),
        ("reproduce", "--again"),
        ("fetch", "[RECIPE]"),
        ("init", "--suite"),
        ("completions", "zsh"),
    ] {
        let ran = home.run(home.path(), &[verb, "--help"]);
        assert!(ran.code == Some(0) && ran.out.contains(said), "{verb}: {ran:?}");
        for global in ["--json", "--home"] {
            assert!(ran.out.contains(global), "{verb}: {ran:?}");
        }
    }
}
