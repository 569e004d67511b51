//! Dockerfiles of other people, built sealed: `cargo xtask dockerfiles [NAME]…`.
//!
//! Each is in a Go module, which its proxy serves for ever. It is locked, built, and built again from the bundle alone, with no
//! network but at lock time; buildah builds it twice as well, with the network that it asks for. No registry of images is
//! asked: what a `FROM` names is made of Debian packages (and Go's own toolchain), and stands for the image of that name.
//! So the digests say nothing of the images that those projects publish; they say whether the same comes out again.
//!
//! Everything lies in `target/dockerfiles`, and is used again by the next run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use model::dockerfile::{self, Choices, Images};

use crate::tree;

/// A Dockerfile.
struct Case {
    name: &'static str,
    /// Path and version of the module.
    module: (&'static str, &'static str),
    /// Path in it.
    file: &'static str,
    /// Folder in it that is the context.
    context: &'static str,
    target: Option<&'static str>,
    build_args: &'static [(&'static str, &'static str)],
    /// Lines of `[conditions]`: what mends a Dockerfile that does not come out the same.
    conditions: &'static str,
}

const fn case(name: &'static str, module: (&'static str, &'static str), file: &'static str) -> Case {
    Case { name, module, file, context: "", target: None, build_args: &[], conditions: "" }
}

/// For those that write the time into a program.
const PINNED: &str = "clock = \"fixed:1767225600\"";
const X_BUILD: (&str, &str) = ("golang.org/x/build", "v0.0.0-20260918145456-c0ee0fbd16a3");
const MOBY: (&str, &str) = ("github.com/moby/moby/v2", "v2.0.0-beta.24");

const CASES: &[Case] = &[
    // Its makefile writes the time into the program.
    Case {
        conditions: PINNED,
        ..case("go-httpbin", ("github.com/mccutchen/go-httpbin/v2", "v2.26.0"), "Dockerfile")
    },
    Case { context: "contrib/syscall-test", ..case("syscall-test", MOBY, "contrib/syscall-test/Dockerfile") },
    Case { context: "contrib/nnp-test", ..case("nnp-test", MOBY, "contrib/nnp-test/Dockerfile") },
    Case {
        context: "integration/build/testdata",
        ..case("ownership", MOBY, "integration/build/testdata/Dockerfile.TestBuildPreserveOwnership")
    },
    Case {
        context: "integration/build/testdata",
        ..case("multi-stage", MOBY, "integration/build/testdata/Dockerfile.TestBuildMultiStageCopy")
    },
    Case {
        context: "images/local-path-helper",
        ..case("local-path-helper", ("sigs.k8s.io/kind", "v0.33.0"), "images/local-path-helper/Dockerfile")
    },
    Case {
        context: "grype/pkg/testdata/image-simple",
        ..case(
            "image-simple",
            ("github.com/anchore/grype", "v0.121.3"),
            "grype/pkg/testdata/image-simple/Dockerfile",
        )
    },
    Case {
        target: Some("exits"),
        ..case("archutil", ("github.com/moby/buildkit", "v0.34.2"), "hack/dockerfiles/archutil.Dockerfile")
    },
    case(
        "podinfo",
        ("github.com/stefanprodan/podinfo", "v1.8.1-0.20250910200901-e86405a8674e"),
        "Dockerfile.base",
    ),
    case("stage0", X_BUILD, "cmd/buildlet/stage0/Dockerfile"),
    case(
        "trillian",
        ("github.com/google/trillian", "v1.8.0"),
        "examples/deployment/docker/log_server/Dockerfile",
    ),
    case("perf", X_BUILD, "cmd/perf/Dockerfile"),
];

/// The release of Go that stands for every one.
const GO: &str = "v0.0.1-go1.27.3.linux-amd64";
const SUITE: &str = "trixie";

/// Builds those of these names, or all; fails if one cannot be built or does not come out the same. With the word `alone`
/// buildah does not.
pub(crate) fn run(words: &[String]) -> Result<(), String> {
    let (alone, names): (Vec<String>, Vec<String>) = words.iter().cloned().partition(|word| word == "alone");
    if let Some(unknown) = names.iter().find(|name| CASES.iter().all(|case| case.name != **name)) {
        let known: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        return Err(format!("there is no `{unknown}`: expected some of {}", known.join(", ")));
    }
    let root = tree::root();
    let built = crate::tools::command().args(["build", "--release", "--quiet", "-p", "selfsame"]).status();
    if !built.is_ok_and(|status| status.success()) {
        return Err("selfsame cannot be built".to_owned());
    }
    let world = World {
        dir: root.join("target/dockerfiles"),
        program: root.join("target/release/selfsame"),
        alone: !alone.is_empty(),
    };
    fs::create_dir_all(world.dir.join("bases")).map_err(|e| e.to_string())?;
    println!("{:16}  RUNs requests     lock   rebuild  verdict      buildah twice        beside buildah", "");
    let mut failed = Vec::new();
    for case in CASES.iter().filter(|case| names.is_empty() || names.iter().any(|name| name == case.name)) {
        match world.case(case) {
            Ok((line, good)) => {
                println!("{:16}{line}", case.name);
                if !good {
                    failed.push(case.name);
                }
            }
            Err(error) => {
                println!("{:16}{error}", case.name);
                failed.push(case.name);
            }
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("not the same, or not at all: {}", failed.join(", ")))
    }
}

struct World {
    dir: PathBuf,
    program: PathBuf,
    alone: bool,
}

impl World {
    fn case(&self, case: &Case) -> Result<(String, bool), String> {
        let dir = self.dir.join(case.name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
        let module = self.module(case.module.0, case.module.1)?;
        let text = fs::read_to_string(module.join(case.file)).map_err(|e| format!("{}: {e}", case.file))?;
        let images = images(case, &text)?;
        let mut recipe = format!(
            "selfsame = 1\nname = \"{}\"\nversion = \"1\"\n\n[sources.main]\npurl = \"pkg:golang/{}@{}\"\n",
            case.name, case.module.0, case.module.1
        );
        let mut contexts = String::new();
        let mut stand_ins = BTreeMap::new();
        for image in images {
            let kind = kind(&image)?;
            let base = self.base(kind)?;
            let layout = dir.join(kind);
            if !layout.exists() {
                sh(&dir, &format!("cp -r {} {}", base.display(), layout.display()))?;
                recipe.push_str(&format!("\n[sources.{kind}]\nimage = \"oci-layout:{kind}:1\"\n"));
            }
            contexts.push_str(&format!("{image:?} = \"source:{kind}\"\n"));
            stand_ins.insert(image, layout);
        }
        let inner = case.file.strip_prefix(case.context).unwrap_or(case.file).trim_start_matches('/');
        let context = if case.context.is_empty() { String::new() } else { format!("/{}", case.context) };
        recipe.push_str(&format!(
            "\n[conditions]\n{}\n\n[[artifact]]\nname = \"image.tar\"\nformat = \"oci-image\"\n\n[artifact.dockerfile]\n\
             context = \"source:main{context}\"\nfile = \"{inner}\"\n",
            case.conditions
        ));
        if let Some(target) = case.target {
            recipe.push_str(&format!("target = \"{target}\"\n"));
        }
        recipe.push_str("\n[artifact.dockerfile.build-args]\n");
        for (name, value) in case.build_args {
            recipe.push_str(&format!("{name} = {value:?}\n"));
        }
        recipe.push_str(&format!("\n[artifact.dockerfile.contexts]\n{contexts}"));
        fs::write(dir.join("selfsame.toml"), recipe).map_err(|e| e.to_string())?;
        let begin = Instant::now();
        self.selfsame(&dir, &["lock"])?;
        let lock_time = begin.elapsed().as_secs();
        let lock = fs::read_to_string(dir.join("selfsame.lock")).map_err(|e| e.to_string())?;
        let runs = lock.lines().filter(|line| line.contains(": RUN ")).count();
        let requests = lock.lines().filter(|line| line.trim_start().starts_with("\"GET ")).count();
        self.selfsame(&dir, &["build", "--leaks=off"])?;
        let begin = Instant::now();
        let rebuilt = self.selfsame(&dir, &["rebuild", "selfsame-out/image.tar.sigstore.json"]);
        let rebuild_time = begin.elapsed().as_secs();
        let good = rebuilt.is_ok();
        let verdict = if good { "reproduced" } else { "differs" };
        if self.alone {
            return Ok((
                format!("{runs:>6}{requests:>9}{lock_time:>8} s{rebuild_time:>8} s  {verdict}"),
                good,
            ));
        }
        let (twice, beside) =
            self.buildah(case, &dir, &module, &stand_ins).unwrap_or_else(|error| (error, String::new()));
        let line = format!(
            "{runs:>6}{requests:>9}{lock_time:>8} s{rebuild_time:>8} s  {verdict:12} {twice:20} {beside}"
        );
        Ok((line, good))
    }

    /// The files of a module, unpacked.
    fn module(&self, path: &str, version: &str) -> Result<PathBuf, String> {
        let said = sh(&self.dir, &format!("GOTOOLCHAIN=auto go mod download -json {path}@{version}"))?;
        let field = said.lines().find_map(|line| line.trim().strip_prefix("\"Dir\": \""));
        field
            .map(|rest| PathBuf::from(rest.trim_end_matches(['"', ','])))
            .ok_or_else(|| format!("no folder of {path}"))
    }

    fn selfsame(&self, dir: &Path, words: &[&str]) -> Result<(), String> {
        let mut command = Command::new(&self.program);
        command.args(words).current_dir(dir).env("SELFSAME_HOME", self.dir.join("home"));
        let out = command.output().map_err(|e| e.to_string())?;
        let log = dir.join(format!("{}.log", words[0]));
        let _ = fs::write(&log, [out.stderr.as_slice(), &out.stdout].concat());
        if out.status.success() {
            Ok(())
        } else {
            Err(format!("`{}` fails: {}", words.join(" "), log.display()))
        }
    }

    /// Builds with buildah, twice; says whether that is the same, and in how many files it is not as ours.
    fn buildah(
        &self,
        case: &Case,
        dir: &Path,
        module: &Path,
        images: &BTreeMap<String, PathBuf>,
    ) -> Result<(String, String), String> {
        let storage = self.dir.join("buildah");
        let buildah =
            format!("buildah --root {0}/root --runroot {0}/run --storage-driver overlay", storage.display());
        let _ = fs::remove_dir_all(&storage);
        // Old ones know no contexts: the images are pulled under the names that the file has.
        for (image, layout) in images {
            let plain = image.split('@').next().unwrap_or(image);
            let name = if plain.contains('/') && plain.contains('.') {
                plain.to_owned()
            } else {
                format!("localhost/{plain}")
            };
            sh(
                dir,
                &format!("id=$({buildah} pull -q oci:{}:1) && {buildah} tag $id '{name}'", layout.display()),
            )?;
        }
        let work = dir.join("context");
        sh(
            dir,
            &format!(
                "cp -r {}/{} {} && chmod -R u+w {}",
                module.display(),
                case.context,
                work.display(),
                work.display()
            ),
        )?;
        let inner = case.file.strip_prefix(case.context).unwrap_or(case.file).trim_start_matches('/');
        // What has a digest has that of another image here.
        sh(&work, &format!("sed -i -E 's/@sha256:[0-9a-f]{{64}}//' {inner}"))?;
        let mut digests = Vec::new();
        for nth in 0..2 {
            let mut args: String =
                case.build_args.iter().map(|(name, value)| format!(" --build-arg {name}={value}")).collect();
            args.extend(case.target.map(|target| format!(" --target {target}")));
            sh(
                &work,
                &format!(
                    "{buildah} build -q --no-cache --isolation chroot --pull=never --timestamp 0 --format oci{args} -f {inner} -t localhost/made:{nth} . \
                     > ../buildah.{nth}.log 2>&1 && {buildah} push -q localhost/made:{nth} oci:../buildah.{nth}:1"
                ),
            )
            .map_err(|_| "fails".to_owned())?;
            digests.push(sh(dir, &format!("skopeo inspect --format '{{{{.Digest}}}}' oci:buildah.{nth}:1"))?);
        }
        let twice = if digests[0] == digests[1] { "the same" } else { "differs" };
        let script = "rm -rf ours theirs layout && skopeo copy -q oci-archive:selfsame-out/image.tar oci:layout:1 \
            && umoci unpack --image layout:1 ours >/dev/null 2>&1 && umoci unpack --image buildah.0:1 theirs >/dev/null 2>&1 \
            && for d in ours theirs; do (cd $d/rootfs && find . -mindepth 1 -printf '%p %y %m %U:%G %l\\n' | sort > ../../$d.list \
            && find . -type f -print0 | sort -z | xargs -0 -r sha256sum > ../../$d.sums); done; \
            diff ours.list theirs.list > list.diff; diff ours.sums theirs.sums > sums.diff; \
            echo $(grep -c '^[<>]' list.diff) entries, $(grep -c '^>' sums.diff) files; rm -rf ours theirs";
        let beside = sh(dir, script)?;
        let _ = fs::remove_dir_all(&storage);
        Ok((twice.to_owned(), beside.trim().to_owned()))
    }

    /// The layout of what stands for images of a kind.
    fn base(&self, kind: &str) -> Result<PathBuf, String> {
        let layout = self.dir.join("bases").join(kind);
        if layout.join("index.json").exists() {
            return Ok(layout);
        }
        let packages = match kind {
            "golang" => "adduser,gcc,g++,make,git,ca-certificates,libc6-dev,pkg-config,curl",
            _ => "",
        };
        let rootfs = "b/rootfs";
        let fill = match kind {
            "static" => format!(
                "mkdir -p {rootfs}/etc {rootfs}/tmp {rootfs}/home/nonroot && chmod 1777 {rootfs}/tmp && chown 65532:65532 {rootfs}/home/nonroot && \
                 printf 'root:x:0:0:root:/root:/sbin/nologin\\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\\n' > {rootfs}/etc/passwd && \
                 printf 'root:x:0:\\nnonroot:x:65532:\\n' > {rootfs}/etc/group"
            ),
            "busybox" => format!(
                "mkdir -p {rootfs}/bin {rootfs}/etc {rootfs}/tmp {rootfs}/root && chmod 1777 {rootfs}/tmp && cp $(command -v busybox) {rootfs}/bin/busybox && \
                 for n in $({rootfs}/bin/busybox --list); do [ $n = busybox ] || ln -sf busybox {rootfs}/bin/$n; done && \
                 printf 'root:x:0:0:root:/root:/bin/sh\\n' > {rootfs}/etc/passwd && printf 'root:x:0:\\n' > {rootfs}/etc/group"
            ),
            _ => {
                let include =
                    if packages.is_empty() { String::new() } else { format!("--include={packages}") };
                format!(
                    "mmdebstrap -q --variant=minbase {include} {SUITE} root.tar && tar -xf root.tar -C {rootfs} --exclude='./dev/*' && rm root.tar"
                )
            }
        };
        let more = match kind {
            "golang" => {
                let go = self.module("golang.org/toolchain", GO)?;
                format!(
                    "cp -r {}/. {rootfs}/usr/local/go && chmod -R u+w {rootfs}/usr/local/go && chmod +x {rootfs}/usr/local/go/bin/* {rootfs}/usr/local/go/pkg/tool/*/* && mkdir -p {rootfs}/go/src {rootfs}/go/bin",
                    go.display()
                )
            }
            _ => "true".to_owned(),
        };
        let config = match kind {
            "golang" => {
                "--config.env GOPATH=/go --config.env PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --config.workingdir /go"
            }
            "static" => "--config.env PATH=/usr/bin:/bin --config.user 65532",
            _ => {
                "--config.env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --config.cmd sh"
            }
        };
        let at = self.dir.join("bases").join(format!("{kind}.new"));
        let _ = fs::remove_dir_all(&at);
        fs::create_dir_all(&at).map_err(|e| e.to_string())?;
        let script = format!(
            "umoci init --layout l && umoci new --image l:1 && umoci unpack --image l:1 b >/dev/null 2>&1 && {fill} && {more} && \
             umoci repack --image l:1 b >/dev/null 2>&1 && umoci config --image l:1 {config} && rm -rf b && mv l {}",
            layout.display()
        );
        sh(&at, &script)?;
        let _ = fs::remove_dir_all(&at);
        Ok(layout)
    }
}

/// The images that a Dockerfile needs, as it names them.
fn images(case: &Case, text: &str) -> Result<Vec<String>, String> {
    let platform = "linux/amd64".parse().map_err(|e| format!("{e}"))?;
    let parsed = dockerfile::parse(case.file, text).map_err(|e| e.to_string())?;
    let choices = Choices {
        target: case.target.map(str::to_owned),
        build_args: case.build_args.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        build_platform: Clone::clone(&platform),
        platform,
        ..Choices::default()
    };
    let bases = dockerfile::bases(&parsed, &choices, &Images::default()).map_err(|e| e.to_string())?;
    Ok(bases.into_iter().map(|base| base.image.name).collect())
}

/// What stands for an image, by its name.
fn kind(image: &str) -> Result<&'static str, String> {
    let plain = image.split(['@', ':']).next().unwrap_or(image);
    let last = plain.rsplit('/').next().unwrap_or(plain);
    for (word, kind) in [
        ("golang", "golang"),
        ("debian", "debian"),
        ("busybox", "busybox"),
        ("static", "static"),
        ("base", "static"),
    ] {
        if last.starts_with(word) {
            return Ok(kind);
        }
    }
    Err(format!("nothing stands for `{image}`"))
}

fn sh(dir: &Path, script: &str) -> Result<String, String> {
    let out = Command::new("sh").args(["-c", script]).current_dir(dir).output().map_err(|e| e.to_string())?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&out.stderr);
    let last: Vec<&str> = said.lines().rev().take(3).collect();
    Err(format!("`{script:.120}` fails: {}", last.into_iter().rev().collect::<Vec<_>>().join(" / ")))
}
