//! Is this artifact what its bundle says? Yes, or every reason why not.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::home::{Home, bare, flip, need, ran, room};
use crate::project::{Project, recipe};

fn built() -> (Home, Project) {
    let home = Home::shared();
    let text = recipe(
        "[[step]]\nname = \"build\"\nrun = [\"mkdir out\", \"cp text out\"]\noutputs = [\"out\"]\n\n\
         [[artifact]]\nname = \"out.tar\"\nformat = \"tar\"\nfrom = \"step:build/out\"\n\n\
         [[artifact]]\nname = \"out\"\nformat = \"dir\"\nfrom = \"step:build/out\"\n",
    );
    let project = Project::new(&text, &[("text", "to be verified\n")]);
    home.ok(project.path(), &["build"]);
    (home, project)
}

/// The failed checks of an answer, by id.
fn failed(answer: &Value) -> Vec<(&str, &str, &str)> {
    let text = |v: &'_ Value| -> String { v.as_str().unwrap_or_default().to_owned() };
    let _ = text;
    let checks = answer["verification"]["checks"].as_array().unwrap();
    let bad = checks.iter().filter(|c| c["outcome"] == "fail");
    bad.map(|c| {
        let field = |name: &str| c[name].as_str().unwrap_or_default();
        (field("id"), field("expected"), field("found"))
    })
    .collect()
}

#[test]
fn a_good_file_and_a_good_folder_are_accepted() {
    let (home, project) = built();
    for artifact in ["selfsame-out/out.tar", "selfsame-out/out"] {
        let answer = home.ok(project.path(), &["verify", artifact]);
        assert_eq!(failed(&answer), [], "{answer:#}");
        let ran = home.run(project.path(), &["verify", artifact]);
        assert!(ran.code == Some(0) && ran.out.contains("accepted"), "{ran:?}");
    }
    // By somebody else, with the public key alone.
    let other = Home::empty();
    let key = home.path().join("keys/selfsame.pub");
    other.ok(project.path(), &["verify", "selfsame-out/out.tar", "--key", key.to_str().unwrap()]);
}

#[test]
fn one_flipped_bit_of_the_artifact_is_found() {
    let (home, project) = built();
    let good = home.ok(project.path(), &["verify", "selfsame-out/out.tar"]);
    flip(&project.file("selfsame-out/out.tar"));
    let (code, answer) = home.json(project.path(), &["verify", "selfsame-out/out.tar"]);
    assert_eq!(code, 22, "{answer:#}");
    let sha256 = |v: &Value| v.as_str().unwrap().split('/').next().unwrap().replace("sha256:", "");
    let bad = failed(&answer);
    let subject = bad
        .iter()
        .find(|(_, e, f)| e.contains(&sha256(&good["digest"])) && f.contains(&sha256(&answer["digest"])));
    assert!(subject.is_some(), "expected and found are both told: {answer:#}");
    let ran = home.run(project.path(), &["verify", "selfsame-out/out.tar"]);
    assert_eq!(ran.code, Some(22), "{ran:?}");
    for line in ["expected", "found", "REFUSED", &sha256(&good["digest"]), &sha256(&answer["digest"])] {
        assert!(ran.out.contains(line), "{line} in {}", ran.out);
    }

    let inside = project.file("selfsame-out/out/text");
    fs::write(&inside, "to be verifiee\n").unwrap();
    let (code, answer) = home.json(project.path(), &["verify", "selfsame-out/out"]);
    assert_eq!(code, 22, "{answer:#}");
    fs::write(&inside, "to be verified\n").unwrap();
    home.ok(project.path(), &["verify", "selfsame-out/out"]);
    fs::write(project.file("selfsame-out/out/more"), "").unwrap();
    let (code, answer) = home.json(project.path(), &["verify", "selfsame-out/out"]);
    assert_eq!(code, 22, "a file too many: {answer:#}");
}

#[test]
fn one_flipped_bit_of_the_bundle_is_found_wherever_it_is() {
    let (home, project) = built();
    let good = fs::read(project.file("selfsame-out/out.tar.sigstore.json")).unwrap();
    let bundle = project.file("flipped.json");
    let signature = good.windows(5).position(|w| w == b"\"sig\"").unwrap();
    let spots = (0..8).map(|n| good.len() * n / 8).chain([signature + 20, signature + 60, good.len() - 1]);
    for spot in spots {
        let mut bytes = good.clone();
        bytes[spot] ^= 1;
        fs::write(&bundle, bytes).unwrap();
        let (code, answer) =
            home.json(project.path(), &["verify", "selfsame-out/out.tar", "--bundle", "flipped.json"]);
        assert_eq!(code, 21, "byte {spot}: {answer:#}");
        assert!(!failed(&answer).is_empty(), "{answer:#}");
    }
    let (code, _) = home.json(project.path(), &["rebuild", "flipped.json"]);
    assert_eq!(code, 21);
}

#[test]
fn no_bundle_and_the_wrong_key_are_told_apart() {
    let (home, project) = built();
    let lone = room();
    fs::copy(project.file("selfsame-out/out.tar"), lone.path().join("out.tar")).unwrap();
    let (code, answer) = home.json(lone.path(), &["verify", "out.tar"]);
    assert_eq!(code, 20, "{answer:#}");

    home.ok(project.path(), &["key", "generate", "--name", "other", "--out", "."]);
    let wrong = ["verify", "selfsame-out/out.tar", "--key", "other.pub"];
    let (code, answer) = home.json(project.path(), &wrong);
    assert_eq!(code, 21, "{answer:#}");
    // One of several keys is enough.
    let own = home.path().join("keys/selfsame.pub");
    home.ok(project.path(), &[&wrong[..], &["--key", own.to_str().unwrap()]].concat());

    let builder = ["verify", "selfsame-out/out.tar", "--builder-id", "https://example.org/another"];
    assert_eq!(home.json(project.path(), &builder).0, 21);
    let kind = ["verify", "selfsame-out/out.tar", "--type", "https://example.org/another"];
    assert_eq!(home.json(project.path(), &kind).0, 21);
    assert_eq!(home.json(project.path(), &["verify", "nothing.tar"]).0, 1);
}

/// A disk with no byte free, one that may not be written, and no home at all: what only reads works, `gc` too.
#[test]
fn neither_room_nor_right_to_write_is_needed_to_ask() {
    need(&["unshare", "mount"]);
    let (home, project) = built();
    let place = room();
    let key = home.path().join("keys/selfsame.pub");
    let script = r#"
        place=$1 home=$2 key=$3 selfsame=$4
        mount -t tmpfs -o size=2m tmpfs "$place"
        mkdir "$place/home"
        cp -r "$home/ledger.sqlite" "$home/keys" "$place/home"
        "$selfsame" --home "$place/home" store stats >/dev/null
        all() {
            for verb in "store stats" "store verify" "log" "show out.tar" "verify selfsame-out/out.tar" \
                "verify selfsame-out/out"; do
                code=0; "$selfsame" --home "$place/home" $verb >"$home/said" 2>&1 || code=$?
                echo "$1: $verb: $code"; [ $code = 0 ] || cat "$home/said"
                case $verb in verify*) grep -q "not recorded" "$home/said" || echo "no note";; esac
            done
        }
        head -c 300000 /dev/zero >"$home/blob"
        blob=$(sha256sum <"$home/blob" | cut -c1-64)
        mkdir -p "$place/home/store/blobs/$(echo "$blob" | cut -c1-2)"
        cp "$home/blob" "$place/home/store/blobs/$(echo "$blob" | cut -c1-2)/$blob"
        cat /dev/zero >"$place/ballast" 2>/dev/null || true
        all full
        code=0; "$selfsame" --home "$place/home" store gc >"$home/said" 2>&1 || code=$?
        echo "full: gc: $code"; grep -q "blobs *1" "$home/said" || cat "$home/said"
        mount -o remount,ro "$place"
        all read-only
        code=0; env -u HOME -u SELFSAME_HOME "$selfsame" verify selfsame-out/out.tar --key "$key" >"$home/said" 2>&1 || code=$?
        echo "none: $code"; grep -q "not recorded" "$home/said" || echo "no note"
    "#;
    let mut command = bare(Path::new("unshare"), home.path(), project.path());
    command.args(["--user", "--map-root-user", "--mount", "sh", "-ec", script, "sh"]);
    command.args([place.path(), home.path(), &key]).arg(env!("CARGO_BIN_EXE_selfsame"));
    let said = ran(&mut command);
    let asked = |disk: &str| {
        [
            "store stats",
            "store verify",
            "log",
            "show out.tar",
            "verify selfsame-out/out.tar",
            "verify selfsame-out/out",
        ]
        .map(|verb| format!("{disk}: {verb}: 0\n"))
        .concat()
    };
    assert_eq!(
        said.out,
        format!("{}full: gc: 0\n{}none: 0\n", asked("full"), asked("read-only")),
        "{said:?}"
    );
}
