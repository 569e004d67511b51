//! `selfsame key`: signing keys.

use std::path::PathBuf;

use attest::PublicKey;
use serde_json::json;

use crate::failure::Failure;
use crate::keys::{key_name, write_key_pair};
use crate::output::answer::{Answer, Table};
use crate::session::{Session, read_text};

/// Arguments of `key`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make an ECDSA P-256 key pair; SELFSAME_KEY_PASSWORD protects the secret half
    Generate {
        /// Name of the pair
        #[arg(long, default_value = "selfsame", value_parser = key_name)]
        name: String,
        /// Folder [default: `keys` in the home folder]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// List the keys of the home folder
    List,
    /// Print a public key
    Show {
        /// Public key file [default: this machine's own]
        file: Option<PathBuf>,
    },
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    match &args.what {
        What::Generate { name, out } => {
            let folder = out.clone().unwrap_or_else(|| session.keys());
            let key = write_key_pair(&folder, name, &session.password())?;
            let secret = folder.join(format!("{name}.key"));
            let public = folder.join(format!("{name}.pub"));
            let protected = !session.password().is_empty();
            let mut table = Table::default();
            table
                .row("secret", secret.display())
                .row("public", public.display())
                .row("id", key.public().fingerprint())
                .row(
                    "password",
                    if protected { "yes" } else { "none: set SELFSAME_KEY_PASSWORD to have one" },
                );
            let data = json!({ "secret": secret, "public": public, "id": key.public().id(),
                               "password": protected });
            Ok(Answer::ok(data, table.text()))
        }
        What::List => {
            let mut names: Vec<PathBuf> = std::fs::read_dir(session.keys())
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|e| e == "pub"))
                .collect();
            names.sort();
            let mut table = Table::default();
            let mut list = Vec::new();
            for path in names {
                let key = public(&path)?;
                let secret = path.with_extension("key").exists();
                table.row(path.file_stem().unwrap_or_default().to_string_lossy(), key.fingerprint());
                list.push(json!({ "public": path, "id": key.id(), "secret": secret }));
            }
            Ok(Answer::ok(json!({ "keys": list }), table.text()))
        }
        What::Show { file } => {
            let path = file.clone().unwrap_or_else(|| session.keys().join("selfsame.pub"));
            let key = public(&path)?;
            Ok(Answer::ok(json!({ "public": path, "id": key.id(), "pem": key.to_pem() }), key.to_pem()))
        }
    }
}

fn public(path: &std::path::Path) -> Result<PublicKey, Failure> {
    PublicKey::from_pem(&read_text(path)?).map_err(|e| Failure::key(path, e))
}
