//! Platforms as people write them, and the variables that tell a Dockerfile about them.

use std::collections::BTreeMap;

use crate::oci::Platform;

/// Operating systems that Go knows.
const SYSTEMS: [&str; 15] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
];
/// Architectures that Go knows.
const ARCHITECTURES: [&str; 17] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le",
    "riscv", "riscv64", "s390x", "sparc64", "wasm", "amd64p32",
];

/// A platform as it is written in images: other names of the same, and variants that are understood, are gone.
pub(super) fn normal(platform: &Platform) -> Platform {
    let os = match platform.os.to_ascii_lowercase().as_str() {
        "macos" => "darwin".to_owned(),
        other => other.to_owned(),
    };
    let (arch, variant) = (platform.architecture.to_ascii_lowercase(), platform.variant.to_ascii_lowercase());
    let (architecture, variant) = match (arch.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", variant) => ("arm64", variant),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        (other, variant) => (other, variant),
    };
    Platform { os, architecture: architecture.to_owned(), variant: variant.to_owned() }
}

/// Reads `os/architecture[/variant]`, or one of both alone, the rest of which is the caller's.
pub(super) fn parse(text: &str, default: &Platform) -> Option<Platform> {
    let fits =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    let parts: Vec<&str> = text.split('/').collect();
    // An operating system has no dot in it.
    if !parts.iter().all(|part| fits(part)) || (parts.len() > 1 && parts[0].contains('.')) {
        return None;
    }
    let platform = |os: &str, architecture: &str, variant: &str| Platform {
        os: os.to_owned(),
        architecture: architecture.to_owned(),
        variant: variant.to_owned(),
    };
    let found = match parts[..] {
        [os] if SYSTEMS.contains(&os.to_ascii_lowercase().as_str()) => {
            platform(os, &default.architecture, &default.variant)
        }
        [architecture] => {
            let found = normal(&platform(&default.os, architecture, ""));
            if !ARCHITECTURES.contains(&found.architecture.as_str()) {
                return None;
            }
            found
        }
        [os, architecture] => platform(os, architecture, ""),
        [os, architecture, variant] => platform(os, architecture, variant),
        _ => return None,
    };
    Some(normal(&found))
}

/// The variables that a `FROM` sees without asking.
pub(super) fn variables(target: &Platform, build: &Platform, stage: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (prefix, platform) in [("BUILD", build), ("TARGET", target)] {
        let mut set = |name: &str, value: String| all.insert(format!("{prefix}{name}"), value);
        set("PLATFORM", platform.to_string());
        set("OS", platform.os.clone());
        set("OSVERSION", String::new());
        set("ARCH", platform.architecture.clone());
        set("VARIANT", platform.variant.clone());
    }
    all.insert("TARGETSTAGE".to_owned(), if stage.is_empty() { "default" } else { stage }.to_owned());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_as_people_write_them() {
        let default = Platform { os: "linux".into(), architecture: "arm64".into(), variant: String::new() };
        for (text, expected) in [
            ("linux/amd64", Some("linux/amd64")),
            ("linux", Some("linux/arm64")),
            ("x86_64", Some("linux/amd64")),
            ("arm", Some("linux/arm/v7")),
            ("linux/arm64/v8", Some("linux/arm64")),
            ("linux/arm/v6", Some("linux/arm/v6")),
            ("Windows/AMD64", Some("windows/amd64")),
            ("linux/s390x", Some("linux/s390x")),
            ("nonsense", None),
            ("", None),
            ("linux/", None),
            ("a/b/c/d", None),
            ("linux/am d", None),
            ("li.nux/amd64", None),
        ] {
            assert_eq!(parse(text, &default).map(|p| p.to_string()).as_deref(), expected, "{text}");
        }
    }
}
