//! The way out of a command's network. Whom it is to trust there, tools are told by variables and by files in `/run/selfsame`:
//! the image's own certificates stay as they are, since a command that installs some would make ours the image's.

use gateway::{Answers, Authority};
use model::ecosystem;
use model::recipe::Step;
use model::violation::Violation;
use sandbox::{Cancel, Doors, Gateway, Who};

use super::Stage;
use crate::BuildError;
use crate::network::Network;

const APT: &str = "run/selfsame/apt.conf";
const WGET: &str = "run/selfsame/wgetrc";

/// Variables of tools that read our files.
pub(super) fn variables() -> [(String, String); 2] {
    [("APT_CONFIG".to_owned(), format!("/{APT}")), ("WGETRC".to_owned(), format!("/{WGET}"))]
}

/// The network of a command.
pub(super) struct Road<'a> {
    inner: Network<'a>,
    /// The certificate of whoever answers.
    pub(super) pem: String,
}

impl<'a> Road<'a> {
    pub(super) fn new(step: &Step, stage: &Stage, answers: &'a dyn Answers) -> Result<Self, BuildError> {
        let seed = stage.stack.name().to_string();
        let authority = Authority::new(seed.as_bytes())
            .map_err(|source| BuildError::Gateway { step: step.name.clone(), reason: source.to_string() })?;
        let pem = authority.files().into_iter().find(|(path, _)| format!("/{path}") == ecosystem::AUTHORITY);
        let pem = pem.map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        Ok(Self { inner: Network::of(authority, answers), pem })
    }
}

impl Gateway for Road<'_> {
    fn knows(&self, name: &str) -> bool {
        self.inner.knows(name)
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let ours = |path: &str| path.starts_with("run/selfsame/");
        let mut files: Vec<_> = self.inner.files().into_iter().filter(|(path, _)| ours(path)).collect();
        // An index was valid when it was recorded, and is the same for ever.
        let apt = format!(
            "Acquire::Check-Valid-Until \"false\";\nAcquire::https::CaInfo \"{}\";\nAcquire::Retries \"0\";\n",
            ecosystem::AUTHORITY
        );
        files.push((APT.to_owned(), apt.into_bytes()));
        files.push((WGET.to_owned(), format!("ca_certificate = {}\n", ecosystem::AUTHORITY).into_bytes()));
        files
    }

    fn serve(&self, doors: Doors, who: &Who, end: &Cancel) -> Vec<Violation> {
        self.inner.serve(doors, who, end)
    }
}
