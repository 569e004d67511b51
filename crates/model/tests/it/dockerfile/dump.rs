//! What was read, in the form that BuildKit's own reader is asked for, so that both can be compared.

use model::dockerfile::{
    self, Added, Choices, CommandText, Config, Dockerfile, Files, From, Heredoc, Image, Images, Mode, Mount,
    Network, Origin, Owner, Plan, Says, Security, Sharing, Stage, Text, Work,
};
use model::oci::Platform;
use serde_json::{Map, Value, json};

/// The tree of a file; `null` if something is wrong with it.
pub(crate) fn tree(text: &str) -> Value {
    let Ok(file) = dockerfile::parse("Dockerfile", text) else { return Value::Null };
    let stage = |stage: &dockerfile::StageText| {
        json!({
            "base": stage.base.text,
            "name": some(stage.name.as_ref()),
            "platform": some(stage.platform.as_ref()),
            "says": stage.instructions.iter().map(|i| says(&i.says)).collect::<Vec<_>>(),
        })
    };
    json!({
        "escape": file.directives.escape.char().to_string(),
        "args": arguments(&file.args),
        "stages": file.stages.iter().map(stage).collect::<Vec<_>>(),
    })
}

fn some(text: Option<&Text>) -> &str {
    text.map_or("", |text| text.text.as_str())
}

fn arguments(list: &[dockerfile::Argument]) -> Value {
    list.iter().map(|a| json!([a.name.text, a.default.as_ref().map(|d| &d.text)])).collect()
}

fn pairs(list: &[dockerfile::Pair]) -> Value {
    list.iter().map(|p| json!([p.name.text, p.value.text])).collect()
}

fn command(command: &CommandText) -> Value {
    match command {
        CommandText::List(list) => json!({ "list": list }),
        CommandText::Line(line) => json!({ "line": line.text }),
    }
}

fn texts(list: &[Text]) -> Vec<&str> {
    list.iter().map(|text| text.text.as_str()).collect()
}

fn says(says: &Says) -> Value {
    match says {
        Says::Arg(list) => json!({ "arg": arguments(list) }),
        Says::Env(list) => json!({ "env": pairs(list) }),
        Says::Label(list) => json!({ "label": pairs(list) }),
        Says::Workdir(text) => json!({ "workdir": text.text }),
        Says::User(text) => json!({ "user": text.text }),
        Says::Shell(list) => json!({ "shell": list }),
        Says::Cmd(c) => json!({ "cmd": command(c) }),
        Says::Entrypoint(c) => json!({ "entrypoint": command(c) }),
        Says::Expose(list) => {
            let mut words = texts(list);
            words.sort_unstable();
            json!({ "expose": words })
        }
        Says::Volume(list) => json!({ "volume": texts(list) }),
        Says::StopSignal(text) => json!({ "stopsignal": text.text }),
        Says::Health(h) => json!({ "health": {
            "test": h.test, "interval": h.interval, "timeout": h.timeout, "start_period": h.start_period,
            "start_interval": h.start_interval, "retries": h.retries,
        }}),
        Says::OnBuild(text) => json!({ "onbuild": text }),
        Says::Maintainer(text) => json!({ "maintainer": text }),
        Says::Run(run) => json!({ "run": {
            "command": command(&run.command),
            "documents": run.heredocs.iter().map(|h| json!([h.name, h.chomps, h.body.text])).collect::<Vec<_>>(),
            "network": match run.network {
                Network::Default => "default",
                Network::None => "none",
                Network::Host => "host",
            },
            "security": match run.security {
                Security::Sandbox => "sandbox",
                Security::Insecure => "insecure",
            },
            "devices": run.devices.iter().map(|d| json!([d.name, d.required])).collect::<Vec<_>>(),
        }}),
        Says::Copy(copy) => {
            let mut map = files(&copy.files);
            map.insert("parents".into(), json!(copy.parents));
            json!({ "copy": map })
        }
        Says::Add(add) => {
            let mut map = files(&add.files);
            map.insert("checksum".into(), json!(some(add.checksum.as_ref())));
            map.insert("keep_git_dir".into(), json!(add.keep_git_dir));
            map.insert("unpack".into(), json!(add.unpack));
            json!({ "add": map })
        }
    }
}

fn files(files: &Files) -> Map<String, Value> {
    let document = |h: &Heredoc| json!([h.name, h.content(), h.expands]);
    let Value::Object(map) = json!({
        "sources": texts(&files.sources),
        "documents": files.documents.iter().map(document).collect::<Vec<_>>(),
        "to": files.destination.text,
        "chown": some(files.chown.as_ref()),
        "chmod": some(files.chmod.as_ref()),
        "link": files.link,
        "exclude": texts(&files.exclude),
    }) else {
        unreachable!("an object is one")
    };
    map
}

/// What the caller chooses in comparisons.
pub(crate) fn choices() -> Choices {
    let platform = Platform { os: "linux".into(), architecture: "amd64".into(), variant: String::new() };
    Choices { platform: platform.clone(), build_platform: platform, ..Choices::default() }
}

/// What every image is in comparisons.
pub(crate) fn image() -> Config {
    Config::read(br#"{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/usr/bin:/bin","FROM_BASE=yes"],"Cmd":["sh"],"WorkingDir":"/base"},"rootfs":{"type":"layers","diff_ids":["sha256:0000000000000000000000000000000000000000000000000000000000000000"]}}"#)
        .expect("a configuration")
}

/// The plan of a file; `null` if something is wrong with it.
pub(crate) fn plan(text: &str) -> Value {
    let Ok(file) = dockerfile::parse("Dockerfile", text) else { return Value::Null };
    let choices = choices();
    let mut images = Images::default();
    let Ok(bases) = dockerfile::bases(&file, &choices, &images) else { return Value::Null };
    for base in bases.iter().filter(|base| base.begins) {
        images.insert(&base.image, image());
    }
    plan_of(&file, &choices, &images)
}

fn plan_of(file: &Dockerfile, choices: &Choices, images: &Images) -> Value {
    let Ok(plan) = dockerfile::plan(file, choices, images) else { return Value::Null };
    let (mut runs, mut copies, mut folders) = (Vec::new(), Vec::new(), Vec::new());
    for stage in &plan.stages {
        for step in &stage.steps {
            match &step.work {
                Work::Run(run) => runs.push(json!({
                    "args": run.argv,
                    "script": run.script.as_ref().map(|s| json!([s.path, s.text])),
                    "env": run.env.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>(),
                    "cwd": run.workdir,
                    "user": run.user,
                    "network": match run.network {
                        Network::Default => "UNSET",
                        Network::None => "NONE",
                        Network::Host => "HOST",
                    },
                    "mounts": sorted(run.mounts.iter().map(|m| mount(m, &plan)).collect()),
                })),
                Work::Copy(copy) => {
                    let from = origin(&copy.from, &plan);
                    for (path, below) in &copy.sources {
                        copies.push(json!({
                            "from": from, "src": path, "dest": place(&copy.to),
                            "owner": user(copy.owner.as_deref().unwrap_or_default()), "mode": mode(copy.mode.as_ref()),
                            "unpack": false, "include": below.iter().collect::<Vec<_>>(), "exclude": copy.exclude,
                        }));
                    }
                    documents(
                        &copy.documents,
                        &copy.to,
                        copy.owner.as_deref(),
                        copy.mode.as_ref(),
                        &copy.exclude,
                        &mut copies,
                    );
                }
                Work::Add(add) => {
                    for source in &add.sources {
                        let (from, src, unpack) = match source {
                            Added::Path { path, unpack } => {
                                ("local://context".to_owned(), path.clone(), *unpack)
                            }
                            Added::Url { url, name, checksum, unpack } => {
                                let sum = checksum.as_ref().map_or(String::new(), |sum| format!(" {sum}"));
                                (format!("{url}{sum}"), format!("/{name}"), *unpack)
                            }
                            Added::Git { .. } => ("git".to_owned(), "/".to_owned(), false),
                        };
                        copies.push(json!({
                            "from": from, "src": src, "dest": place(&add.to),
                            "owner": user(add.owner.as_deref().unwrap_or_default()), "mode": mode(add.mode.as_ref()),
                            "unpack": unpack, "include": [], "exclude": add.exclude,
                        }));
                    }
                    documents(
                        &add.documents,
                        &add.to,
                        add.owner.as_deref(),
                        add.mode.as_ref(),
                        &add.exclude,
                        &mut copies,
                    );
                }
                Work::Workdir(folder) => folders.push(json!([folder.path, user(&folder.user)])),
            }
        }
    }
    json!({ "runs": set(runs), "copies": set(copies), "folders": set(folders), "config": config(&plan.config) })
}

/// The other side has no order.
fn sorted(mut list: Vec<Value>) -> Vec<Value> {
    list.sort_by_key(Value::to_string);
    list
}

/// Nor the same thing twice.
fn set(list: Vec<Value>) -> Vec<Value> {
    let mut list = sorted(list);
    list.dedup();
    list
}

/// BuildKit knows who root is.
fn user(name: &str) -> String {
    name.split(':').map(|part| if part == "root" { "0" } else { part }).collect::<Vec<_>>().join(":")
}

fn documents(
    list: &[dockerfile::Document],
    to: &dockerfile::Place,
    owner: Option<&str>,
    permissions: Option<&Mode>,
    exclude: &[String],
    copies: &mut Vec<Value>,
) {
    for document in list {
        copies.push(json!({
            "from": format!("document {}", document.text), "src": format!("/{}", document.name), "dest": place(to),
            "owner": user(owner.unwrap_or_default()), "mode": mode(permissions), "unpack": false, "include": [],
            "exclude": exclude,
        }));
    }
}

fn place(place: &dockerfile::Place) -> String {
    if place.folder && place.path != "/" { format!("{}/", place.path) } else { place.path.clone() }
}

fn mode(mode: Option<&Mode>) -> String {
    match mode {
        None => String::new(),
        Some(Mode::Octal(number)) => format!("{number:o}"),
        Some(Mode::Symbolic(text)) => text.clone(),
    }
}

fn origin(origin: &Origin, plan: &Plan) -> String {
    match origin {
        Origin::Context => "local://context".to_owned(),
        Origin::Scratch => "nothing".to_owned(),
        Origin::Image(image) => named(image),
        Origin::Stage(id) => end(&plan.stages[id.index()], plan),
    }
}

/// What a stage is at its end: what it begins with, if nothing changes it.
fn end(stage: &Stage, plan: &Plan) -> String {
    if !stage.steps.is_empty() {
        return "step".to_owned();
    }
    match &stage.from {
        From::Scratch => "nothing".to_owned(),
        From::Image(image) => named(image),
        From::Stage(id) => end(&plan.stages[id.index()], plan),
    }
}

/// With the tag that is meant where none is said.
fn named(image: &Image) -> String {
    let last = image.name.rsplit('/').next().unwrap_or_default();
    let tag = if last.contains([':', '@']) { "" } else { ":latest" };
    format!("image {}{tag} {}", image.name, image.platform)
}

fn mount(mount: &Mount<Origin>, plan: &Plan) -> Value {
    match mount {
        Mount::Bind { from, source, target, writable } => {
            json!(["bind", origin(from, plan), source, target, writable])
        }
        Mount::Cache { id, from, source, target, sharing, writable, owner: o } => {
            // With an owner it begins with a folder that has that.
            let from = if *o == Owner::default() { origin(from, plan) } else { "step".to_owned() };
            let source = if *o != Owner::default() && source == "/" { "/cache" } else { source };
            let sharing = match sharing {
                Sharing::Shared => "SHARED",
                Sharing::Private => "PRIVATE",
                Sharing::Locked => "LOCKED",
            };
            json!(["cache", id, from, source, target, sharing, writable])
        }
        Mount::Tmpfs { target, size } => json!(["tmpfs", target, size.unwrap_or(0)]),
        Mount::Secret { id, target, env, required, owner: o } => {
            json!(["secret", id, target, env, required, owner(o, 0o400)])
        }
        Mount::Ssh { id, target, required, owner: o } => {
            json!(["ssh", id, target, required, owner(o, 0o600)])
        }
    }
}

fn owner(owner: &Owner, mode: u32) -> Value {
    json!([owner.uid.unwrap_or(0), owner.gid.unwrap_or(0), owner.mode.unwrap_or(mode)])
}

fn config(config: &Config) -> Value {
    json!({
        "author": config.author,
        "user": config.user,
        "ports": config.ports,
        "env": config.env.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>(),
        "entrypoint": config.entrypoint,
        "cmd": config.cmd,
        "volumes": config.volumes,
        "workdir": config.workdir,
        "labels": config.labels,
        "stop_signal": config.stop_signal.clone().unwrap_or_default(),
        "shell": config.shell,
        "health": config.health.as_ref().map(|h| json!([h.test, h.interval, h.timeout, h.start_period, h.start_interval, h.retries])),
        "on_build": config.on_build,
    })
}

fn list(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn field<'a>(ask: &'a Value, name: &str) -> &'a str {
    ask[name].as_str().unwrap_or_default()
}

/// A word and its words; `null` if it cannot be expanded.
pub(crate) fn words(ask: &Value) -> Value {
    let env = list(&ask["env"]).into_iter().filter_map(|line| line.split_once('='));
    let env: std::collections::BTreeMap<_, _> = env.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let escape = field(ask, "escape").chars().next().unwrap_or('\\');
    match dockerfile::expand(field(ask, "word"), escape, &env) {
        Ok(expanded) => json!({ "text": expanded.text, "words": expanded.words }),
        Err(_) => Value::Null,
    }
}

/// Which paths are left out; `null` if the file cannot be read.
pub(crate) fn ignore(ask: &Value) -> Value {
    match dockerfile::Ignore::parse(".dockerignore", field(ask, "text")) {
        Ok(ignore) => list(&ask["paths"]).into_iter().map(|path| ignore.matches(path)).collect(),
        Err(_) => Value::Null,
    }
}

/// Which paths a pattern means; `null` if it is none.
pub(crate) fn matched(ask: &Value) -> Value {
    let one = |path: &&str| Some(dockerfile::sources(field(ask, "pattern"), &[path]).ok()? == [*path]);
    list(&ask["paths"]).iter().map(one).collect::<Option<Vec<_>>>().map_or(Value::Null, |all| json!(all))
}

/// The answer to a question, as the other side gives it.
#[allow(dead_code, reason = "asked by what compares more than stands here")]
pub(crate) fn answer(ask: &Value) -> Value {
    match field(ask, "do") {
        "tree" => tree(field(ask, "text")),
        "plan" => plan(field(ask, "text")),
        "words" => words(ask),
        "ignore" => ignore(ask),
        "match" => matched(ask),
        _ => Value::Null,
    }
}
