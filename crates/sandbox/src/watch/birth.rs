//! A new program, before it has done anything: its way to the clock past the kernel is closed, its first random
//! bytes are given.
//!
//! The kernel maps a page of code into each process (the vDSO) that reads the clock without a system call, so without
//! a filter. This replaces the beginnings of its functions by the plain calls, in the process's own copy. The moment
//! is a call that each C library and Go's runtime make while they start, before anything reads a clock: setting up
//! the thread (`arch_prctl`, `set_tid_address`), or asking for processors. A program made without any of them could
//! still read the clock there.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::OnceLock;

use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSymbol as _};

use super::process::Caller;
use crate::kernel;

const AT_NULL: u64 = 0;
const AT_RANDOM: u64 = 25;
const AT_SYSINFO_EHDR: u64 = 33;

/// Functions of the vDSO and what they become: the system call of that number, or an error.
#[cfg(target_arch = "x86_64")]
const FUNCTIONS: &[(&str, Option<i64>)] = &[
    ("__vdso_clock_gettime", Some(libc::SYS_clock_gettime)),
    ("__vdso_gettimeofday", Some(libc::SYS_gettimeofday)),
    ("__vdso_time", Some(libc::SYS_time)),
    ("__vdso_getrandom", None),
];
#[cfg(target_arch = "aarch64")]
const FUNCTIONS: &[(&str, Option<i64>)] = &[
    ("__kernel_clock_gettime", Some(libc::SYS_clock_gettime)),
    ("__kernel_gettimeofday", Some(libc::SYS_gettimeofday)),
    ("__kernel_getrandom", None),
];

/// What to write where: offsets from the beginning of the vDSO. It is the same for every process of a kernel.
static PATCHES: OnceLock<Result<Vec<Patch>, String>> = OnceLock::new();

/// Where, from the beginning of the vDSO, and what.
type Patch = (u64, Vec<u8>);

/// Closes the way past the kernel. An error names what does not allow it.
pub(super) fn close_vdso(caller: &Caller) -> Result<(), String> {
    let Some(base) = auxiliary(caller, AT_SYSINFO_EHDR) else { return Ok(()) }; // there is none
    let patches = PATCHES.get_or_init(|| patches(&kernel::vdso())).as_ref().map_err(Clone::clone)?;
    let write = || {
        let mut memory = fs::OpenOptions::new().write(true).open(format!("/proc/{}/mem", caller.pid))?;
        // What was opened, and asked before, was that process's: a number is not another one's while the call waits.
        if !caller.waits() {
            return Ok(());
        }
        for (offset, code) in patches {
            memory.seek(SeekFrom::Start(base + offset))?;
            memory.write_all(code)?;
        }
        Ok::<_, std::io::Error>(())
    };
    write().map_err(|error| format!("a process's own clock (vDSO) cannot be closed: {error}"))
}

/// Gives the program other random bytes than the kernel's.
pub(super) fn give_random(caller: &Caller, bytes: [u8; 16]) {
    if let Some(at) = auxiliary(caller, AT_RANDOM) {
        caller.write(at, &bytes);
    }
}

/// A value of the auxiliary vector.
fn auxiliary(caller: &Caller, wanted: u64) -> Option<u64> {
    let vector = fs::read(format!("/proc/{}/auxv", caller.pid)).ok()?;
    let (words, _) = vector.as_chunks::<8>();
    words
        .chunks_exact(2)
        .map(|pair| (u64::from_ne_bytes(pair[0]), u64::from_ne_bytes(pair[1])))
        .take_while(|(key, _)| *key != AT_NULL)
        .find_map(|(key, value)| (key == wanted && value != 0).then_some(value))
}

/// Looks the functions up in an image of the vDSO.
fn patches(image: &[u8]) -> Result<Vec<Patch>, String> {
    if image.is_empty() {
        return Err("this kernel's vDSO cannot be read".to_owned());
    }
    let file = ElfFile64::<object::Endianness>::parse(image)
        .map_err(|error| format!("this kernel's vDSO cannot be understood: {error}"))?;
    let mut list = Vec::new();
    for symbol in file.dynamic_symbols() {
        let known = FUNCTIONS.iter().find(|(name, _)| symbol.name() == Ok(*name));
        if let Some((_, call)) = known {
            list.push((symbol.address(), code(*call)));
        }
    }
    if list.is_empty() { Err("this kernel's vDSO has no clock that is known".to_owned()) } else { Ok(list) }
}

/// `return syscall(number)`, or `return -ENOSYS`, with the arguments where they are.
#[cfg(target_arch = "x86_64")]
fn code(call: Option<i64>) -> Vec<u8> {
    match call.and_then(|number| i32::try_from(number).ok()) {
        // mov eax, number; syscall; ret
        Some(number) => [&[0xb8][..], &number.to_le_bytes(), &[0x0f, 0x05, 0xc3]].concat(),
        // mov rax, -ENOSYS; ret
        None => [&[0x48, 0xc7, 0xc0][..], &(-libc::ENOSYS).to_le_bytes(), &[0xc3]].concat(),
    }
}

#[cfg(target_arch = "aarch64")]
fn code(call: Option<i64>) -> Vec<u8> {
    let instruction = |word: u32| word.to_le_bytes();
    match call.and_then(|number| u32::try_from(number).ok()) {
        // mov x8, number; svc 0; ret
        Some(number) => {
            [instruction(0xd280_0008 | number << 5), instruction(0xd400_0001), instruction(0xd65f_03c0)]
                .concat()
        }
        // mov x0, -ENOSYS (as the complement of ENOSYS - 1); ret
        None => {
            let complement = libc::ENOSYS.unsigned_abs() - 1;
            [instruction(0x9280_0000 | complement << 5), instruction(0xd65f_03c0)].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernels_functions_are_found() {
        let patches = patches(&kernel::vdso()).unwrap();
        assert!(patches.len() >= 2, "{patches:?}");
    }

    #[test]
    fn what_is_no_vdso_is_refused() {
        assert!(patches(b"").is_err() && patches(b"\x7fELF, not").is_err());
    }
}
