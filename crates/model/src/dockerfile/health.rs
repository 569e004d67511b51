//! `HEALTHCHECK`, and the durations in its flags.

use serde::{Deserialize, Serialize};

/// How a container is asked whether it is well.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Health {
    /// `NONE`; `CMD` and words; or `CMD-SHELL` and a line.
    #[serde(default)]
    pub test: Vec<String>,
    /// Between two questions, in nanoseconds; 0 is what the engine thinks best, here and below.
    #[serde(default, skip_serializing_if = "zero")]
    pub interval: i64,
    /// For one answer.
    #[serde(default, skip_serializing_if = "zero")]
    pub timeout: i64,
    /// While a failure does not count yet.
    #[serde(default, skip_serializing_if = "zero")]
    pub start_period: i64,
    /// Between two questions in that time.
    #[serde(default, skip_serializing_if = "zero")]
    pub start_interval: i64,
    /// Failures in a row.
    #[serde(default, skip_serializing_if = "zero")]
    pub retries: i64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn zero(number: &i64) -> bool {
    *number == 0
}

/// A duration as Go writes it: `1h30m`, `1.5s`, `300ms`. In nanoseconds.
pub(super) fn duration(text: &str) -> Option<i64> {
    const UNITS: [(&str, i128); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (whole, after) = rest.split_at(digits(rest));
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(digits(after)),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let unit = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let (_, unit) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(unit)?)?;
        // More digits than a nanosecond has are of no use.
        let fraction = &fraction[..fraction.len().min(18)];
        if !fraction.is_empty() {
            let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
            total = total.checked_add(fraction.parse::<i128>().ok()? * unit / scale)?;
        }
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_reads_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("5s", Some(5_000_000_000)),
            ("1h30m", Some(5_400_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            (".5m", Some(30_000_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("-3ms", Some(-3_000_000)),
            ("3µs", Some(3_000)),
            ("1m1m", Some(120_000_000_000)),
            ("2562047h", Some(2_562_047 * 3_600_000_000_000)),
            ("9999999h", None),
            ("", None),
            ("5", None),
            ("s", None),
            (".s", None),
            ("5 s", None),
            ("-", None),
            ("5d", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}
