//! Steps that fetch: recorded when they are locked, replayed when they are built, from then on without any network.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::home::{Home, Ran, bare, ran};
use crate::languages::{languages, project};
use crate::project::{Project, git, recipe};
use crate::registry::Registry;

fn selfsame(project: &Project, args: &[&str], env: &[(&str, &str)]) -> Ran {
    let mut command = bare(Path::new(env!("CARGO_BIN_EXE_selfsame")), &languages().0, project.path());
    ran(command.args(args).arg("--json").envs(env.iter().copied()))
}

#[track_caller]
fn ok(project: &Project, args: &[&str], env: &[(&str, &str)]) -> Value {
    let (code, value) = selfsame(project, args, env).envelope(args[0]);
    assert_eq!(code, 0, "{args:?}: {value:#}");
    value
}

fn lock_text(project: &Project) -> String {
    fs::read_to_string(project.file("selfsame.lock")).unwrap()
}

/// The file of a locked answer, by its locator.
fn blob(project: &Project, locator: &str) -> std::path::PathBuf {
    let text = lock_text(project);
    let line = text.lines().find(|l| l.contains(&format!("GET {locator} "))).expect("it was recorded");
    let hex = line.split("sha256:").nth(1).and_then(|d| d.split('/').next()).expect("a digest");
    languages().0.join("store/blobs").join(&hex[..2]).join(hex)
}

fn lose(path: &Path) {
    let folder = path.parent().unwrap();
    let _ = Command::new("chmod").args(["u+w"]).arg(folder).status();
    fs::remove_file(path).unwrap();
}

/// An npm package as a registry serves it.
fn package(registry: &Registry, name: &str, code: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("package");
    fs::create_dir(&inner).unwrap();
    fs::write(
        inner.join("package.json"),
        json!({ "name": name, "version": "1.0.0", "license": "ISC" }).to_string(),
    )
    .unwrap();
    fs::write(inner.join("index.js"), code).unwrap();
    let file = folder.path().join("p.tgz");
    let tar = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "-czf"];
    assert!(
        Command::new("tar")
            .args(tar)
            .arg(&file)
            .arg("-C")
            .arg(folder.path())
            .arg("package")
            .status()
            .unwrap()
            .success()
    );
    let bytes = fs::read(&file).unwrap();
    let hex = model::Digest::of(&bytes).hex();
    let raw: Vec<u8> = (0..32).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect();
    fs::write(folder.path().join("sum"), raw).unwrap();
    let sum = Command::new("base64").arg("-w0").arg(folder.path().join("sum")).output().unwrap();
    let integrity = format!("sha256-{}", String::from_utf8(sum.stdout).unwrap());
    let tarball = format!("{}/npm/{name}/-/{name}-1.0.0.tgz", registry.base);
    let manifest = |version: &str| json!({ "name": name, "version": version, "dist": { "tarball": tarball, "integrity": integrity } });
    let document = json!({
        "name": name, "time": { "1.0.0": format!("{:?}", std::time::SystemTime::now()) },
        "dist-tags": { "latest": "1.0.0" }, "versions": { "1.0.0": manifest("1.0.0") },
    });
    registry.has(&format!("/npm/{name}"), document.to_string());
    registry.has(&format!("/npm/{name}/-/{name}-1.0.0.tgz"), bytes);
    integrity
}

/// What a package says when it is called. The store is that of all tests, so a package is of one registry alone: one test may
/// lose what another one needs.
fn code(registry: &Registry, name: &str) -> String {
    format!("module.exports = () => '{name}' // {}\n", registry.base)
}

/// A project that uses one package, and the registry that has it.
fn npm_project(registry: &Registry) -> Project {
    npm_project_of(registry, &["left"])
}

/// A project that uses these packages.
fn npm_project_of(registry: &Registry, names: &[&str]) -> Project {
    let dependencies: BTreeMap<&str, &str> = names.iter().map(|name| (*name, "1.0.0")).collect();
    let mut packages = json!({ "": { "name": "hello", "version": "1.0.0", "dependencies": dependencies } });
    for name in names {
        let integrity = package(registry, name, &code(registry, name));
        packages[format!("node_modules/{name}")] = json!({ "version": "1.0.0", "integrity": integrity });
    }
    let lockfile = json!({ "name": "hello", "version": "1.0.0", "lockfileVersion": 3, "requires": true, "packages": packages });
    let manifest = json!({ "name": "hello", "version": "1.0.0", "dependencies": dependencies });
    let recipe = "[[step]]\nname = \"build\"\nuses = [\"npm\"]\nrun = [\"npm ci\", \"mkdir out\", \"node -p 'require(`left`)()' >out/said\"]\n\
                  outputs = [\"out\"]\n\n[[artifact]]\nname = \"out.tar\"\nformat = \"tar\"\nfrom = \"step:build/out\"\n";
    project(recipe, &[("package.json", &manifest.to_string()), ("package-lock.json", &lockfile.to_string())])
}

#[test]
fn what_a_tool_fetched_is_locked_and_replayed_without_a_network() {
    let registry = Registry::new();
    let project = npm_project(&registry);
    let base = format!("{}/npm", registry.base);
    let here = [("SELFSAME_REGISTRY_NPM", base.as_str())];
    let (code, stale) = selfsame(&project, &["build"], &here).envelope("build");
    assert_eq!(code, 5, "a step that was never recorded: {stale:#}");

    ok(&project, &["lock"], &here);
    let first = lock_text(&project);
    assert!(first.contains("GET npm:/left/-/left-1.0.0.tgz 200 sha256:"), "{first}");
    assert!(!first.contains("127.0.0.1"), "no address of a mirror: {first}");
    assert!(first.contains("\"pkg:npm/left@1.0.0 direct=true licence=ISC needs=\""), "{first}");
    assert!(registry.asked().iter().any(|path| path.ends_with("left-1.0.0.tgz")));
    ok(&project, &["lock"], &here);
    assert_eq!(lock_text(&project), first, "locked twice");
    assert!(registry.asked().is_empty(), "what is locked and in the store is not asked for again");

    registry.is_down(true);
    let built = ok(&project, &["build"], &here);
    let artifact = built["artifacts"][0]["digest"].clone();
    let mut apart = Command::new("unshare");
    let inner = bare(Path::new(env!("CARGO_BIN_EXE_selfsame")), &languages().0, project.path());
    apart.args(["--user", "--map-root-user", "--net", "--"]).arg(inner.get_program());
    apart.env_clear().envs(inner.get_envs().filter_map(|(k, v)| Some((k, v?)))).current_dir(project.path());
    let bundle = "selfsame-out/out.tar.sigstore.json";
    let rebuilt = ran(apart.args(["rebuild", bundle, "--json"])).envelope("rebuild");
    assert_eq!(rebuilt.0, 0, "in a namespace with no route: {:#}", rebuilt.1);
    assert_eq!(rebuilt.1["verdict"], "reproduced");
    assert!(artifact.as_str().is_some_and(|d| d.starts_with("sha256:")));
    assert!(registry.asked().is_empty(), "a build asks nobody");

    // Who lacks an answer, and cannot ask, cannot tell; and can once there is somebody to ask.
    lose(&blob(&project, "npm:/left/-/left-1.0.0.tgz"));
    let (code, result) = selfsame(&project, &["rebuild", bundle], &here).envelope("rebuild");
    assert_eq!((code, &result["verdict"]), (1, &json!("unknown")), "{result:#}");
    let reason = result["reason"].as_str().unwrap();
    assert!(reason.contains("503") && reason.contains("left-1.0.0.tgz"), "{reason}");
    assert_eq!(result["artifacts"][0]["found"], Value::Null);
    registry.is_down(false);
    let (code, result) = selfsame(&project, &["rebuild", bundle], &here).envelope("rebuild");
    assert_eq!((code, &result["verdict"]), (0, &json!("reproduced")), "{result:#}");
}

#[test]
fn a_lock_made_behind_one_mirror_works_behind_another_and_a_changed_byte_is_refused() {
    let (one, other) = (Registry::new(), Registry::new());
    let project = npm_project(&one);
    let base = |registry: &Registry| format!("{}/npm", registry.base);
    ok(&project, &["lock"], &[("SELFSAME_REGISTRY_NPM", &base(&one))]);
    package(&other, "left", &code(&one, "left"));
    let there = base(&other);
    let there = [("SELFSAME_REGISTRY_NPM", there.as_str())];
    for locator in ["npm:/left", "npm:/left/-/left-1.0.0.tgz"] {
        lose(&blob(&project, locator));
    }
    one.is_down(true);
    ok(&project, &["fetch"], &there);
    ok(&project, &["build"], &there);

    // One byte of the tarball is another one.
    let tarball = blob(&project, "npm:/left/-/left-1.0.0.tgz");
    let mut bytes = fs::read(&tarball).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    other.has("/npm/left/-/left-1.0.0.tgz", bytes);
    lose(&tarball);
    let (code, error) = selfsame(&project, &["fetch"], &there).envelope("fetch");
    let text = error.to_string();
    assert_ne!(code, 0, "{text}");
    assert!(text.contains("expected sha256:") && text.contains("found    sha256:"), "both hashes: {text}");
    assert!(text.contains("npm:/left/-/left-1.0.0.tgz"), "of what: {text}");

    // And at lock time, where the lockfile knows better.
    fs::remove_file(project.file("selfsame.lock")).unwrap();
    let (code, error) = selfsame(&project, &["lock"], &there).envelope("lock");
    assert_ne!(code, 0);
    let text = error.to_string();
    assert!(text.contains("package-lock.json") && text.contains("left@1.0.0"), "whose: {text}");
    assert!(text.contains("expected sha256:") && text.contains("found    sha256:"), "both hashes: {text}");
    assert!(!project.file("selfsame.lock").exists(), "nothing half-written");
}

#[test]
fn a_registry_that_is_down_is_told_with_its_address() {
    let registry = Registry::new();
    let project = npm_project(&registry);
    let base = format!("{}/npm", registry.base);
    registry.is_down(true);
    let (code, error) = selfsame(&project, &["lock"], &[("SELFSAME_REGISTRY_NPM", &base)]).envelope("lock");
    let text = error.to_string();
    assert_ne!(code, 0, "{text}");
    assert!(text.contains("503") && text.contains(&registry.base), "{text}");
    assert!(registry.asked().len() > 2, "it was tried again");
}

#[test]
fn a_tarball_at_another_registry_is_had_from_this_hosts_and_must_have_the_locks_hash() {
    let registry = Registry::new();
    let project = npm_project(&registry);
    let text = fs::read_to_string(project.file("package-lock.json")).unwrap();
    let elsewhere = "http://elsewhere.example.test/api/npm/left/-/left-1.0.0.tgz";
    let resolved = format!("{{\"resolved\":\"{elsewhere}\",\"integrity\"");
    project.write("package-lock.json", &text.replace("{\"integrity\"", &resolved));
    project.commit();
    let base = format!("{}/npm", registry.base);
    // A proxy through which there is no such host.
    let proxy = Registry::new();
    let here = [
        ("SELFSAME_REGISTRY_NPM", base.as_str()),
        ("http_proxy", proxy.base.as_str()),
        ("no_proxy", ".org,.com,.net,localhost,127.0.0.1"),
    ];
    ok(&project, &["lock"], &here);
    assert!(lock_text(&project).contains(&format!("GET {elsewhere} 200 sha256:")), "{}", lock_text(&project));
    assert!(proxy.asked().iter().any(|path| path == elsewhere), "its own address goes first");
    assert!(registry.asked().iter().any(|path| path == "/npm/left/-/left-1.0.0.tgz"));
    lose(&blob(&project, elsewhere));
    ok(&project, &["fetch"], &here);

    package(&registry, "left", "module.exports = () => 'right'\n");
    fs::remove_file(project.file("selfsame.lock")).unwrap();
    let (code, error) = selfsame(&project, &["lock"], &here).envelope("lock");
    assert_ne!(code, 0, "{error:#}");
    assert!(error.to_string().contains("EINTEGRITY"), "{error:#}");
}

#[test]
fn a_crate_from_git_is_recorded_and_replayed() {
    let there = tempfile::tempdir().unwrap();
    let work = there.path().join("work");
    fs::create_dir_all(work.join("src")).unwrap();
    fs::write(
        work.join("Cargo.toml"),
        "[package]\nname = \"left\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
    )
    .unwrap();
    fs::write(work.join("src/lib.rs"), "pub fn said() -> &'static str { \"from git\" }\n").unwrap();
    git(&work, &["init", "-q", "-b", "main"]);
    git(&work, &["add", "-A"]);
    git(&work, &["commit", "-q", "-m", "a state"]);
    let commit = git(&work, &["rev-parse", "HEAD"]).trim().to_owned();
    git(there.path(), &["clone", "-q", "--bare", "work", "left.git"]);
    let proxy = Registry::new();
    proxy.has_git(there.path());

    let url = "http://git.example.test/left.git";
    let manifest = format!(
        "[package]\nname = \"said\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nleft = {{ git = \"{url}\" }}\n"
    );
    let lockfile = format!(
        "version = 3\n\n[[package]]\nname = \"left\"\nversion = \"0.1.0\"\nsource = \"git+{url}#{commit}\"\n\n\
         [[package]]\nname = \"said\"\nversion = \"0.1.0\"\ndependencies = [\n \"left\",\n]\n"
    );
    let recipe = "[[step]]\nname = \"build\"\nuses = [\"cargo\"]\nrun = [\"cargo build --locked\", \"mkdir out\", \"target/debug/said >out/said\", \"cat out/said\"]\n\
                  outputs = [\"out\"]\n\n[[artifact]]\nname = \"out.tar\"\nformat = \"tar\"\nfrom = \"step:build/out\"\n";
    let main = "fn main() { println!(\"{}\", left::said()); }\n";
    let project =
        project(recipe, &[("Cargo.toml", &manifest), ("Cargo.lock", &lockfile), ("src/main.rs", main)]);
    let here = [("http_proxy", proxy.base.as_str()), ("no_proxy", ".org,.com,.net,localhost")];
    ok(&project, &["lock"], &here);
    let text = lock_text(&project);
    assert!(text.contains(&format!("POST {url}/git-upload-pack 200 sha256:")), "{text}");
    proxy.is_down(true);
    proxy.asked();
    let built = ok(&project, &["build"], &here);
    let shown = selfsame_raw(&project, built["steps"][0]["log"].as_str().unwrap());
    assert!(shown.contains("from git"), "{shown}");
    let rebuilt = ok(&project, &["rebuild", "selfsame-out/out.tar.sigstore.json"], &here);
    assert_eq!(rebuilt["verdict"], "reproduced");
    assert!(proxy.asked().is_empty(), "a build asks nobody");
}

#[test]
fn a_lock_that_a_registry_has_stopped_goes_on_from_there() {
    let registry = Registry::new();
    let project = npm_project_of(&registry, &["halt", "onward"]);
    let base = format!("{}/npm", registry.base);
    let here = [("SELFSAME_REGISTRY_NPM", base.as_str())];
    let (there, missing) = ("/npm/halt/-/halt-1.0.0.tgz", "/npm/onward/-/onward-1.0.0.tgz");
    registry.fails(missing, true);
    let (code, error) = selfsame(&project, &["lock"], &here).envelope("lock");
    let text = error.to_string();
    assert_ne!(code, 0, "{text}");
    assert!(text.contains("503") && text.contains(missing), "who, and what it said: {text}");
    assert!(text.contains("1 files that came are in the store, and are not asked for again"), "{text}");
    assert!(registry.asked().iter().any(|path| path == there));

    registry.fails(missing, false);
    ok(&project, &["lock"], &here);
    let asked = registry.asked();
    assert!(!asked.iter().any(|path| path == there), "{asked:?}");
    assert!(asked.iter().any(|path| path == missing), "{asked:?}");
    // A lock behind another registry that has gone on is as one that was never stopped.
    let stopped = lock_text(&project);
    fs::remove_file(project.file("selfsame.lock")).unwrap();
    project.write("selfsame.lock", &languages().1);
    ok(&project, &["lock"], &here);
    assert!(
        registry.asked().iter().any(|path| path == there),
        "what was once gone on from is asked for again"
    );
    assert_eq!(lock_text(&project), stopped);
}

#[test]
fn a_step_that_asks_what_is_locked_is_not_recorded_again() {
    let registry = Registry::new();
    let project = npm_project_of(&registry, &["steady"]);
    let base = format!("{}/npm", registry.base);
    let here = [("SELFSAME_REGISTRY_NPM", base.as_str())];
    let recorded = || {
        let mut command = bare(Path::new(env!("CARGO_BIN_EXE_selfsame")), &languages().0, project.path());
        let said = ran(command.args(["lock", "--progress", "json"]).envs(here)).err;
        let events = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ended: Vec<Value> =
            events.filter(|e| e["event"] == "finished" && e["stage"] == "record").collect();
        assert_eq!(ended.len(), 1, "{said}");
        assert!(said.contains("1 fetched files are as its lockfiles say"), "it is said each time: {said}");
        ended[0]["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(recorded(), "done");
    let text = lock_text(&project);
    assert_eq!(recorded(), "done", "seen to ask what is locked");
    assert_eq!(recorded(), "cached");
    assert_eq!(lock_text(&project), text);
    // What is no longer in the store has to be brought, and another input may make it ask something else.
    lose(&blob(&project, "npm:/steady/-/steady-1.0.0.tgz"));
    assert_eq!(recorded(), "done");
    project.write("more.js", "1");
    project.commit();
    assert_eq!(recorded(), "done");
}

/// Asks as tools do that know a proxy, and as those that know none, in plain text.
const ASK: &str = r#"import os, sys, urllib.request
def ask(url, proxies=True):
    opener = urllib.request.build_opener() if proxies else urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return opener.open(url).read().decode()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
os.makedirs("out", exist_ok=True)
with open("out/said", "w") as said:
    for url in sys.argv[1:]:
        print(ask(url), ask(url, proxies=False), file=said)
"#;

fn web_recipe(urls: &str, more: &str) -> String {
    format!(
        "[[step]]\nname = \"build\"\nuses = [\"web\"]\nrun = [\"python3 ask.py {urls}\", \"cat out/said\"]\n{more}outputs = [\"out\"]\n\n\
         [[artifact]]\nname = \"out.tar\"\nformat = \"tar\"\nfrom = \"step:build/out\"\n"
    )
}

#[test]
fn any_host_is_recorded_by_its_url_and_what_was_not_is_a_violation() {
    let proxy = Registry::new();
    proxy.has("http://web.example.test/a?b=1", "one");
    let project = project(&web_recipe("'http://web.example.test/a?b=1'", ""), &[("ask.py", ASK)]);
    // What the toolchain comes from is reached as it is.
    let here = [("http_proxy", proxy.base.as_str()), ("no_proxy", ".org,.com,.net,localhost")];
    ok(&project, &["lock"], &here);
    assert!(
        lock_text(&project).contains("GET http://web.example.test/a?b=1 200 sha256:"),
        "{}",
        lock_text(&project)
    );
    let nowhere = Registry::new();
    let offline = [("http_proxy", nowhere.base.as_str()), ("no_proxy", ".org,.com,.net,localhost")];
    let built = ok(&project, &["build"], &offline);
    let log = built["steps"][0]["log"].as_str().unwrap().to_owned();
    let shown = selfsame_raw(&project, &log);
    assert!(shown.contains("one one"), "by the proxy and without: {shown}");
    assert!(nowhere.asked().is_empty());

    // The same step asks for more: the lock fits the recipe's keys, but not what the program does.
    project.write("ask.py", &ASK.replace("sys.argv[1:]", "['http://web.example.test/other']"));
    project.commit();
    let (code, error) = selfsame(&project, &["build"], &offline).envelope("build");
    let text = error.to_string();
    assert_eq!(code, 12, "{error:#}");
    assert!(text.contains("GET http://web.example.test/other"), "the URL: {text}");
    assert!(text.contains("python3 ask.py"), "the process: {text}");
    assert!(text.contains("selfsame lock"), "the command that records it: {text}");
    assert!(nowhere.asked().is_empty());

    // A host that was never asked for has no name.
    project.write("ask.py", &ASK.replace("sys.argv[1:]", "['http://other.example.test/']"));
    project.commit();
    let (code, error) = selfsame(&project, &["build"], &offline).envelope("build");
    assert_eq!(code, 12, "{error:#}");
    assert!(error.to_string().contains("other.example.test"), "{error:#}");
}

fn selfsame_raw(project: &Project, digest: &str) -> String {
    let mut command = bare(Path::new(env!("CARGO_BIN_EXE_selfsame")), &languages().0, project.path());
    ran(command.args(["show", "--raw", digest])).out
}

/// As npm would, but for npm: with the small toolchain, which has none.
#[test]
fn what_was_fetched_is_a_graph_in_the_sbom_and_listed_in_provenance() {
    let registry = Registry::new();
    let entry = |name: &str| package(&registry, name, "module.exports = 1\n");
    let (left, right) = (entry("left"), entry("right"));
    let lockfile = json!({
        "name": "hello", "version": "1.0.0", "lockfileVersion": 3, "requires": true,
        "packages": {
            "": { "name": "hello", "version": "1.0.0", "dependencies": { "left": "1.0.0" } },
            "node_modules/left": { "version": "1.0.0", "integrity": left, "dependencies": { "right": "1.0.0" } },
            "node_modules/right": { "version": "1.0.0", "integrity": right },
        },
    });
    let manifest = json!({ "name": "hello", "version": "1.0.0", "dependencies": { "left": "1.0.0" } });
    let ask = |name: &str| {
        format!("perl ask.pl GET http://npm.registry.internal/{name}/-/{name}-1.0.0.tgz A:b >/dev/null")
    };
    let run = serde_json::to_string(&[ask("left"), ask("right"), "mkdir out".to_owned()]).unwrap();
    let text = recipe(&format!(
        "[[step]]\nname = \"build\"\nuses = [\"npm\"]\nrecord = {run}\nrun = {run}\noutputs = [\"out\"]\n\n\
         [[artifact]]\nname = \"out.tar\"\nformat = \"tar\"\nfrom = \"step:build/out\"\n"
    ));
    let files = [
        ("ask.pl", crate::secrets::ASK),
        ("package.json", &manifest.to_string()),
        ("package-lock.json", &lockfile.to_string()),
    ];
    let home = Home::shared();
    let project = Project::new(&text, &files);
    let mut lock = home.command(project.path(), &["lock", "--json"]);
    let (code, locked) =
        ran(lock.env("SELFSAME_REGISTRY_NPM", format!("{}/npm", registry.base))).envelope("lock");
    assert_eq!(code, 0, "{locked:#}");
    let text = lock_text(&project);
    assert!(
        text.contains("\"pkg:npm/left@1.0.0 direct=true licence=ISC needs=pkg:npm/right@1.0.0\""),
        "{text}"
    );
    assert!(text.contains("\"pkg:npm/right@1.0.0 direct=false licence=ISC needs=\""), "{text}");
    home.ok(project.path(), &["build"]);
    let out = |ending: &str| -> Value {
        let files = fs::read_dir(project.file("selfsame-out")).unwrap().map(|e| e.unwrap().path());
        let found = files.into_iter().find(|p| p.to_string_lossy().ends_with(ending)).unwrap();
        serde_json::from_slice(&fs::read(found).unwrap()).unwrap()
    };
    let id = |name: &str| format!("pkg:npm/{name}@1.0.0#{name}-1.0.0.tgz");
    let cdx = out(".cdx.json");
    let on = |of: &str| {
        let all = cdx["dependencies"].as_array().unwrap();
        all.iter().find(|d| d["ref"] == of).map(|d| d["dependsOn"].to_string()).unwrap_or_default()
    };
    assert!(
        on("artifact/out.tar").contains(&id("left")) && !on("artifact/out.tar").contains(&id("right")),
        "{cdx:#}"
    );
    assert_eq!(on(&id("left")), json!([id("right")]).to_string());
    let licensed = |c: &&Value| c["licenses"][0]["expression"] == "ISC";
    assert_eq!(cdx["components"].as_array().unwrap().iter().filter(licensed).count(), 2, "{cdx:#}");
    assert!(out(".spdx.json").to_string().contains("DEPENDS_ON"));
    let bundle = out("out.tar.sigstore.json");
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    let mut decode = Command::new("sh");
    let statement = ran(decode.args(["-c", "printf %s \"$1\" | base64 -d", "sh", payload])).out;
    for name in [
        "fetched/build/npm:/left/-/left-1.0.0.tgz",
        "fetched/build/npm:/right/-/right-1.0.0.tgz",
        "transcript/build",
    ] {
        assert!(statement.contains(&format!("\"name\":\"{name}\"")), "{name}: {statement}");
    }
    let bundle = project.file("selfsame-out/out.tar.sigstore.json");
    assert_eq!(home.ok(project.path(), &["rebuild", bundle.to_str().unwrap()])["verdict"], "reproduced");
}
