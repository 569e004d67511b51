//! What a recipe chooses of the conditions.

use super::checker::Checker;
use super::raw::{At, RawConditions};
use super::{ClockChoice, ConditionChoices, Toolchain};
use crate::conditions::{Clock, DirectoryOrder, Random};
use crate::{RelPath, Timestamp};

/// Lowers the table `[conditions]`.
pub(super) fn lower(c: &mut Checker, raw: &RawConditions, toolchain: Option<&Toolchain>) -> ConditionChoices {
    let mut choices = ConditionChoices::default();
    if let Some(level) = &raw.level {
        match level.get_ref().as_str() {
            "honest" => {}
            "pinned" => {
                choices.clock = Some(ClockChoice::Fixed(None));
                choices.random = Some(Random::Seed(0));
            }
            other => {
                let help = Some("write \"honest\" or \"pinned\"".to_owned());
                c.wrong(level, "no such level", format!("`{other}`"), help);
            }
        }
    }
    if let Some(clock) = raw.clock.as_ref().and_then(|at| clock(c, at)) {
        choices.clock = Some(clock);
    }
    if let Some(at) = &raw.random {
        choices.random = c.parsed::<Random>(at, "not a choice of random numbers").or(choices.random);
    }
    if let Some(at) = &raw.directory_order {
        choices.directory_order = c.parsed::<DirectoryOrder>(at, "not an order of directories");
    }
    if let Some(epoch) = &raw.source_date_epoch {
        // 1980 is the first year a zip archive can hold; 2107 the last.
        if (315_532_800..=4_354_819_198).contains(epoch.get_ref()) {
            choices.source_date_epoch = Some(Timestamp(*epoch.get_ref()));
        } else {
            c.wrong(epoch, "not a usable time", "expected seconds, from 1980 to 2107", None);
        }
    }
    choices.cpus = number(c, raw.cpus.as_ref(), "not a number of CPUs", 1..=1024);
    choices.uid = number(c, raw.uid.as_ref(), "not an id of a user", 1..=65_533);
    choices.gid = number(c, raw.gid.as_ref(), "not an id of a group", 1..=65_533);
    choices.process_ids_after = number(c, raw.process_ids_after.as_ref(), "not a process id", 2..=30_000);
    choices.memory_seen = raw.memory_seen.as_ref().and_then(|at| c.bytes(at));
    choices.address_randomness = raw.address_randomness;
    choices.build_path = raw.build_path.as_ref().and_then(|at| path(c, at, "build path", &["/build/"]));
    choices.home = raw.home.as_ref().and_then(|at| path(c, at, "home", &["/build/", "/home/"]));
    let build = choices.build_path.as_deref().unwrap_or("/build/src");
    if let (Some(home), Some(at)) = (&choices.home, &raw.home)
        && (home == build || home.starts_with(&format!("{build}/")) || build.starts_with(&format!("{home}/")))
    {
        c.wrong(at, "home and build path overlap", format!("the build path is `{build}`"), None);
    }
    if let Some(umask) = &raw.umask {
        match u32::from_str_radix(umask.get_ref(), 8) {
            Ok(n) if n <= 0o777 => choices.umask = Some(n),
            _ => c.wrong(umask, "not a umask", "expected three octal digits, such as \"022\"", None),
        }
    }
    choices.hostname = raw.hostname.as_ref().and_then(|h| c.word(h, "host name"));
    choices.domain = raw.domain.as_ref().and_then(|d| c.word(d, "domain name"));
    choices.user = raw.user.as_ref().and_then(|u| c.word(u, "user name"));
    choices.group = raw.group.as_ref().and_then(|g| c.word(g, "group name"));
    choices.kernel_release = raw.kernel_release.as_ref().and_then(|k| kernel(c, k));
    choices.kernel_version = raw.kernel_version.as_ref().and_then(|k| kernel(c, k));
    choices.locale = raw.locale.as_ref().and_then(|l| c.data_name(l, "locale"));
    choices.timezone = raw.timezone.as_ref().and_then(|t| c.data_name(t, "time zone"));
    // Without its data, the C library takes what it knows instead and says nothing.
    let built_in = ["C", "C.UTF-8", "POSIX", "UTC"];
    for (choice, package) in [(&raw.locale, "locales-all"), (&raw.timezone, "tzdata")] {
        if let Some(at) = choice
            && !built_in.contains(&at.get_ref().as_str())
            && toolchain.is_some_and(|t| t.has(package) == Some(false))
        {
            let label = format!("its data is in `{package}`, which the toolchain does not name");
            let help = Some(format!("add \"{package}\" to `toolchain.packages`"));
            c.wrong(at, "a condition that would have no effect", label, help);
        }
    }
    choices
}

/// `fixed` and `running` alone mean the time of the sources.
fn clock(c: &mut Checker, at: &At<String>) -> Option<ClockChoice> {
    match at.get_ref().as_str() {
        "fixed" => Some(ClockChoice::Fixed(None)),
        "running" => Some(ClockChoice::Running(None)),
        _ => c.parsed::<Clock>(at, "not a clock").map(|clock| match clock {
            Clock::Host => ClockChoice::Host,
            Clock::Fixed(at) => ClockChoice::Fixed(Some(at)),
            Clock::Running(from) => ClockChoice::Running(Some(from)),
        }),
    }
}

fn number(
    c: &mut Checker,
    at: Option<&At<i64>>,
    title: &str,
    range: std::ops::RangeInclusive<u32>,
) -> Option<u32> {
    let at = at?;
    let fits = u32::try_from(*at.get_ref()).ok().filter(|n| range.contains(n));
    if fits.is_none() {
        c.wrong(at, title, format!("expected {} to {}", range.start(), range.end()), None);
    }
    fits
}

fn path(c: &mut Checker, at: &At<String>, what: &str, below: &[&str]) -> Option<String> {
    let text = at.get_ref();
    let rest = below.iter().find_map(|top| text.strip_prefix(top)).and_then(|p| p.parse::<RelPath>().ok());
    // The home that stands there unless another one is chosen.
    let taken = what == "build path" && text == "/build/home";
    match rest {
        Some(rest) if !rest.is_root() && !taken && !text.ends_with('/') => Some(text.clone()),
        _ => {
            let label = format!("expected a path below {}", below.join(" or "));
            c.wrong(at, &format!("not a usable {what}"), label, None);
            None
        }
    }
}

/// What fits into a field of `uname`.
fn kernel(c: &mut Checker, at: &At<String>) -> Option<String> {
    let text = at.get_ref();
    let plain = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    if !plain {
        c.wrong(at, "not a name of a kernel", "expected 1 to 64 visible ASCII characters", None);
    }
    plain.then(|| text.clone())
}
