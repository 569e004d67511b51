//! An answer on its way: first its head, then its body piece by piece.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// How much of a file is read at once.
const PIECE: usize = 128 << 10;

/// Status and headers of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// HTTP status.
    pub status: u16,
    /// Name, value.
    pub headers: Vec<(&'static str, String)>,
    /// Length of the body, if it is known.
    pub length: Option<u64>,
}

/// Nobody waits for the answer any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the process that asked is gone")]
pub struct Gone;

/// Where an answer goes.
#[derive(Debug)]
pub struct Responder {
    head: Option<oneshot::Sender<Head>>,
    body: mpsc::Sender<Result<Bytes, Gone>>,
    whole: bool,
}

impl Responder {
    pub(crate) fn new(head: oneshot::Sender<Head>, body: mpsc::Sender<Result<Bytes, Gone>>) -> Self {
        Self { head: Some(head), body, whole: false }
    }

    /// Begins the answer; once.
    ///
    /// # Errors
    /// If nobody waits for it.
    pub fn begin(&mut self, head: Head) -> Result<(), Gone> {
        self.head.take().ok_or(Gone)?.send(head).map_err(|_| Gone)
    }

    /// Sends a piece of the body.
    ///
    /// # Errors
    /// If nobody waits for it.
    pub fn write(&self, piece: &[u8]) -> Result<(), Gone> {
        if piece.is_empty() {
            return Ok(());
        }
        self.body.blocking_send(Ok(Bytes::copy_from_slice(piece))).map_err(|_| Gone)
    }

    /// The body is whole.
    pub fn finish(mut self) {
        self.whole = true;
    }

    /// A whole answer of a few bytes.
    pub fn text(mut self, status: u16, text: &str) {
        let headers = vec![("content-type", "text/plain; charset=utf-8".to_owned())];
        let head = Head { status, headers, length: Some(text.len() as u64) };
        if self.begin(head).is_ok() && self.write(text.as_bytes()).is_ok() {
            self.finish();
        }
    }

    /// Answers with a file of `length` bytes; with the part of it that a `Range` header asks for, if it asks for one
    /// (RFC 9110, section 14; of several ranges, the whole).
    pub fn file(mut self, mut file: File, length: u64, mut head: Head, range: Option<&str>) {
        let (mut from, mut left) = (0, length);
        if let Some(range) = range.filter(|_| head.status == 200) {
            match part(range, length) {
                Part::Whole => {}
                Part::Of(first, count) => {
                    (from, left) = (first, count);
                    head.status = 206;
                    head.headers
                        .push(("content-range", format!("bytes {first}-{}/{length}", first + count - 1)));
                }
                Part::Nothing => {
                    let headers = vec![("content-range", format!("bytes */{length}"))];
                    if self.begin(Head { status: 416, headers, length: Some(0) }).is_ok() {
                        self.finish();
                    }
                    return;
                }
            }
        }
        head.headers.push(("accept-ranges", "bytes".to_owned()));
        head.length = Some(left);
        if self.begin(head).is_err() || file.seek(SeekFrom::Start(from)).is_err() {
            return;
        }
        let mut buffer = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
        while left > 0 {
            let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            match file.read(&mut buffer[..wanted]) {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    if self.write(&buffer[..count]).is_err() {
                        return;
                    }
                    left -= count as u64;
                }
            }
        }
        self.finish();
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // Within the server itself nobody may wait; there, nobody waits for the answer either.
        if !self.whole && tokio::runtime::Handle::try_current().is_err() {
            let _ = self.body.blocking_send(Err(Gone));
        }
    }
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// First byte, count.
    Of(u64, u64),
    Nothing,
}

fn part(header: &str, length: u64) -> Part {
    let Some(range) = header.strip_prefix("bytes=").filter(|r| !r.contains(',')) else { return Part::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Part::Whole };
    let number = |text: &str| text.parse::<u64>().ok();
    match (first, last) {
        ("", last) => match number(last) {
            None => Part::Whole,
            Some(0) => Part::Nothing,
            Some(_) if length == 0 => Part::Nothing,
            Some(count) => {
                let count = count.min(length);
                Part::Of(length - count, count)
            }
        },
        (first, last) => {
            let (Some(first), last) =
                (number(first), if last.is_empty() { Some(u64::MAX) } else { number(last) })
            else {
                return Part::Whole;
            };
            match last {
                Some(last) if first <= last && first < length => {
                    Part::Of(first, last.min(length - 1) - first + 1)
                }
                Some(last) if first <= last => Part::Nothing,
                _ => Part::Whole,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_rfc() {
        for (header, expected) in [
            ("bytes=0-0", Part::Of(0, 1)),
            ("bytes=2-", Part::Of(2, 8)),
            ("bytes=2-99", Part::Of(2, 8)),
            ("bytes=-3", Part::Of(7, 3)),
            ("bytes=-99", Part::Of(0, 10)),
            ("bytes=-0", Part::Nothing),
            ("bytes=10-", Part::Nothing),
            ("bytes=5-4", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("bytes=x-1", Part::Whole),
        ] {
            assert_eq!(part(header, 10), expected, "{header}");
        }
        assert_eq!(part("bytes=-1", 0), Part::Nothing);
    }
}
