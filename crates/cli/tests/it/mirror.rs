//! Inputs carried to a machine that never had a network, and asked of other machines.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::home::{Home, PATH, Ran, need, ran, room};
use crate::project::{Project, git, one_step, recipe};

/// Runs the binary where no network is, not even loopback that is up.
fn alone(home: &Home, project: &Project, args: &[&str]) -> Ran {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--"]).arg(env!("CARGO_BIN_EXE_selfsame"));
    command.args(args).arg("--json").env_clear().env("PATH", PATH);
    command.env("HOME", home.path()).env("SELFSAME_HOME", home.path()).current_dir(project.path());
    ran(command.stdin(Stdio::null()))
}

fn digest(built: &Value) -> String {
    built["artifacts"][0]["digest"].to_string()
}

/// A project with a source from git, so that a commit must be believed without its server.
fn project() -> (Project, tempfile::TempDir) {
    let dir = room();
    fs::write(dir.path().join("part"), "of git\n").unwrap();
    git(dir.path(), &["init", "-q", "-b", "main"]);
    git(dir.path(), &["add", "part"]);
    git(dir.path(), &["commit", "-q", "-m", "a part"]);
    let commit = git(dir.path(), &["rev-parse", "HEAD"]);
    let source = format!(
        "[sources.part]\ngit = \"file://{}\"\ncommit = \"{}\"\n",
        dir.path().display(),
        commit.trim()
    );
    let rest = "[[step]]\nname = \"build\"\ninputs = { part = \"source:part\" }\nrun = [\"mkdir out\", \"cp part/part \
                out/\"]\noutputs = [\"out\"]\n\n[[artifact]]\nname = \"out.tar\"\nformat = \"tar\"\nfrom = \"step:build/out\"\n";
    (Project::new(&recipe(&format!("{source}\n{rest}")), &[]), dir)
}

#[test]
fn a_machine_without_a_network_builds_the_same_bits_after_import() {
    need(&["unshare"]);
    let home = Home::own();
    let (project, repository) = project();
    home.ok(project.path(), &["lock"]);
    let first = home.ok(project.path(), &["build"]);
    drop(repository);
    for (name, form) in
        [("m.tar", &[][..]), ("m.tar.zst", &[]), ("folder", &[]), ("oci", &["--layout", "oci"])]
    {
        let mirror = home.path().join(name);
        let mirror = mirror.to_str().unwrap();
        let written = home.ok(project.path(), &[&["mirror", "export", "-o", mirror], form].concat());
        let island = Home::empty();
        let (code, error) = alone(&island, &project, &["build", "--offline"]).envelope("build");
        assert_eq!(code, 1, "{error:#}");
        let (code, taken) = alone(&island, &project, &["mirror", "import", mirror]).envelope("mirror");
        assert_eq!(code, 0, "{taken:#}");
        assert_eq!((&taken["blobs"], &taken["new"]), (&written["blobs"], &written["blobs"]));
        let (code, second) = alone(&island, &project, &["build", "--offline"]).envelope("build");
        assert_eq!(code, 0, "{name}: {second:#}");
        assert_eq!(digest(&first), digest(&second), "{name}");
        island.assert_clean();
    }
}

/// A server that is stopped with the test.
struct Serving(Child, String);

impl Serving {
    fn of(home: &Home, project: &Project, from: &[&str]) -> Self {
        let mut command = home.command(project.path(), &["mirror", "serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.args(from).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            line.find("serving at ").map(|at| line[at + "serving at ".len()..].trim().to_owned())
        });
        Self(child, address.unwrap())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn another_machine_is_asked_first_by_fetch_and_by_the_environment() {
    let home = Home::own();
    let project = Project::new(&one_step(&["mkdir out"]), &[]);
    home.ok(project.path(), &["lock"]);
    let serving = Serving::of(&home, &project, &[]);
    let other = Home::empty();
    let brought = other.ok(project.path(), &["fetch", "--from", "http://127.0.0.1:9", "--from", &serving.1]);
    assert!(!brought["brought"].as_array().unwrap().is_empty(), "{brought:#}");
    let first = other.ok(project.path(), &["build", "--offline"]);

    let third = Home::empty();
    let mut command = third.command(project.path(), &["build", "--json"]);
    // What is not on the mirror could come from nowhere.
    command.env("SELFSAME_MIRRORS", &serving.1).env("http_proxy", "http://127.0.0.1:9");
    command.env("https_proxy", "http://127.0.0.1:9").env("no_proxy", "127.0.0.1");
    let (code, second) = ran(&mut command).envelope("build");
    assert_eq!(code, 0, "{second:#}");
    assert_eq!(digest(&first), digest(&second));
}

/// An authority, and a certificate of it for this machine, made by openssl.
fn certificates(folder: &Path) {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let authority =
        ["-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=an authority", "-days", "2"];
    openssl(&[&["req"], &new[..], &authority].concat());
    openssl(
        &[&["req"], &new[..], &["-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=mirror"]].concat(),
    );
    fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    openssl(&[
        "x509",
        "-req",
        "-in",
        "request.pem",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-out",
        "cert.pem",
        "-days",
        "2",
        "-extfile",
        "names",
    ]);
}

#[test]
fn a_mirror_speaks_tls_with_its_own_certificate() {
    need(&["curl", "openssl"]);
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let home = Home::own();
    let project = Project::new(&one_step(&["mkdir out"]), &[]);
    home.ok(project.path(), &["lock"]);
    let (cert, key, authority) = (file("cert.pem"), file("key.pem"), file("ca.pem"));
    let serving = Serving::of(&home, &project, &["--tls-cert", &cert, "--tls-key", &key]);
    assert!(serving.1.starts_with("https://127.0.0.1:"), "{}", serving.1);

    let curl = |arguments: &[&str]| {
        let mut curl = Command::new("curl");
        ran(curl.env_clear().args(["-sS", "--noproxy", "*", "--max-time", "20"]).args(arguments))
    };
    let index = curl(&["--cacert", &authority, &format!("{}/MIRROR.json", serving.1)]);
    assert_eq!(index.code, Some(0), "{index:?}");
    assert!(index.out.contains("selfsame-mirror"), "{index:?}");
    assert_eq!(curl(&[&serving.1]).code, Some(60), "nobody else vouches for it");
    let plain = serving.1.replace("https://", "http://");
    assert_ne!(curl(&[&plain]).code, Some(0), "nothing else is spoken");

    // Our own client, which trusts what this machine is told to trust.
    let other = Home::empty();
    let mut command = other.command(project.path(), &["fetch", "--json", "--from", &serving.1]);
    command
        .env("SSL_CERT_FILE", &authority)
        .env("https_proxy", "http://127.0.0.1:9")
        .env("http_proxy", "http://127.0.0.1:9");
    let (code, brought) = ran(command.env("no_proxy", "127.0.0.1")).envelope("fetch");
    assert_eq!(code, 0, "{brought:#}");

    for (cert, key, told) in
        [(&key, &key, "key.pem"), (&cert, &authority, "ca.pem"), (&authority, &key, "ca.pem")]
    {
        let arguments = ["mirror", "serve", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key];
        let (code, error) = home.json(project.path(), &arguments);
        assert_eq!(code, 1, "{error:#}");
        assert!(error["title"].as_str().unwrap().contains(told), "{error:#}");
    }
    let half = home.run(project.path(), &["mirror", "serve", "--tls-cert", &cert]);
    assert_eq!(half.code, Some(2), "{half:?}");
}

#[test]
fn a_mirror_that_is_none_is_refused_with_the_reason() {
    let home = Home::shared();
    let project = Project::new(&one_step(&["mkdir out"]), &[("text", "no mirror\n")]);
    let (code, error) = home.json(project.path(), &["mirror", "import", "text"]);
    assert_eq!(code, 1, "{error:#}");
    assert!(error.to_string().contains("begins with `MIRROR.json`"), "{error:#}");
    let (code, error) = home.json(project.path(), &["mirror", "export", "-o", "text"]);
    assert_eq!(code, 1, "{error:#}");
    assert!(error.to_string().contains("is there already"), "{error:#}");
}

/// What is locked stays until somebody asks for what is newer, and then it is shown.
#[test]
fn only_update_moves_what_is_locked() {
    let home = Home::own();
    let project = Project::new(&one_step(&["mkdir out"]), &[]);
    home.ok(project.path(), &["lock"]);
    // As locked at another time: the same packages, of which the archive says something else by now.
    let text = fs::read_to_string(project.file("selfsame.lock")).unwrap();
    let line = text.lines().find(|l| l.starts_with("source-version = ")).unwrap();
    let older = text.replacen(line, "source-version = \"0\"", 1);
    project.write("selfsame.lock", &older);
    home.ok(project.path(), &["lock", "--check"]);
    assert_eq!(home.ok(project.path(), &["lock"])["changed"], false);

    for (name, told) in [("main", "pinned by the recipe"), ("build", "nothing called `build`")] {
        let (code, error) = home.json(project.path(), &["update", name]);
        assert_eq!(code, 3, "{error:#}");
        assert!(error.to_string().contains(told), "{error:#}");
    }
    assert_eq!(home.run(project.path(), &["update", "--json"]).envelope("usage").0, 2);

    let shown = home.ok(project.path(), &["update", "--all", "--dry-run"]);
    assert_eq!(
        (&shown["changed"], &shown["written"]),
        (&Value::Bool(true), &Value::Bool(false)),
        "{shown:#}"
    );
    assert_eq!(fs::read_to_string(project.file("selfsame.lock")).unwrap(), older);
    let moved = home.ok(project.path(), &["update", "toolchain"]);
    assert_eq!(moved["written"], true, "{moved:#}");
    assert!(!fs::read_to_string(project.file("selfsame.lock")).unwrap().contains("source-version = \"0\""));
    assert_eq!(home.ok(project.path(), &["update", "--all"])["changed"], false);
}
