//! A step on a terminal: job control, Ctrl-C, and what the caller gets back.

#![allow(unsafe_code, reason = "opens a pseudo-terminal, asks for its foreground group")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};

use sandbox::Io;

use crate::world::World;

/// A pseudo-terminal: the person's side, the program's side.
fn open() -> (File, OwnedFd) {
    let (mut person, mut program) = (-1, -1);
    let null = std::ptr::null_mut();
    // SAFETY: two writable descriptors; no name, no settings, no size.
    let result = unsafe {
        libc::openpty(&raw mut person, &raw mut program, null, std::ptr::null_mut(), std::ptr::null_mut())
    };
    assert_eq!(result, 0, "a pseudo-terminal");
    // SAFETY: both are new and nobody else's.
    unsafe { (File::from_raw_fd(person), OwnedFd::from_raw_fd(program)) }
}

/// A caller in a session of its own with the terminal, and the person in front of it.
struct Session {
    person: File,
    seen: String,
    caller: Child,
}

impl Session {
    fn start(script: &str) -> Self {
        let (person, program) = open();
        let end = || Stdio::from(program.try_clone().expect("a descriptor"));
        let caller = Command::new("setsid")
            .args(["--ctty", "--wait"])
            .arg(std::env::current_exe().expect("a program"))
            .args(["terminal::caller_on_a_terminal", "--exact", "--nocapture"])
            .env("SANDBOX_TEST_SCRIPT", script)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("setsid (util-linux) runs this program");
        Self { person, seen: String::new(), caller }
    }

    /// Reads until `text` is there; what was before it is forgotten.
    fn wait_for(&mut self, text: &str) {
        let mut buffer = [0; 1024];
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            // The terminal reads as an error when its last program is gone.
            let length = self.person.read(&mut buffer).unwrap_or(0);
            assert!(length > 0, "the terminal ended before `{text}`: {}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    }

    fn types(&mut self, keys: &str) {
        self.person.write_all(keys.as_bytes()).expect("the terminal takes it");
    }

    fn end(mut self) {
        self.wait_for("1 passed");
        assert!(self.caller.wait().expect("it is ours").success());
    }
}

/// The caller's half of the tests here.
#[test]
fn caller_on_a_terminal() {
    let Ok(script) = std::env::var("SANDBOX_TEST_SCRIPT") else { return };
    let world = World::new();
    let outcome = world.run_io(&["/bin/sh", "-c", &script], Io::Terminal).expect("it runs");
    // SAFETY: no pointers.
    let restored = unsafe { libc::tcgetpgrp(0) == libc::getpgrp() };
    println!("ended {:?}, foreground restored: {restored}", outcome.exit);
}

#[test]
fn a_shell_on_a_terminal_has_job_control() {
    let mut session = Session::start("exec sh -i");
    // Quotes keep the echo of what is typed apart from what is printed.
    session.types("test -t 0 && test -t 1 && echo a''terminal\n");
    session.wait_for("aterminal");
    session.types("sh -c 'echo rea\"\"dy; exec sleep 1000'\n");
    session.wait_for("ready");
    session.types("\x03");
    session.types("echo ali''ve $?\n");
    session.wait_for("alive 130");
    session.types("sleep 1000 & jobs; kill %1; echo k''illed\n");
    session.wait_for("killed");
    session.types("exit 7\n");
    session.wait_for("ended Code(7), foreground restored: true");
    session.end();
}

#[test]
fn a_command_on_a_terminal_can_be_interrupted() {
    let mut session = Session::start("echo rea''dy; exec sleep 1000");
    session.wait_for("ready");
    session.types("\x03");
    session.wait_for("ended Signal(2), foreground restored: true");
    session.end();
}

#[test]
fn a_command_on_a_terminal_cannot_be_stopped_for_ever() {
    // Its shell is outside: nobody could continue it.
    let mut session = Session::start("trap 'echo con''tinued' CONT; echo rea''dy; kill -STOP $$; exit 3");
    session.wait_for("ready");
    session.wait_for("ended Code(3), foreground restored: true");
    session.end();
}
