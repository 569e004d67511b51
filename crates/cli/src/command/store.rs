//! `selfsame store`: the store of bytes.

use anstyle::{AnsiColor, Style};
use ledger::Keep;
use serde_json::json;
use store::Roots;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::answer::{Answer, Table, bytes};
use crate::output::safe::plain;
use crate::session::Session;

/// Arguments of `store`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// How much is in it
    Stats,
    /// Hash everything again; what is damaged goes to quarantine
    Verify,
    /// Remove what no recent build of the ledger needs
    Gc {
        /// How many of the newest builds of each recipe are kept whole
        #[arg(long, default_value_t = 5)]
        keep: u32,
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
}

impl Args {
    /// True for garbage collection.
    pub(crate) const fn collects(&self) -> bool {
        matches!(self.what, What::Gc { .. })
    }
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    match &args.what {
        What::Stats => stats(session),
        What::Verify => verify(session),
        What::Gc { keep, dry_run } => gc(session, *keep, *dry_run),
    }
}

fn stats(session: &Session) -> Result<Answer, Failure> {
    let stats = session.store.stats()?;
    let mut table = Table::default();
    table
        .row("store", session.store.dir().display())
        .row("blobs", format!("{}, {}", stats.blobs, bytes(stats.bytes)))
        .row("trees", format!("{}, {}", stats.trees, bytes(stats.tree_bytes)))
        .row("actions", stats.actions)
        .row("quarantined", stats.quarantined);
    Ok(Answer::ok(json!(stats), table.text()))
}

fn verify(session: &Session) -> Result<Answer, Failure> {
    let name = "store".to_owned();
    let unit = model::event::Unit::Items;
    let mut started = false;
    let report = session.store.verify(&mut |done, total| {
        if !started {
            started = true;
            session.tell(&model::Event::Started {
                stage: "verify",
                name: name.clone(),
                total: Some(total),
                unit,
            });
        }
        session.tell(&model::Event::Advanced { stage: "verify", name: name.clone(), done });
    })?;
    session.quiet_down();
    let mut table = Table::default();
    table
        .row("blobs", format!("{}, {}", report.blobs, bytes(report.bytes)))
        .row("actions", report.actions)
        .row("trees", report.trees)
        .row("damaged", report.damaged.len());
    let mut text = table.text();
    let red = Style::new().fg_color(Some(AnsiColor::Red.into()));
    for damage in &report.damaged {
        text.push_str(&format!(
            "{red}  damaged{red:#} {}\n",
            plain(&format!("{}: {}", damage.path.display(), damage.why))
        ));
        let now = damage.moved_to.as_ref().map_or_else(
            || "removed: it is made again when it is needed".to_owned(),
            |place| format!("now {}, until `selfsame store gc`", session.store.dir().join(place).display()),
        );
        text.push_str(&format!("          {}\n", plain(&now)));
    }
    let exit = if report.is_clean() { Exit::Ok } else { Exit::Failed };
    Ok(Answer { exit, data: json!(report), text })
}

fn gc(session: &Session, keep: u32, dry_run: bool) -> Result<Answer, Failure> {
    // Before the roots are read: a build that ends in between would be named by none of them.
    let alone = session.store.alone()?;
    let keep = Keep::Newest(keep);
    let roots = Roots { digests: session.ledger.roots(keep)?, actions: session.ledger.actions(keep)? };
    let freed = alone.gc(&roots, dry_run)?;
    let mut table = Table::default();
    table
        .row(if dry_run { "would free" } else { "freed" }, bytes(freed.bytes + freed.tree_bytes))
        .row("blobs", freed.blobs)
        .row("trees", freed.trees)
        .row("actions", freed.actions);
    Ok(Answer::ok(json!(freed), table.text()))
}
