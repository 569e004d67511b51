//! The files of `/proc` that tell about the machine, as the conditions have it.

use std::fmt::Write as _;

use model::Conditions;

/// Path below the root and content of each file.
pub(crate) fn files(conditions: &Conditions) -> Vec<(&'static str, String)> {
    let Conditions { cpus, kernel_release, kernel_version, memory_seen, .. } = conditions;
    let kilobytes = memory_seen / 1024;
    let mut memory = String::new();
    for (name, value) in [
        ("MemTotal", kilobytes),
        ("MemFree", kilobytes),
        ("MemAvailable", kilobytes),
        ("Buffers", 0),
        ("Cached", 0),
        ("SwapCached", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
    ] {
        let _ = writeln!(memory, "{:<15} {value:>8} kB", format!("{name}:"));
    }
    let mut processors = String::new();
    let mut times = String::from("cpu  0 0 0 0 0 0 0 0 0 0\n");
    for cpu in 0..*cpus {
        let _ = write!(processors, "{}", processor(cpu));
        let _ = writeln!(times, "cpu{cpu} 0 0 0 0 0 0 0 0 0 0");
    }
    times.push_str("intr 0\nctxt 0\nbtime 0\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n");
    vec![
        ("proc/cpuinfo", processors),
        ("proc/meminfo", memory),
        ("proc/stat", times),
        ("proc/loadavg", "0.00 0.00 0.00 1/1 1\n".to_owned()),
        ("proc/uptime", "1.00 1.00\n".to_owned()),
        ("proc/cmdline", "\n".to_owned()),
        ("proc/version", format!("Linux version {kernel_release} (selfsame) {kernel_version}\n")),
        ("proc/sys/kernel/osrelease", format!("{kernel_release}\n")),
        ("proc/sys/kernel/version", format!("{kernel_version}\n")),
        ("proc/sys/kernel/random/boot_id", "00000000-0000-4000-8000-000000000000\n".to_owned()),
    ]
}

/// The same of the names that the kernel has for the machine, which a host may not let it be given (Podman's filter of
/// system calls refuses `sethostname`); `uname` is answered in any case.
pub(crate) fn names(conditions: &Conditions) -> [(&'static str, String); 2] {
    [
        ("proc/sys/kernel/hostname", format!("{}\n", conditions.hostname)),
        ("proc/sys/kernel/domainname", format!("{}\n", conditions.domain)),
    ]
}

/// What every processor of the architecture has, and no name of a model.
fn processor(number: u32) -> String {
    if cfg!(target_arch = "x86_64") {
        format!(
            "processor\t: {number}\nvendor_id\t: selfsame\ncpu family\t: 6\nmodel\t\t: 0\nmodel name\t: x86-64\n\
             stepping\t: 0\ncpu MHz\t\t: 1000.000\ncache size\t: 0 KB\nphysical id\t: 0\nsiblings\t: 1\n\
             core id\t\t: {number}\ncpu cores\t: 1\nfpu\t\t: yes\n\
             flags\t\t: fpu tsc cx8 cmov mmx fxsr sse sse2 syscall nx lm\nbogomips\t: 2000.00\n\n"
        )
    } else {
        format!("processor\t: {number}\nBogoMIPS\t: 100.00\nFeatures\t: fp asimd\n\n")
    }
}
