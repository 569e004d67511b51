//! The one place with threads: jobs are worked on by all cores, and answers come in the order of the jobs.
//!
//! Which thread did what, and when, can therefore not be seen in the answers. Workers own nothing but their job
//! and their scratch state, which must not carry anything from one job to the next.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};

use crate::PackError;

/// How many cores this process may use.
#[allow(clippy::disallowed_methods, reason = "decides the speed only: answers come in the order of the jobs")]
pub(crate) fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Jobs on their way, oldest first.
pub(crate) struct Pipeline<'a, J, R> {
    jobs: Option<Sender<(J, Sender<R>)>>,
    inline: &'a mut dyn FnMut(J) -> R,
    answers: VecDeque<Answer<R>>,
}

enum Answer<R> {
    Here(R),
    Coming(Receiver<R>),
}

impl<J, R> Pipeline<'_, J, R> {
    /// Hands in a job. Does not wait: the caller bounds what is on its way by calling [`Pipeline::next`].
    pub(crate) fn submit(&mut self, job: J) {
        self.answers.push_back(match &self.jobs {
            None => Answer::Here((self.inline)(job)),
            Some(jobs) => {
                let (answer, coming) = mpsc::channel();
                jobs.send((job, answer)).expect("workers listen as long as the pipeline is there");
                Answer::Coming(coming)
            }
        });
    }

    /// The answer to the oldest job, waiting for it; `None` if none is on its way.
    pub(crate) fn next(&mut self) -> Option<R> {
        Some(match self.answers.pop_front()? {
            Answer::Here(answer) => answer,
            Answer::Coming(coming) => coming.recv().expect("every job is answered: workers do not panic"),
        })
    }

    /// How many jobs are on their way.
    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }
}

/// Runs `body` with a pipeline of `workers` threads, each with a state of its own from `start`. One worker, or a
/// system that gives no threads, works on the caller's.
#[allow(
    clippy::disallowed_methods,
    reason = "the one place with threads; answers come in the order of the jobs"
)]
pub(crate) fn with_workers<J: Send, R: Send, S, T>(
    workers: NonZeroUsize,
    start: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, J) -> R + Sync,
    body: impl FnOnce(&mut Pipeline<'_, J, R>) -> T,
) -> T {
    let mut own = None;
    let mut inline = |job| work(own.get_or_insert_with(&start), job);
    let (jobs, queue) = mpsc::channel::<(J, Sender<R>)>();
    let queue = Mutex::new(queue);
    let listen = || {
        let mut state = start();
        loop {
            let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((job, answer)) = job else { return };
            // Nobody waits for it if the caller gave up on an error.
            let _ = answer.send(work(&mut state, job));
        }
    };
    std::thread::scope(|scope| {
        let wanted = if workers.get() > 1 { workers.get() } else { 0 };
        let started = (0..wanted)
            .take_while(|_| std::thread::Builder::new().spawn_scoped(scope, listen).is_ok())
            .count();
        let jobs = (started > 0).then_some(jobs);
        // Dropping the pipeline closes the queue, and with it ends the workers.
        body(&mut Pipeline { jobs, inline: &mut inline, answers: VecDeque::new() })
    })
}

/// Cuts what `body` writes into blocks of exactly `block` bytes (the last may be shorter; none is empty), works
/// on each by `work`, and writes the answers to `out` one after the other.
pub(crate) fn in_blocks<S>(
    workers: NonZeroUsize,
    block: usize,
    start: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, Vec<u8>) -> Vec<u8> + Sync,
    out: &mut dyn Write,
    body: impl FnOnce(&mut dyn Write) -> Result<(), PackError>,
) -> Result<(), PackError> {
    with_workers(workers, start, work, |pipeline| {
        let limit = workers.get() * 2;
        let mut sink = Blocks { pipeline, block, limit, current: Vec::with_capacity(block), out };
        body(&mut sink)?;
        sink.finish().map_err(PackError::Write)
    })
}

struct Blocks<'a, 'p> {
    pipeline: &'a mut Pipeline<'p, Vec<u8>, Vec<u8>>,
    block: usize,
    limit: usize,
    current: Vec<u8>,
    out: &'a mut dyn Write,
}

impl Blocks<'_, '_> {
    fn hand_in(&mut self, next: usize) -> io::Result<()> {
        let full = std::mem::replace(&mut self.current, Vec::with_capacity(next));
        self.pipeline.submit(full);
        self.drain(self.limit)
    }

    fn drain(&mut self, left: usize) -> io::Result<()> {
        while self.pipeline.len() > left {
            if let Some(answer) = self.pipeline.next() {
                self.out.write_all(&answer)?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        if !self.current.is_empty() {
            self.hand_in(0)?;
        }
        self.drain(0)
    }
}

impl Write for Blocks<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.block - self.current.len());
        self.current.extend_from_slice(&bytes[..taken]);
        if self.current.len() == self.block {
            self.hand_in(self.block)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // a block is only ever cut by its size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_order_on_any_number_of_workers() {
        for workers in [1, 2, 7] {
            let answers = with_workers(
                NonZeroUsize::new(workers).unwrap(),
                || (),
                |(), n: u64| (0..(n * 7919 % 13) * 1000).fold(n, |a, _| std::hint::black_box(a)),
                |pipeline| {
                    (0..100).for_each(|n| pipeline.submit(n));
                    std::iter::from_fn(|| pipeline.next()).collect::<Vec<_>>()
                },
            );
            assert!(answers.iter().copied().eq(0..100));
        }
    }

    #[test]
    fn blocks_are_cut_by_size_alone() {
        let cut = |piece: usize| {
            let mut out = Vec::new();
            in_blocks(
                NonZeroUsize::new(2).unwrap(),
                10,
                || (),
                |(), block| format!("{},", block.len()).into_bytes(),
                &mut out,
                |sink| [0u8; 34].chunks(piece).try_for_each(|b| sink.write_all(b).map_err(PackError::Write)),
            )
            .unwrap();
            String::from_utf8(out).unwrap()
        };
        for piece in [1, 3, 10, 34] {
            assert_eq!(cut(piece), "10,10,10,4,");
        }
    }
}
