//! The libraries that a program of this machine loads, as its own loader says.

use std::path::Path;
use std::process::{Command, Stdio};

/// Absolute paths; none for what is no dynamic program, or if the machine cannot say.
pub(super) fn of(root: &Path, program: &str) -> Vec<String> {
    let full = root.join(program.trim_start_matches('/'));
    let mut start = [0; 4];
    let read = std::fs::File::open(&full).and_then(|mut f| std::io::Read::read(&mut f, &mut start));
    if read.is_err() || &start != b"\x7fELF" {
        return Vec::new();
    }
    let output = Command::new("ldd").arg(&full).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let Ok(output) = output else { return Vec::new() };
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// `NAME => PATH (ADDRESS)`, and `PATH (ADDRESS)` for the loader.
fn parse(text: &str) -> Vec<String> {
    let path = |line: &str| {
        let line = line.trim();
        let place = line.split_once("=> ").map_or(line, |(_, place)| place);
        let place = place.split(" (").next()?.trim();
        place.starts_with('/').then(|| place.to_owned())
    };
    text.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_of_ldd() {
        let text = "\tlinux-vdso.so.1 (0x0)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x0)\n\tgone.so => not found\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x0)\n\tstatically linked\n";
        assert_eq!(super::parse(text), ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
    }
}
