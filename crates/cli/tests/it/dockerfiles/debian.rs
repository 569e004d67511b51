//! A real distribution: its package manager in a `RUN`, recorded and replayed.

use std::fs;

use super::{Unpacked, ids, tool};
use crate::home::{Home, need, room};
use crate::project::Project;

const DOCKERFILE: &str = "FROM base AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev libcap2-bin && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY main.c .
RUN gcc -O2 -o /app main.c && setcap cap_net_bind_service=+ep /app
FROM base
RUN useradd -m -u 1234 app && echo hello > /home/app/greeting && chown app:app /home/app/greeting
COPY --from=build /app /usr/local/bin/app
USER app
ENTRYPOINT [\"/usr/local/bin/app\"]
";

#[test]
fn apt_runs_recorded_and_the_image_comes_out_the_same() {
    need(&["mmdebstrap", "umoci", "skopeo", "getcap"]);
    let home = Home::own();
    ids!(home);
    let files = [
        (".gitignore", "/base\n/selfsame-out\n"),
        ("Dockerfile", DOCKERFILE),
        ("main.c", "int main(void) { return 0; }\n"),
    ];
    let project = Project::new(super::RECIPE, &files);
    fs::remove_file(project.file("selfsame.lock")).unwrap();
    let bundle = room();
    let (root, at) = (bundle.path().join("root.tar"), bundle.path().join("bundle"));
    let root = root.to_str().unwrap();
    tool(project.path(), &["mmdebstrap", "-q", "--variant=minbase", "bookworm", root]);
    tool(project.path(), &["umoci", "init", "--layout", "base"]);
    tool(project.path(), &["umoci", "new", "--image", "base:1"]);
    let at = at.to_str().unwrap();
    tool(project.path(), &["umoci", "unpack", "--image", "base:1", at]);
    tool(project.path(), &["tar", "-xf", root, "-C", &format!("{at}/rootfs"), "--exclude=./dev/*"]);
    tool(project.path(), &["umoci", "repack", "--image", "base:1", at]);
    project.commit();
    home.ok(project.path(), &["lock"]);
    project.commit();
    let built = home.ok(project.path(), &["build"]);
    assert!(built["steps"].as_array().unwrap().iter().all(|step| step["cached"] == true), "{built:#}");
    // Another machine has nothing but the commit, and fetches what the lock says.
    let other = Home::empty();
    let rebuilt = other.ok(project.path(), &["build"]);
    assert_eq!(rebuilt["artifacts"][0]["digest"], built["artifacts"][0]["digest"]);
    assert!(rebuilt["steps"].as_array().unwrap().iter().all(|step| step["cached"] == false), "{rebuilt:#}");
    let image = Unpacked::of(project.path(), "oci-archive:selfsame-out/app.oci.tar");
    let list = image.list(&[]);
    assert!(list.contains("./home/app/greeting f 644 1234:1234"), "{list}");
    assert!(list.contains("./usr/local/bin/app f 755 0:0"), "{list}");
    let capability = tool(&image.root(), &["getcap", "usr/local/bin/app"]);
    assert_eq!(capability.trim(), "usr/local/bin/app cap_net_bind_service=ep");
    crate::home::open_up(bundle.path());
}
