//! A store, a recipe folder, a host and ears.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use inputs::{Context, Host};
use model::Event;
use model::recipe::{Recipe, Source, Toolchain};
use store::Store;
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
    pub(crate) host: Host,
    pub(crate) events: Mutex<Vec<Event>>,
}

impl World {
    /// A host on which nothing is configured, and that does not wait before it tries again.
    pub(crate) fn new() -> Self {
        let mut host = Host::empty();
        host.retry = vec![std::time::Duration::ZERO; 3];
        host.env = environment();
        Self::on(host)
    }

    pub(crate) fn on(host: Host) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("recipe")).unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        Self { folder, store, host, events: Mutex::default() }
    }

    pub(crate) fn recipe_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("recipe")
    }

    pub(crate) fn with<T>(&self, run: impl FnOnce(&Context<'_>) -> T) -> T {
        let recipe_dir = self.recipe_dir();
        let listener = |event: Event| self.events.lock().unwrap().push(event);
        run(&Context { store: &self.store, recipe_dir: &recipe_dir, events: &listener, host: &self.host })
    }

    /// Everything said to people.
    pub(crate) fn said(&self) -> String {
        let mut text = String::new();
        for event in self.events.lock().unwrap().iter() {
            match event {
                Event::Note { text: t } | Event::Warning { text: t, .. } => text.push_str(&format!("{t}\n")),
                _ => {}
            }
        }
        text
    }

    /// The paths of a tree, with `*` after what may be executed, ` -> TARGET` after links and `/` after folders.
    pub(crate) fn paths(&self, tree: &model::Digest) -> Vec<String> {
        use model::tree::Node;
        let describe = |(path, node): (model::RelPath, Node)| match node {
            Node::File { executable, .. } => format!("{path}{}", if executable { "*" } else { "" }),
            Node::Directory(_) => format!("{path}/"),
            Node::Symlink(target) => format!("{path} -> {target}"),
        };
        self.store.walk(tree).unwrap().into_iter().map(describe).collect()
    }

    pub(crate) fn content(&self, tree: &model::Digest, path: &str) -> String {
        match self.store.lookup(tree, &path.parse().unwrap()).unwrap() {
            Some(model::tree::Node::File { digest, .. }) => {
                String::from_utf8(self.store.read(&digest).unwrap()).unwrap()
            }
            other => panic!("{path}: {other:?}"),
        }
    }
}

/// What git and the clients need, and nothing of the user's.
pub(crate) fn environment() -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = std::env::vars().filter(|(k, _)| k == "PATH").collect();
    for who in ["AUTHOR", "COMMITTER"] {
        env.insert(format!("GIT_{who}_NAME"), "A".into());
        env.insert(format!("GIT_{who}_EMAIL"), "a@example.org".into());
        env.insert(format!("GIT_{who}_DATE"), "1700000000 +0000".into());
    }
    env.insert("GIT_CONFIG_GLOBAL".into(), "/dev/null".into());
    env.insert("HOME".into(), "/nonexistent".into());
    env
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = std::process::Command::new("git")
        .args(["-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"])
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(environment())
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A recipe with these sources over a toolchain.
pub(crate) fn recipe(
    toolchain: Toolchain,
    sources: impl IntoIterator<Item = (&'static str, Source)>,
) -> Recipe {
    Recipe {
        name: "x".into(),
        version: "1".into(),
        producer: None,
        licence: None,
        sources: sources.into_iter().map(|(n, s)| (n.to_owned(), s)).collect(),
        toolchain,
        conditions: model::recipe::ConditionChoices::default(),
        steps: Vec::new(),
        artifacts: Vec::new(),
    }
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("\n{error}"));
        cause = error.source();
    }
    text
}
