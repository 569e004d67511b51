//! Dockerfiles: what they start from, what they bring, what they leave in.

use std::collections::BTreeMap;

use super::command::{self, Facts, Place, is_commit};
use super::finding::Page;
use super::image;
use super::read::docker::{self, Dockerfile, Instruction};
use super::rule::{Id, Severity};
use super::secret;

pub(crate) fn look(page: &mut Page<'_>, facts: &Facts) {
    let file = docker::read(page.text);
    if let Some(syntax) = &file.syntax {
        let (span, text) = (syntax.span.clone(), syntax.text.clone());
        image::judge(page, Id::Img01, span, &text);
    }
    let known = known(&file);
    let mut stage = 0;
    for instruction in &file.instructions {
        match instruction.keyword.as_str() {
            "FROM" => {
                from(page, &file, instruction, stage);
                stage += 1;
            }
            "COPY" | "ADD" => copied(page, &file, instruction, stage, facts),
            "RUN" => run(page, &file, instruction, stage, facts, &known),
            "ARG" | "ENV" => environment(page, instruction),
            _ => {}
        }
    }
}

/// What `ARG` and `ENV` give names, where that is a word without variables.
fn known(file: &Dockerfile) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    for instruction in file.instructions.iter().filter(|i| matches!(i.keyword.as_str(), "ARG" | "ENV")) {
        let words = instruction.words();
        for word in &words {
            if let Some((name, value)) = word.text.split_once('=').filter(|(_, v)| !v.contains('$')) {
                known.insert(name.to_owned(), value.to_owned());
            }
        }
        // `ENV NAME VALUE`, as it was written once.
        if let ("ENV", [name, value]) = (instruction.keyword.as_str(), &words[..])
            && !name.text.contains('=')
            && !value.text.contains('$')
        {
            known.insert(name.text.clone(), value.text.clone());
        }
    }
    known
}

fn from(page: &mut Page<'_>, file: &Dockerfile, instruction: &Instruction, stage: usize) {
    let Some(word) = instruction.words().into_iter().next() else { return };
    if file.is_stage(&word.text, stage) {
        return;
    }
    let Some(text) = file.expand(&word.text) else {
        // A name with a tag that only the caller knows: the tag is one all the same.
        if word
            .text
            .split_once(':')
            .is_some_and(|(name, tag)| image::parse(name).is_some() && !tag.contains('@'))
        {
            let message = format!("`{}` is a tag, which can be moved", word.text);
            let fix = "give the variable a default with a digest behind it, or name the image by its digest";
            page.add(Id::Img01, word.span, message, fix).at(Severity::Warn);
        }
        return;
    };
    image::judge(page, Id::Img01, word.span.clone(), &text);
    // What is nothing but a variable is pinned where the variable gets its value.
    let name = word.text.trim_start_matches("${").trim_start_matches('$').trim_end_matches('}');
    if let (Some(default), true) = (file.args.get(name), word.text.starts_with('$')) {
        for (span, _) in page.named.iter_mut().filter(|(span, _)| *span == word.span) {
            *span = default.span.clone();
        }
    }
}

fn copied(page: &mut Page<'_>, file: &Dockerfile, instruction: &Instruction, stage: usize, facts: &Facts) {
    if let Some(flag) = instruction.flag("from") {
        let span = flag.at.clone();
        if !file.is_stage(&flag.value, stage) {
            // A name that is no stage may be a build context, which has neither tag nor path.
            if flag.value.contains(['/', ':']) {
                image::judge(page, Id::Img01, span, &flag.value);
            }
        }
        return;
    }
    let words = instruction.words();
    let Some((_, sources)) = words.split_last() else { return };
    for source in sources {
        let text = &source.text;
        let remote = ["http://", "https://", "ftp://"].iter().any(|scheme| text.starts_with(scheme));
        if instruction.keyword == "ADD" && (remote || text.starts_with("git@") || text.starts_with("git://"))
        {
            let git = text.split('#').next().is_some_and(|url| url.ends_with(".git")) || !remote;
            if git {
                let at = text.split_once('#').map_or("", |(_, f)| f.split(':').next().unwrap_or_default());
                if !is_commit(at) && instruction.flag("checksum").is_none() {
                    page.add(
                        Id::Lock08,
                        source.span.clone(),
                        "a git repository without a commit",
                        "add `#` and the commit's 40 digits",
                    );
                }
            } else if instruction.flag("checksum").is_none() {
                let message = "nothing checks what comes from the network";
                page.add(Id::Img03, source.span.clone(), message, "add `--checksum=sha256:HASH`");
            }
        }
        let whole = matches!(text.as_str(), "." | "./" | "./." | "/");
        let ignored = facts.paths.iter().any(|path| path.ends_with(".dockerignore"));
        if whole && !ignored {
            let message = "the whole folder is copied, with `.git` and whatever lies there, and no .dockerignore leaves any out";
            page.add(
                Id::Img08,
                source.span.clone(),
                message,
                "write a .dockerignore that begins with `*`, and let in what is needed",
            );
        }
    }
}

fn run(
    page: &mut Page<'_>,
    file: &Dockerfile,
    instruction: &Instruction,
    stage: usize,
    facts: &Facts,
    known: &BTreeMap<String, String>,
) {
    for flag in instruction.flags.iter().filter(|flag| flag.name == "mount") {
        if flag.value.contains("type=cache") {
            let message = "what earlier builds left in the cache gets in";
            let fix = "leave it away in a release build, or copy what is locked in beforehand";
            page.add(Id::Img06, flag.span.clone(), message, fix);
        }
        if let Some(from) = flag.value.split(',').find_map(|part| part.strip_prefix("from="))
            && !file.is_stage(from, stage)
            && from.contains(['/', ':'])
        {
            // Where quotes or other lines are in between, a part of the value has no place of its own.
            let span = match flag.value.find(from) {
                Some(at) if flag.at.len() == flag.value.len() => {
                    flag.at.start + at..flag.at.start + at + from.len()
                }
                _ => flag.span.clone(),
            };
            image::judge(page, Id::Img01, span, from);
        }
    }
    if let Some(items) = instruction.json() {
        let words: Vec<String> = items.iter().filter_map(|i| i.str().map(str::to_owned)).collect();
        let shell = words.first().is_some_and(|w| w.ends_with("sh") || w.ends_with("bash"));
        match (shell, items.get(2)) {
            (true, Some(script)) => {
                if let Some((text, at)) = script.script(&instruction.text) {
                    command::commands(page, &text, instruction.at + at, Place::Image, facts, known);
                }
            }
            _ => {
                // Words without a shell: as long as the list, so that places stay right.
                let text = instruction.text.replace(['[', ']', ',', '"'], " ");
                command::commands(page, &text, instruction.at, Place::Image, facts, known);
            }
        }
        return;
    }
    let mut text = instruction.text.clone();
    // The bodies of documents that are read by a shell stand behind, and belong to it.
    if instruction.documents.iter().any(|(_, runs)| *runs) {
        for (body, runs) in &instruction.documents {
            let script = page.text.get(body.clone()).unwrap_or_default().to_owned();
            // A document with another interpreter is another language.
            let foreign =
                script.starts_with("#!") && !script.lines().next().is_some_and(|l| l.contains("sh"));
            if *runs && !foreign {
                command::commands(page, &script, body.start, Place::Image, facts, known);
            }
        }
        text = text.split("<<").next().unwrap_or_default().to_owned();
    }
    command::commands(page, &text, instruction.at, Place::Image, facts, known);
}

/// Secrets that a build is given as variables.
fn environment(page: &mut Page<'_>, instruction: &Instruction) {
    let words = instruction.words();
    let old = instruction.keyword == "ENV" && words.first().is_some_and(|w| !w.text.contains('='));
    let words = if old { &words[..words.len().min(1)] } else { &words[..] };
    for word in words {
        let (name, value) = word.text.split_once('=').unwrap_or((&word.text, ""));
        if !secret::names_a_secret(name) || name.ends_with("_FILE") || name.ends_with("_PATH") {
            continue;
        }
        let span = word.span.start..word.span.start + name.len();
        if instruction.keyword == "ARG" {
            let message = format!("the value of `{name}` stays in the image's history");
            let finding = page.add(Id::Env07, span, message, "use `RUN --mount=type=secret` instead");
            finding.at(Severity::Warn);
        } else if !value.is_empty() || old {
            let message = format!("the value of `{name}` stays in the image");
            page.add(
                Id::Env07,
                span,
                message,
                "use `RUN --mount=type=secret` instead, and give it when it runs",
            );
        }
    }
}
