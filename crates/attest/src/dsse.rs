//! DSSE, the envelope of a signed payload: which bytes are signed, and where the signature stands.
//!
//! Source: secure-systems-lab/dsse, `protocol.md` and `envelope.md`, v1.0.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};

/// The pre-authentication encoding: `"DSSEv1" SP LEN(type) SP type SP LEN(body) SP body`, lengths in decimal.
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

/// A payload with its signatures, as it stands in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    /// Base64.
    pub payload: String,
    /// What the payload is.
    pub payload_type: String,
    /// At least one.
    pub signatures: Vec<Signature>,
}

/// One signature of an [`Envelope`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// An unauthenticated hint. Never written: the verifiers of the field disagree on its form.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub keyid: String,
    /// Base64, over [`pae`].
    pub sig: String,
}

/// Standard base64, with padding.
#[must_use]
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Standard or URL-safe base64; one text for each value (no stray bits, no missing padding).
pub(crate) fn unbase64(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    STANDARD.decode(text).or_else(|e| URL_SAFE.decode(text).map_err(|_| e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specification_s_example() {
        let expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(pae("http://example.com/HelloWorld", b"hello world"), expected);
    }

    #[test]
    fn lengths_count_bytes_and_keep_the_parts_apart() {
        assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
        assert_eq!(pae("é", "日".as_bytes()), "DSSEv1 2 é 3 日".as_bytes());
        assert_ne!(pae("a", b"1 b"), pae("a 3 1", b"b"));
    }

    #[test]
    fn both_alphabets_are_read_and_stray_bits_are_not() {
        assert_eq!(unbase64("+/8="), Ok(vec![0xfb, 0xff]));
        assert_eq!(unbase64("-_8="), Ok(vec![0xfb, 0xff]));
        for text in ["+/9=", "+/8", "+_8=", "+/8=\n", " +/8="] {
            assert!(unbase64(text).is_err(), "{text:?}");
        }
    }
}
