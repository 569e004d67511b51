//! A real registry, of the package `docker-registry`, on a free port of 127.0.0.1.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// `user:open sesame`, as a client keeps it.
pub(crate) const AUTH: &str = "dXNlcjpvcGVuIHNlc2FtZQ==";

const PASSWORDS: &str = "user:$2b$05$NJFBxLJYM6XDAYPL1QG5EeGYLugsuCSJ1JZkGmAYFsptKHsJiv1ny\n";

const EMPTY: &[u8] = b"{}";

pub(crate) struct Registry {
    /// Host and port.
    pub(crate) address: String,
    locked: bool,
    child: Child,
    _folder: TempDir,
}

impl Registry {
    /// Starts one, and waits until it answers. A `locked` one wants a password.
    pub(crate) fn start(locked: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The port is free again when the listener goes; nothing else on this machine asks for ports by number.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (data, passwords): (PathBuf, PathBuf) =
            (folder.path().join("data"), folder.path().join("passwords"));
        std::fs::write(&passwords, PASSWORDS).unwrap();
        let auth = if locked {
            format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", passwords.display())
        } else {
            String::new()
        };
        let config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n{auth}",
            data.display()
        );
        let path = folder.path().join("config.yml");
        std::fs::write(&path, config).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry: `scripts/prepare test` installs it");
        let registry = Self { address, locked, child, _folder: folder };
        let begun = Instant::now();
        while registry.request("GET", &format!("http://{}/v2/", registry.address), "", &[]).is_none() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the registry does not answer");
            std::thread::yield_now();
        }
        registry
    }

    /// Puts an image of nothing there; gives its digest.
    pub(crate) fn push(&self, name: &str, tag: &str) -> String {
        let digest = of(EMPTY);
        let base = format!("http://{}/v2/{name}", self.address);
        let (_, place) = self.request("POST", &format!("{base}/blobs/uploads/"), "", &[]).unwrap();
        let place = place.expect("where to put it");
        let join = if place.contains('?') { '&' } else { '?' };
        let (status, _) = self
            .request("PUT", &format!("{place}{join}digest={digest}"), "application/octet-stream", EMPTY)
            .unwrap();
        assert_eq!(status, 201);
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{kind}\",\"config\":{{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\
             \"digest\":\"{digest}\",\"size\":2}},\"layers\":[],\"annotations\":{{\"name\":\"{name}\"}}}}"
        );
        let (status, _) =
            self.request("PUT", &format!("{base}/manifests/{tag}"), kind, manifest.as_bytes()).unwrap();
        assert_eq!(status, 201);
        of(manifest.as_bytes())
    }

    /// Status and `Location`; `None` if nobody answers.
    fn request(&self, method: &str, url: &str, kind: &str, body: &[u8]) -> Option<(u16, Option<String>)> {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        if !kind.is_empty() {
            request = request.header("Content-Type", kind);
        }
        if self.locked {
            request = request.header("Authorization", format!("Basic {AUTH}"));
        }
        let response = agent.run(request.body(body.to_vec()).unwrap()).ok()?;
        let place = response.headers().get("location").and_then(|v| v.to_str().ok()).map(str::to_owned);
        Some((response.status().as_u16(), place))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn of(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}
