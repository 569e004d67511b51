//! What more than a text tells: the clock, registries, forges.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use inputs::Host;
use inputs::audit::pin::Forge;
use inputs::audit::{Content, Noted, Online, Sheet, ask, audit, expiring};
use model::Timestamp;

use crate::server::Server;

/// Self-signed by openssl, for thirty days and for a hundred years.
const SOON: &str = "-----BEGIN CERTIFICATE-----\n\
     MIIBbjCCAROgAwIBAgIUD67Z/yMXCv9/BzKlIltqJnZvwTowCgYIKoZIzj0EAwIw\n\
     DDEKMAgGA1UEAwwBeDAeFw0yNjExMjQyMzMyMjZaFw0yNjEyMjQyMzMyMjZaMAwx\n\
     CjAIBgNVBAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQRhOBz33P+v/N4\n\
     yNEu6QnvnufoGEPD8nNdAUqsGjbAnbHqeKmzLM1zGqpUsbc8/QFEG+V94bM0Qwj+\n\
     nbdkY91xo1MwUTAdBgNVHQ4EFgQUOSe9o+Ys7QRliRMaRZnbKD8FYekwHwYDVR0j\n\
     BBgwFoAUOSe9o+Ys7QRliRMaRZnbKD8FYekwDwYDVR0TAQH/BAUwAwEB/zAKBggq\n\
     hkjOPQQDAgNJADBGAiEAhWZ7xaKyeG45Zvoqg4tIntInUVRhebfdha81cjPNnRcC\n\
     IQCNJIXmsNDuGI5hpCMAqndPbVAX4ITcgT2NxjC99yALKQ==\n\
     -----END CERTIFICATE-----\n\
     ";
const FAR: &str = "-----BEGIN CERTIFICATE-----\n\
     MIIBbjCCARWgAwIBAgIUUEhXr4gl2SSqKjKECQXtanLx2CUwCgYIKoZIzj0EAwIw\n\
     DDEKMAgGA1UEAwwBeDAgFw0yNjExMjQyMzMyMjZaGA8yMTI2MTAzMTIzMzIyNlow\n\
     DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAq0FzWhh4sB\n\
     BcxFiBz8xFH9L3xloLJaLvPHCYuWzgqOyeWqK8d18SRrfAsEKULF9QIqqqeExbvi\n\
     RSFyRFxhyk+jUzBRMB0GA1UdDgQWBBSow2Wo8tHJL84KbHzKJ65htBhXUjAfBgNV\n\
     HSMEGDAWgBSow2Wo8tHJL84KbHzKJ65htBhXUjAPBgNVHRMBAf8EBTADAQH/MAoG\n\
     CCqGSM49BAMCA0cAMEQCID7034ZfahLjYNG//jYz0yiVBgqbORO1WzKRb4EmksFJ\n\
     AiBoigoyV9k+fiY1iS7tEP/yHC+3QxPQL5sGqR/HxX07Lw==\n\
     -----END CERTIFICATE-----\n\
     ";
/// The second at which the first ends.
const END: i64 = 1_798_155_146;

fn sheet(path: &str, text: &str) -> Sheet {
    Sheet { path: path.to_owned(), content: Content::Text(text.to_owned()) }
}

fn told(noted: &[Noted]) -> Vec<String> {
    noted.iter().map(|n| format!("{} {}:{} {}", n.id.rule().id, n.file, n.line, n.message)).collect()
}

#[test]
fn certificates_are_told_of_before_they_end() {
    let sheets =
        [sheet("ca.pem", &format!("text\n{SOON}")), sheet("far.crt", FAR), sheet("tests/ca.pem", SOON)];
    let at = |now: i64| told(&expiring(&sheets, Timestamp(now)));
    assert_eq!(at(END - 91 * 86_400), [""; 0]);
    assert_eq!(at(END - 86_400), ["TIME04 ca.pem:2 this certificate ends on 2026-12-24"]);
    assert_eq!(at(END), ["TIME04 ca.pem:2 this certificate ended on 2026-12-24"]);
    let authorities = [sheet("bundle.pem", &SOON.repeat(4))];
    assert_eq!(told(&expiring(&authorities, Timestamp(END))), [""; 0]);
}

#[test]
fn what_is_noted_stands_among_the_findings() {
    let text = "FROM scratch\n  ADD --checksum=sha256:x https://e.org/a?Expires=1&Signature=ab /\n";
    let sheets = [sheet("Dockerfile", text)];
    let report = audit(&sheets, &[], &expiring(&sheets, Timestamp(0)));
    let found = report.findings.iter().find(|f| f.rule.id == "TIME04").unwrap();
    assert_eq!((found.line, found.column), (2, 3));
    assert!(found.evidence.starts_with("ADD --checksum"), "{}", found.evidence);
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

fn env() -> BTreeMap<String, String> {
    [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/nonexistent"), ("GIT_CONFIG_NOSYSTEM", "1")]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

fn asked(host: &Host, base: Option<&Path>, sheets: &[Sheet]) -> (Vec<String>, Vec<String>) {
    let forge = Forge { base: base.map(|b| b.display().to_string()), env: env() };
    // 2024-01-10.
    let online = Online { host, forge: &forge, now: Timestamp(1_704_844_800), cooldown: 7 };
    let (noted, problems) = ask(online, sheets);
    (told(&noted), problems)
}

#[test]
fn registries_say_what_was_withdrawn_and_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put(
        "cargo/fo/ob/foobar",
        "{\"name\":\"foobar\",\"vers\":\"1.0.0\",\"yanked\":true}\n{\"name\":\"foobar\",\"vers\":\"1.0.1\",\"yanked\":false}\n",
    );
    put(
        "cargo/3/n/new",
        "{\"name\":\"new\",\"vers\":\"2.0.0\",\"yanked\":false,\"pubtime\":\"2024-01-08T00:00:00Z\"}\n",
    );
    put("npm/left", "{\"versions\":{\"1.0.0\":{}},\"time\":{\"1.0.0\":\"2023-01-01T00:00:00.000Z\"}}");
    let server = Server::of(folder.path());
    let mut host = Host::empty();
    host.retry = Vec::new();
    host.registries.insert("cargo".into(), format!("{}/cargo", server.base));
    host.registries.insert("npm".into(), format!("{}/npm", server.base));
    host.registries.insert("pypi".into(), "http://127.0.0.1:9/simple".into());
    let entry = |name: &str, version: &str| {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"registry+https://example.org/i\"\nchecksum = \"{}\"\n",
            "0".repeat(64)
        )
    };
    let lock = format!(
        "version = 4\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\ndependencies = [\"foobar\", \"new\"]\n{}{}",
        entry("foobar", "1.0.0"),
        entry("new", "2.0.0")
    );
    let manifest =
        "[package]\nname = \"own\"\nversion = \"0.1.0\"\n[dependencies]\nfoobar = \"1\"\nnew = \"2\"\n";
    let package =
        "{\"name\":\"p\",\"version\":\"1.0.0\",\"dependencies\":{\"left\":\"1.0.0\",\"gone\":\"1.0.0\"}}";
    let integrity = format!("sha512-{}==", "A".repeat(86));
    let package_lock = format!(
        "{{\"name\":\"p\",\"version\":\"1.0.0\",\"lockfileVersion\":3,\"packages\":{{\"\":{{\"name\":\"p\",\"version\":\"1.0.0\",\"dependencies\":{{\"left\":\"1.0.0\",\"gone\":\"1.0.0\"}}}},\
         \"node_modules/left\":{{\"version\":\"1.0.0\",\"resolved\":\"https://example.org/left/-/left-1.0.0.tgz\",\"integrity\":\"{integrity}\"}},\
         \"node_modules/gone\":{{\"version\":\"1.0.0\",\"resolved\":\"https://example.org/gone/-/gone-1.0.0.tgz\",\"integrity\":\"{integrity}\"}}}}}}"
    );
    let sheets = [
        sheet("Cargo.toml", manifest),
        sheet("Cargo.lock", &lock),
        sheet("src/lib.rs", ""),
        sheet("web/package.json", package),
        sheet("web/package-lock.json", &package_lock),
        sheet(
            "requirements.txt",
            &format!("a==1.0 --hash=sha256:{}\nb==1.0 --hash=sha256:{}\n", "0".repeat(64), "0".repeat(64)),
        ),
    ];
    let (told, problems) = asked(&host, None, &sheets);
    assert_eq!(
        told,
        [
            "LOCK16 Cargo.lock:7 `foobar@1.0.0` should not be used: it was yanked",
            "LOCK13 Cargo.lock:12 `new@2.0.0` was released on 2024-01-08, less than 7 days ago",
        ]
    );
    // Who does not answer is told, and is no finding.
    assert!(problems.iter().any(|p| p.contains("npm/gone is not there")), "{problems:?}");
    assert!(problems.iter().any(|p| p.contains("127.0.0.1:9")), "{problems:?}");
}

#[test]
fn a_commit_is_what_its_comment_says_and_is_of_its_repository() {
    let base = tempfile::tempdir().unwrap();
    let place = base.path().join("owner/name");
    std::fs::create_dir_all(&place).unwrap();
    git(&place, &["init", "-q"]);
    git(&place, &["config", "uploadpack.allowFilter", "true"]);
    git(&place, &["commit", "-q", "--allow-empty", "-m", "one"]);
    let one = git(&place, &["rev-parse", "HEAD"]);
    git(&place, &["tag", "-a", "v1.0.0", "-m", "annotated"]);
    git(&place, &["commit", "-q", "--allow-empty", "-m", "two"]);
    let two = git(&place, &["rev-parse", "HEAD"]);
    git(&place, &["commit", "-q", "--allow-empty", "-m", "three"]);
    // On no branch and no tag, as a fork's commits are.
    git(&place, &["checkout", "-q", "--detach"]);
    git(&place, &["commit", "-q", "--allow-empty", "-m", "a stranger's"]);
    let stranger = git(&place, &["rev-parse", "HEAD"]);
    git(&place, &["checkout", "-q", "main"]);
    let uses: String = [
        (&one, "v1.0.0"),
        (&one, "1.0.0"),
        (&two, "v1.0.0"),
        (&two, "main of some day 1"),
        (&stranger, "v2"),
    ]
    .map(|(commit, comment)| format!("    - uses: owner/name@{commit} # {comment}\n"))
    .concat();
    let text = format!(
        "jobs:\n  a:\n    steps:\n{uses}    - uses: owner/none@{one} # v1\n    - uses: owner/name@v1\n"
    );
    let sheets = [sheet(".github/workflows/a.yml", &text)];
    let (told, problems) = asked(&Host::empty(), Some(base.path()), &sheets);
    assert_eq!(
        told,
        [
            format!("CI03 .github/workflows/a.yml:6 the comment says `v1.0.0`, which is {}", &one[..12]),
            "CI03 .github/workflows/a.yml:8 no branch and no tag of `owner/name` leads to this commit"
                .to_owned(),
        ]
    );
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("owner/none: "), "{problems:?}");
    let (told, problems) = asked(&Host::empty(), None, &sheets);
    assert_eq!((told.len(), problems.len()), (0, 2), "without a forge: {problems:?}");
}
