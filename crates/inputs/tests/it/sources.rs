//! Sources by git, by URL and from registries made here.

use inputs::InputError;
use model::lock::LockedSource;
use model::recipe::{Locator, Source};
use model::{Digest, Sha256, Timestamp};

use crate::debian_archive::{Archive, Member, gzip, tar, toolchain, write_key};
use crate::server::Server;
use crate::world::{World, chain, git, recipe};

/// Locks one source beside an empty toolchain.
pub(crate) fn lock(world: &World, source: Source) -> Result<LockedSource, InputError> {
    let folder = world.folder.path().join("archive");
    let archive = Archive::new(&folder);
    archive.publish();
    write_key(&archive.key, &world.recipe_dir().join("keyring.gpg"));
    let mirror = format!("file://{}", folder.display());
    let recipe = recipe(toolchain(&mirror, &[]), [("x", source)]);
    let lock = world.with(|cx| inputs::lock(cx, &recipe, None))?;
    // What is locked can be brought again, and is the same.
    let mut other = World::new();
    other.host.registries = world.host.registries.clone();
    for name in ["GOPROXY", "GOSUMDB"] {
        other.host.env.extend(world.host.env.get(name).map(|value| (name.into(), value.clone())));
    }
    other.with(|cx| inputs::fetch(cx, &lock, Some(&recipe)))?;
    assert!(inputs::need(&lock, &other.store).is_empty());
    Ok(lock.sources["x"].clone())
}

fn refused(world: &World, source: Source) -> String {
    chain(&lock(world, source).unwrap_err())
}

fn purl(text: &str) -> Source {
    Source::Fetched(Locator::Package { purl: text.parse().unwrap(), packed: false })
}

#[test]
fn an_archive_by_url_and_hash() {
    let site = tempfile::tempdir().unwrap();
    let server = Server::of(site.path());
    let world = World::new();
    let bytes = tar(&[
        Member::File("x-1/README", 0o644, "read"),
        Member::File("x-1/configure", 0o755, "#!"),
        Member::Link("x-1/also", "README"),
        Member::Hard("x-1/same", "x-1/README"),
    ]);
    std::fs::write(site.path().join("x-1.tar.gz"), &bytes).unwrap();
    let url = |strip| {
        Source::Fetched(Locator::Url {
            url: format!("{}/x-1.tar.gz", server.base),
            sha256: Sha256::of(&bytes),
            strip,
        })
    };
    let locked = lock(&world, url(1)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(world.paths(&locked.tree), ["README", "also -> README", "configure*", "same"]);
    assert_eq!(locked.epoch, Timestamp(1_600_000_000));
    assert_eq!((locked.files[0].path.as_str(), locked.files[0].digest), ("x-1.tar.gz", Digest::of(&bytes)));
    assert!(world.paths(&lock(&world, url(0)).unwrap().tree).contains(&"x-1/README".to_owned()));
    assert!(refused(&world, url(2)).contains("after dropping 2 leading components"));

    let world = World::new();
    let wrong = Source::Fetched(Locator::Url {
        url: format!("{}/x-1.tar.gz", server.base),
        sha256: Sha256::of(b"no"),
        strip: 1,
    });
    let error = refused(&world, wrong);
    assert!(error.contains(&Sha256::of(b"no").hex()) && error.contains(&Sha256::of(&bytes).hex()), "{error}");
    let gone = Source::Fetched(Locator::Url {
        url: format!("{}/none", server.base),
        sha256: Sha256::of(b"no"),
        strip: 1,
    });
    assert!(refused(&world, gone).contains("is not there (404)"));

    std::fs::write(site.path().join("plain.txt"), "plain").unwrap();
    let plain = Source::Fetched(Locator::Url {
        url: format!("{}/plain.txt", server.base),
        sha256: Sha256::of(b"plain"),
        strip: 1,
    });
    assert_eq!(world.paths(&lock(&world, plain).unwrap().tree), ["plain.txt"]);
}

#[test]
fn a_commit_of_a_repository() {
    let world = World::new();
    let folder = world.folder.path().join("repository");
    std::fs::create_dir(&folder).unwrap();
    git(&folder, &["init", "-q"]);
    std::fs::write(folder.join("a"), "1").unwrap();
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "-qm", "one"]);
    let commit = git(&folder, &["rev-parse", "HEAD"]);
    std::fs::write(folder.join("a"), "2").unwrap();
    git(&folder, &["commit", "-qam", "two"]);
    let url = format!("file://{}", folder.display());
    let locked = lock(&world, Source::Fetched(Locator::Git { url: url.clone(), commit }))
        .unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(world.content(&locked.tree, "a"), "1");
    assert_eq!(locked.epoch, Timestamp(1_700_000_000));
    let absent = "0123456789012345678901234567890123456789".to_owned();
    assert!(
        refused(&world, Source::Fetched(Locator::Git { url, commit: absent.clone() }))
            .contains(&format!("expected {absent}"))
    );
    let hostile = Source::Fetched(Locator::Git { url: "--upload-pack=touch x".into(), commit: absent });
    assert!(refused(&world, hostile).contains("is no URL"));
}

#[test]
fn registries_check_their_own_hash() {
    let site = tempfile::tempdir().unwrap();
    let server = Server::of(site.path());
    let mut world = World::new();
    for kind in ["cargo", "npm", "pypi"] {
        world.host.registries.insert(kind.into(), format!("{}/{kind}", server.base));
    }
    let put = |path: &str, bytes: &[u8]| {
        let path = site.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let base = &server.base;
    let manifest = "[package]\nname = \"abcd\"\nlicense = \"MIT/Apache-2.0\"\n";
    let package = tar(&[Member::File("abcd-1.0.0/Cargo.toml", 0o644, manifest)]);
    put("cargo/config.json", format!(r#"{{"dl":"{base}/dl"}}"#).as_bytes());
    put("dl/abcd/1.0.0/download", &package);
    let line =
        |sum: &str| format!("{{\"name\":\"abcd\",\"vers\":\"1.0.0\",\"cksum\":\"{sum}\",\"yanked\":true}}\n");
    put("cargo/ab/cd/abcd", line(&Sha256::of(&package).hex()).as_bytes());
    let locked = lock(&world, purl("pkg:cargo/abcd@1.0.0")).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(locked.licence.as_deref(), Some("MIT OR Apache-2.0"));
    assert_eq!(locked.files[0].path, "abcd/1.0.0/download");
    assert!(world.said().contains("yanked"));
    assert!(refused(&world, purl("pkg:cargo/abcd@2.0.0")).contains("its latest versions are 1.0.0"));
    assert!(refused(&world, purl("pkg:cargo/none@2.0.0")).contains("is not in the registry"));
    put("cargo/ab/cd/abcd", line(&Sha256::of(b"other").hex()).as_bytes());
    let error = refused(&world, purl("pkg:cargo/abcd@1.0.0"));
    assert!(
        error.contains(&Sha256::of(b"other").hex()) && error.contains(&Sha256::of(&package).hex()),
        "{error}"
    );

    put("cargo/ab/cd/abcd", line(&Sha256::of(&package).hex()).replace("abcd", "abce").as_bytes());
    let error = refused(&world, purl("pkg:cargo/abcd@1.0.0"));
    assert!(error.contains("its name is `abce`, not `abcd`"), "{error}");
    put("cargo/ab/cd/abcd", line(&Sha256::of(&package).hex()).as_bytes());
    let error = refused(&world, purl("pkg:cargo/ABCD@1.0.0"));
    assert!(error.contains("its name is `abcd`, not `ABCD`"), "{error}");

    let package = tar(&[Member::File("package/package.json", 0o644, r#"{"license":"ISC"}"#)]);
    let zeros = format!("sha512-{}==", "A".repeat(86));
    put("npm/left/-/left-1.0.0.tgz", &package);
    let version = format!(
        r#"{{"name":"left","version":"1.0.0","dist":{{"tarball":"{base}/npm/left/-/left-1.0.0.tgz","integrity":"{zeros}"}}}}"#
    );
    put("npm/left/1.0.0", version.as_bytes());
    put("npm/left/latest", version.as_bytes());
    put("npm/right/1.0.0", version.as_bytes());
    let error = refused(&world, purl("pkg:npm/left@latest"));
    assert!(error.contains("its version is `1.0.0`, not `latest`"), "{error}");
    let error = refused(&world, purl("pkg:npm/right@1.0.0"));
    assert!(error.contains("its name is `left`, not `right`"), "{error}");
    let error = refused(&world, purl("pkg:npm/left@1.0.0"));
    assert!(error.contains(&format!("expected sha512:{}", "0".repeat(128))), "{error}");

    let package =
        tar(&[Member::File("six_y-1.0/PKG-INFO", 0o644, "Name: six.y\nLicense-Expression: MIT\n\nText\n")]);
    put("files/six_y-1.0.tar.gz", &package);
    let link =
        format!("<a href=\"../../files/six_y-1.0.tar.gz#sha256={}\">x</a>", Sha256::of(&package).hex());
    put("pypi/six-y/index.html", link.as_bytes());
    let locked = lock(&world, purl("pkg:pypi/six.y@1.0")).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(
        (locked.licence.as_deref(), locked.files[0].path.as_str()),
        (Some("MIT"), "six-y/six_y-1.0.tar.gz")
    );
    // Its file as it is served, of which the rest is known all the same.
    let origin = Locator::Package { purl: "pkg:pypi/six.y@1.0".parse().unwrap(), packed: true };
    let packed = lock(&world, Source::Fetched(origin)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(world.paths(&packed.tree), ["six_y-1.0.tar.gz"]);
    assert_eq!(
        (packed.epoch, &packed.licence, &packed.files),
        (locked.epoch, &locked.licence, &locked.files)
    );
    let bare = r#"{"files":[{"filename":"six_y-1.0.tar.gz","url":"x","hashes":{"md5":"00"}}]}"#;
    put("pypi/six-y/index.html", bare.as_bytes());
    assert!(refused(&world, purl("pkg:pypi/six.y@1.0")).contains("no SHA-256 for six_y-1.0.tar.gz"));
    let other = r#"{"name":"seven","files":[]}"#;
    put("pypi/six-y/index.html", other.as_bytes());
    assert!(refused(&world, purl("pkg:pypi/six.y@1.0")).contains("its name is `seven`, not `six-y`"));
    assert!(
        refused(&world, purl("pkg:gem/x@1"))
            .contains("expected a purl of type cargo, deb, golang, npm or pypi")
    );
}

#[test]
fn a_go_module_is_a_source_without_path_and_version_before_its_files() {
    let site = tempfile::tempdir().unwrap();
    let path = site.path().join("example.org/!tools/@v/v0.0.1.zip");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, crate::archives::module()).unwrap();
    let server = Server::of(site.path());
    let mut world = World::new();
    world.host.env.insert("GOPROXY".into(), server.base.clone());
    world.host.env.insert("GOSUMDB".into(), "sums.example.org".into());
    let purl = |text: &str| Source::Fetched(Locator::Package { purl: text.parse().unwrap(), packed: false });
    let locked =
        lock(&world, purl("pkg:golang/example.org/Tools@v0.0.1")).unwrap_or_else(|e| panic!("{}", chain(&e)));
    let h1 = locked.files[0].registry_hash.clone().unwrap();
    assert!(h1.starts_with("h1:") && h1.len() == 47, "{h1}");
    let paths = world.paths(&locked.tree);
    // As sources have them: what a toolchain of Go is made to be, its programs' modes, is not done here.
    for wanted in ["bin/go", "src/a.go"] {
        assert!(paths.iter().any(|p| p == wanted), "{wanted}: {paths:#?}");
    }
    assert!(refused(&world, purl("pkg:golang/example.org/Tools@v0.0.2")).contains("v0.0.2.zip"));
}

#[test]
fn another_tree_of_the_store_is_not_taken_for_the_locked_source() {
    let world = World::new();
    let repository = world.folder.path().join("repository");
    std::fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "-q"]);
    let mut commits = Vec::new();
    for content in ["good", "bad"] {
        std::fs::write(repository.join("a"), content).unwrap();
        git(&repository, &["add", "."]);
        git(&repository, &["commit", "-qm", content]);
        commits.push(git(&repository, &["rev-parse", "HEAD"]));
    }
    let by_git = |nth: usize| {
        let url = format!("file://{}", repository.display());
        Source::Fetched(Locator::Git { url, commit: commits[nth].clone() })
    };
    let by_url = |content: &str| {
        let bytes = tar(&[Member::File("x-1/a", 0o644, content)]);
        let path = world.folder.path().join(format!("{content}.tar.gz"));
        std::fs::write(&path, &bytes).unwrap();
        let url = format!("file://{}", path.display());
        Source::Fetched(Locator::Url { url, sha256: Sha256::of(&bytes), strip: 1 })
    };
    let archive = Archive::new(&world.folder.path().join("archive"));
    archive.publish();
    write_key(&archive.key, &world.recipe_dir().join("keyring.gpg"));
    let mirror = format!("file://{}", world.folder.path().join("archive").display());
    let sources = [
        ("good_git", by_git(0)),
        ("bad_git", by_git(1)),
        ("good_url", by_url("good-url")),
        ("bad_url", by_url("bad-url")),
    ];
    let recipe = recipe(toolchain(&mirror, &[]), sources);
    let lock = world.with(|cx| inputs::lock(cx, &recipe, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert!(inputs::confirmed(&world.store, &lock));
    for kind in ["git", "url"] {
        let (good, bad) = (format!("good_{kind}"), format!("bad_{kind}"));
        let mut forged = lock.clone();
        forged.sources.get_mut(&good).unwrap().tree = lock.sources[&bad].tree;
        assert!(!inputs::confirmed(&world.store, &forged), "{kind}");
        let error = world.with(|cx| inputs::fetch(cx, &forged, Some(&recipe))).unwrap_err();
        let found = lock.sources[&good].tree;
        assert!(matches!(&error, InputError::Tree { found: f, .. } if *f == found), "{}", chain(&error));
        assert!(!inputs::confirmed(&world.store, &forged), "{kind}: a refusal confirms nothing");
        // Nor does a lock made from it keep it.
        let again = world.with(|cx| inputs::lock(cx, &recipe, Some(&forged))).unwrap();
        assert_eq!(again.to_text(), lock.to_text());
    }
    let mut forged = lock.clone();
    let files = lock.sources["bad_url"].files.clone();
    let good = forged.sources.get_mut("good_url").unwrap();
    (good.files, good.tree) = (files, lock.sources["bad_url"].tree);
    assert!(!inputs::confirmed(&world.store, &forged));
    let error = chain(&world.with(|cx| inputs::fetch(cx, &forged, Some(&recipe))).unwrap_err());
    assert!(error.contains("the lock contradicts itself"), "{error}");
    // The same commit from elsewhere is the same.
    let mut moved = lock.clone();
    let Locator::Git { url, .. } = &mut moved.sources.get_mut("good_git").unwrap().origin else { panic!() };
    *url = "https://mirror.example.org/x.git".into();
    assert!(inputs::confirmed(&world.store, &moved));
}

#[test]
fn a_zip_and_other_compressions() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    writer.start_file("x/run", options).unwrap();
    std::io::Write::write_all(&mut writer, b"run").unwrap();
    writer.add_symlink("x/link", "run", zip::write::SimpleFileOptions::default()).unwrap();
    let zip = writer.finish().unwrap().into_inner();
    let mut plain = Vec::new();
    let gzipped = tar(&[Member::File("x/run", 0o755, "run"), Member::Link("x/link", "run")]);
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&gzipped[..]), &mut plain).unwrap();
    let mut xz = Vec::new();
    std::io::Read::read_to_end(&mut liblzma::read::XzEncoder::new(&plain[..], 1), &mut xz).unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    let mut bzip2 = Vec::new();
    std::io::Read::read_to_end(
        &mut bzip2::read::BzEncoder::new(&plain[..], bzip2::Compression::fast()),
        &mut bzip2,
    )
    .unwrap();
    assert_eq!(gzip(&plain)[..2], [0x1f, 0x8b]);
    let mut trees = std::collections::BTreeSet::new();
    for (name, bytes) in [
        ("a.zip", zip),
        ("a.tar", plain),
        ("a.tgz", gzipped),
        ("a.tar.xz", xz),
        ("a.tar.zst", zstd),
        ("a.tar.bz2", bzip2),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let source = Source::Fetched(Locator::Url {
            url: format!("file://{}", path.display()),
            sha256: Sha256::of(&bytes),
            strip: 1,
        });
        let locked = lock(&world, source).unwrap_or_else(|e| panic!("{name}: {}", chain(&e)));
        assert_eq!(world.paths(&locked.tree), ["link -> run", "run*"], "{name}");
        trees.insert(locked.tree);
    }
    assert_eq!(trees.len(), 1);
}
