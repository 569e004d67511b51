//! An image with its bundle and SBOMs, from a file to a registry, to where cosign verifies it, and back.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use attest::SecretKey;
use attest::bundle::sign_statement;
use model::Digest;
use model::statement::{ResourceDescriptor, SLSA_PROVENANCE, Statement};
use serde_json::{Value, json};

use crate::home::{Home, need};

/// Debian's `docker-registry`, ended when dropped.
struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    fn start(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let config = folder.join("registry.yml");
        let data = folder.join("registry");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            data.display()
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("docker-registry, see scripts/prepare");
        let mut registry = Self { child, address };
        for _ in 0..600 {
            if TcpStream::connect(&registry.address).is_ok() {
                return registry;
            }
            assert!(registry.child.try_wait().unwrap().is_none(), "the registry ended");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the registry does not listen");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A layout in an archive `NAME`, with one layer of these bytes; gives the image's digest.
fn image(folder: &Path, name: &str, layer: &[u8]) -> Digest {
    let layout = folder.join(format!("{name}.layout"));
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |kind: &str, bytes: &[u8]| {
        let digest = Digest::of(bytes);
        fs::write(blobs.join(digest.hex()), bytes).unwrap();
        json!({ "mediaType": kind, "digest": format!("sha256:{}", digest.hex()), "size": digest.size })
    };
    let diff_ids = [format!("sha256:{}", Digest::of(layer).hex())];
    let config = json!({
        "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes()),
        "layers": [put("application/vnd.oci.image.layer.v1.tar", layer)],
    });
    let entry = put("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let index = json!({ "schemaVersion": 2, "manifests": [entry] });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    let tar = Command::new("tar").arg("-C").arg(&layout).arg("-cf").arg(folder.join(name)).arg(".").status();
    assert!(tar.unwrap().success());
    Digest::of(manifest.to_string().as_bytes())
}

fn cosign() -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tools =
        std::env::var_os("SELFSAME_TEST_TOOLS").map_or_else(|| "target/test-tools".into(), PathBuf::from);
    let program = repository.join(tools).join("root/usr/bin/cosign");
    assert!(program.exists(), "there is no cosign at {}: run scripts/test-tools", program.display());
    program
}

#[test]
fn what_lies_beside_an_image_is_attached_and_cosign_verifies_it() {
    need(&["docker-registry", "tar"]);
    let home = Home::empty();
    let dir = home.path().join("work");
    fs::create_dir(&dir).unwrap();
    let registry = Registry::start(home.path());
    let digest = image(&dir, "app.tar", b"layer");
    let name = format!("{}/team/app:1.0", registry.address);
    let key = SecretKey::generate().unwrap();
    fs::write(dir.join("key.pub"), key.public().to_pem()).unwrap();
    let bundle = |digest: &Digest| {
        let subject = ResourceDescriptor {
            name: "app.tar".into(),
            digest: [("sha256".to_owned(), digest.hex())].into(),
            ..ResourceDescriptor::default()
        };
        sign_statement(&Statement::new(vec![subject], SLSA_PROVENANCE, json!({ "a": 1 })), &key).unwrap()
    };
    // A bundle that lies there and is about something else is no proof of anything.
    fs::write(dir.join("app.tar.sigstore.json"), bundle(&Digest::of(b"other"))).unwrap();
    let (code, error) = home.json(&dir, &["image", "push", "app.tar", &name]);
    assert_eq!(code, 22, "{error:#}");
    assert!(error["title"].as_str().unwrap().contains("is about another artifact"), "{error:#}");

    fs::write(dir.join("app.tar.sigstore.json"), bundle(&digest)).unwrap();
    let file = Digest::of(&fs::read(dir.join("app.tar")).unwrap());
    fs::write(dir.join("app-1.spdx.json"), format!("{{\"checksum\":\"{}\"}}", file.hex())).unwrap();
    fs::write(dir.join("app-1.cdx.json"), format!("{{\"hash\":\"{}\"}}", digest.hex())).unwrap();
    fs::write(dir.join("other.spdx.json"), "{}").unwrap();
    let pushed = home.ok(&dir, &["image", "push", "app.tar", &name]);
    assert_eq!(pushed["digest"], digest.to_string());
    assert_eq!((&pushed["tag"], &pushed["tag_was"]), (&json!("1.0"), &Value::Null));
    let kinds: Vec<_> = pushed["attached"].as_array().unwrap().iter().map(|a| a["type"].clone()).collect();
    let bundle_type = "application/vnd.dev.sigstore.bundle.v0.3+json";
    assert_eq!(kinds, [bundle_type, "application/vnd.cyclonedx+json", "application/spdx+json"]);
    let by_digest = format!("{}/team/app@sha256:{}", registry.address, digest.hex());
    assert_eq!(pushed["image"], by_digest);

    let verify = |image: &str| {
        let output = Command::new(cosign())
            .args([
                "verify-attestation",
                "--key",
                "key.pub",
                "--insecure-ignore-tlog",
                "--type",
                SLSA_PROVENANCE,
            ])
            .args(["--allow-http-registry", image])
            .current_dir(&dir)
            .env_clear()
            .env("HOME", home.path())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (accepted, said) = verify(&by_digest);
    assert!(accepted, "{said}");

    // Again, and something more: the tag is of this image already.
    fs::write(dir.join("note.txt"), "a note").unwrap();
    let args = ["image", "push", "app.tar", &name, "--attach", "text/x-note=note.txt", "--no-attach"];
    let again = home.ok(&dir, &args);
    assert_eq!(again["tag_was"], format!("sha256:{}", digest.hex()));
    assert_eq!((&again["blobs"]["bytes"], again["attached"].as_array().unwrap().len()), (&json!(6), 1));

    // Other bits under the tag, only if told.
    let other = image(&dir, "other.tar", b"other layer");
    let (code, error) = home.json(&dir, &["image", "push", "other.tar", &name]);
    assert_eq!(code, 22, "{error:#}");
    let title = error["title"].as_str().unwrap();
    assert!(
        title.contains(&digest.hex()) && title.contains(&other.hex()) && title.contains("--move-tag"),
        "{title}"
    );
    let told = home.run(&dir, &["image", "push", "other.tar", &name, "--move-tag"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.out.contains(&format!("1.0 (moved from sha256:{})", digest.hex())), "{}", told.out);
    let (accepted, _) = verify(&name);
    assert!(!accepted, "nobody has signed the other one");

    // And back.
    let pulled = home.ok(&dir, &["image", "pull", &by_digest, "-o", "back.tar", "--referrers"]);
    assert_eq!(
        (&pulled["digest"], pulled["referrers"].as_array().unwrap().len()),
        (&json!(digest.to_string()), 4)
    );
    assert_eq!(
        pulled["referrers"].as_array().unwrap().iter().filter(|r| r["type"] == bundle_type).count(),
        1
    );
    let (code, error) = home.json(&dir, &["image", "pull", &by_digest, "-o", "back.tar"]);
    assert_eq!(code, 1, "{error:#}");
    let folder = home.ok(&dir, &["image", "pull", &name, "-o", "oci:back", "--platform", "linux/amd64"]);
    assert_eq!(folder["digest"], other.to_string());
    assert!(dir.join("back/oci-layout").exists());
    let missing = format!("{}/team/none:1", registry.address);
    let (code, _) = home.json(&dir, &["image", "pull", &missing, "-o", "none.tar"]);
    assert!(code == 1 && !dir.join("none.tar").exists());
    for wrong in [&["image", "push", "app.tar", "UPPER"][..], &["image", "push", "app.tar", "oci-layout:x"]] {
        assert_eq!(home.run(&dir, wrong).code, Some(2), "{wrong:?}");
    }
}
