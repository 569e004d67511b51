//! Conditions that are either the host's or a chosen one, as one word of text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Why a word is none of those that a condition takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found `{found}`")]
pub struct ChoiceError {
    expected: &'static str,
    found: String,
}

fn unknown(expected: &'static str, found: &str) -> ChoiceError {
    ChoiceError { expected, found: found.to_owned() }
}

/// The wall clock: what `time`, `clock_gettime` and the times of new files say.
///
/// Clocks that count from an arbitrary moment (`CLOCK_MONOTONIC`) and timers are always the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Clock {
    /// `host`: the machine's.
    Host,
    /// `fixed:SECONDS`: stands still at that time.
    Fixed(Timestamp),
    /// `running:SECONDS`: that time when the step begins, and running.
    Running(Timestamp),
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Fixed(at) => write!(f, "fixed:{}", at.0),
            Self::Running(from) => write!(f, "running:{}", from.0),
        }
    }
}

impl FromStr for Clock {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let wrong = || unknown("`host`, `fixed:SECONDS` or `running:SECONDS`", text);
        // What fits into the time of every file system.
        let time = |seconds: &str| {
            let seconds = seconds.parse().ok().filter(|s| (0..=0xffff_ffff).contains(s));
            seconds.map(Timestamp).ok_or_else(wrong)
        };
        match text.split_once(':') {
            None if text == "host" => Ok(Self::Host),
            Some(("fixed", seconds)) => time(seconds).map(Self::Fixed),
            Some(("running", seconds)) => time(seconds).map(Self::Running),
            _ => Err(wrong()),
        }
    }
}

/// Random numbers: `getrandom`, `/dev/random`, `/dev/urandom`, the bytes that a program is started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Random {
    /// `host`: the kernel's.
    Host,
    /// `seed:N`: a sequence that follows from the number.
    Seed(u64),
}

impl fmt::Display for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Seed(seed) => write!(f, "seed:{seed}"),
        }
    }
}

impl FromStr for Random {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let seed = text.strip_prefix("seed:").and_then(|seed| seed.parse().ok());
        match seed {
            _ if text == "host" => Ok(Self::Host),
            Some(seed) => Ok(Self::Seed(seed)),
            None => Err(unknown("`host` or `seed:NUMBER`", text)),
        }
    }
}

/// The order in which a directory lists its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum DirectoryOrder {
    /// `host`: the file system's.
    Host,
    /// `sorted`: by the bytes of the names.
    Sorted,
    /// `reversed`: the other way round.
    Reversed,
    /// `shuffled:N`: in an order that follows from the number and the names.
    Shuffled(u64),
}

impl fmt::Display for DirectoryOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Sorted => f.write_str("sorted"),
            Self::Reversed => f.write_str("reversed"),
            Self::Shuffled(seed) => write!(f, "shuffled:{seed}"),
        }
    }
}

impl FromStr for DirectoryOrder {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        match text {
            "host" => Ok(Self::Host),
            "sorted" => Ok(Self::Sorted),
            "reversed" => Ok(Self::Reversed),
            _ => text
                .strip_prefix("shuffled:")
                .and_then(|seed| seed.parse().ok())
                .map(Self::Shuffled)
                .ok_or_else(|| unknown("`host`, `sorted`, `reversed` or `shuffled:NUMBER`", text)),
        }
    }
}

macro_rules! as_text {
    ($($name:ident)*) => { $(
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = ChoiceError;

            fn try_from(text: String) -> Result<Self, ChoiceError> {
                text.parse()
            }
        }
    )* };
}

as_text!(Clock Random DirectoryOrder);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back() {
        for word in ["host", "fixed:0", "running:1600000000"] {
            assert_eq!(word.parse::<Clock>().unwrap().to_string(), word);
        }
        for word in ["host", "seed:0", "seed:18446744073709551615"] {
            assert_eq!(word.parse::<Random>().unwrap().to_string(), word);
        }
        for word in ["host", "sorted", "reversed", "shuffled:7"] {
            assert_eq!(word.parse::<DirectoryOrder>().unwrap().to_string(), word);
        }
    }

    #[test]
    fn other_words_are_refused() {
        for word in ["", "Host", "fixed", "fixed:", "fixed:x", "fixed:-1", "running:4294967296", "host:1"] {
            assert!(word.parse::<Clock>().is_err(), "{word}");
        }
        for word in ["", "seed", "seed:-1", "seed:18446744073709551616"] {
            assert!(word.parse::<Random>().is_err(), "{word}");
        }
        for word in ["", "sorted:1", "shuffled", "shuffled:x"] {
            assert!(word.parse::<DirectoryOrder>().is_err(), "{word}");
        }
    }
}
