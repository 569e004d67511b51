//! The log of a step while it runs: kept whole, told line by line, without its secrets.

use std::collections::VecDeque;
use std::io::Write as _;

use model::{Digest, Event};
use store::BlobWriter;

use crate::secrets::{Guard, Redaction};
use crate::{BuildError, Context};

/// How many lines of a log are kept for an error.
const LAST_LINES: usize = 20;
/// How much of a line is kept for an error.
const SHOWN: usize = 1 << 10;
/// A line without end does not fill the memory: what is over this is told in pieces.
const LONGEST: usize = 64 << 10;

/// A log on its way into the store.
pub(crate) struct Log<'a> {
    cx: &'a Context<'a>,
    step: &'a str,
    redaction: Redaction<'a>,
    kept: Kept,
}

/// What has become of it so far.
struct Kept {
    writer: BlobWriter,
    lines: Lines,
    failed: Option<std::io::Error>,
}

impl<'a> Log<'a> {
    /// Without the secrets of `guard`.
    pub(crate) fn new(cx: &'a Context<'a>, step: &'a str, guard: &'a Guard) -> Result<Self, BuildError> {
        let kept = Kept { writer: cx.store.writer()?, lines: Lines::default(), failed: None };
        Ok(Self { cx, step, redaction: guard.redaction(), kept })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let Self { cx, step, redaction, kept } = self;
        redaction.write(bytes, &mut |bytes| kept.write(bytes, cx, step));
    }

    /// The whole log, and its end.
    pub(crate) fn finish(self) -> Result<(Digest, Tail), BuildError> {
        let Self { cx, step, redaction, mut kept } = self;
        redaction.finish(&mut |bytes| kept.write(bytes, cx, step));
        let Kept { writer, lines, failed } = kept;
        let last = lines.finish(&mut |line| (cx.events)(Event::Output { step: step.to_owned(), line }));
        if let Some(source) = failed {
            return Err(store::StoreError::io("write", cx.store.dir(), source).into());
        }
        Ok((writer.finish()?, last))
    }
}

impl Kept {
    fn write(&mut self, bytes: &[u8], cx: &Context<'_>, step: &str) {
        if self.failed.is_none() {
            self.failed = self.writer.write_all(bytes).err();
        }
        self.lines.write(bytes, &mut |line| (cx.events)(Event::Output { step: step.to_owned(), line }));
    }
}

/// Bytes as lines, of which the end is kept.
#[derive(Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
    last: VecDeque<String>,
    command: Option<String>,
}

/// What an error needs of a log.
#[derive(Default)]
pub(crate) struct Tail {
    /// The last lines, each cut at [`SHOWN`] bytes.
    pub(crate) lines: Vec<String>,
    /// The last command that the script said it runs.
    pub(crate) command: Option<String>,
}

impl Lines {
    pub(crate) fn write(&mut self, bytes: &[u8], tell: &mut dyn FnMut(String)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            self.line.extend_from_slice(&rest[..end]);
            self.end_line(tell);
            rest = &rest[end + 1..];
        }
        for piece in rest.chunks(LONGEST) {
            self.line.extend_from_slice(piece);
            if self.line.len() >= LONGEST {
                self.end_line(tell);
            }
        }
    }

    fn end_line(&mut self, tell: &mut dyn FnMut(String)) {
        let line = String::from_utf8_lossy(&self.line).trim_end_matches('\r').to_owned();
        self.line.clear();
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        // Kept apart: a command that says much pushes its own name out of the last lines.
        if let Some(command) = line.strip_prefix("$ ") {
            self.command = Some(command.to_owned());
        }
        let end = line.floor_char_boundary(SHOWN);
        let cut = if end < line.len() { format!("{}…", &line[..end]) } else { line.clone() };
        self.last.push_back(cut);
        tell(line);
    }

    /// The end.
    pub(crate) fn finish(mut self, tell: &mut dyn FnMut(String)) -> Tail {
        if !self.line.is_empty() {
            self.end_line(tell);
        }
        Tail { lines: self.last.into(), command: self.command }
    }
}
