//! Secrets: steps read them, and no trace of them is anywhere else.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::home::{Home, Ran, ran};
use crate::project::{Project, recipe};
use crate::registry::Registry;

/// A secret that no other test has, and a file with it.
struct Token {
    dir: tempfile::TempDir,
    text: String,
}

impl Token {
    fn new(mark: &str) -> Self {
        let (dir, text) = (tempfile::tempdir().unwrap(), format!("tok/{mark}+{}?&=x", std::process::id()));
        fs::write(dir.path().join("token"), format!("{text}\n")).unwrap();
        Self { dir, text }
    }

    fn option(&self) -> String {
        format!("--secret=token={}", self.dir.path().join("token").display())
    }

    /// It, as Base64 and percent-encoded.
    fn forms(&self) -> [String; 3] {
        let base64 = ran(Command::new("base64").arg(self.dir.path().join("token"))).out;
        // Without what stands for the end of the line.
        let base64 = base64.trim_end().trim_end_matches('=');
        let percent = self.text.replace('/', "%2F").replace('+', "%2B").replace('?', "%3F");
        [
            self.text.clone(),
            base64[..base64.len() - 3].to_owned(),
            percent.replace('&', "%26").replace('=', "%3D"),
        ]
    }

    #[track_caller]
    fn assert_not_in(&self, ran: &Ran) {
        for form in self.forms() {
            assert!(!ran.out.contains(&form) && !ran.err.contains(&form), "{form}: {ran:?}");
        }
    }

    /// In no file of these folders. The store is a link that only its own mention follows.
    #[track_caller]
    fn assert_nowhere(&self, home: &Home, project: &Project) {
        let mut grep = Command::new("grep");
        grep.args(["-rlaF"]);
        for form in self.forms() {
            grep.args(["-e", &form]);
        }
        let places = [home.path().to_owned(), home.store().join("."), project.path().to_owned()];
        let found = ran(grep.args(places));
        assert_eq!(found.out, "", "{found:?}");
    }
}

fn with_token(run: &[&str], outputs: &str) -> String {
    let run = serde_json::to_string(run).unwrap();
    recipe(&format!(
        "[[step]]\nname = \"build\"\nsecrets = [\"token\"]\nviolations = {{ network = \"warn\" }}\n\
         run = {run}\noutputs = [\"{outputs}\"]\n\n\
         [[artifact]]\nname = \"out.tar\"\nformat = \"tar\"\nfrom = \"step:build/{outputs}\"\n"
    ))
}

fn blob_text(home: &Home, dir: &Path, digest: &str) -> String {
    home.run(dir, &["show", "--raw", digest]).out
}

#[test]
fn a_secret_is_read_by_its_step_and_is_nowhere_else() {
    let home = Home::shared();
    let token = Token::new("nowhere");
    let run: [&str; _] = [
        "mkdir out; sha256sum < /run/secrets/token > out/sum; ls -l /run/secrets",
        "cat /run/secrets/token; base64 /run/secrets/token; printf 'user:%s' $(cat /run/secrets/token) | base64",
        "perl -e '$| = 1; open F, q(/run/secrets/token); for (split //, <F>) { print; select undef, undef, undef, .01 }'",
        "perl -e 'open F, q(/run/secrets/token); $_ = <F>; chomp; s/([^a-z0-9-])/sprintf(q(%%%02X),ord $1)/ge; print qq($_\\n)'",
        "perl -MSocket -e 'socket S, 2, 1, 0; connect S, sockaddr_in(9, inet_aton(q(192.0.2.1)))' $(cat /run/secrets/token) || true",
        "env; cat /proc/self/environ",
        // Other each time: the store remembers.
        &format!("true {}", std::process::id()),
    ];
    let project = Project::new(&with_token(&run, "out"), &[]);
    let option = token.option();
    for args in [
        &["build", "--json", &option][..],
        &["build", "-v", "--fresh", &option],
        &["reproduce", "--json", &option],
    ] {
        let ran = home.run(project.path(), args);
        token.assert_not_in(&ran);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
    }
    let result = home.ok(project.path(), &["build"]);
    assert_eq!(result["cached"], true, "a step that is cached needs no secret: {result:#}");
    let step = &result["steps"][0];
    assert_eq!(step["components"]["secrets"], "token");
    let log = blob_text(&home, project.path(), step["log"].as_str().unwrap());
    assert!(log.matches("***").count() >= 5 && log.contains("-r--------"), "{log}");
    let seen = blob_text(&home, project.path(), step["observation"].as_str().unwrap());
    assert!(seen.contains("192.0.2.1") && seen.contains("***"), "{seen}");
    token.assert_nowhere(&home, &project);

    let sum = model::Digest::of(format!("{}\n", token.text).as_bytes()).hex();
    let tar = fs::read(project.file("selfsame-out/out.tar")).unwrap();
    assert!(String::from_utf8_lossy(&tar).contains(&sum), "the step has read the very bytes");
    let bundle = project.file("selfsame-out/out.tar.sigstore.json");
    let bundle = bundle.to_str().unwrap();
    let (code, error) = home.json(project.path(), &["rebuild", bundle]);
    assert_eq!(code, 4, "{error:#}");
    assert!(error["help"][0].as_str().unwrap().contains("--secret token=FILE"), "{error:#}");
    let rebuilt = home.ok(project.path(), &["rebuild", bundle, &option]);
    assert_eq!(rebuilt["verdict"], "reproduced");
    let text: serde_json::Value = serde_json::from_str(&fs::read_to_string(bundle).unwrap()).unwrap();
    let payload = text["dsseEnvelope"]["payload"].as_str().unwrap();
    let mut decode = Command::new("sh");
    let statement = ran(decode.args(["-c", "printf %s \"$1\" | base64 -d", "sh", payload])).out;
    token.assert_not_in(&Ran { code: None, out: statement.clone(), err: String::new() });
    assert!(statement.contains(r#""secrets":{"build":["token"]}"#), "{statement}");
}

#[test]
fn an_output_that_holds_a_secret_is_not_kept() {
    let home = Home::shared();
    let token = Token::new("output");
    for (command, place) in [
        ("cp /run/secrets/token out/copy", "`out/copy`"),
        ("base64 /run/secrets/token > out/copy", "`out/copy`"),
        ("gzip -c /run/secrets/token > out/copy.gz", "`out/copy.gz`"),
        ("tar -C /run/secrets -czf out/copy.tgz token", "`out/copy.tgz`"),
        ("ln -s \"$(cat /run/secrets/token)\" out/link", "the symbolic link `out/link`"),
        ("mkdir -p \"out/$(cat /run/secrets/token)\"", "the name `out/***`"),
    ] {
        let project = Project::new(&with_token(&["mkdir out", command], "out"), &[]);
        let ran = home.run(project.path(), &["build", "--json", &token.option()]);
        token.assert_not_in(&ran);
        let (code, error) = ran.envelope("build");
        assert_eq!(code, 10, "{command}: {error:#}");
        let title = error["title"].as_str().unwrap();
        assert!(title.contains(place) && title.contains("the secret `token`"), "{command}: {title}");
        assert!(!project.file("selfsame-out/out.tar").exists());
        token.assert_nowhere(&home, &project);
    }
}

#[test]
fn a_step_that_fails_tells_no_secret() {
    let home = Home::shared();
    let token = Token::new("failing");
    let fails = "cat /run/secrets/token; perl -e 'open F, shift or die qq(no file: $!\\n)' \"/x/$(cat /run/secrets/token)\"";
    let project = Project::new(&with_token(&["mkdir out", fails], "out"), &[]);
    for args in [&["build", "--json"][..], &["build", "-v"], &["build", "--progress=json"]] {
        let ran = home.run(project.path(), &[args, &[&token.option()]].concat());
        token.assert_not_in(&ran);
        assert!(matches!(ran.code, Some(10 | 12)), "{ran:?}");
        assert!(ran.out.contains("***") || ran.err.contains("***"), "{ran:?}");
    }
    let project = Project::new(
        &with_token(&["cat /run/secrets/token; touch \"$(cat /run/secrets/token | tr / -)\""], "other"),
        &[],
    );
    let ran = home.run(project.path(), &["build", "--json", &token.option()]);
    token.assert_not_in(&ran);
    assert_eq!(ran.code, Some(10), "{ran:?}");
    token.assert_nowhere(&home, &project);
}

#[test]
fn what_is_wrong_with_a_secret_is_told_before_anything_runs() {
    let home = Home::shared();
    let token = Token::new("wrong");
    // Other each time: the store remembers.
    let run = format!("mkdir out; wc -c < /run/secrets/token # {}", std::process::id());
    let project = Project::new(&with_token(&[&run], "out"), &[]);
    let file = token.option();
    let short = token.dir.path().join("short");
    fs::write(&short, "1234567\n").unwrap();
    let short = format!("--secret=token={}", short.display());
    for (args, exit, told) in [
        (&[][..], 4, "needs the secret `token`"),
        (&["--secret=token=/x/nowhere"], 4, "cannot be read"),
        (&["--secret=token=/dev/zero"], 4, "more than"),
        (&["--secret=token=env:NOT_SET"], 4, "NOT_SET is not set"),
        (&[&short], 4, "expected at least 8"),
        (&["--secret=tokne=/dev/null"], 2, "no step of the recipe has a secret `tokne`"),
        (&["--secret=token"], 2, "NAME=FILE"),
        (&[&file, &file], 2, "given twice"),
    ] {
        let (code, error) = home.json(project.path(), &[&["build"][..], args].concat());
        assert_eq!(code, exit, "{args:?}: {error:#}");
        assert!(error["title"].as_str().unwrap().contains(told), "{args:?}: {error:#}");
    }
    let (code, error) = home.json(project.path(), &["shell", "build"]);
    assert_eq!(code, 4, "{error:#}");
    let listed = home.ok(project.path(), &["log"]);
    assert_eq!(listed["entries"].as_array().map(Vec::len), Some(0), "nothing ran: {listed:#}");

    let mut command = home.command(project.path(), &["build", "--json", "--secret=token=env:A_TOKEN"]);
    let (code, result) = ran(command.env("A_TOKEN", &token.text)).envelope("build");
    assert_eq!(code, 0, "{result:#}");
    let log = blob_text(&home, project.path(), result["steps"][0]["log"].as_str().unwrap());
    assert!(log.ends_with(&format!("{}\n", token.text.len())), "{log}");
    let (code, _) = home.json(project.path(), &["build", "--fresh"]);
    assert_eq!(code, 4);
    token.assert_nowhere(&home, &project);
}

/// Asks the proxy that the step is told of, as a client would.
pub(crate) const ASK: &str = r#"use IO::Socket::INET;
my ($method, $url, $header, $body) = @ARGV;
my ($proxy) = $ENV{http_proxy} =~ m{//([^/]+)};
my $socket = IO::Socket::INET->new(PeerAddr => $proxy) or die "no proxy: $!";
my $length = length($body // "");
print $socket "$method $url HTTP/1.1\r\nHost: web.example.test\r\n$header\r\nContent-Length: $length\r\nConnection: close\r\n\r\n$body";
print while <$socket>;
"#;

#[test]
fn a_step_is_recorded_with_its_secrets_and_none_of_them_is_locked() {
    let home = Home::shared();
    let token = Token::new("recorded");
    let web = Registry::new();
    web.has("http://web.example.test/a", "an answer");
    web.has("http://web.example.test/echo", format!("you are {}", token.text));
    // What the toolchain comes from is reached as it is.
    let lock = |project: &Project, more: &[&str]| {
        let mut command = home.command(project.path(), &[&["lock", "--json"][..], more].concat());
        ran(command.env("http_proxy", &web.base).env("no_proxy", ".org,.com,.net,localhost"))
    };
    let project = |ask: &str| {
        let run =
            serde_json::to_string(&[&format!("mkdir -p out; perl ask.pl {ask} | tee out/said")]).unwrap();
        let text = recipe(&format!(
            "[[step]]\nname = \"build\"\nuses = [\"web\"]\nsecrets = [\"token\"]\nrun = {run}\noutputs = [\"out\"]\n\n\
             [[artifact]]\nname = \"out.tar\"\nformat = \"tar\"\nfrom = \"step:build/out\"\n"
        ));
        Project::new(&text, &[("ask.pl", ASK)])
    };
    let option = token.option();
    let secret = "$(cat /run/secrets/token)";
    for (ask, place) in [
        (
            format!("GET \"http://web.example.test/a?key={secret}\""),
            "the request `GET http://web.example.test/a?key=***`",
        ),
        (
            format!("POST http://web.example.test/a X-A:b \"key={secret}\""),
            "the request `POST http://web.example.test/a`",
        ),
        (
            format!("GET http://web.example.test/a \"Git-Protocol: {secret}\""),
            "the request `GET http://web.example.test/a`",
        ),
        (
            "GET http://web.example.test/echo X-A:b".to_owned(),
            "the answer to `GET http://web.example.test/echo`",
        ),
    ] {
        let project = project(&ask);
        let before = fs::read_to_string(project.file("selfsame.lock")).ok();
        let ran = lock(&project, &[&option]);
        token.assert_not_in(&ran);
        let (code, error) = ran.envelope("lock");
        assert_eq!(code, 10, "{ask}: {error:#}");
        let title = error["title"].as_str().unwrap();
        assert!(title.contains(place) && title.contains("the secret `token`"), "{ask}: {title}");
        assert_eq!(fs::read_to_string(project.file("selfsame.lock")).ok(), before);
        token.assert_nowhere(&home, &project);
    }
    assert_eq!(web.asked(), ["http://web.example.test/echo"], "nobody else was asked");

    let project = project(&format!("GET http://web.example.test/a \"Authorization: Bearer {secret}\""));
    let (code, error) = lock(&project, &[]).envelope("lock");
    assert_eq!(code, 4, "{error:#}");
    assert!(error["help"][0].as_str().unwrap().contains("--secret token=FILE"), "{error:#}");
    let ran = lock(&project, &[&option]);
    token.assert_not_in(&ran);
    assert_eq!(ran.envelope("lock").0, 0, "{ran:?}");
    let text = fs::read_to_string(project.file("selfsame.lock")).unwrap();
    assert!(text.contains("GET http://web.example.test/a 200 sha256:"), "{text}");
    token.assert_nowhere(&home, &project);
    let built = home.ok(project.path(), &["build", &option]);
    let log = blob_text(&home, project.path(), built["steps"][0]["log"].as_str().unwrap());
    assert!(log.contains("an answer"), "{log}");
    token.assert_nowhere(&home, &project);
}
