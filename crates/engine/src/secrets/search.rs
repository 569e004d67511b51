//! Looking for secrets in what a step made, before anything of it is kept.
//!
//! Each file is read once from its beginning to its end, in pieces. Where a compressed stream begins (gzip or a
//! deflated member of a zip, anywhere; zlib, at the beginning), what is in it is looked at as well, but not what is
//! compressed in that again. Members of a tar stand in it as they are.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, PoisonError};

use aho_corasick::AhoCorasick;
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use model::RelPath;
use sandbox::Cancel;
use store::{Met, StoreError};

const PIECE: usize = 256 << 10;
/// Where a compressed stream may begin.
const GZIP: &[u8] = &[0x1f, 0x8b, 8];
const ZIP_MEMBER: &[u8] = b"PK\x03\x04";
/// Nothing that was deflated in one piece is more times longer than this; streams that lie in each other are.
const RATIO: u64 = 1100;
const SPARE: u64 = 64 << 20;

/// What is looked for.
pub(crate) struct Search {
    forms: AhoCorasick,
    /// The secret that each of them is of.
    names: Vec<String>,
    longest: usize,
    begins: AhoCorasick,
}

/// A secret that was found in an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leak {
    /// Which.
    pub(crate) secret: String,
    /// Where, in words; a path in it may hold the secret.
    pub(crate) place: String,
}

/// Why a file could not be looked at.
enum Stopped {
    Found(String),
    Failed(io::Error),
}

/// What else is done with a piece of a stream, and its place.
type Also<'a> = dyn FnMut(&[u8], u64) -> Result<(), Stopped> + 'a;

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl Search {
    /// Looks for each form; each with the name of its secret.
    pub(super) fn new(forms: impl Iterator<Item = (String, Vec<u8>)>) -> Self {
        let (names, forms): (Vec<_>, Vec<_>) = forms.unzip();
        let longest = forms.iter().map(Vec::len).max().unwrap_or(1);
        let automaton = |list: &[Vec<u8>]| {
            AhoCorasick::new(list).expect("secrets are short, and no command line holds a million of them")
        };
        let begins = automaton(&[GZIP.to_vec(), ZIP_MEMBER.to_vec()]);
        Self { forms: automaton(&forms), names, longest, begins }
    }

    /// Looks through the output at `path` below `dir`: names, targets of links, contents.
    ///
    /// # Errors
    /// As [`store::look`].
    pub(crate) fn look(
        &self,
        dir: BorrowedFd<'_>,
        path: &RelPath,
        cancel: &Cancel,
    ) -> Result<Option<Leak>, StoreError> {
        let found: Mutex<Option<Leak>> = Mutex::new(None);
        let visit = |path: &RelPath, met: Met<'_>| {
            let (secret, place) = match (self.first(path.as_str().as_bytes()), met) {
                (Some(secret), _) => (secret, format!("the name `{path}`")),
                (None, Met::Link(target)) => match self.first(target) {
                    Some(secret) => (secret, format!("the symbolic link `{path}`")),
                    None => return Ok(()),
                },
                (None, Met::File(file)) => match self.file(&file, cancel) {
                    Ok(()) => return Ok(()),
                    Err(Stopped::Failed(error)) => return Err(error),
                    Err(Stopped::Found(secret)) => (secret, format!("`{path}`")),
                },
                (None, Met::Directory) => return Ok(()),
            };
            found.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(Leak { secret, place });
            Err(io::Error::other("a secret was found"))
        };
        let looked = store::look(dir, path, &visit);
        match found.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(leak) => Ok(Some(leak)),
            None => looked.map(|()| None),
        }
    }

    /// The secret that a file holds, if one does.
    ///
    /// # Errors
    /// If it cannot be read, or what is compressed in it is too long to be looked through.
    pub(crate) fn whole(&self, file: &File, cancel: &Cancel) -> io::Result<Option<String>> {
        match self.file(file, cancel) {
            Ok(()) => Ok(None),
            Err(Stopped::Found(secret)) => Ok(Some(secret)),
            Err(Stopped::Failed(error)) => Err(error),
        }
    }

    /// The secret that stands in these bytes as they are, if one does.
    pub(crate) fn first(&self, bytes: &[u8]) -> Option<String> {
        self.forms.find(bytes).map(|found| self.names[found.pattern().as_usize()].clone())
    }

    fn file(&self, file: &File, cancel: &Cancel) -> Result<(), Stopped> {
        let size = file.metadata()?.len();
        let mut budget = size.saturating_mul(RATIO).saturating_add(SPARE);
        // Up to here, a stream that was read to its end has been looked at.
        let mut done = 0;
        let mut begin = [0; 2];
        if file.read_at(&mut begin, 0)? == 2 && is_zlib(begin) {
            done = self
                .unpack(&mut ZlibDecoder::new(At::buffered(file, 0)), &mut budget, cancel)?
                .map_or(0, |()| 1);
        }
        let mut whole = At { file, at: 0 };
        self.stream(&mut whole, cancel, &mut |window, at| {
            for found in self.begins.find_iter(window) {
                let begin = at + found.start() as u64;
                if begin >= done {
                    let end = if found.pattern().as_usize() == 0 {
                        self.gzip(file, begin, &mut budget, cancel)?
                    } else {
                        self.member(file, begin, &mut budget, cancel)?
                    };
                    done = end.unwrap_or(begin + 1);
                }
            }
            Ok(())
        })
    }

    /// The stream that begins there; gives its end, if it is one.
    fn gzip(
        &self,
        file: &File,
        begin: u64,
        budget: &mut u64,
        cancel: &Cancel,
    ) -> Result<Option<u64>, Stopped> {
        let mut decoder = GzDecoder::new(At::buffered(file, begin));
        let whole = self.unpack(&mut decoder, budget, cancel)?;
        Ok(whole.map(|()| At::place(&decoder.into_inner())))
    }

    /// The deflated member of a zip that begins there; gives its end, if it is one.
    fn member(
        &self,
        file: &File,
        begin: u64,
        budget: &mut u64,
        cancel: &Cancel,
    ) -> Result<Option<u64>, Stopped> {
        let mut header = [0; 30];
        if file.read_at(&mut header, begin)? < header.len() {
            return Ok(None);
        }
        let number = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
        let (method, names) = (number(8), number(26) + number(28));
        if method != 8 {
            return Ok(None);
        }
        let mut decoder = DeflateDecoder::new(At::buffered(file, begin + 30 + names));
        let whole = self.unpack(&mut decoder, budget, cancel)?;
        Ok(whole.map(|()| At::place(&decoder.into_inner())))
    }

    /// Looks through what comes out of a stream; `None` if it was none, or not whole.
    fn unpack(
        &self,
        decoder: &mut dyn Read,
        budget: &mut u64,
        cancel: &Cancel,
    ) -> Result<Option<()>, Stopped> {
        let mut limited = decoder.take(*budget);
        let ended = self.stream(&mut limited, cancel, &mut |_, _| Ok(()));
        *budget = limited.limit();
        match ended {
            _ if *budget == 0 => {
                let text = "what is compressed in it is too long to be looked through for secrets";
                Err(Stopped::Failed(io::Error::other(text)))
            }
            Ok(()) => Ok(Some(())),
            Err(Stopped::Failed(error)) if error.kind() == io::ErrorKind::Interrupted => Err(error.into()),
            // Bytes that only begin like one.
            Err(Stopped::Failed(_)) => Ok(None),
            Err(found) => Err(found),
        }
    }

    /// Looks through a stream. `also` gets each piece, with the end of the one before it, and its place.
    fn stream(&self, input: &mut dyn Read, cancel: &Cancel, also: &mut Also<'_>) -> Result<(), Stopped> {
        let overlap = self.longest.max(GZIP.len() + 1) - 1;
        let mut window = vec![0; PIECE + overlap];
        let (mut kept, mut at) = (0, 0);
        loop {
            if cancel.is_cancelled() {
                // Which reading does not give: an interrupted call is made again.
                return Err(Stopped::Failed(io::ErrorKind::Interrupted.into()));
            }
            let mut filled = kept;
            let ended = loop {
                match input.read(&mut window[filled..]) {
                    Ok(0) => break Some(Ok(())),
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // What came before it counts.
                    Err(error) => break Some(Err(error)),
                }
                if filled == window.len() {
                    break None;
                }
            };
            if let Some(secret) = self.first(&window[..filled]) {
                return Err(Stopped::Found(secret));
            }
            also(&window[..filled], at)?;
            if let Some(ended) = ended {
                return ended.map_err(Stopped::Failed);
            }
            window.copy_within(filled - overlap..filled, 0);
            at += (filled - overlap) as u64;
            kept = overlap;
        }
    }
}

/// The two bytes that a zlib stream begins with.
fn is_zlib([method, flags]: [u8; 2]) -> bool {
    method & 0x0f == 8 && method >> 4 <= 7 && u16::from_be_bytes([method, flags]).is_multiple_of(31)
}

/// A file from some place on, without moving the place of others.
struct At<'a> {
    file: &'a File,
    at: u64,
}

impl<'a> At<'a> {
    fn buffered(file: &'a File, at: u64) -> BufReader<Self> {
        BufReader::new(Self { file, at })
    }

    /// Where the next byte is from.
    fn place(reader: &BufReader<Self>) -> u64 {
        reader.get_ref().at - reader.buffer().len() as u64
    }
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::AsFd as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const TOKEN: &[u8] = b"correct horse";

    fn search() -> Search {
        Search::new([("token".to_owned(), TOKEN.to_vec())].into_iter())
    }

    /// What is found in a folder that has this one file.
    fn found(name: &str, content: &[u8]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("out")).unwrap();
        std::fs::write(dir.path().join("out").join(name), content).unwrap();
        looked(dir.path())
    }

    fn looked(dir: &std::path::Path) -> Option<String> {
        let fd = File::open(dir).unwrap();
        let cancel = Cancel::new().unwrap();
        let leak = search().look(fd.as_fd(), &"out".parse().unwrap(), &cancel).unwrap();
        leak.map(|leak| {
            assert_eq!(leak.secret, "token");
            leak.place
        })
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn zip(members: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for content in members {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(content).unwrap();
            bytes.extend_from_slice(b"PK\x03\x04\x14\0\x08\0\x08\0");
            bytes.extend_from_slice(&[0; 16]);
            bytes.extend_from_slice(&[1, 0, 0, 0, b'n']);
            bytes.extend_from_slice(&encoder.finish().unwrap());
        }
        bytes
    }

    /// Text that does not compress to nothing.
    fn filler(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b'a' + u8::try_from(state >> 28).unwrap()
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    #[test]
    fn bytes_are_found_wherever_they_lie_in_a_file() {
        for before in [0, 1, PIECE - 5, PIECE + 7, 2 * PIECE + 4, 3 * PIECE] {
            for after in [0, 1, PIECE] {
                let content = [&filler(before), TOKEN, &filler(after)].concat();
                assert_eq!(found("file", &content).as_deref(), Some("`out/file`"), "{before} {after}");
            }
        }
        assert_eq!(found("file", &filler(3 * PIECE)), None);
        assert_eq!(found("file", b""), None);
    }

    #[test]
    fn names_and_links_count() {
        assert_eq!(found("correct horse.txt", b"").as_deref(), Some("the name `out/correct horse.txt`"));
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("out")).unwrap();
        std::os::unix::fs::symlink("/x/correct horse", dir.path().join("out/link")).unwrap();
        assert_eq!(looked(dir.path()).as_deref(), Some("the symbolic link `out/link`"));
    }

    #[test]
    fn compressed_ones_are_found_one_level_deep() {
        let text = [&filler(100_000), TOKEN, &filler(100)].concat();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&text).unwrap();
        let zlib = zlib.finish().unwrap();
        let none = filler(100_000);
        for (what, content) in [
            ("gzip", gzip(&text)),
            ("the second of two gzips", [gzip(&none), gzip(&text)].concat()),
            ("gzip in an archive", [filler(PIECE - 2), gzip(&text)].concat()),
            ("zlib", zlib),
            ("zip", zip(&[&text])),
            ("the third member of a zip", zip(&[&none, &none, &text])),
            ("a zip behind a program", [filler(500_000), zip(&[&none, &text])].concat()),
            ("a cut gzip", gzip(&text)[..gzip(&text).len() - 9].to_vec()),
        ] {
            assert!(found("file", &content).is_some(), "{what}");
        }
        assert_eq!(found("file", &[gzip(&none), zip(&[&none])].concat()), None);
        assert_eq!(found("file", &gzip(&gzip(&text))), None, "two levels: told in SHORTCOMINGS");
    }

    #[test]
    fn bytes_that_only_begin_like_a_stream_are_passed_over() {
        let content = [GZIP, ZIP_MEMBER, GZIP, &filler(100), ZIP_MEMBER, GZIP, b"\x78\x9c", TOKEN].concat();
        assert!(found("file", &content).is_some());
        assert_eq!(found("file", &[GZIP, ZIP_MEMBER, b"PK"].concat()), None);
    }
}
