//! `selfsame image diff`: in what two images differ, and at which level it begins.

use engine::image::{Change, Compared, FileState, Level, compare};
use model::oci::Platform;
use serde_json::{Value, json};

use super::place::{self, IMAGE};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::answer::{Answer, Table};
use crate::session::Session;

/// How many files people are shown; `--json` has all.
const SHOWN: usize = 40;

/// Arguments of `image diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder, an archive, or the name or digest of an artifact that was built here
    #[arg(value_name = IMAGE)]
    before: String,
    /// The same
    #[arg(value_name = IMAGE)]
    after: String,
    /// Only the images for this platform, such as `linux/arm64`
    #[arg(long)]
    platform: Option<Platform>,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    let platform = args.platform.as_ref();
    let (first, second) = (place::open(session, &args.before)?, place::open(session, &args.after)?);
    let mut before = place::images(&first, &args.before, platform)?;
    let mut after = place::images(&second, &args.after, platform)?;
    let mut compared = Vec::new();
    // One with one, whatever they are for; of several, those for the same platform.
    let one = before.len() == 1 && after.len() == 1;
    let mut alone = Vec::new();
    for image in before.drain(..) {
        let partner = after.iter().position(|other| one || other.platform == image.platform);
        match partner.map(|at| after.remove(at)) {
            Some(other) => compared.push(compare((&first, &image), (&second, &other))?),
            None => alone.push((image.platform.to_string(), "before")),
        }
    }
    alone.extend(after.iter().map(|image| (image.platform.to_string(), "after")));
    let mut text: String = compared.iter().map(text).collect();
    for (platform, side) in &alone {
        let mut table = Table::default();
        text.push_str(&table.row("image", format!("for {platform}: only {side}")).text());
    }
    let same = alone.is_empty() && compared.iter().all(|image| image.differs.is_none());
    let data = json!({
        "same": same, "before": args.before, "after": args.after, "images": compared,
        "alone": alone.iter().map(|(platform, side)| json!({ "platform": platform, "side": side })).collect::<Vec<_>>(),
    });
    Ok(Answer { exit: if same { Exit::Ok } else { Exit::Differs }, data, text })
}

fn text(image: &Compared) -> String {
    let mut table = Table::default();
    let said = match image.differs {
        None => "the same image",
        Some(Level::Files) => "other files",
        Some(Level::Layers) => "the same files, in other layers",
        Some(Level::Manifest) => "the same layers, another manifest or configuration",
    };
    table.row(&image.platform, said);
    for (name, manifest) in ["before", "after"].into_iter().zip(image.manifest) {
        table.row(name, manifest.map_or_else(|| "no manifest".to_owned(), |digest| digest.to_string()));
    }
    for (nth, pair) in image.layers.iter().enumerate() {
        let said = match (pair.same_blob, pair.same_tar, &pair.before, &pair.after) {
            (true, true, ..) => continue,
            (false, true, ..) => "the same content, compressed in another way".to_owned(),
            (.., None, Some([_, tar])) => format!("new: {tar}"),
            (.., Some([_, tar]), None) => format!("gone: {tar}"),
            (.., Some([_, before]), Some([_, after])) => format!("{before} → {after}"),
            (.., None, None) => continue,
        };
        table.row(format!("layer {}", nth + 1), said);
    }
    for change in &image.documents {
        table.row(&change.place, told(change));
    }
    for file in image.files.iter().take(SHOWN) {
        let (before, after) = (file.before.as_ref(), file.after.as_ref());
        let mut said: Vec<String> = Vec::new();
        for what in &file.what {
            said.push(match (*what, before, after) {
                ("mode", Some(b), Some(a)) => format!("mode {} → {}", b.mode, a.mode),
                ("owner", Some(b), Some(a)) => format!("owner {} → {}", b.owner, a.owner),
                ("time", Some(b), Some(a)) => format!("time {} → {}", b.mtime, a.mtime),
                ("kind", Some(b), Some(a)) => format!("{} → {}", b.kind, a.kind),
                ("content", Some(b), Some(a)) if b.size != a.size => {
                    format!("content ({} → {} bytes)", b.size, a.size)
                }
                ("target", Some(b), Some(a)) => format!("{} → {}", target(b), target(a)),
                (what, ..) => what.to_owned(),
            });
        }
        table.row(format!("/{}", file.path), said.join(", "));
    }
    if image.files.len() > SHOWN {
        table.row("…", format!("{} files more; --json lists all", image.files.len() - SHOWN));
    }
    table.text()
}

fn target(file: &FileState) -> &str {
    file.target.as_deref().unwrap_or("nothing")
}

fn told(change: &Change) -> String {
    let value =
        |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
    format!("{} → {}", value(&change.before), value(&change.after))
}
