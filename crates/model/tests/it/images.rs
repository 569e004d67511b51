//! Images in a recipe: what a right one means, and what a wrong one is told.

use model::recipe::{self, Contents, Locator, Recipe, Source, Times};

const HEAD: &str = r#"selfsame = 1
name = "Hello"
version = "1.0"

[sources.main]
worktree = "."

[sources.base]
image = "a.example.org/b:1"

[toolchain]
kind = "debian"
suite = "bookworm"
packages = ["make"]

[[step]]
name = "build"
inputs = { "." = "source:main" }
run = ["make"]
outputs = ["lib", "out"]

"#;

const GOOD: &str = r#"[[artifact]]
name = "app.oci.tar"
format = "oci-image"

[artifact.image]
base = "source:base"
layers = [{ from = "step:build/lib", to = "/opt" }, { from = "step:build/out", owner = "1000:100" }]
entrypoint = ["/app", "-x"]
ports = ["53/udp", "8080"]
volumes = ["/data"]
env = { "with.dots" = "1" }
"#;

fn read(artifacts: &str) -> Result<Recipe, String> {
    recipe::parse("selfsame.toml", &format!("{HEAD}{artifacts}")).map_err(|e| e.to_string())
}

#[test]
fn an_image_is_read() {
    let recipe = read(GOOD).unwrap();
    let Source::Fetched(Locator::Image { image, platform }) = &recipe.sources["base"] else { panic!() };
    assert_eq!(
        (image.to_string().as_str(), platform.to_string().as_str()),
        ("a.example.org/b:1", "linux/amd64")
    );
    assert!(Locator::Image { image: image.clone(), platform: platform.clone() }.moves());
    let image = recipe.artifacts[0].image().unwrap();
    assert_eq!(image.name, "hello");
    assert_eq!(image.base.as_ref().unwrap().to_string(), "source:base");
    let layers: Vec<_> = image.layers.iter().map(|l| format!("{} {} {}", l.from, l.to, l.owner)).collect();
    assert_eq!(layers, ["step:build/lib opt 0:0", "step:build/out . 1000:100"]);
    assert_eq!((image.times, image.platform.to_string().as_str()), (Times::Fixed, "linux/amd64"));
    assert_eq!(image.run.ports.iter().collect::<Vec<_>>(), ["53/udp", "8080/tcp"]);
    let all: Vec<_> = recipe.artifacts[0].references().iter().map(ToString::to_string).collect();
    assert_eq!(all, ["source:base", "step:build/lib", "step:build/out"]);

    let short =
        "[[artifact]]\nname = \"a\"\nformat = \"oci-image\"\nfrom = \"step:build/out\"\nprefix = \"usr\"\n";
    let recipe = read(short).unwrap();
    let image = recipe.artifacts[0].image().unwrap();
    assert_eq!((image.layers.len(), image.layers[0].to.as_str()), (1, "usr"));
}

/// Two images and what else.
fn index(second: &str, rest: &str) -> Result<Recipe, String> {
    read(&format!(
        "[[artifact]]\nname = \"all\"\nformat = \"oci-index\"\nimages = [\"one\", \"two\"]\n{rest}\n\
         [[artifact]]\nname = \"one\"\nformat = \"oci-image\"\nfrom = \"step:build/out\"\n\
         [[artifact]]\nname = \"two\"\nformat = \"oci-image\"\nfrom = \"step:build/out\"\n{second}"
    ))
}

#[test]
fn an_index_is_of_images_for_different_platforms() {
    let recipe = index("image = { platform = \"linux/arm64\" }", "").unwrap();
    assert_eq!(recipe.artifacts[0].contents, Contents::Index(vec!["one".into(), "two".into()]));
    for (second, rest, title) in [
        ("", "", "two images of one platform"),
        ("", "", "two images of one name and platform"),
        ("image = { name = \"other\" }", "", "two images of one platform"),
        (
            "image = { platform = \"linux/arm64\" }",
            "from = \"step:build/out\"",
            "an index is made of images alone",
        ),
        ("image = { platform = \"linux/arm64\" }", "normalize = [\"all\"]", "an index is not normalised"),
        ("image = { platform = \"linux/arm64\" }", "image = { user = \"1\" }", "no meaning here"),
        (
            "image = { platform = \"linux/arm64\" }\n[[artifact]]\nname = \"x\"\nformat = \"oci-index\"",
            "",
            "an index of nothing",
        ),
        (
            "image = { platform = \"linux/arm64\" }\n[[artifact]]\nname = \"x\"\nformat = \"oci-index\"\nimages = [\"ome\"]",
            "",
            "known: one, two",
        ),
        (
            "image = { platform = \"linux/arm64\" }\n[[artifact]]\nname = \"x\"\nformat = \"oci-index\"\nimages = [\"all\"]",
            "",
            "this artifact is no image",
        ),
    ] {
        let told = index(second, rest).unwrap_err();
        assert!(told.contains(title), "{second} {rest}: expected {title:?} in {told:?}");
    }
    assert!(index("image = { name = \"other\" }", "").unwrap_err().matches("platform").count() > 0);
}

#[test]
fn each_mistake_of_an_image_is_told_with_place_and_fix() {
    let table = [
        ("base = \"source:base\"", "base = \"source:main\"", "this base is no image", "`image = \"…\"`"),
        ("base = \"source:base\"", "base = \"source:bsae\"", "no such source", "did you mean `base`?"),
        (
            "base = \"source:base\"",
            "platform = \"linux/arm64\"\nbase = \"source:base\"",
            "for different platforms",
            "linux/amd64",
        ),
        ("base = \"source:base\"", "platform = \"windows/amd64\"", "not a platform", "linux/ARCHITECTURE"),
        ("base = \"source:base\"", "name = \"A:1\"", "not the name of an image", ""),
        (
            "base = \"source:base\"",
            "name = \"a:1\"",
            "not the name of an image",
            "its tag is the recipe's version",
        ),
        ("base = \"source:base\"", "times = \"now\"", "no such time", "source-date-epoch"),
        (
            "format = \"oci-image\"",
            "format = \"oci-image\"\nfrom = \"step:build/out\"",
            "both `from` and `layers`",
            "put it first",
        ),
        (
            "format = \"oci-image\"",
            "format = \"oci-image\"\nprefix = \"x\"",
            "a prefix without `from`",
            "its own `to`",
        ),
        (
            "format = \"oci-image\"",
            "format = \"tar\"\nfrom = \"step:build/out\"",
            "no meaning here",
            "remove `image`",
        ),
        ("format = \"oci-image\"", "format = \"tar\"", "an artifact of nothing", "add `from"),
        ("to = \"/opt\"", "to = \"/opt/../..\"", "not a place in the image", "`..`"),
        ("step:build/lib", "step:build/nothing", "no such output", "step:build/out"),
        ("1000:100", "app:app", "not an owner", "by number"),
        (
            "{ from = \"step:build/lib\", to = \"/opt\" }",
            "{ to = \"/opt\" }",
            "a key is missing",
            "add `from = …`",
        ),
        ("8080", "80800", "not a port", "8080"),
        ("8080", "8080/http", "not a port", "tcp, udp or sctp"),
        ("/data", "data", "not a path in the image", "absolute"),
        ("entrypoint =", "user = \"a b\"\nentrypoint =", "not a user", "USER:GROUP"),
        ("entrypoint =", "stop-signal = \"kill\"\nentrypoint =", "not a signal", "SIGINT"),
        ("entrypoint =", "workdir = \"/a/../b\"\nentrypoint =", "not a path in the image", ""),
        ("entrypoint =", "labels = { \"\" = \"x\" }\nentrypoint =", "not a label", ""),
        ("\"with.dots\"", "\"a=b\"", "not an environment variable", ""),
        ("entrypoint =", "entrypiont =", "unknown key", "did you mean `entrypoint`?"),
    ];
    for (from, to, title, rest) in table {
        assert!(GOOD.contains(from), "{from}");
        let told = read(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(told.contains(title), "{to}: expected {title:?} in {told:?}");
        assert!(told.contains(rest), "{to}: expected {rest:?} in {told:?}");
        assert!(told.starts_with("selfsame.toml:"), "{to}: has a place: {told:?}");
    }
    let nothing = read("[[artifact]]\nname = \"a\"\nformat = \"oci-image\"\n").unwrap_err();
    assert!(nothing.contains("an image of nothing"), "{nothing}");
}

#[test]
fn each_mistake_of_a_source_that_is_an_image_is_told() {
    for (to, title) in [
        ("image = \"A B\"", "not an image"),
        ("image = \"a\"\nplatform = \"amd64\"", "not a platform"),
        ("worktree = \".\"\nplatform = \"linux/amd64\"", "no meaning here"),
        ("image = \"a\"\nsha256 = \"00\"", "no meaning here"),
    ] {
        let text = format!("{HEAD}{GOOD}").replace("image = \"a.example.org/b:1\"", to);
        let told = recipe::parse("r", &text).unwrap_err().to_string();
        assert!(told.contains(title), "{to}: expected {title:?} in {told:?}");
    }
}

#[test]
fn no_text_of_an_image_panics() {
    for end in 0..GOOD.len() {
        let _ = read(&GOOD[..end]);
        let mut bytes = GOOD.as_bytes().to_vec();
        bytes[end] ^= 0x15;
        if let Ok(text) = String::from_utf8(bytes) {
            let _ = read(&text);
        }
    }
}
