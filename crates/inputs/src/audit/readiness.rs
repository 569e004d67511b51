//! Readiness: twelve points, what each scored and why, and the level of maturity that they make.

use super::finding::Finding;
use super::rule::Severity;

/// How far a point is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// A repository's files cannot tell.
    Unknown,
    /// It is not.
    Unmet,
    /// In part.
    Partly,
    /// It is.
    Met,
}

impl State {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Unmet => "unmet",
            Self::Partly => "partly",
            Self::Met => "met",
        }
    }
}

/// One of the twelve points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// `R1` to `R12`.
    pub id: &'static str,
    /// What is asked.
    pub title: &'static str,
    /// How far it is met.
    pub state: State,
    /// Why.
    pub why: String,
    /// What would raise it; empty if it is met.
    pub raise: &'static str,
}

/// What the points make together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Maturity {
    /// Not even that.
    None,
    /// Pinned dependencies, contained builds.
    Beginner,
    /// A reproducible toolchain, normalised metadata, signed attestations.
    Intermediate,
    /// Strict hermetic builds, verified again and at deployment.
    Advanced,
}

impl Maturity {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Beginner => "beginner",
            Self::Intermediate => "intermediate",
            Self::Advanced => "advanced",
        }
    }
}

/// What the files of a repository show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// A recipe.
    pub(crate) recipe: bool,
    /// A lock beside every recipe.
    pub(crate) locked: bool,
    /// SOURCE_DATE_EPOCH is spoken of.
    pub(crate) epoch: bool,
    /// CI builds again and compares.
    pub(crate) rebuilds: bool,
    /// CI signs provenance.
    pub(crate) signs: bool,
    /// CI verifies before it releases.
    pub(crate) gates: bool,
}

/// The points, and the level.
pub(crate) fn points(findings: &[Finding], seen: Evidence) -> (Vec<Point>, Maturity) {
    let sealed = seen.recipe && seen.locked;
    let count = |point: u8, severity| {
        findings.iter().filter(|f| f.rule.points.contains(&point) && f.severity == severity).count()
    };
    // By what was found: nothing is met, warnings are partly, errors are not.
    let by_findings = |point: u8| match (count(point, Severity::Error), count(point, Severity::Warn)) {
        (0, 0) => (State::Met, "nothing found against it".to_owned()),
        (0, warnings) => (State::Partly, format!("warnings: {warnings}")),
        (errors, warnings) => (State::Unmet, format!("errors: {errors}, warnings: {warnings}")),
    };
    let in_recipe = |point: u8, with: &str, without: &str| {
        let (found, said) = by_findings(point);
        match (sealed, found) {
            (true, State::Met) => (State::Met, with.to_owned()),
            (true, _) => (State::Partly, format!("{with}; {said}")),
            (false, _) => (State::Unmet, without.to_owned()),
        }
    };
    let yes = |yes: bool, with: &str, without: &str| match yes {
        true => (State::Met, with.to_owned()),
        false => (State::Unmet, without.to_owned()),
    };
    let no_recipe = "there is no locked recipe";
    let epoch = match (sealed, seen.epoch) {
        (true, _) => in_recipe(5, "a recipe's steps are given SOURCE_DATE_EPOCH", no_recipe),
        (false, true) => (State::Partly, "SOURCE_DATE_EPOCH is spoken of".to_owned()),
        (false, false) => (State::Unmet, "nothing sets SOURCE_DATE_EPOCH".to_owned()),
    };
    let signs = match (seen.signs, sealed) {
        (true, _) => (State::Met, "CI signs provenance".to_owned()),
        (false, true) => (State::Partly, "`selfsame build` signs it, and CI does not run that".to_owned()),
        (false, false) => (State::Unmet, "nothing signs".to_owned()),
    };
    let unknown = |why: &str| (State::Unknown, why.to_owned());
    let all: [(&'static str, &'static str, (State, String), &'static str); 12] = [
        (
            "R1",
            "toolchains pinned by immutable version and digest",
            by_findings(1),
            "pin images and actions: `selfsame pin`; name whole versions",
        ),
        (
            "R2",
            "dependencies locked with checksums that are enforced",
            by_findings(2),
            "commit lockfiles with hashes, and install from them alone",
        ),
        (
            "R3",
            "every build action sandboxed",
            in_recipe(3, "steps run in the sandbox", no_recipe),
            "`selfsame init`, `selfsame lock`, and build with it",
        ),
        (
            "R4",
            "network closed while compiling and packaging",
            in_recipe(4, "steps have no network", no_recipe),
            "`selfsame init`, `selfsame lock`, and build with it",
        ),
        ("R5", "SOURCE_DATE_EPOCH in all release builds", epoch, "build releases from a recipe"),
        (
            "R6",
            "archive and image times normalised",
            in_recipe(6, "artifacts are packed canonically", no_recipe),
            "let the recipe pack, and images be built with rewrite-timestamp",
        ),
        (
            "R7",
            "locale, time zone and file order fixed",
            in_recipe(7, "the conditions of a recipe fix them", no_recipe),
            "build from a recipe",
        ),
        (
            "R8",
            "a job that builds again and compares",
            yes(seen.rebuilds, "CI builds again and compares", "no CI job does"),
            "run `selfsame reproduce` in CI",
        ),
        (
            "R9",
            "signed provenance for what is released",
            signs,
            "run `selfsame build` in CI with a key that it alone has",
        ),
        (
            "R10",
            "critical artifacts rebuilt independently",
            unknown("the ledger of whoever rebuilds tells"),
            "run `selfsame rebuild` on another machine, by other people",
        ),
        (
            "R11",
            "indicators on a dashboard",
            unknown("files cannot tell"),
            "collect the ledger's rebuilds and verifications",
        ),
        (
            "R12",
            "a release gate bound to a policy",
            yes(seen.gates, "CI verifies before it releases", "no CI job verifies"),
            "run `selfsame verify` before a release",
        ),
    ];
    let points: Vec<Point> = all
        .into_iter()
        .map(|(id, title, (state, why), raise)| {
            let raise = if state == State::Met { "" } else { raise };
            Point { id, title, state, why, raise }
        })
        .collect();
    let at_least = |list: &[usize], state| list.iter().all(|n| points[n - 1].state >= state);
    let maturity = if at_least(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 12], State::Met) {
        Maturity::Advanced
    } else if at_least(&[1, 2, 3], State::Met) && at_least(&[4, 5, 6, 7, 9], State::Partly) {
        Maturity::Intermediate
    } else if at_least(&[1, 2], State::Partly) || sealed {
        Maturity::Beginner
    } else {
        Maturity::None
    };
    (points, maturity)
}
