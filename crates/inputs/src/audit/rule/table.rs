// table: every rule, its weight and its reason
//! The rules, in the order of reports and documents.

use super::Bar::{Deterministic, Hermetic, Locked, Verified};
use super::Severity::{Error, Info, Warn};
use super::{Bar, Rule, Severity};

macro_rules! rules {
    ($($name:ident $id:literal $severity:ident $bar:ident $points:expr, $title:literal, $why:literal;)*) => {
        /// A rule's name in code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(usize)]
        pub enum Id {
            $(#[doc = $title] $name,)*
        }

        /// Every rule.
        pub const RULES: &[Rule] = &[
            $(Rule { id: $id, severity: const { let it: Severity = $severity; it },
                     bar: const { let it: Bar = $bar; it }, points: &$points, title: $title, why: $why },)*
        ];
    };
}

rules! {
    Lock01 "LOCK01" Error Locked [2], "a manifest without a lockfile", "versions are chosen anew each time";
    Lock02 "LOCK02" Error Locked [2], "a lockfile that does not fit its manifest", "the tool resolves anew, or fails";
    Lock03 "LOCK03" Error Locked [2], "a lockfile that git ignores", "nobody else has it, so everybody resolves anew";
    Lock04 "LOCK04" Warn Locked [2], "two lockfiles of one ecosystem", "which one counts depends on who builds";
    Lock05 "LOCK05" Error Verified [2], "a lockfile too old to hold good hashes", "what comes cannot be checked";
    Lock06 "LOCK06" Error Verified [2], "an entry without a hash", "other bytes under the same name are taken";
    Lock07 "LOCK07" Warn Locked [2], "a lockfile's entry without its address", "where it comes from depends on the machine";
    Lock08 "LOCK08" Error Locked [2], "a git repository by branch or tag, not by commit", "branches move, and tags can";
    Lock09 "LOCK09" Error Verified [2], "an input over plain http", "anyone on the way can change it";
    Lock10 "LOCK10" Warn Verified [2], "a hash that is too weak (MD5, SHA-1)", "others can make bytes with the same hash";
    Lock11 "LOCK11" Error Hermetic [3], "a dependency outside the repository", "it is there on one machine only";
    Lock12 "LOCK12" Error Locked [2], "a build tool or plugin that nothing locks", "it runs in the build, and no lockfile has it";
    Lock13 "LOCK13" Warn Locked [2], "online: a dependency that was released only days ago", "what is bad in it has not been noticed yet";
    Lock14 "LOCK14" Error Locked [2], "an install that ignores the lock, or a version that floats", "it takes what is newest on that day";
    Lock15 "LOCK15" Error Verified [1, 2], "a wrapper without a checksum", "it downloads the build tool and runs what came";
    Lock16 "LOCK16" Warn Locked [2], "online: a version that its makers withdrew", "it may go, and was withdrawn for a reason";
    Lock17 "LOCK17" Error Verified [2], "go.sum lacks a required module", "its bytes are not checked";
    Lock18 "LOCK18" Warn Locked [2], "a second package index", "the same name on the other index may win";
    Tool01 "TOOL01" Error Locked [1], "a toolchain by channel or range", "another compiler gives other bytes";
    Tool02 "TOOL02" Error Locked [1, 2], "system packages by name, from today's archive", "the archive has others tomorrow";
    Tool03 "TOOL03" Error Hermetic [1, 3], "a program that was looked for and is not declared", "it would come from the host";
    Tool05 "TOOL05" Info Deterministic [1], "code made for the processor at hand", "another machine gives other bytes";
    Tool06 "TOOL06" Error Locked [1], "an installer of toolchains with a version that floats", "it installs another one next time";
    Tool07 "TOOL07" Warn Locked [1], "a pre-commit hook by tag", "tags can move";
    Tool08 "TOOL08" Error Verified [2], "a remote input of CMake, Meson or Bazel without a hash", "other bytes are taken";
    Tool09 "TOOL09" Warn Locked [2], "a git submodule that follows a branch", "an update moves it";
    Tool10 "TOOL10" Warn Locked [1], "a feature, chart or module whose version floats", "it is another one next time";
    Img01 "IMG01" Error Locked [1], "an image by tag, not by digest", "a tag is moved with every rebuild of the image";
    Img02 "IMG02" Error Locked [1], "an image by `latest`, or without a tag", "it is whatever was pushed last";
    Img03 "IMG03" Error Verified [2], "ADD of a URL without --checksum", "other bytes are taken";
    Img04 "IMG04" Error Locked [2, 4], "packages by name, from today's archive, in an image", "the image changes with the archive";
    Img05 "IMG05" Warn Deterministic [5, 6], "an image built without SOURCE_DATE_EPOCH", "its layers carry the time of the build";
    Img06 "IMG06" Warn Hermetic [2, 3], "an upgrade, or a cache that outlives the build", "the result depends on the day, or on earlier builds";
    Img08 "IMG08" Warn Hermetic [3], "the whole folder goes into an image, and nothing is left out", "files that git does not know get in";
    Ci01 "CI01" Error Locked [1], "an action or reusable workflow not pinned to a commit", "whoever moves its tag runs code here";
    Ci02 "CI02" Warn Locked [1], "a pinned action without its version in a comment", "nobody sees what it is, or that it is old";
    Ci03 "CI03" Warn Locked [1], "online: a commit that is not what its comment says, or on no branch or tag", "whoever forks a repository can make one";
    Ci04 "CI04" Error Locked [1], "a setup action with a version that floats", "the tool is another one next time";
    Ci05 "CI05" Error Locked [2], "packages installed by name in a workflow", "the newest of that day is taken";
    Ci06 "CI06" Warn Locked [1], "a runner image that moves (`-latest`)", "its tools change without a commit";
    Ci07 "CI07" Warn Hermetic [3], "a cache restored in a workflow that releases", "another branch may have filled it";
    Ci08 "CI08" Error Locked [1], "a job's image not pinned to a digest", "a tag is moved with every rebuild of the image";
    Ci09 "CI09" Warn Hermetic [3], "a release on a self-hosted runner", "earlier jobs leave things behind";
    Ci10 "CI10" Warn Locked [1], "CI configuration included from elsewhere, not pinned", "it changes without a commit";
    Net01 "NET01" Error Verified [2, 4], "a script from the network is run", "whoever serves it decides what runs";
    Net02 "NET02" Error Verified [2, 4], "a download that nothing checks", "other bytes are taken";
    Net03 "NET03" Warn Hermetic [4], "a dependency known to download while it is installed", "no lockfile has what it brings";
    Net04 "NET04" Warn Verified [2], "a file of a branch, or an archive that a forge makes anew", "its bytes change";
    Net05 "NET05" Error Hermetic [4], "a lifecycle script that uses the network", "it runs at every install";
    Net06 "NET06" Error Hermetic [4], "observed: the build asked for the network", "what it wanted is no locked input";
    Env03 "ENV03" Warn Hermetic [3], "observed: a file was looked for that is no input", "on another machine it may be there";
    Env04 "ENV04" Warn Hermetic [3], "a build that asks git for its version", "a tarball or a shallow clone gives another one";
    Env06 "ENV06" Warn Hermetic [3], "observed: a call that needs rights, or a change of the toolchain", "it works on some hosts only";
    Env07 "ENV07" Error Hermetic [3], "a secret in the environment or history of a build", "whoever has the result can read it";
    Time01 "TIME01" Warn Deterministic [5], "`__DATE__` or `__TIME__`", "the time of the build is in the result";
    Time02 "TIME02" Warn Deterministic [5], "a build that asks for the time", "the result is another one a second later";
    Time03 "TIME03" Warn Deterministic [5, 6], "archives made with the time of the build", "the same classes give another jar";
    Time04 "TIME04" Error Deterministic [5], "an input that ends on a day", "the same commit builds today and not tomorrow";
    Det01 "DET01" Warn Deterministic [7], "random numbers in a build", "no two results are the same";
    Det02 "DET02" Warn Deterministic [7], "files in the order that the directory gives them", "another file system has another order";
    Det04 "DET04" Warn Deterministic [7], "observed: an artifact holds the path that it was built in", "built elsewhere it has other bytes";
    Det05 "DET05" Warn Deterministic [7], "the builder's host, user or kernel in a build", "another machine gives other bytes";
    Det06 "DET06" Warn Deterministic [6, 7], "an archive with times, owners or order of this machine", "the same files give other bytes";
    Det09 "DET09" Warn Deterministic [7], "observed: an artifact holds compiled Python files", "they hold a time, and sets in an order of their own";
    Det10 "DET10" Warn Deterministic [6], "observed: an artifact holds a signature", "who rebuilds it does not have the key";
    Sbom01 "SBOM01" Warn Verified [9], "a release without an SBOM", "nobody can tell what is in it";
    Sbom02 "SBOM02" Warn Verified [9], "locked packages that declare no licence", "an SBOM can say nothing of it";
    Sbom03 "SBOM03" Info Verified [9], "code of others without a name and version", "no SBOM can tell of it";
    Sbom04 "SBOM04" Warn Verified [9], "a compiled file in the repository", "nobody can tell which source it is made of";
    Sbom05 "SBOM05" Info Verified [9], "a library that comes inside a package", "no lockfile and no SBOM has its version";
    Sec01 "SEC01" Error Hermetic [3], "a token in the repository", "everyone who has a clone can use it";
    Sec02 "SEC02" Error Hermetic [3], "a private key in the repository", "everyone who has a clone can use it";
    Rcp01 "RCP01" Error Locked [1, 2], "a recipe without its lock", "inputs are resolved anew each time";
    Rcp02 "RCP02" Info Locked [1], "a toolchain from the archive of today", "`lock` cannot be repeated once the archive has moved on";
    Rcp03 "RCP03" Warn Hermetic [3, 4], "a recipe that lets violations pass", "what was not declared is not told";
    Rcp04 "RCP04" Info Deterministic [5], "a clock that is not pinned", "programs that ignore SOURCE_DATE_EPOCH see the time";
}
