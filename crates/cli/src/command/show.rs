//! `selfsame show`: everything known about one thing.

mod leaks;
mod used;

use std::io::{IsTerminal as _, Write as _};

use ledger::{Dossier, Found};
use serde_json::json;

use crate::failure::Failure;
use crate::output::answer::{Answer, Table, bytes, duration};
use crate::output::safe::{block, plain};
use crate::session::Session;

/// How many rows of each kind are shown to people; JSON has all.
const SHOWN: usize = 5;

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A digest or its first digits, a build's id, or an artifact's name
    what: String,
    /// Print the bytes of the blob with this digest instead
    #[arg(long, conflicts_with = "json")]
    raw: bool,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    if args.raw {
        return raw(session, &args.what);
    }
    let dossier = session.ledger.show(&args.what)?;
    let used = used::all(session, &dossier)?;
    let leaks = leaks::all(session, &dossier)?;
    let mut text = text(&dossier);
    text.extend(leaks.iter().map(leaks::text).chain(used.iter().map(used::text)));
    let mut data = json!(dossier);
    data["usage"] = json!(used);
    data["leaks"] = json!(leaks);
    Ok(Answer::ok(data, text))
}

fn raw(session: &Session, what: &str) -> Result<Answer, Failure> {
    let digest = if let Ok(digest) = what.parse() {
        digest
    } else {
        match session.ledger.show(what)?.subject {
            Found::Digest { sha256, size: Some(size), .. } => model::Digest { sha256, size },
            _ => return Err(Failure::failed(format!("`{what}` names no blob of a known size"))),
        }
    };
    let content = session.store.read(&digest)?;
    let mut out = std::io::stdout().lock();
    // Into a pipe or a file go the very bytes; a terminal would obey what a step printed to trick its reader.
    let written = if out.is_terminal() {
        writeln!(out, "{}", block(&String::from_utf8_lossy(&content), ""))
    } else {
        out.write_all(&content)
    };
    match written {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::io("write", std::path::Path::new("standard output"), e))
        }
        _ => Ok(Answer::ok(json!(null), "")),
    }
}

fn text(dossier: &Dossier) -> String {
    let mut out = format!("{}\n", plain(&dossier.subject.to_string()));
    if let Found::Digest { roles, size, .. } = &dossier.subject {
        let mut table = Table::default();
        let roles: Vec<_> = roles.iter().map(ToString::to_string).collect();
        table.row("is", roles.join(", "));
        if let Some(size) = size {
            table.row("size", bytes(*size));
        }
        out.push_str(&table.text());
    }
    for build in dossier.builds.iter().take(SHOWN) {
        let cached = build.steps.iter().filter(|s| s.cached).count();
        let mut table = Table::default();
        table
            .row("recipe", format!("{} {}", build.recipe, build.version))
            .row("result", build.error.as_deref().unwrap_or(if build.ok { "ok" } else { "failed" }))
            .row("when", format!("{} to {}", build.started, build.finished))
            .row("builder", format!("{} {}", build.builder.id, build.builder.version));
        if let Some(who) = &build.requester {
            table.row("asked by", who);
        }
        if let Some(commit) = &build.source.commit {
            let dirty = if build.source.dirty { ", with changes that no commit holds" } else { "" };
            table.row("commit", format!("{commit}{dirty}"));
        }
        let sources = build.materials.iter().filter(|m| m.kind == "source");
        for source in sources {
            table.row("source", format!("{}  {}", source.name, source.digest));
        }
        if let Some(toolchain) = build.materials.iter().find(|m| m.kind == "toolchain") {
            let packages = build.materials.iter().filter(|m| m.kind == "package").count();
            table.row("toolchain", format!("{}, {packages} packages  {}", toolchain.name, toolchain.digest));
        }
        table.row("steps", format!("{}, {cached} from the store", build.steps.len()));
        for step in build.steps.iter().take(SHOWN) {
            let log = step.log.map_or(String::new(), |log| format!("log {log}"));
            table.row(format!("  {}", step.name), format!("{}  {log}", duration(step.millis)));
        }
        for artifact in &build.artifacts {
            table.row("made", format!("{}  {}", artifact.name, artifact.digest));
        }
        out.push_str(&format!("\nbuild {}\n{}", plain(&build.id), table.text()));
    }
    if !dossier.used_by.is_empty() {
        out.push_str("\nused by\n");
        for used in dossier.used_by.iter().take(SHOWN) {
            let made: Vec<_> = used.artifacts.iter().map(|a| a.name.as_str()).collect();
            let (role, name) = (&used.role, &used.name);
            let made = if made.is_empty() { "nothing: it failed".to_owned() } else { made.join(", ") };
            let line = format!("build {} as {role} {name}, which made {made}", used.build);
            out.push_str(&format!("  {}\n", plain(&line)));
        }
    }
    section(&mut out, "attestations", &dossier.attestations, |a| {
        format!(
            "{}  {}  key {}  bundle {}",
            a.at,
            a.predicate_type,
            a.key_id.get(..12).unwrap_or(&a.key_id),
            a.bundle
        )
    });
    section(&mut out, "rebuilds", &dossier.rebuilds, |r| {
        let reason = r.reason.as_ref().map_or(String::new(), |r| format!("  {r}"));
        format!("{}  {}  by {}  {}{reason}", r.at, r.verdict, r.builder.id, duration(r.millis))
    });
    section(&mut out, "verifications", &dossier.verifications, |v| format!("{}  {}", v.at, v.class));
    out
}

fn section<T>(out: &mut String, title: &str, rows: &[T], line: impl Fn(&T) -> String) {
    if rows.is_empty() {
        return;
    }
    out.push_str(&format!("\n{title}\n"));
    for row in rows.iter().take(SHOWN) {
        out.push_str(&format!("  {}\n", plain(&line(row))));
    }
    if rows.len() > SHOWN {
        out.push_str(&format!("  and {} more (--json has them)\n", rows.len() - SHOWN));
    }
}
