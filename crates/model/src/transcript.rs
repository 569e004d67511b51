//! What a step asked of the network at lock time, and what it was answered: replayed at each build.
//!
//! One line of the lock is one exchange ([`Exchange`]), `METHOD LOCATOR STATUS DIGEST [KEY=VALUE]…`:
//!
//! ```text
//! GET npm:/left-pad/-/left-pad-1.3.0.tgz 200 sha256:…/3619 type=application/octet-stream
//! POST https://example.org/git-upload-pack 200 sha256:…/8123 body=sha256:…/164 type=application/x-git-upload-pack-result
//! ```
//!
//! A locator is relative to its registry (`npm:/…`), so that a lock survives a change of mirror; any other host's is the
//! whole URL, without user and fragment. Nothing that changes with each answer is in a line: no date, no request id, no
//! entity tag. Specified in `docs/formats/lock.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Digest;
use crate::ecosystem::Ecosystem;

/// Where an answer comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A path (with query) of an ecosystem's registry, beginning with `/`.
    Registry(Ecosystem, String),
    /// A whole `http` or `https` URL.
    Url(String),
}

/// What makes two requests the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// Of what.
    pub place: Place,
    /// `GET`, `HEAD`, `POST`, …
    pub method: String,
    /// The `Accept` header, where it chooses among forms of the answer ([`chooses`]).
    pub accept: Option<String>,
    /// The `Git-Protocol` header (<https://git-scm.com/docs/http-protocol>).
    pub git_protocol: Option<String>,
    /// What was sent along, if anything.
    pub body: Option<Digest>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// The bytes, without any transfer or content encoding.
    pub body: Digest,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Location` of a redirection.
    pub location: Option<String>,
}

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The request.
    pub asked: Asked,
    /// Its answer.
    pub answered: Answered,
}

/// Every exchange of a step, by request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transcript(pub BTreeMap<Asked, Answered>);

/// Why a line is no exchange.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{line}` is not an exchange: {reason}")]
pub struct ExchangeError {
    /// The line, cut if long.
    pub line: String,
    /// What is wrong.
    pub reason: String,
}

/// Whether an `Accept` header chooses among forms of one resource, as registries' own types do; what merely states a
/// client's taste is no part of a request.
#[must_use]
pub fn chooses(accept: &str) -> bool {
    accept.contains("application/vnd.")
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(ecosystem, path) => write!(f, "{ecosystem}:{path}"),
            Self::Url(url) => f.write_str(url),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.bytes().any(|b| !b.is_ascii_graphic()) {
            return Err("a locator has only visible ASCII characters".into());
        }
        let (scheme, rest) = text.split_once(':').ok_or("a locator begins with `NAME:`")?;
        if matches!(scheme, "http" | "https") {
            let host = rest.strip_prefix("//").and_then(|r| r.split(['/', '?']).next()).unwrap_or_default();
            if host.is_empty() || host.contains('@') || rest.contains('#') {
                return Err("a URL has a host, and neither user nor fragment".into());
            }
            return Ok(Self::Url(text.to_owned()));
        }
        let ecosystem: Ecosystem = scheme.parse()?;
        if ecosystem.host().is_none() || !rest.starts_with('/') {
            return Err("a locator of a registry is `NAME:/PATH`".into());
        }
        Ok(Self::Registry(ecosystem, rest.to_owned()))
    }
}

impl Asked {
    /// A request without a body for a place.
    #[must_use]
    pub fn get(place: Place) -> Self {
        Self { place, method: "GET".into(), accept: None, git_protocol: None, body: None }
    }
}

impl fmt::Display for Asked {
    /// As people read it: `GET npm:/left-pad`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.place)
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, answered } = self;
        write!(f, "{} {} {} {}", asked.method, asked.place, answered.status, answered.body)?;
        let body = asked.body.map(|d| d.to_string());
        let pairs = [
            ("accept", asked.accept.as_deref()),
            ("git-protocol", asked.git_protocol.as_deref()),
            ("body", body.as_deref()),
            ("type", answered.content_type.as_deref()),
            ("location", answered.location.as_deref()),
        ];
        for (key, value) in pairs {
            if let Some(value) = value {
                write!(f, " {key}={}", escape(value))?;
            }
        }
        Ok(())
    }
}

impl FromStr for Exchange {
    type Err = ExchangeError;

    fn from_str(line: &str) -> Result<Self, ExchangeError> {
        let fail = |reason: String| ExchangeError { line: line.chars().take(200).collect(), reason };
        let mut words = line.split(' ');
        let mut next = |what: &str| {
            words.next().filter(|w| !w.is_empty()).ok_or_else(|| fail(format!("it has no {what}")))
        };
        let method = next("method")?;
        if method.len() > 20 || !method.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(fail(format!("`{method}` is no method")));
        }
        let place = next("locator")?.parse().map_err(&fail)?;
        let status = next("status")?;
        let status = status
            .parse()
            .ok()
            .filter(|s| (200..600).contains(s) && status.len() == 3)
            .ok_or_else(|| fail(format!("expected a status of 200 to 599, found `{status}`")))?;
        let digest = |text: &str| text.parse::<Digest>().map_err(|e| fail(e.to_string()));
        let body = digest(next("digest")?)?;
        let mut asked = Asked { method: method.to_owned(), ..Asked::get(place) };
        let mut answered = Answered { status, body, content_type: None, location: None };
        for pair in words {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| fail(format!("`{pair}` is no KEY=VALUE")))?;
            let text =
                unescape(value).ok_or_else(|| fail(format!("`{value}` is not escaped as it must be")))?;
            let twice = match key {
                "accept" => asked.accept.replace(text).is_some(),
                "git-protocol" => asked.git_protocol.replace(text).is_some(),
                "body" => asked.body.replace(digest(&text)?).is_some(),
                "type" => answered.content_type.replace(text).is_some(),
                "location" => answered.location.replace(text).is_some(),
                _ => return Err(fail(format!("`{key}` is no key of an exchange"))),
            };
            if twice {
                return Err(fail(format!("`{key}` stands twice")));
            }
        }
        let exchange = Self { asked, answered };
        // One exchange has one text: a digest in capitals, or keys in another order, would be another transcript.
        match exchange.to_string() {
            text if text == line => Ok(exchange),
            text => Err(fail(format!("expected `{text}`"))),
        }
    }
}

/// `%XX` for what would end or confuse a line; the value is a header's, so visible ASCII and spaces.
pub(crate) fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'%' | 0..=b' ' | 0x7f.. => out.push_str(&format!("%{byte:02X}")),
            _ => out.push(char::from(byte)),
        }
    }
    out
}

/// Undoes [`escape`]; `None` for what it never gives.
pub(crate) fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let pair = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    let value = String::from_utf8(out).ok()?;
    (escape(&value) == text).then_some(value)
}

impl Transcript {
    /// Its lines, sorted by locator, so that what belongs together stands together.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let exchange = |(asked, answered): (&Asked, &Answered)| {
            Exchange { asked: asked.clone(), answered: answered.clone() }.to_string()
        };
        self.0.iter().map(exchange).collect()
    }

    /// The text that stands for the whole in an action's digest: its lines.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.lines().into_iter().map(|line| line + "\n").collect()
    }

    /// The digest of [`Transcript::to_text`].
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_text().as_bytes())
    }

    /// Reads lines; each request may stand once.
    ///
    /// # Errors
    /// The first line that is no exchange, or comes a second time.
    pub fn from_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, ExchangeError> {
        let mut all = BTreeMap::new();
        for line in lines {
            let Exchange { asked, answered } = line.parse()?;
            if all.insert(asked, answered).is_some() {
                let line = line.chars().take(200).collect();
                return Err(ExchangeError { line, reason: "the same request stands twice".into() });
            }
        }
        Ok(Self(all))
    }

    /// Every body, each once.
    #[must_use]
    pub fn bodies(&self) -> std::collections::BTreeSet<Digest> {
        self.0.values().map(|a| a.body).collect()
    }
}

impl Serialize for Transcript {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.lines())
    }
}

impl<'de> Deserialize<'de> for Transcript {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let lines: Vec<String> = Vec::deserialize(deserializer)?;
        Self::from_lines(lines.iter().map(String::as_str)).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "GET npm:/left-pad 200 sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/0 \
                        accept=application/vnd.npm.install-v1+json;%20q=1.0 type=application/json";

    #[test]
    fn a_line_is_read_and_written() {
        let exchange: Exchange = LINE.parse().unwrap();
        assert_eq!(exchange.to_string(), LINE);
        assert_eq!(exchange.asked.place, Place::Registry(Ecosystem::Npm, "/left-pad".into()));
        assert_eq!(exchange.asked.accept.as_deref(), Some("application/vnd.npm.install-v1+json; q=1.0"));
        assert_eq!(exchange.answered.status, 200);
    }

    #[test]
    fn what_is_no_exchange_is_refused() {
        let empty = Digest::of(b"");
        for (line, reason) in [
            (String::new(), "no method"),
            ("get npm:/x 200 ".to_owned(), "`get` is no method"),
            (format!("GET gem:/x 200 {empty}"), "expected one of"),
            (format!("GET web:/x 200 {empty}"), "`NAME:/PATH`"),
            (format!("GET npm:x 200 {empty}"), "`NAME:/PATH`"),
            (format!("GET https:///x 200 {empty}"), "has a host"),
            (format!("GET https://u:p@example.org/ 200 {empty}"), "neither user"),
            (format!("GET npm:/x 099 {empty}"), "status"),
            (format!("GET npm:/x +200 {empty}"), "status"),
            ("GET npm:/x 200 sha256:00".to_owned(), ""),
            (format!("GET npm:/x 200 {empty} type"), "KEY=VALUE"),
            (format!("GET npm:/x 200 {empty} kind=a"), "no key"),
            (format!("GET npm:/x 200 {empty} type=a type=b"), "twice"),
            (format!("GET npm:/x 200 {empty} type=%2x"), "escaped"),
            (format!("GET npm:/x 200 {empty} type=%41"), "escaped"),
            (format!("GET npm:/x 200 {}", empty.to_string().replace('e', "E")), "sha256:e3b0"),
            (format!("GET npm:/x 200 {}", empty.to_string().replace("sha256:", "")), "sha256:e3b0"),
            (
                format!("GET npm:/x 200 {empty} type=a accept=application/vnd.x"),
                "accept=application/vnd.x type=a",
            ),
        ] {
            let error = line.parse::<Exchange>().unwrap_err().to_string();
            assert!(error.contains(reason), "{line}: {error}");
        }
        assert!(Transcript::from_lines([LINE, LINE]).unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn order_does_not_matter() {
        let other = LINE.replace("left-pad", "a");
        let one = Transcript::from_lines([LINE, &other]).unwrap();
        let two = Transcript::from_lines([other.as_str(), LINE]).unwrap();
        assert_eq!(one.to_text(), two.to_text());
        assert!(one.lines()[0].contains("npm:/a "));
    }
}
