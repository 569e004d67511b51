//! Verification: one artifact, one bundle, the keys one trusts → yes, or every reason why not.
//!
//! Offline: everything that is looked at is an argument. No check ends the others: what cannot be looked at
//! because of an earlier failure is [`Outcome::Unknown`] and says so.

use std::collections::BTreeMap;

use model::statement::{PAYLOAD_TYPE, ResourceDescriptor, SPDX_DOCUMENT, STATEMENT_TYPE, Statement};
use model::{Digest, Sha256};
use serde::Serialize;
use serde_json::Value;

use crate::bundle::{Bundle, BundleError, ClaimedSigner};
use crate::dsse::unbase64;
use crate::key::PublicKey;
use crate::provenance::BUILD_TYPE;

/// The older statement type, which cosign still writes. Same fields.
const STATEMENT_TYPE_V0: &str = "https://in-toto.io/Statement/v0.1";

/// What is to be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// As people call it; for messages, and for finding the statement's entry of that name.
    pub name: String,
    /// Of its bytes; of its tree for a directory.
    pub digest: Digest,
}

/// What the statement must say besides the digest. The default asks nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expectations {
    /// The predicate type must be one of these; empty: any. The versioned and unversioned SPDX and CycloneDX
    /// types count as equal.
    pub predicate_types: Vec<String>,
    /// Provenance must be of this builder (`runDetails.builder.id`).
    pub builder_id: Option<String>,
    /// What the subject's digest was taken of. Of whoever looked at the artifact, not of who asks: provenance of
    /// [`BUILD_TYPE`] says it too, and a file whose bytes happen to be the encoding of a tree is not that tree.
    pub kind: Option<Kind>,
}

/// What a digest was taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The bytes of a file.
    File,
    /// The tree of a directory.
    Directory,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File => "a file",
            Self::Directory => "a directory",
        })
    }
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As expected.
    Pass,
    /// Not as expected.
    Fail,
    /// Could not be looked at, or is not looked at by this version. Never counts as a pass.
    Unknown,
}

/// One question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The stable name: `bundle`, `payload_type`, `signature`, `statement`, `predicate_type`, `builder`,
    /// `subject`, `log`.
    pub id: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What should be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// One sentence.
    pub text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// The answer as a whole, in the order of exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Every check passed.
    Accepted,
    /// There is no bundle.
    NoAttestation,
    /// The bundle is damaged, not signed by an accepted key, or says something else than asked.
    NoneAcceptable,
    /// The bundle is in order, but it is about other bytes.
    DigestMismatch,
}

impl Class {
    /// The exit code of the command line: 0, 20, 21, 22.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::NoAttestation => 20,
            Self::NoneAcceptable => 21,
            Self::DigestMismatch => 22,
        }
    }
}

/// The answer with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verification {
    /// Whether [`Verification::class`] is [`Class::Accepted`].
    pub ok: bool,
    /// The answer as a whole.
    pub class: Class,
    /// Every check, in the order in which a reader would ask.
    pub checks: Vec<Check>,
    /// The key whose signature was verified, even if something else failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<Sha256>,
    /// The statement, if its signature was verified, even if it is about other bytes.
    #[serde(skip)]
    pub statement: Option<Statement>,
}

impl Verification {
    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|c| c.outcome == Outcome::Fail)
    }
}

/// Verifies `subject` against `bundle`. `None` for a bundle that is not there.
///
/// Accepted means: exactly one signature, made by one of `keys`, over an in-toto statement whose predicate is as
/// expected and which has a subject with exactly this SHA-256.
#[must_use]
pub fn verify(
    subject: &Subject,
    bundle: Option<&[u8]>,
    keys: &[PublicKey],
    expect: &Expectations,
) -> Verification {
    let mut checks = Checks::default();
    let Some(bytes) = bundle else {
        checks
            .fail("bundle", None, None, format!("there is no attestation of {}", subject.name))
            .advise("name the bundle that was written beside the artifact, or ask whoever built it for one");
        return checks.answer(Some(Class::NoAttestation), None, None);
    };
    let bundle = match Bundle::parse(bytes) {
        Ok(bundle) => bundle,
        Err(error) => {
            checks.damaged(&error);
            return checks.answer(None, None, None);
        }
    };
    checks.pass("bundle", "the bundle is well-formed and has exactly one signature".into());
    let typed = bundle.payload_type == PAYLOAD_TYPE;
    checks.compare("payload_type", PAYLOAD_TYPE, &bundle.payload_type, "type of the signed payload");
    let signed_by = checks.signature(&bundle, keys);
    let statement = checks.statement(&bundle);
    match &statement {
        Some(statement) => {
            checks.predicate_type(statement, expect);
            checks.builder(statement, expect);
            checks.subject(statement, subject, expect.kind);
        }
        None => {
            for id in ["predicate_type", "subject"] {
                checks.unknown(id, "not looked at: there is no statement to read".into());
            }
        }
    }
    if bundle.log_entries + bundle.timestamps > 0 {
        checks.unknown(
            "log",
            format!(
                "the bundle carries {} log entries and {} timestamps, which this version does not check",
                bundle.log_entries, bundle.timestamps
            ),
        );
    }
    let statement = statement.filter(|_| typed && signed_by.is_some());
    checks.answer(None, signed_by, statement)
}

#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn push(&mut self, check: Check) -> &mut Check {
        self.0.push(check);
        self.0.last_mut().expect("one was just pushed")
    }

    fn pass(&mut self, id: &'static str, text: String) {
        self.push(Check { id, outcome: Outcome::Pass, expected: None, found: None, text, advice: None });
    }

    fn unknown(&mut self, id: &'static str, text: String) {
        self.push(Check { id, outcome: Outcome::Unknown, expected: None, found: None, text, advice: None });
    }

    fn fail(
        &mut self,
        id: &'static str,
        expected: Option<String>,
        found: Option<String>,
        text: String,
    ) -> &mut Check {
        self.push(Check { id, outcome: Outcome::Fail, expected, found, text, advice: None })
    }

    fn compare(&mut self, id: &'static str, expected: &str, found: &str, what: &str) {
        if expected == found {
            self.pass(id, format!("the {what} is {found}"));
        } else {
            let text = format!("the {what} is another one");
            self.fail(id, Some(expected.into()), Some(found.into()), text);
        }
    }

    fn damaged(&mut self, error: &BundleError) {
        let cause = std::error::Error::source(error).map(|c| format!(": {c}")).unwrap_or_default();
        self.fail("bundle", None, None, format!("{error}{cause}"))
            .advise("get the bundle anew from where it was published; this one cannot be judged");
        for id in ["signature", "predicate_type", "subject"] {
            self.unknown(id, "not looked at: the bundle cannot be read".into());
        }
    }

    fn signature(&mut self, bundle: &Bundle, keys: &[PublicKey]) -> Option<Sha256> {
        let given = || keys.iter().map(PublicKey::fingerprint).collect::<Vec<_>>().join(" or ");
        let ClaimedSigner::Key { hint } = &bundle.signer else {
            let text = "the bundle is signed with a certificate, not with a key";
            self.fail("signature", Some(given()), Some("a certificate".into()), text.into());
            return None;
        };
        let claimed = unbase64(hint).ok().and_then(|b| <[u8; 32]>::try_from(b).ok()).map(Sha256::from_bytes);
        if keys.is_empty() {
            let found = claimed.map(|id| format!("sha256:{id}"));
            self.fail("signature", None, found, "no key was given to verify the signature with".into())
                .advise("name the public key of whoever you trust to have built this");
            return None;
        }
        let signed = bundle.signed_bytes();
        if let Some(key) = keys.iter().find(|key| key.verifies(&signed, &bundle.signature)) {
            // Nobody signed the hint, and whoever looks for the key by it would find none, or another.
            if !hint.is_empty() && *hint != key.hint() {
                let text = "the signature holds, but the bundle's hint is not that of the key that made it";
                self.fail("signature", Some(key.hint()), Some(hint.clone()), text.into())
                    .advise("the bundle was changed after signing: get it anew");
                return None;
            }
            self.pass("signature", format!("the signature is of the key {}", key.fingerprint()));
            return Some(key.id());
        }
        let named = claimed.filter(|id| keys.iter().any(|key| key.id() == *id));
        let (text, advice) = match (named, claimed) {
            (Some(_), _) => (
                "the bundle names a key that was given, but the signature is not that key's signature of this payload",
                "the payload or the signature was changed after signing: get the bundle anew",
            ),
            (None, Some(_)) => (
                "the bundle is signed with another key",
                "if you trust that key, give its public half; if not, do not use this artifact",
            ),
            (None, None) => (
                "no given key made this signature",
                "give the public key of the signer, or get the bundle anew",
            ),
        };
        let found = claimed.map(|id| format!("sha256:{id} (says the bundle)"));
        self.fail("signature", Some(given()), found, text.into()).advise(advice);
        None
    }

    fn statement(&mut self, bundle: &Bundle) -> Option<Statement> {
        let statement: Statement = match serde_json::from_slice(&bundle.payload) {
            Ok(statement) => statement,
            Err(error) => {
                let text = format!("the signed payload is no in-toto statement: {error}");
                self.fail("statement", None, None, text);
                return None;
            }
        };
        if statement.kind != STATEMENT_TYPE && statement.kind != STATEMENT_TYPE_V0 {
            let text = "the statement is of a version that is not known".to_owned();
            self.fail("statement", Some(STATEMENT_TYPE.into()), Some(statement.kind.clone()), text);
        } else if statement.subject.iter().any(|s| s.digest.is_empty()) {
            self.fail("statement", None, None, "the statement has a subject without a digest".into());
        } else {
            self.pass("statement", format!("the payload is an in-toto statement ({})", statement.kind));
        }
        Some(statement)
    }

    fn predicate_type(&mut self, statement: &Statement, expect: &Expectations) {
        let found = statement.predicate_type.as_str();
        let wanted = &expect.predicate_types;
        if wanted.is_empty() || wanted.iter().any(|w| family(w) == family(found)) {
            self.pass("predicate_type", format!("the statement's predicate is {found}"));
        } else {
            let text = "the statement says something else than was asked for".to_owned();
            self.fail("predicate_type", Some(wanted.join(" or ")), Some(found.into()), text)
                .advise("name the bundle that holds this kind of statement");
        }
    }

    fn builder(&mut self, statement: &Statement, expect: &Expectations) {
        let Some(wanted) = &expect.builder_id else { return };
        match statement.predicate.pointer("/runDetails/builder/id").and_then(|id| id.as_str()) {
            Some(found) => self.compare("builder", wanted, found, "builder"),
            None => {
                let text = "the statement names no builder".to_owned();
                self.fail("builder", Some(wanted.clone()), None, text);
            }
        }
    }

    fn subject(&mut self, statement: &Statement, subject: &Subject, kind: Option<Kind>) {
        let mine = subject.digest.hex();
        let hash = |digest: &BTreeMap<String, String>| digest.get("sha256").map(|h| h.to_ascii_lowercase());
        let ours = statement.predicate.pointer("/buildDefinition/buildType").and_then(Value::as_str)
            == Some(BUILD_TYPE);
        let said = |s: &ResourceDescriptor| match s.annotations.get("format").and_then(Value::as_str) {
            Some("dir") => Some(Kind::Directory),
            Some(_) => Some(Kind::File),
            // The manifest of the image in an artifact: whoever has it, has it as bytes.
            None => s.annotations.contains_key("artifact").then_some(Kind::File),
        };
        let fits = |s: &ResourceDescriptor| !ours || kind.is_none() || said(s) == kind;
        let mut same: Vec<_> =
            statement.subject.iter().filter(|s| hash(&s.digest).as_ref() == Some(&mine)).collect();
        // Both may be there: a directory, and a file that holds its encoding.
        same.sort_by_key(|s| !fits(s));
        if let (Some(entry), Some(kind)) = (same.first(), kind)
            && !fits(entry)
        {
            let expected = said(entry).map_or("an artifact of a known format".to_owned(), |k| k.to_string());
            let text = format!("the statement is about another kind of thing than {}", subject.name);
            self.fail("subject", Some(expected), Some(kind.to_string()), text).advise(
                "a file that holds the encoding of a directory is not that directory, nor the other way",
            );
            return;
        }
        if let Some(entry) = same.first() {
            let also = match entry.name.as_str() {
                "" | "_" => String::new(),
                name if name == subject.name => String::new(),
                name => format!(" (under the name {name})"),
            };
            self.pass("subject", format!("the statement is about sha256:{mine}{also}"));
            return;
        }
        let of_name = statement.subject.iter().find(|s| s.name == subject.name).and_then(|s| hash(&s.digest));
        let expected: Vec<_> = match of_name {
            Some(hash) => vec![format!("sha256:{hash}")],
            None => statement
                .subject
                .iter()
                .filter_map(|s| Some(format!("sha256:{}", hash(&s.digest)?)))
                .collect(),
        };
        let shown = if expected.len() > 8 {
            format!("{} and {} more", expected[..8].join(" or "), expected.len() - 8)
        } else {
            expected.join(" or ")
        };
        let (expected, text) = match shown.as_str() {
            "" => (None, "the statement names no subject by SHA-256".to_owned()),
            _ => (Some(shown), format!("the statement is about other bytes than {}", subject.name)),
        };
        self.fail("subject", expected, Some(format!("sha256:{mine}")), text)
            .advise("the artifact was changed after the build, or this is another artifact's bundle");
    }

    fn answer(
        self,
        class: Option<Class>,
        signed_by: Option<Sha256>,
        statement: Option<Statement>,
    ) -> Verification {
        let failed = |c: &&Check| c.outcome == Outcome::Fail;
        let class = class.unwrap_or_else(|| {
            let mut failures = self.0.iter().filter(failed).map(|c| c.id);
            match (failures.next(), failures.next()) {
                // The acceptance itself is asked of the passes, so that no forgotten check can accept.
                (None, _) if self.required() => Class::Accepted,
                (Some("subject"), None) => Class::DigestMismatch,
                _ => Class::NoneAcceptable,
            }
        });
        Verification { ok: class == Class::Accepted, class, checks: self.0, signed_by, statement }
    }

    fn required(&self) -> bool {
        ["bundle", "payload_type", "signature", "statement", "predicate_type", "subject"]
            .iter()
            .all(|id| self.0.iter().any(|c| c.id == *id && c.outcome == Outcome::Pass))
    }
}

impl Check {
    fn advise(&mut self, advice: &str) {
        self.advice = Some(advice.to_owned());
    }
}

/// A predicate type without its version, where the field writes both forms.
fn family(predicate_type: &str) -> &str {
    for base in [SPDX_DOCUMENT, model::statement::CYCLONEDX_BOM] {
        if predicate_type.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with("/v")) {
            return base;
        }
    }
    predicate_type
}
