//! The files laid over the toolchain's `/etc`: who the builder is, and whom to ask for names.

use model::Conditions;

/// Name and content of each file, in `/etc`.
pub(crate) fn files(conditions: &Conditions) -> Vec<(&'static str, String)> {
    let Conditions { user, group, uid, gid, home, hostname, .. } = conditions;
    let mut passwd = String::from("root:x:0:0:root:/root:/bin/sh\n");
    passwd.push_str(&format!("{user}:x:{uid}:{gid}:{user}:{home}:/bin/sh\n"));
    if *uid != 65534 && user != "nobody" {
        passwd.push_str("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
    }
    let mut groups = format!("root:x:0:\n{group}:x:{gid}:\n");
    if *gid != 65534 && group != "nogroup" {
        groups.push_str("nogroup:x:65534:\n");
    }
    vec![
        ("passwd", passwd),
        ("group", groups),
        ("hosts", format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost\n")),
        ("hostname", format!("{hostname}\n")),
        (
            "resolv.conf",
            "# This one knows no name, and notes who asks.\nnameserver 127.0.0.1\noptions timeout:1 attempts:1\n"
                .into(),
        ),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n"
                .into(),
        ),
        ("machine-id", "00000000000000000000000000000000\n".into()),
    ]
}
