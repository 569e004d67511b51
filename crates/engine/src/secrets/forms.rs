//! The forms in which a secret may turn up.
//!
//! | form | in logs | in outputs |
//! |---|---|---|
//! | its bytes, without the ends of lines at its end | yes | yes |
//! | Base64 in both alphabets, also in the middle of something longer, also in lines of 64 and 76 | yes | yes |
//! | percent-encoded, as RFC 3986, browsers and forms do | yes | yes |
//! | hexadecimal; in a string of JSON | yes | yes |
//! | each line of several, and all on one line | yes | no: a first line may be `-----BEGIN PRIVATE KEY-----` |

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::SHORTEST;

/// Without the ends of lines at its end, which shells and tools drop.
pub(super) fn trimmed(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
    &value[..end]
}

/// The forms that are looked for in files.
pub(super) fn in_files(value: &[u8]) -> Vec<Vec<u8>> {
    let plain = trimmed(value);
    let mut forms = vec![plain.to_vec()];
    for engine in [&STANDARD, &URL_SAFE] {
        for before in 0..3 {
            forms.push(within_base64(engine, plain, before));
        }
    }
    for (width, text) in [(64, value), (64, plain), (76, value), (76, plain)] {
        let text = STANDARD.encode(text);
        if text.len() > width {
            let whole = text.trim_end_matches('=').as_bytes();
            forms.extend(whole.chunks(width).filter(|line| line.len() >= 2 * SHORTEST).map(<[u8]>::to_vec));
        }
    }
    let rfc = b"-._~".as_slice();
    forms.push(percent(plain, rfc, "%20", false));
    forms.push(percent(plain, rfc, "%20", true));
    forms.push(percent(plain, b"-._~!'()*", "%20", false));
    forms.push(percent(plain, b"-._*", "+", false));
    forms.push(plain.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect());
    forms.push(plain.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()).collect());
    if let Ok(text) = std::str::from_utf8(plain) {
        let quoted = serde_json::Value::from(text).to_string();
        forms.push(quoted.as_bytes()[1..quoted.len() - 1].to_vec());
    }
    distinct(forms)
}

/// The forms that are looked for in logs and other texts.
pub(super) fn in_text(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = in_files(value);
    let plain = trimmed(value);
    forms.extend(plain.split(|byte| b"\r\n".contains(byte)).map(<[u8]>::to_vec));
    forms.push(plain.iter().map(|byte| if byte.is_ascii_control() { b' ' } else { *byte }).collect());
    distinct(forms)
}

fn distinct(mut forms: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    forms.retain(|form| form.len() >= SHORTEST);
    forms.sort();
    forms.dedup();
    forms
}

/// The characters of Base64 that are the secret's alone, where `before` bytes (modulo 3) stand before it.
fn within_base64(engine: &impl base64::Engine, plain: &[u8], before: usize) -> Vec<u8> {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(plain);
    bytes.extend_from_slice(&[0; 3]);
    let text = engine.encode(&bytes).into_bytes();
    let (first, last) = ((8 * before).div_ceil(6), 8 * (before + plain.len()) / 6);
    text[first..last].to_vec()
}

fn percent(plain: &[u8], kept: &[u8], space: &str, lower: bool) -> Vec<u8> {
    let mut text = String::new();
    for byte in plain {
        let _ = match byte {
            b' ' => write!(text, "{space}"),
            byte if byte.is_ascii_alphanumeric() || kept.contains(byte) => {
                write!(text, "{}", char::from(*byte))
            }
            byte if lower => write!(text, "%{byte:02x}"),
            byte => write!(text, "%{byte:02X}"),
        };
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether one of the forms stands in `text`.
    fn found(forms: &[Vec<u8>], text: &str) -> bool {
        forms.iter().any(|form| text.as_bytes().windows(form.len()).any(|part| part == form.as_slice()))
    }

    #[test]
    fn base64_is_known_wherever_it_begins() {
        for secret in ["12345678", "p4ss:w/rd?+", "correct horse battery staple"] {
            let forms = in_files(secret.as_bytes());
            for before in ["", "u", "us", "user:", "a user:"] {
                for after in ["", "\n", "@example.org"] {
                    for engine in [&STANDARD, &URL_SAFE] {
                        let text = engine.encode(format!("{before}{secret}{after}"));
                        assert!(found(&forms, &text), "{before}{secret}{after}: {text}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_long_one_is_known_in_lines_of_base64() {
        let secret: String = (0..40).map(|n| format!("{n}-{}/", n * n)).collect();
        let forms = in_files(format!("{secret}\n").as_bytes());
        let text = STANDARD.encode(format!("{secret}\n"));
        for width in [64, 76] {
            for line in text.as_bytes().chunks(width).filter(|line| line.len() >= 20) {
                assert!(found(&forms, std::str::from_utf8(line).unwrap()));
            }
        }
    }

    #[test]
    fn the_usual_encodings_are_known() {
        let forms = in_text("pa ss/w\"ö:rd!\nsecond line\n".as_bytes());
        for text in [
            "pa%20ss%2Fw%22%C3%B6%3Ard%21%0Asecond%20line",
            "pa%20ss%2fw%22%c3%b6%3ard%21%0asecond%20line",
            "pa%20ss%2Fw%22%C3%B6%3Ard!%0Asecond%20line",
            "pa+ss%2Fw%22%C3%B6%3Ard%21%0Asecond+line",
            "706120737",
            "pa ss/w\\\"ö:rd!\\nsecond line",
            "pa ss/w\"ö:rd! second line",
            "x second line x",
        ] {
            let known = found(&forms, text);
            assert_eq!(known, text.len() > 9, "{text}");
        }
        let hex: String = "pa ss/w\"ö:rd!\nsecond line".bytes().map(|b| format!("{b:02X}")).collect();
        assert!(found(&forms, &hex) && found(&forms, &hex.to_lowercase()));
        assert!(!found(&in_files(b"12345678\nsecond line"), "second line"));
    }
}
