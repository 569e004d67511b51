//! Steps that fetch: recorded when they are locked, replayed when they are built, from then on without any network.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::home::{Ran, bare, ran};
use crate::languages::{languages, project};
use crate::project::Project;
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
    fs::write(inner.join("package.json"), json!({ "name": name, "version": "1.0.0" }).to_string()).unwrap();
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

/// A project that uses one package, and the registry that has it.
fn npm_project(registry: &Registry) -> Project {
    npm_project_of(registry, &["left"])
}

/// A project that uses these packages. The store is that of all tests: what one loses, no other may need.
fn npm_project_of(registry: &Registry, names: &[&str]) -> Project {
    let dependencies: BTreeMap<&str, &str> = names.iter().map(|name| (*name, "1.0.0")).collect();
    let mut packages = json!({ "": { "name": "hello", "version": "1.0.0", "dependencies": dependencies } });
    for name in names {
        let integrity = package(registry, name, &format!("module.exports = () => '{name}'\n"));
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
}

#[test]
fn a_lock_made_behind_one_mirror_works_behind_another_and_a_changed_byte_is_refused() {
    let (one, other) = (Registry::new(), Registry::new());
    let project = npm_project(&one);
    let base = |registry: &Registry| format!("{}/npm", registry.base);
    ok(&project, &["lock"], &[("SELFSAME_REGISTRY_NPM", &base(&one))]);
    package(&other, "left", "module.exports = () => 'left'\n");
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
