//! The text of a recipe.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::suite::{Archive, Choice};
use super::{Step, Wish, word};
use crate::ecosystem::{Adapter, Found, Wanted};

/// Everything that stands in it.
pub(super) struct Page<'a> {
    pub(super) wish: &'a Wish<'a>,
    pub(super) found: &'a [&'a Found],
    pub(super) lines: &'a [String],
    pub(super) left_out: &'a [String],
    pub(super) missing: &'a [String],
    pub(super) choice: Choice,
    pub(super) steps: &'a [Step],
}

impl Page<'_> {
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        out.push_str("# How this project is built. Written by `selfsame init`, and yours to change.\n");
        out.push_str("# Format: docs/formats/recipe.md of selfsame.\n");
        self.head(&mut out);
        let name = self.name();
        self.top(&mut out, &name);
        self.toolchain(&mut out);
        self.conditions(&mut out);
        for step in self.steps {
            write_step(&mut out, step);
        }
        self.artifacts(&mut out, &name);
        out
    }

    fn head(&self, out: &mut String) {
        let mut list = |title: &str, lines: &[String]| {
            if lines.is_empty() {
                return;
            }
            comment(out, "");
            comment(out, title);
            for line in lines {
                comment(out, &format!("  {line}"));
            }
        };
        list("Found:", self.lines);
        list("Left out:", self.left_out);
        list("To do before `selfsame lock`:", self.missing);
        let notes: Vec<String> = self.found.iter().flat_map(|f| f.notes.iter().cloned()).collect();
        list("To know:", &notes);
    }

    /// The project that the whole is called after: the one at the root, else the first.
    fn main(&self) -> Option<&Found> {
        let named = || self.found.iter().filter(|f| f.name.is_some());
        named().find(|f| f.dir.is_root()).or_else(|| named().next()).copied()
    }

    fn name(&self) -> String {
        let name = self.main().and_then(|f| {
            let name = f.name.as_deref()?;
            Some(if f.adapter == Adapter::Go { super::go::program(name) } else { name.to_owned() })
        });
        word(&name.unwrap_or_else(|| self.wish.folder.to_owned()))
    }

    fn top(&self, out: &mut String, name: &str) {
        let main = self.main();
        let _ = writeln!(out, "selfsame = 1\nname = {}", quote(name));
        match main.and_then(|f| f.version.as_deref()) {
            Some(version) => drop(writeln!(out, "version = {}", quote(&word(version)))),
            None => out.push_str("version = \"0.1.0\" # no manifest says one\n"),
        }
        if let Some(licence) =
            main.and_then(|f| f.licence.as_deref()).filter(|l| !l.contains('\n') && l.len() < 100)
        {
            // The old way of cargo to say `OR`.
            let licence = if main.is_some_and(|f| f.adapter == Adapter::Cargo) {
                licence.replace('/', " OR ")
            } else {
                licence.to_owned()
            };
            let _ = writeln!(out, "licence = {}", quote(&licence));
        }
        out.push_str("\n[sources.main]\nworktree = \".\"\n");
    }

    fn toolchain(&self, out: &mut String) {
        out.push_str("\n[toolchain]\nkind = \"debian\"\n");
        self.choice.why.iter().for_each(|why| comment(out, why));
        let _ = writeln!(out, "suite = {}", quote(&self.choice.suite));
        let instead = |name: &str| {
            let other = self.choice.instead.iter().find(|(usual, _)| *usual == name);
            other.map_or(name.to_owned(), |(_, other)| (*other).to_owned())
        };
        let spare = |name: &str| self.choice.archives.iter().any(|(a, ..)| a.instead_of.contains(&name));
        let own = self.steps.iter().flat_map(|s| s.packages.iter());
        let own = own.filter(|name| !spare(name)).map(|name| instead(name));
        let linked = self.choice.archives.iter().flat_map(|(archive, ..)| archive.packages);
        let mut packages: BTreeSet<String> = own.chain(linked.map(|name| (*name).to_owned())).collect();
        if packages.is_empty() {
            // Debian's essential packages come with any: a shell and its tools.
            packages.insert("coreutils".to_owned());
        }
        out.push_str("packages = [\n");
        for package in packages {
            let _ = writeln!(out, "    {},", quote(&package));
        }
        out.push_str("]\n");
        for (archive, wanted, has) in &self.choice.archives {
            self.archive(out, archive, wanted, has);
        }
        for (wanted, has) in &self.choice.unmet {
            comment(
                out,
                &format!(
                    "{} asks for {} {}, and {} has {has}. Take a newer one as an archive over the packages:",
                    wanted.said_by, wanted.tool, wanted.at_least, self.choice.suite
                ),
            );
            comment(out, "  [[toolchain.archive]]");
            let (tool, version) = (wanted.tool, &wanted.at_least);
            comment(out, &format!("  url = \"…\" and sha256 = \"…\" of {tool} {version} or newer"));
            comment(out, &format!("  at = \"opt/{tool}\""));
            comment(out, &format!("  path = [\"opt/{tool}/bin\"]"));
        }
    }

    /// A tool that a registry has, over the packages.
    fn archive(&self, out: &mut String, archive: &Archive, wanted: &Wanted, has: &str) {
        let tool = archive.tool;
        out.push('\n');
        comment(
            out,
            &format!(
                "{} asks for {tool} {}, and {} has {has}: this one comes from a registry.",
                wanted.said_by, wanted.at_least, self.choice.suite
            ),
        );
        let _ = writeln!(out, "[[toolchain.archive]]\nname = {}", quote(tool));
        let _ = writeln!(out, "purl = {}", quote(&archive.purl(&wanted.at_least)));
        let _ = writeln!(out, "at = {}", quote(&format!("opt/{tool}")));
        let _ = writeln!(out, "path = [{}]", quote(&format!("opt/{tool}/{}", archive.programs)));
        if !archive.env.is_empty() {
            let env: Vec<String> = archive.env.iter().map(|(n, v)| format!("{n} = {}", quote(v))).collect();
            let _ = writeln!(out, "env = {{ {} }}", env.join(", "));
        }
    }

    fn conditions(&self, out: &mut String) {
        let list: Vec<&(&str, String)> = self.steps.iter().flat_map(|s| &s.conditions).collect();
        if list.is_empty() {
            return;
        }
        out.push_str("\n[conditions]\n");
        let mut lines: Vec<&str> = Vec::new();
        for (line, _) in &list {
            if lines.contains(line) {
                continue;
            }
            lines.push(line);
            list.iter().filter(|(l, _)| l == line).for_each(|(_, why)| comment(out, why));
            let _ = writeln!(out, "{line}");
        }
    }

    fn artifacts(&self, out: &mut String, name: &str) {
        let mut names: Vec<String> = Vec::new();
        for step in self.steps {
            for artifact in &step.artifacts {
                let plain = if artifact.name.is_empty() { name } else { &artifact.name };
                let end = if matches!(artifact.format, "tar.gz") { ".tar.gz" } else { "" };
                let mut full = word(&format!("{plain}{end}"));
                if names.contains(&full) {
                    full = word(&format!("{}-{plain}{end}", step.name));
                }
                let from = format!("step:{}/{}", step.name, artifact.output);
                let _ = write!(
                    out,
                    "\n[[artifact]]\nname = {}\nformat = {}\nfrom = {}\n",
                    quote(&full),
                    quote(artifact.format),
                    quote(&from)
                );
                names.push(full);
            }
        }
    }
}

fn write_step(out: &mut String, step: &Step) {
    out.push('\n');
    step.comments.iter().for_each(|line| comment(out, line));
    let _ = writeln!(out, "[[step]]\nname = {}", quote(&step.name));
    if !step.uses.is_empty() {
        let words: Vec<String> = step.uses.iter().map(|w| quote(w)).collect();
        let _ = writeln!(out, "uses = [{}]", words.join(", "));
    }
    if !step.record.is_empty() {
        comment(out, "What is run at lock time, and recorded.");
        let commands: Vec<String> = step.record.iter().map(|c| quote(c)).collect();
        let _ = writeln!(out, "record = [{}]", commands.join(", "));
    }
    if step.place.is_some() || !step.inputs.is_empty() {
        let others = step.inputs.iter().map(|(place, from)| format!(", {} = {}", quote(place), quote(from)));
        let place = quote(step.place.as_deref().unwrap_or("."));
        let _ = writeln!(out, "inputs = {{ {place} = \"source:main\"{} }}", others.collect::<String>());
    }
    out.push_str("run = [\n");
    for command in &step.run {
        let _ = writeln!(out, "    {},", quote(command));
    }
    out.push_str("]\n");
    let outputs: Vec<String> = step.outputs.iter().map(|o| quote(o)).collect();
    let _ = writeln!(out, "outputs = [{}]", outputs.join(", "));
    if !step.env.is_empty() {
        out.push_str("\n[step.env]\n");
        for (name, value, why) in &step.env {
            comment(out, why);
            let _ = writeln!(out, "{name} = {}", quote(value));
        }
    }
}

/// One line of comment: what comes from a repository cannot end it.
fn comment(out: &mut String, text: &str) {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let _ = writeln!(out, "{}", format!("# {plain}").trim_end());
}

/// A text of TOML.
fn quote(text: &str) -> String {
    // TOML and JSON write such texts alike, but for the one control character that JSON leaves as it is.
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
