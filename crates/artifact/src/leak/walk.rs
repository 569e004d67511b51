//! The way through an artifact: what is opened, what is held in memory, and where what is found is.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use model::leak::Unread;
use model::{Leak, LeakRule, Severity};

use super::elf::Sections;
use super::window::Seen;
use super::{Leaks, Scan, Scanner, advice};
use crate::fields::lossy;
use crate::format::stream::codec;
use crate::format::tar::{self, Broken};
use crate::{Attribute, Body, Budget, HEAD, Kind, Limits, read};

/// No file that has to be held in memory is larger; a larger one is looked at as it is.
const HELD: u64 = 512 << 20;
/// What one archive that is held in memory may unpack to.
const UNPACKED: u64 = 1 << 30;
/// What all streams of an artifact may unpack to.
const STREAMED: u64 = 256 << 30;
/// Containers in one another.
const DEPTH: usize = 12;
/// How many leaks by one rule, and how many things that could not be read, are kept of an artifact.
const MOST: usize = 1000;

pub(super) struct Walk<'s> {
    scanner: &'s Scanner,
    /// Names of members, one for each level.
    place: Vec<String>,
    depth: usize,
    /// How much may still be unpacked.
    left: Rc<Cell<u64>>,
    members: u64,
    window: Vec<u8>,
    leaks: Leaks,
    /// How many are kept of each rule, and how many are not.
    kept: BTreeMap<LeakRule, usize>,
    more: BTreeMap<LeakRule, u64>,
    unread: Vec<Unread>,
}

/// Where in a file something was found.
struct Spot<'a> {
    kind: Option<Kind>,
    offset: u64,
    /// The field that says it, if it is not the content.
    field: Option<&'a str>,
}

impl<'s> Walk<'s> {
    pub(super) fn new(scanner: &'s Scanner) -> Self {
        Self {
            scanner,
            place: Vec::new(),
            depth: 0,
            left: Rc::new(Cell::new(STREAMED)),
            members: Limits::default().members * 4,
            window: Vec::new(),
            leaks: Leaks::new(),
            kept: BTreeMap::new(),
            more: BTreeMap::new(),
            unread: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> Scan {
        Scan { leaks: self.leaks.into_values().collect(), more: self.more, unread: self.unread }
    }

    /// Does `what` with the member `name` as the place of all that is told.
    pub(super) fn within<T>(&mut self, name: &str, what: impl FnOnce(&mut Self) -> T) -> T {
        let name = name.strip_prefix("./").unwrap_or(name).trim_end_matches('/');
        self.place.push(self.scanner.matcher.plain(name));
        let result = what(self);
        self.place.pop();
        result
    }

    fn here(&self) -> String {
        self.place.join("!/")
    }

    fn unread(&mut self, reason: impl Into<String>) {
        if self.unread.len() < MOST {
            let reason = self.scanner.matcher.plain(&reason.into());
            self.unread.push(Unread { place: self.here(), reason });
        }
    }

    fn told(
        &mut self,
        rule: LeakRule,
        spot: &Spot<'_>,
        severity: Severity,
        excerpt: impl FnOnce() -> String,
    ) {
        if !self.scanner.rules.contains(&rule) {
            return;
        }
        let key = (self.here(), rule);
        if let Some(leak) = self.leaks.get_mut(&key) {
            leak.count += 1;
            leak.severity = leak.severity.max(severity);
            return;
        }
        // What many of one rule are must not keep those of another from being seen.
        let kept = self.kept.entry(rule).or_default();
        if *kept >= MOST {
            *self.more.entry(rule).or_default() += 1;
            return;
        }
        *kept += 1;
        let excerpt = match spot.field {
            Some(field) => format!("{field}: {}", excerpt()),
            None => excerpt(),
        };
        let advice = advice::advice(rule, spot.kind, spot.field).to_owned();
        let (id, place) = (rule.id().to_owned(), key.0.clone());
        let offset = spot.offset;
        let leak = Leak { rule, id, severity, place, offset, count: 1, excerpt, advice, allowed: None };
        self.leaks.insert(key, leak);
    }

    /// Looks at what a file or a member says of itself.
    pub(super) fn field(&mut self, field: &str, value: &str) {
        let scanner = self.scanner;
        let spot = Spot { kind: None, offset: 0, field: Some(field) };
        for (rule, fields, names) in [
            (LeakRule::UserName, &["user", "group"][..], &scanner.users),
            (LeakRule::HostName, &["build-host"][..], &scanner.hosts),
        ] {
            if fields.contains(&field) && names.contains(value) && scanner.rules.contains(&rule) {
                return self.told(rule, &spot, rule.severity(), || scanner.matcher.plain(value));
            }
        }
        scanner.matcher.bytes(value.as_bytes(), &mut |needle, _, seen| {
            self.told(needle.rule, &spot, seen.severity(), || seen.excerpt());
        });
    }

    fn fields(&mut self, attributes: &[Attribute]) {
        for attribute in attributes {
            self.field(attribute.name, &attribute.value);
        }
    }

    /// Looks through a file of the artifact.
    pub(super) fn top(&mut self, name: &str, input: &mut dyn Read) -> io::Result<()> {
        let mut source = Source { inner: input, failed: None };
        let result = self.stream(name, &mut BufReader::with_capacity(64 << 10, &mut source));
        // What unpacks takes a disk that fails for a damaged file.
        match source.failed {
            Some(error) => Err(error),
            None => result,
        }
    }

    /// Looks through what comes, called `name`. An error is one of `input`.
    fn stream(&mut self, name: &str, input: &mut dyn BufRead) -> io::Result<()> {
        let mut head = Vec::new();
        Read::take(&mut *input, HEAD as u64).read_to_end(&mut head)?;
        let kind = Kind::of(name, &head);
        let mut input = io::Cursor::new(head).chain(input);
        if self.depth >= DEPTH && kind.is_some_and(is_opened) {
            self.unread(format!("more than {DEPTH} containers lie in one another"));
            return self.flat(kind, &mut input);
        }
        self.depth += 1;
        let result = match kind {
            Some(kind) if codec(kind).is_some() => self.unpacked(name, kind, &mut input),
            Some(Kind::Tar) => self.tar(&mut input),
            Some(kind) if is_opened(kind) => self.held(name, kind, &mut input),
            _ => self.flat(kind, &mut input),
        };
        self.depth -= 1;
        result
    }

    /// Looks at bytes as they are.
    fn flat(&mut self, kind: Option<Kind>, input: &mut dyn Read) -> io::Result<()> {
        let mut window = std::mem::take(&mut self.window);
        let matcher = &self.scanner.matcher;
        let result = matcher.stream(input, &mut window, &mut |needle, offset, seen| {
            self.told(needle.rule, &Spot { kind, offset, field: None }, seen.severity(), || seen.excerpt());
        });
        self.window = window;
        result.map(|_| ())
    }

    /// Looks through what is in a compressed stream. A tar in it is not a level of its own.
    fn unpacked(&mut self, name: &str, kind: Kind, input: &mut dyn BufRead) -> io::Result<()> {
        let codec = codec(kind).expect("the caller asked");
        let inner = codec.inner_name(name);
        let left = Rc::clone(&self.left);
        let ended = {
            let mut begin = input.fill_buf()?;
            if kind == Kind::Gzip {
                let header = flate2::bufread::GzDecoder::new(&mut begin);
                let texts = header.header().map(|h| [h.filename(), h.comment()].map(|t| t.map(lossy)));
                for (field, text) in ["name", "comment"].into_iter().zip(texts.into_iter().flatten()) {
                    if let Some(text) = text {
                        self.field(field, &text);
                    }
                }
            }
            let plain = Metered { inner: (codec.open)(input), left };
            let mut plain = BufReader::with_capacity(64 << 10, plain);
            let mut head = Vec::new();
            match Read::take(&mut plain, HEAD as u64).read_to_end(&mut head) {
                Err(error) => Err(error),
                Ok(_) => {
                    let is_tar = Kind::of(&inner, &head) == Some(Kind::Tar);
                    let mut plain = io::Cursor::new(head).chain(plain);
                    if is_tar {
                        self.stream(&inner, &mut plain)
                    } else {
                        self.within(&inner, |walk| walk.stream(&inner, &mut plain))
                    }
                }
            }
        };
        if let Err(error) = ended {
            self.unread(format!("damaged {}: {error}", kind.as_str()));
            return self.flat(None, input);
        }
        Ok(())
    }

    fn tar(&mut self, input: &mut dyn BufRead) -> io::Result<()> {
        let ended = tar::stream(input, &mut |member, _, content| {
            if !self.member() {
                return Ok(());
            }
            let name = lossy(&member.name);
            self.within(&name, |walk| {
                walk.field("name", &name);
                walk.field("user", &lossy(&member.user));
                walk.field("group", &lossy(&member.group));
                walk.field("link", &lossy(&member.target));
                for (keyword, value) in &member.pax {
                    walk.field("pax", &format!("{}={}", lossy(keyword), lossy(value)));
                }
                if member.kind == b'0' {
                    return walk.stream(&name, &mut BufReader::with_capacity(HEAD, content));
                }
                Ok(())
            })
        });
        match ended {
            Ok(()) => self.flat(None, input),
            Err(Broken::Input(error)) => Err(error),
            Err(Broken::Archive(error)) => {
                self.unread(error.to_string());
                self.flat(None, input)
            }
        }
    }

    /// Looks through what can only be read as a whole.
    fn held(&mut self, name: &str, kind: Kind, input: &mut dyn Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        Read::take(&mut *input, HELD + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > HELD {
            self.unread(format!("it has more than {HELD} bytes: not opened"));
            return self.flat(Some(kind), &mut bytes.as_slice().chain(input));
        }
        if kind == Kind::Elf {
            self.program(&bytes);
            return Ok(());
        }
        let limits =
            Limits { bytes: UNPACKED.min(self.left.get()), members: self.members, ..Limits::default() };
        let mut budget = Budget::new(limits);
        let reading = match read(name, &bytes, &mut budget) {
            Ok(Some(reading)) => reading,
            Ok(None) => return self.flat(Some(kind), &mut bytes.as_slice()),
            Err(error) => {
                self.unread(error.to_string());
                return self.flat(Some(kind), &mut bytes.as_slice());
            }
        };
        self.left.set(self.left.get().saturating_sub(limits.bytes - budget.left()));
        self.fields(&reading.attributes);
        for part in &reading.parts {
            if !self.member() {
                break;
            }
            self.within(&part.name, |walk| {
                walk.field("name", &part.name);
                walk.fields(&part.attributes);
                match &part.body {
                    Body::Bytes(content) => walk.stream(&part.name, &mut &content[..])?,
                    Body::Link(target) => walk.field("link", target),
                    Body::Nothing => {}
                }
                Ok::<(), io::Error>(())
            })?;
        }
        Ok(())
    }

    /// Looks through a program: what is debugging information says where it was built, and may.
    fn program(&mut self, bytes: &[u8]) {
        let sections = Sections::of(bytes);
        let (scanner, left) = (self.scanner, Rc::clone(&self.left));
        let mut tell = |rule: LeakRule, offset, seen: &Seen<'_>| {
            let spot = Spot { kind: Some(Kind::Elf), offset, field: None };
            let severity = if rule == LeakRule::DebugPath { Severity::Info } else { seen.severity() };
            self.told(rule, &spot, severity, || seen.excerpt());
        };
        scanner.matcher.bytes(bytes, &mut |needle, offset, seen| {
            tell(rule(needle.rule, sections.is_debug(offset)), offset, seen);
        });
        let mut window = Vec::new();
        for (_, reader) in sections.unpacked() {
            let mut reader = Metered { inner: reader, left: Rc::clone(&left) };
            // A damaged one was looked at as it is.
            let _ = scanner.matcher.stream(&mut reader, &mut window, &mut |needle, offset, seen| {
                tell(rule(needle.rule, true), offset, seen);
            });
        }
    }

    /// Pays for one more member; false if there have been too many.
    fn member(&mut self) -> bool {
        if self.members == 0 {
            return false;
        }
        self.members -= 1;
        if self.members == 0 {
            self.unread("it has too many members: the rest is not looked at");
        }
        self.members > 0
    }
}

/// The rule of what is found in a program.
fn rule(rule: LeakRule, is_debug: bool) -> LeakRule {
    if rule == LeakRule::BuildPath && is_debug { LeakRule::DebugPath } else { rule }
}

/// Kinds with something in them that their own bytes do not show, or that has a place of its own.
fn is_opened(kind: Kind) -> bool {
    codec(kind).is_some()
        || matches!(
            kind,
            Kind::Tar
                | Kind::Zip
                | Kind::Jar
                | Kind::Wheel
                | Kind::Ar
                | Kind::Deb
                | Kind::Cpio
                | Kind::Rpm
                | Kind::Elf
        )
}

/// What everything comes from; remembers that it failed.
struct Source<'a> {
    inner: &'a mut dyn Read,
    failed: Option<io::Error>,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                let again = io::Error::new(error.kind(), error.to_string());
                self.failed = Some(error);
                Err(again)
            }
            other => other,
        }
    }
}

/// What comes out of a stream, as far as it may.
struct Metered<'a> {
    inner: Box<dyn Read + 'a>,
    left: Rc<Cell<u64>>,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.left.get().checked_sub(count as u64) {
            Some(left) => self.left.set(left),
            None => return Err(io::Error::other("it unpacks to too much")),
        }
        Ok(count)
    }
}
