//! `image inspect` and `image diff`: what is told, and what hostile images get.

use std::fs;
use std::path::Path;

use super::{app, image, json, tool};
use crate::home::{Home, room};

#[test]
fn an_image_is_inspected_wherever_it_lies() {
    let home = Home::shared();
    let project = app();
    let built = home.ok(project.path(), &["image", "build"]);
    let dir = project.path();
    let to = room();
    let layout = to.path().join("layout");
    tool(
        dir,
        &[
            "skopeo",
            "copy",
            "-q",
            "oci-archive:selfsame-out/app.oci.tar",
            &format!("oci:{}:x", layout.display()),
        ],
    );
    let saved = to.path().join("saved.tar");
    let place = format!("docker-archive:{}:a:1", saved.display());
    tool(dir, &["skopeo", "copy", "-q", "oci-archive:selfsame-out/app.oci.tar", &place]);
    for what in ["selfsame-out/app.oci.tar", layout.to_str().unwrap(), saved.to_str().unwrap()] {
        let found = home.ok(dir, &["image", "inspect", what]);
        let one = &found["images"][0];
        assert_eq!(one["platform"], "linux/amd64", "{what}");
        let counts: Vec<_> =
            one["layers"].as_array().unwrap().iter().map(|l| (&l["files"], &l["directories"])).collect();
        assert_eq!(counts, [(&json("2"), &json("1")), (&json("1"), &json("2"))], "{what}");
        assert_eq!(one["run"]["User"], "1000:100");
    }
    let text = home.run(dir, &["image", "inspect", "selfsame-out/app.oci.tar"]);
    for said in
        ["linux/amd64", &image(&built, 0), "entrypoint", "selfsame: step:build/home at /home/app", "1 files"]
    {
        assert!(text.out.contains(said), "`{said}` in {text:?}");
    }
}

#[test]
fn the_level_at_which_images_differ_is_told() {
    let home = Home::shared();
    let project = app();
    home.ok(project.path(), &["image", "build"]);
    let dir = project.path();
    let kept = room();
    let first = kept.path().join("first.tar");
    fs::copy(project.file("selfsame-out/app.oci.tar"), &first).unwrap();
    let first = first.to_str().unwrap();
    let now = "selfsame-out/app.oci.tar";
    let same = home.ok(dir, &["image", "diff", first, now]);
    assert_eq!((&same["same"], &same["images"][0]["differs"]), (&json("true"), &json("null")));

    // Another label: the manifest. Another compressor: the manifest too, and it is told which layers.
    let text = fs::read_to_string(project.file("selfsame.toml")).unwrap();
    project.write("selfsame.toml", &text.replace("= \"blue\"", "= \"red\""));
    project.commit();
    home.ok(dir, &["image", "build"]);
    let (code, other) = home.json(dir, &["image", "diff", first, now]);
    assert_eq!((code, &other["images"][0]["differs"]), (30, &json("\"manifest\"")));
    let places: Vec<_> =
        other["images"][0]["documents"].as_array().unwrap().iter().map(|c| &c["place"]).collect();
    assert!(places.contains(&&json("\"config:/config/Labels/org.example.team\"")), "{places:?}");
    let zstd = kept.path().join("zstd");
    let to = format!("oci:{}:1", zstd.display());
    tool(
        dir,
        &[
            "skopeo",
            "copy",
            "-q",
            "--dest-compress-format",
            "zstd",
            "--dest-compress",
            &format!("oci-archive:{now}"),
            &to,
        ],
    );
    let (code, other) = home.json(dir, &["image", "diff", now, zstd.to_str().unwrap()]);
    let layer = &other["images"][0]["layers"][0];
    assert_eq!((code, &other["images"][0]["differs"]), (30, &json("\"manifest\"")), "{other:#}");
    assert_eq!((&layer["same_tar"], &layer["same_blob"]), (&json("true"), &json("false")));

    // The same files in one layer instead of two are other layers; other files are other files.
    let split = text.replace(
        "{ from = \"step:build/out\", to = \"/\" },",
        "{ from = \"step:build/out/bin\", to = \"/bin\" },",
    );
    project.write(
        "selfsame.toml",
        &split.replace(
            "{ from = \"step:build/home\"",
            "{ from = \"step:build/out/bin\", to = \"/bin\" },\n{ from = \"step:build/home\"",
        ),
    );
    project.commit();
    home.ok(dir, &["image", "build"]);
    let (code, other) = home.json(dir, &["image", "diff", first, now]);
    assert_eq!((code, &other["images"][0]["differs"]), (30, &json("\"layers\"")), "{other:#}");
    project.write(
        "selfsame.toml",
        &text.replace("echo kept >", "chmod 755 out; echo other >").replace("1000:100\" }", "1000:7\" }"),
    );
    project.commit();
    home.ok(dir, &["image", "build"]);
    let (code, other) = home.json(dir, &["image", "diff", first, now]);
    assert_eq!((code, &other["images"][0]["differs"]), (30, &json("\"files\"")));
    let files = other["images"][0]["files"].as_array().unwrap();
    let file = files.iter().find(|f| f["path"] == "home/app/file").unwrap();
    assert_eq!(file["what"], json(r#"["content","owner"]"#));
    let said = home.run(dir, &["image", "diff", first, now]);
    assert_eq!(said.code, Some(30));
    assert!(said.out.contains("owner 1000:100 → 1000:7"), "{said:?}");
}

#[test]
fn what_is_no_image_or_a_damaged_one_is_an_error() {
    let home = Home::shared();
    let project = app();
    home.ok(project.path(), &["image", "build"]);
    let dir = project.path();
    let place = room();
    let layout = place.path().join("l");
    tool(
        dir,
        &[
            "skopeo",
            "copy",
            "-q",
            "oci-archive:selfsame-out/app.oci.tar",
            &format!("oci:{}:x", layout.display()),
        ],
    );
    let refused = |what: &Path, expected: &str| {
        let (code, said) = home.json(dir, &["image", "inspect", what.to_str().unwrap()]);
        let text = format!("{} {}", said["title"], said["causes"]);
        assert!(code == 1 && text.contains(expected), "{expected}: {code} {said:#}");
    };
    refused(Path::new("README"), "expected a folder with");
    refused(Path::new("/dev/zero"), "neither a file nor a directory");
    refused(place.path(), "index.json");
    // A layer with one bit turned, one that is cut, one that the configuration does not know.
    let index = json(&fs::read_to_string(layout.join("index.json")).unwrap());
    let blob = |digest: &serde_json::Value| {
        layout.join("blobs/sha256").join(digest.as_str().unwrap().trim_start_matches("sha256:"))
    };
    let manifest_path = blob(&index["manifests"][0]["digest"]);
    let manifest = json(&fs::read_to_string(&manifest_path).unwrap());
    let layer = blob(&manifest["layers"][0]["digest"]);
    let whole = fs::read(&layer).unwrap();
    let mut turned = whole.clone();
    *turned.last_mut().unwrap() ^= 1;
    fs::write(&layer, &turned).unwrap();
    refused(&layout, "");
    fs::write(&layer, &whole[..whole.len() - 9]).unwrap();
    refused(&layout, "bytes: expected");
    fs::write(&layer, &whole).unwrap();
    let text = fs::read_to_string(&manifest_path).unwrap();
    fs::write(&manifest_path, text.replace("\"schemaVersion\":2", "\"schemaVersion\":3")).unwrap();
    refused(&layout, "damaged");
    fs::write(&manifest_path, &text).unwrap();
    home.ok(dir, &["image", "inspect", layout.to_str().unwrap()]);
    // Names that others chose reach no terminal as they are.
    let said = home.run(dir, &["image", "inspect", "no\u{1b}[31mthing"]);
    assert!(said.code == Some(1) && !said.err.contains('\u{1b}'), "{said:?}");
}
