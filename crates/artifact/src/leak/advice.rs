//! What would keep a leak out: by its rule and by the kind of file that it is in.

use model::LeakRule;

use crate::Kind;

/// One or two sentences.
pub(super) fn advice(rule: LeakRule, kind: Option<Kind>, field: Option<&str>) -> &'static str {
    match (rule, kind, field) {
        (_, _, Some("user" | "group")) => "normalize = [\"user-group\"]",
        (LeakRule::UserName, _, Some(_)) | (LeakRule::UserName, Some(Kind::Jar), _) => {
            "normalize = [\"jar-class\"], or do not let the tool write it"
        }
        (LeakRule::BuildPath, Some(Kind::Elf | Kind::Pe | Kind::MachO), _) => {
            "map it away: `-ffile-prefix-map=$PWD=.` (C, C++), `--remap-path-prefix=$PWD=.` (Rust), `-trimpath` (Go)"
        }
        (LeakRule::BuildPath, Some(Kind::Pyc), _) => {
            "compile with `python3 -m compileall -s $PWD/out`, or ship no compiled files"
        }
        (LeakRule::BuildPath, Some(Kind::Class), _) => {
            "hand the compiler paths that are relative to the build directory"
        }
        (LeakRule::BuildPath, ..) => {
            "have it written relative, or take it out with sed behind the installation"
        }
        (LeakRule::DebugPath, ..) => {
            "debuggers go by it; `-ffile-prefix-map=$PWD=.` makes it relative, `debug` of the artifact ships it apart"
        }
        (LeakRule::HostPath | LeakRule::HostName | LeakRule::UserName, ..) => {
            "no step can see it: it came with a source or with a toolchain that was captured from a machine"
        }
        (LeakRule::PrivateKey, ..) => {
            "if it is in use, withdraw it; if it is a test's, leave it out or allow it by line (`allow-leaks`)"
        }
        (LeakRule::Token, ..) => "withdraw it where it was issued; give it to steps with `secrets`",
        (LeakRule::Secret, ..) => "write it nowhere; who may have seen it should not know it any longer",
    }
}
