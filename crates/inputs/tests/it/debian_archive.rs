//! A small Debian archive, made here: real packages, real indexes, a real signature by a fresh key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::Digest;
use model::lock::{Lock, LockedBase, LockedPackage};
use model::recipe::{Base, Debian, Toolchain};
use pgp::composed::{
    CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey,
};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, Password};

pub(crate) const SUITE: &str = "tiny";

/// One member of a package.
#[derive(Clone, Copy)]
pub(crate) enum Member<'a> {
    File(&'a str, u32, &'a str),
    Link(&'a str, &'a str),
    Hard(&'a str, &'a str),
    Folder(&'a str),
    Device(&'a str),
}

pub(crate) struct Archive {
    pub(crate) folder: PathBuf,
    pub(crate) key: SignedSecretKey,
    stanzas: Vec<String>,
    pub(crate) extra_release: String,
}

pub(crate) fn new_key() -> SignedSecretKey {
    let params = SecretKeyParamsBuilder::default()
        .key_type(KeyType::Ed25519Legacy)
        .can_sign(true)
        .can_certify(true)
        .primary_user_id("Tiny Archive <tiny@example.org>".into())
        .build()
        .unwrap();
    params.generate(rand::thread_rng()).unwrap()
}

pub(crate) fn fingerprint(key: &SignedSecretKey) -> String {
    format!("{:X}", key.fingerprint())
}

pub(crate) fn write_key(key: &SignedSecretKey, path: &Path) {
    let public = SignedPublicKey::from(key.clone());
    let mut bytes = Vec::new();
    public.to_writer(&mut bytes).unwrap();
    std::fs::write(path, bytes).unwrap();
}

impl Archive {
    pub(crate) fn new(folder: &Path) -> Self {
        std::fs::create_dir_all(folder.join("pool")).unwrap();
        Self { folder: folder.to_owned(), key: new_key(), stanzas: Vec::new(), extra_release: String::new() }
    }

    /// Adds a package; `fields` are lines of its control file, `postinst` a script or nothing.
    pub(crate) fn package(
        &mut self,
        name: &str,
        version: &str,
        fields: &str,
        postinst: &str,
        members: &[Member<'_>],
    ) {
        let scripts = [Member::File("./postinst", 0o755, postinst)];
        self.package_with(name, version, fields, if postinst.is_empty() { &[] } else { &scripts }, members);
    }

    /// As [`Archive::package`]; `beside` lies beside the control file.
    pub(crate) fn package_with(
        &mut self,
        name: &str,
        version: &str,
        fields: &str,
        beside: &[Member<'_>],
        members: &[Member<'_>],
    ) {
        let control = format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n{fields}");
        let mut scripts = vec![Member::File("./control", 0o644, control.as_str())];
        scripts.extend_from_slice(beside);
        let bytes = deb(&tar(&scripts), &tar(members));
        let path = format!("pool/{name}_{version}_amd64.deb");
        std::fs::write(self.folder.join(&path), &bytes).unwrap();
        let digest = Digest::of(&bytes);
        self.stanzas
            .push(format!("{control}Filename: {path}\nSize: {}\nSHA256: {}\n", digest.size, digest.sha256));
    }

    /// Writes the indexes and signs them.
    pub(crate) fn publish(&self) {
        let packages = self.stanzas.join("\n");
        let plain = "main/binary-amd64/Packages";
        let suite = self.folder.join("dists").join(SUITE);
        std::fs::create_dir_all(suite.join("main/binary-amd64/by-hash/SHA256")).unwrap();
        let packed = gzip(packages.as_bytes());
        std::fs::write(suite.join(format!("{plain}.gz")), &packed).unwrap();
        let digest = Digest::of(&packed);
        let release = format!(
            "Origin: Tiny\nSuite: {SUITE}\n{}SHA256:\n {} {} {plain}.gz\n",
            self.extra_release, digest.sha256, digest.size
        );
        std::fs::write(suite.join("InRelease"), self.sign(&release)).unwrap();
    }

    pub(crate) fn sign(&self, text: &str) -> String {
        let rng = rand::thread_rng();
        let message = CleartextSignedMessage::sign(rng, text, &*self.key, &Password::empty()).unwrap();
        message.to_armored_string(pgp::composed::ArmorOptions::default()).unwrap()
    }

    pub(crate) fn release(&self) -> PathBuf {
        self.folder.join("dists").join(SUITE).join("InRelease")
    }
}

/// A toolchain of an archive, its keyring beside the recipe.
pub(crate) fn toolchain(mirror: &str, packages: &[&str]) -> Toolchain {
    let base = Base::Debian(Debian {
        packages: packages.iter().map(|p| (*p).to_owned()).collect(),
        suite: SUITE.into(),
        components: vec!["main".into()],
        mirror: Some(mirror.to_owned()),
        snapshot_mirror: None,
        snapshot: None,
        keyring: Some("keyring.gpg".parse().unwrap()),
    });
    Toolchain { arch: "amd64".into(), base, archives: Vec::new() }
}

/// The Debian part of a toolchain.
pub(crate) fn debian(toolchain: &mut Toolchain) -> &mut Debian {
    match &mut toolchain.base {
        Base::Debian(debian) => debian,
        other => panic!("{other:?}"),
    }
}

/// The Debian packages of a lock.
pub(crate) fn packages(lock: &mut Lock) -> &mut Vec<LockedPackage> {
    match &mut lock.toolchain.base {
        LockedBase::Debian(debian) => &mut debian.packages,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar archive, gzipped.
pub(crate) fn tar(members: &[Member<'_>]) -> Vec<u8> {
    gzip(&tar_plain(members))
}

/// A tar archive.
pub(crate) fn tar_plain(members: &[Member<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for member in members {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(1_600_000_000);
        let (name, kind, mode, content, link) = match member {
            Member::File(name, mode, content) => (name, tar::EntryType::Regular, *mode, *content, ""),
            Member::Link(name, target) => (name, tar::EntryType::Symlink, 0o777, "", *target),
            Member::Hard(name, target) => (name, tar::EntryType::Link, 0o644, "", *target),
            Member::Folder(name) => (name, tar::EntryType::Directory, 0o755, "", ""),
            Member::Device(name) => (name, tar::EntryType::Char, 0o600, "", ""),
        };
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        // Written raw, so that hostile names can be made.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn deb(control: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in
        [("debian-binary", &b"2.0\n"[..]), ("control.tar.gz", control), ("data.tar.gz", data)]
    {
        bytes.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len()).bytes(),
        );
        bytes.extend(content);
        if content.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// An archive with a shell, an awk and a compiler of a kind.
pub(crate) fn tiny(folder: &Path) -> Archive {
    use Member::{Device, File, Folder, Hard, Link};
    let mut archive = Archive::new(folder);
    archive.package(
        "base",
        "1",
        "Essential: yes\nDepends: dash\n",
        "",
        &[Folder("./"), Folder("./bin/"), Folder("./etc/"), Folder("./var/"), Link("./var/run", "/run")],
    );
    archive.package(
        "dash",
        "1",
        "",
        "",
        &[File("./bin/dash", 0o4755, "dash"), File("./usr/share/man/man1/dash.1", 0o644, "")],
    );
    archive.package(
        "mawk",
        "1",
        "Provides: awk\n",
        "update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 \\\n --slave /usr/bin/nawk nawk /usr/bin/mawk\n",
        &[File("./usr/bin/mawk", 0o755, "mawk")],
    );
    archive.package(
        "gawk",
        "1",
        "Provides: awk\n",
        "update-alternatives --install /usr/bin/awk awk /usr/bin/gawk 10\n",
        &[File("./usr/bin/gawk", 0o755, "gawk"), Hard("./usr/bin/gawk-1", "./usr/bin/gawk")],
    );
    let format = "Format: https://www.example.org/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-3+\n";
    archive.package(
        "cc",
        "2:1.0-1",
        "Depends: libc (>= 2), mawk | awk\nSource: gcc-src (1.0-1)\n",
        "for x in $(ls /usr/bin); do update-alternatives --install /usr/bin/$x $x /usr/bin/cc-$x 1; done\n",
        &[
            File("./usr/bin/cc", 0o755, "cc"),
            File("./usr/share/doc/cc/copyright", 0o644, format),
            File("./usr/share/cc/shared", 0o644, "of cc"),
            Device("./dev/null"),
        ],
    );
    archive.package(
        "libc",
        "2.36",
        "Replaces: cc\n",
        "",
        &[File("./lib64/ld.so", 0o755, "ld"), File("./usr/share/cc/shared", 0o644, "of libc")],
    );
    archive.package("broken", "1", "Depends: nothing-such (>= 3)\n", "", &[]);
    archive.publish();
    archive
}

/// Names and versions, for comparing.
pub(crate) fn closure(lock: &Lock) -> BTreeMap<&str, &str> {
    lock.toolchain.packages().iter().map(|p| (p.name.as_str(), p.version.as_str())).collect()
}
