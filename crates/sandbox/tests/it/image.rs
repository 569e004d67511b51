//! A root that is an image: written to, by its users, and nothing of it is in what was written but that.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use sandbox::{Cancel, Exit, Files, Image, Io, Mount, SandboxError, Spec, User};

use crate::world::{World, busybox};

/// An image of one layer with busybox and three users, and what a command in it gave.
struct Made {
    world: World,
    layers: Vec<PathBuf>,
    user: User,
    workdir: String,
    mounts: Vec<(PathBuf, String, bool)>,
    degraded: bool,
    secrets: Vec<(&'static str, &'static [u8])>,
}

struct Ran {
    exit: Exit,
    log: String,
    upper: PathBuf,
    first: u32,
}

impl Made {
    /// `None` where this process has no ids to give.
    fn new() -> Option<Self> {
        let first = sandbox::first_id().ok()?;
        let world = World::new();
        let base = world.dir.path().join("base");
        for dir in ["bin", "etc", "tmp", "home/app", "data/old"] {
            fs::create_dir_all(base.join(dir)).expect("it works");
        }
        crate::world::copy_program(&busybox(), &base.join("bin/busybox"));
        for name in [
            "sh", "id", "chown", "chmod", "ls", "cat", "stat", "rm", "su", "mkdir", "mv", "touch", "ln",
            "grep", "mount", "mknod", "chroot", "echo", "test",
        ] {
            symlink("busybox", base.join("bin").join(name)).expect("it works");
        }
        fs::write(base.join("etc/passwd"), "root:x:0:0::/:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n")
            .expect("it works");
        fs::write(base.join("etc/group"), "root:x:0:\napp:x:1000:\n").expect("it works");
        fs::write(base.join("data/old/one"), "1").expect("it works");
        fs::write(base.join("data/two"), "2").expect("it works");
        fs::set_permissions(base.join("tmp"), fs::Permissions::from_mode(0o1777)).expect("it works");
        give(&base, first);
        lchown(base.join("home/app"), Some(first + 1000), Some(first + 1000)).expect("it works");
        let layers = vec![base];
        Some(Self {
            world,
            layers,
            user: User::default(),
            workdir: "/".into(),
            mounts: Vec::new(),
            degraded: false,
            secrets: Vec::new(),
        })
    }

    fn run(&self, script: &str) -> Result<Ran, SandboxError> {
        let scratch = self
            .world
            .dir
            .path()
            .join(format!("up{}", fs::read_dir(self.world.dir.path()).expect("it works").count()));
        fs::create_dir(&scratch).expect("it works");
        let layers: Vec<&Path> = self.layers.iter().map(PathBuf::as_path).collect();
        let mounts: Vec<Mount<'_>> = self
            .mounts
            .iter()
            .map(|(source, target, writable)| Mount { source, target, writable: *writable })
            .collect();
        let mut log = Vec::new();
        let env = [("PATH".to_owned(), "/bin".to_owned())].into();
        let outcome = sandbox::run(Spec {
            files: Files::Image(Image {
                layers: &layers,
                user: self.user.clone(),
                workdir: &self.workdir,
                mounts: &mounts,
            }),
            scratch: &scratch,
            arguments: &["/bin/sh", "-c", script].map(str::to_owned),
            env: &env,
            gateway: None,
            secrets: &self.secrets,
            conditions: &self.world.conditions,
            timeout: self.world.timeout,
            limits: model::Limits::default(),
            trace: false,
            degraded: self.degraded,
            io: Io::Log { sink: &mut |bytes| log.extend_from_slice(bytes) },
            cancel: &Cancel::new().expect("it works"),
        })?;
        let log = String::from_utf8_lossy(&log).into_owned();
        let first = sandbox::first_id()?;
        Ok(Ran { exit: outcome.exit, log, upper: scratch.join("upper"), first })
    }
}

impl Ran {
    /// Everything that was written, as `PATH MODE UID:GID`, owners as the image has them.
    fn written(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut open = vec![self.upper.clone()];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).expect("it works") {
                let path = entry.expect("it works").path();
                let meta = path.symlink_metadata().expect("it works");
                let name = path.strip_prefix(&self.upper).expect("it works").display().to_string();
                let (uid, gid) = (meta.uid() - self.first, meta.gid() - self.first);
                found.push(if meta.file_type().is_char_device() {
                    assert_eq!(meta.rdev(), 0);
                    format!("{name} gone")
                } else {
                    format!("{name} {:o} {uid}:{gid}", meta.mode())
                });
                if meta.is_dir() {
                    open.push(path);
                }
            }
        }
        found.sort();
        found
    }
}

fn give(tree: &Path, owner: u32) {
    lchown(tree, Some(owner), Some(owner)).expect("it works");
    if tree.symlink_metadata().expect("it works").is_dir() {
        for entry in fs::read_dir(tree).expect("it works") {
            give(&entry.expect("it works").path(), owner);
        }
    }
}

/// Tests of images need ids to give, which only root has here; for anybody else there is only one thing to be seen.
macro_rules! made {
    () => {
        match Made::new() {
            Some(made) => made,
            None => {
                let error = sandbox::first_id().expect_err("it is refused").to_string();
                assert!(error.contains("subuids"), "{error}");
                return;
            }
        }
    };
}

#[test]
fn what_is_written_has_the_owners_and_modes_of_the_image() {
    let made = made!();
    let ran = made
        .run("echo new > /new && mkdir /opt && chown 1000:1000 /opt && chmod 4755 /opt && touch /home/app/x && chown app /home/app/x && rm -r /data/old && mv /data/two /data/deux && id -u")
        .expect("it works");
    assert_eq!((ran.exit, ran.log.as_str()), (Exit::Code(0), "0\n"));
    assert_eq!(
        ran.written(),
        [
            "data 40755 0:0",
            "data/deux 100644 0:0",
            "data/old gone",
            "data/two gone",
            "home 40755 0:0",
            "home/app 40755 1000:1000",
            "home/app/x 100644 1000:0",
            "new 100644 0:0",
            "opt 44755 1000:1000",
        ]
    );
}

#[test]
fn a_layer_lies_over_the_one_before() {
    let mut made = made!();
    let ran = made
        .run("rm -r /data/old && mkdir /data/old && echo 3 > /data/old/three && echo 1 > /one")
        .expect("it works");
    assert_eq!(ran.exit, Exit::Code(0), "{}", ran.log);
    made.layers.push(ran.upper);
    let ran = made.run("ls /data/old; cat /one").expect("it works");
    assert_eq!(ran.log, "three\n1\n");
    assert_eq!(ran.written(), [""; 0]);
}

#[test]
fn a_user_is_that_one_and_may_become_nobody_else() {
    let mut made = made!();
    made.user = User { uid: 1000, gid: 1000, groups: vec![4, 27] };
    made.workdir = "/home/app".into();
    let ran = made
        .run("id -u; id -G; touch x; touch /bin/y; chown 0 x; cat /proc/self/status | grep Cap")
        .expect("it works");
    assert!(ran.log.starts_with("1000\n1000 4 27\n"), "{}", ran.log);
    assert_eq!(
        ran.log.matches("denied").count() + ran.log.matches("not permitted").count(),
        2,
        "{}",
        ran.log
    );
    for set in ["CapInh", "CapPrm", "CapEff"] {
        assert!(ran.log.contains(&format!("{set}:\t0000000000000000")), "{}", ran.log);
    }
    assert_eq!(ran.written(), ["home 40755 0:0", "home/app 40755 1000:1000", "home/app/x 100644 1000:1000"]);
}

#[test]
fn root_changes_to_users_and_a_set_user_id_works() {
    let mut made = made!();
    let ran = made
        .run("su app -c 'id -u' && rm /bin/su && cat /bin/busybox > /bin/su && chmod 755 /bin/su")
        .expect("it works");
    assert_eq!((ran.exit, ran.log.as_str()), (Exit::Code(0), "1000\n"));
    made.layers.push(ran.upper);
    made.user = User { uid: 1000, gid: 1000, groups: Vec::new() };
    let without = made.run("/bin/su -c true root < /dev/null").expect("it works");
    assert!(without.log.contains("must be suid"), "{}", without.log);
    made.user = User::default();
    made.layers.push(made.run("chmod 4755 /bin/su").expect("it works").upper);
    made.user = User { uid: 1000, gid: 1000, groups: Vec::new() };
    let with = made.run("/bin/su -c true root < /dev/null").expect("it works");
    assert!(!with.log.contains("must be suid"), "{}", with.log);
}

#[test]
fn nothing_of_the_host_is_above_the_root() {
    let made = made!();
    let ran = made.run("ls / > /tmp/a; ls /.. > /tmp/b; cat /tmp/b; grep -c -v xyz /proc/self/mountinfo; cat /proc/self/mountinfo; rm /tmp/a /tmp/b").expect("it works");
    let expected = "bin\ndata\ndev\netc\nhome\nproc\nsys\ntmp\n";
    assert!(ran.log.starts_with(expected), "{}", ran.log);
    let mounts: Vec<&str> = ran.log.lines().filter(|line| line.contains(" - ")).collect();
    // The first is the root, and everything else is mounted below it; files over the image's are of memory.
    assert!(mounts[0].contains(" / / ") && mounts[0].contains("overlay"), "{}", ran.log);
    let of_disks = mounts.iter().filter(|line| line.contains("/dev/") && line.contains(" - ext4 ")).count();
    assert_eq!(of_disks, 0, "{}", ran.log);
    let roots = mounts.iter().filter(|line| line.split(' ').nth(4) == Some("/")).count();
    assert_eq!(roots, 1, "{}", ran.log);
    assert!(!ran.log.contains("/proc/fs "), "{}", ran.log);
}

#[test]
fn root_of_an_image_is_nobody_else() {
    let made = made!();
    let ran = made
        .run("mount -t tmpfs x /tmp; mknod /dev/x b 8 0; mknod /x c 1 3; cat /proc/1/environ; echo 1 > /proc/sys/kernel/panic; cat /proc/self/status | grep -E 'CapPrm|Seccomp:'; chroot / /bin/echo in")
        .expect("it works");
    assert!(ran.log.contains("CapPrm:\t00000000a00405fb"), "{}", ran.log);
    assert!(ran.log.contains("Seccomp:\t2"), "{}", ran.log);
    assert!(ran.log.ends_with("in\n"), "{}", ran.log);
    assert_eq!(
        ran.log.matches("ermission denied").count()
            + ran.log.matches("not permitted").count()
            + ran.log.matches("Read-only").count()
            + ran.log.matches("environ': No such file").count(),
        5,
        "{}",
        ran.log
    );
    assert_eq!(ran.written(), [""; 0]);
}

#[test]
fn mount_points_and_what_is_over_the_image_leave_nothing() {
    let mut made = made!();
    let dir = made.world.dir.path().join("cache");
    fs::create_dir(&dir).expect("it works");
    fs::write(dir.join("kept"), "k").expect("it works");
    give(&dir, sandbox::first_id().expect("it works"));
    let file = made.world.dir.path().join("secret");
    fs::write(&file, "s3cret").expect("it works");
    give(&file, sandbox::first_id().expect("it works"));
    made.mounts = vec![
        (dir.clone(), "/var/cache/x".into(), true),
        (dir.clone(), "/data".into(), false),
        (file, "/run/secrets/token".into(), false),
    ];
    let ran = made.run("cat /run/secrets/token /data/kept && echo w > /var/cache/x/w && cat /etc/hostname /etc/resolv.conf >/tmp/seen; test -e /dev/null && ls /sys; echo x > /data/y; rm /tmp/seen").expect("it works");
    assert!(ran.log.starts_with("s3cretk"), "{}", ran.log);
    assert!(ran.log.contains("Read-only"), "{}", ran.log);
    assert_eq!(ran.exit, Exit::Code(0), "{}", ran.log);
    assert_eq!(ran.written(), ["tmp 41777 0:0"]);
    assert_eq!(fs::read_to_string(dir.join("w")).expect("it works"), "w\n");
}

/// An image may be anybody's: where its names lead is looked up in it, and never outside.
#[test]
fn links_of_an_image_lead_nowhere_but_into_it() {
    for name in ["dev", "proc", "sys"] {
        let mut made = made!();
        let trap = made.world.dir.path().join("trap");
        fs::create_dir(&trap).expect("it is new");
        fs::set_permissions(&trap, fs::Permissions::from_mode(0o1777)).expect("it is ours");
        fs::set_permissions(made.world.dir.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let layer = made.world.dir.path().join("hostile");
        fs::create_dir(&layer).expect("it is new");
        symlink(&trap, layer.join(name)).expect("it is new");
        give(&layer, sandbox::first_id().expect("it was asked before"));
        made.layers.push(layer);
        let error = made.run("true").err().expect("it is refused").to_string();
        assert!(error.contains(&format!("/{name}")), "{error}");
        assert_eq!(fs::read_dir(&trap).expect("it is there").count(), 0, "{name}");
    }
}

#[test]
fn files_over_the_image_are_found_through_its_links() {
    let mut made = made!();
    let layer = made.world.dir.path().join("linked");
    fs::create_dir_all(layer.join("usr/etc")).expect("it is new");
    fs::create_dir_all(layer.join("run/systemd")).expect("it is new");
    fs::write(layer.join("usr/etc/hosts"), "of the image").expect("it is new");
    fs::write(layer.join("usr/etc/hostname"), "of the image").expect("it is new");
    symlink("/run/systemd/nowhere", layer.join("usr/etc/resolv.conf")).expect("it is new");
    symlink("/usr/etc", layer.join("etc")).expect("it is new");
    give(&layer, sandbox::first_id().expect("it was asked before"));
    let dir = made.world.dir.path().join("cache");
    fs::create_dir(&dir).expect("it is new");
    fs::write(dir.join("kept"), "k").expect("it is new");
    give(&dir, sandbox::first_id().expect("it was asked before"));
    made.layers.push(layer);
    made.mounts = vec![(dir, "/etc".into(), false)];
    let ran = made.run("cat /usr/etc/kept").expect("it works");
    assert_eq!((ran.exit, ran.log.as_str()), (Exit::Code(0), "k"));
    made.mounts.clear();
    let ran = made.run("cat /etc/hostname /usr/etc/resolv.conf; echo mine > /run/new").expect("it works");
    assert!(ran.log.starts_with("selfsame\n") && ran.log.contains("nameserver 127.0.0.1"), "{}", ran.log);
    assert_eq!(ran.written(), ["run 40755 0:0", "run/new 100644 0:0"]);
}

/// As many layers as are allowed fit the options of one mount, and the descriptors of one process.
#[test]
fn an_image_has_as_many_layers_as_is_said() {
    let mut made = made!();
    let first = sandbox::first_id().expect("it was asked before");
    for number in 1..sandbox::LAYERS {
        let layer = made.world.dir.path().join(format!("layer{number}"));
        fs::create_dir(&layer).expect("it is new");
        fs::write(layer.join("number"), number.to_string()).expect("it is new");
        give(&layer, first);
        made.layers.push(layer);
    }
    assert_eq!(made.run("cat /number; ls /bin/sh").expect("it works").log, "127/bin/sh\n");
    made.layers.push(made.layers[1].clone());
    let error = made.run("true").err().expect("it is refused").to_string();
    assert!(error.contains("at most 128 layers"), "{error}");
}

#[test]
fn what_cannot_be_is_told() {
    let mut made = made!();
    made.workdir = "/nowhere".into();
    let error = made.run("true").err().expect("it is refused").to_string();
    assert!(error.contains("/nowhere"), "{error}");
    made.workdir = "/a/../b".into();
    assert!(matches!(made.run("true"), Err(SandboxError::Invalid { .. })));
    made.workdir = "/".into();
    made.user = User { uid: 65_536, ..User::default() };
    assert!(matches!(made.run("true"), Err(SandboxError::Invalid { .. })));
    made.user = User::default();
    made.secrets = vec![("token", b"s3cret")];
    assert!(matches!(made.run("true"), Err(SandboxError::Invalid { .. })), "it has no place");
    made.secrets = vec![("/run/secrets/token", b"s3cret"), ("/etc/token", b"other")];
    let ran = made.run("cat /run/secrets/token /etc/token").expect("it works");
    assert_eq!((ran.log.as_str(), ran.written()), ("s3cretother", Vec::new()));
    made.secrets.clear();
    made.degraded = true;
    let error = made.run("true").err().expect("it is refused").to_string();
    assert!(error.contains("degraded"), "{error}");
}
