//! What is looked for: texts, and what has to stand around each so that it means something.
//!
//! Few false alarms are worth more than one leak more: who is told of ten things that are none does not read the
//! eleventh. So a path counts as a path and not as the end of a longer one, a name of a machine as a word, and names that
//! are words of the language (a host `mercury`, a user `alice`) only where something says that they are names.

use std::collections::BTreeSet;
use std::ops::Range;

use model::credential::{KEY_MARKS, PrivateKey, SHAPES, Shape};
use model::{LeakRule, Severity};

use super::Wanted;

/// One text that is looked for.
pub(super) struct Needle {
    pub(super) rule: LeakRule,
    pub(super) text: Vec<u8>,
    test: Test,
}

/// What has to stand around it.
enum Test {
    /// It is a path: nothing before it that makes it the end of another, nothing behind it that makes it another's name.
    Path,
    /// It is a word.
    Word,
    /// It brings what stands before it, and ends as a word.
    End,
    Token(&'static Shape),
    Key,
    /// Wherever it stands. Never shown.
    Secret(String),
}

/// A needle that counts, where it stands.
pub(super) struct Sight {
    pub(super) excerpt: Excerpt,
    pub(super) severity: Severity,
}

/// What is shown of it.
pub(super) enum Excerpt {
    /// These bytes, but for what nobody may see.
    Bytes(Range<usize>),
    /// This text.
    Text(String),
}

/// No excerpt is longer.
const EXCERPT: usize = 160;

/// Folders that are called so on many machines: they tell of none.
const COMMON_PATHS: [&str; 16] = [
    "/usr/src",
    "/usr/local",
    "/usr/lib",
    "/usr/share",
    "/usr/bin",
    "/var/tmp",
    "/var/lib",
    "/var/cache",
    "/home/runner",
    "/home/user",
    "/home/ubuntu",
    "/home/debian",
    "/home/vagrant",
    "/home/build",
    "/home/builder",
    "/github/workspace",
];

/// Users that many machines have.
const COMMON_USERS: [&str; 28] = [
    "root",
    "build",
    "builder",
    "buildd",
    "runner",
    "user",
    "users",
    "ubuntu",
    "debian",
    "fedora",
    "admin",
    "nobody",
    "jenkins",
    "gitlab",
    "gitlab-runner",
    "vagrant",
    "www-data",
    "circleci",
    "travis",
    "node",
    "app",
    "dev",
    "test",
    "guest",
    "docker",
    "git",
    "default",
    "vscode",
];

/// Hosts that are called so on many networks.
const COMMON_HOSTS: [&str; 16] = [
    "localhost",
    "localhost.localdomain",
    "selfsame",
    "buildkitsandbox",
    "ubuntu",
    "debian",
    "fedora",
    "docker",
    "runner",
    "builder",
    "server",
    "desktop",
    "laptop",
    "host",
    "build",
    "sandbox",
];

/// What says that a name follows.
const SAYS_USER: [&str; 9] = [
    "/home/",
    "/Users/",
    "\\Users\\",
    "Built-By: ",
    "built by ",
    "Built by ",
    "compiled by ",
    "Packager: ",
    "USER=",
];

/// The needles of what is wanted, the meaningful ones, each text once.
pub(super) fn needles(wanted: &Wanted) -> Vec<Needle> {
    let mut list: Vec<Needle> = Vec::new();
    let mut add = |rule: LeakRule, text: &[u8], test: Test| {
        // Which of the two it is depends on where it stands.
        let asked = wanted.rules.contains(&rule)
            || rule == LeakRule::BuildPath && wanted.rules.contains(&LeakRule::DebugPath);
        if asked && !list.iter().any(|needle| needle.text == text) {
            list.push(Needle { rule, text: text.to_owned(), test });
        }
    };
    for (name, form) in &wanted.secrets {
        add(LeakRule::Secret, form, Test::Secret(name.clone()));
    }
    for path in wanted.build_paths.iter().filter_map(|path| folder(path)) {
        add(LeakRule::BuildPath, path.as_bytes(), Test::Path);
    }
    for path in wanted.machine.paths.iter().filter_map(|path| folder(path)) {
        if path.len() >= 6 && !COMMON_PATHS.contains(&path) {
            add(LeakRule::HostPath, path.as_bytes(), Test::Path);
        }
    }
    for host in wanted.machine.hosts.iter().filter(|host| tells(host, &COMMON_HOSTS)) {
        if is_no_word(host) {
            add(LeakRule::HostName, host.as_bytes(), Test::Word);
        } else {
            add(LeakRule::HostName, format!("@{host}").as_bytes(), Test::End);
        }
    }
    for user in wanted.machine.users.iter().filter(|user| tells(user, &COMMON_USERS)) {
        for before in SAYS_USER {
            add(LeakRule::UserName, format!("{before}{user}").as_bytes(), Test::End);
        }
    }
    for shape in SHAPES {
        add(LeakRule::Token, shape.prefix.as_bytes(), Test::Token(shape));
    }
    for mark in KEY_MARKS {
        add(LeakRule::PrivateKey, mark.as_bytes(), Test::Key);
    }
    list
}

/// An absolute path of at least two names, without the `/` at its end.
fn folder(path: &str) -> Option<&str> {
    let path = path.trim_end_matches('/');
    (path.starts_with('/') && path.matches('/').count() >= 2).then_some(path)
}

/// Whether a name is one that few have.
pub(super) fn tells(name: &str, common: &[&str]) -> bool {
    name.len() >= 4 && !common.contains(&name.to_ascii_lowercase().as_str())
}

/// The users that are told by their name alone, in a field that is meant for it.
pub(super) fn users(wanted: &Wanted) -> BTreeSet<String> {
    wanted.machine.users.iter().filter(|user| tells(user, &COMMON_USERS)).cloned().collect()
}

/// The hosts likewise.
pub(super) fn hosts(wanted: &Wanted) -> BTreeSet<String> {
    wanted.machine.hosts.iter().filter(|host| tells(host, &COMMON_HOSTS)).cloned().collect()
}

/// Whether a name cannot be taken for a word of a language: it has a letter, and a digit, `-` or `.`.
fn is_no_word(name: &str) -> bool {
    name.len() >= 6
        && name.bytes().any(|b| b.is_ascii_alphabetic())
        && name.bytes().any(|b| b.is_ascii_digit() || b == b'-' || b == b'.')
}

impl Needle {
    /// What is seen of it at `at`, if it counts there. In `binary` bytes texts may follow each other without anything
    /// between.
    pub(super) fn look(&self, bytes: &[u8], at: usize, binary: bool) -> Option<Sight> {
        let end = at + self.text.len();
        let sight = |end: usize| {
            let excerpt = Excerpt::Bytes(at..end.min(at + EXCERPT));
            Some(Sight { excerpt, severity: self.rule.severity() })
        };
        let text = |text: String| Sight { excerpt: Excerpt::Text(text), severity: self.rule.severity() };
        match &self.test {
            Test::Path => {
                if !begins_path(bytes, at, binary) || !ends_path(bytes, end) {
                    return None;
                }
                sight(end + bytes[end..].iter().take(EXCERPT).take_while(|b| is_path(**b)).count())
            }
            Test::Word => {
                let before = at.checked_sub(1).map(|before| bytes[before]);
                let begins = before.is_none_or(|b| !b.is_ascii_alphanumeric() && !b"_-.".contains(&b));
                (begins && ends_word(bytes, end)).then(|| sight(end)).flatten()
            }
            Test::End => ends_word(bytes, end).then(|| sight(end)).flatten(),
            Test::Secret(name) => Some(text(format!("the secret `{name}`: ***"))),
            Test::Token(shape) => {
                let end = match shape.end(bytes, at) {
                    None if binary && shape.is_distinct() => shape.end_after_text(bytes, at),
                    end => end,
                };
                end.map(|_| text(format!("{}: {}…", shape.what, shape.prefix)))
            }
            Test::Key => PrivateKey::at(bytes, at).map(|key| Sight {
                severity: if key.encrypted { Severity::Warn } else { self.rule.severity() },
                ..text(format!("{}: {}…", key.what, String::from_utf8_lossy(&self.text)))
            }),
        }
    }

    /// Whether it is a secret, of which nobody may see anything.
    pub(super) const fn is_secret(&self) -> bool {
        matches!(self.test, Test::Secret(_))
    }
}

/// What a path is made of. Quotes, brackets and the like end it.
const fn is_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'/' | b'.' | b'_' | b'-' | b'+' | b'~' | b'@' | b'%' | b'=')
}

/// Whether a path that begins at `at` begins there, and not before.
fn begins_path(bytes: &[u8], at: usize, binary: bool) -> bool {
    let before = &bytes[..at];
    let Some(&last) = before.last() else { return true };
    // `=` and `@` stand before paths, and `}`, `)` and `*` for something that makes it another.
    let goes_on = |b: u8| (is_path(b) && !b"=@".contains(&b)) || b"})*$\\".contains(&b);
    if !goes_on(last) || before.ends_with(b"://") {
        return true;
    }
    // `-I/build/src`, but not `x-I/build/src`.
    if let [.., b'-', letter] = before
        && letter.is_ascii_alphabetic()
        && before.iter().rev().nth(2).is_none_or(|b| !b.is_ascii_alphanumeric())
    {
        return true;
    }
    if !binary {
        return false;
    }
    // Rust and Go put texts after each other without an end, classes and compiled Python a length before them.
    let length = before.iter().rev().take(EXCERPT).take_while(|b| goes_on(**b)).count();
    let (rest, run) = before.split_at(at - length);
    let is_relative = run.iter().any(|b| b"/\\}$*%".contains(b)) || run.iter().all(|b| b".".contains(b));
    let is_whole = rest.last().is_none_or(|b| matches!(b, 0 | b'%'));
    !is_relative && (run.len() <= 2 || !is_whole)
}

fn ends_path(bytes: &[u8], end: usize) -> bool {
    match bytes.get(end..).unwrap_or_default() {
        [b'.', next, ..] => !next.is_ascii_alphanumeric(),
        [next, ..] => !next.is_ascii_alphanumeric() && !b"_-+~".contains(next),
        [] => true,
    }
}

fn ends_word(bytes: &[u8], end: usize) -> bool {
    bytes.get(end).is_none_or(|b| !b.is_ascii_alphanumeric() && !b"_-".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leak::Machine;

    fn wanted() -> Wanted {
        Wanted {
            build_paths: vec!["/build/src".into(), "/build/home/".into()],
            machine: Machine {
                hosts: vec!["ci-7.corp".into(), "mercury".into(), "localhost".into()],
                users: vec!["alice".into(), "root".into(), "bob".into()],
                paths: vec!["/home/alice".into(), "/root".into(), "/work".into(), "/home/runner".into()],
            },
            secrets: vec![("token".into(), b"correct horse".to_vec())],
            rules: LeakRule::ALL.into(),
        }
    }

    /// The rules that find something in a text.
    fn found(text: &[u8], binary: bool) -> Vec<&'static str> {
        let mut rules: Vec<&'static str> = Vec::new();
        for needle in needles(&wanted()) {
            for at in memchr::memmem::find_iter(text, &needle.text) {
                if needle.look(text, at, binary).is_some() {
                    rules.push(needle.rule.as_str());
                }
            }
        }
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    #[test]
    fn only_what_few_have_is_looked_for() {
        let texts: Vec<String> = needles(&wanted())
            .iter()
            .filter(|needle| !matches!(needle.rule, LeakRule::Token | LeakRule::PrivateKey))
            .map(|needle| String::from_utf8_lossy(&needle.text).into_owned())
            .collect();
        // `/root`, `/work` and `/home/runner` are everywhere; `bob` is too short to mean anybody.
        assert_eq!(
            texts,
            [
                "correct horse",
                "/build/src",
                "/build/home",
                "/home/alice",
                "ci-7.corp",
                "@mercury",
                "/Users/alice",
                "\\Users\\alice",
                "Built-By: alice",
                "built by alice",
                "Built by alice",
                "compiled by alice",
                "Packager: alice",
                "USER=alice",
            ]
        );
    }

    #[test]
    fn a_path_is_a_path_and_a_word_a_word() {
        for (text, rule) in [
            ("/build/src/main.c", "build-path"),
            ("in /build/src.", "build-path"),
            ("prefix='/build/src'", "build-path"),
            ("-I/build/src/include -L/build/src", "build-path"),
            ("file:///build/src/x", "build-path"),
            ("CFLAGS=-fdebug-prefix-map=/build/src=.", "build-path"),
            ("x/build/src", ""),
            ("./build/src", ""),
            ("../build/src", ""),
            ("${TOP}/build/src $(TOP)/build/src */build/src $X/build/src", ""),
            ("/build/srcs /build/src2 /build/src-1 /build/src.old", ""),
            ("/build/home/.cargo/registry/x.rs", "build-path"),
            ("/home/alice/x", "host-path"),
            ("/home/alice2", ""),
            ("alice wrote this, alice@example.org", ""),
            ("Built-By: alice\r\n", "user-name"),
            ("C:\\Users\\alice\\x", "user-name"),
            ("in /root, /work and /home/runner/x", ""),
            ("built on ci-7.corp by", "host-name"),
            ("ci-7.corp.example.org", "host-name"),
            ("xci-7.corp ci-7.corpo ci-7.corp-2", ""),
            ("Mercury, mercury and hg", ""),
            ("root@mercury:~", "host-name"),
            ("it is the correct horse!", "secret"),
        ] {
            let expected: Vec<&str> = [rule].into_iter().filter(|rule| !rule.is_empty()).collect();
            assert_eq!(found(text.as_bytes(), false), expected, "{text}");
        }
    }

    #[test]
    fn texts_in_programs_may_touch() {
        for (text, is_found) in [
            ("on a `None` value/build/src/src/main.rs", true),
            ("\0/build/src\0", true),
            ("\0foo/build/src\0", false),
            ("\0../x/build/src\0", false),
            ("\0./build/src\0", false),
            ("src/main.rs/build/src/x", false),
            ("\u{1}\0A/build/src/which/is/long", true),
            ("\0%s/build/src", false),
        ] {
            assert_eq!(!found(text.as_bytes(), true).is_empty(), is_found, "{text:?}");
        }
    }

    #[test]
    fn what_is_secret_is_not_shown() {
        for needle in needles(&wanted()) {
            if let Some(sight) = needle.look(b"correct horse", 0, false) {
                assert!(matches!(sight.excerpt, Excerpt::Text(text) if text == "the secret `token`: ***"));
                return;
            }
        }
        unreachable!("it is found");
    }
}
