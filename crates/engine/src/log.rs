//! The log of a step while it runs: kept whole, told line by line.

use std::collections::VecDeque;
use std::io::Write as _;

use model::{Digest, Event};
use store::BlobWriter;

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
    writer: BlobWriter,
    lines: Lines,
    failed: Option<std::io::Error>,
}

impl<'a> Log<'a> {
    pub(crate) fn new(cx: &'a Context<'a>, step: &'a str) -> Result<Self, BuildError> {
        Ok(Self { cx, step, writer: cx.store.writer()?, lines: Lines::default(), failed: None })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.writer.write_all(bytes).err();
        }
        let (cx, step) = (self.cx, self.step);
        self.lines.write(bytes, &mut |line| (cx.events)(Event::Output { step: step.to_owned(), line }));
    }

    /// The whole log, and its end.
    pub(crate) fn finish(self) -> Result<(Digest, Tail), BuildError> {
        let Self { cx, step, writer, lines, failed } = self;
        let last = lines.finish(&mut |line| (cx.events)(Event::Output { step: step.to_owned(), line }));
        if let Some(source) = failed {
            return Err(store::StoreError::io("write", cx.store.dir(), source).into());
        }
        Ok((writer.finish()?, last))
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
