//! CMake, Meson, Bazel, autotools, C and build scripts: what they bring, and where they ask for the time.

use std::ops::Range;

use super::command::is_commit;
use super::finding::Page;
use super::rule::{Id, Severity};

/// A call `name(arguments)`: where it stands, and its words.
struct Call {
    name: String,
    span: Range<usize>,
    words: Vec<(String, Range<usize>)>,
}

/// Calls of CMake's language and of Bazel's: comments `#` and quotes are the same.
fn calls(text: &str) -> Vec<Call> {
    let bytes = text.as_bytes();
    let mut list = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'#' => at += bytes[at..].iter().position(|b| *b == b'\n').unwrap_or(bytes.len() - at),
            b'"' => at += quoted(&bytes[at..]),
            b if b.is_ascii_alphabetic() || b == b'_' => {
                let start = at;
                while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_') {
                    at += 1;
                }
                let name = text[start..at].to_owned();
                let blanks = bytes[at..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
                if bytes.get(at + blanks) == Some(&b'(') {
                    at += blanks + 1;
                    let (words, end) = words(text, at);
                    at = end;
                    list.push(Call { name, span: start..end, words });
                }
            }
            _ => at += 1,
        }
    }
    list
}

/// Length of a quoted string with its quotes.
fn quoted(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn words(text: &str, mut at: usize) -> (Vec<(String, Range<usize>)>, usize) {
    let bytes = text.as_bytes();
    let mut list = Vec::new();
    let mut depth = 0_usize;
    while at < bytes.len() {
        match bytes[at] {
            b')' if depth == 0 => return (list, at + 1),
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(usize::from(bytes[at] == b')'));
                at += 1;
            }
            b'(' => {
                depth += 1;
                at += 1;
            }
            b'#' => at += bytes[at..].iter().position(|b| *b == b'\n').unwrap_or(bytes.len() - at),
            b'"' => {
                let length = quoted(&bytes[at..]);
                let end = (at + length).min(bytes.len());
                let inner = text.get(at + 1..end.saturating_sub(1)).unwrap_or_default();
                list.push((inner.to_owned(), at..end));
                at = end;
            }
            b if b.is_ascii_whitespace() || matches!(b, b',' | b'=' | b'[' | b'{') => at += 1,
            _ => {
                let start = at;
                while at < bytes.len()
                    && !bytes[at].is_ascii_whitespace()
                    && !matches!(bytes[at], b')' | b'(' | b'"' | b',' | b'=' | b']')
                {
                    at += 1;
                }
                at = at.max(start + 1);
                list.push((String::from_utf8_lossy(&bytes[start..at]).into_owned(), start..at));
            }
        }
    }
    (list, at)
}

pub(crate) fn cmake(page: &mut Page<'_>) {
    for call in calls(page.text) {
        let value =
            |key: &str| call.words.iter().position(|(w, _)| w == key).and_then(|at| call.words.get(at + 1));
        match call.name.to_ascii_lowercase().as_str() {
            "fetchcontent_declare" | "externalproject_add" | "cpmaddpackage" => {
                let url = value("URL").filter(|(u, _)| u.contains("://"));
                if let (Some((_, span)), None, None) = (url, value("URL_HASH"), value("URL_MD5")) {
                    page.add(
                        Id::Tool08,
                        span.clone(),
                        "nothing checks what comes",
                        "add `URL_HASH SHA256=…`",
                    );
                }
                if let Some((_, span)) = value("URL_MD5") {
                    page.add(Id::Lock10, span.clone(), "MD5", "use `URL_HASH SHA256=…`");
                }
                if value("GIT_REPOSITORY").is_some() {
                    let tag = value("GIT_TAG");
                    if !tag.is_some_and(|(t, _)| is_commit(t)) {
                        let span = tag.map_or(call.span.clone(), |(_, span)| span.clone());
                        page.add(
                            Id::Tool08,
                            span,
                            "a branch or tag, which can be moved",
                            "write the commit's 40 digits after GIT_TAG",
                        );
                    }
                }
            }
            "file" if call.words.first().is_some_and(|(w, _)| w == "DOWNLOAD") => {
                if value("EXPECTED_HASH").is_none() && value("EXPECTED_MD5").is_none() {
                    page.add(
                        Id::Tool08,
                        call.span.clone(),
                        "nothing checks what comes",
                        "add `EXPECTED_HASH SHA256=…`",
                    );
                }
            }
            "string" if call.words.first().is_some_and(|(w, _)| w == "TIMESTAMP") => {
                // CMake takes SOURCE_DATE_EPOCH here by itself.
                page.add(
                    Id::Time02,
                    call.span.clone(),
                    "the time of the build, unless SOURCE_DATE_EPOCH is set",
                    "set SOURCE_DATE_EPOCH",
                )
                .at(Severity::Info);
            }
            "file" if call.words.first().is_some_and(|(w, _)| w.starts_with("GLOB")) => {
                // Sorted since CMake 3.6.
            }
            _ => {
                for (word, span) in &call.words {
                    if word.contains("-march=native") || word.contains("-mtune=native") {
                        page.add(
                            Id::Tool05,
                            span.clone(),
                            "code is made for the processor of whoever builds",
                            "name a processor: -march=x86-64-v2",
                        );
                    }
                }
            }
        }
    }
}

pub(crate) fn bazel(page: &mut Page<'_>) {
    for call in calls(page.text) {
        let value =
            |key: &str| call.words.iter().position(|(w, _)| w == key).and_then(|at| call.words.get(at + 1));
        match call.name.as_str() {
            "http_archive" | "http_file" | "http_jar" => {
                let hash = value("sha256").or_else(|| value("integrity"));
                if hash.is_none_or(|(h, _)| h.is_empty()) {
                    page.add(
                        Id::Tool08,
                        call.span.clone(),
                        "nothing checks what comes",
                        "add `sha256 = \"…\"`",
                    );
                }
            }
            "git_repository" | "new_git_repository" => {
                if !value("commit").is_some_and(|(c, _)| is_commit(c)) {
                    page.add(
                        Id::Tool08,
                        call.span.clone(),
                        "a branch or tag, which can be moved",
                        "name `commit` by its 40 digits",
                    );
                }
            }
            "oci_pull" | "container_pull" => {
                if value("digest").is_none() {
                    page.add(
                        Id::Img01,
                        call.span.clone(),
                        "a tag, which can be moved",
                        "add `digest = \"sha256:…\"`",
                    );
                }
            }
            _ => {}
        }
    }
}

/// A wrap file of Meson.
pub(crate) fn wrap(page: &mut Page<'_>) {
    let mut at = 0;
    let git = page.text.contains("[wrap-git]");
    let summed = page.text.lines().any(|l| l.trim_start().starts_with("source_hash"));
    for line in page.text.split_inclusive('\n') {
        let span = at..at + line.trim_end().len();
        at += line.len();
        let Some((key, value)) = line.split_once('=') else { continue };
        match key.trim() {
            "source_url" if !summed => {
                page.add(
                    Id::Tool08,
                    span,
                    "nothing checks what comes",
                    "add `source_hash`, the file's SHA-256",
                );
            }
            "revision" if git && !is_commit(value.trim()) => {
                page.add(
                    Id::Tool08,
                    span,
                    "a branch or tag, which can be moved",
                    "write the commit's 40 digits",
                );
            }
            _ => {}
        }
    }
}

/// Sources in C: the macros of time, outside comments and strings.
pub(crate) fn c(page: &mut Page<'_>) {
    if !["__DATE__", "__TIME__", "__TIMESTAMP__"].iter().any(|m| page.text.contains(m)) {
        return;
    }
    let bytes = page.text.as_bytes();
    let mut at = 0;
    let mut found = Vec::new();
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest.starts_with(b"//") {
            at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        } else if rest.starts_with(b"/*") {
            at += rest.windows(2).skip(2).position(|w| w == b"*/").map_or(rest.len(), |n| n + 4);
        } else if rest[0] == b'"' {
            at += quoted(rest);
        } else if rest[0] == b'_' {
            let end =
                rest.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_').unwrap_or(rest.len());
            if matches!(&rest[..end], b"__DATE__" | b"__TIME__" | b"__TIMESTAMP__") {
                found.push(at..at + end);
            }
            at += end.max(1);
        } else if rest[0].is_ascii_alphanumeric() {
            at += rest.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_').unwrap_or(rest.len());
        } else {
            at += 1;
        }
    }
    for span in found {
        page.add(
            Id::Time01,
            span,
            "the time of the build becomes part of the program",
            "write a version, or build with SOURCE_DATE_EPOCH and a compiler that honours it",
        );
    }
}

/// configure.ac and its macros.
pub(crate) fn autoconf(page: &mut Page<'_>) {
    lines(page, "dnl", |page, line, start| {
        if (line.contains("m4_esyscmd") || line.contains("esyscmd")) && line.contains("date") {
            page.add(
                Id::Time02,
                start..start + line.trim_end().len(),
                "the year or day of the build; SOURCE_DATE_EPOCH does not help",
                "write it down",
            );
        }
        if (line.contains("m4_esyscmd") || line.contains("esyscmd")) && line.contains("git ") {
            page.add(
                Id::Env04,
                start..start + line.trim_end().len(),
                "the build asks git what it is",
                "write the version down",
            );
        }
    });
}

/// Build scripts in Rust, Python and JavaScript: by the few words that matter in them.
pub(crate) fn script(page: &mut Page<'_>) {
    const TIME: &[&str] = &[
        "SystemTime::now(",
        "Utc::now(",
        "Local::now(",
        "OffsetDateTime::now",
        "time.time(",
        "datetime.now(",
        "datetime.utcnow(",
        "date.today(",
        "time.strftime(",
        "new Date()",
        "Date.now(",
    ];
    const CHANCE: &[&str] = &[
        "rand::random",
        "thread_rng(",
        "uuid.uuid4(",
        "random.random(",
        "Math.random(",
        "crypto.randomUUID(",
    ];
    const NETWORK: &[&str] = &[
        "reqwest::",
        "ureq::get",
        "urllib.request.urlopen",
        "urllib.request.urlretrieve",
        "urlretrieve(",
        "requests.get(",
        "curl::easy",
        "\"curl\"",
        "\"wget\"",
    ];
    const ORDER: &[&str] = &["os.listdir(", "glob.glob(", "fs::read_dir("];
    let python = page.path.ends_with(".py");
    let rust = page.path.ends_with(".rs");
    let told = page.text.contains("SOURCE_DATE_EPOCH");
    let summed = ["sha256", "Sha256", "hashlib", "digest"].iter().any(|w| page.text.contains(w));
    lines(page, if python { "#" } else { "//" }, |page, line, start| {
        let find =
            |list: &[&str]| list.iter().find_map(|w| line.find(w).map(|at| start + at..start + at + w.len()));
        if let (Some(span), false) = (find(TIME), told) {
            page.add(Id::Time02, span, "the build asks for the time", "take it from SOURCE_DATE_EPOCH");
        }
        if let Some(span) = find(CHANCE) {
            page.add(Id::Det01, span, "random numbers in the build", "derive them from what is built");
        }
        if let (Some(span), false) = (find(NETWORK), summed) {
            page.add(
                Id::Net02,
                span,
                "a build script downloads, and nothing checks what comes",
                "make it a source of the recipe, by its hash",
            );
        }
        if let (Some(span), true) = (find(ORDER), (python || rust) && !page.text.contains("sort")) {
            page.add(Id::Det02, span, "files come in the order of the directory", "sort them");
        }
        if rust && line.contains("\"git\"") && line.contains("Command::new") {
            page.add(
                Id::Env04,
                start..start + line.trim_end().len(),
                "the build asks git what it is",
                "take the version from the manifest or a variable",
            );
        }
    });
}

/// Calls `look` for every line that is no comment.
fn lines(page: &mut Page<'_>, comment: &str, mut look: impl FnMut(&mut Page<'_>, &str, usize)) {
    let text = page.text;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_start();
        if !bare.starts_with(comment) && !bare.starts_with("/*") && !bare.starts_with('*') {
            look(page, line, at);
        }
        at += line.len();
    }
}
