//! What stands before a registry: passes requests on, keeps what was asked, and goes wrong where a rule says so.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request, without its body.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    /// Name in small letters, and value.
    pub(super) headers: Vec<(String, String)>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(super) fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }
}

/// What is done with a request.
pub(super) enum Rule {
    Pass,
    /// Answered here: status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// So many bytes of its body are passed on; then both connections are cut.
    CutRequest(usize),
    /// So many bytes of the answer are passed back; then it is cut.
    CutAnswer(usize),
    /// The answer with something in its head replaced.
    Replace(&'static str, String),
}

pub(super) struct Front {
    pub(super) address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Front {
    /// Stands before `upstream`; `rule` is asked for each request, with how many there were before it.
    pub(super) fn before(
        upstream: &str,
        rule: impl Fn(&Seen, usize) -> Rule + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (upstream, kept, rule) = (upstream.to_owned(), Arc::clone(&seen), Arc::new(rule));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (upstream, kept, rule) = (upstream.clone(), Arc::clone(&kept), Arc::clone(&rule));
                std::thread::spawn(move || {
                    let _ = serve(&stream, &upstream, &kept, &*rule);
                });
            }
        });
        Self { address, seen }
    }

    /// What was asked since the last time.
    pub(super) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// Serves one connection.
fn serve(
    stream: &TcpStream,
    upstream: &str,
    kept: &Mutex<Vec<Seen>>,
    rule: &(dyn Fn(&Seen, usize) -> Rule + Send + Sync),
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut out = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let mut seen = Seen { method: word(), path: word(), headers: Vec::new() };
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            seen.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let length = seen.header("content-length").map_or(0, |n| n.parse::<u64>().unwrap());
        let before = {
            let mut kept = kept.lock().unwrap();
            kept.push(seen.clone());
            kept.len() - 1
        };
        let rule = rule(&seen, before);
        if let Rule::Answer(status, headers, body) = rule {
            std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink())?;
            let mut head = format!("HTTP/1.1 {status} Said\r\n");
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
            out.write_all(head.as_bytes())?;
            out.write_all(if seen.method == "HEAD" { &[] } else { &body })?;
            continue;
        }
        let mut there = TcpStream::connect(upstream)?;
        let mut head = format!("{} {} HTTP/1.1\r\n", seen.method, seen.path);
        for (name, value) in seen.headers.iter().filter(|(name, _)| name != "connection") {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("connection: close\r\n\r\n");
        there.write_all(head.as_bytes())?;
        let passed = match rule {
            Rule::CutRequest(count) => length.min(count as u64),
            _ => length,
        };
        std::io::copy(&mut (&mut reader).take(passed), &mut there)?;
        if matches!(rule, Rule::CutRequest(_)) {
            return Ok(());
        }
        let mut answer = Vec::new();
        there.read_to_end(&mut answer)?;
        match rule {
            Rule::CutAnswer(count) => {
                let body = answer.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4);
                out.write_all(&answer[..answer.len().min(body + count)])?;
            }
            Rule::Replace(from, to) => {
                let body = answer.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4);
                let head = String::from_utf8_lossy(&answer[..body]).replace(from, &to);
                out.write_all(head.as_bytes())?;
                out.write_all(&answer[body..])?;
            }
            _ => out.write_all(&answer)?,
        }
        // The head says that the connection is closed.
        return Ok(());
    }
}
