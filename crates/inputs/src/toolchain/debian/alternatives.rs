//! `update-alternatives --install …` lines of maintainer scripts: read, never run.
//!
//! A call counts whatever condition stands around it: the conditions are about upgrades and removals. Words may be quoted
//! and may use variables that the script sets once, to plain words, and that of a `for` over such words. A call that needs
//! more is left out and reported.

use std::collections::BTreeMap;

/// One alternative that a script installs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alternative {
    pub name: String,
    pub priority: i64,
    pub link: Link,
    /// Links that follow the choice.
    pub slaves: Vec<(String, Link)>,
}

/// From a generic place to the real one, both absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub link: String,
    pub path: String,
}

/// What one script installs, and the calls that could not be read.
pub(crate) fn read(script: &str) -> (Vec<Alternative>, Vec<String>) {
    let commands = commands(script);
    let mut variables: BTreeMap<String, Option<String>> = BTreeMap::new();
    // The first value of each, for a priority: scripts lower it later, for versions of the past.
    let mut first_values: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut loops: BTreeMap<String, Option<Vec<String>>> = BTreeMap::new();
    for command in &commands {
        // `local x=y` and `export x=y` assign as well.
        for word in command.iter().skip_while(|w| matches!(w.text.as_str(), "local" | "export" | "readonly"))
        {
            let Some((name, value)) = word.text.split_once('=') else { break };
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                break;
            }
            let value = (!word.text.contains(['$', '`'])).then(|| value.to_owned());
            if let Some(value) = &value {
                first_values.entry(name.to_owned()).or_insert_with(|| Some(value.clone()));
            }
            let known = variables.entry(name.to_owned()).or_insert_with(|| value.clone());
            if *known != value {
                *known = None;
            }
        }
        if let [first, variable, ..] = &command[..]
            && matches!(first.text.as_str(), "for" | "read")
        {
            variables.insert(variable.text.clone(), None);
        }
    }
    for command in &commands {
        if let [first, variable, word, list @ ..] = &command[..]
            && (first.text.as_str(), word.text.as_str()) == ("for", "in")
        {
            let values: Option<Vec<String>> = list.iter().map(|w| expand(&w.text, &variables)).collect();
            let values =
                values.map(|v| v.join(" ").split_whitespace().map(str::to_owned).collect::<Vec<_>>());
            match loops.entry(variable.text.clone()).or_insert_with(|| Some(Vec::new())) {
                Some(known) if values.is_some() => known.extend(values.unwrap_or_default()),
                unknown => *unknown = None,
            }
        }
    }
    let (mut found, mut unread) = (Vec::new(), Vec::new());
    for command in &commands {
        let Some(at) = command.iter().position(|w| w.text.rsplit('/').next() == Some("update-alternatives"))
        else {
            continue;
        };
        let text = || command.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" ");
        let words = &command[at + 1..];
        if !words.iter().any(|w| w.text == "--install") {
            continue;
        }
        let mut read_with = |variables: &BTreeMap<String, Option<String>>| {
            let mut expanded: Vec<Option<String>> =
                words.iter().map(|w| expand(&w.text, variables)).collect();
            let install = expanded.iter().position(|w| w.as_deref() == Some("--install"))?;
            if let Some(priority @ None) = expanded.get_mut(install + 4) {
                *priority = expand(&words[install + 4].text, &first_values);
            }
            let (alternative, whole) = alternative(&expanded[install + 1..])?;
            found.push(alternative);
            whole.then_some(())
        };
        let all = match turns(words, &loops) {
            None => read_with(&variables).is_some(),
            Some((variable, values)) => {
                let mut all = true;
                let mut variables = variables.clone();
                for value in values {
                    variables.insert(variable.clone(), Some(value.clone()));
                    all &= read_with(&variables).is_some();
                }
                all
            }
        };
        if !all {
            unread.push(text());
        }
    }
    (found, unread)
}

/// The variable of a `for` that words use, and its values, if all are known.
fn turns<'a>(
    words: &[Word],
    loops: &'a BTreeMap<String, Option<Vec<String>>>,
) -> Option<(&'a String, &'a Vec<String>)> {
    let uses = |name: &str| {
        words.iter().any(|w| {
            w.text.contains(&format!("${{{name}}}"))
                || w.text.match_indices(&format!("${name}")).any(|(at, found)| {
                    !w.text[at + found.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                })
        })
    };
    loops.iter().find(|(name, _)| uses(name)).and_then(|(name, values)| Some((name, values.as_ref()?)))
}

/// Reads `LINK NAME PATH PRIORITY [--slave LINK NAME PATH]…`; false if the rest of the line could not be read.
fn alternative(words: &[Option<String>]) -> Option<(Alternative, bool)> {
    let [Some(link), Some(name), Some(path), Some(priority), rest @ ..] = words else { return None };
    let absolute = link.starts_with('/') && path.starts_with('/');
    if !absolute || name.contains('/') || name.is_empty() {
        return None;
    }
    let mut slaves = Vec::new();
    let mut whole = true;
    let mut rest = rest;
    while let [first, after @ ..] = rest {
        match (first.as_deref(), after) {
            (Some("--slave"), [Some(link), Some(name), Some(path), more @ ..])
                if link.starts_with('/') && path.starts_with('/') && !name.contains('/') =>
            {
                slaves.push((name.clone(), Link { link: link.clone(), path: path.clone() }));
                rest = more;
            }
            (Some("--slave") | None, _) => {
                whole = false;
                rest = after;
            }
            // A redirection or another option.
            _ => rest = after,
        }
    }
    let link = Link { link: link.clone(), path: path.clone() };
    Some((Alternative { name: name.clone(), priority: priority.parse().ok()?, link, slaves }, whole))
}

#[derive(Debug)]
struct Word {
    /// Without quotes; `$` and backquotes that the shell would expand are kept, others are not in it.
    text: String,
}

/// A single-quoted or escaped `$`: kept apart from one that the shell expands.
const LITERAL_DOLLAR: char = '\u{1}';

fn expand(word: &str, variables: &BTreeMap<String, Option<String>>) -> Option<String> {
    let mut out = String::new();
    let mut rest = word;
    while let Some(at) = rest.find(['$', '`']) {
        out.push_str(&rest[..at]);
        let after = rest[at..].strip_prefix('$')?;
        let (name, more) = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}')?,
            None => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                after.split_at(end)
            }
        };
        out.push_str(variables.get(name)?.as_ref()?);
        rest = more;
    }
    out.push_str(rest);
    Some(out.replace(LITERAL_DOLLAR, "$"))
}

/// The simple commands of a script as words: continuation lines joined, comments dropped, split at `;`, `&`, `|` and
/// line ends.
fn commands(script: &str) -> Vec<Vec<Word>> {
    let mut list = Vec::new();
    let mut command: Vec<Word> = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some('$') => word.get_or_insert_default().push(LITERAL_DOLLAR),
                Some(c) => word.get_or_insert_default().push(c),
            },
            '\'' => {
                let word = word.get_or_insert_default();
                for c in chars.by_ref().take_while(|c| *c != '\'') {
                    word.push(if c == '$' || c == '`' { LITERAL_DOLLAR } else { c });
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                while let Some(c) = chars.next().filter(|c| *c != '"') {
                    match (c, chars.peek()) {
                        ('\\', Some('\n')) => drop(chars.next()),
                        ('\\', Some('$')) => {
                            chars.next();
                            word.push(LITERAL_DOLLAR);
                        }
                        ('\\', Some('"' | '\\' | '`')) => word.extend(chars.next()),
                        _ => word.push(c),
                    }
                }
            }
            '#' if word.is_none() => while chars.next_if(|c| *c != '\n').is_some() {},
            ' ' | '\t' | '\r' => command.extend(word.take().map(|text| Word { text })),
            '\n' | ';' | '&' | '|' => {
                command.extend(word.take().map(|text| Word { text }));
                if !command.is_empty() {
                    list.push(std::mem::take(&mut command));
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    command.extend(word.take().map(|text| Word { text }));
    list.push(command);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(link: &str, path: &str) -> Link {
        Link { link: link.into(), path: path.into() }
    }

    #[test]
    fn calls_as_packages_write_them() {
        let script = r#"
            #! /bin/sh -e
            update-alternatives --quiet \
                --install /usr/bin/cc cc /usr/bin/gcc 20 \
                #--slave /usr/share/man/man1/cc.1.gz cc.1.gz /usr/share/man/man1/gcc.1.gz

            if [ "$1" = "configure" ]; then
                update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 \
                    --slave /usr/bin/nawk nawk /usr/bin/mawk || true
            fi
            # update-alternatives --install /usr/bin/no no /usr/bin/never 1
            PRIORITY=-100
            BIN="/usr/bin"; update-alternatives --install "$BIN/ed" 'ed' ${BIN}/real.ed $PRIORITY >/dev/null
            update-alternatives --remove cc /usr/bin/old
        "#;
        let (found, unread) = read(script);
        assert_eq!(unread, Vec::<String>::new());
        let cc = Alternative {
            name: "cc".into(),
            priority: 20,
            link: link("/usr/bin/cc", "/usr/bin/gcc"),
            slaves: vec![],
        };
        let awk = Alternative {
            name: "awk".into(),
            priority: 5,
            link: link("/usr/bin/awk", "/usr/bin/mawk"),
            slaves: vec![("nawk".into(), link("/usr/bin/nawk", "/usr/bin/mawk"))],
        };
        let ed = Alternative {
            name: "ed".into(),
            priority: -100,
            link: link("/usr/bin/ed", "/usr/bin/real.ed"),
            slaves: vec![],
        };
        assert_eq!(found, [cc, awk, ed]);
    }

    #[test]
    fn a_call_in_a_loop_is_one_for_each_turn() {
        let (found, unread) = read(
            "priority=1711\ntools='java keytool'\nfor i in $tools; do\n priority=$(expr $priority - 1)\n \
             update-alternatives --install /usr/bin/$i $i /opt/bin/${i} $priority\ndone",
        );
        assert_eq!(unread, Vec::<String>::new());
        let names: Vec<_> =
            found.iter().map(|a| (a.name.as_str(), a.link.path.as_str(), a.priority)).collect();
        assert_eq!(names, [("java", "/opt/bin/java", 1711), ("keytool", "/opt/bin/keytool", 1711)]);
    }

    #[test]
    fn what_cannot_be_known_is_reported() {
        let (found, unread) = read(
            "for b in $(ls); do update-alternatives --install /usr/bin/$b $b /usr/bin/x.$b 1; done\n\
             V=1\nV=2\nupdate-alternatives --install /usr/bin/v v /usr/bin/v$V 1\n\
             update-alternatives --install /usr/bin/lzma lzma /usr/bin/xz 20 $(\n slave x\n)\n\
             update-alternatives --install relative r /usr/bin/r 1\n\
             update-alternatives --install /a ../b /c 1\nupdate-alternatives --install /a",
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "lzma");
        assert_eq!(unread.len(), 6, "{unread:#?}");
    }
}
