//! `selfsame image inspect`: what an image is.

use engine::image::{Inspected, inspect};
use model::oci::Platform;
use serde_json::{Value, json};

use super::place::{self, IMAGE};
use crate::failure::Failure;
use crate::output::answer::{Answer, Table, bytes};
use crate::session::Session;

/// Arguments of `image inspect`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder, an archive, or the name or digest of an artifact that was built here
    #[arg(value_name = IMAGE)]
    image: String,
    /// Only the image for this platform, such as `linux/arm64`
    #[arg(long)]
    platform: Option<Platform>,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    let layout = place::open(session, &args.image)?;
    let mut list = Vec::new();
    for image in place::images(&layout, &args.image, args.platform.as_ref())? {
        list.push(inspect(&layout, &image)?);
    }
    let text: Vec<String> = list.iter().map(text).collect();
    Ok(Answer::ok(json!({ "image": args.image, "images": list }), text.join("\n")))
}

fn text(image: &Inspected) -> String {
    let mut table = Table::default();
    table.row("platform", &image.platform);
    if let Some(manifest) = image.manifest {
        table.row("manifest", manifest);
    }
    table.row("config", image.config);
    if let Some(created) = &image.created {
        table.row("created", created);
    }
    for (key, name) in [
        ("Entrypoint", "entrypoint"),
        ("Cmd", "cmd"),
        ("User", "user"),
        ("WorkingDir", "workdir"),
        ("StopSignal", "stop signal"),
    ] {
        match image.run.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text.is_empty() => {}
            Some(Value::String(text)) => drop(table.row(name, text)),
            Some(other) => drop(table.row(name, other)),
        }
    }
    for line in image.run.get("Env").and_then(Value::as_array).into_iter().flatten() {
        table.row("env", line.as_str().unwrap_or_default());
    }
    for (key, name) in [("ExposedPorts", "port"), ("Volumes", "volume")] {
        for place in image.run.get(key).and_then(Value::as_object).into_iter().flatten() {
            table.row(name, place.0);
        }
    }
    for (key, value) in image.run.get("Labels").and_then(Value::as_object).into_iter().flatten() {
        table.row("label", format!("{key}={}", value.as_str().unwrap_or_default()));
    }
    for (key, value) in image.annotations.as_object().into_iter().flatten() {
        table.row("annotation", format!("{key}={}", value.as_str().unwrap_or_default()));
    }
    for (nth, layer) in image.layers.iter().enumerate() {
        let name = format!("layer {}", nth + 1);
        table.row(&name, format!("{}  {}", layer.digest, bytes(layer.size)));
        let gone =
            if layer.whiteouts > 0 { format!(", {} taken away", layer.whiteouts) } else { String::new() };
        table.row(
            "",
            format!(
                "{} of {} files and {} directories{gone}",
                bytes(layer.unpacked),
                layer.files,
                layer.directories
            ),
        );
        table.row("", format!("diff id {}", layer.diff_id));
        if let Some(made_by) = &layer.made_by {
            table.row("", made_by);
        }
    }
    table.text()
}
