//! The git work tree, as it stands.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use inputs::WorkTree;
use model::Timestamp;

use crate::world::{World, chain, git};

fn write(folder: &Path, name: &str, content: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn repository() -> World {
    let world = World::new();
    let folder = world.recipe_dir();
    git(&folder, &["init", "-q"]);
    write(&folder, "a.txt", "a");
    write(&folder, "src/main.c", "int main;");
    write(&folder, "run.sh", "#!/bin/sh");
    std::fs::set_permissions(folder.join("run.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    symlink("src/main.c", folder.join("link")).unwrap();
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "-qm", "one"]);
    world
}

fn read(world: &World, path: &str) -> WorkTree {
    world.with(|cx| inputs::worktree(cx, &path.parse().unwrap())).unwrap_or_else(|e| panic!("{}", chain(&e)))
}

#[test]
fn tracked_files_links_and_modes() {
    let world = repository();
    let folder = world.recipe_dir();
    git(&folder, &["remote", "add", "origin", "https://me:secret@example.org/x.git"]);
    let clean = read(&world, ".");
    assert_eq!(world.paths(&clean.tree), ["a.txt", "link -> src/main.c", "run.sh*", "src/", "src/main.c"]);
    assert_eq!(clean.commit, Some(git(&folder, &["rev-parse", "HEAD"])));
    assert_eq!(clean.epoch, Timestamp(1_700_000_000));
    assert_eq!(clean.remote.as_deref(), Some("https://example.org/x.git"));
    assert_eq!(clean.dirty, Vec::<String>::new());
    assert_eq!(read(&world, "."), clean, "from the cache");
    assert_eq!(world.paths(&read(&world, "src").tree), ["main.c"]);
}

#[test]
fn every_difference_is_reported_and_only_tracked_files_are_in() {
    let world = repository();
    let folder = world.recipe_dir();
    let clean = read(&world, ".");
    write(&folder, "a.txt", "b");
    write(&folder, "loose.txt", "?");
    write(&folder, "new/added.c", "added");
    git(&folder, &["add", "new"]);
    std::fs::remove_file(folder.join("run.sh")).unwrap();
    // A folder that became a link: git holds what was in it to be deleted, and what is behind it is not looked at.
    std::fs::rename(folder.join("src"), folder.join("elsewhere")).unwrap();
    symlink("elsewhere", folder.join("src")).unwrap();
    let dirty = read(&world, ".");
    assert_eq!(world.paths(&dirty.tree), ["a.txt", "link -> src/main.c", "new/", "new/added.c"]);
    assert_eq!(world.content(&dirty.tree, "a.txt"), "b");
    assert_eq!(dirty.commit, clean.commit);
    let expected = [
        "M a.txt",
        "? elsewhere/main.c",
        "? loose.txt",
        "A new/added.c",
        "D run.sh",
        "? src",
        "D src/main.c",
    ];
    assert_eq!(dirty.dirty, expected);
}

#[test]
fn a_change_is_seen_however_quick_it_is() {
    let world = repository();
    let folder = world.recipe_dir();
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..30 {
        // The same size each time, and often within one tick of the file system's clock.
        write(&folder, "a.txt", &format!("{round:02}"));
        let tree = read(&world, ".").tree;
        assert_eq!(world.content(&tree, "a.txt"), format!("{round:02}"));
        seen.insert(tree);
    }
    assert_eq!(seen.len(), 30);
}

#[test]
fn submodules_are_their_checked_out_files() {
    let world = repository();
    let folder = world.recipe_dir();
    let inner = world.folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    git(&inner, &["init", "-q"]);
    write(&inner, "lib.c", "lib");
    git(&inner, &["add", "."]);
    git(&inner, &["commit", "-qm", "inner"]);
    git(&folder, &["submodule", "--quiet", "add", inner.to_str().unwrap(), "vendor/inner"]);
    git(&folder, &["commit", "-qm", "with a submodule"]);
    let clean = read(&world, ".");
    assert!(world.paths(&clean.tree).contains(&"vendor/inner/lib.c".to_owned()));
    assert_eq!(clean.dirty, Vec::<String>::new());
    write(&folder, "vendor/inner/lib.c", "changed");
    let dirty = read(&world, ".");
    assert_eq!(world.content(&dirty.tree, "vendor/inner/lib.c"), "changed");
    assert_eq!(dirty.dirty, ["M vendor/inner"]);
    // By its commit, the same without a work tree.
    let url = format!("file://{}", folder.display());
    let commit = git(&folder, &["rev-parse", "HEAD"]);
    let source = model::recipe::Source::Fetched(model::recipe::Locator::Git { url, commit });
    let locked = crate::sources::lock(&world, source).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(locked.tree, clean.tree);
    git(&folder, &["submodule", "--quiet", "deinit", "--force", "vendor/inner"]);
    let bare = read(&world, ".");
    assert!(world.paths(&bare.tree).contains(&"vendor/inner/".to_owned()));
    assert!(world.said().contains("`vendor/inner` is not checked out"));
    assert!(bare.dirty.contains(&"D vendor/inner".to_owned()), "{:?}", bare.dirty);
}

/// Each hides from `git status` that what is built is not what was committed.
#[test]
fn what_git_is_told_to_overlook_is_reported() {
    let run: &[&[&str]] = &[&["update-index", "--chmod=-x", "run.sh"], &["commit", "-qm", "plain"]];
    type Setting<'a> = (&'a [&'a [&'a str]], &'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: [Setting<'_>; 8] = [
        (&[&["update-index", "--assume-unchanged", "a.txt"]], &[("a.txt", "evil")], &["M a.txt"]),
        (&[&["update-index", "--skip-worktree", "a.txt"]], &[("a.txt", "evil")], &["M a.txt"]),
        (&[&["update-index", "--assume-unchanged", "a.txt"]], &[], &["H a.txt"]),
        (&[&["update-index", "--skip-worktree", "src/main.c"]], &[], &["H src/main.c"]),
        (&[&["sparse-checkout", "set", "--no-cone", "/a.txt"]], &[], &["D link", "D run.sh", "D src/main.c"]),
        (&[run[0], run[1], &["config", "core.fileMode", "false"]], &[], &["M run.sh"]),
        (&[&["config", "core.autocrlf", "true"]], &[("src/main.c", "int main;\r\n")], &["M src/main.c"]),
        (&[&["config", "filter.f.clean", "printf a"]], &[("a.txt", "evil")], &["M a.txt"]),
    ];
    for (nth, (commands, files, expected)) in cases.into_iter().enumerate() {
        let world = repository();
        let folder = world.recipe_dir();
        if nth == 6 {
            write(&folder, "src/main.c", "int main;\n");
        }
        write(&folder, ".gitattributes", "a.txt filter=f\n");
        git(&folder, &["add", "."]);
        git(&folder, &["commit", "-qm", "two"]);
        assert_eq!(read(&world, ".").dirty, Vec::<String>::new(), "{nth}");
        for command in commands {
            git(&folder, command);
        }
        for (name, content) in files {
            write(&folder, name, content);
        }
        // So that git believes the stat data.
        if nth > 5 {
            git(&folder, &["add", "--renormalize", "."]);
        }
        let said = git(&folder, &["status", "--porcelain"]);
        assert_eq!(said, "", "{nth}: git itself would have said so");
        let dirty: Vec<String> = read(&world, ".").dirty;
        let dirty: Vec<&str> =
            dirty.iter().map(String::as_str).filter(|d| *d != "D .gitattributes").collect();
        assert_eq!(dirty, expected, "{nth}");
        std::thread::sleep(std::time::Duration::from_millis(150));
        let once = read(&world, ".");
        assert_eq!(read(&world, "."), once, "from the cache");
        if !folder.join("src").exists() {
            continue;
        }
        let below: Vec<String> = read(&world, "src").dirty;
        let expected: Vec<&&str> = expected.iter().filter(|e| e.contains("src/")).collect();
        assert_eq!(below.iter().collect::<Vec<_>>(), expected, "{nth}, by their paths in the repository");
    }
}

#[test]
fn a_replaced_commit_is_not_the_one_that_is_claimed() {
    let world = repository();
    let folder = world.recipe_dir();
    let real = git(&folder, &["rev-parse", "HEAD"]);
    write(&folder, "a.txt", "evil");
    git(&folder, &["commit", "-qam", "evil"]);
    let evil = git(&folder, &["rev-parse", "HEAD"]);
    git(&folder, &["update-ref", "refs/heads/main", &real]);
    git(&folder, &["replace", &real, &evil]);
    assert_eq!(git(&folder, &["status", "--porcelain"]), "", "git itself would have said so");
    let found = read(&world, ".");
    assert_eq!((found.commit, found.dirty), (Some(real), vec!["M a.txt".to_owned()]));
}

#[test]
fn a_repository_of_sha256() {
    let world = World::new();
    let folder = world.recipe_dir();
    git(&folder, &["init", "-q", "--object-format=sha256"]);
    write(&folder, "a.txt", "a");
    symlink("a.txt", folder.join("link")).unwrap();
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "-qm", "one"]);
    assert_eq!(read(&world, ".").dirty, Vec::<String>::new());
    git(&folder, &["update-index", "--assume-unchanged", "a.txt"]);
    write(&folder, "a.txt", "b");
    assert_eq!(read(&world, ".").dirty, ["M a.txt"]);
}

#[test]
fn no_repository_and_no_commit() {
    let world = World::new();
    let error = world.with(|cx| inputs::worktree(cx, &".".parse().unwrap())).unwrap_err();
    assert!(error.to_string().contains("git init && git add"), "{error}");
    let folder = world.recipe_dir();
    git(&folder, &["init", "-q"]);
    write(&folder, "a", "a");
    git(&folder, &["add", "."]);
    let fresh = read(&world, ".");
    assert_eq!((fresh.commit, fresh.epoch, fresh.dirty), (None, Timestamp(0), vec!["A a".to_owned()]));
}

/// Programs that a repository can name in its own configuration, each of which some git command would run.
#[test]
fn nothing_that_a_repository_names_is_run() {
    let world = repository();
    let folder = world.recipe_dir();
    let inner = world.folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    git(&inner, &["init", "-q"]);
    write(&inner, "lib.txt", "lib");
    write(&inner, ".gitattributes", "*.txt filter=x diff=x\n");
    git(&inner, &["add", "."]);
    git(&inner, &["commit", "-qm", "inner"]);
    git(&folder, &["submodule", "--quiet", "add", inner.to_str().unwrap(), "module"]);
    write(&folder, ".gitattributes", "*.txt filter=x diff=x\n*.c filter=y\n");
    git(&folder, &["add", "."]);
    // Signed, so that a git that is told to show signatures asks `gpg.program`.
    let text =
        git(&folder, &["cat-file", "commit", &git(&folder, &["commit-tree", "HEAD^{tree}", "-m", "m"])]);
    let signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\nm";
    write(&folder, "signed", &text.replacen("\nm", signature, 1));
    git(&folder, &["commit", "-qm", "two"]);
    let signed = git(&folder, &["hash-object", "-t", "commit", "-w", "signed"]);
    std::fs::remove_file(folder.join("signed")).unwrap();
    git(&folder, &["update-ref", "refs/heads/main", &signed]);
    let trap = world.folder.path().join("trap");
    let spy = world.folder.path().join("spy.sh");
    std::fs::write(&spy, format!("#!/bin/sh\necho \"$0 $*\" >> {}\n", trap.display())).unwrap();
    std::fs::set_permissions(&spy, std::fs::Permissions::from_mode(0o755)).unwrap();
    for place in [folder.clone(), folder.join("module")] {
        let hooks = world.folder.path().join("hooks");
        std::fs::create_dir_all(&hooks).unwrap();
        for hook in ["post-index-change", "fsmonitor-watchman", "post-checkout"] {
            let _there = symlink(&spy, hooks.join(hook));
        }
        let spy = spy.to_str().unwrap();
        for (key, value) in [
            ("filter.x.clean", spy),
            ("filter.x.smudge", spy),
            ("filter.x.required", "true"),
            ("filter.y.process", spy),
            ("diff.x.textconv", spy),
            ("diff.x.command", spy),
            ("diff.external", spy),
            ("core.fsmonitor", spy),
            ("core.sshCommand", spy),
            ("core.gitProxy", spy),
            ("core.askPass", spy),
            ("core.pager", spy),
            ("core.hooksPath", hooks.to_str().unwrap()),
            ("credential.helper", spy),
            ("gpg.program", spy),
            ("log.showSignature", "true"),
            // Whatever is missing, git asks this remote for.
            ("extensions.partialClone", "far"),
            ("remote.far.promisor", "true"),
            ("remote.far.url", "ssh://127.0.0.1/x"),
            ("remote.far.uploadpack", spy),
        ] {
            git(&place, &["config", key, value]);
        }
    }
    // The same sizes at other times: git would have to look, through the filters.
    write(&folder, "a.txt", "b");
    write(&folder, "src/main.c", "int niam;");
    write(&folder, "module/lib.txt", "bil");
    let dirty = read(&world, ".").dirty;
    assert_eq!(std::fs::read_to_string(&trap).unwrap_or_default(), "");
    // The commit was made of the tree before the submodule.
    let expected = ["A .gitattributes", "A .gitmodules", "M a.txt", "M module", "M src/main.c"];
    assert_eq!(dirty, expected);
    // The files of the commit are gone, so that git wants them from the far remote.
    let tree = git(&folder, &["rev-parse", "HEAD:src"]);
    git(&folder, &["-c", "core.fsmonitor=false", "update-index", "--force-remove", "src/main.c"]);
    let _of_this_test = std::fs::remove_file(&trap);
    std::fs::remove_file(folder.join(".git/objects").join(&tree[..2]).join(&tree[2..])).unwrap();
    let error = world.with(|cx| inputs::worktree(cx, &".".parse().unwrap())).unwrap_err();
    assert!(chain(&error).contains(&tree[..7]), "{}", chain(&error));
    assert_eq!(std::fs::read_to_string(&trap).unwrap_or_default(), "");
}

#[test]
fn the_index_and_submodules_are_compared_with_their_commits() {
    let world = repository();
    let folder = world.recipe_dir();
    let inner = world.folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    git(&inner, &["init", "-q"]);
    write(&inner, "lib.c", "lib");
    git(&inner, &["add", "."]);
    git(&inner, &["commit", "-qm", "inner"]);
    git(&folder, &["submodule", "--quiet", "add", inner.to_str().unwrap(), "module"]);
    git(&folder, &["commit", "-qm", "two"]);
    // Whatever a repository says about its submodules.
    git(&folder, &["config", "submodule.module.ignore", "all"]);
    git(&folder, &["config", "diff.ignoreSubmodules", "all"]);
    let module = folder.join("module");
    let dirty = || read(&world, ".").dirty;
    assert_eq!(dirty(), Vec::<String>::new());
    write(&module, "loose", "?");
    assert_eq!(dirty(), ["M module"]);
    git(&module, &["add", "loose"]);
    assert_eq!(dirty(), ["M module"]);
    git(&module, &["commit", "-qm", "three"]);
    assert_eq!(dirty(), ["M module"]);
    git(&folder, &["add", "module"]);
    assert_eq!(dirty(), ["M module"]);
    let seen =
        ["-c", "submodule.module.ignore=none", "-c", "diff.ignoreSubmodules=none", "commit", "-qm", "3"];
    git(&folder, &seen);
    assert_eq!(dirty(), Vec::<String>::new());

    // In the index alone, or other in the index than in the work tree.
    git(&folder, &["mv", "a.txt", "b.txt"]);
    git(&folder, &["rm", "-q", "--cached", "run.sh"]);
    write(&folder, "src/main.c", "int staged;");
    write(&folder, "empty", "");
    git(&folder, &["add", "src"]);
    git(&folder, &["add", "--intent-to-add", "empty"]);
    write(&folder, "src/main.c", "int main;");
    let expected = ["R b.txt", "A empty", "? run.sh", "D run.sh", "M src/main.c"];
    assert_eq!(dirty(), expected);
    assert_eq!(read(&world, "src").dirty, ["M src/main.c"]);
}

#[test]
fn damage_in_the_store_is_healed_from_the_files() {
    let world = repository();
    let tree = read(&world, ".").tree;
    let lost = model::Digest::of(b"int main;");
    std::thread::sleep(std::time::Duration::from_millis(150));
    read(&world, ".");
    let path = world.folder.path().join(format!("store/blobs/{}/{}", &lost.hex()[..2], lost.hex()));
    std::fs::remove_file(path).unwrap();
    assert_eq!(world.store.missing(&tree).unwrap(), [lost]);
    // Nothing has changed, so it is not looked for; who needs it asks for it.
    assert_eq!(read(&world, ".").tree, tree);
    let brought = world.with(|cx| inputs::bring_worktree(cx, &".".parse().unwrap())).unwrap();
    assert_eq!(brought.tree, tree);
    assert_eq!(world.store.missing(&tree).unwrap(), []);
}

#[test]
fn ten_thousand_files() {
    let world = World::new();
    let folder = world.recipe_dir();
    git(&folder, &["init", "-q"]);
    for n in 0..10_000 {
        write(&folder, &format!("d{:03}/f{n}.c", n / 50), &format!("{n}"));
    }
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "-qm", "many"]);
    let first = read(&world, ".");
    assert_eq!(first.dirty, Vec::<String>::new());
    std::thread::sleep(std::time::Duration::from_millis(300));
    read(&world, ".");
    for _ in 0..3 {
        let start = std::time::Instant::now();
        assert_eq!(read(&world, "."), first);
        println!("10,000 unchanged files: {:?}", start.elapsed());
    }
}
