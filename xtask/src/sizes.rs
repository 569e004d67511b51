//! The wall: no source file over 800 lines, tests and tables aside.

use crate::{Report, tree};

/// The most lines a source file may have.
const WALL: usize = 800;

/// The first line of a file that is a table: long because the world is.
const TABLE: &str = "// table";

pub(crate) fn run() -> Result<Report, String> {
    Ok(check(&tree::sources()?))
}

fn check(sources: &[(String, String)]) -> Report {
    let mut sizes: Vec<(usize, &str)> = sources
        .iter()
        .filter(|(file, text)| is_code(file) && !text.starts_with(TABLE))
        .map(|(file, text)| (lines(text), file.as_str()))
        .collect();
    sizes.sort_unstable();
    let complaints = sizes
        .iter()
        .filter(|(lines, _)| *lines > WALL)
        .map(|(lines, file)| {
            format!("{file}: {lines} lines without tests; the wall is {WALL}: make two rooms of it")
        })
        .collect();
    let note = match (sizes.get(sizes.len() / 2), sizes.last()) {
        (Some((median, _)), Some((most, largest))) => {
            format!("{} files, median {median} lines, largest {most} ({largest})", sizes.len())
        }
        _ => String::new(),
    };
    Report { complaints, note }
}

/// Whether the file is source code that ships or builds: under a `src` folder, and no file of tests.
fn is_code(file: &str) -> bool {
    let folders: Vec<&str> = file.split('/').collect();
    folders.contains(&"src") && !folders.contains(&"tests") && !file.ends_with("/tests.rs")
}

/// Lines before the module of unit tests.
fn lines(text: &str) -> usize {
    let all: Vec<&str> = text.lines().collect();
    let tests = all.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    tests.unwrap_or(all.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, first: &str, lines: usize, tests: usize) -> (String, String) {
        let mut text = format!("{first}\n{}", "x\n".repeat(lines - 1));
        if tests > 0 {
            text.push_str(&format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "y\n".repeat(tests)));
        }
        (name.to_owned(), text)
    }

    #[test]
    fn the_wall_stands_between_800_and_801() {
        assert_eq!(check(&[file("crates/a/src/a.rs", "", 800, 0)]).complaints, [""; 0]);
        let report = check(&[file("crates/a/src/a.rs", "", 801, 0), file("crates/a/src/b.rs", "", 10, 0)]);
        assert_eq!(report.complaints.len(), 1);
        assert!(report.complaints[0].starts_with("crates/a/src/a.rs: 801 lines"), "{:?}", report.complaints);
        assert_eq!(report.note, "2 files, median 801 lines, largest 801 (crates/a/src/a.rs)");
    }

    #[test]
    fn tests_and_tables_are_aside() {
        let files = [
            file("crates/a/src/a.rs", "", 700, 900),
            file("crates/a/src/table.rs", "// table: every licence", 2000, 0),
            file("crates/a/tests/it/a.rs", "", 2000, 0),
            file("crates/a/src/a/tests.rs", "", 2000, 0),
        ];
        let report = check(&files);
        assert_eq!(report.complaints, [""; 0]);
        assert_eq!(report.note, "1 files, median 700 lines, largest 700 (crates/a/src/a.rs)");
    }

    #[test]
    fn the_project_keeps_below_the_wall() {
        assert_eq!(run().unwrap().complaints, [""; 0]);
    }
}
