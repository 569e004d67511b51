//! Programs of real compilers, split: they run as before, and debuggers find what was split off.

use artifact::{ReadError, Split, split};

use crate::normal::scene::Scene;

const MAIN: &str = r#"
#include <stdio.h>
#include <stdlib.h>
struct point { int x, y; };
static int inner(struct point *p) { return p->x * 3 + p->y; }
int outer(int n) { struct point p = { n, 1 }; return inner(&p); }
#ifndef LIBRARY
int main(int argc, char **argv) { printf("%d\n", outer(argc > 1 ? atoi(argv[1]) : 2)); return 0; }
#endif
"#;

/// Splits `name`, and puts both halves where a debugger looks: `out/NAME` and `usr/lib/debug/…`.
fn apart(scene: &Scene, name: &str) -> Split {
    let bytes = scene.read(name);
    let made = split(name, &bytes).unwrap().unwrap_or_else(|| panic!("{name}: nothing to split off"));
    assert_eq!(split(name, &bytes).unwrap().unwrap(), made, "{name}: twice the same");
    scene.write(&format!("out/{name}"), &made.stripped).write(&made.place, &made.debug);
    scene.run(&format!("chmod +x out/{name}"));
    assert!(split(name, &made.stripped).unwrap().is_none(), "{name}: splitting twice is splitting once");
    assert!(split(name, &made.debug).unwrap().is_none(), "{name}: a debug file is not split");
    made
}

/// readelf and objdump read both halves, and say of them no more than of the program and of the debug file that objcopy
/// makes; what is loaded is the same, and so is the build id.
fn is_read(scene: &Scene, name: &str, made: &Split) {
    scene.run(&format!("objcopy --only-keep-debug '{name}' theirs.debug"));
    let told = |file: &str| scene.run(&format!("readelf --wide --all '{file}' 2>&1 >/dev/null | sort -u"));
    for (ours, theirs) in [(format!("out/{name}"), name), (made.place.clone(), "theirs.debug")] {
        let (ours_told, theirs) = (told(&ours), told(theirs));
        for line in ours_told.lines() {
            assert!(theirs.contains(line), "{ours}: {line}");
        }
        scene.run(&format!("objdump -x '{ours}' >/dev/null; objdump -d '{ours}' >/dev/null"));
    }
    scene.run(&format!(
        "objcopy -O binary '{name}' a.bin; objcopy -O binary 'out/{name}' b.bin; cmp a.bin b.bin"
    ));
    let id = |file: &str| scene.run(&format!("readelf -n '{file}' 2>/dev/null | grep 'Build ID' || true"));
    assert_eq!(id(name), id(&format!("out/{name}")), "{name}");
    let sections = scene.run(&format!("readelf -SW 'out/{name}'"));
    assert!(!sections.contains(".debug_info") && !sections.contains(".symtab"), "{sections}");
    assert!(sections.contains(".gnu_debuglink"), "{sections}");
}

/// What gdb says of a line of its own language.
fn gdb(scene: &Scene, file: &str, ask: &str) -> String {
    scene.run(&format!(
        "HOME=$PWD gdb -nx -batch -iex 'set debuginfod enabled off' -iex \"set debug-file-directory $PWD/usr/lib/debug\" -ex '{ask}' '{file}' 2>&1 || true"
    ))
}

#[test]
fn programs_of_c_run_and_gdb_finds_what_was_split_off() {
    let scene = Scene::new();
    scene.write("m.c", MAIN);
    for (name, flags) in [
        ("pie", "-O1"),
        ("fixed", "-no-pie -O2"),
        ("static", "-static"),
        ("compressed", "-gz=zlib"),
        ("dwarf4", "-gdwarf-4 -ffunction-sections -Wl,--gc-sections"),
        ("no-id", "-Wl,--build-id=none"),
    ] {
        scene.run(
            &format!("gcc -g {flags} -Wl,--build-id -o {name} m.c")
                .replace("-Wl,--build-id=none -Wl,--build-id", "-Wl,--build-id=none"),
        );
        let made = apart(&scene, name);
        is_read(&scene, name, &made);
        assert_eq!(scene.run(&format!("out/{name} 7")), "22\n", "{name}");
        let by_id = made.place.starts_with("usr/lib/debug/.build-id/");
        assert_eq!(by_id, name != "no-id", "{}", made.place);
        if !by_id {
            // gdb looks beside the file, or below the folder of debug files under its whole path.
            scene.run(&format!("mkdir -p out/.debug; cp {} out/.debug/", made.place));
        }
        let told = gdb(&scene, &format!("out/{name}"), "info line inner");
        assert!(told.contains("Line 5 of \"m.c\""), "{name}: {told}");
        let told = gdb(&scene, &format!("out/{name}"), "ptype struct point");
        assert!(told.contains("int x;"), "{name}: {told}");
        scene.run("rm -rf out/.debug");
        assert!(!gdb(&scene, &format!("out/{name}"), "info line inner").contains("m.c") || by_id, "{name}");
    }
}

#[test]
fn a_backtrace_has_lines_and_arguments() {
    let scene = Scene::new();
    scene.write("m.c", MAIN);
    scene.run("gcc -g -O0 -Wl,--build-id -o x m.c");
    apart(&scene, "x");
    scene.run("rm x m.c");
    let told = scene.run(
        "HOME=$PWD gdb -nx -batch -iex 'set debuginfod enabled off' -iex \"set debug-file-directory $PWD/usr/lib/debug\" \
         -ex 'set startup-with-shell off' -ex 'break inner' -ex 'run 9' -ex 'backtrace' -ex 'print *p' out/x 2>&1",
    );
    assert!(told.contains("in outer (n=9) at m.c:6") && told.contains("$1 = {x = 9, y = 1}"), "{told}");
}

#[test]
fn libraries_of_c_and_cxx_are_linked_and_throw() {
    let scene = Scene::new();
    scene.write("m.c", MAIN).write(
        "t.cc",
        "#include <stdexcept>\n#include <string>\nextern \"C\" int outer(int);\nextern \"C\" int thrown(int n) {\n\
         try { throw std::runtime_error(std::to_string(outer(n))); } catch (const std::exception &e) { return std::stoi(e.what()); } }\n",
    );
    scene.write(
        "u.c",
        "#include <stdio.h>\nint thrown(int);\nint main(void) { printf(\"%d\\n\", thrown(4)); return 0; }\n",
    );
    scene.run("gcc -g -shared -fPIC -DLIBRARY -Wl,--build-id -o libouter.so m.c; g++ -g -shared -fPIC -Wl,--build-id -o libthrown.so t.cc -L. -louter");
    for library in ["libouter.so", "libthrown.so"] {
        let made = apart(&scene, library);
        is_read(&scene, library, &made);
    }
    scene.run("gcc -o u u.c -Lout -lthrown -louter");
    assert_eq!(scene.run("LD_LIBRARY_PATH=$PWD/out ./u"), "13\n");
    assert!(gdb(&scene, "out/libthrown.so", "info line thrown").contains("t.cc"));
}

#[test]
fn elfutils_puts_the_halves_together_again() {
    let scene = Scene::new();
    scene.write("m.c", MAIN);
    scene.run(
        "gcc -g -Wl,--build-id -o x m.c; gcc -g -m64 -shared -fPIC -DLIBRARY -Wl,--build-id -o lib.so m.c",
    );
    for name in ["x", "lib.so"] {
        let made = apart(&scene, name);
        scene.run(&format!("eu-unstrip -o whole out/{name} '{}'", made.place));
        scene.run("chmod +x whole; eu-readelf -S whole >s.txt");
        assert!(gdb(&scene, "whole", "info line inner").contains("Line 5 of \"m.c\""), "{name}");
        let told = scene.run(&format!("eu-elflint --gnu-ld out/{name} 2>&1 || true"));
        let before = scene.run(&format!("eu-elflint --gnu-ld {name} 2>&1 || true"));
        assert_eq!(told, before, "{name}: nothing that was not there before");
        let told = scene.run(&format!("eu-elflint --gnu-ld -d '{}' 2>&1 || true", made.place));
        assert_eq!(told.trim(), "No errors", "{name}");
    }
    if scene.run("uname -m").trim() == "x86_64" {
        assert_eq!(scene.run("./out/x 3"), "10\n");
    }
}

#[test]
fn programs_of_go_and_rust_run() {
    let scene = Scene::new();
    scene.write("m.go", "package main\n\nimport \"fmt\"\n\nfunc double(n int) int { return n * 2 }\n\nfunc main() { fmt.Println(double(21)) }\n");
    scene.write(
        "m.rs",
        "fn main() { let v: Vec<u32> = (1..5).collect(); println!(\"{}\", v.iter().sum::<u32>()); }\n",
    );
    scene.run("rustc -g -o rs m.rs");
    let made = apart(&scene, "rs");
    is_read(&scene, "rs", &made);
    assert_eq!(scene.run("out/rs"), "10\n");
    scene.run("export HOME=$PWD GOCACHE=$PWD/cache GO111MODULE=off PATH=$PATH:/usr/local/go/bin; go build -o go-program m.go");
    match split("go-program", &scene.read("go-program")) {
        Ok(Some(_)) => {
            let made = apart(&scene, "go-program");
            is_read(&scene, "go-program", &made);
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
    assert_eq!(scene.run("out/go-program"), "42\n");
}

#[test]
fn what_is_no_program_is_left_alone() {
    let scene = Scene::new();
    scene.write("m.c", MAIN);
    scene.run("gcc -g -c -o m.o m.c; ar rc m.a m.o; gcc -o plain m.c; gcc -g -s -o bare m.c; gcc -g -Wl,--build-id -o x m.c");
    for name in ["m.o", "m.a", "plain", "bare", "m.c"] {
        assert_eq!(split(name, &scene.read(name)), Ok(None), "{name}");
    }
    // Relocations that stand among loaded sections: their numbers would change, and symbols go by them.
    scene.run("gcc -g -Wl,--emit-relocs -o relocations m.c");
    assert!(matches!(split("relocations", &scene.read("relocations")), Err(ReadError::Unsupported { .. })));
    // A link that is there already would be lost.
    scene.run("objcopy --only-keep-debug x x.debug; objcopy --add-gnu-debuglink=x.debug x linked");
    assert!(matches!(split("linked", &scene.read("linked")), Err(ReadError::Unsupported { .. })));
    assert_eq!(split("x.debug", &scene.read("x.debug")), Ok(None));
}

#[test]
fn damaged_programs_are_refused_and_nothing_panics() {
    let scene = Scene::new();
    scene.write("m.c", MAIN);
    scene.run("gcc -g -Wl,--build-id -o x m.c");
    let whole = scene.read("x");
    for length in (0..whole.len()).step_by(211) {
        let _ = split("x", &whole[..length]);
    }
    // Every field of the headers at one extreme and another.
    let sections = usize::try_from(u64::from_le_bytes(whole[0x28..0x30].try_into().unwrap())).unwrap();
    for at in (0..1000).step_by(3).chain((sections..whole.len()).step_by(5)) {
        for value in [0, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            if let Ok(Some(made)) = split("x", &bytes) {
                assert!(
                    made.stripped.len() <= bytes.len() + 4096 && made.debug.len() <= 2 * bytes.len() + 65_536
                );
            }
        }
    }
}

/// A shared library of 64 bits that no linker wrote: segments of notes by offset and size, a section of debugging information
/// of `size` bytes, and before it an empty section of notes for each offset into the names.
fn hostile(notes: &[(u64, u64)], size: usize, named: &[u32]) -> Vec<u8> {
    let names = [b"\0.debug_info\0".as_slice(), &vec![b'a'; 4 * named.len()], b"\0"].concat();
    let content = 64 + 56 * notes.len();
    let (names_at, table) = (content + size, (content + size + names.len()).next_multiple_of(8));
    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    out.resize(16, 0);
    let half = |out: &mut Vec<u8>, values: &[u16]| values.iter().for_each(|v| out.extend(v.to_le_bytes()));
    let word = |out: &mut Vec<u8>, values: &[u32]| values.iter().for_each(|v| out.extend(v.to_le_bytes()));
    let long = |out: &mut Vec<u8>, values: &[u64]| values.iter().for_each(|v| out.extend(v.to_le_bytes()));
    half(&mut out, &[3, 62]);
    word(&mut out, &[1]);
    long(&mut out, &[0, 64, table as u64]);
    word(&mut out, &[0]);
    let count = |count: usize| u16::try_from(count).unwrap();
    let (segments, sections) = (count(notes.len()), count(named.len() + 3));
    half(&mut out, &[64, 56, segments, 64, sections, sections - 1]);
    for (from, size) in notes {
        word(&mut out, &[4, 4]);
        long(&mut out, &[*from, 0, 0, *size, *size, 1]);
    }
    out.resize(names_at, b'd');
    out.extend(&names);
    out.resize(table, 0);
    let section = |out: &mut Vec<u8>, name: u32, kind: u32, flags: u64, at: usize, size: usize| {
        word(out, &[name, kind]);
        long(out, &[flags, 0, at as u64, size as u64]);
        word(out, &[0, 0]);
        long(out, &[1, 0]);
    };
    section(&mut out, 0, 0, 0, 0, 0);
    for name in named {
        section(&mut out, *name, 7, 2, 0, 0);
    }
    section(&mut out, 1, 1, 0, content, size);
    section(&mut out, 0, 3, 0, names_at, names.len());
    out
}

#[test]
fn what_is_not_all_of_it_is_left_whole() {
    let scene = Scene::new();
    scene.write("m.c", MAIN);
    scene.run(
        "gcc -g -Wl,--build-id -o x m.c; zip -q app.zip m.c; cat x app.zip >packed; (cat x; echo) >longer",
    );
    let mut image = scene.read("x");
    // As an AppImage has it: it runs, and the mark would be lost.
    image[8..11].copy_from_slice(b"AI\x02");
    for (bytes, why) in [
        (scene.read("packed"), " bytes that are none of it follow its end"),
        (scene.read("longer"), "1 bytes that are none of it follow its end"),
        (image, "as an AppImage has"),
    ] {
        match split("x", &bytes) {
            Err(ReadError::Unsupported { what, .. }) => assert!(what.ends_with(why), "{what}"),
            other => unreachable!("{why}: {:?}", other.map(|made| made.is_some())),
        }
    }
}

#[test]
fn what_names_the_same_bytes_over_and_over_is_left_whole() {
    let refused = |bytes: &[u8]| match split("x", bytes) {
        Err(ReadError::Unsupported { what, .. }) => what,
        other => unreachable!("{:?}", other.map(|made| made.map(|made| made.debug.len()))),
    };
    assert!(
        matches!(split("x", &hostile(&[(64, 8)], 5000, &[1, 20])), Ok(Some(_))),
        "it is no other's fault"
    );
    let notes: Vec<_> = (0..200).map(|at| (at, 100_000)).collect();
    assert_eq!(refused(&hostile(&notes, 120_000, &[])), "its sections overlap");
    let named: Vec<_> = (13..2013).collect();
    assert_eq!(refused(&hostile(&[], 100, &named)), "its names overlap");
}

#[test]
fn large_tables_are_read() {
    let notes: Vec<_> = (0..50_000).map(|at| (64 + at, 1)).collect();
    // Each is called `a`.
    let named = vec![13 + 4 * 60_000 - 1; 60_000];
    let bytes = hostile(&notes, 100, &named);
    assert!(matches!(split("x", &bytes), Ok(Some(_))));
}
