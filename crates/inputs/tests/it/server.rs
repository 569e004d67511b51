//! A small HTTP server on 127.0.0.1: a folder's files, with Range, and mishaps on request.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What goes wrong with a path.
#[derive(Debug, Clone)]
pub(crate) enum Mishap {
    /// Sends this many bytes of the body, then closes; once for each.
    Drop(Vec<usize>),
    /// Answers with these statuses first.
    Status(Vec<u16>),
    /// Sends the client elsewhere.
    Redirect(String),
    /// After the first, sends so many bytes and then announces this length for the rest.
    Announce(usize, u64),
    /// Never heard of Range.
    WholeOnly(Vec<usize>),
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) mishaps: BTreeMap<String, Mishap>,
    /// `GET path [range]`, in order.
    pub(crate) log: Vec<String>,
}

pub(crate) struct Server {
    pub(crate) base: String,
    pub(crate) state: Arc<Mutex<State>>,
}

impl Server {
    pub(crate) fn of(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state: Arc<Mutex<State>> = Arc::default();
        let (folder, shared) = (folder.to_owned(), Arc::clone(&state));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, shared) = (folder.clone(), Arc::clone(&shared));
                std::thread::spawn(move || serve(stream, &folder, &shared));
            }
        });
        Self { base, state }
    }

    pub(crate) fn mishap(&self, path: &str, mishap: Mishap) {
        self.state.lock().unwrap().mishaps.insert(path.to_owned(), mishap);
    }

    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().log)
    }
}

fn serve(stream: TcpStream, folder: &Path, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let path = line.split(' ').nth(1)?.to_owned();
        let mut range: Option<usize> = None;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(from) = header.strip_prefix("range: bytes=") {
                range = from.trim_end_matches('-').parse().ok();
            }
        }
        let mut cut = None;
        let mut status = None;
        let mut elsewhere = None;
        let mut announced = None;
        {
            let mut state = state.lock().unwrap();
            state.log.push(range.map_or(format!("GET {path}"), |r| format!("GET {path} {r}-")));
            match state.mishaps.get_mut(&path) {
                Some(Mishap::Drop(list)) if !list.is_empty() => cut = Some(list.remove(0)),
                Some(Mishap::WholeOnly(list)) => {
                    range = None;
                    cut = (!list.is_empty()).then(|| list.remove(0));
                }
                Some(Mishap::Status(list)) if !list.is_empty() => status = Some(list.remove(0)),
                Some(Mishap::Announce(sent, length)) => {
                    announced = range.map(|_| *length);
                    cut = Some(*sent);
                }
                Some(Mishap::Redirect(to)) => elsewhere = Some(to.clone()),
                _ => {}
            }
        }
        if let Some(to) = elsewhere {
            write!(stream, "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").ok()?;
            continue;
        }
        if let Some(status) = status {
            write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n").ok()?;
            continue;
        }
        let mut file: PathBuf = folder.join(path.trim_start_matches('/'));
        if path.ends_with('/') {
            file.push("index.html");
        }
        let Ok(body) = std::fs::read(&file) else {
            write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").ok()?;
            continue;
        };
        let from = range.unwrap_or(0).min(body.len());
        let rest = &body[from..];
        let head = if range.is_some() {
            format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{}", body.len() - 1, body.len())
        } else {
            "200 OK".to_owned()
        };
        write!(
            stream,
            "HTTP/1.1 {head}\r\nETag: \"{}\"\r\nContent-Length: {}\r\n\r\n",
            body.len(),
            announced.unwrap_or(rest.len() as u64)
        )
        .ok()?;
        match cut {
            Some(count) => {
                stream.write_all(&rest[..count.min(rest.len())]).ok()?;
                return None;
            }
            None => stream.write_all(rest).ok()?,
        }
    }
}
