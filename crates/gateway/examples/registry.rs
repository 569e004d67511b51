//! A registry on this machine's loopback interface, so that `cargo xtask bench` can time clients against each other
//! without the weather of a network: a folder's files by path, over plain HTTP and TLS, HTTP/1.1 and 2.
//!
//! `registry DIR AUTHORITY` writes the certificate to trust to the file `AUTHORITY`, prints the ports of its plain and of
//! its TLS door, and serves `localhost` until its standard input ends. Nothing here is meant for anything else.

use std::error::Error;
use std::fs::File;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use gateway::{Answers, Authority, Doors, Head, Request, Responder, serve};

struct Folder(PathBuf);

impl Answers for Folder {
    fn knows(&self, host: &str) -> bool {
        host == "localhost"
    }

    fn answer(&self, request: &Request, responder: Responder) -> Option<Responder> {
        let path = request.address.path.split('?').next().unwrap_or_default();
        let path = Path::new(path.trim_start_matches('/'));
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        let file = Some(self.0.join(path)).filter(|_| plain).and_then(|path| File::open(path).ok());
        let length = file.as_ref().and_then(|file| file.metadata().ok()).filter(std::fs::Metadata::is_file);
        match (file, length) {
            (Some(file), Some(meta)) => {
                // Clients ask for nothing again that they have by the same tag.
                let headers = vec![("etag", format!("\"{}\"", meta.len()))];
                let head = Head { status: 200, headers, length: Some(meta.len()) };
                responder.file(file, meta.len(), head, request.header("range"));
            }
            _ => responder.text(404, "no such file\n"),
        }
        None
    }
}

#[allow(clippy::print_stdout, reason = "a program whose answer is what it prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [root, authority_file] = &words[..] else {
        return Err("usage: registry DIR AUTHORITY: see the source".into());
    };
    let authority = Arc::new(Authority::new(b"a registry of benchmarks")?);
    let files = authority.files();
    let (_, pem) = files.iter().find(|(path, _)| path.ends_with(".pem")).ok_or("no certificate")?;
    std::fs::write(authority_file, pem)?;
    let door = || TcpListener::bind("127.0.0.1:0");
    let (http, https, proxy) = (door()?, door()?, door()?);
    println!("{} {}", http.local_addr()?.port(), https.local_addr()?.port());
    let doors = Doors { http: OwnedFd::from(http), https: OwnedFd::from(https), proxy: OwnedFd::from(proxy) };
    let folder = Folder(PathBuf::from(root));
    let wait = || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    };
    serve(doors, &authority, &folder, wait, &|_, _| {})?;
    Ok(())
}
