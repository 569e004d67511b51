//! What a failed step missed: from the files that it looked for in vain, those that its last words are about.
//!
//! A build looks for very many things that are not there, and does without: a compiler tries each include folder,
//! `configure` each compiler. So a file or program counts as missed only if the end of the log names it on a line that
//! speaks of absence; or, a program, if a process did nothing but try to execute it (which the sandbox tells).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use model::trace::Trace;
use model::violation::{Kind, Violation};

/// What was missed, as far as trace and log tell; programs first.
pub(crate) fn missing(trace: &Trace, search: &str, build: &str, last_lines: &[String]) -> Vec<Violation> {
    let said = words(last_lines);
    let mut list = Vec::new();
    for name in programs(trace, search) {
        if said.contains(name.as_str()) {
            let by = by(trace, |path| path.ends_with(&format!("/{name}")));
            list.push(Violation { kind: Kind::Program, what: name, by, count: 1 });
        }
    }
    let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for (path, used) in &trace.files {
        for word in said.iter().filter(|word| word.contains(['.', '/'])) {
            let is_meant = path == word || path.strip_suffix(*word).is_some_and(|head| head.ends_with('/'));
            if is_meant && used.missing {
                named.entry(word).or_default().push(path);
            } else if is_meant {
                found.insert(*word);
            }
        }
    }
    // Looked for in several places and found in one.
    named.retain(|word, _| !found.contains(word));
    // Not twice: `a/b.h` says all that `b.h` says.
    let names: Vec<&str> = named.keys().copied().collect();
    named.retain(|word, _| !names.iter().any(|other| other != word && other.ends_with(&format!("/{word}"))));
    for (word, paths) in named {
        // `#include <…>` is a package's, all else rather the project's own.
        let system = last_lines.iter().any(|line| line.contains(&format!("<{word}>")));
        let own = || paths.iter().find(|path| !system && path.starts_with(build));
        let package = ["/usr/include/", "/usr/"].iter().find_map(|place| {
            paths.iter().find(|path| path.strip_prefix(place).is_some_and(|rest| rest == word))
        });
        let likeliest = own().or(package);
        let Some(path) = likeliest.or(paths.last()) else { continue };
        let by = by(trace, |other| other == *path);
        list.push(Violation { kind: Kind::File, what: (*path).to_owned(), by, count: 1 });
    }
    list
}

/// Names that were looked for in folders of programs and found in none.
fn programs(trace: &Trace, search: &str) -> BTreeSet<String> {
    let folders: Vec<&str> = search.split(':').collect();
    let mut found: BTreeMap<String, bool> = BTreeMap::new();
    for (path, used) in &trace.files {
        let Some((folder, name)) = path.rsplit_once('/') else { continue };
        if folders.contains(&folder) {
            *found.entry(name.to_owned()).or_default() |= !used.missing;
        }
    }
    found.into_iter().filter(|(_, there)| !there).map(|(name, _)| name).collect()
}

/// Who looked for the first of those files.
fn by(trace: &Trace, which: impl Fn(&str) -> bool) -> Vec<model::violation::Process> {
    let used = trace.files.iter().find(|(path, used)| used.missing && which(path));
    let first = used.and_then(|(_, used)| used.by.last()).and_then(|nth| usize::try_from(*nth).ok());
    first.and_then(|nth| trace.processes.get(nth)).cloned().into_iter().collect()
}

/// How programs say that something is not there.
const ABSENT: [&str; 12] = [
    "no such",
    "not found",
    "cannot find",
    "can't find",
    "cannot open",
    "can't open",
    "couldn't read",
    "could not find",
    "does not exist",
    "no matching files",
    "enoent",
    "unable to open",
];

/// The words of the lines that speak of absence, without the marks around them. The commands of the recipe, shown in it, are no words of
/// a program.
fn words(lines: &[String]) -> BTreeSet<&str> {
    let marks = |c: char| c.is_whitespace() || "'\"`‘’“”():;,<>[]{}=|".contains(c);
    lines
        .iter()
        .filter(|line| !line.starts_with("$ "))
        .filter(|line| {
            let line = line.to_lowercase();
            ABSENT.iter().any(|phrase| line.contains(phrase))
        })
        .flat_map(|line| line.split(marks))
        .map(|word| word.trim_end_matches('.').trim_start_matches("./"))
        .filter(|word| word.len() > 1 && Path::new(word).file_name().is_some())
        .collect()
}

#[cfg(test)]
mod tests {
    use model::trace::Use;
    use model::violation::Process;

    use super::*;

    fn trace(missing: &[&str], there: &[&str]) -> Trace {
        let process = Process { pid: 7, command: "cc a.c".into() };
        let entry = |path: &&str, missing| {
            ((*path).to_owned(), Use { missing, asked: true, by: vec![0], ..Use::default() })
        };
        let files = missing.iter().map(|p| entry(p, true)).chain(there.iter().map(|p| entry(p, false)));
        Trace { files: files.collect(), processes: vec![process], lost: 0 }
    }

    fn told(trace: &Trace, log: &str) -> Vec<String> {
        let lines: Vec<String> = log.lines().map(str::to_owned).collect();
        let found = missing(trace, "/usr/local/bin:/usr/bin:/bin", "/build/src", &lines);
        found.iter().map(|v| format!("{} {}", v.kind, v.what)).collect()
    }

    #[test]
    fn a_header_is_named_where_its_package_would_put_it() {
        let trace = trace(
            &[
                "/usr/lib/gcc/x/12/include/zlib.h",
                "/usr/local/include/zlib.h",
                "/usr/include/zlib.h",
                "/usr/include/y.h",
            ],
            &["/usr/include/stdio.h"],
        );
        let log = "$ cc y.h a.c\na.c:1:10: fatal error: zlib.h: No such file or directory\n    1 | #include <zlib.h>";
        assert_eq!(told(&trace, log), ["file /usr/include/zlib.h"]);
    }

    #[test]
    fn a_program_counts_if_the_log_names_it_and_it_is_nowhere() {
        let trace = trace(
            &[
                "/usr/local/bin/python3",
                "/usr/bin/python3",
                "/usr/local/bin/cc",
                "/usr/bin/flex",
                "/usr/local/bin/flex",
            ],
            &["/usr/bin/cc"],
        );
        assert_eq!(told(&trace, "/bin/sh: 3: python3: not found"), ["program python3"]);
        assert_eq!(told(&trace, "cc: error: no input files"), [""; 0]);
    }

    #[test]
    fn what_was_found_in_another_place_is_not_missed() {
        let trace = trace(&["/usr/lib/go/src/vendor/math/rand"], &["/usr/lib/go/src/math/rand"]);
        assert_eq!(told(&trace, "./p.go:2:61: package math/rand: not found"), [""; 0]);
    }

    #[test]
    fn a_header_in_quotes_is_the_projects_own() {
        let trace = trace(&["/build/src/own/part.h", "/usr/include/own/part.h", "/build/src/a.o"], &[]);
        let log = "a.c:1:10: fatal error: own/part.h: No such file or directory\n    1 | #include \"own/part.h\"\n\
                   make: *** [Makefile:4: a.o] Error 1";
        assert_eq!(told(&trace, log), ["file /build/src/own/part.h"]);
    }

    #[test]
    fn the_fuller_name_wins_and_what_nobody_speaks_of_is_nothing() {
        let trace =
            trace(&["/usr/include/openssl/ssl.h", "/usr/local/include/openssl/ssl.h", "/etc/x.conf"], &[]);
        let log = "fatal error: openssl/ssl.h: No such file\n#include \"ssl.h\"";
        assert_eq!(told(&trace, log), ["file /usr/include/openssl/ssl.h"]);
    }
}
