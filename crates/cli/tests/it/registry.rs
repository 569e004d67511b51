//! A server on the loopback interface, for one test: a registry, a proxy, or one that fails.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// What it has, and what it was asked.
#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    asked: Vec<String>,
    down: bool,
    /// Folder of bare repositories of git.
    git: Option<PathBuf>,
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

    /// Has the repositories of a folder as `http://git.example.test/NAME` from now on, where it is asked as a proxy.
    pub(crate) fn has_git(&self, folder: &Path) {
        self.state.lock().unwrap().git = Some(folder.to_owned());
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
    let mut asked = request(&mut reader)?;
    if asked.method == "CONNECT" {
        let host = format!("http://{}", asked.path.strip_suffix(":80").unwrap_or(&asked.path));
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        asked = request(&mut reader)?;
        asked.path = host + &asked.path;
    }
    let git = asked.path.strip_prefix("http://git.example.test").map(str::to_owned);
    let (status, kind, body) = {
        let mut state = state.lock().unwrap();
        state.asked.push(asked.path.clone());
        match (state.files.get(&asked.path), &state.git) {
            _ if state.down || state.failing.contains(&asked.path) => ("503 Down", String::new(), Vec::new()),
            (Some(body), _) => ("200 OK", String::new(), body.clone()),
            (None, Some(folder)) if git.is_some() => {
                backend(folder, &asked, git.as_deref().unwrap_or_default())?
            }
            _ => ("404 Not Found", String::new(), Vec::new()),
        }
    };
    // What changes with each answer must not reach a lock.
    let head = format!(
        "HTTP/1.1 {status}\r\n{kind}Content-Length: {}\r\nDate: {:?}\r\nX-Request-Id: {:?}\r\nConnection: close\r\n\r\n",
        body.len(),
        std::time::SystemTime::now(),
        stream.peer_addr()?
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

/// What git itself answers: status, header of its type, body.
fn backend(folder: &Path, asked: &Asked, place: &str) -> std::io::Result<(&'static str, String, Vec<u8>)> {
    let (path, query) = place.split_once('?').unwrap_or((place, ""));
    let header = |name: &str| asked.headers.get(name).map_or("", String::as_str);
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", &asked.method)
        .env("CONTENT_TYPE", header("content-type"))
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().expect("it is piped").write_all(&asked.body)?;
    let said = child.wait_with_output()?.stdout;
    let end = said.windows(4).position(|w| w == b"\r\n\r\n").expect("a header of CGI");
    let head = String::from_utf8_lossy(&said[..end]);
    let kind = head.lines().find(|l| l.starts_with("Content-Type:")).unwrap_or_default();
    let status = if head.contains("Status: 404") { "404 Not Found" } else { "200 OK" };
    Ok((status, format!("{kind}\r\n"), said[end + 4..].to_vec()))
}

/// What came.
struct Asked {
    method: String,
    path: String,
    /// By name in lower case.
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

fn request(reader: &mut BufReader<&TcpStream>) -> std::io::Result<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let length = headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Asked { method, path, headers, body })
}
