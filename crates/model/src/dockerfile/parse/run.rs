//! `RUN` and its flags.

use super::checker::nearest;
use super::{Checker, Names, Take};
use crate::dockerfile::instruction::{CommandText, Device, Network, RunText, Security};
use crate::dockerfile::line::Text;
use crate::dockerfile::mount::{self, KEYS, Key, RawMount};
use crate::dockerfile::statement::Statement;

impl Checker {
    pub(super) fn run(&mut self, statement: &Statement, stage: usize, names: &Names) -> Option<RunText> {
        let known =
            [("mount", Take::Many), ("network", Take::One), ("security", Take::One), ("device", Take::Many)];
        let mut flags = self.flags(statement, &known);
        let mounts = flags.many("mount").iter().filter_map(|m| self.mount(m, stage, names)).collect();
        let network = flags.one("network").map_or(Network::Default, |value| match value.text.as_str() {
            "default" => Network::Default,
            "none" => Network::None,
            "host" => Network::Host,
            other => {
                let title = format!("`{other}` is no network");
                self.wrong(value.span, title, "expected `default`, `none` or `host`", None);
                Network::Default
            }
        });
        let security = flags.one("security").map_or(Security::Sandbox, |value| match value.text.as_str() {
            "sandbox" => Security::Sandbox,
            "insecure" => Security::Insecure,
            other => {
                let title = format!("`{other}` is no kind of security");
                self.wrong(value.span, title, "expected `sandbox` or `insecure`", None);
                Security::Sandbox
            }
        });
        let devices = flags.many("device").iter().filter_map(|d| self.device(d)).collect();
        let command = self.command(statement, &statement.arguments)?;
        let heredocs = match &command {
            CommandText::List(_) => Vec::new(),
            CommandText::Line(_) => statement.heredocs.clone(),
        };
        Some(RunText { command, heredocs, mounts, network, security, devices })
    }

    /// The fields of a mount. What their values mean is asked when they are expanded.
    fn mount(&mut self, value: &Text, stage: usize, names: &Names) -> Option<RawMount> {
        let mut mount = RawMount { span: value.span.clone(), fields: Vec::new(), from: None };
        for field in self.fields(value)? {
            let (name, content) =
                field.text.split_once('=').map_or((&*field.text, None), |(n, v)| (n, Some(v)));
            let name = name.to_lowercase();
            let Some((_, key)) = KEYS.into_iter().find(|(known, _)| *known == name) else {
                let names = KEYS.map(|(known, _)| known);
                let help = nearest(&name, &names).map(|n| format!("did you mean `{n}`?"));
                let label = format!("expected one of {}", names.join(", "));
                self.wrong(field.span, format!("`{name}` is no option of a mount"), label, help);
                return None;
            };
            let content = content.map(|content| {
                // The value is the end of the field, if that is as it is written.
                let plain = field.span.len() == field.text.len();
                let start = if plain { field.span.end - content.len() } else { field.span.start };
                Text { text: content.to_owned(), span: start..field.span.end }
            });
            match &content {
                None if !key.stands_alone() => {
                    let label = format!("expected `{name}=value`");
                    self.wrong(field.span, format!("`{name}` without a value"), label, None);
                    return None;
                }
                Some(word) if key == Key::From => {
                    let variable = word.text.find('$').is_some_and(|at| at + 1 < word.text.len());
                    let found =
                        match variable {
                            true => Err("variables are not expanded here: define a stage, and mount from it"
                                .to_owned()),
                            false => names.from(word, stage, false),
                        };
                    match found {
                        Ok(from) => mount.from = Some(from).filter(|_| !word.text.is_empty()),
                        Err(label) => {
                            let title = format!("`{}` cannot be mounted", word.text);
                            self.wrong(word.span.clone(), title, label, None);
                            return None;
                        }
                    }
                }
                _ => {}
            }
            mount.fields.push((key, content));
        }
        Some(mount)
    }

    fn device(&mut self, value: &Text) -> Option<Device> {
        let mut device = Device::default();
        for field in self.fields(value)? {
            let (name, content) =
                field.text.split_once('=').map_or((&*field.text, None), |(n, v)| (n, Some(v)));
            match (name.to_lowercase().as_str(), content) {
                ("required", None) => device.required = true,
                ("required", Some(content)) if mount::yes(content).is_some() => {
                    device.required = mount::yes(content).unwrap_or(false);
                }
                ("name", Some(content)) if device.name.is_empty() => content.clone_into(&mut device.name),
                (other, _) if device.name.is_empty() && other != "required" => {
                    device.name = field.text.clone();
                }
                _ => {
                    let label = "expected `name=device` and perhaps `required`";
                    self.wrong(field.span, format!("`{}` is no option of a device", field.text), label, None);
                    return None;
                }
            }
        }
        Some(device)
    }

    /// The fields of a flag's value, with where they stand.
    fn fields(&mut self, value: &Text) -> Option<Vec<Text>> {
        let fields = mount::fields(&value.text).filter(|_| !value.text.is_empty());
        let Some(fields) = fields else {
            let label = "expected `name=value`, parted by commas";
            self.wrong(value.span.clone(), format!("`{}` is not read", value.text), label, None);
            return None;
        };
        // Where quotes were taken off, nobody knows what stood where.
        let plain = value.span.len() == value.text.len();
        let place = |range: std::ops::Range<usize>| match plain {
            true => value.span.start + range.start..value.span.start + range.end,
            false => value.span.clone(),
        };
        Some(fields.into_iter().map(|(text, range)| Text { text, span: place(range) }).collect())
    }
}
