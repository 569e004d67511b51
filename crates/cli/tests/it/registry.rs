//! A server on the loopback interface, for one test: a registry, a proxy, or one that fails.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What it has, and what it was asked.
#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    asked: Vec<String>,
    down: bool,
    /// Paths that fail while all others are answered.
    failing: BTreeSet<String>,
}

/// A server of files by path, or by whole URL where it is asked as a proxy. It lives as long as the process.
pub(crate) struct Registry {
    pub(crate) base: String,
    state: Arc<Mutex<State>>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("it is bound"));
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || drop(answer(&stream, &state)));
            }
        });
        Self { base, state }
    }

    /// Has `body` at `path` (or at a whole URL) from now on.
    pub(crate) fn has(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.state.lock().unwrap().files.insert(path.to_owned(), body.into());
    }

    /// Answers 503 from now on, or no longer.
    pub(crate) fn is_down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    /// Answers 503 at `path` from now on, or no longer.
    pub(crate) fn fails(&self, path: &str, fails: bool) {
        let failing = &mut self.state.lock().unwrap().failing;
        if fails {
            failing.insert(path.to_owned())
        } else {
            failing.remove(path)
        };
    }

    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

fn answer(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut stream = stream;
    let (mut method, mut path) = request(&mut reader)?;
    if method == "CONNECT" {
        let host = format!("http://{}", path.strip_suffix(":80").unwrap_or(&path));
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        (method, path) = request(&mut reader)?;
        path = host + &path;
    }
    assert_eq!(method, "GET");
    let (status, body) = {
        let mut state = state.lock().unwrap();
        state.asked.push(path.clone());
        match state.files.get(&path) {
            _ if state.down || state.failing.contains(&path) => ("503 Down", Vec::new()),
            Some(body) => ("200 OK", body.clone()),
            None => ("404 Not Found", Vec::new()),
        }
    };
    // What changes with each answer must not reach a lock.
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nDate: {:?}\r\nX-Request-Id: {:?}\r\nConnection: close\r\n\r\n",
        body.len(),
        std::time::SystemTime::now(),
        stream.peer_addr()?
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

/// Method and path of a request, whose headers are passed over.
fn request(reader: &mut BufReader<&TcpStream>) -> std::io::Result<(String, String)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let request = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = String::new();
    while reader.read_line(&mut headers)? > 2 {}
    Ok(request)
}
