//! From a date to seconds.

/// Seconds since 1970-01-01T00:00:00Z of a moment in UTC (proleptic Gregorian calendar).
pub(crate) fn seconds(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64) -> i64 {
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
    let y = if month <= 2 { year - 1 } else { year };
    let (era, yoe) = (y.div_euclid(400), y.rem_euclid(400));
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468;
    days * 86_400 + hour * 3600 + minute * 60 + second
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_the_inverse_of_the_civil_date() {
        for moment in [0, 951_782_400, 1_700_000_000, 4_102_444_799, -1] {
            let (year, month, day, hour, minute, second) = model::Timestamp(moment).civil();
            let [month, day, hour, minute, second] = [month, day, hour, minute, second].map(i64::from);
            assert_eq!(super::seconds(year, month, day, hour, minute, second), moment);
        }
    }
}
