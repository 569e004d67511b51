//! Workflows and composite actions of GitHub's form, and CI configuration of others.

use std::collections::BTreeMap;

use super::command::{self, Facts, Place, is_commit, is_exact};
use super::finding::Page;
use super::image;
use super::pin::Named;
use super::read::node::Node;
use super::read::yaml;
use super::rule::{Id, Severity};

/// Speaks of a workflow or an action.
pub(crate) fn look(page: &mut Page<'_>, facts: &Facts) {
    for root in yaml::read(page.text) {
        let release = is_release(&root, page.path);
        for (_, job) in root.get("jobs").map(Node::entries).unwrap_or_default() {
            runner(page, job, release);
            let image = job.get("container").map(|c| c.get("image").unwrap_or(c));
            let services = job.get("services").map(Node::entries).unwrap_or_default();
            for image in image.into_iter().chain(services.iter().filter_map(|(_, s)| s.get("image"))) {
                judge(page, image);
            }
            if let Some(uses) = job.get("uses") {
                used(page, uses);
            }
            steps(page, job, facts, release);
        }
        if let Some(runs) = root.get("runs") {
            steps(page, runs, facts, false);
            if let Some(image) =
                runs.get("image").filter(|i| i.str().is_some_and(|t| t.starts_with("docker://")))
            {
                judge(page, image);
            }
        }
    }
}

fn judge(page: &mut Page<'_>, node: &Node) {
    let Some(text) = node.str() else { return };
    let text = text.strip_prefix("docker://").unwrap_or(text);
    let inner = node.inner(page.text);
    image::judge(page, Id::Ci08, inner, text);
}

/// Whether a workflow makes what others use.
fn is_release(root: &Node, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let on = root.get("on").or_else(|| root.get("true"));
    let tags = on.is_some_and(|on| on.at(&["push", "tags"]).is_some());
    let named = ["release", "publish", "deploy"].iter().any(|word| name.contains(word));
    let event = on.is_some_and(|on| {
        on.get("release").is_some()
            || on.str() == Some("release")
            || on.items().iter().any(|item| item.str() == Some("release"))
    });
    tags || named || event
}

fn runner(page: &mut Page<'_>, job: &Node, release: bool) {
    let Some(runner) = job.get("runs-on") else { return };
    let labels = runner.get("labels").unwrap_or(runner);
    let list = if labels.items().is_empty() { std::slice::from_ref(labels) } else { labels.items() };
    for label in list {
        let Some(text) = label.str() else { continue };
        if text.ends_with("-latest") {
            let message = format!("`{text}` becomes another system one day");
            page.add(Id::Ci06, label.span.clone(), message, "name a version, as in `ubuntu-24.04`");
        } else if text == "self-hosted" && release {
            let message = "earlier jobs may have left something on this machine";
            page.add(Id::Ci09, label.span.clone(), message, "release on a machine made for one job");
        }
    }
}

fn steps(page: &mut Page<'_>, above: &Node, facts: &Facts, release: bool) {
    for step in above.get("steps").map(Node::items).unwrap_or_default() {
        if let Some(uses) = step.get("uses") {
            used(page, uses);
            configured(page, step, uses, release);
        }
        let shell = step.text(&["shell"]).unwrap_or("bash");
        if let (Some(run), true) = (step.get("run"), shell.starts_with("bash") || shell.starts_with("sh")) {
            script(page, run, Place::Job, facts);
        }
    }
}

fn script(page: &mut Page<'_>, node: &Node, place: Place, facts: &Facts) {
    if let Some((text, at)) = node.script(page.text) {
        command::commands(page, &text, at, place, facts, &BTreeMap::new());
    }
}

/// `uses: OWNER/NAME[/PATH]@REF`.
fn used(page: &mut Page<'_>, node: &Node) {
    let Some(text) = node.str() else { return };
    if text.starts_with("./") || text.starts_with("../") {
        return;
    }
    if text.starts_with("docker://") {
        judge(page, node);
        return;
    }
    let inner = node.inner(page.text);
    let Some((name, reference)) = text.rsplit_once('@') else { return };
    if name.contains("${{") {
        return;
    }
    page.name(inner.clone(), Named::Action(name.to_owned(), reference.to_owned()));
    if !is_commit(reference) {
        let message = format!("`{reference}` can be moved to another commit");
        let fix = format!("write the commit, and the tag in a comment: `selfsame pin {}`", page.path);
        page.add(Id::Ci01, inner, message, fix);
        return;
    }
    let line_end = page.text[inner.end..].find('\n').map_or(page.text.len(), |n| inner.end + n);
    let rest = &page.text[inner.end..line_end];
    let comment = rest.split_once('#').map(|(_, c)| c.trim());
    let version = comment
        .is_some_and(|c| c.chars().any(|c| c.is_ascii_digit()) || c.contains("main") || c.contains("master"));
    if !version {
        let message = "which version this commit is, nobody can see";
        page.add(Id::Ci02, inner, message, "add a comment with the tag: `# v4.2.2`");
    }
}

/// What an action is given.
fn configured(page: &mut Page<'_>, step: &Node, uses: &Node, release: bool) {
    let Some(text) = uses.str() else { return };
    let name = text.split('@').next().unwrap_or_default();
    let short = name.rsplit('/').next().unwrap_or_default();
    let with = step.get("with");
    let given = |key: &str| with.and_then(|w| w.get(key));
    let cached = short == "cache"
        || short == "rust-cache"
        || given("cache").is_some_and(|c| c.str() != Some("false"))
        || given("cache-from").is_some_and(|c| c.str().is_some_and(|t| t.contains("gha")));
    if release && cached {
        page.add(
            Id::Ci07,
            uses.span.clone(),
            "another branch may have filled the cache",
            "build a release without it",
        );
    }
    if short == "build-push-action" || short == "bake-action" {
        if !page.text.contains("SOURCE_DATE_EPOCH") && !page.text.contains("rewrite-timestamp") {
            let message = "the image carries the time of the build";
            let fix = "set `SOURCE_DATE_EPOCH` in `env` and `outputs: type=image,rewrite-timestamp=true`";
            page.add(Id::Img05, uses.span.clone(), message, fix);
        }
        if let Some(arguments) =
            given("build-args").filter(|a| a.str().is_some_and(|t| t.contains("secrets.")))
        {
            let message = "a secret given as an argument stays in the image's history";
            page.add(Id::Env07, arguments.span.clone(), message, "give it in `secrets`, and mount it");
        }
    }
    setup(page, short, with, uses);
}

/// Setup actions and what tells them which version, or takes it from a file.
const SETUPS: &[(&str, &str)] = &[
    ("setup-node", "node-version"),
    ("setup-python", "python-version"),
    ("setup-go", "go-version"),
    ("setup-java", "java-version"),
    ("setup-ruby", "ruby-version"),
    ("setup-dotnet", "dotnet-version"),
    ("setup-php", "php-version"),
    ("setup-bun", "bun-version"),
    ("setup-deno", "deno-version"),
    ("setup-uv", "version"),
    ("setup-zig", "version"),
    ("setup-helm", "version"),
    ("setup-kubectl", "version"),
    ("setup-terraform", "terraform_version"),
    ("setup-gradle", "gradle-version"),
    ("rust-toolchain", "toolchain"),
    ("action-setup", "version"),
];

fn setup(page: &mut Page<'_>, short: &str, with: Option<&Node>, uses: &Node) {
    let Some((_, key)) = SETUPS.iter().find(|(name, _)| *name == short) else { return };
    let version = with.and_then(|w| w.get(key));
    let fix = "name a whole version, or a file of the repository that does";
    let Some(version) = version else {
        let file = with
            .is_some_and(|w| w.entries().iter().any(|(k, _)| k.str().is_some_and(|k| k.ends_with("-file"))));
        // These take the version from the repository, or say it in their reference.
        let elsewhere = matches!(
            short,
            "rust-toolchain" | "action-setup" | "setup-gradle" | "setup-dotnet" | "setup-ruby" | "setup-uv"
        );
        if !file && !elsewhere {
            page.add(Id::Ci04, uses.span.clone(), "no version is given, so the action chooses", fix);
        }
        return;
    };
    let nodes = if version.items().is_empty() { std::slice::from_ref(version) } else { version.items() };
    for node in nodes {
        let Some(text) = node.str().map(str::trim) else { continue };
        let rust = *key == "toolchain";
        let floats = if rust { command::is_channel(text) } else { !is_exact(text) };
        if text.is_empty() || text.contains("${{") || !floats {
            continue;
        }
        let finding =
            page.add(Id::Ci04, node.inner(page.text), format!("`{text}` is another version next time"), fix);
        // A version without its last part moves too, and less.
        let digits = text.split('.').all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
        if digits {
            finding.at(Severity::Warn);
        }
    }
}

/// Keys under which CI systems keep commands.
const SCRIPTS: &[&str] = &[
    "script",
    "before_script",
    "after_script",
    "commands",
    "command",
    "run",
    "bash",
    "install",
    "before_install",
    "before_deploy",
    "after_success",
    "setup",
];

/// Speaks of another CI system's configuration.
pub(crate) fn other(page: &mut Page<'_>, facts: &Facts) {
    let gitlab = page.path.ends_with("gitlab-ci.yml") || page.path.contains(".gitlab/");
    for root in yaml::read(page.text) {
        let mut images = Vec::new();
        let mut scripts = Vec::new();
        let mut machines = Vec::new();
        root.walk(&mut |path, key, value| match key.str() {
            Some("image") => images.push(value.get("name").unwrap_or(value).clone()),
            Some("services") => {
                images.extend(value.items().iter().map(|item| item.get("name").unwrap_or(item).clone()));
            }
            Some("vmImage" | "os") => machines.push(value.clone()),
            Some(key) if SCRIPTS.contains(&key) && !path.contains(&"variables") => {
                scripts.push(value.clone());
            }
            _ => {}
        });
        for image in &images {
            judge(page, image);
        }
        for machine in machines.iter().filter(|m| m.str().is_some_and(|t| t.ends_with("-latest"))) {
            page.add(Id::Ci06, machine.span.clone(), "this becomes another system one day", "name a version");
        }
        for list in &scripts {
            lines(page, list, facts);
        }
        if gitlab {
            included(page, &root);
        }
        for (_, orb) in root.get("orbs").map(Node::entries).unwrap_or_default() {
            let Some((_, version)) = orb.str().and_then(|t| t.rsplit_once('@')) else { continue };
            if !is_exact(version) {
                let message = format!("`{version}` is another version next time");
                page.add(Id::Ci10, orb.span.clone(), message, "name a whole version");
            }
        }
    }
}

/// A script, or a list of them. What stands in one list is one script: a later line checks what an earlier one brought.
fn lines(page: &mut Page<'_>, node: &Node, facts: &Facts) {
    if node.str().is_some() {
        script(page, node, Place::Job, facts);
        return;
    }
    let Some(first) = node.items().iter().find(|item| item.str().is_some()) else { return };
    let base = first.inner(page.text).start;
    let mut whole = String::new();
    for item in node.items() {
        let Some((text, at)) = item.script(page.text) else { continue };
        let Some(gap) = at.checked_sub(base + whole.len()) else { continue };
        whole.push_str(&" ".repeat(gap.saturating_sub(1)));
        whole.push_str(if gap > 0 { "\n" } else { "" });
        whole.push_str(&text);
    }
    command::commands(page, &whole, base, Place::Job, facts, &BTreeMap::new());
}

/// GitLab's `include`.
fn included(page: &mut Page<'_>, root: &Node) {
    let Some(include) = root.get("include") else { return };
    let list = if include.items().is_empty() { std::slice::from_ref(include) } else { include.items() };
    for item in list {
        let fix = "include it by the commit's 40 digits: `ref:`";
        if let Some(remote) =
            item.get("remote").or(Some(item).filter(|i| i.str().is_some_and(|t| t.contains("://"))))
        {
            if item.get("integrity").is_none() {
                page.add(
                    Id::Ci10,
                    remote.span.clone(),
                    "what this address holds is taken",
                    "add `integrity: sha256-…`",
                );
            }
        } else if let Some(project) = item.get("project") {
            if !item.text(&["ref"]).is_some_and(is_commit) {
                page.add(Id::Ci10, project.span.clone(), "the branch or tag can be moved", fix);
            }
        } else if let Some(component) = item.get("component") {
            let version = component.str().and_then(|t| t.rsplit_once('@')).map_or("", |(_, v)| v);
            if !is_commit(version) && !is_exact(version) {
                page.add(
                    Id::Ci10,
                    component.span.clone(),
                    "the component's version floats",
                    "name a whole version or a commit",
                );
            }
        }
    }
}
