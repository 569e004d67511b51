//! Inputs that are good until a day: signed addresses, and certificates.

use base64::Engine as _;
use model::Timestamp;

use super::noted::Noted;
use super::rule::Id;
use super::{Content, Sheet, is_aside};
use crate::calendar::seconds;

/// So long before its end, a certificate is told of.
const NOTICE: i64 = 90 * 86_400;
/// A file with more certificates is a list of authorities, of which some always have ended.
const FEW: usize = 3;

/// What in these texts ends by itself, seen at `now`.
#[must_use]
pub fn expiring(sheets: &[Sheet], now: Timestamp) -> Vec<Noted> {
    let mut list = Vec::new();
    for sheet in sheets {
        let Content::Text(text) = &sheet.content else { continue };
        let page = sheet.path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let is_prose = [".md", ".rst", ".adoc", ".html", ".svg"].iter().any(|end| page.ends_with(end));
        if is_aside(&sheet.path) || is_prose {
            continue;
        }
        for (line, text) in (1..).zip(text.lines()) {
            if let Some(kind) = signed(text) {
                let message = format!("an address signed for a time ({kind}) ends with it");
                let fix = "take it from an address that stays, with its hash";
                list.push(Noted::new(Id::Time04, &sheet.path, line, message, fix));
            }
        }
        let found = certificates(text);
        if found.len() > FEW {
            continue;
        }
        for (line, end) in found.into_iter().filter_map(|(line, der)| Some((line, not_after(&der)?))) {
            let day = Timestamp(end).to_string();
            let day = day.split('T').next().unwrap_or_default();
            let message = match end - now.0 {
                left if left <= 0 => format!("this certificate ended on {day}"),
                left if left <= NOTICE => format!("this certificate ends on {day}"),
                _ => continue,
            };
            let fix = "do not let the build depend on it, or pin its clock";
            list.push(Noted::new(Id::Time04, &sheet.path, line, message, fix));
        }
    }
    list
}

/// Whose signed address stands in a line.
fn signed(line: &str) -> Option<&'static str> {
    let line = line.to_ascii_lowercase();
    let url = line.find("://").map(|at| &line[at..])?;
    let has =
        |word: &str| [format!("?{word}="), format!("&{word}=")].iter().any(|w| url.contains(w.as_str()));
    // A variable behind it is filled in anew each time.
    let filled = |word: &str| {
        let at = url.find(&format!("{word}=")).map(|at| &url[at + word.len() + 1..]);
        at.is_some_and(|value| value.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    if has("x-amz-signature") && filled("x-amz-signature") {
        return Some("X-Amz-Signature");
    }
    if has("x-goog-signature") && filled("x-goog-signature") {
        return Some("X-Goog-Signature");
    }
    if has("sig") && has("se") && has("sv") && filled("sig") {
        return Some("a shared access signature");
    }
    (has("signature") && has("expires") && filled("signature")).then_some("Signature and Expires")
}

/// Each certificate in PEM: its line, and its bytes.
fn certificates(text: &str) -> Vec<(usize, Vec<u8>)> {
    let mut list = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match line.trim() {
            "-----BEGIN CERTIFICATE-----" => open = Some((number, String::new())),
            "-----END CERTIFICATE-----" => {
                if let Some((line, body)) = open.take()
                    && let Ok(der) = base64::engine::general_purpose::STANDARD.decode(body)
                {
                    list.push((line, der));
                }
            }
            part => {
                if let Some((_, body)) = &mut open {
                    body.push_str(part);
                }
            }
        }
    }
    list
}

/// When a certificate ends, in seconds of Unix: `notAfter` of RFC 5280, 4.1.2.5.
fn not_after(der: &[u8]) -> Option<i64> {
    let (_, certificate, _) = element(der)?;
    let (_, mut body, _) = element(certificate)?;
    // Version (if it is said), serial number, algorithm, issuer; then the validity.
    let (tag, _, rest) = element(body)?;
    if tag == 0xa0 {
        body = rest;
    }
    for _ in 0..3 {
        body = element(body)?.2;
    }
    let (_, validity, _) = element(body)?;
    let (_, _, after) = element(validity)?;
    let (tag, time, _) = element(after)?;
    let text = std::str::from_utf8(time).ok()?.strip_suffix('Z')?;
    let number = |at: usize, length: usize| text.get(at..at + length)?.parse::<i64>().ok();
    let (year, at) = match tag {
        // Two digits are of 1950 to 2049.
        0x17 => (number(0, 2).map(|y| if y < 50 { 2000 + y } else { 1900 + y })?, 2),
        0x18 => (number(0, 4)?, 4),
        _ => return None,
    };
    let [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map(|n| number(at + n, 2));
    Some(seconds(year, month?, day?, hour?, minute?, second?))
}

/// Tag, content and what follows of a DER element.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, first) = (*bytes.first()?, *bytes.get(1)?);
    let (length, at) = match first {
        0..=0x7f => (usize::from(first), 2),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let digits = bytes.get(2..2 + count)?;
            (digits.iter().fold(0, |sum, d| sum << 8 | usize::from(*d)), 2 + count)
        }
        _ => return None,
    };
    let end = at.checked_add(length)?;
    Some((tag, bytes.get(at..end)?, bytes.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_addresses_are_those_with_a_signature_and_an_end() {
        for (line, told) in [
            ("curl 'https://b.example.org/x?X-Amz-Expires=3600&X-Amz-Signature=0a1b'", true),
            ("url = https://b.example.org/x?x-goog-expires=1&x-goog-signature=ab", true),
            ("https://a.example.org/x?sv=2022&se=2024-01-01&sp=r&sig=ab%3D", true),
            ("https://a.example.org/x?Expires=1700000000&Signature=ab&Key-Pair-Id=K", true),
            ("https://a.example.org/x?X-Amz-Signature=$SIG", false),
            ("https://a.example.org/x?sig=ab", false),
            ("https://a.example.org/x?signature=abc", false),
            ("params.set('X-Amz-Signature', s) // &X-Amz-Signature=1", false),
        ] {
            assert_eq!(signed(line).is_some(), told, "{line}");
        }
    }

    #[test]
    fn a_damaged_certificate_says_nothing() {
        for der in [&b""[..], b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x80\x00", b"\x30\x03\x30\x01\xa0"]
        {
            assert_eq!(not_after(der), None);
        }
    }
}
