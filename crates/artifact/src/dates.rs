//! Dates as texts write them: later ones become the epoch, in the same shape and, where it matters, the same length.

use model::Timestamp;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Seconds since 1970 of a date and a time of day in UTC.
fn seconds(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(0..10_000).contains(&year) {
        return None;
    }
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let yoe = year.rem_euclid(400);
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    Some((era * 146_097 + doe - 719_468) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// A pattern of digits and other letters: `Y`, `M`, `D`, `h`, `m`, `s` stand for digits of the fields, `+` for a
/// sign, `H` and `N` for hours and minutes of a zone, all else for itself.
struct Shape(&'static str);

/// Year to second, and the offset of the zone in seconds.
#[derive(Default)]
struct Moment {
    fields: [i64; 6],
    zone: [i64; 2],
    west: bool,
}

impl Shape {
    fn read(&self, text: &str) -> Option<i64> {
        if text.len() != self.0.len() {
            return None;
        }
        let mut moment = Moment { fields: [0, 1, 1, 0, 0, 0], ..Moment::default() };
        let mut last = ' ';
        for (letter, byte) in self.0.chars().zip(text.bytes()) {
            let field = match letter {
                'Y' => &mut moment.fields[0],
                'M' => &mut moment.fields[1],
                'D' => &mut moment.fields[2],
                'h' => &mut moment.fields[3],
                'm' => &mut moment.fields[4],
                's' => &mut moment.fields[5],
                'H' => &mut moment.zone[0],
                'N' => &mut moment.zone[1],
                '+' if byte == b'+' || byte == b'-' => {
                    moment.west = byte == b'-';
                    last = letter;
                    continue;
                }
                _ if u32::from(byte) == u32::from(letter) => {
                    last = letter;
                    continue;
                }
                _ => return None,
            };
            if !byte.is_ascii_digit() {
                return None;
            }
            *field = if letter == last { *field * 10 } else { 0 } + i64::from(byte - b'0');
            last = letter;
        }
        let [year, month, day, hour, minute, second] = moment.fields;
        let zone = moment.zone[0] * 3600 + moment.zone[1] * 60;
        seconds(year, month, day, hour, minute, second).map(|t| if moment.west { t + zone } else { t - zone })
    }

    /// The epoch, in UTC.
    fn write(&self, epoch: u64) -> String {
        let (year, month, day, hour, minute, second) = civil(epoch);
        let mut digits = [
            ('Y', format!("{year:04}")),
            ('M', format!("{month:02}")),
            ('D', format!("{day:02}")),
            ('h', format!("{hour:02}")),
            ('m', format!("{minute:02}")),
            ('s', format!("{second:02}")),
            ('H', "00".to_owned()),
            ('N', "00".to_owned()),
        ];
        let next = |letter: char| {
            digits.iter_mut().find(|(field, _)| *field == letter).map_or(letter, |(_, text)| text.remove(0))
        };
        self.0.chars().map(next).collect()
    }

    /// The epoch if `text` is of this shape and later, to the last digit that it has.
    fn clamp(&self, text: &str, epoch: u64) -> Option<String> {
        let new = self.write(epoch);
        (self.read(text)? > self.read(&new)?).then_some(new)
    }
}

fn civil(epoch: u64) -> (i64, u8, u8, u8, u8, u8) {
    Timestamp(i64::try_from(epoch).unwrap_or(0)).civil()
}

/// ISO 8601 and what is near it.
const ISO: [Shape; 9] = [
    Shape("YYYY-MM-DD"),
    Shape("YYYY-MM-DDThh:mm:ss"),
    Shape("YYYY-MM-DDThh:mm:ssZ"),
    Shape("YYYY-MM-DDThh:mm:ss+HH:NN"),
    Shape("YYYY-MM-DDThh:mm+HH:NN"),
    Shape("YYYY-MM-DD hh:mm+HHNN"),
    Shape("YYYY-MM-DD hh:mm:ss"),
    Shape("YYYY-MM-DD hh:mm:ss+HH:NN"),
    Shape("YYYY/MM/DD"),
];

/// ISO 32000, 7.9.4.
const PDF: [Shape; 6] = [
    Shape("YYYYMMDDhhmmss"),
    Shape("YYYYMMDDhhmmssZ"),
    Shape("YYYYMMDDhhmmss+HH'NN'"),
    Shape("YYYYMMDDhhmmss+HH'NN"),
    Shape("YYYYMMDDhhmmssZHH'NN'"),
    Shape("YYYYMMDD"),
];

/// A date in ISO's shape: the epoch in the same shape and length if it is later, else nothing.
pub(crate) fn iso(text: &str, epoch: u64) -> Option<String> {
    ISO.iter().find_map(|shape| shape.clamp(text, epoch))
}

/// A date of PDF: the epoch in the same shape and length if it is later, else nothing.
pub(crate) fn pdf(text: &str, epoch: u64) -> Option<String> {
    let text = text.strip_prefix("D:")?;
    Some(format!("D:{}", PDF.iter().find_map(|shape| shape.clamp(text, epoch))?))
}

/// `Tue Nov 24 22:44:16 UTC 2026`, as Java shows dates; the zone is taken for UTC.
pub(crate) fn java(text: &str, epoch: u64) -> Option<String> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, month, day, time, _, year] = words.as_slice() else { return None };
    let month = 1 + MONTHS.iter().position(|name| month.len() == 3 && name.starts_with(month))?;
    let (day, year) = (day.parse::<u8>().ok()?, year.parse::<u16>().ok()?);
    let found = Shape("YYYY-MM-DD hh:mm:ss").read(&format!("{year:04}-{month:02}-{day:02} {time}"))?;
    let (year, month, day, hour, minute, second) = civil(epoch);
    let name = &MONTHS[usize::from(month) - 1][..3];
    let weekday = DAYS[usize::try_from(epoch / 86_400 % 7).unwrap_or(0)];
    (found > i64::try_from(epoch).ok()?)
        .then(|| format!("{weekday} {name} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year:04}"))
}

/// Dates in English words: `24 November 2026`, `November 24, 2026`, `Nov 2026`; in any order of day and month.
pub(crate) fn words(text: &str, epoch: u64) -> Option<String> {
    let (mut year, mut month, mut day) = (None, None, None);
    let mut short = false;
    for word in text.split_ascii_whitespace() {
        let word = word.trim_end_matches([',', '.']);
        if let Some(at) =
            MONTHS.iter().position(|name| *name == word || word.len() == 3 && name.starts_with(word))
        {
            short = word.len() == 3;
            month.is_none().then_some(())?;
            month = Some(i64::try_from(at).ok()? + 1);
        } else if word.len() == 4 {
            year.is_none().then_some(())?;
            year = Some(word.parse::<u16>().ok()?);
        } else {
            day.is_none().then_some(())?;
            day = Some(word.parse::<u8>().ok()?);
        }
    }
    let (found_year, found_month) = (i64::from(year?), month?);
    let (new_year, new_month, new_day, ..) = civil(epoch);
    let found = (found_year, found_month, i64::from(day.unwrap_or(0)));
    let of_day = if day.is_some() { i64::from(new_day) } else { 0 };
    if found <= (new_year, i64::from(new_month), of_day) {
        return None;
    }
    let name = MONTHS[usize::from(new_month) - 1];
    let name = if short { &name[..3] } else { name };
    // Word for word, so that order and commas stay.
    let new = text.split_inclusive(' ').map(|piece| {
        let word = piece.trim_end();
        let bare = word.trim_end_matches([',', '.']);
        let instead = if bare.len() == 4 && bare.bytes().all(|b| b.is_ascii_digit()) {
            new_year.to_string()
        } else if bare.bytes().all(|b| b.is_ascii_digit()) && !bare.is_empty() {
            format!("{new_day:0width$}", width = bare.len().min(2))
        } else {
            name.to_owned()
        };
        format!("{instead}{}", &piece[bare.len()..])
    });
    Some(new.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: u64 = 1_700_000_000; // 2023-11-14T22:13:20Z, a Tuesday

    #[test]
    fn later_dates_become_the_epoch_in_their_own_shape() {
        type Row = (fn(&str, u64) -> Option<String>, &'static str, Option<&'static str>);
        let table: &[Row] = &[
            (iso, "2026-11-24", Some("2023-11-14")),
            (iso, "2023-11-14", None),
            (iso, "2023-11-15", Some("2023-11-14")),
            (iso, "2024-01-02T03:04:05+02:00", Some("2023-11-14T22:13:20+00:00")),
            (iso, "2023-11-14T23:13:20+01:00", None),
            (iso, "2023-11-14T20:13:21-02:00", Some("2023-11-14T22:13:20+00:00")),
            (iso, "2024-01-02 03:04+0200", Some("2023-11-14 22:13+0000")),
            (iso, "2024-01-02T03:04:05Z", Some("2023-11-14T22:13:20Z")),
            (iso, "2024-13-02", None),
            (iso, "YEAR-MO-DA HO:MI+ZONE", None),
            (pdf, "D:20240102030405+02'00'", Some("D:20231114221320+00'00'")),
            (pdf, "D:20240102030405Z", Some("D:20231114221320Z")),
            (pdf, "D:19990102030405Z", None),
            (java, "Tue Nov 24 22:44:16 CET 2026", Some("Tue Nov 14 22:13:20 UTC 2023")),
            (java, "Tue Nov 14 22:13:20 UTC 2023", None),
            (java, "not a date", None),
            (words, "November 24, 2026", Some("November 14, 2023")),
            (words, "3 Dec 2026", Some("14 Nov 2023")),
            (words, "May 2026", Some("Nov 2023")),
            (words, "January 2026", Some("November 2023")),
            (words, "November 2023", None),
            (words, "GNU coreutils 9.1", None),
            (words, "", None),
        ];
        for (clamp, text, expected) in table {
            assert_eq!(clamp(text, EPOCH).as_deref(), *expected, "{text}");
        }
    }
}
