//! One blob into a repository: left where it is there already, mounted from another repository of the registry, or sent.
//!
//! A small one is sent whole (`POST`, `PUT`); another in one piece to an upload (`POST`, `PATCH`, `PUT`), or in several where
//! the registry finds one too large (413). Where a transfer breaks, the registry is asked how much it has (`Range`), and is
//! sent the rest; if it does not know, all. What is small is hashed before. What is large is hashed by the registry, which
//! takes nothing under a name that is not its digest; only where it does not take a blob is it hashed here, to tell whose
//! fault it is. (To hash everything twice takes a fifth of the time of a push.) The upload's address is the registry's word: it may be on another host, which is
//! then told nothing of who asks, and it is never less encrypted than the registry itself.

use std::fmt::Display;

use model::Digest;

use super::ImageError;
use super::content::{Content, Outgoing};
use super::registry::{Registry, SAID, is_loopback};
use crate::http::{Heard, Patience, Sending};
use crate::{HttpError, InputError};

/// What is sent in one request.
const SMALL: u64 = 1 << 20;
/// Pieces for a registry that finds one too large; and the least that is tried.
const PIECE: u64 = 64 << 20;
const LEAST: u64 = 1 << 20;
/// How often an upload that a registry has refused or forgotten is begun anew.
const ANEW: usize = 3;
/// No address of an upload is longer.
const LONGEST: usize = 8 << 10;

/// How a blob got there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It was there.
    Present,
    /// It was in another repository of the registry.
    Mounted,
    /// Over the network.
    Sent,
}

/// Makes sure that the repository has a blob; `from` is a repository of the same registry that may have it. `progress` hears
/// how far it is.
pub(super) fn upload(
    registry: &Registry<'_>,
    image: &dyn Display,
    content: &Content,
    from: Option<&str>,
    progress: &dyn Fn(u64),
) -> Result<How, InputError> {
    let size = content.digest.size;
    if registry.has(image, &content.digest)? {
        progress(size);
        return Ok(How::Present);
    }
    let Some(address) = begin(registry, image, &content.digest, from)? else {
        progress(size);
        return Ok(How::Mounted);
    };
    let patience = registry.client.patience();
    let outgoing = Outgoing::new(content, progress);
    let piece = size.max(1);
    Upload { registry, image, content, outgoing, address, offset: 0, reach: 0, piece, patience, anew: 0 }
        .run()?;
    progress(size);
    Ok(How::Sent)
}

/// Asks for an upload, or for a mount from another repository: `None` if that was done.
fn begin(
    registry: &Registry<'_>,
    image: &dyn Display,
    digest: &Digest,
    from: Option<&str>,
) -> Result<Option<Address>, InputError> {
    let plain = registry.url("blobs/uploads/");
    if let Some(from) = from {
        let url = format!("{plain}?mount=sha256:{}&from={from}", digest.hex());
        match registry.send(image, "POST", &url, &[], &[], SAID) {
            Ok(heard) if heard.status == 201 => return Ok(None),
            Ok(heard) if heard.status == 202 => return Address::of(registry, image, &url, &heard).map(Some),
            // It does not let us read there, has no such repository, or does not know of mounting.
            Ok(_) | Err(InputError::Image(ImageError::Denied { .. } | ImageError::Missing { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    let heard = registry.send(image, "POST", &plain, &[], &[], SAID)?;
    match heard.status {
        202 => Address::of(registry, image, &plain, &heard).map(Some),
        _ => Err(registry.refused(image, "take a blob", &heard)),
    }
}

/// Where an upload is.
pub(super) struct Address {
    pub(super) url: String,
    /// Not of the registry: it is not told who asks.
    pub(super) foreign: bool,
}

impl Address {
    /// The header `Location` of an answer to a request for `asked`.
    fn of(
        registry: &Registry<'_>,
        image: &dyn Display,
        asked: &str,
        heard: &Heard,
    ) -> Result<Self, InputError> {
        let location = heard.header("location").unwrap_or_default();
        located(&registry.base, asked, location).ok_or_else(|| {
            let reason = format!("it wants a blob sent to `{}`", location.escape_debug());
            let (registry, image) = (registry.name().to_owned(), image.to_string());
            ImageError::Answer { registry, image, reason }.into()
        })
    }

    fn with(&self, query: &str) -> String {
        format!("{}{}{query}", self.url, if self.url.contains('?') { '&' } else { '?' })
    }
}

/// Scheme, host and port of a URL, in small letters.
fn origin(url: &str) -> Option<(String, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    (!authority.is_empty() && !authority.contains('@'))
        .then(|| (scheme.to_ascii_lowercase(), authority.to_ascii_lowercase()))
}

/// What a `Location` means that the registry at `base` gave when it was asked at `asked`; `None` if nothing is sent there.
pub(super) fn located(base: &str, asked: &str, location: &str) -> Option<Address> {
    let plain =
        !location.is_empty() && location.len() <= LONGEST && location.bytes().all(|b| b.is_ascii_graphic());
    if !plain || location.contains(['#', '\\']) || location.starts_with("//") {
        return None;
    }
    let (scheme, authority) = origin(base)?;
    let (its, host) = origin(asked)?;
    // Who is not the registry is not told who asks, nor may it send who does to a place of its choice there.
    let elsewhere = (its.as_str(), host.as_str()) != (scheme.as_str(), authority.as_str());
    if location.starts_with('/') {
        return Some(Address { url: format!("{its}://{host}{location}"), foreign: elsewhere });
    }
    if !location.contains("://") {
        let folder = asked.split('?').next()?.rsplit_once('/')?.0;
        return Some(Address { url: format!("{folder}/{location}"), foreign: elsewhere });
    }
    let (its, host) = origin(location)?;
    let rest = &location[location.find("://")? + 3 + host.len()..];
    if host == authority {
        // One that does not know of the encryption before it says `http` of itself.
        return Some(Address { url: format!("{scheme}://{host}{rest}"), foreign: elsewhere });
    }
    let fits = its == "https" || its == "http" && is_loopback(location) && is_loopback(base);
    fits.then(|| Address { url: format!("{its}://{host}{rest}"), foreign: true })
}

/// How many bytes an upload has, by the header `Range`: `0-LAST`. One byte and none are both `0-0`, which is taken for none:
/// the byte that is then there twice is seen by the digest.
fn reached(heard: &Heard) -> Option<u64> {
    let range = heard.header("range")?;
    let last = range.strip_prefix("bytes=").unwrap_or(range).strip_prefix("0-")?;
    match last.parse::<u64>().ok()? {
        0 => Some(0),
        last => last.checked_add(1),
    }
}

/// A blob on its way.
struct Upload<'a> {
    registry: &'a Registry<'a>,
    image: &'a dyn Display,
    content: &'a Content,
    outgoing: Outgoing<'a>,
    address: Address,
    /// So many bytes have arrived.
    offset: u64,
    /// So many can have arrived, since no more were sent.
    reach: u64,
    /// So many are sent at once.
    piece: u64,
    patience: Patience<'a>,
    anew: usize,
}

impl Upload<'_> {
    fn run(&mut self) -> Result<(), InputError> {
        let size = self.content.digest.size;
        if size <= SMALL {
            self.look()?;
        }
        loop {
            while size > SMALL && self.offset < size {
                self.send_piece()?;
            }
            // What is small, or what an upload has all of.
            let from = if size > SMALL { size } else { 0 };
            let url = self.address.with(&format!("digest=sha256:{}", self.content.digest.hex()));
            match self.request("PUT", &url, &[], from, size) {
                Ok(heard) if matches!(heard.status, 200..=299) => {
                    return self.registry.same(self.image, &self.content.digest, &heard);
                }
                Ok(heard) if matches!(heard.status, 408 | 429 | 500..=599) => self.pause_after(&heard)?,
                // It has other bytes than were sent, or forgot that it was sent any.
                Ok(heard) if matches!(heard.status, 400 | 404 | 416) => {
                    self.look()?;
                    self.begin_anew(Some(&heard))?;
                }
                Ok(heard) => return Err(self.registry.refused(self.image, "take a blob", &heard)),
                Err(error) => self.pause(error)?,
            }
            if self.registry.has(self.image, &self.content.digest)? {
                return Ok(());
            }
            if size <= SMALL {
                self.begin_anew(None)?;
            }
        }
    }

    /// Sends the next piece, or finds out what is next.
    fn send_piece(&mut self) -> Result<(), InputError> {
        let end = self.content.digest.size.min(self.offset.saturating_add(self.piece));
        let range = format!("{}-{}", self.offset, end - 1);
        let url = self.address.url.clone();
        let heard = self.request("PATCH", &url, &[("Content-Range", &range)], self.offset, end);
        self.reach = self.reach.max(self.outgoing.at());
        match heard {
            Ok(heard) if matches!(heard.status, 200..=299) => {
                self.moved(&heard)?;
                // One that says less has kept less.
                let arrived = reached(&heard).unwrap_or(end);
                if arrived <= self.offset || arrived > end {
                    return self.begin_anew(Some(&heard));
                }
                self.offset = arrived;
                // One that keeps a little of each piece could be sent them for ever.
                if arrived < end {
                    return self.pause_after(&heard);
                }
                self.patience.renew();
                Ok(())
            }
            Ok(heard) if heard.status == 413 && self.piece > LEAST => {
                self.piece = PIECE.min(self.piece / 2).max(LEAST);
                self.begin_anew(None)
            }
            Ok(heard) if heard.status == 416 => {
                self.pause_after(&heard)?;
                self.ask()
            }
            Ok(heard) if heard.status == 404 => self.begin_anew(Some(&heard)),
            Ok(heard) if matches!(heard.status, 408 | 429 | 500..=599) => {
                self.pause_after(&heard)?;
                self.ask()
            }
            Ok(heard) => Err(self.registry.refused(self.image, "take a blob", &heard)),
            Err(error) => {
                self.pause(error)?;
                self.ask()
            }
        }
    }

    /// Asks how much has arrived.
    fn ask(&mut self) -> Result<(), InputError> {
        let url = self.address.url.clone();
        let heard = self.request("GET", &url, &[], 0, 0)?;
        let arrived = reached(&heard).filter(|n| matches!(heard.status, 200..=299) && *n <= self.reach);
        match arrived {
            Some(arrived) => {
                self.moved(&heard)?;
                if arrived > self.offset {
                    self.patience.renew();
                }
                self.offset = arrived;
                Ok(())
            }
            None => self.begin_anew(Some(&heard)),
        }
    }

    /// Takes another upload; because of an answer, not for ever.
    fn begin_anew(&mut self, because: Option<&Heard>) -> Result<(), InputError> {
        if let Some(heard) = because {
            self.anew += 1;
            if self.anew > ANEW {
                return Err(self.registry.refused(self.image, "take a blob", heard));
            }
        }
        (self.offset, self.reach) = (0, 0);
        if let Some(address) = begin(self.registry, self.image, &self.content.digest, None)? {
            self.address = address;
        }
        Ok(())
    }

    /// That the bytes here are what their digest says.
    fn look(&self) -> Result<(), InputError> {
        let place = self.content.place();
        let found = self.content.hashed();
        let found = found.map_err(|cause| HttpError::File { path: place.clone().into(), cause })?;
        if found == self.content.digest {
            return Ok(());
        }
        Err(InputError::Mismatch {
            what: format!("a blob of `{}` in `{place}`", self.image),
            expected: self.content.digest.to_string(),
            found: found.to_string(),
            advice: "the image on disk is damaged: build or fetch it again",
        })
    }

    /// An upload may be somewhere else after each request.
    fn moved(&mut self, heard: &Heard) -> Result<(), InputError> {
        if heard.header("location").is_some() {
            self.address = Address::of(self.registry, self.image, &self.address.url, heard)?;
        }
        Ok(())
    }

    fn pause_after(&mut self, heard: &Heard) -> Result<(), InputError> {
        if self.patience.wait() {
            Ok(())
        } else {
            Err(self.registry.refused(self.image, "take a blob", heard))
        }
    }

    /// Waits after a broken connection; anything else is an end.
    fn pause(&mut self, error: InputError) -> Result<(), InputError> {
        match error {
            InputError::Http(HttpError::Transport { url, cause, .. }) => {
                if self.outgoing.short {
                    self.look()?;
                }
                if self.patience.wait() {
                    return Ok(());
                }
                Err(HttpError::Transport { url, attempts: self.patience.attempts, cause }.into())
            }
            other => Err(other),
        }
    }

    /// Sends the bytes from `from` to `end`, and who asks, if it is the registry that is asked.
    fn request(
        &mut self,
        method: &'static str,
        url: &str,
        headers: &[(&str, &str)],
        from: u64,
        end: u64,
    ) -> Result<Heard, InputError> {
        let (registry, foreign) = (self.registry, self.address.foreign);
        let outgoing = std::cell::RefCell::new(&mut self.outgoing);
        let once = |who: &[(&str, &str)]| -> Result<Heard, InputError> {
            let mut outgoing = outgoing.borrow_mut();
            if end > from {
                outgoing.turn(from, end);
            }
            let mut headers: Vec<_> = who.iter().chain(headers).copied().collect();
            if matches!(method, "PUT" | "PATCH") {
                headers.push(("Content-Type", "application/octet-stream"));
            }
            let sending = Sending { method, url, headers, body: &[], known: !foreign };
            let heard = if method == "GET" {
                registry.client.send_again(&sending, SAID)
            } else if end > from {
                registry.client.send_from(&sending, &mut **outgoing, end - from, SAID)
            } else {
                registry.client.send(&sending, SAID)
            };
            Ok(heard?)
        };
        if foreign { once(&[]) } else { registry.asked(self.image, &once) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_are_where_the_registry_says_and_never_less_encrypted() {
        let (base, asked) =
            ("https://r.example.org:5000", "https://r.example.org:5000/v2/a/blobs/uploads/?mount=x");
        let cases = [
            (
                "/v2/a/blobs/uploads/1?_state=x",
                Some(("https://r.example.org:5000/v2/a/blobs/uploads/1?_state=x", false)),
            ),
            ("1", Some(("https://r.example.org:5000/v2/a/blobs/uploads/1", false))),
            ("https://R.example.org:5000/u", Some(("https://r.example.org:5000/u", false))),
            ("http://r.example.org:5000/u", Some(("https://r.example.org:5000/u", false))),
            ("https://cdn.example.org/u?a=b", Some(("https://cdn.example.org/u?a=b", true))),
            ("https://r.example.org/u", Some(("https://r.example.org/u", true))),
            ("http://cdn.example.org/u", None),
            ("http://127.0.0.1/u", None),
            ("https://me:you@r.example.org:5000/u", None),
            ("https://r.example.org:5000\\@evil.example.org/u", None),
            ("//evil.example.org/u", None),
            ("ftp://r2.example.org/u", None),
            ("", None),
            ("/a b", None),
            ("/a\r\nX: y", None),
        ];
        for (location, expected) in cases {
            let found = located(base, asked, location).map(|a| (a.url, a.foreign));
            assert_eq!(found, expected.map(|(url, foreign)| (url.to_owned(), foreign)), "{location}");
        }
        let there = "https://cdn.example.org/u/1?a=b";
        for (location, url) in [
            ("2", "https://cdn.example.org/u/2"),
            ("/x", "https://cdn.example.org/x"),
            ("https://r.example.org:5000/u", "https://r.example.org:5000/u"),
        ] {
            let found = located(base, there, location).map(|a| (a.url, a.foreign));
            assert_eq!(found, Some((url.to_owned(), true)), "{location}, said by another host");
        }
        let here = "http://127.0.0.1:5000";
        assert!(located(here, here, "http://127.0.0.1:5001/u").is_some_and(|a| a.foreign));
        assert!(located(here, here, "http://cdn.example.org/u").is_none());
        assert!(located(here, here, &format!("/{}", "a".repeat(LONGEST))).is_none());
    }
}
