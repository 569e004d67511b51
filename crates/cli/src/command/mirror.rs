//! `selfsame mirror`: locked inputs for machines without a network.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use inputs::{Form, Index, Shelf, Tls};
use model::lock::Lock;
use serde_json::json;

use crate::failure::Failure;
use crate::output::answer::{Answer, Table, bytes};
use crate::project::Project;
use crate::session::Session;

/// Arguments of `mirror`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Write everything that locks name as one archive, folder or OCI layout
    Export {
        /// Recipes, or their folders [default: ./selfsame.toml]
        recipe: Vec<PathBuf>,
        /// Where to: an archive if it ends in `.tar` or `.tar.zst`, else a folder
        #[arg(short, long, value_name = "FILE|DIR")]
        output: PathBuf,
        /// Another form than the name says
        #[arg(long, value_enum, value_name = "FORM")]
        layout: Option<Layout>,
    },
    /// Take a mirror into the store; every blob is hashed
    Import {
        /// What `mirror export` has written
        #[arg(value_name = "FILE|DIR")]
        from: PathBuf,
    },
    /// Serve blobs by digest to other machines, until stopped
    Serve {
        /// What `mirror export` has written [default: the store]
        #[arg(value_name = "FILE|DIR")]
        from: Option<PathBuf>,
        /// Address and port; port 0 chooses one
        #[arg(long, default_value = "127.0.0.1:8117", value_name = "ADDRESS:PORT")]
        listen: SocketAddr,
        /// Speak TLS with this certificate, and what leads from it to an authority (PEM)
        #[arg(long, value_name = "FILE", requires = "tls_key")]
        tls_cert: Option<PathBuf>,
        /// The certificate's key (PEM, without a password)
        #[arg(long, value_name = "FILE", requires = "tls_cert")]
        tls_key: Option<PathBuf>,
    },
}

/// Forms of a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Layout {
    /// One file
    Archive,
    /// A folder with a file for each blob
    Folder,
    /// An OCI image layout, which tools for registries can copy
    Oci,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    match &args.what {
        What::Export { recipe, output, layout } => export(session, recipe, output, *layout),
        What::Import { from } => import(session, from),
        What::Serve { from, listen, tls_cert, tls_key } => {
            let tls = tls_cert.as_deref().zip(tls_key.as_deref());
            let tls = tls.map(|(cert, key)| Tls::read(cert, key)).transpose();
            let tls = tls.map_err(|e| Failure::from(inputs::InputError::from(e)))?;
            serve(session, from.as_deref(), *listen, tls)
        }
    }
}

fn form(output: &Path, layout: Option<Layout>) -> Form {
    let name = output.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let compressed = !name.ends_with(".tar");
    match layout {
        Some(Layout::Oci) => Form::Oci,
        Some(Layout::Folder) => Form::Folder,
        Some(Layout::Archive) => Form::Archive { compressed },
        None if !compressed || name.ends_with(".tar.zst") => Form::Archive { compressed },
        None => Form::Folder,
    }
}

fn export(
    session: &Session,
    recipes: &[PathBuf],
    output: &Path,
    layout: Option<Layout>,
) -> Result<Answer, Failure> {
    let given: Vec<Option<&Path>> =
        if recipes.is_empty() { vec![None] } else { recipes.iter().map(|r| Some(r.as_path())).collect() };
    let projects = given.into_iter().map(Project::open).collect::<Result<Vec<_>, _>>()?;
    let mut locks = Vec::new();
    for project in &projects {
        let text = project.lock_text()?;
        let lock = Lock::parse(&project.lock_path().display().to_string(), &text)?;
        locks.push((lock, text, Some(&project.recipe)));
    }
    // Paths of a recipe are relative to its folder: each is brought from there before all are written.
    for (project, (lock, ..)) in projects.iter().zip(&locks) {
        let fetch = || session.inputs(&project.dir, |cx| inputs::fetch(cx, lock, Some(&project.recipe)));
        session.with_inputs(|| Ok(()), || fetch().map_err(Failure::from))?;
    }
    let dir = projects.first().map_or(Path::new("."), |p| p.dir.as_path());
    let form = form(output, layout);
    let write = || session.inputs(dir, |cx| inputs::export(cx, &locks, form, output));
    let index = session.with_inputs(|| Ok(()), || write().map_err(Failure::from))?;
    let mut table = Table::default();
    table.row("mirror", output.display());
    told(&mut table, &index);
    Ok(Answer::ok(
        json!({ "mirror": output, "blobs": index.blobs.len(), "bytes": size(&index), "locks": index.locks }),
        table.text(),
    ))
}

fn size(index: &Index) -> u64 {
    index.blobs.iter().map(|b| b.digest.size).sum()
}

fn told(table: &mut Table, index: &Index) {
    table.row("blobs", format!("{}, {}", index.blobs.len(), bytes(size(index))));
    for lock in &index.locks {
        table.row("for lock", lock);
    }
}

fn import(session: &Session, from: &Path) -> Result<Answer, Failure> {
    let inputs::Imported { index, new } = session.inputs(Path::new("."), |cx| inputs::import(cx, from))?;
    let mut table = Table::default();
    told(&mut table, &index);
    table.row("new", new);
    let data = json!({ "blobs": index.blobs.len(), "new": new, "bytes": size(&index), "locks": index.locks });
    Ok(Answer::ok(data, table.text()))
}

fn serve(
    session: &Session,
    from: Option<&Path>,
    listen: SocketAddr,
    tls: Option<Tls>,
) -> Result<Answer, Failure> {
    let shelf = session.inputs(Path::new("."), |cx| Shelf::open(cx, from))?;
    if !listen.ip().is_loopback() {
        let text = format!("everybody who reaches {listen} can read what is served, by digest");
        session.tell(&model::Event::Warning { text, advice: None });
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    let ready = |here: SocketAddr| {
        session.tell(&model::Event::Note { text: format!("serving at {scheme}://{here}") });
    };
    let cancel = std::sync::Arc::clone(&session.cancel);
    let wait = move || {
        while !cancel.is_cancelled() {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    };
    inputs::serve(shelf, listen, tls, ready, wait)?;
    Ok(Answer::ok(json!({}), String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_the_form() {
        for (name, layout, expected) in [
            ("a.tar", None, Form::Archive { compressed: false }),
            ("a.tar.zst", None, Form::Archive { compressed: true }),
            ("a", None, Form::Folder),
            ("a.tar", Some(Layout::Oci), Form::Oci),
            ("a.img", Some(Layout::Archive), Form::Archive { compressed: true }),
        ] {
            assert_eq!(form(Path::new(name), layout), expected, "{name}");
        }
    }
}
