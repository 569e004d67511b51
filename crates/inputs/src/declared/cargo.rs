//! A crate: `license` of its `Cargo.toml`. Its edges are `Cargo.lock`'s.

use store::Store;

use super::member::{below_one, of_tar};
use super::{Package, Word};

pub(super) fn word(store: &Store, package: &Package<'_>) -> Word {
    let licence = package
        .files
        .values()
        .find_map(|body| licence(&of_tar(store, body, |name| below_one(name, "Cargo.toml"))?));
    Word { licence, needs: None }
}

fn licence(manifest: &str) -> Option<String> {
    let table: toml::Table = manifest.parse().ok()?;
    // `MIT/Apache-2.0` is how it was written before expressions.
    Some(table.get("package")?.get("license")?.as_str()?.replace('/', " OR "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn slashes_are_an_or() {
        for (text, expected) in [
            ("[package]\nlicense = \"MIT/Apache-2.0\"", Some("MIT OR Apache-2.0")),
            ("[package]\nlicense = 7", None),
            ("[package]\nlicense-file = \"LICENSE\"", None),
            ("license = \"MIT\"", None),
            ("[package", None),
        ] {
            assert_eq!(super::licence(text).as_deref(), expected, "{text}");
        }
    }
}
