//! This program, run inside the sandbox: makes one system call that no shell makes, and prints what came of it.

#![allow(unsafe_code, reason = "system calls that have no function in the standard library")]

use std::ffi::CStr;
use std::ptr;

use crate::world::{Ran, World};

/// What is printed: a number, or the name of the error.
type Found = Result<i64, i32>;

type Make = fn() -> Found;

/// Each call: its name and how it is made.
const CALLS: &[(&str, Make)] = &[
    ("sendto", || datagram(libc::SYS_sendto)),
    ("sendmsg", || datagram(libc::SYS_sendmsg)),
    ("sendmmsg", || datagram(libc::SYS_sendmmsg)),
    ("bpf", || call(libc::SYS_bpf, [0; 6])),
    ("io_uring_setup", || call(425, [1, 0, 0, 0, 0, 0])),
    ("keyctl", || call(libc::SYS_keyctl, [0, -3, 0, 0, 0, 0])),
    ("add_key", || call(libc::SYS_add_key, [0; 6])),
    ("userfaultfd", || call(libc::SYS_userfaultfd, [0; 6])),
    ("perf_event_open", || call(libc::SYS_perf_event_open, [0; 6])),
    ("mount", || call(libc::SYS_mount, [text(c"none"), text(c"/tmp"), text(c"tmpfs"), 0, 0, 0])),
    ("umount", || call(libc::SYS_umount2, [text(c"/proc"), 0, 0, 0, 0, 0])),
    ("open_tree", || call(428, [-100, text(c"/"), 1, 0, 0, 0])),
    ("fsopen", || call(430, [text(c"tmpfs"), 0, 0, 0, 0, 0])),
    ("pivot_root", || call(libc::SYS_pivot_root, [text(c"."), text(c"."), 0, 0, 0, 0])),
    ("chroot", || call(libc::SYS_chroot, [text(c"/tmp"), 0, 0, 0, 0, 0])),
    ("unshare user", || call(libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0, 0, 0])),
    ("unshare time", || call(libc::SYS_unshare, [0x80, 0, 0, 0, 0, 0])),
    ("unshare files", || call(libc::SYS_unshare, [libc::CLONE_FILES.into(), 0, 0, 0, 0, 0])),
    ("clone user", || call(libc::SYS_clone, [i64::from(libc::CLONE_NEWUSER) | 17, 0, 0, 0, 0, 0])),
    ("clone3", || call(libc::SYS_clone3, [0; 6])),
    ("setns", || call(libc::SYS_setns, [0, 0, 0, 0, 0, 0])),
    ("init_module", || call(libc::SYS_init_module, [0; 6])),
    ("finit_module", || call(libc::SYS_finit_module, [0; 6])),
    ("kexec_load", || call(libc::SYS_kexec_load, [0; 6])),
    ("reboot", || call(libc::SYS_reboot, [0; 6])),
    ("swapon", || call(libc::SYS_swapon, [text(c"/tmp/x"), 0, 0, 0, 0, 0])),
    ("clock_settime", || call(libc::SYS_clock_settime, [0, ptr::from_ref(&[0_i64; 2]) as i64, 0, 0, 0, 0])),
    ("settimeofday", || call(libc::SYS_settimeofday, [ptr::from_ref(&[0_i64; 2]) as i64, 0, 0, 0, 0, 0])),
    ("adjtimex", || call(libc::SYS_adjtimex, [ptr::from_ref(&[0_i64; 32]) as i64, 0, 0, 0, 0, 0])),
    ("sethostname", || call(libc::SYS_sethostname, [text(c"x"), 1, 0, 0, 0, 0])),
    ("syslog", || call(libc::SYS_syslog, [10, 0, 0, 0, 0, 0])),
    ("ptrace attach", || call(libc::SYS_ptrace, [16, parent(), 0, 0, 0, 0])),
    ("ptrace seize", || call(libc::SYS_ptrace, [0x4206, parent(), 0, 0, 0, 0])),
    ("ptrace me", || call(libc::SYS_ptrace, [0, 0, 0, 0, 0, 0])),
    ("process_vm_readv", || call(libc::SYS_process_vm_readv, [parent(), 0, 0, 0, 0, 0])),
    ("process_vm_writev", || call(libc::SYS_process_vm_writev, [parent(), 0, 0, 0, 0, 0])),
    ("pidfd_getfd", || call(438, [0, 0, 0, 0, 0, 0])),
    ("kcmp", || call(libc::SYS_kcmp, [0; 6])),
    ("open_by_handle_at", || call(libc::SYS_open_by_handle_at, [-100, 0, 0, 0, 0, 0])),
    ("name_to_handle_at", || call(libc::SYS_name_to_handle_at, [0; 6])),
    ("fanotify_init", || call(libc::SYS_fanotify_init, [0; 6])),
    ("quotactl", || call(libc::SYS_quotactl, [0; 6])),
    ("acct", || call(libc::SYS_acct, [0; 6])),
    ("mbind", || call(libc::SYS_mbind, [0; 6])),
    ("netlink route", || socket(libc::AF_NETLINK, libc::SOCK_RAW, 0)),
    ("netlink audit", || socket(libc::AF_NETLINK, libc::SOCK_RAW, 9)),
    ("vsock", || socket(40, libc::SOCK_STREAM, 0)),
    ("unix", || socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)),
    ("packet", || socket(libc::AF_PACKET, libc::SOCK_RAW, 0)),
    ("alg", || socket(38, libc::SOCK_SEQPACKET, 0)),
    ("bluetooth", || socket(31, libc::SOCK_RAW, 0)),
    ("layers of Landlock", || {
        // The kernel takes 16 on one process: those that are there are missing.
        // SAFETY: attributes and size are those of the first version.
        unsafe {
            let attributes = 1_u64 << 2; // reading files
            let rules = libc::syscall(444, &raw const attributes, 8_usize, 0_u32);
            let mut more = 0;
            while more < 20 && libc::syscall(446, rules, 0_u32) == 0 {
                more += 1;
            }
            Ok(16 - more)
        }
    }),
    ("abstract socket", || {
        use std::os::linux::net::SocketAddrExt as _;
        let address = std::os::unix::net::SocketAddr::from_abstract_name("selfsame-test").expect("a name");
        match std::os::unix::net::UnixStream::connect_addr(&address) {
            Ok(_) => Ok(0),
            Err(error) => Err(error.raw_os_error().unwrap_or(0)),
        }
    }),
    ("raw", || socket(libc::AF_INET, libc::SOCK_RAW, 1)),
    ("tiocsti", || call(libc::SYS_ioctl, [0, 0x5412, text(c"x"), 0, 0, 0])),
    ("tioclinux", || call(libc::SYS_ioctl, [0, 0x541c, text(c"x"), 0, 0, 0])),
    ("personality", || call(libc::SYS_personality, [0x0040_0000, 0, 0, 0, 0, 0])),
    ("seccomp away", || call(libc::SYS_prctl, [22, 0, 0, 0, 0, 0])),
    ("new privileges", || call(libc::SYS_prctl, [38, 0, 0, 0, 0, 0])),
    ("unknown", || call(471, [0; 6])),
    ("now", || Ok(seconds())),
    ("now in a thread", || Ok(std::thread::spawn(seconds).join().expect("it does not panic"))),
    ("time call", || {
        #[cfg(target_arch = "x86_64")]
        return call(libc::SYS_time, [0; 6]);
        #[cfg(not(target_arch = "x86_64"))]
        return Ok(seconds());
    }),
    ("gettimeofday call", || {
        let mut time = [0_i64; 2];
        call(libc::SYS_gettimeofday, [(&raw mut time) as i64, 0, 0, 0, 0, 0]).map(|_| time[0])
    }),
    ("clock_gettime call", || {
        let mut time = [0_i64; 2];
        call(libc::SYS_clock_gettime, [0, (&raw mut time) as i64, 0, 0, 0, 0]).map(|_| time[0])
    }),
    ("mtime of a new file", || {
        std::fs::write("/tmp/new", "x").expect("room");
        let meta = std::fs::metadata("/tmp/new").expect("it is there");
        let since = meta.modified().expect("a time").duration_since(std::time::UNIX_EPOCH);
        Ok(since.expect("after 1970").as_secs().cast_signed())
    }),
    ("getrandom", || {
        let mut number = 0_i64;
        call(libc::SYS_getrandom, [(&raw mut number) as i64, 8, 0, 0, 0, 0]).map(|_| number & i64::MAX)
    }),
    ("bytes at the start", || {
        // SAFETY: the kernel gives 16 bytes there.
        let number = unsafe { (libc::getauxval(libc::AT_RANDOM) as *const i64).read_unaligned() };
        Ok(number & i64::MAX)
    }),
    ("memory of sysinfo", || {
        // SAFETY: all-zero is valid, and it is writable.
        let mut info: libc::sysinfo = unsafe { std::mem::zeroed() };
        call(libc::SYS_sysinfo, [(&raw mut info) as i64, 0, 0, 0, 0, 0])
            .map(|_| (info.totalram * u64::from(info.mem_unit)).cast_signed())
    }),
    ("empty a directory while reading it", || {
        std::fs::create_dir("/tmp/many").expect("room");
        for number in 0..3000 {
            std::fs::write(format!("/tmp/many/a-rather-long-name-{number}"), "").expect("room");
        }
        let mut count = 0;
        for entry in std::fs::read_dir("/tmp/many").expect("it is there") {
            std::fs::remove_file(entry.expect("an entry").path()).expect("it is there");
            count += 1;
        }
        std::fs::remove_dir("/tmp/many").expect("it is empty");
        Ok(count)
    }),
    ("calls that ends of children interrupted", || {
        extern "C" fn hear(_: libc::c_int) {}
        let mut interrupted = 0;
        // SAFETY: the handler does nothing; what the calls point at is alive; the children only end.
        unsafe {
            // As dash has it: what the signal interrupts is not made again.
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = hear as extern "C" fn(libc::c_int) as usize;
            libc::sigaction(libc::SIGCHLD, &raw const action, ptr::null_mut());
            for _ in 0..300 {
                let child = libc::fork();
                if child == 0 {
                    libc::_exit(0);
                }
                for _ in 0..20 {
                    let mut stat = std::mem::zeroed();
                    interrupted += i64::from(libc::stat(c"/".as_ptr(), &raw mut stat) != 0);
                }
                while libc::waitpid(child, ptr::null_mut(), 0) != child {}
            }
        }
        Ok(interrupted)
    }),
    ("seek in a directory", || {
        std::fs::create_dir("/tmp/few").expect("room");
        for name in ["a", "b", "c"] {
            std::fs::write(format!("/tmp/few/{name}"), "").expect("room");
        }
        // SAFETY: a directory stream of our own, used as the C library wants it.
        unsafe {
            let dir = libc::opendir(c"/tmp/few".as_ptr());
            let name = || CStr::from_ptr((*libc::readdir(dir)).d_name.as_ptr()).to_owned();
            let first: Vec<_> = (0..3).map(|_| name()).collect();
            let here = libc::telldir(dir);
            let next = name();
            libc::seekdir(dir, here);
            let again = name();
            libc::rewinddir(dir);
            let from_start = name();
            Ok(i64::from(next == again && from_start == first[0] && next == *c"b"))
        }
    }),
    #[cfg(target_arch = "x86_64")]
    ("x32", || call(0x4000_0000 + 39, [0; 6])),
    #[cfg(target_arch = "x86_64")]
    ("iopl", || call(libc::SYS_iopl, [3, 0, 0, 0, 0, 0])),
    #[cfg(target_arch = "x86_64")]
    ("i386", i386),
];

fn seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_secs().cast_signed()
}

fn call(number: i64, a: [i64; 6]) -> Found {
    // SAFETY: what the calls point at is alive; those that would change this process change a probe.
    let result = unsafe { libc::syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]) };
    if result < 0 { Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)) } else { Ok(result) }
}

fn text(text: &'static CStr) -> i64 {
    text.as_ptr() as i64
}

fn parent() -> i64 {
    std::os::unix::process::parent_id().into()
}

fn socket(family: i32, kind: i32, protocol: i32) -> Found {
    call(libc::SYS_socket, [family.into(), kind.into(), protocol.into(), 0, 0, 0]).map(|_| 0)
}

/// `getpid` by the door of 32-bit programs.
#[cfg(target_arch = "x86_64")]
fn i386() -> Found {
    let result: i32;
    // SAFETY: the call takes no arguments and changes nothing but eax.
    unsafe { std::arch::asm!("int 0x80", inlateout("eax") 20 => result, options(nostack)) };
    if result < 0 { Err(-result) } else { Ok(result.into()) }
}

/// A datagram to 192.0.2.9:9 (and the next ones) in three ways.
fn datagram(number: i64) -> Found {
    let last: u8 = match number {
        libc::SYS_sendto => 9,
        libc::SYS_sendmsg => 10,
        _ => 11,
    };
    let socket = call(libc::SYS_socket, [libc::AF_INET.into(), libc::SOCK_DGRAM.into(), 0, 0, 0, 0])?;
    let mut address = [0_u8; 16];
    address[..2].copy_from_slice(&2_u16.to_ne_bytes());
    address[2..8].copy_from_slice(&[0, last, 192, 0, 2, last]);
    let mut part = libc::iovec { iov_base: address.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: all-zero is valid.
    let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
    message.msg_hdr.msg_name = address.as_mut_ptr().cast();
    message.msg_hdr.msg_namelen = 16;
    message.msg_hdr.msg_iov = &raw mut part;
    message.msg_hdr.msg_iovlen = 1;
    let at = &raw const message as i64;
    match number {
        libc::SYS_sendto => {
            call(number, [socket, address.as_ptr() as i64, 1, 0, address.as_ptr() as i64, 16])
        }
        libc::SYS_sendmsg => call(number, [socket, at, 0, 0, 0, 0]),
        _ => call(number, [socket, at, 1, 0, 0, 0]),
    }
}

/// The half inside; outside it has nothing to do.
#[test]
fn inside() {
    let Ok(name) = std::env::var("PROBE") else { return };
    let (_, make) = CALLS.iter().find(|(known, _)| *known == name).expect("a call of the table");
    match make() {
        Ok(number) => println!("PROBE ok {number}"),
        Err(errno) => println!("PROBE errno {errno}"),
    }
}

impl World {
    /// Runs one of [`CALLS`] inside. [`World::add_this_program`] must have been called.
    pub(crate) fn probe(&self, name: &str) -> Ran {
        self.sh(&format!("PROBE='{name}' /opt/program probe::inside --exact --nocapture 2>&1"))
    }

    /// What came of it: a number, or the errno.
    pub(crate) fn probed(&self, name: &str) -> Found {
        found(&self.probe(name))
    }
}

/// What a probe printed.
pub(crate) fn found(ran: &Ran) -> Found {
    let line = ran.log.lines().find_map(|line| line.strip_prefix("PROBE "));
    let (word, number) = line.and_then(|line| line.split_once(' ')).expect(&ran.log);
    let number: i64 = number.parse().expect("a number");
    if word == "ok" { Ok(number) } else { Err(i32::try_from(number).expect("an errno")) }
}
