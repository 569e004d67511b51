//! Stages as a graph: what each begins with, and which of them the target needs.

use std::collections::BTreeMap;
use std::ops::Range;

use super::planner::{Planner, STEPS, State};
use super::{Base, Choices, Config, From, Image, Images, Plan, Stage, StageId, platform};
use crate::Diagnostics;
use crate::dockerfile::expand::{Expanded, expand};
use crate::dockerfile::instruction::{Dockerfile, FromText, Instruction, Says, StageText};
use crate::dockerfile::line::Text;
use crate::dockerfile::parse;
use crate::oci::{Place, Platform, Reference};

/// What a stage begins with, by its number in the file.
enum Beginning {
    Scratch,
    Image(Image),
    Stage(usize),
}

/// A stage that the target needs.
struct Needed {
    number: usize,
    beginning: Beginning,
    platform: Platform,
    /// What is done first: recorded by an image or by a stage.
    triggers: Vec<Instruction>,
}

/// The images that a build needs, in the order of the file, as far as `images` lets tell.
///
/// What an image records to be done in what begins with it (`ONBUILD`) may need more: ask again when its configuration is
/// known, until nothing is named that is not.
///
/// # Errors
/// With everything that is wrong, as far as it has to do with that.
pub fn bases(file: &Dockerfile, choices: &Choices, images: &Images) -> Result<Vec<Base>, Diagnostics> {
    let mut planner = Planner::new(file, choices, images);
    let needed = planner.needed();
    let mut bases: Vec<Base> = Vec::new();
    let mut known = BTreeMap::new();
    let mut note = |image: &Image, begins: bool, span: &Range<usize>| {
        let at = *known.entry(image.to_string()).or_insert(bases.len());
        match bases.get_mut(at) {
            Some(base) => base.begins |= begins,
            None => bases.push(Base { image: image.clone(), begins, span: span.clone() }),
        }
    };
    for stage in &needed {
        let text = &file.stages[stage.number];
        if let Beginning::Image(image) = &stage.beginning {
            note(image, true, &text.base.span);
        }
        let triggers = stage.triggers.iter().map(|i| (i, Some(text.span.clone())));
        for (instruction, within) in triggers.chain(text.instructions.iter().map(|i| (i, None))) {
            planner.within = within;
            for source in instruction.sources() {
                if let FromText::Image(name) = source
                    && let Some(image) = planner.image(name, &name.text, None)
                {
                    note(&image, false, &planner.within.clone().unwrap_or_else(|| name.span.clone()));
                }
            }
        }
        planner.within = None;
    }
    planner.done(bases)
}

/// What a build does.
///
/// # Errors
/// With everything that is wrong. That the configuration of a base image is not among `images` is wrong too.
pub fn plan(file: &Dockerfile, choices: &Choices, images: &Images) -> Result<Plan, Diagnostics> {
    let mut planner = Planner::new(file, choices, images);
    planner.syntax();
    let needed = planner.needed();
    let mut stages = Vec::new();
    // What each stage leaves, for those that begin with it.
    let mut left: BTreeMap<usize, State> = BTreeMap::new();
    let mut config = Config::default();
    for stage in &needed {
        let text = &file.stages[stage.number];
        let (from, state) = match &stage.beginning {
            Beginning::Scratch => (From::Scratch, State::new(Config::scratch())),
            Beginning::Image(image) => {
                let Some(config) = images.get(image) else {
                    let title = format!("the configuration of {image} is not known");
                    planner.wrong(text.base.span.clone(), title, "expected it among the images", None);
                    continue;
                };
                planner.charge(config.size(), &text.span);
                (From::Image(image.clone()), State::new(config.clone()))
            }
            Beginning::Stage(number) => {
                let (Some(state), Some(id)) = (left.get(number), planner.id(*number)) else { continue };
                planner.charge(state.config.size(), &text.span);
                (From::Stage(id), state.heir())
            }
        };
        let mut made = Stage {
            name: text.name.as_ref().map(|name| name.text.clone()),
            number: stage.number,
            from,
            platform: stage.platform.clone(),
            steps: Vec::new(),
            span: text.span.clone(),
        };
        let mut state = state;
        planner.within = Some(text.span.clone());
        for trigger in &stage.triggers {
            planner.apply(&mut state, trigger, &mut made.steps);
        }
        planner.within = None;
        for instruction in &text.instructions {
            planner.apply(&mut state, instruction, &mut made.steps);
        }
        planner.ids.insert(stage.number, StageId(stages.len()));
        stages.push(made);
        config = state.config.clone();
        left.insert(stage.number, state);
    }
    config.labels.extend(choices.labels.clone());
    let unused = planner.unused();
    let platform = planner.platform.clone();
    planner.done(Plan { stages, config, platform, unused })
}

impl Planner<'_> {
    /// The stages that the target needs, each after what it needs itself.
    fn needed(&mut self) -> Vec<Needed> {
        let Some(target) = self.target() else { return Vec::new() };
        self.globals(target);
        let mut platforms = Vec::new();
        let mut beginnings = Vec::new();
        let file = self.file;
        for (number, stage) in file.stages.iter().enumerate() {
            let own = self.own_platform(stage);
            let (beginning, platform) = self.beginning(stage, number, own, &platforms);
            platforms.push(platform);
            beginnings.push(beginning);
        }
        let mut wanted = vec![false; file.stages.len()];
        wanted[target] = true;
        let mut needed = Vec::new();
        // Whatever a stage needs stands before it.
        for (number, beginning) in beginnings.into_iter().enumerate().rev() {
            let (true, Some(beginning)) = (wanted[number], beginning) else { continue };
            let stage = &file.stages[number];
            let triggers = self.triggers(&beginning, number);
            if let Beginning::Stage(base) = beginning {
                wanted[base] = true;
            }
            let sources = triggers.iter().chain(&stage.instructions).flat_map(Instruction::sources);
            sources.filter_map(FromText::stage).for_each(|source| wanted[source] = true);
            needed.push(Needed { number, beginning, platform: platforms[number].clone(), triggers });
        }
        needed.reverse();
        needed
    }

    /// The number of the stage that is wanted.
    fn target(&mut self) -> Option<usize> {
        let Some(name) = &self.choices.target else { return self.file.stages.len().checked_sub(1) };
        let found = self.names.first(&name.to_lowercase());
        if found.is_none() {
            let names = self.names.all();
            let label = match &names[..] {
                [] => "no stage of the file has a name".to_owned(),
                names => format!(
                    "expected one of {}",
                    names.iter().take(20).copied().collect::<Vec<_>>().join(", ")
                ),
            };
            self.wrong(0..0, format!("no stage `{name}`"), label, None);
        }
        found
    }

    /// What every `FROM` sees.
    fn globals(&mut self, target: usize) {
        let name = self.file.stages[target].name.as_ref().map_or("", |name| name.text.as_str());
        let wanted = self.choices.target.as_deref().unwrap_or(name).to_owned();
        self.globals = platform::variables(&self.platform, &self.build_platform, &wanted);
        for (name, value) in &mut self.globals {
            if let Some(chosen) = self.choices.build_args.get(name) {
                self.used.insert(name.clone());
                chosen.clone_into(value);
            }
        }
        let file = self.file;
        for argument in &file.args {
            let name = &argument.name.text;
            let value = match (self.choices.build_args.get(name), &argument.default) {
                (Some(chosen), _) => Some(chosen.clone()),
                (None, Some(default)) => self.global(default).map(|e| e.text),
                (None, None) => None,
            };
            self.used.insert(name.clone());
            self.globals.extend(value.map(|value| (name.clone(), value)));
        }
    }

    fn global(&mut self, text: &Text) -> Option<Expanded> {
        self.charge(text.text.len(), &text.span)?;
        match expand(&text.text, self.file.directives.escape.char(), &self.globals) {
            Ok(expanded) => {
                self.charge(expanded.text.len() + expanded.steps / STEPS, &text.span)?;
                Some(expanded)
            }
            Err(error) => {
                self.unexpanded(text, &error);
                None
            }
        }
    }

    /// `--platform=` of a `FROM`.
    fn own_platform(&mut self, stage: &StageText) -> Option<Platform> {
        let text = stage.platform.as_ref().filter(|text| !text.text.is_empty())?;
        let expanded = self.global(text)?;
        let found = platform::parse(&expanded.text, &self.build_platform);
        if found.is_none() {
            let title = format!("`{}` is no platform", expanded.text);
            let label = format!("expected such as `linux/amd64`{}", unset(&expanded.unset));
            self.wrong(text.span.clone(), title, label, None);
        }
        found
    }

    fn beginning(
        &mut self,
        stage: &StageText,
        number: usize,
        own: Option<Platform>,
        before: &[Platform],
    ) -> (Option<Beginning>, Platform) {
        let target = self.platform.clone();
        let Some(expanded) = self.global(&stage.base) else { return (None, target) };
        let name = expanded.text;
        if name.is_empty() {
            let title = "the base of the stage is empty".to_owned();
            let label = format!("expected an image{}", unset(&expanded.unset));
            let help = "give `ARG` a default before the first FROM, or the build a value".to_owned();
            self.wrong(stage.base.span.clone(), title, label, Some(help));
            return (None, target);
        }
        match self.names.first(&name).filter(|found| *found < number) {
            Some(found) => (Some(Beginning::Stage(found)), before[found].clone()),
            None if name == "scratch" => (Some(Beginning::Scratch), target),
            None => {
                let platform = own.unwrap_or(target);
                let image = self.image(&stage.base, &name, Some(&platform));
                (image.map(Beginning::Image), platform)
            }
        }
    }

    /// An image by name; for the target's platform if for no other.
    pub(super) fn image(&mut self, at: &Text, name: &str, platform: Option<&Platform>) -> Option<Image> {
        let platform = platform.unwrap_or(&self.platform).clone();
        // That would be the id of an image of some engine.
        let is_id = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
        match name.parse::<Reference>() {
            Ok(Reference { place: Place::Registry { .. }, .. }) if !is_id => {
                Some(Image { name: name.to_owned(), platform })
            }
            Ok(_) => {
                let label = "expected the name of an image in a registry";
                self.wrong(at.span.clone(), format!("`{name}` is no image"), label, None);
                None
            }
            Err(error) => {
                self.wrong(at.span.clone(), format!("`{name}` is no image"), error.to_string(), None);
                None
            }
        }
    }

    /// What is done first in a stage.
    fn triggers(&mut self, beginning: &Beginning, number: usize) -> Vec<Instruction> {
        let (file, images) = (self.file, self.images);
        let recorded: Vec<&str> = match beginning {
            Beginning::Scratch => Vec::new(),
            Beginning::Image(image) => {
                let config = images.get(image);
                config.map(|config| config.on_build.iter().map(String::as_str).collect()).unwrap_or_default()
            }
            Beginning::Stage(base) => {
                let own = file.stages[*base].instructions.iter().filter_map(|i| match &i.says {
                    Says::OnBuild(text) => Some(text.as_str()),
                    _ => None,
                });
                own.collect()
            }
        };
        let mut triggers = Vec::new();
        for text in recorded {
            // One stage may be the base of any number of others.
            if self.charge(text.len(), &file.stages[number].span).is_none() {
                break;
            }
            match parse::trigger(text, number, &self.names) {
                Ok(instruction) => triggers.push(instruction),
                Err(wrong) => {
                    for one in wrong {
                        let span = file.stages[number].span.clone();
                        let title = format!("a trigger of the base: {}", one.title);
                        self.wrong(span, title, format!("{}, in `{}`", one.label, short(text)), one.help);
                    }
                }
            }
        }
        triggers
    }
}

/// What to say of variables that have no value.
fn unset(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!("; `{}` has no value", names.join("`, `")),
    }
}

fn short(text: &str) -> String {
    let mut line: String = text.lines().next().unwrap_or_default().chars().take(80).collect();
    if line.len() < text.len() {
        line.push('…');
    }
    line
}
