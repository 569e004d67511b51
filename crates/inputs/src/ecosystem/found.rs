//! What an adapter found in a repository, before it reads a lockfile.

use model::RelPath;

/// An adapter: one way of saying what a project depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Adapter {
    /// Rust with cargo.
    Cargo,
    /// Go modules.
    Go,
    /// JavaScript with npm, pnpm or yarn.
    Npm,
    /// Python with pip, uv, poetry or pipenv.
    Pypi,
    /// Java with Maven.
    Maven,
    /// Java with Gradle.
    Gradle,
    /// C and C++ with configure, CMake, Meson or make.
    C,
    /// A Debian source package.
    Debian,
}

impl Adapter {
    /// The word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cargo => "Rust",
            Self::Go => "Go",
            Self::Npm => "JavaScript",
            Self::Pypi => "Python",
            Self::Maven | Self::Gradle => "Java",
            Self::C => "C or C++",
            Self::Debian => "Debian package",
        }
    }

    /// The word of a step's `uses` that lets its dependencies be recorded; none where nothing is fetched.
    #[must_use]
    pub const fn uses(self) -> Option<&'static str> {
        match self {
            Self::Cargo => Some("cargo"),
            Self::Go => Some("go"),
            Self::Npm => Some("npm"),
            Self::Pypi => Some("pypi"),
            Self::Maven | Self::Gradle => Some("maven"),
            Self::C | Self::Debian => None,
        }
    }
}

/// The program that reads manifest and lockfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is the name of a program")]
pub enum Tool {
    Cargo,
    Go,
    Npm,
    Pnpm,
    /// Yarn 1.
    YarnClassic,
    /// Yarn 2 and later.
    YarnBerry,
    Pip,
    Pipenv,
    Poetry,
    Pdm,
    Uv,
    /// Any that reads PEP 751's `pylock.toml`.
    Pylock,
    Maven,
    Gradle,
    /// A `configure` that is there.
    Configure,
    /// A `configure.ac` that is to become one.
    Autotools,
    CMake,
    Meson,
    Make,
    Dpkg,
}

impl Tool {
    /// As people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Go => "go",
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::YarnClassic => "yarn 1",
            Self::YarnBerry => "yarn",
            Self::Pip => "pip",
            Self::Pipenv => "pipenv",
            Self::Poetry => "poetry",
            Self::Pdm => "pdm",
            Self::Uv => "uv",
            Self::Pylock => "pylock",
            Self::Maven => "Maven",
            Self::Gradle => "Gradle",
            Self::Configure => "configure and make",
            Self::Autotools => "autotools",
            Self::CMake => "CMake",
            Self::Meson => "Meson",
            Self::Make => "make",
            Self::Dpkg => "dpkg-buildpackage",
        }
    }
}

/// What a project makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Product {
    /// A program, by name.
    Program(String),
    /// A library that others link or import.
    Library(String),
    /// A Go main package, by its folder below the module.
    Main(String),
    /// A wheel.
    Wheel {
        /// The build backend as `build-backend` names it.
        backend: String,
        /// `build-system.requires`; no lockfile of Python locks these.
        requires: Vec<String>,
        /// Whether C, Rust or Cython is compiled.
        compiled: bool,
    },
    /// A command that an installed wheel brings.
    Command(String),
    /// An npm package.
    Package(String),
    /// A script of `package.json` that bundles or compiles: its name.
    Bundle(String),
    /// A jar, by its artifact id.
    Jar(String),
    /// A war, by its artifact id.
    War(String),
    /// What an install step puts below a prefix.
    Installed,
}

/// Which version of a tool the project asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `rust`, `go`, `node`, `python`, `java`, `maven`, `cmake`, `meson`.
    pub tool: &'static str,
    /// Numbers between dots: the least that will do.
    pub at_least: String,
    /// Where this is said.
    pub said_by: String,
}

/// A project that an adapter recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// By which.
    pub adapter: Adapter,
    /// What reads its lockfile.
    pub tool: Tool,
    /// Its folder.
    pub dir: RelPath,
    /// What says that it is one.
    pub manifest: RelPath,
    /// What pins its dependencies; `None` if it is missing, or the ecosystem has none.
    pub lockfile: Option<RelPath>,
    /// The command that would make the lockfile; `None` if the ecosystem has none, or nothing is to be locked.
    pub lock_command: Option<String>,
    /// Its name, if the manifest says one.
    pub name: Option<String>,
    /// Its version, if the manifest says one.
    pub version: Option<String>,
    /// Its licence, as the manifest says it.
    pub licence: Option<String>,
    /// What it makes.
    pub makes: Vec<Product>,
    /// Which tools it asks for.
    pub wants: Vec<Wanted>,
    /// Folders of the other projects that share its lockfile, sorted.
    pub members: Vec<RelPath>,
    /// What a person should know, in sentences.
    pub notes: Vec<String>,
}

impl Found {
    pub(crate) fn new(adapter: Adapter, tool: Tool, dir: &RelPath, manifest: RelPath) -> Self {
        Self {
            adapter,
            tool,
            dir: dir.clone(),
            manifest,
            lockfile: None,
            lock_command: None,
            name: None,
            version: None,
            licence: None,
            makes: Vec::new(),
            wants: Vec::new(),
            members: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a wish; of a range such as `>=20 <22` its lower bound. What has none says nothing.
    pub(crate) fn want(&mut self, tool: &'static str, range: &str, said_by: impl Into<String>) {
        if let Some(at_least) = lower_bound(range) {
            self.wants.push(Wanted { tool, at_least, said_by: said_by.into() });
        }
    }

    /// One line for people: what it is, where, and what is missing.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!("{} ({}) in `{}`", self.adapter.name(), self.tool.name(), self.dir);
        if let Some(name) = &self.name {
            line.push_str(&format!(": {name}"));
            if let Some(version) = &self.version {
                line.push_str(&format!(" {version}"));
            }
        }
        match (&self.lockfile, &self.lock_command) {
            (Some(file), _) => line.push_str(&format!(", locked by {file}")),
            (None, Some(command)) => line.push_str(&format!(", no lockfile: run `{command}`")),
            (None, None) => {}
        }
        line
    }
}

fn lower_bound(range: &str) -> Option<String> {
    let mut below = false;
    for word in range.split([' ', ',']).filter(|w| !w.is_empty()) {
        let number = word.trim_start_matches(|c: char| !c.is_ascii_digit());
        below |= word.starts_with(['<', '!']);
        if number.is_empty() {
            continue;
        }
        if !below {
            let end = number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(number.len());
            // CMake writes `3.20...3.30`.
            let plain = number[..end].split("..").next().unwrap_or_default().trim_matches('.');
            return Some(plain.to_owned());
        }
        below = false;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_a_lower_bound_or_none() {
        for (range, expected) in [
            (">=20", Some("20")),
            ("^18.12.0", Some("18.12.0")),
            (">= 18 < 21", Some("18")),
            ("< 21 >= 18", Some("18")),
            ("<21", None),
            ("< 21", None),
            ("!=3.9.1,>=3.9", Some("3.9")),
            ("3.20...3.30", Some("3.20")),
            ("1.70-nightly", Some("1.70")),
            ("*", None),
            ("14 - 20", Some("14")),
        ] {
            assert_eq!(lower_bound(range).as_deref(), expected, "{range}");
        }
    }
}
