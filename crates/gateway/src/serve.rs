//! The server: connections through three doors, requests to a pool of threads that may wait.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::mpsc as queue;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request as Heard, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

use crate::authority::{Authority, AuthorityError};
use crate::request::Address;
use crate::respond::{Gone, Responder};
use crate::{Answers, Request};

/// How many requests are answered at once; each may wait for the network.
const WORKERS: usize = 16;
/// No request sends more along.
const BODY: usize = 64 << 20;
/// After a connection that could not be taken.
const PAUSE: Duration = Duration::from_millis(50);
/// Pieces of a body that wait for the client.
const AHEAD: usize = 4;

/// Listening TCP sockets.
#[derive(Debug)]
pub struct Doors {
    /// Requests in plain HTTP, whose `Host` says for whom.
    pub http: OwnedFd,
    /// TLS, with the host's name at its beginning.
    pub https: OwnedFd,
    /// Requests to a proxy: with whole URLs, or `CONNECT`.
    pub proxy: OwnedFd,
}

/// Why nothing could be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A socket cannot be used.
    #[error("a socket of the gateway cannot be used")]
    Socket(#[from] io::Error),
    /// No certificates.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

/// A request, where its answer goes, and the address it came from.
struct Work {
    request: Request,
    responder: Responder,
    peer: SocketAddr,
}

/// What every connection needs.
#[derive(Clone)]
struct Shared {
    authority: Arc<Authority>,
    work: queue::Sender<Work>,
}

/// Serves until `wait`, called on a thread of its own, returns. `undeclared` hears of each request that is none of the
/// declared, before it is refused: the address it came from, and `METHOD URL`.
///
/// # Errors
/// If the doors cannot be used.
pub fn serve(
    doors: Doors,
    authority: &Arc<Authority>,
    answers: &dyn Answers,
    wait: impl FnOnce() + Send,
    undeclared: &(dyn Fn(SocketAddr, &str) + Sync),
) -> Result<(), ServeError> {
    let (work, taken) = queue::channel::<Work>();
    let taken = Mutex::new(taken);
    let (ended, end) = oneshot::channel::<()>();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let next = taken.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(Work { request, responder, peer }) = next else { break };
                    if let Some(responder) = answers.answer(&request, responder) {
                        let what = format!("{} {}", request.method, request.address);
                        undeclared(peer, &what);
                        responder
                            .text(403, &format!("selfsame: not recorded when the lock was made: {what}\n"));
                    }
                }
            });
        }
        scope.spawn(move || {
            wait();
            let _ = ended.send(());
        });
        let shared = Shared { authority: Arc::clone(authority), work };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        // Dropping the runtime drops the connections, and with the last of them the queue: then the workers end.
        runtime.block_on(accept(doors, shared, end))
    })
}

async fn accept(doors: Doors, shared: Shared, end: oneshot::Receiver<()>) -> Result<(), ServeError> {
    let listen = |door: OwnedFd| {
        let listener = TcpListener::from(door);
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener)
    };
    let (http, https, proxy) = (listen(doors.http)?, listen(doors.https)?, listen(doors.proxy)?);
    let serve = |listener, door| {
        let shared = shared.clone();
        tokio::spawn(async move { door_loop(&listener, door, shared).await })
    };
    let tasks = [serve(http, Door::Http), serve(https, Door::Https), serve(proxy, Door::Proxy)];
    drop(shared);
    let _ = end.await;
    for task in tasks {
        task.abort();
    }
    Ok(())
}

/// Through which door a connection came, and so how its requests say for whom they are.
#[derive(Debug, Clone)]
enum Door {
    Http,
    Https,
    Proxy,
    /// TLS within a proxy's connection to `HOST:PORT`.
    Tunnel(String),
}

async fn door_loop(listener: &tokio::net::TcpListener, door: Door, shared: Shared) {
    loop {
        // What goes wrong with one connection is no reason to refuse the next.
        let Ok((stream, peer)) = listener.accept().await else {
            // No descriptor is free, say: at once it would be the same.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (door, shared) = (door.clone(), shared.clone());
        tokio::spawn(async move {
            match door {
                Door::Https => secured(stream, Door::Https, peer, shared).await,
                door => plain(stream, door, peer, shared).await,
            }
        });
    }
}

/// Speaks TLS, and HTTP within.
async fn secured<S>(stream: S, door: Door, peer: SocketAddr, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let default = match &door {
        Door::Tunnel(authority) => Address::new(true, authority, "/").map(|a| a.host),
        _ => None,
    };
    let Ok(config) = shared.authority.server(default) else { return };
    let Ok(stream) = TlsAcceptor::from(config).accept(stream).await else { return };
    plain(stream, door, peer, shared).await;
}

/// Speaks HTTP/1.1 or 2.
async fn plain<S>(stream: S, door: Door, peer: SocketAddr, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |heard| {
        let (door, shared) = (door.clone(), shared.clone());
        async move { Ok::<_, Infallible>(respond(heard, door, peer, shared).await) }
    });
    // A connection that breaks has nobody left who could be told.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
}

async fn respond(heard: Heard<Incoming>, door: Door, peer: SocketAddr, shared: Shared) -> Response<Reply> {
    if heard.method() == Method::CONNECT {
        return connect(heard, door, peer, shared);
    }
    let Some(address) = address_of(&heard, &door) else {
        return Reply::says(
            StatusCode::BAD_REQUEST,
            "selfsame: the request does not say for which host it is\n",
        );
    };
    let method = if heard.method() == Method::HEAD { Method::GET } else { heard.method().clone() };
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in heard.headers() {
        if let Ok(value) = value.to_str()
            && !headers.iter().any(|(known, _)| known == name.as_str())
        {
            headers.push((name.as_str().to_owned(), value.to_owned()));
        }
    }
    let Ok(body) = Limited::new(heard.into_body(), BODY).collect().await else {
        return Reply::says(
            StatusCode::PAYLOAD_TOO_LARGE,
            "selfsame: more was sent along than is recorded\n",
        );
    };
    let request = Request { method: method.to_string(), address, headers, body: body.to_bytes().to_vec() };
    let (head, begun) = oneshot::channel();
    let (pieces, body) = mpsc::channel(AHEAD);
    let responder = Responder::new(head, pieces);
    if shared.work.send(Work { request, responder, peer }).is_err() {
        return Reply::says(StatusCode::SERVICE_UNAVAILABLE, "selfsame: the step has ended\n");
    }
    let Ok(head) = begun.await else {
        return Reply::says(StatusCode::BAD_GATEWAY, "selfsame: there is no answer\n");
    };
    let mut response = Response::new(Reply::Pieces { body, left: head.length });
    *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in head.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// Becomes the host that a proxy's client wants to be connected to.
fn connect(heard: Heard<Incoming>, door: Door, peer: SocketAddr, shared: Shared) -> Response<Reply> {
    let authority = heard.uri().authority().map(ToString::to_string);
    let (Door::Proxy, Some(authority)) = (door, authority) else {
        return Reply::says(
            StatusCode::BAD_REQUEST,
            "selfsame: CONNECT is for the proxy, and names a host\n",
        );
    };
    tokio::spawn(async move {
        if let Ok(stream) = hyper::upgrade::on(heard).await {
            secured(TokioIo::new(stream), Door::Tunnel(authority), peer, shared).await;
        }
    });
    Response::new(Reply::Whole(Full::default()))
}

/// For whom a request is.
fn address_of(heard: &Heard<Incoming>, door: &Door) -> Option<Address> {
    let uri = heard.uri();
    let host = heard.headers().get("host").and_then(|h| h.to_str().ok());
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    match door {
        Door::Tunnel(authority) => Address::new(true, authority, path),
        Door::Https => {
            Address::new(true, uri.authority().map(hyper::http::uri::Authority::as_str).or(host)?, path)
        }
        Door::Http | Door::Proxy => {
            Address::new(false, uri.authority().map(hyper::http::uri::Authority::as_str).or(host)?, path)
        }
    }
}

/// The body of an answer.
enum Reply {
    Whole(Full<Bytes>),
    Pieces {
        body: mpsc::Receiver<Result<Bytes, Gone>>,
        /// How much is to come, if that was said.
        left: Option<u64>,
    },
}

impl Reply {
    fn says(status: StatusCode, text: &'static str) -> Response<Self> {
        let mut response = Response::new(Self::Whole(Full::from(text)));
        *response.status_mut() = status;
        response
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Gone;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Gone>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Pieces { body, left } => body.poll_recv(context).map(|piece| {
                let piece = piece?;
                if let (Ok(bytes), Some(left)) = (&piece, left.as_mut()) {
                    *left = left.saturating_sub(bytes.len() as u64);
                }
                Some(piece.map(Frame::data))
            }),
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Pieces { left, .. } => {
                left.map_or_else(Default::default, hyper::body::SizeHint::with_exact)
            }
        }
    }
}
