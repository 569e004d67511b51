//! Pin, against a real registry on this machine, real git repositories as a forge, and texts of every kind.

mod registry;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use inputs::Host;
use inputs::audit::pin::{Forge, Named, PinError, Registries, Resolve, pin, references};
use inputs::audit::{Content, Sheet};

use registry::Registry;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const DIGEST: &str = "sha256:7b0b8f3f6a2f9a1d8c4e5b6a7f8091a2b3c4d5e6f708192a3b4c5d6e7f809100";
const OTHER: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn sheet(path: &str, text: &str) -> Sheet {
    Sheet { path: path.to_owned(), content: Content::Text(text.to_owned()) }
}

/// Everything has one digest and one commit.
struct Fixed;

impl Resolve for Fixed {
    fn image(&self, reference: &str) -> Result<String, PinError> {
        if reference.contains("gone") {
            return Err(PinError::NoRegistry { image: reference.to_owned() });
        }
        Ok(DIGEST.to_owned())
    }

    fn action(&self, _: &str, _: &str) -> Result<String, PinError> {
        Ok(COMMIT.to_owned())
    }
}

fn env() -> BTreeMap<String, String> {
    [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/nonexistent"), ("GIT_CONFIG_NOSYSTEM", "1")]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

#[test]
fn a_name_over_several_lines_or_in_quotes_has_a_place_in_the_text() {
    for (text, expected) in [
        ("FROM scratch\nCOPY --from=a/\\\n#é\nb:1 x y\n", "a/\\\n#é\nb:1"),
        ("ARG ''é=a/b:1\nFROM $é\n", "''é=a/b:1"),
        (
            "FROM scratch\nCOPY --from=\"r.example.org/é:1\" x y\nCOPY --from=\"debian:12\" x y\n",
            "\"debian:12\"",
        ),
        (
            "FROM scratch\nRUN --mount=type=bind,fr\\\n# é\nom=a/b:1 x\n",
            "--mount=type=bind,fr\\\n# é\nom=a/b:1",
        ),
    ] {
        let sheets = [sheet("Dockerfile", text)];
        let found = references(&sheets);
        let last = found.last().map(|reference| &text[reference.span.clone()]);
        assert_eq!(last, Some(expected), "{text}");
        let outcome = pin(&sheets, &Fixed, true);
        assert!(outcome.failed.is_empty() && outcome.texts["Dockerfile"].contains(DIGEST), "{text}");
    }
}

#[test]
fn texts_stay_byte_for_byte_beside_what_is_pinned() {
    // Path, before, after: `@D` is the digest, `@C` the commit.
    let cases = [
        (
            "Dockerfile",
            "# syntax=docker/dockerfile:1  \r\nFROM  debian:12   AS a # x\r\n",
            "# syntax=docker/dockerfile:1@D  \r\nFROM  debian:12@D   AS a # x\r\n",
        ),
        (
            "Dockerfile",
            "ARG B=alpine:3\nARG V=1\nFROM $B\nFROM ${B} as b\nFROM r.example.org/x:$V\nFROM b\n",
            "ARG B=alpine:3@D\nARG V=1\nFROM $B\nFROM ${B} as b\nFROM r.example.org/x:$V@D\nFROM b\n",
        ),
        (
            "Dockerfile",
            "FROM scratch\nCOPY --from=a/b:1 --chown=1 x y\nRUN --mount=type=bind,from=c/d:2,target=/x true\n",
            "FROM scratch\nCOPY --from=a/b:1@D --chown=1 x y\nRUN --mount=type=bind,from=c/d:2@D,target=/x true\n",
        ),
        (
            ".github/workflows/a.yml",
            "jobs:\n  a:\n    container: 'node:20' # n\n    steps:\n    - uses: a/b@v1\n    - uses:   \"a/b/c@v1.2\"   # note\n    - {uses: a/b@main, if: x}\n    - uses: docker://alpine:3\n    - uses: ./x\n",
            "jobs:\n  a:\n    container: 'node:20@D' # n\n    steps:\n    - uses: a/b@C # v1\n    - uses:   \"a/b/c@C\"   # v1.2 note\n    - {uses: a/b@C, if: x}\n    - uses: docker://alpine:3@D\n    - uses: ./x\n",
        ),
        (
            "action.yml",
            "runs:\n  using: composite\n  steps: [{uses: a/b@v1}]\n",
            "runs:\n  using: composite\n  steps: [{uses: a/b@C}]\n",
        ),
        (
            "compose.yaml",
            "services:\n  é: {image: \"é/x\"}\n  b: {image: \"b:1\"} # é\n",
            "services:\n  é: {image: \"é/x\"}\n  b: {image: \"b:1@D\"} # é\n",
        ),
        (
            "k.yaml",
            "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: a:1\n---\n{apiVersion: v1, kind: Pod, spec: {initContainers: [{image: b:2}]}}\n",
            "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: a:1@D\n---\n{apiVersion: v1, kind: Pod, spec: {initContainers: [{image: b:2@D}]}}\n",
        ),
        (
            ".gitlab-ci.yml",
            "image: {name: a:1, entrypoint: ['']}\nj:\n  services: [b:2]\n",
            "image: {name: a:1@D, entrypoint: ['']}\nj:\n  services: [b:2@D]\n",
        ),
        (
            ".devcontainer/devcontainer.json",
            "{ // c\n\t\"image\": \"a:1\", }",
            "{ // c\n\t\"image\": \"a:1@D\", }",
        ),
    ];
    for (path, before, after) in cases {
        let after = after.replace("@D", &format!("@{DIGEST}")).replace("@C", &format!("@{COMMIT}"));
        let outcome = pin(&[sheet(path, before)], &Fixed, false);
        assert_eq!(outcome.texts.get(path), Some(&after), "{path}");
        assert_eq!(outcome.failed, []);
        let again = pin(&[sheet(path, &after)], &Fixed, false);
        assert_eq!((again.pinned.len(), again.texts.len()), (0, 0), "{path} is left as it is");
        assert!(references(&[sheet(path, &after)]).iter().all(|r| r.pinned), "{path}");
    }
}

#[test]
fn an_update_moves_what_is_pinned_and_only_that() {
    let text = format!("FROM a:1@{OTHER} AS x\nFROM b@{DIGEST}\nFROM scratch\n");
    let outcome = pin(&[sheet("Dockerfile", &text)], &Fixed, true);
    assert_eq!(outcome.texts["Dockerfile"], text.replace(OTHER, DIGEST));
    assert_eq!(outcome.pinned.len(), 1);
    let old = COMMIT.replace('0', "f");
    let workflow = format!("jobs:\n  a:\n    steps:\n    - uses: a/b@{old} # v1\n    - uses: a/c@{old}\n");
    let outcome = pin(&[sheet(".github/workflows/a.yml", &workflow)], &Fixed, true);
    assert_eq!(outcome.texts[".github/workflows/a.yml"], workflow.replacen(&old, COMMIT, 1));
}

#[test]
fn what_cannot_be_pinned_does_not_keep_the_rest() {
    let outcome = pin(&[sheet("Dockerfile", "FROM gone:1\nFROM a:1\n")], &Fixed, false);
    assert_eq!(outcome.texts["Dockerfile"], format!("FROM gone:1\nFROM a:1@{DIGEST}\n"));
    assert_eq!(outcome.failed.len(), 1);
    assert_eq!(outcome.failed[0].0.named, Named::Image("gone:1".to_owned()));
}

#[test]
fn a_real_registry_says_what_a_tag_is() {
    let registry = Registry::start(false);
    let digest = registry.push("team/base", "1.0");
    let library = registry.push("library/base", "latest");
    let host = Host::empty();
    let of = |image: &str| Registries::new(&host, Some(registry.address.clone())).resolve(image);
    assert_eq!(of(&format!("{}/team/base:1.0", registry.address)), Ok(digest.clone()));
    assert_eq!(of("team/base:1.0"), Ok(digest));
    assert_eq!(of("base"), Ok(library));
    let error = of("team/base:2.0").unwrap_err().to_string();
    assert!(error.contains("404") && error.contains("team/base:2.0"), "{error}");
    let nobody = Registries::new(&host, None).resolve("team/base:1.0");
    assert_eq!(nobody, Err(PinError::NoRegistry { image: "team/base:1.0".to_owned() }));
}

#[test]
fn a_real_registry_is_told_who_asks() {
    let registry = Registry::start(true);
    let digest = registry.push("team/base", "1.0");
    let home = tempfile::tempdir().unwrap();
    let mut env = env();
    env.insert("HOME".to_owned(), home.path().display().to_string());
    let mut host = Host::empty();
    host.env = env;
    let image = format!("{}/team/base:1.0", registry.address);
    let error = Registries::new(&host, None).resolve(&image).unwrap_err().to_string();
    assert!(error.contains("log in"), "{error}");
    std::fs::create_dir(home.path().join(".docker")).unwrap();
    let config = format!("{{\"auths\": {{\"{}\": {{\"auth\": \"{}\"}}}}}}", registry.address, registry::AUTH);
    std::fs::write(home.path().join(".docker/config.json"), config).unwrap();
    assert_eq!(Registries::new(&host, None).resolve(&image), Ok(digest));
}

/// The flow of tokens as the specification has it: refused, sent to the realm, let in.
#[test]
fn a_token_is_asked_for_where_the_registry_says() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let realm = format!("http://{address}/token");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let allowed = head.iter().any(|line| line.eq_ignore_ascii_case("authorization: Bearer t0ken"));
            let answer = if request.contains("/token?scope=repository:a/b:pull&service=s") {
                "HTTP/1.1 200 OK\r\nContent-Length: 17\r\nConnection: close\r\n\r\n{\"token\":\"t0ken\"}"
                    .to_owned()
            } else if allowed {
                format!(
                    "HTTP/1.1 200 OK\r\nDocker-Content-Digest: {DIGEST}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
            } else {
                format!(
                    "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=\"{realm}\",service=\"s\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
            };
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let host = Host::empty();
    let resolved = Registries::new(&host, None).resolve(&format!("{address}/a/b:1"));
    assert_eq!(resolved, Ok(DIGEST.to_owned()));
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_forge_says_what_a_tag_is() {
    let base = tempfile::tempdir().unwrap();
    let bare = base.path().join("owner/name");
    std::fs::create_dir_all(&bare).unwrap();
    git(&bare, &["init", "-q"]);
    git(&bare, &["commit", "-q", "--allow-empty", "-m", "one"]);
    git(&bare, &["tag", "v1"]);
    let first = git(&bare, &["rev-parse", "HEAD"]);
    git(&bare, &["commit", "-q", "--allow-empty", "-m", "two"]);
    git(&bare, &["tag", "-a", "v2", "-m", "annotated"]);
    let second = git(&bare, &["rev-parse", "HEAD"]);
    let forge = Forge { base: Some(base.path().display().to_string()), env: env() };
    assert_eq!(forge.resolve("owner/name", "v1"), Ok(first));
    assert_eq!(forge.resolve("owner/name/sub/dir", "v2"), Ok(second.clone()));
    assert_eq!(forge.resolve("owner/name", "main"), Ok(second));
    for (name, reference) in
        [("owner/name", "v3"), ("owner/none", "v1"), ("owner/..", "v1"), ("owner/name", "--upload-pack=x")]
    {
        assert!(matches!(forge.resolve(name, reference), Err(PinError::Forge { .. })), "{name}@{reference}");
    }
    let nowhere = Forge { base: None, env: env() };
    assert!(matches!(nowhere.resolve("owner/name", "v1"), Err(PinError::NoForge { .. })));
}
