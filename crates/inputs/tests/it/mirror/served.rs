//! What `mirror serve` answers, by a socket and by its own client.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc;

use inputs::{Form, Shelf};

use super::{Site, island, site, whole};
use crate::world::{World, chain};

/// A server that ends with the test.
struct Serving {
    address: SocketAddr,
    end: Option<mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Serving {
    fn of(world: &World, from: Option<&Path>) -> Self {
        let shelf = world.with(|cx| Shelf::open(cx, from)).unwrap_or_else(|e| panic!("{}", chain(&e)));
        let (ready, address) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let ready = move |address| ready.send(address).unwrap();
            let wait = move || {
                let _ended = ended.recv();
            };
            inputs::serve(shelf, "127.0.0.1:0".parse().unwrap(), None, ready, wait).unwrap();
        });
        Self { address: address.recv().unwrap(), end: Some(end), thread: Some(thread) }
    }

    /// Status and headers as text, and the body.
    fn ask(&self, method: &str, path: &str, more: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n").unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        (String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase(), bytes[end + 4..].to_vec())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.end.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

fn fetched(serving: &Serving, site: &Site) {
    let mut world = island();
    world.host.mirrors = vec![format!("http://{}", serving.address)];
    world.with(|cx| inputs::fetch(cx, &site.lock, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    whole(&world, &site.lock);
}

#[test]
fn other_machines_fetch_from_a_store_a_folder_and_archives() {
    let site = site();
    fetched(&Serving::of(&site.world, None), &site);
    for (form, name) in super::FORMS {
        let (path, _) = site.export(form, name);
        fetched(&Serving::of(&island(), Some(&path)), &site);
    }
}

#[test]
fn what_is_asked_for_is_answered_and_nothing_else() {
    let site = site();
    let digest = site.world.store.put(b"0123456789").unwrap();
    let serving = Serving::of(&site.world, None);
    let blob = format!("/blobs/sha256/{}", digest.hex());
    let cases: [(&str, &str, &str, &str, &[u8]); 13] = [
        ("GET", &blob, "", "200", b"0123456789"),
        ("HEAD", &blob, "", "200", b""),
        ("GET", &blob, "Range: bytes=2-4\r\n", "206", b"234"),
        ("GET", &blob, "Range: bytes=8-\r\n", "206", b"89"),
        ("GET", &blob, "Range: bytes=-3\r\n", "206", b"789"),
        ("GET", &blob, "Range: bytes=2-4\r\nIf-Range: \"other\"\r\n", "200", b"0123456789"),
        ("GET", &blob, "Range: bytes=10-\r\n", "416", b"selfsame: the blob has no such part\n"),
        ("GET", &blob.to_uppercase(), "", "404", b"selfsame: this mirror does not have it\n"),
        ("GET", "/blobs/sha256/../../../etc/passwd", "", "404", b"selfsame: this mirror does not have it\n"),
        ("GET", "/blobs/sha256/%2e%2e%2fVERSION", "", "404", b"selfsame: this mirror does not have it\n"),
        ("GET", "/commits/0", "", "404", b"selfsame: this mirror does not have it\n"),
        ("PUT", &blob, "Content-Length: 0\r\n", "405", b"selfsame: this mirror is only read\n"),
        ("DELETE", &blob, "", "405", b"selfsame: this mirror is only read\n"),
    ];
    for (method, path, more, status, body) in cases {
        let (head, found) = serving.ask(method, path, more);
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{method} {path} {more}: {head}");
        assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(body), "{method} {path} {more}");
    }
    let (head, _) = serving.ask("HEAD", &blob, "");
    assert!(head.contains("content-length: 10") && head.contains("accept-ranges: bytes"), "{head}");
    let (head, _) = serving.ask("GET", &blob, "Range: bytes=2-4\r\n");
    assert!(head.contains("content-range: bytes 2-4/10"), "{head}");
    let (_, index) = serving.ask("GET", "/MIRROR.json", "");
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    assert_eq!((index["selfsame-mirror"].as_i64(), index["blobs"].as_array().unwrap().len()), (Some(1), 0));
}

/// What is damaged is not given out: who asks goes to the next mirror.
#[test]
fn a_damaged_blob_is_not_served() {
    let site = site();
    let (path, _) = site.export(Form::Folder, "m");
    let hex = site.lock.toolchain.packages()[0].digest.hex();
    let serving = Serving::of(&island(), Some(&path));
    let blob = format!("/blobs/sha256/{hex}");
    assert!(serving.ask("GET", &blob, "").0.starts_with("http/1.1 200 "));
    let file = path.join("blobs/sha256").join(&hex);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert!(serving.ask("GET", &blob, "").0.starts_with("http/1.1 404 "));
}
