//! `--secret`: where the values of a recipe's secrets come from.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;

use engine::secrets::{LONGEST, Secret, Secrets, names};
use model::recipe::Recipe;

use crate::exit::Exit;
use crate::failure::Failure;

/// The option, for every verb that runs steps.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Given {
    /// Value of a secret that a step names: of a file, or with NAME=env:VARIABLE of the environment; may be given
    /// several times
    #[arg(long = "secret", value_name = "NAME=FILE")]
    secrets: Vec<String>,
}

impl Given {
    /// The names, as they are given.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.secrets.iter().filter_map(|given| Some(given.split_once('=')?.0)).collect()
    }

    /// Reads each once; all must be names of `recipe`.
    pub(crate) fn read(&self, recipe: &Recipe) -> Result<Secrets, Failure> {
        let known = names(recipe);
        let mut secrets = Secrets::none();
        for given in &self.secrets {
            let usage = |title: String| Failure::failed(title).with_exit(Exit::Usage);
            let Some((name, place)) = given.split_once('=').filter(|(_, place)| !place.is_empty()) else {
                // Not repeated: somebody may have given the secret itself.
                return Err(usage("--secret takes NAME=FILE or NAME=env:VARIABLE".into()));
            };
            if !known.contains(&name) {
                let all = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let title = format!("no step of the recipe has a secret `{name}`");
                return Err(usage(title).help(format!("secrets of this recipe: {all}")));
            }
            if !secrets.add(name, value(name, place)?) {
                return Err(usage(format!("--secret {name} is given twice")));
            }
        }
        Ok(secrets)
    }
}

fn value(name: &str, place: &str) -> Result<Secret, Failure> {
    let wrong = |why: String| {
        Failure::failed(format!("the secret `{name}` cannot be used: {why}"))
            .with_exit(Exit::NotAuthenticated)
    };
    let bytes = match place.strip_prefix("env:") {
        Some(variable) => match std::env::var_os(variable) {
            Some(value) => value.into_vec(),
            None => return Err(wrong(format!("the variable {variable} is not set"))),
        },
        None => {
            let mut bytes = Vec::new();
            let read = File::open(place).and_then(|f| f.take(LONGEST as u64 + 1).read_to_end(&mut bytes));
            read.map_err(|e| wrong(format!("`{place}` cannot be read: {e}")))?;
            bytes
        }
    };
    Secret::new(bytes).map_err(|e| wrong(e.to_string()))
}
