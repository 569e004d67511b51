//! A real registry on the loopback interface, filled by skopeo with what umoci makes.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use model::oci::Place;

use super::layout::Layout;
use super::{image, lock, own};
use crate::debian_archive::Member;
use crate::world::{World, chain};

/// `docker-registry`, ended when dropped.
pub(crate) struct Registry {
    child: Child,
    pub(crate) address: String,
    _folder: tempfile::TempDir,
}

/// The name and password that a closed registry wants: `me`, `s3cret`.
const ACCOUNT: &str = "me:$2b$04$WKhP0DpbmK3m3N0lDUmibOhp75yk6OJogJdvUQ6/2nX7KdmFD75hu\n";

impl Registry {
    pub(crate) fn start(closed: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let data = folder.path().join("data");
        let mut config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            data.display()
        );
        if closed {
            let accounts = folder.path().join("accounts");
            std::fs::write(&accounts, ACCOUNT).unwrap();
            config.push_str(&format!("auth:\n  htpasswd:\n    realm: r\n    path: {}\n", accounts.display()));
        }
        let path = folder.path().join("config.yml");
        std::fs::write(&path, config).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry, see scripts/prepare");
        let mut registry = Self { child, address, _folder: folder };
        for _ in 0..600 {
            if TcpStream::connect(&registry.address).is_ok() {
                return registry;
            }
            assert!(registry.child.try_wait().unwrap().is_none(), "the registry ended");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the registry does not listen");
    }

    /// Copies an image of a layout into the registry.
    fn push(&self, folder: &Path, tag: &str, name: &str, closed: bool) {
        let from = format!("oci:{}:{tag}", folder.display());
        let to = format!("docker://{}/{name}", self.address);
        let mut arguments = vec!["--insecure-policy", "copy", "--all", "--dest-tls-verify=false", "-q"];
        if closed {
            arguments.extend(["--dest-creds", "me:s3cret"]);
        }
        arguments.extend([from.as_str(), to.as_str()]);
        run("skopeo", &arguments);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("{program}, see scripts/prepare: {e}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An image of two layers, of which the second takes away: unpacked, changed and packed again by umoci.
fn made_by_umoci(folder: &Path) {
    let image = folder.to_str().unwrap();
    let tagged = format!("{image}:x");
    let rootless: &[&str] = if rustix::process::getuid().is_root() { &[] } else { &["--rootless"] };
    run("umoci", &["init", "--layout", image]);
    run("umoci", &["new", "--image", &tagged]);
    for round in 0..2 {
        let bundle = tempfile::tempdir().unwrap();
        let place = bundle.path().join("b");
        let place = place.to_str().unwrap();
        let with = |verb: &'static str, rest: &[&'static str]| {
            let mut all = vec![verb];
            all.extend(rootless.iter().filter(|_| verb == "unpack"));
            all.extend(rest);
            all.extend(["--image", &tagged, place]);
            run("umoci", &all);
        };
        with("unpack", &[]);
        let root = Path::new(place).join("rootfs");
        if round == 0 {
            for (path, text) in [("a/kept", "k"), ("a/gone", "g"), ("b/x/y", "y"), ("bin/tool", "t")] {
                let path = root.join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            std::os::unix::fs::symlink("tool", root.join("bin/link")).unwrap();
            std::fs::hard_link(root.join("bin/tool"), root.join("bin/hard")).unwrap();
        } else {
            std::fs::remove_file(root.join("a/gone")).unwrap();
            std::fs::remove_dir_all(root.join("b")).unwrap();
            std::fs::write(root.join("b"), "a file now").unwrap();
        }
        with("repack", &["--no-history"]);
    }
}

#[test]
fn an_image_of_a_real_registry() {
    let registry = Registry::start(false);
    let world = World::new();
    let folder = world.recipe_dir().join("umoci");
    made_by_umoci(&folder);
    registry.push(&folder, "x", "group/tools:1.0", false);
    let name = format!("{}/group/tools", registry.address);
    let by_tag = lock(&world, &format!("{name}:1.0")).unwrap_or_else(|e| panic!("{e}"));
    let expected = ["a/", "a/kept", "b", "bin/", "bin/hard", "bin/link -> tool", "bin/tool"];
    assert_eq!(own(&world, &by_tag), expected);
    assert_eq!(image(&by_tag).layers.len(), 2);
    // From disk it is the same.
    let disk = lock(&world, "oci-layout:umoci:x").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(disk.toolchain.tree, by_tag.toolchain.tree);
    // And as `docker save` writes it.
    let saved = world.recipe_dir().join("saved.tar");
    let from = format!("oci:{}:x", folder.display());
    let to = format!("docker-archive:{}:tools:1.0", saved.display());
    run("skopeo", &["--insecure-policy", "copy", "-q", &from, &to]);
    let saved = lock(&world, "docker-archive:saved.tar").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(saved.toolchain.tree, by_tag.toolchain.tree);
    assert!(image(&saved).manifest.is_none());

    // By digest, into an empty store; then again, without the registry.
    let manifest = image(&by_tag).manifest.unwrap();
    let pinned = format!("{name}@sha256:{}", manifest.hex());
    let empty = World::new();
    let by_digest = lock(&empty, &pinned).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(by_digest.toolchain.tree, by_tag.toolchain.tree);
    let third = World::new();
    third.with(|cx| inputs::fetch(cx, &by_digest, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert!(inputs::confirmed(&third.store, &by_digest));
    // A mirror: the name stays, the bytes come from elsewhere.
    let mut mirrored = World::new();
    mirrored.host.registries.insert("oci".into(), format!("http://{}", registry.address));
    let elsewhere = format!("registry.example.org/group/tools@sha256:{}", manifest.hex());
    let locked = lock(&mirrored, &elsewhere).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(locked.toolchain.tree, by_tag.toolchain.tree);
    assert!(
        matches!(&image(&locked).image.place, Place::Registry { host: Some(h), .. } if h == "registry.example.org")
    );

    // Never in the clear over a network.
    mirrored.host.registries.insert("oci".into(), "http://registry.example.org".into());
    assert!(lock(&mirrored, "registry.example.org/x:1").unwrap_err().contains("over https"));

    let error = lock(&world, &format!("{name}:2.0")).unwrap_err();
    assert!(error.contains("there is no image") && error.contains("manifests/2.0"), "{error}");
    let error = lock(&world, &format!("{name}@sha256:{}", "0".repeat(64))).unwrap_err();
    assert!(error.contains("there is no image"), "{error}");
    drop(registry);
    // What is locked by digest is not asked for again.
    let recipe = crate::world::recipe(super::toolchain(&pinned), []);
    let again = empty.with(|cx| inputs::lock(cx, &recipe, Some(&by_digest)));
    assert_eq!(again.unwrap_or_else(|e| panic!("{}", chain(&e))), by_digest);
}

#[test]
fn several_platforms_of_a_real_registry() {
    let registry = Registry::start(false);
    let mut layout = Layout::new();
    let mut make = |arch: &str| {
        let layer = layout.layer("gzip", &[Member::File("arch", 0o644, arch)]);
        layout.image(arch, &[layer], &[])
    };
    let (intel, arm) = (make("amd64"), make("arm64"));
    let index = layout.index(&[("arm64", &arm), ("amd64", &intel)]);
    layout.tag("all", &index);
    let world = World::new();
    let folder = world.recipe_dir().join("img");
    layout.write(&folder);
    registry.push(&folder, "all", "all:1", false);
    let locked = lock(&world, &format!("{}/all:1", registry.address)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(world.content(&locked.toolchain.tree, "arch"), "amd64");
    assert_eq!(format!("sha256:{}", image(&locked).index.unwrap().hex()), index.digest);
    assert_eq!(format!("sha256:{}", image(&locked).manifest.unwrap().hex()), intel.digest);
}

#[test]
fn a_closed_registry_is_told_who_asks() {
    let registry = Registry::start(true);
    let mut layout = Layout::new();
    let layer = layout.layer("gzip", &[Member::File("a", 0o644, "a")]);
    let manifest = layout.image("amd64", &[layer], &[]);
    layout.tag("x", &manifest);
    let folder = tempfile::tempdir().unwrap();
    layout.write(folder.path());
    registry.push(folder.path(), "x", "closed:1", true);
    let name = format!("{}/closed:1", registry.address);

    let at = |config: &str| {
        let mut world = World::new();
        let docker = world.folder.path().join("docker");
        std::fs::create_dir(&docker).unwrap();
        std::fs::write(docker.join("config.json"), config).unwrap();
        let helper = docker.join("docker-credential-test");
        let script = "#!/bin/sh\nread -r who\ncase $who in 127.0.0.1:*) echo '{\"Username\":\"me\",\"Secret\":\"s3cret\"}';; *) exit 1;; esac\n";
        std::fs::write(&helper, script).unwrap();
        std::os::unix::fs::symlink("/bin/sh", docker.join("sh")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&helper, mode).unwrap();
        world.host.env.insert("DOCKER_CONFIG".into(), docker.display().to_string());
        let path = format!("{}:{}", docker.display(), world.host.env["PATH"]);
        world.host.env.insert("PATH".into(), path);
        world
    };
    let address = &registry.address;
    // `me:s3cret` and `me:wrong`, in base64.
    let with = |auth: &str| format!(r#"{{"auths":{{"http://{address}/v2/":{{"auth":"{auth}"}}}}}}"#);
    for config in [
        with("bWU6czNjcmV0"),
        format!(r#"{{"credHelpers":{{"{address}":"test"}}}}"#),
        format!(r#"{{"auths":{{"{address}":{{}}}},"credsStore":"test"}}"#),
    ] {
        lock(&at(&config), &name).unwrap_or_else(|e| panic!("{config}: {e}"));
    }
    for (config, why) in [
        ("{}".to_owned(), "this host has none for it"),
        (with("bWU6d3Jvbmc="), "what this host has for `me`"),
        (with("!"), "not NAME:PASSWORD in base64"),
        ("{".to_owned(), "not readable as JSON at line 1"),
        (format!(r#"{{"credHelpers":{{"{address}":"none"}}}}"#), "`docker-credential-none` gives nothing"),
    ] {
        let error = lock(&at(&config), &name).unwrap_err();
        assert!(error.contains(why), "{config}: {error}");
        // A password is in no message.
        assert!(!error.contains("wrong") && !error.contains("bWU6"), "{error}");
    }
}

/// Answers like a registry that wants a token, and like the place that gives them.
fn token_server(folder: std::path::PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let own = address.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (folder, own) = (folder.clone(), own.clone());
            std::thread::spawn(move || answer(stream, &folder, &own));
        }
    });
    address
}

fn answer(mut stream: TcpStream, folder: &Path, own: &str) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let (mut line, mut authorization) = (String::new(), String::new());
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            if header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("authorization:") {
                authorization = header[header.len() - value.len()..].trim().to_owned();
            }
        }
        let path = line.split(' ').nth(1)?.to_owned();
        let ok = |body: &[u8]| {
            let mut all = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
            all.extend(body);
            all
        };
        let reply = if path.starts_with("/token?") {
            // `me:s3cret`.
            let knows = authorization == "Basic bWU6czNjcmV0" && path.contains("scope=repository:a:pull");
            match knows && path.contains("service=the%20service") {
                true => ok(br#"{"token":"t0ken"}"#),
                false => b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
            }
        } else if authorization == "Bearer t0ken" {
            let name = path.rsplit('/').next()?.trim_start_matches("sha256:").to_owned();
            ok(&std::fs::read(folder.join("blobs/sha256").join(name)).ok()?)
        } else {
            let challenge = format!(
                "Bearer realm=\"http://{own}/token\",service=\"the service\",scope=\"repository:a:pull\""
            );
            format!("HTTP/1.1 401 No\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n")
                .into_bytes()
        };
        stream.write_all(&reply).ok()?;
    }
}

#[test]
fn a_token_is_fetched_where_the_registry_says() {
    let mut layout = Layout::new();
    let layer = layout.layer("gzip", &[Member::File("a", 0o644, "a")]);
    let manifest = layout.image("amd64", &[layer], &[]);
    let folder = tempfile::tempdir().unwrap();
    layout.write(folder.path());
    let address = token_server(folder.path().to_owned());
    let name = format!("{address}/a@{}", manifest.digest);
    let mut world = World::new();
    let error = lock(&world, &name).unwrap_err();
    assert!(error.contains("gives no token to a request without a name"), "{error}");
    let config = format!(r#"{{"auths":{{"{address}":{{"username":"me","password":"s3cret"}}}}}}"#);
    std::fs::write(world.folder.path().join("config.json"), config).unwrap();
    world.host.env.insert("DOCKER_CONFIG".into(), world.folder.path().display().to_string());
    lock(&world, &name).unwrap_or_else(|e| panic!("{e}"));
}
