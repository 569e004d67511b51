//! What the log of a failed step suggests: the usual ways in which a build finds out that it is sealed.

/// Reads the end of a log and gives sentences, each with the line of the recipe that would help.
#[must_use]
pub fn hints(lines: &[String]) -> Vec<String> {
    let mut list = Vec::new();
    for line in lines.iter().rev() {
        let hint = missing_program(line)
            .or_else(|| network(line))
            .or_else(|| missing_header(line))
            .or_else(|| limit(line));
        if let Some(hint) = hint.or_else(|| missing_file(line))
            && !list.contains(&hint)
        {
            list.push(hint);
        }
    }
    if let Some(hint) = lines.iter().rev().find_map(|l| l.strip_prefix("$ ")).and_then(asks_the_network)
        && list.is_empty()
    {
        list.push(hint);
    }
    list.truncate(3);
    list
}

/// A command that does nothing but ask the network, some of which fail without a word.
fn asks_the_network(command: &str) -> Option<String> {
    const ASK: [&str; 8] = ["getent ", "ping ", "host ", "nslookup ", "dig ", "nc ", "ssh ", "git clone "];
    ASK.iter().any(|program| command.starts_with(program)).then(no_network)
}

/// `sh: 1: curl: not found`, `bash: curl: command not found`, `make: curl: No such file or directory`,
/// `/usr/bin/env: 'python3': No such file or directory`.
fn missing_program(line: &str) -> Option<String> {
    let said = |program: &str| {
        let program = program.trim_matches(|c: char| "'‘’\"`".contains(c));
        let plain = !program.is_empty() && !program.contains([' ', '/']) && program.len() < 64;
        plain.then(|| {
            format!(
                "`{program}` is not in the toolchain: a step sees no program of this host; \
                 add the package that has it to `toolchain.packages`"
            )
        })
    };
    for ending in [": command not found", ": not found"] {
        if let Some(head) = line.strip_suffix(ending) {
            return said(head.rsplit(": ").next()?);
        }
    }
    let head = line.strip_suffix(": No such file or directory")?;
    let (tool, program) = head.rsplit_once(": ")?;
    let tool = tool.rsplit('/').next()?;
    if tool == "env" || tool.starts_with("make") { said(program) } else { None }
}

fn network(line: &str) -> Option<String> {
    const SIGNS: [&str; 7] = [
        "Could not resolve host",
        "could not resolve",
        "Temporary failure in name resolution",
        "Name or service not known",
        "Network is unreachable",
        "network is unreachable",
        "unable to resolve host",
    ];
    SIGNS.iter().any(|sign| line.contains(sign)).then(no_network)
}

fn no_network() -> String {
    "a step has no network: declare what it fetches under `[sources]`, with its digest".to_owned()
}

/// Limits that were refused and not seen to be reached: a moment was too short, or the program went on.
fn limit(line: &str) -> Option<String> {
    let is = |signs: &[&str]| signs.iter().any(|sign| line.contains(sign));
    let hint = if is(&["an't fork", "annot fork", "fork: Resource temporarily unavailable"]) {
        "a process could not be started: raise `processes` of the step (8192 where it says nothing), or what this \
         machine allows its user (`ulimit -u`)"
    } else if is(&["File size limit exceeded", ": File too large"]) {
        "a file would have become too large: raise `file-size` of the step, if it has one"
    } else if is(&[": No space left on device", "(No space left on device)"]) {
        "no room was left: `/tmp` and the home are in memory, at most half of the machine's and as much as `disk` of the \
         step allows; the build directory is on the store's disk"
    } else {
        return None;
    };
    Some(hint.to_owned())
}

/// `x.c:1:10: fatal error: zlib.h: No such file or directory`
fn missing_header(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("fatal error: ")?;
    let header = rest.strip_suffix(": No such file or directory")?;
    Some(format!(
        "the header `{header}` is not in the toolchain or the inputs: add its `-dev` package to \
         `toolchain.packages`, or its source to the step's `inputs`"
    ))
}

/// `cat: /etc/shadow: No such file or directory`
fn missing_file(line: &str) -> Option<String> {
    let head = line.strip_suffix(": No such file or directory")?;
    let path = head.rsplit(": ").next()?;
    let path = ["can't open ", "cannot open ", "cannot access ", "cannot stat "]
        .iter()
        .find_map(|verb| path.strip_prefix(verb))
        .unwrap_or(path)
        .trim_matches(|c: char| "'‘’\"`".contains(c));
    if path.starts_with("/build") || !path.contains('/') || path.contains(' ') {
        return None;
    }
    Some(format!(
        "`{path}` is not there: a step sees only its toolchain and its declared inputs, no file of this host"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_complaints_are_understood() {
        for (line, told) in [
            ("/bin/sh: 3: python3: not found", "`python3` is not in the toolchain"),
            ("bash: line 1: curl: command not found", "`curl` is not in the toolchain"),
            ("make[2]: flex: No such file or directory", "`flex` is not in the toolchain"),
            ("/usr/bin/env: ‘python3’: No such file or directory", "`python3` is not in the toolchain"),
            ("curl: (6) Could not resolve host: example.org", "no network"),
            ("$ getent hosts example.org", "no network"),
            ("a.c:1:10: fatal error: zlib.h: No such file or directory", "header `zlib.h`"),
            ("cat: /home/me/.config: No such file or directory", "`/home/me/.config` is not there"),
            ("/bin/sh: 7: Cannot fork", "`processes`"),
            ("sh: can't fork: Resource temporarily unavailable", "`processes`"),
            ("make: *** [Makefile:2: x] File size limit exceeded (core dumped)", "`file-size`"),
            ("dd: error writing '/tmp/x': No space left on device", "`disk`"),
            ("ls: cannot access '/srv/data': No such file or directory", "`/srv/data` is not there"),
        ] {
            let found = hints(&[line.to_owned()]);
            assert!(found.len() == 1 && found[0].contains(told), "{line}: {found:?}");
        }
    }

    #[test]
    fn ordinary_lines_say_nothing() {
        for line in ["checking for foo.h... not found", "cc -c a.c", "ls: x: No such file or directory"] {
            assert_eq!(hints(&[line.to_owned()]), Vec::<String>::new(), "{line}");
        }
    }
}
