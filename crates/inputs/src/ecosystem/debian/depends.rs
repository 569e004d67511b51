//! What a source package builds with, as a recipe asks for it (Debian Policy 7.1 and 7.7, BuildProfileSpec).

use super::{ARCH, control};
use crate::ecosystem::{Files, Found};
use model::deb822::paragraphs;

/// The profile of a build without tests.
const PROFILES: [&str; 1] = ["nocheck"];

/// What holds here of `Build-Depends` and the two beside it: names, and dependencies with versions and alternatives, sorted.
/// What is for other machines or profiles is left out.
pub(in crate::ecosystem) fn build_depends(files: &Files<'_>, found: &Found) -> Vec<String> {
    let control = control(files, found);
    let Some(source) = paragraphs(&control).next() else { return Vec::new() };
    let fields = ["Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep"];
    let clauses = fields.iter().filter_map(|f| source.get(f)).flat_map(|value| value.split(','));
    let mut list: Vec<String> = clauses.filter_map(clause).collect();
    list.sort();
    list.dedup();
    list
}

/// `a | b (>= 1)` of one clause; `None` if nothing of it is for here, or it cannot be understood.
fn clause(text: &str) -> Option<String> {
    let alternatives: Vec<String> = text.split('|').filter_map(alternative).collect();
    (!alternatives.is_empty()).then(|| alternatives.join(" | "))
}

/// `name[:any] [(OP VERSION)] [[ARCH…]] [<PROFILE…>…]`.
fn alternative(text: &str) -> Option<String> {
    let (text, profiles) = match text.find(" <").or_else(|| text.find('<').filter(|_| !text.contains('('))) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let (text, architectures) = match text.split_once('[') {
        Some((text, rest)) => (text, rest.split(']').next()?),
        None => (text, ""),
    };
    let (name, bound) = match text.split_once('(') {
        Some((name, rest)) => (name, Some(rest.split(')').next()?.trim())),
        None => (text, None),
    };
    if !profiles_fit(profiles) || !(architectures.trim().is_empty() || any_fits(architectures)) {
        return None;
    }
    let (name, qualifier) = name.trim().split_once(':').unwrap_or((name.trim(), "any"));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    if !["any", "native", ARCH].contains(&qualifier) || name.len() < 2 || !name.chars().all(plain) {
        return None;
    }
    let Some(bound) = bound else { return Some(name.to_owned()) };
    let end = bound.find(|c: char| !"<>=".contains(c))?;
    let (operator, version) = (&bound[..end], bound[end..].trim());
    let fits = |c: char| c.is_ascii_alphanumeric() || "+.-:~".contains(c);
    let known = ["<<", "<=", "=", ">=", ">>"].contains(&operator);
    (known && !version.is_empty() && version.chars().all(fits))
        .then(|| format!("{name} ({operator} {version})"))
}

/// Whether a list of architectures, such as `any-amd64 linux-any` or `!arm64 !i386`, has the one of here.
pub(super) fn any_fits(list: &str) -> bool {
    let is_here = |word: &str| ["amd64", "any", "linux-any", "any-amd64", "linux-amd64"].contains(&word);
    let mut words = list.split_whitespace().peekable();
    if words.peek().is_some_and(|w| w.starts_with('!')) {
        return !words.any(|w| is_here(w.trim_start_matches('!')));
    }
    words.any(is_here)
}

/// Whether restrictions such as `<!nocheck !cross> <stage1>` hold: one of the lists does, and all of a list do.
pub(super) fn profiles_fit(text: &str) -> bool {
    let mut lists = text.split('<').skip(1).map(|l| l.split('>').next().unwrap_or_default()).peekable();
    let holds = |term: &str| match term.strip_prefix('!') {
        Some(name) => !PROFILES.contains(&name),
        None => PROFILES.contains(&term),
    };
    lists.peek().is_none() || lists.any(|list| list.split_whitespace().all(holds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecosystem::debian::detect;
    use crate::ecosystem::files::tests::files;

    #[test]
    fn clauses() {
        for (written, asked) in [
            ("gcc", Some("gcc")),
            (" debhelper-compat (= 13)", Some("debhelper-compat (= 13)")),
            ("libfoo-dev:any (>=1.2~) | libbar-dev", Some("libfoo-dev (>= 1.2~) | libbar-dev")),
            ("perl:native", Some("perl")),
            ("tool:i386", None),
            ("help2man <!nocheck>", None),
            ("help2man <!cross>", Some("help2man")),
            ("a2 <stage1> <!nodoc>", Some("a2")),
            ("a2 <!nodoc !nocheck>", None),
            ("x11 [i386 arm64]", None),
            ("x11 [linux-any]", Some("x11")),
            ("x11 [!arm64 !i386] (>= 2)", Some("x11")),
            ("x11 (>= 2) [!amd64]", None),
            ("x11 (>= 2) [any-amd64] <!nocheck> <!cross>", Some("x11 (>= 2)")),
            ("x11 [i386] | y11 [amd64]", Some("y11")),
            ("x11 (<< 3)", Some("x11 (<< 3)")),
            ("${misc:Depends}", None),
            ("x11 (2)", None),
            ("x\"]\nrun = [", None),
            ("", None),
        ] {
            assert_eq!(clause(written).as_deref(), asked, "{written}");
        }
    }

    #[test]
    fn of_all_three_fields_and_with_comments() {
        let control = "Source: hello\nBuild-Depends: debhelper-compat (= 13),\n# why\n libb-dev,\n liba-dev, libb-dev,\n\
                       Build-Depends-Indep: doxygen\nMaintainer: me\n\nPackage: hello\nDepends: no\n";
        let list = files(&[("debian/control", control)]);
        let asked = build_depends(&list, &detect(&list)[0]);
        assert_eq!(asked, ["debhelper-compat (= 13)", "doxygen", "liba-dev", "libb-dev"]);
    }
}
