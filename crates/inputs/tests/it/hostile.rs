//! Archives that mean harm, or are damaged.

use model::Sha256;
use model::recipe::{Locator, Source};

use crate::debian_archive::{Member, gzip, tar};
use crate::world::{World, chain};

fn refused(bytes: &[u8]) -> String {
    let world = World::new();
    let path = world.folder.path().join("x.tar.gz");
    std::fs::write(&path, bytes).unwrap();
    let source = Source::Fetched(Locator::Url {
        url: format!("file://{}", path.display()),
        sha256: Sha256::of(bytes),
        strip: 0,
    });
    let error = chain(&crate::sources::lock(&world, source).unwrap_err());
    // Nothing was written anywhere but into the store.
    assert!(!world.folder.path().join("escaped").exists());
    error
}

#[test]
fn nothing_leaves_the_tree() {
    use Member::{Device, File, Hard, Link};
    let cases: [(&[Member<'_>], &str); 9] = [
        (&[File("../escaped", 0o644, "x")], "leaves the archive"),
        (&[File("a/../../escaped", 0o644, "x")], "leaves the archive"),
        (&[File("/escaped", 0o644, "x")], "its name is absolute"),
        (&[Link("a", "/etc"), File("a/escaped", 0o644, "x")], "is not a directory"),
        (&[Link("a", "../..")], "it points to `../..`"),
        (&[Link("a/b", "c/../../../d")], "it points to"),
        (&[Hard("a", "../../etc/passwd")], "leaves the archive"),
        (&[Hard("a", "etc/passwd")], "which is not in it"),
        (&[Device("null")], "is a device"),
    ];
    for (members, why) in cases {
        let error = refused(&tar(members));
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[test]
fn damage_is_named() {
    let whole = tar(&[Member::File("a", 0o644, &"content ".repeat(5000))]);
    let error = refused(&whole[..whole.len() / 2]);
    assert!(error.contains("damaged") || error.contains("expected a tar archive"), "{error}");
    assert!(refused(&gzip(b"this is no tar archive at all")).contains("expected a tar archive"));
    assert!(refused(b"nor this").contains("expected a tar archive"));
}
