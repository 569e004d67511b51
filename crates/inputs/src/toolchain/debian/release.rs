//! `InRelease`: the signed root of an archive's index.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use model::{Digest, RelPath};
use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag};

use super::DebianError;
use crate::HostError;
use model::deb822::paragraphs;

/// A verified `InRelease`.
#[derive(Debug)]
pub(crate) struct Release {
    /// Fingerprints of the keys whose signatures hold, upper case. At least one, sorted.
    pub signed_by: Vec<String>,
    /// Whether files can be had under their hash, so that an index that is being replaced can still be read.
    pub by_hash: bool,
    /// Files of the index, relative to the suite's folder.
    files: BTreeMap<String, Digest>,
    url: String,
}

/// The trusted keys.
pub(crate) struct Keyring(Vec<SignedPublicKey>);

impl Keyring {
    /// Reads keyrings, binary or armoured.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, HostError> {
        let mut keys: Vec<SignedPublicKey> = Vec::new();
        for path in paths {
            let fail = |reason: String| HostError::File { path: path.clone(), reason };
            let bytes = std::fs::read(path).map_err(|e| fail(format!("cannot be read: {e}")))?;
            let (list, _) = SignedPublicKey::from_reader_many(&bytes[..])
                .map_err(|e| fail(format!("is no OpenPGP keyring: {e}")))?;
            // A key of a kind that is not known does not hide the others.
            for key in list.flatten() {
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        if keys.is_empty() {
            let looked: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
            let looked = if looked.is_empty() { "the host's".to_owned() } else { looked.join(", ") };
            return Err(HostError::Keyring { looked });
        }
        Ok(Self(keys))
    }

    fn fingerprints(&self) -> String {
        let list: Vec<String> = self.0.iter().map(|k| format!("{:X}", k.fingerprint())).collect();
        list.join(" ")
    }
}

impl Release {
    /// Verifies the signature and reads what was signed, and nothing else.
    ///
    /// One good signature is enough, as for apt: archives sign with an old and a new key at a time. `fresh` refuses an
    /// index past its `Valid-Until` at the time given: an old one, replayed, would hold back fixes.
    pub(crate) fn verify(
        url: &str,
        bytes: &[u8],
        keyring: &Keyring,
        suite: &str,
        fresh: Option<SystemTime>,
    ) -> Result<Self, DebianError> {
        let unsigned = |found: String| DebianError::Signature {
            url: url.to_owned(),
            expected: keyring.fingerprints(),
            found,
        };
        let text = std::str::from_utf8(bytes).map_err(|e| unsigned(format!("no signed text: {e}")))?;
        let (message, _) = CleartextSignedMessage::from_string(text)
            .map_err(|e| unsigned(format!("no signed text: {e}")))?;
        let signed = message.signed_text();
        let mut signed_by = Vec::new();
        let mut refused = Vec::new();
        for signature in message.signatures() {
            match signer(keyring, signature, signed.as_bytes()) {
                Ok(fingerprint) => signed_by.push(fingerprint),
                Err(reason) => refused.push(reason),
            }
        }
        if signed_by.is_empty() {
            let found = if refused.is_empty() { "no signature".to_owned() } else { refused.join("; ") };
            return Err(unsigned(found));
        }
        signed_by.sort();
        signed_by.dedup();
        Self::read(url, &signed.replace("\r\n", "\n"), signed_by, suite, fresh)
    }

    fn read(
        url: &str,
        text: &str,
        signed_by: Vec<String>,
        suite: &str,
        fresh: Option<SystemTime>,
    ) -> Result<Self, DebianError> {
        let fail = |reason: String| DebianError::Index { url: url.to_owned(), reason };
        let paragraph = paragraphs(text).next().ok_or_else(|| fail("is empty".into()))?;
        let named = [paragraph.get("Suite"), paragraph.get("Codename")];
        // `bookworm/updates`-like suites name only their first part.
        if !named.iter().flatten().any(|n| *n == suite || suite.split('/').next() == Some(n)) {
            let found: Vec<&str> = named.into_iter().flatten().collect();
            return Err(fail(format!("expected suite `{suite}`, found `{}`", found.join("`, `"))));
        }
        if let (Some(until), Some(now)) = (paragraph.get("Valid-Until"), fresh)
            && date(until).is_none_or(|until| until < now)
        {
            return Err(fail(format!(
                "was valid until {until}: the mirror is out of date; use another one, or set `snapshot`"
            )));
        }
        let mut files = BTreeMap::new();
        for line in paragraph.get("SHA256").unwrap_or_default().lines().filter(|l| !l.trim().is_empty()) {
            let mut words = line.split_whitespace();
            let entry = (|| {
                let sha256 = words.next()?.parse().ok()?;
                let size = words.next()?.parse().ok()?;
                Some((words.next()?.to_owned(), Digest { sha256, size }))
            })();
            let (path, digest) =
                entry.ok_or_else(|| fail(format!("cannot read the line `{}`", line.trim())))?;
            path.parse::<RelPath>().map_err(|e| fail(e.to_string()))?;
            files.insert(path, digest);
        }
        let by_hash = paragraph.get("Acquire-By-Hash") == Some("yes");
        Ok(Self { signed_by, by_hash, files, url: url.to_owned() })
    }

    /// The best compressed form of an index file: its path below the suite's folder and its digest.
    pub(crate) fn file(&self, path: &str) -> Result<(String, Digest), DebianError> {
        for suffix in [".xz", ".zst", ".gz", ""] {
            let path = format!("{path}{suffix}");
            if let Some(digest) = self.files.get(&path) {
                return Ok((path, *digest));
            }
        }
        Err(DebianError::Index {
            url: self.url.clone(),
            reason: format!("the suite has no `{path}`: check `components` and `arch`"),
        })
    }
}

/// Who made a signature, if it holds; else why it does not count.
fn signer(keyring: &Keyring, signature: &Signature, signed: &[u8]) -> Result<String, String> {
    let known: Vec<String> = signature.issuer_fingerprint().iter().map(|f| format!("{f:X}")).collect();
    let ids: Vec<String> = signature.issuer_key_id().iter().map(|id| id.to_string().to_uppercase()).collect();
    let issuer = known.first().or(ids.first()).cloned().unwrap_or_else(|| "an unnamed key".to_owned());
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return Err(format!("{issuer}: not a signature of a document"));
    }
    let mut seen = false;
    for key in &keyring.0 {
        let fingerprint = format!("{:X}", key.fingerprint());
        let here =
            |f: String| known.contains(&f) || (known.is_empty() && ids.iter().any(|id| f.ends_with(id)));
        let sub = key
            .public_subkeys
            .iter()
            .find(|sub| signature.verify(&sub.key, signed).is_ok() && may_sign(key, sub));
        let holds = sub.is_some() || signature.verify(&key.primary_key, signed).is_ok();
        seen |= here(fingerprint.clone())
            || key.public_subkeys.iter().any(|sub| here(format!("{:X}", sub.key.fingerprint())));
        if !holds {
            continue;
        }
        if !key.details.revocation_signatures.is_empty() {
            return Err(format!("{issuer}: the key is revoked"));
        }
        if let Some(reason) = expired(key, sub, signature) {
            return Err(format!("{issuer}: {reason}"));
        }
        return Ok(fingerprint);
    }
    let reason = if seen { "the signature is bad" } else { "the key is not in the keyring" };
    Err(format!("{issuer}: {reason}"))
}

/// Whether a subkey is bound to its key, for signing, and not revoked.
fn may_sign(key: &SignedPublicKey, sub: &SignedPublicSubKey) -> bool {
    let revoked = sub.signatures.iter().any(|s| s.typ() == Some(SignatureType::SubkeyRevocation));
    let signs = sub.signatures.iter().any(|s| s.key_flags().sign());
    !revoked && signs && sub.verify_bindings(&key.primary_key).is_ok()
}

/// Whether the key, or its subkey that signed, had expired when it signed. Either may expire later: a snapshot stays as
/// good as it was.
fn expired(key: &SignedPublicKey, sub: Option<&SignedPublicSubKey>, signature: &Signature) -> Option<String> {
    let Some(made) = signature.created().map(SystemTime::from) else {
        return Some("the signature has no time".to_owned());
    };
    // The newest self-signature that verifies speaks for the key.
    let primary = &key.primary_key;
    let own = key.details.direct_signatures.iter().filter(|s| s.verify_key(primary).is_ok());
    let certified = key.details.users.iter().flat_map(|user| {
        let holds = |s: &&Signature| s.verify_certification(primary, Tag::UserId, &user.id).is_ok();
        user.signatures.iter().filter(holds)
    });
    let ended = |born: SystemTime, said: Option<&Signature>| {
        let life = said.and_then(Signature::key_expiration_time);
        let life = life.map(|d| Duration::from_secs(u64::from(d.as_secs()))).filter(|l| !l.is_zero());
        life.and_then(|life| born.checked_add(life)).is_some_and(|end| made > end)
    };
    let newest = |s: &&Signature| s.created().map(SystemTime::from);
    let born = SystemTime::from(primary.created_at());
    if made < born {
        return Some("the signature is older than its key".to_owned());
    }
    if ended(born, own.chain(certified).max_by_key(newest)) {
        return Some("the key had expired when it signed".to_owned());
    }
    let sub = sub?;
    let bindings = sub.signatures.iter().filter(|s| s.typ() == Some(SignatureType::SubkeyBinding));
    let binding = bindings.filter(|s| s.verify_subkey_binding(primary, &sub.key).is_ok()).max_by_key(newest);
    ended(SystemTime::from(sub.key.created_at()), binding)
        .then(|| "the subkey had expired when it signed".to_owned())
}

/// `Sat, 09 Aug 2025 09:24:54 UTC`.
fn date(text: &str) -> Option<SystemTime> {
    let mut words = text.split_whitespace().skip(1);
    let day: i64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = (1..).zip(months).find(|(_, m)| *m == name)?.0;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(str::parse::<i64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    if !(1970..10_000).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    let seconds = crate::calendar::seconds(year, month, day, hour, minute, second);
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_an_index_are_read() {
        let seconds = |t: &str| date(t)?.duration_since(SystemTime::UNIX_EPOCH).ok().map(|d| d.as_secs());
        assert_eq!(seconds("Tue, 14 Nov 2023 22:13:20 UTC"), Some(1_700_000_000));
        assert_eq!(seconds("Tue, 29 Feb 2000 00:00:00 UTC"), Some(951_782_400));
        assert_eq!(seconds("Tue, 1 Foo 2000 00:00:00 UTC"), None);
        assert_eq!(seconds(""), None);
    }
}
