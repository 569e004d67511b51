//! From shapes to a recipe that holds together; everything wrong is collected.

mod dockerfile;
mod image;
mod toolchain;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::checker::{Checker, MAX_WORD};
use super::raw::{At, Raw, RawArtifact, RawSource, RawStep, nearest};
use super::uses;
use super::{
    Artifact, Base, Contents, FORMAT, Format, Locator, Recipe, Reference, Rule, Source, Step, Toolchain,
    conditions, debug, leaks, limits, policies,
};
use crate::violation::Policies;
use crate::{Diagnostic, RelPath, Sha256};

const HOUR: Duration = Duration::from_secs(3600);

/// Lowers a raw recipe.
pub(super) fn check(raw: &Raw) -> Result<Recipe, Vec<Diagnostic>> {
    let mut c = Checker::default();
    if *raw.selfsame.get_ref() != FORMAT {
        c.wrong(
            &raw.selfsame,
            "unknown version of the recipe format",
            format!("expected {FORMAT}, found {}", raw.selfsame.get_ref()),
            Some(format!("write `selfsame = {FORMAT}`, or use the selfsame that reads this version")),
        );
        return Err(c.list);
    }
    let name = c.word(&raw.name, "name");
    let version = c.word(&raw.version, "version");
    let toolchain = match &raw.toolchain {
        Some(table) => c.toolchain(table),
        // What runs nothing needs nothing to run it with: a Dockerfile brings its own.
        None if raw.steps.is_empty() => {
            Some(Toolchain { arch: "amd64".to_owned(), base: Base::Empty, archives: Vec::new() })
        }
        None => {
            let help = "add `[toolchain]` with `kind = \"debian\"`, `suite` and `packages`".to_owned();
            c.wrong(&raw.selfsame, "no toolchain", "the steps run in nothing", Some(help));
            None
        }
    };
    let sources: BTreeMap<String, Source> = raw
        .sources
        .iter()
        .filter_map(|(n, s)| {
            let name = c.word(n, "source name")?;
            Some((name, c.source(n, s, toolchain.as_ref())?))
        })
        .collect();
    if raw.sources.is_empty() {
        c.wrong(
            &raw.selfsame,
            "no source",
            "a recipe builds from something",
            Some("add `[sources.main]` with `worktree = \".\"`".into()),
        );
    }
    let conditions = conditions::lower(&mut c, &raw.conditions, toolchain.as_ref());
    let names = Names {
        sources: raw.sources.keys().map(|k| k.get_ref().as_str()).collect(),
        steps: raw
            .steps
            .iter()
            .map(|s| {
                let outputs = s.get_ref().outputs.get_ref().iter();
                let outputs = outputs.filter_map(|o| o.get_ref().parse().ok()).collect();
                (s.get_ref().name.get_ref().as_str(), outputs)
            })
            .collect(),
    };
    let policies = policies::lower(&mut c, &raw.violations, Policies::default());
    let steps = c.steps(&raw.steps, &names, policies);
    let world = image::World {
        names: &names,
        sources: &sources,
        toolchain: toolchain.as_ref(),
        name: raw.name.get_ref(),
    };
    if raw.steps.is_empty() && !raw.artifacts.iter().any(|a| a.get_ref().dockerfile.is_some()) {
        let help = "add a `[[step]]`, or an `[[artifact]]` with a Dockerfile".to_owned();
        c.wrong(&raw.selfsame, "no step", "a recipe runs something", Some(help));
    }
    let artifacts = c.artifacts(&raw.artifacts, &world, &raw.selfsame);
    let stem = format!("{}-{}", raw.name.get_ref(), raw.version.get_ref());
    c.collisions(&raw.artifacts, &stem);
    if name.is_some() && version.is_some() && stem.len() > MAX_WORD {
        let label = format!("with the name it has {} bytes: expected at most {MAX_WORD}", stem.len());
        c.wrong(&raw.version, "name and version are too long", label, None);
    }
    if c.list.is_empty()
        && let (Some(name), Some(version), Some(toolchain), Some(steps), Some(artifacts)) =
            (name, version, toolchain, steps, artifacts)
    {
        let text = |at: &Option<At<String>>| at.as_ref().map(|t| t.get_ref().clone());
        let (licence, producer) = (text(&raw.licence), text(&raw.producer));
        return Ok(Recipe {
            name,
            version,
            licence,
            producer,
            sources,
            toolchain,
            conditions,
            steps,
            artifacts,
        });
    }
    c.list.sort_by_key(|d| d.span.as_ref().map_or(0, |s| s.start));
    Err(c.list)
}

/// What references can point at.
struct Names<'a> {
    sources: BTreeSet<&'a str>,
    steps: BTreeMap<&'a str, Vec<RelPath>>,
}

impl Checker {
    fn source(
        &mut self,
        name: &At<String>,
        at: &At<RawSource>,
        toolchain: Option<&Toolchain>,
    ) -> Option<Source> {
        let s = at.get_ref();
        let kinds = [
            ("worktree", s.worktree.is_some()),
            ("git", s.git.is_some()),
            ("url", s.url.is_some()),
            ("purl", s.purl.is_some()),
            ("image", s.image.is_some()),
        ];
        let given: Vec<_> = kinds.iter().filter(|k| k.1).map(|k| k.0).collect();
        if given.len() != 1 {
            let found = if given.is_empty() { "none".into() } else { given.join(" and ") };
            let help =
                "write one of `worktree = \".\"`, `git` with `commit`, `url` with `sha256`, `purl`, `image`";
            self.wrong(name, "a source has exactly one origin", format!("found {found}"), Some(help.into()));
            return None;
        }
        for (key, is_there, owner) in [
            ("commit", s.commit.as_ref().map(At::span), "git"),
            ("sha256", s.sha256.as_ref().map(At::span), "url"),
            ("strip", s.strip.as_ref().map(At::span), "url"),
            ("packed", s.packed.as_ref().map(At::span), "purl"),
            ("platform", s.platform.as_ref().map(At::span), "image"),
        ] {
            if let Some(span) = is_there
                && owner != given[0]
            {
                let label = format!("`{key}` belongs to a source with `{owner}`");
                self.wrong_at(span, "this key has no meaning here", label, Some(format!("remove `{key}`")));
            }
        }
        if let Some(path) = &s.worktree {
            return Some(Source::Worktree { path: self.parsed(path, "not a folder of the work tree")? });
        }
        if let Some(url) = &s.git {
            let Some(commit) = &s.commit else {
                let help = "add `commit = \"…\"`, the full id that `git rev-parse` prints";
                self.wrong(url, "missing digest", "a git source needs a commit", Some(help.into()));
                return None;
            };
            let id = commit.get_ref();
            let hex = id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            if !hex || !(id.len() == 40 || id.len() == 64) {
                let label =
                    "expected 40 (or 64) lower-case hexadecimal digits; branches, tags and short ids move";
                self.wrong(commit, "not a full commit id", label, None);
                return None;
            }
            return Some(Source::Fetched(Locator::Git { url: url.get_ref().clone(), commit: id.clone() }));
        }
        if let Some(url) = &s.url {
            let strip = self.strip(s.strip.as_ref())?.unwrap_or(1);
            let (url, sha256) = self.url(url, s.sha256.as_ref())?;
            return Some(Source::Fetched(Locator::Url { url, sha256, strip }));
        }
        if let Some(image) = &s.image {
            return self.image_source(image, s, toolchain).map(Source::Fetched);
        }
        let at = s.purl.as_ref().expect("one of the five is given");
        let purl: crate::Purl = self.parsed(at, "not a package URL")?;
        let known = ["cargo", "deb", "golang", "npm", "pypi"];
        if !known.contains(&purl.kind()) {
            let label = format!("type `{}`", purl.kind());
            let help = format!("known types: {}", known.join(", "));
            self.wrong(at, "no source packages of this type", label, Some(help));
            return None;
        }
        let packed = s.packed.as_ref().is_some_and(|packed| *packed.get_ref());
        Some(Source::Fetched(Locator::Package { purl, packed }))
    }

    /// A URL with the hash that goes with it.
    fn url(&mut self, url: &At<String>, sha256: Option<&At<String>>) -> Option<(String, Sha256)> {
        let allowed = ["https://", "http://", "file://"];
        if !allowed.iter().any(|p| url.get_ref().starts_with(p)) {
            self.wrong(url, "not a URL that can be fetched", "expected https, http or file", None);
            return None;
        }
        let Some(sha256) = sha256 else {
            let help = "add `sha256 = \"…\"`, as `sha256sum` prints it for the downloaded file";
            self.wrong(url, "missing digest", "a URL names a place, not bytes", Some(help.into()));
            return None;
        };
        Some((url.get_ref().clone(), self.parsed(sha256, "not a SHA-256")?))
    }

    /// A number of leading components; the outer `None` is a mistake.
    fn strip(&mut self, at: Option<&At<i64>>) -> Option<Option<u32>> {
        let Some(n) = at else { return Some(None) };
        let fits = u32::try_from(*n.get_ref()).ok().filter(|n| *n <= 16);
        if fits.is_none() {
            self.wrong(n, "not a number of path components", "expected 0 to 16", None);
        }
        fits.map(Some)
    }

    /// Variables for steps.
    fn env(&mut self, table: &BTreeMap<At<String>, At<String>>) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        for (key, value) in table {
            let text = key.get_ref();
            let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if text.is_empty()
                || !plain
                || text.as_bytes()[0].is_ascii_digit()
                || value.get_ref().contains('\0')
            {
                self.wrong(
                    key,
                    "not an environment variable",
                    "letters, digits and `_`; no NUL in the value",
                    None,
                );
            } else if let Some(key_of) = owned_by_conditions(text) {
                let help = format!("set `{key_of}` in [conditions]");
                self.wrong(key, "this variable belongs to the conditions", "", Some(help));
            } else {
                env.insert(text.clone(), value.get_ref().clone());
            }
        }
        env
    }

    fn reference(&mut self, at: &At<String>, names: &Names<'_>) -> Option<Reference> {
        let text = at.get_ref();
        let form = "expected `source:NAME`, `source:NAME/PATH` or `step:NAME/OUTPUT`";
        let Some((kind, rest)) = text.split_once(':') else {
            self.wrong(at, "not a reference", form, None);
            return None;
        };
        let (name, path) = rest.split_once('/').unwrap_or((rest, "."));
        let path: RelPath = match path.parse() {
            Ok(path) => path,
            Err(e) => {
                self.wrong(at, "not a path inside what is referred to", e, None);
                return None;
            }
        };
        let name = name.to_owned();
        match kind {
            "source" if names.sources.contains(name.as_str()) => Some(Reference::Source { name, path }),
            "source" => {
                let help = did_you_mean(&name, names.sources.iter().copied(), "[sources.NAME]");
                self.wrong(at, "no such source", format!("`{name}`"), Some(help));
                None
            }
            "step" => match names.steps.get(name.as_str()) {
                None => {
                    let help = did_you_mean(&name, names.steps.keys().copied(), "[[step]]");
                    self.wrong(at, "no such step", format!("`{name}`"), Some(help));
                    None
                }
                Some(outputs) if !outputs.iter().any(|o| path.is_within(o)) => {
                    let list: Vec<_> = outputs.iter().map(|o| format!("`step:{name}/{o}`")).collect();
                    let help = (!list.is_empty()).then(|| format!("it declares {}", list.join(", ")));
                    self.wrong(at, "that step declares no such output", format!("`{path}`"), help);
                    None
                }
                Some(_) => Some(Reference::Step { name, path }),
            },
            _ => {
                self.wrong(at, "not a reference", form, None);
                None
            }
        }
    }

    fn steps(&mut self, raw: &[At<RawStep>], names: &Names<'_>, policies: Policies) -> Option<Vec<Step>> {
        let mut seen = BTreeSet::new();
        let mut steps = Vec::new();
        for at in raw {
            let name = &at.get_ref().name;
            if !seen.insert(name.get_ref().as_str()) {
                self.wrong(name, "two steps of one name", "", Some("rename one".into()));
            }
            steps.extend(self.step(at.get_ref(), names, policies));
        }
        if steps.len() != raw.len() {
            return None;
        }
        self.sort(steps, raw)
    }

    fn step(&mut self, raw: &RawStep, names: &Names<'_>, policies: Policies) -> Option<Step> {
        let name = self.word(&raw.name, "step name");
        let mut inputs: BTreeMap<RelPath, Reference> = BTreeMap::new();
        match &raw.inputs {
            None if names.sources.len() == 1 => {
                let name = (*names.sources.first().expect("there is one")).to_owned();
                inputs.insert(RelPath::root(), Reference::Source { name, path: RelPath::root() });
            }
            None => {
                let help = "add `inputs = { \".\" = \"source:NAME\" }`".into();
                self.wrong(&raw.name, "no inputs", "there are several sources to choose from", Some(help));
            }
            Some(table) => {
                for (place, what) in table {
                    let path = self.parsed::<RelPath>(place, "not a place in the build directory");
                    let reference = self.reference(what, names);
                    let (Some(path), Some(reference)) = (path, reference) else { continue };
                    if inputs.insert(path, reference).is_some() {
                        self.wrong(place, "two inputs in one place", "", Some("choose another place".into()));
                    }
                }
            }
        }
        if raw.run.get_ref().is_empty() {
            self.wrong(&raw.run, "a step without commands", "", Some("write `run = [\"make\"]`".into()));
        }
        for command in raw.run.get_ref() {
            if command.get_ref().trim().is_empty() || command.get_ref().contains('\0') {
                self.wrong(command, "not a command", "it is empty or holds a NUL byte", None);
            }
        }
        let mut outputs: BTreeSet<RelPath> = BTreeSet::new();
        for output in raw.outputs.get_ref() {
            let Some(path) = self.parsed::<RelPath>(output, "not a path in the build directory") else {
                continue;
            };
            if let Some(other) = outputs.iter().find(|o| path.is_within(o) || o.is_within(&path)) {
                let label = format!("`{path}` and `{other}` overlap");
                self.wrong(output, "outputs overlap", label, Some("declare the outer one only".into()));
            } else {
                outputs.insert(path);
            }
        }
        if raw.outputs.get_ref().is_empty() {
            let help = "list what later steps or artifacts take, such as `outputs = [\"out\"]`".into();
            self.wrong(&raw.outputs, "a step without outputs", "nothing of it would be kept", Some(help));
        }
        let env = self.env(&raw.env);
        let mut secrets = BTreeSet::new();
        for secret in &raw.secrets {
            if let Some(name) = self.word(secret, "name of a secret")
                && !secrets.insert(name)
            {
                self.wrong(secret, "this secret stands twice", "", Some("remove one".into()));
            }
        }
        let (uses, record) = uses::lower(self, raw);
        let timeout = raw.timeout.as_ref().map_or(Some(HOUR), |t| self.duration(t));
        let limits = limits::lower(self, raw);
        let normalize = self.rules(&raw.normalize);
        let run = raw.run.get_ref().iter().map(|c| c.get_ref().clone()).collect();
        let outputs = outputs.into_iter().collect();
        let policies = policies::lower(self, &raw.violations, policies);
        let secrets = secrets.into_iter().collect();
        Some(Step {
            name: name?,
            inputs,
            run,
            outputs,
            env,
            uses,
            record,
            secrets,
            timeout: timeout?,
            limits,
            normalize: normalize?,
            policies,
        })
    }

    /// Puts every step after those it needs; keeps the recipe's order otherwise.
    fn sort(&mut self, mut steps: Vec<Step>, raw: &[At<RawStep>]) -> Option<Vec<Step>> {
        let mut sorted: Vec<Step> = Vec::new();
        while !steps.is_empty() {
            let ready =
                steps.iter().position(|step| step.needs().all(|need| sorted.iter().any(|s| s.name == need)));
            match ready {
                Some(i) => sorted.push(steps.remove(i)),
                None => {
                    let circle = circle(&steps);
                    let first = circle.first().map_or("", |s| s.as_str());
                    let at = raw.iter().find(|s| s.get_ref().name.get_ref() == first);
                    let span = at.map_or(0..0, |s| s.get_ref().name.span());
                    let label = circle.join(" needs ");
                    let help = Some("take one of these inputs out".into());
                    self.wrong_at(span, "steps need each other in a circle", label, help);
                    return None;
                }
            }
        }
        Some(sorted)
    }

    fn artifacts(
        &mut self,
        raw: &[At<RawArtifact>],
        world: &image::World<'_>,
        top: &At<i64>,
    ) -> Option<Vec<Artifact>> {
        if raw.is_empty() {
            let help = "add an `[[artifact]]` with `name`, `format` and `from`".into();
            self.wrong(top, "no artifact", "a recipe ships something", Some(help));
            return None;
        }
        let mut seen = BTreeSet::new();
        let mut list = Vec::new();
        for at in raw {
            let a = at.get_ref();
            let name = self.word(&a.name, "artifact name");
            if !seen.insert(a.name.get_ref().as_str()) {
                self.wrong(&a.name, "two artifacts of one name", "", Some("rename one".into()));
            }
            let format = Format::ALL.into_iter().find(|f| f.as_str() == a.format.get_ref());
            if format.is_none() {
                let known: Vec<_> = Format::ALL.iter().map(|f| f.as_str()).collect();
                let label = format!("`{}`", a.format.get_ref());
                self.wrong(&a.format, "unknown format", label, Some(format!("known: {}", known.join(", "))));
            }
            self.no_image(a, a.format.get_ref());
            let contents = match format {
                Some(Format::OciImage) if a.dockerfile.is_some() => self.dockerfile(a, world),
                Some(Format::OciImage) => self.image_artifact(a, world),
                Some(Format::OciIndex) => self.index(a),
                Some(format) => self.packed(a, format, world.names),
                None => {
                    // What else is wrong with it is told all the same.
                    a.from.as_ref().map(|from| self.reference(from, world.names));
                    None
                }
            };
            if format == Some(Format::Wheel) && !is_wheel(a.name.get_ref()) {
                let help = "as pip wants it: `NAME-VERSION-PYTHON-ABI-PLATFORM.whl`, such as `demo-1.0-py3-none-any.whl`";
                self.wrong(&a.name, "not the name of a wheel", "", Some(help.into()));
            }
            let normalize = self.rules(&a.normalize);
            let debug = match &a.debug {
                Some(at) => debug::lower(self, at).map(Some),
                None => Some(None),
            };
            if let Some(debug) = a.debug.as_ref().filter(|debug| !seen.insert(debug.get_ref())) {
                self.wrong(debug, "two artifacts of one name", "", Some("rename one".into()));
            }
            if let (Some(at), Some(Format::OciImage | Format::OciIndex)) = (&a.debug, format) {
                let help = "strip the programs in a step, or split an archive of them";
                self.wrong(
                    at,
                    "debugging information of an image",
                    "it is split off archives and files",
                    Some(help.into()),
                );
            }
            if let (Some(at), Some(Format::OciIndex)) = (a.normalize.first(), format) {
                let help = "normalise the images in it";
                self.wrong(at, "an index is not normalised", "it has no files of its own", Some(help.into()));
            }
            if let (Some(at), Some(_)) = (a.normalize.first(), &a.dockerfile) {
                let help = "normalise what a step makes, and copy that";
                let label = "its layers follow from the Dockerfile";
                self.wrong(at, "an image of a Dockerfile is not normalised", label, Some(help.into()));
            }
            let allow_leaks = leaks::lower(self, &a.allow_leaks);
            if let (Some(name), Some(contents), Some(normalize), Some(debug), Some(allow_leaks)) =
                (name, contents, normalize, debug, allow_leaks)
            {
                list.push(Artifact { name, contents, normalize, debug, allow_leaks });
            }
        }
        self.indexes(raw, &list);
        (list.len() == raw.len()).then_some(list)
    }

    /// One thing that was built, in a format that packs it.
    fn packed(&mut self, a: &RawArtifact, format: Format, names: &Names<'_>) -> Option<Contents> {
        let Some(from) = &a.from else {
            let help = "add `from = \"step:NAME/OUTPUT\"`";
            self.wrong(&a.name, "an artifact of nothing", "it has no `from`", Some(help.into()));
            return None;
        };
        let from = self.reference(from, names);
        let prefix = a.prefix.as_ref().map_or(Some(RelPath::root()), |p| self.parsed(p, "not a prefix"));
        if let (Some(prefix), Format::File | Format::Dir) = (&a.prefix, format) {
            self.wrong(prefix, "a prefix without an archive", "only archives have members", None);
        } else if let Some(prefix) = a.prefix.as_ref().filter(|_| !format.has_prefix()) {
            let label =
                format!("what is at the root of a `{}` is not for the recipe to say", format.as_str());
            self.wrong(prefix, "a prefix where none can be", label, Some("remove `prefix`".into()));
        }
        Some(Contents::Packed { format, from: from?, prefix: prefix? })
    }

    /// The rules of a list; `all` stands for every one.
    fn rules(&mut self, list: &[At<String>]) -> Option<BTreeSet<Rule>> {
        let mut rules = BTreeSet::new();
        let mut whole = true;
        for at in list {
            match at.get_ref().as_str() {
                "all" => rules.extend(Rule::ALL),
                word => match word.parse::<Rule>() {
                    Ok(rule) => drop(rules.insert(rule)),
                    Err(error) => {
                        whole = false;
                        let known = Rule::ALL.map(Rule::as_str).join(", ");
                        let label = format!("`{}`", error.found);
                        self.wrong(at, "no such rule", label, Some(format!("known: all, {known}")));
                    }
                },
            }
        }
        whole.then_some(rules)
    }

    /// Artifacts must not be called like what is written beside them: their bundles, and the SBOMs of `stem`.
    fn collisions(&mut self, raw: &[At<RawArtifact>], stem: &str) {
        let names = |at: &'_ At<RawArtifact>| {
            let artifact = at.get_ref();
            std::iter::once(artifact.name.clone()).chain(artifact.debug.clone())
        };
        let all: Vec<At<String>> = raw.iter().flat_map(names).collect();
        for at in &all {
            let name = at.get_ref();
            let of = |other: &At<String>| name.strip_suffix(".sigstore.json") == Some(other.get_ref());
            let sbom = |kind: &&str| name.strip_prefix(stem) == Some(*kind);
            let taken_by = if all.iter().any(of) {
                "the bundle of another artifact"
            } else if [".cdx.json", ".spdx.json"].iter().any(sbom) {
                "an SBOM"
            } else {
                continue;
            };
            let label = format!("{taken_by} is written under this name");
            self.wrong(at, "an artifact in the way", label, Some("rename the artifact".into()));
        }
    }
}

impl Step {
    /// Names of the steps whose outputs this one takes.
    pub fn needs(&self) -> impl Iterator<Item = &str> {
        self.inputs.values().filter_map(|r| match r {
            Reference::Step { name, .. } => Some(name.as_str()),
            Reference::Source { .. } => None,
        })
    }
}

/// The key of `[conditions]` that gives this variable.
fn owned_by_conditions(variable: &str) -> Option<&'static str> {
    Some(match variable {
        "SOURCE_DATE_EPOCH" => "source-date-epoch",
        "TZ" => "timezone",
        "LC_ALL" | "LANG" => "locale",
        "USER" | "LOGNAME" => "user",
        _ => return None,
    })
}

fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone, declare: &str) -> String {
    if let Some(near) = nearest(name, known.clone()) {
        return format!("did you mean `{near}`?");
    }
    let known: Vec<_> = known.collect();
    if known.is_empty() {
        format!("declare it with {declare}")
    } else {
        format!("known: {}", known.join(", "))
    }
}

/// One circle among steps of which none is ready: names, the first again at the end.
fn circle(steps: &[Step]) -> Vec<String> {
    let Some(mut here) = steps.first() else { return Vec::new() };
    let mut walked: Vec<String> = Vec::new();
    loop {
        if let Some(start) = walked.iter().position(|n| *n == here.name) {
            walked.push(here.name.clone());
            return walked.split_off(start);
        }
        walked.push(here.name.clone());
        let next = here.needs().find_map(|need| steps.iter().find(|s| s.name == need));
        match next {
            Some(step) => here = step,
            None => return walked,
        }
    }
}

/// Whether a file of that name can be a wheel: name, version, perhaps a build, then what it runs on.
fn is_wheel(name: &str) -> bool {
    name.strip_suffix(".whl").is_some_and(|stem| {
        let parts: Vec<&str> = stem.split('-').collect();
        matches!(parts.len(), 5 | 6) && parts.iter().all(|part| !part.is_empty())
    })
}
