//! Names of images made of other names: a registry allows fewer characters than a recipe.

/// A name in a registry made of `text`: small letters and digits, with one `.`, `_` or `-` between them.
#[must_use]
pub fn repository(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        let c = c.to_ascii_lowercase();
        let c = if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        // One separator between two others, none at the beginning.
        if c.is_ascii_alphanumeric() || name.ends_with(|last: char| last.is_ascii_alphanumeric()) {
            name.push(c);
        }
    }
    let name = name.trim_end_matches(['.', '_', '-']);
    if name.is_empty() { "image".to_owned() } else { name.to_owned() }
}

/// A tag made of `text`: letters, digits and `. _ -`, at most 128.
#[must_use]
pub fn tag(text: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let tag: String = text.chars().map(fits).take(128).collect();
    let tag = tag.trim_start_matches(['.', '-']);
    if tag.is_empty() { "latest".to_owned() } else { tag.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_a_reference() {
        for (text, expected) in [
            ("fzf", "fzf"),
            ("Hello_World", "hello_world"),
            ("lib++~x", "lib-x"),
            ("_a.-b_", "a.b"),
            ("+", "image"),
        ] {
            assert_eq!(repository(text), expected);
            assert!(repository(text).parse::<crate::oci::Reference>().is_ok());
        }
        for (text, expected) in [("1.0", "1.0"), ("1:2~rc+dfsg", "1-2-rc-dfsg"), ("-x", "x"), ("", "latest")]
        {
            assert_eq!(tag(text), expected);
            assert!(format!("a:{}", tag(text)).parse::<crate::oci::Reference>().is_ok());
        }
    }
}
