//! An image as a recipe asks for it: layers over a base, and how it is run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::oci::Platform;
use crate::{RelPath, Timestamp};

use super::Reference;

/// An OCI image: `format = "oci-image"` with `[artifact.image]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What registries and container engines call it, without a tag. Default: made of the recipe's name.
    pub name: String,
    /// A tree that is the layout of one image; `None` is from scratch.
    pub base: Option<Reference>,
    /// The lowest first. None only over a base.
    pub layers: Vec<Layer>,
    /// What it is for. Default: what its base is for, else the toolchain's architecture.
    pub platform: Platform,
    /// Times of the files in its layers.
    pub times: Times,
    /// How it is run.
    pub run: Run,
}

/// One layer: what lies at a reference, at a place in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// A file or a directory.
    pub from: Reference,
    /// The directory of the image that it is put into; the root of the image by default.
    pub to: RelPath,
    /// Whose everything in it is. Directories above `to` are root's.
    pub owner: Owner,
}

/// A user and a group, by number: names are looked up where an image is unpacked, and differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Times of the files in layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Times {
    /// 1970-01-01T00:00:01Z, so that a layer is its files and nothing else. 0 is "unknown" to some who read.
    #[default]
    Fixed,
    /// `SOURCE_DATE_EPOCH`: each commit makes each layer anew.
    SourceDateEpoch,
}

/// How an image is run, as its configuration says it. What is not given is the base's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Run {
    /// What is run. One that is given takes the base's `cmd` away.
    pub entrypoint: Option<Vec<String>>,
    /// Its arguments, or what is run if there is no entrypoint.
    pub cmd: Option<Vec<String>>,
    /// `USER` or `USER:GROUP`, names or numbers.
    pub user: Option<String>,
    /// Absolute path.
    pub workdir: Option<String>,
    /// Over the base's, by name.
    pub env: BTreeMap<String, String>,
    /// Over the base's and those by default, by key. An empty one takes a label away.
    pub labels: BTreeMap<String, String>,
    /// `PORT/PROTOCOL`, beside the base's.
    pub ports: BTreeSet<String>,
    /// Absolute paths, beside the base's.
    pub volumes: BTreeSet<String>,
    /// Such as `SIGINT`.
    pub stop_signal: Option<String>,
}

impl Image {
    /// Everything of the recipe that it is made of.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.base.iter().chain(self.layers.iter().map(|layer| &layer.from))
    }
}

impl Times {
    /// The time of every file, if the sources are of `epoch`.
    #[must_use]
    pub const fn at(self, epoch: Timestamp) -> Timestamp {
        match self {
            Self::Fixed => Timestamp(1),
            Self::SourceDateEpoch => epoch,
        }
    }
}

/// Why a text is no owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a user and a group by number: expected `UID:GID`, such as `1000:1000`")]
pub struct OwnerError(String);

impl FromStr for Owner {
    type Err = OwnerError;

    fn from_str(text: &str) -> Result<Self, OwnerError> {
        let number = |text: &str| {
            // A number has one spelling; the last one means nobody to the kernel.
            let plain = text == "0" || !text.starts_with('0');
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u32>().ok().filter(|n| plain && digits && *n < u32::MAX)
        };
        let both = text.split_once(':').and_then(|(uid, gid)| Some((number(uid)?, number(gid)?)));
        both.map(|(uid, gid)| Self { uid, gid }).ok_or_else(|| OwnerError(text.to_owned()))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_two_numbers() {
        for text in ["0:0", "1000:1000", "65532:0", "4294967294:1"] {
            assert_eq!(text.parse::<Owner>().unwrap().to_string(), text);
        }
        for text in ["", "0", "root:root", "1000:", ":1", "01:1", "+1:1", "4294967295:0", "1:2:3", "-1:0"] {
            assert!(text.parse::<Owner>().is_err(), "{text}");
        }
    }
}
