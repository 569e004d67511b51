//! Signals by name and number, as Linux has them.

const NAMES: [&str; 34] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

/// Whether a text names a signal: `SIGTERM`, `term`, `15`, `RTMIN+3`.
pub(super) fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<i32>() {
        return number != 0;
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let real = |offset: &str, most: u8| {
        offset.bytes().all(|b| b.is_ascii_digit())
            && !offset.starts_with('0')
            && offset.parse::<u8>().is_ok_and(|number| (1..=most).contains(&number))
    };
    NAMES.contains(&name)
        || name == "RTMIN"
        || name == "RTMAX"
        || name.strip_prefix("RTMIN+").is_some_and(|offset| real(offset, 15))
        || name.strip_prefix("RTMAX-").is_some_and(|offset| real(offset, 14))
}

#[cfg(test)]
mod tests {
    use super::is_signal;

    #[test]
    fn signals_by_name_and_number() {
        for text in ["SIGTERM", "term", "9", "SIGRTMIN+3", "RTMAX-14", "37"] {
            assert!(is_signal(text), "{text}");
        }
        for text in ["", "0", "SIG", "NOPE", "RTMIN+16", "RTMAX-15", "SIGSIGTERM"] {
            assert!(!is_signal(text), "{text}");
        }
    }
}
