//! dpkg's database in a toolchain, against what dpkg itself writes when it installs the same packages.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use model::lock::Lock;

use crate::debian_archive::{Archive, Member, toolchain, write_key};
use crate::world::{World, chain, recipe};
use Member::{File, Folder, Hard, Link};

const SHARED: &str = "Multi-Arch: same\nSection: libs\nHomepage: https://www.example.org/\nDepends: tool(>=1)\nRecommends: tool ,  other:any|third ( << 3 )\n\
                      Priority: optional\nMaintainer: A <a@example.org>\nX-Own: kept\nDescription: shared\n long\n .\n  text\n";
const TOOL: &str = "Maintainer: A <a@example.org>\nReplaces: libx1(<<9:0), old\nProtected: yes\nInstalled-Size: 7\n\
                    Source: tools (1.0-1)\nBuilt-Using: gcc-12 (= 12.2.0-14)\nMulti-Arch: foreign\nDescription: a tool\n";

/// Three packages: with and without sums, configuration, a hard link, a file that one takes from another.
fn archive(folder: &Path) -> Archive {
    let mut archive = Archive::new(folder);
    archive.package_with(
        "libx1",
        "2:1.0~rc1-1+b2",
        SHARED,
        &[
            File("./shlibs", 0o644, "libx 1 libx1 (>= 1.0)\n"),
            File("./symbols", 0o644, "libx.so.1 libx1 #MINVER#\n x@Base 1.0\n"),
            File("./triggers", 0o644, "activate-noawait ldconfig\n"),
            File("./conffiles", 0o644, "/etc/x/b.conf\n/etc/x/a.conf\n"),
        ],
        &[
            Folder("./"),
            Folder("./etc/"),
            Folder("./etc/x/"),
            File("./etc/x/a.conf", 0o644, "a = 1\n"),
            File("./etc/x/b.conf", 0o644, ""),
            Folder("./usr/"),
            Folder("./usr/lib/"),
            File("./usr/lib/libx.so.1.0", 0o644, "elf"),
            Hard("./usr/lib/libx.so.1.1", "./usr/lib/libx.so.1.0"),
            Link("./usr/lib/libx.so.1", "libx.so.1.0"),
            File("./usr/lib/moved", 0o644, "of libx1"),
            Folder("./usr/share/"),
            Folder("./usr/share/doc/"),
            Folder("./usr/share/doc/libx1/"),
            File("./usr/share/doc/libx1/copyright", 0o644, "free"),
            File("./usr/share/doc/libx1/README", 0o644, "read"),
        ],
    );
    archive.package_with(
        "tool",
        "1.0-1",
        TOOL,
        &[File("./md5sums", 0o644, "0cc175b9c0f1b6a831c399e269772661  usr/bin/tool\n")],
        &[
            Folder("./"),
            Folder("./usr/"),
            Folder("./usr/bin/"),
            File("./usr/bin/tool", 0o755, "a"),
            Folder("./usr/lib/"),
            File("./usr/lib/moved", 0o644, "of tool"),
        ],
    );
    archive.package_with(
        "zz",
        "0",
        "Depends:\nMaintainer: A\nDescription: nothing in it\n",
        &[],
        &[Folder("./")],
    );
    archive.publish();
    archive
}

/// Whatever lies in a folder, by name.
fn listed(folder: &Path) -> BTreeMap<String, String> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap())
    };
    std::fs::read_dir(folder).unwrap().map(read).collect()
}

#[test]
fn it_is_what_dpkg_writes() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    let world = World::new();
    write_key(&archive.key, &world.recipe_dir().join("keyring.gpg"));
    let asked = toolchain(&format!("file://{}", folder.path().display()), &["libx1", "tool", "zz"]);
    let lock: Lock = world
        .with(|cx| inputs::lock(cx, &recipe(asked, []), None))
        .unwrap_or_else(|e| panic!("{}", chain(&e)));

    let root = tempfile::tempdir().unwrap();
    let database = root.path().join("var/lib/dpkg");
    std::fs::create_dir_all(database.join("info")).unwrap();
    std::fs::create_dir_all(database.join("updates")).unwrap();
    std::fs::write(database.join("status"), "").unwrap();
    // As root of a user namespace, so that it is the same for everybody.
    let mut dpkg = Command::new("unshare");
    dpkg.args(["--map-root-user", "dpkg", "--force-depends", "--force-bad-path", "--install"]);
    dpkg.arg(format!("--root={}", root.path().display()));
    dpkg.args(lock.toolchain.packages().iter().map(|p| folder.path().join(&p.path)));
    let done = dpkg.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    let tree = &lock.toolchain.tree;
    let ours = |path: &str| world.content(tree, &format!("var/lib/dpkg/{path}"));
    assert_eq!(ours("status"), std::fs::read_to_string(database.join("status")).unwrap());
    let theirs = listed(&database.join("info"));
    for (name, text) in &theirs {
        assert_eq!(&ours(&format!("info/{name}")), text, "info/{name}");
    }
    let paths = world.paths(tree);
    let mine =
        paths.iter().filter_map(|p| p.strip_prefix("var/lib/dpkg/info/")).filter(|name| !name.is_empty());
    assert_eq!(mine.collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    assert!(
        ours("info/libx1:amd64.list").contains("/usr/share/doc/libx1/README\n"),
        "though it is not in the tree"
    );
}
