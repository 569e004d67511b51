//! A server that gives blobs by digest to other machines, and nothing else: it reads, and takes nothing.
//!
//! | request | answer |
//! |---|---|
//! | `GET /blobs/sha256/HEX` | the blob, with `Range`; it is hashed before the first byte of it goes out |
//! | `GET /commits/ID` | digest of the blob that proves a commit of git, as text |
//! | `GET /MIRROR.json`, `GET /` | the index; of a store, one that lists nothing |
//!
//! It belongs to wall one: what it gives are inputs, and who asks checks them. So it stands beside the client that asks,
//! and needs neither a login nor a key.

use std::convert::Infallible;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Waking, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{ACCEPT_RANGES, ALLOW, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, IF_RANGE, RANGE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use model::{Digest, Sha256};
use store::Store;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;

use super::folder::Folder;
use super::index::{FORMAT, Index, NAME};
use super::{MirrorError, Tls, import};
use crate::source::git::proof;
use crate::{Context, InputError};

/// How many clients are served at once; the next ones wait.
const CLIENTS: usize = 64;
/// How much of a blob is read at once.
const PIECE: usize = 128 << 10;
/// Pieces that wait for a client.
const AHEAD: usize = 4;
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is served.
#[derive(Debug)]
pub struct Shelf {
    store: Store,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Whatever blob the store holds.
    Store,
    /// A folder's blobs.
    Folder(Folder),
    /// The blobs of an archive, which are in the store now.
    Listed(Index),
}

impl Shelf {
    /// The store of `cx`, or the mirror at `from`. An archive is taken into the store first: it cannot be read in pieces.
    ///
    /// # Errors
    /// If there is no mirror, or it cannot be taken in.
    pub fn open(cx: &Context<'_>, from: Option<&Path>) -> Result<Self, InputError> {
        let what = match from {
            None => What::Store,
            Some(path) if path.is_dir() => match Folder::open(path)? {
                Folder { bundle: Some(_), .. } => What::Listed(import(cx, path)?.index),
                folder => What::Folder(folder),
            },
            Some(path) => What::Listed(import(cx, path)?.index),
        };
        Ok(Self { store: cx.store.clone(), what })
    }

    fn index(&self) -> String {
        let empty = || Index {
            format: FORMAT,
            locks: Default::default(),
            commits: Default::default(),
            blobs: Vec::new(),
        };
        match &self.what {
            What::Store => empty().to_text(),
            What::Folder(Folder { index, .. }) | What::Listed(index) => index.to_text(),
        }
    }

    fn commit(&self, id: &str) -> Option<Digest> {
        match &self.what {
            What::Store => proof::known(&self.store, id),
            What::Folder(Folder { index, .. }) | What::Listed(index) => index.commits.get(id).copied(),
        }
    }

    /// A blob's file at its start, hashed. `None`: there is none, or no good one.
    fn blob(&self, sha256: &Sha256) -> Option<(Digest, File)> {
        match &self.what {
            What::Store => {
                let digest = self.store.find(sha256)?;
                Some((digest, self.store.open_blob(&digest).ok()?))
            }
            What::Listed(index) => {
                let digest = index.find(sha256)?;
                Some((digest, self.store.open_blob(&digest).ok()?))
            }
            What::Folder(folder) => {
                let digest = folder.index.find(sha256)?;
                let mut file = folder.blob(&digest).ok()??;
                let mut hasher = model::Hasher::default();
                std::io::copy(&mut file, &mut hasher).ok()?;
                file.rewind().ok()?;
                (hasher.finish() == digest).then_some((digest, file))
            }
        }
    }
}

/// Serves at `address` until `wait`, called on a thread of its own, returns. `ready` hears the address, with the port that
/// was chosen if 0 was asked for. With `tls`, nothing else is spoken.
///
/// # Errors
/// If it cannot be listened at.
pub fn serve(
    shelf: Shelf,
    address: SocketAddr,
    tls: Option<Tls>,
    ready: impl FnOnce(SocketAddr),
    wait: impl FnOnce() + Send + 'static,
) -> Result<(), InputError> {
    let failed = |cause| MirrorError::Listen { address, cause };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let here = listener.local_addr().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        wait();
        let _ = ended.send(());
    });
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        ready(here);
        let clients = tokio::spawn(accept(listener, Arc::new(shelf), tls));
        let _ = end.await;
        clients.abort();
        Ok::<(), InputError>(())
    })?;
    // A client that takes no more is not waited for.
    runtime.shutdown_background();
    Ok(())
}

async fn accept(listener: tokio::net::TcpListener, shelf: Arc<Shelf>, tls: Option<Tls>) {
    let tls = tls.map(|Tls(config)| TlsAcceptor::from(config));
    let room = Arc::new(Semaphore::new(CLIENTS));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files, say: what goes wrong with one client is no reason to refuse the next.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let (shelf, tls) = (Arc::clone(&shelf), tls.clone());
        tokio::spawn(async move {
            let _place = place;
            match tls {
                None => speak(stream, shelf).await,
                // Who does not come to an end with it keeps no place.
                Some(tls) => {
                    if let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
                        speak(stream, shelf).await;
                    }
                }
            }
        });
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin, shelf: Arc<Shelf>) {
    let service = service_fn(move |request| {
        let shelf = Arc::clone(&shelf);
        async move { Ok::<_, Infallible>(answer(request, shelf).await) }
    });
    // A connection that breaks has nobody left who could be told.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: Request<Incoming>, shelf: Arc<Shelf>) -> Response<Reply> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "selfsame: this mirror is only read\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let path = request.uri().path();
    if path == "/" || path.strip_prefix('/') == Some(NAME) {
        let mut response = text(StatusCode::OK, shelf.index());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return response;
    }
    if let Some(id) = path.strip_prefix("/commits/") {
        return match shelf.commit(id) {
            Some(digest) => text(StatusCode::OK, format!("{digest}\n")),
            None => missing(),
        };
    }
    let sha256 = path.strip_prefix("/blobs/sha256/").and_then(|hex| hex.parse::<Sha256>().ok());
    let Some(sha256) = sha256 else { return missing() };
    let found = tokio::task::spawn_blocking(move || shelf.blob(&sha256)).await;
    let Ok(Some((digest, file))) = found else { return missing() };
    let tag = format!("\"{}\"", digest.hex());
    let header = |name| request.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    // A part of what the client had before is a part of the same only under the same tag.
    let same = header(IF_RANGE).is_none_or(|t| t == tag);
    let part = match header(RANGE).filter(|_| same).map(|range| part_of(range, digest.size)) {
        None | Some(Part::Whole) => None,
        Some(Part::Of(from, to)) => Some((from, to)),
        Some(Part::Outside) => {
            let mut response =
                text(StatusCode::RANGE_NOT_SATISFIABLE, "selfsame: the blob has no such part\n");
            set(&mut response, CONTENT_RANGE, &format!("bytes */{}", digest.size));
            return response;
        }
    };
    let (from, to) = part.unwrap_or((0, digest.size));
    let mut response = if request.method() == Method::HEAD {
        Response::new(Reply { body: None, left: to - from })
    } else {
        Response::new(Reply { body: Some(pieces(file, from, to)), left: to - from })
    };
    set(&mut response, ETAG, &tag);
    set(&mut response, ACCEPT_RANGES, "bytes");
    set(&mut response, CONTENT_TYPE, "application/octet-stream");
    if part.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        set(&mut response, CONTENT_RANGE, &format!("bytes {from}-{}/{}", to.saturating_sub(1), digest.size));
    }
    response
}

fn set(response: &mut Response<Reply>, name: hyper::header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// What a `Range` asks for: from, and the byte behind the last.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// Nothing that is understood: the whole may be sent.
    Whole,
    Of(u64, u64),
    Outside,
}

/// One range of bytes; several are answered with the whole.
fn part_of(range: &str, size: u64) -> Part {
    let Some((from, to)) = range.strip_prefix("bytes=").and_then(|r| r.trim().split_once('-')) else {
        return Part::Whole;
    };
    let (from, to) = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to => (from, to.saturating_add(1).min(size)),
        (Ok(from), Err(_)) if to.is_empty() => (from, size),
        (Err(_), Ok(0)) if from.is_empty() => return Part::Outside,
        (Err(_), Ok(last)) if from.is_empty() => (size.saturating_sub(last), size),
        _ => return Part::Whole,
    };
    if from < to { Part::Of(from, to) } else { Part::Outside }
}

/// Reads a part of a file, on a thread that may wait for the disk and the client.
fn pieces(mut file: File, from: u64, to: u64) -> mpsc::Receiver<std::io::Result<Bytes>> {
    let (sender, body) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut left = to - from;
        if let Err(error) = file.seek(SeekFrom::Start(from)) {
            let _ = sender.blocking_send(Err(error));
            return;
        }
        let mut buffer = vec![0; PIECE];
        while left > 0 {
            let most = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            let piece = match file.read(&mut buffer[..most]) {
                Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    left -= count as u64;
                    Ok(Bytes::copy_from_slice(&buffer[..count]))
                }
                Err(error) => Err(error),
            };
            let failed = piece.is_err();
            if sender.blocking_send(piece).is_err() || failed {
                return;
            }
        }
    });
    body
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Reply> {
    let bytes = text.into();
    let (sender, body) = mpsc::channel(1);
    let left = bytes.len() as u64;
    let _ = sender.try_send(Ok(bytes));
    let mut response = Response::new(Reply { body: Some(body), left });
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, "text/plain; charset=utf-8");
    response
}

fn missing() -> Response<Reply> {
    text(StatusCode::NOT_FOUND, "selfsame: this mirror does not have it\n")
}

/// The body of an answer; its length is known.
struct Reply {
    body: Option<mpsc::Receiver<std::io::Result<Bytes>>>,
    left: u64,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Waking<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        body.poll_recv(context).map(|piece| {
            let piece = piece?;
            if let Ok(bytes) = &piece {
                this.left = this.left.saturating_sub(bytes.len() as u64);
            }
            Some(piece.map(Frame::data))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_understood_or_answered_with_the_whole() {
        for (range, part) in [
            ("bytes=0-", Part::Of(0, 10)),
            ("bytes=3-", Part::Of(3, 10)),
            ("bytes=3-3", Part::Of(3, 4)),
            ("bytes=3-99", Part::Of(3, 10)),
            ("bytes=-4", Part::Of(6, 10)),
            ("bytes=-99", Part::Of(0, 10)),
            ("bytes=-0", Part::Outside),
            ("bytes=10-", Part::Outside),
            ("bytes=5-4", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=-18446744073709551616", Part::Whole),
            ("items=0-1", Part::Whole),
            ("bytes=", Part::Whole),
        ] {
            assert_eq!(part_of(range, 10), part, "{range}");
        }
    }
}
