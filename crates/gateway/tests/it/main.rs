//! The gateway as tools meet it: with a proxy and without, in plain text and TLS, HTTP/1.1 and 2, whole and in parts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in what it calls as well")]
#![allow(clippy::disallowed_methods, reason = "a test is what asks")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, mpsc};

use gateway::{Authority, Doors, Replay, serve};
use model::Digest;
use model::ecosystem::Ecosystem;
use model::transcript::Transcript;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

/// The ports of a gateway in the order plain, TLS, proxy, and whom to trust.
struct Ports {
    http: SocketAddr,
    https: SocketAddr,
    proxy: SocketAddr,
    authority: Arc<Authority>,
}

/// Serves `lines` with these bodies while `work` runs; gives what was asked for besides.
fn with_gateway(lines: &[(&str, &[u8])], uses: &[Ecosystem], work: impl FnOnce(&Ports)) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut text = Vec::new();
    for (line, body) in lines {
        let digest = Digest::of(body);
        std::fs::write(folder.path().join(digest.hex()), body).unwrap();
        text.push(line.replace("DIGEST", &digest.to_string()));
    }
    let transcript = Transcript::from_lines(text.iter().map(String::as_str)).unwrap();
    let open = |digest: &Digest| File::open(folder.path().join(digest.hex()));
    let replay = Replay::new(&transcript, uses, &open);
    let door = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (http, https, proxy) = (door(), door(), door());
    let at = |door: &TcpListener| door.local_addr().unwrap();
    let ports = Ports {
        http: at(&http),
        https: at(&https),
        proxy: at(&proxy),
        authority: Arc::new(Authority::new(b"a test").unwrap()),
    };
    let doors = Doors { http: OwnedFd::from(http), https: OwnedFd::from(https), proxy: OwnedFd::from(proxy) };
    let (end, ended) = mpsc::channel::<()>();
    let undeclared: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        let (authority, replay) = (&ports.authority, &replay);
        let told = |_: SocketAddr, what: &str| undeclared.lock().unwrap().push(what.to_owned());
        let server = scope.spawn(move || {
            serve(
                doors,
                authority,
                replay,
                move || {
                    let _ = ended.recv();
                },
                &told,
            )
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&ports)));
        drop(end);
        server.join().unwrap().unwrap();
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    });
    undeclared.into_inner().unwrap()
}

/// A client that trusts the authority alone, and reaches everything through the proxy.
fn client(ports: &Ports) -> ureq::Agent {
    let files = ports.authority.files();
    let (_, pem) = files.iter().find(|(path, _)| path == "run/selfsame/authority.pem").unwrap();
    let roots: Vec<Certificate<'static>> = ureq::tls::parse_pem(pem)
        .flatten()
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&roots))
        .build();
    let proxy = ureq::Proxy::new(&format!("http://{}", ports.proxy)).unwrap();
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(Some(proxy))
        .tls_config(tls)
        .build()
        .into()
}

fn said(agent: &ureq::Agent, url: &str, range: Option<&str>) -> (u16, String) {
    let mut request = agent.get(url);
    if let Some(range) = range {
        request = request.header("Range", range);
    }
    let mut response = request.call().unwrap();
    (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
}

/// Speaks plain HTTP/1.1 to a door, as a tool that knows no proxy.
fn raw(door: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(door).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn through_a_proxy_in_tls_and_in_parts() {
    let lines: &[(&str, &[u8])] = &[
        ("GET https://example.org/a 200 DIGEST type=text/plain", b"0123456789"),
        ("GET https://example.org:8443/a 200 DIGEST", b"another port"),
        ("GET https://example.org/old 302 DIGEST location=https://example.org/a", b""),
        ("GET https://example.org/gone 404 DIGEST", b""),
    ];
    let asked = with_gateway(lines, &[], |ports| {
        let agent = client(ports);
        assert_eq!(said(&agent, "https://example.org/a", None), (200, "0123456789".into()));
        assert_eq!(said(&agent, "https://example.org/a", Some("bytes=2-4")), (206, "234".into()));
        assert_eq!(said(&agent, "https://example.org/a", Some("bytes=99-")), (416, String::new()));
        assert_eq!(said(&agent, "https://example.org:8443/a", None).1, "another port");
        assert_eq!(
            said(&agent, "https://example.org/old", None),
            (200, "0123456789".into()),
            "a redirection"
        );
        assert_eq!(said(&agent, "https://example.org/gone", None).0, 404);
        let refused = said(&agent, "https://example.org/other?x=1", None);
        assert!(refused.0 == 403 && refused.1.contains("GET https://example.org/other?x=1"), "{refused:?}");
    });
    assert_eq!(asked, ["GET https://example.org/other?x=1"]);
}

#[test]
fn without_a_proxy_the_host_header_says_for_whom() {
    let lines: &[(&str, &[u8])] =
        &[("GET npm:/left 200 DIGEST", b"left"), ("GET http://example.org/ 200 DIGEST", b"root")];
    let asked = with_gateway(lines, &[Ecosystem::Npm], |ports| {
        let get = |host: &str, path: &str| {
            raw(ports.http, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
        };
        assert!(get("npm.registry.internal", "/left").ends_with("\r\n\r\nleft"));
        assert!(get("EXAMPLE.org:80", "/").ends_with("\r\n\r\nroot"));
        let head = raw(ports.http, "HEAD / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n");
        assert!(
            head.starts_with("HTTP/1.1 200") && head.to_lowercase().contains("content-length: 4"),
            "{head}"
        );
        assert!(head.ends_with("\r\n\r\n"), "no body: {head}");
        assert!(raw(ports.http, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 400"));
        assert!(
            raw(ports.http, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                .starts_with("HTTP/1.1 400")
        );
        let large = format!(
            "POST / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            1_u64 << 40
        );
        let mut stream = TcpStream::connect(ports.http).unwrap();
        stream.write_all(large.as_bytes()).unwrap();
        drop(stream); // nothing of it waits for ever
    });
    assert!(asked.is_empty(), "{asked:?}");
}

#[test]
fn http_2_over_tls_without_a_proxy() {
    let lines: &[(&str, &[u8])] = &[("GET https://example.org/two 200 DIGEST", b"two")];
    with_gateway(lines, &[], |ports| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let body = runtime.block_on(two(ports));
        assert_eq!(body, "two");
    });
}

/// Asks for `/two` by HTTP/2, which is what TLS must have agreed on.
async fn two(ports: &Ports) -> String {
    use http_body_util::BodyExt as _;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let mut roots = rustls::RootCertStore::empty();
    let files = ports.authority.files();
    let (_, pem) = files.iter().find(|(path, _)| path == "run/selfsame/authority.pem").unwrap();
    use rustls::pki_types::pem::PemObject as _;
    for certificate in rustls::pki_types::CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = tokio::net::TcpStream::connect(ports.https).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("example.org").unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get("https://example.org/two");
    let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}
