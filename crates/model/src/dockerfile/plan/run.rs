//! `RUN`: the command, what runs it, and what is mounted meanwhile.

use std::ops::Range;
use std::sync::Arc;

use super::planner::{Planner, State, join};
use super::{Origin, Run, Script};
use crate::dockerfile::heredoc::Heredoc;
use crate::dockerfile::ignore::clean;
use crate::dockerfile::instruction::{CommandText, FromText, RunText};
use crate::dockerfile::line::Text;
use crate::dockerfile::mount::{self, Key, Mount, Owner, RawMount, Sharing};

/// Where a document lies that is a program.
const PIPES: &str = "/dev/pipes/";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

/// The fields of a mount, whatever kind it is.
struct Fields {
    kind: Kind,
    source: String,
    target: String,
    id: String,
    writable: Option<bool>,
    sharing: Option<Sharing>,
    required: bool,
    size: Option<u64>,
    owner: Owner,
    env: Option<String>,
}

impl Planner<'_> {
    pub(super) fn run(&mut self, state: &State, text: &RunText, span: &Range<usize>) -> Option<Run> {
        let mut script = None;
        let argv = match (&text.command, &text.heredocs[..]) {
            (CommandText::Line(line), [first, ..]) => {
                let size = text.heredocs.iter().map(|document| document.body.text.len()).sum();
                self.charge(size, span)?;
                let line =
                    Text { text: self.documents(line, first, &text.heredocs, &mut script), ..line.clone() };
                self.command(state, &CommandText::Line(line), span)?
            }
            _ => self.command(state, &text.command, span)?,
        };
        if argv.is_empty() {
            self.wrong(span.clone(), "RUN without a command".to_owned(), "the list is empty", None);
            return None;
        }
        if argv.iter().any(|word| word.contains('\0')) {
            self.wrong(span.clone(), "a command with a NUL byte".to_owned(), "no argument has one", None);
            return None;
        }
        let mut mounts = Vec::new();
        for raw in &text.mounts {
            mounts.push(self.mount(state, raw)?);
        }
        Some(Run {
            argv,
            script,
            env: Arc::clone(&state.env),
            proxies: self.proxies.clone(),
            user: state.config.user.clone(),
            workdir: state.config.workdir.clone(),
            mounts,
            network: text.network,
            security: text.security,
            devices: text.devices.clone(),
        })
    }

    /// The line with its documents. One document alone is what runs: as a program of its own if it says which, else as
    /// a line. More, or with words around, are what a shell reads.
    fn documents(
        &self,
        line: &Text,
        first: &Heredoc,
        all: &[Heredoc],
        script: &mut Option<Script>,
    ) -> String {
        if Heredoc::marker(&line.text).is_some() {
            let content = first.content();
            if !content.starts_with("#!") {
                return content;
            }
            let path = format!("{PIPES}{}", first.name);
            *script = Some(Script { path: path.clone(), text: content });
            return path;
        }
        let mut whole = line.text.clone();
        for document in all {
            whole.push('\n');
            whole.push_str(&document.body.text);
            whole.push_str(&document.name);
        }
        whole
    }

    fn mount(&mut self, state: &State, raw: &RawMount) -> Option<Mount<Origin>> {
        self.charge(64 + state.config.workdir.len(), &raw.span)?;
        let fields = self.fields(state, raw)?;
        self.check(raw, &fields)?;
        let Fields { kind, source, target, id, writable, sharing, required, size, owner, env } = fields;
        match kind {
            Kind::Secret => {
                let id = if source.is_empty() { id } else { source };
                let base =
                    |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
                let id = if id.is_empty() { base(&target) } else { id };
                let default = env.is_none().then(|| format!("/run/secrets/{}", base(&id)));
                let target = Some(target).filter(|target| !target.is_empty()).or(default);
                return Some(Mount::Secret { id, target, env, required, owner });
            }
            Kind::Ssh => {
                let id = if id.is_empty() { "default".to_owned() } else { id };
                let target = Some(target).filter(|target| !target.is_empty());
                return Some(Mount::Ssh { id, target, required, owner });
            }
            Kind::Bind | Kind::Cache | Kind::Tmpfs => {}
        }
        let id = if id.is_empty() { clean(&target) } else { id };
        let target = join(&state.config.workdir, &target);
        if target == "/" {
            let label = "expected `target=` with another path than the root";
            self.wrong(raw.span.clone(), "a mount over everything".to_owned(), label, None);
            return None;
        }
        let source = clean(&format!("/{source}"));
        Some(match kind {
            Kind::Tmpfs => Mount::Tmpfs { target, size },
            Kind::Cache => {
                let from = self.origin(Some(raw.from.as_ref().unwrap_or(&FromText::Scratch)))?;
                let (sharing, writable) = (sharing.unwrap_or_default(), writable.unwrap_or(true));
                Mount::Cache { id, from, source, target, sharing, writable, owner }
            }
            _ => {
                let from = self.origin(raw.from.as_ref())?;
                Mount::Bind { from, source, target, writable: writable.unwrap_or(false) }
            }
        })
    }

    /// Expands the fields, one after the other: some are only known after the type.
    fn fields(&mut self, state: &State, raw: &RawMount) -> Option<Fields> {
        let mut fields = Fields {
            kind: Kind::Bind,
            source: String::new(),
            target: String::new(),
            id: String::new(),
            writable: None,
            sharing: None,
            required: false,
            size: None,
            owner: Owner::default(),
            env: None,
        };
        for (key, text) in &raw.fields {
            let value = match text {
                Some(text) => Some(self.word(state, text)?),
                None => None,
            };
            let span = text.as_ref().map_or_else(|| raw.span.clone(), |text| text.span.clone());
            if let Err(label) = fields.set(*key, value.as_deref()) {
                let title = format!("`{}` is not usable in this mount", value.unwrap_or_default());
                self.wrong(span, title, label, None);
                return None;
            }
        }
        Some(fields)
    }

    fn check(&mut self, raw: &RawMount, fields: &Fields) -> Option<()> {
        let owned = matches!(fields.kind, Kind::Secret | Kind::Ssh | Kind::Cache);
        let secret = fields.kind == Kind::Secret;
        let nameless = fields.source.is_empty() && fields.target.is_empty() && fields.id.is_empty();
        let label = if !owned && fields.owner != Owner::default() {
            "mode, uid and gid are for a cache, a secret or a socket"
        } else if fields.kind == Kind::Ssh && !fields.source.is_empty() {
            "a socket has no source"
        } else if secret && raw.from.is_some() {
            "a secret comes from the caller, and not from `from`"
        } else if fields.sharing.is_some() && fields.kind != Kind::Cache {
            "sharing is for a cache"
        } else if secret && nameless {
            "expected `id=`, `source=` or `target=`"
        } else if secret && !fields.source.is_empty() && !fields.id.is_empty() {
            "expected one of `id=` and `source=`"
        } else {
            return Some(());
        };
        self.wrong(raw.span.clone(), "a mount that contradicts itself".to_owned(), label, None);
        None
    }
}

impl Fields {
    /// Takes a value; none is a field that stands alone. An error is what was expected.
    fn set(&mut self, key: Key, value: Option<&str>) -> Result<(), &'static str> {
        let text = value.unwrap_or_default();
        let truth = value.map_or(Some(true), mount::yes).ok_or("expected `true` or `false`");
        let number = |radix| u32::from_str_radix(text, radix).ok().filter(|_| !text.starts_with('+'));
        match key {
            Key::From => {}
            Key::Type => {
                self.kind = match text.to_lowercase().as_str() {
                    "bind" => Kind::Bind,
                    "cache" => Kind::Cache,
                    "tmpfs" => Kind::Tmpfs,
                    "secret" => Kind::Secret,
                    "ssh" => Kind::Ssh,
                    _ => return Err("expected `bind`, `cache`, `tmpfs`, `secret` or `ssh`"),
                }
            }
            Key::Source => text.clone_into(&mut self.source),
            Key::Target => text.clone_into(&mut self.target),
            Key::Id => text.clone_into(&mut self.id),
            Key::ReadOnly => self.writable = Some(!truth?),
            Key::ReadWrite => self.writable = Some(truth?),
            Key::Required => {
                if !matches!(self.kind, Kind::Secret | Kind::Ssh) {
                    return Err("`required` stands after `type=secret` or `type=ssh`");
                }
                self.required = truth?;
            }
            Key::Size => {
                if self.kind != Kind::Tmpfs {
                    return Err("`size` stands after `type=tmpfs`");
                }
                self.size = Some(mount::bytes(text).ok_or("expected such as `64m`")?);
            }
            Key::Sharing => {
                self.sharing = Some(match text.to_lowercase().as_str() {
                    "shared" => Sharing::Shared,
                    "private" => Sharing::Private,
                    "locked" => Sharing::Locked,
                    _ => return Err("expected `shared`, `private` or `locked`"),
                });
            }
            Key::Mode => self.owner.mode = Some(number(8).ok_or("expected an octal number")?),
            Key::Uid => self.owner.uid = Some(number(10).ok_or("expected a number")?),
            Key::Gid => self.owner.gid = Some(number(10).ok_or("expected a number")?),
            Key::Env => {
                if self.kind != Kind::Secret {
                    return Err("`env` stands after `type=secret`");
                }
                self.env = Some(text.to_owned());
            }
        }
        Ok(())
    }
}
