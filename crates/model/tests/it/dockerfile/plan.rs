//! What a build does, in rounds.

use model::dockerfile::{self, Added, Choices, Config, From, Images, Mode, Mount, Origin, Plan, Run, Work};

use super::dump;

fn planned(text: &str, choices: &Choices, config: &Config) -> Result<Plan, model::Diagnostics> {
    let file = dockerfile::parse("Dockerfile", text)?;
    let mut images = Images::default();
    for base in dockerfile::bases(&file, choices, &images)?.iter().filter(|base| base.begins) {
        images.insert(&base.image, config.clone());
    }
    dockerfile::plan(&file, choices, &images)
}

fn plan(text: &str) -> Plan {
    planned(text, &dump::choices(), &dump::image()).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn runs(plan: &Plan) -> Vec<&Run> {
    let steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    let runs = steps.filter_map(|step| match &step.work {
        Work::Run(run) => Some(&**run),
        _ => None,
    });
    runs.collect()
}

#[test]
fn images_are_asked_for_in_rounds() {
    let text = "ARG V=12\nFROM debian:$V AS a\nFROM unused\nFROM alpine\nCOPY --from=a x y\nCOPY --from=busybox:1 x y\n\
        RUN --mount=from=golang:1,target=/go x\n";
    let file = dockerfile::parse("Dockerfile", text).unwrap();
    let choices = dump::choices();
    let mut images = Images::default();
    let names = |images: &Images| {
        let bases = dockerfile::bases(&file, &choices, images).unwrap();
        bases.iter().map(|b| (b.image.name.clone(), b.begins)).collect::<Vec<_>>()
    };
    let first = names(&images);
    let expected = [("debian:12", true), ("alpine", true), ("busybox:1", false), ("golang:1", false)];
    assert_eq!(first, expected.map(|(name, begins)| (name.to_owned(), begins)));
    // Without what the bases say of themselves there is no plan.
    let wrong = dockerfile::plan(&file, &choices, &images).unwrap_err();
    assert_eq!(wrong.list.len(), 2);
    assert!(wrong.list[0].title.contains("debian:12 for linux/amd64"));
    // One of them brings an instruction that needs another image.
    for base in dockerfile::bases(&file, &choices, &images).unwrap().iter().filter(|base| base.begins) {
        let recorded =
            if base.image.name == "alpine" { vec!["COPY --from=tools:2 /t /t".to_owned()] } else { vec![] };
        images.insert(&base.image, Config { on_build: recorded, ..dump::image() });
    }
    assert!(names(&images).contains(&("tools:2".to_owned(), false)));
    let plan = dockerfile::plan(&file, &choices, &images).unwrap();
    let target = plan.stages.last().unwrap();
    assert_eq!((plan.stages.len(), target.steps.len()), (2, 4));
    let Work::Copy(copy) = &target.steps[0].work else { panic!("the trigger comes first") };
    assert!(matches!(&copy.from, Origin::Image(image) if image.name == "tools:2"));
    assert_eq!(&text[target.steps[0].span.clone()], "FROM alpine");
    assert_eq!(plan.config.on_build, [""; 0]);
}

#[test]
fn triggers_of_a_stage_run_in_what_begins_with_it() {
    let plan =
        plan("FROM a AS base\nONBUILD RUN <<E\nx\nE\nONBUILD COPY --from=tools y z\nFROM base\nRUN last\n");
    let lines: Vec<_> = runs(&plan).iter().map(|run| run.argv[2].clone()).collect();
    assert_eq!(lines, ["x\n", "last"]);
    assert_eq!(
        plan.stages[1].from,
        From::Stage(match plan.stages[1].from {
            From::Stage(id) => id,
            _ => panic!("a stage"),
        })
    );
    let text = "FROM scratch AS base\nONBUILD COPY --from=later x y\nFROM base\nFROM scratch AS later\n";
    let choices = Choices { target: None, ..dump::choices() };
    assert!(planned(text, &choices, &dump::image()).is_ok(), "the target needs no trigger");
    let text = "FROM scratch AS base\nONBUILD COPY --from=base x y\nONBUILD FOO\nFROM base AS t\nFROM t\n";
    let wrong = planned(text, &choices, &dump::image()).unwrap_err();
    assert!(wrong.list[0].title.contains("`FOO` is no instruction"), "{wrong}");
    assert_eq!(&text[wrong.list[0].span.clone().unwrap()], "FROM base AS t");
}

#[test]
fn variables_are_seen_where_they_are_declared() {
    let text = "ARG A=1\nARG B\nFROM x:$A AS s\nRUN a\nARG A\nARG B=b C=$A$B D\nENV E=$C\nRUN b\nARG E=late\nRUN c\nFROM s\nRUN d\n";
    let mut choices = dump::choices();
    choices.build_args = [("A", "7"), ("D", "d"), ("Z", "z"), ("http_proxy", "p"), ("TARGETARCH", "mips")]
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .into();
    let plan = planned(text, &choices, &dump::image()).unwrap();
    let From::Image(image) = &plan.stages[0].from else { panic!("an image") };
    assert_eq!(image.name, "x:7");
    let runs = runs(&plan);
    let of = |run: &Run, name: &str| run.env.get(name).cloned().unwrap_or_default();
    let all = |run: &Run| ["A", "B", "C", "D", "E"].map(|name| of(run, name)).join(",");
    assert_eq!(
        runs.iter().map(|run| all(run)).collect::<Vec<_>>(),
        [",,,,", "7,b,7b,d,7b", "7,b,7b,d,late", "7,b,7b,d,late"]
    );
    assert_eq!(of(runs[0], "FROM_BASE"), "yes");
    assert_eq!(runs[0].proxies.keys().collect::<Vec<_>>(), ["HTTP_PROXY", "http_proxy"]);
    // What an ARG said is no part of the image.
    let env: Vec<_> = plan.config.env.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(env, ["PATH=/usr/bin:/bin", "FROM_BASE=yes", "E=7b"]);
    assert_eq!(plan.unused.into_iter().collect::<Vec<_>>(), ["Z"]);
}

#[test]
fn a_target_leaves_out_what_it_does_not_need() {
    let text = "FROM a AS one\nFROM b AS two\nRUN two\nFROM c\nCOPY --from=one x y\n";
    let mut choices = dump::choices();
    assert_eq!(planned(text, &choices, &dump::image()).unwrap().stages.len(), 2);
    choices.target = Some("TWO".to_owned());
    choices.labels.insert("by".to_owned(), "me".to_owned());
    let plan = planned(text, &choices, &dump::image()).unwrap();
    assert_eq!((plan.stages.len(), plan.stages[0].number), (1, 1));
    assert_eq!(plan.config.labels["by"], "me");
    choices.target = Some("three".to_owned());
    let wrong = planned(text, &choices, &dump::image()).unwrap_err();
    assert!(wrong.to_string().contains("expected one of one, two"), "{wrong}");
}

#[test]
fn platforms_reach_bases_and_variables() {
    let text = "FROM --platform=$BUILDPLATFORM a AS b\nARG TARGETARCH TARGETVARIANT TARGETPLATFORM\nRUN x\nFROM c\nCOPY --from=b x y\n";
    let mut choices = dump::choices();
    choices.platform = model::oci::Platform::of("armhf").unwrap();
    let plan = planned(text, &choices, &dump::image()).unwrap();
    let platforms: Vec<_> = plan.stages.iter().map(|stage| stage.platform.to_string()).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm/v7"]);
    assert_eq!(runs(&plan)[0].env["TARGETPLATFORM"], "linux/arm/v7");
    assert_eq!(plan.platform.to_string(), "linux/arm/v7");
}

#[test]
fn every_kind_of_source_and_mount_is_resolved() {
    let hex = "0".repeat(64);
    let text = format!(
        "FROM a\nWORKDIR w\nENV D=dir\nADD --checksum=sha256:{hex} https://example.org/x/y.tgz?z $D/\n\
         ADD https://example.org/r.git?subdir=s&commit=aaaaaaaaaa#v1 /g\nADD a.tar .\nCOPY --parents a/./b/* --chmod=2755 /to/\n"
    );
    let text = text.replace("COPY --parents a/./b/* --chmod=2755", "COPY --parents --chmod=2755 a/./b/*");
    let plan = plan(
        &(text
            + "RUN --mount=target=m --mount=type=tmpfs,target=/t,size=1m --mount=type=cache,target=/c,sharing=locked,mode=0700 x\n"),
    );
    let steps = &plan.stages[0].steps;
    let Work::Add(add) = &steps[1].work else { panic!("ADD") };
    assert_eq!((add.to.path.as_str(), add.to.folder), ("/base/w/dir", true));
    assert!(
        matches!(&add.sources[0], Added::Url { name, checksum: Some(_), unpack: false, .. } if name == "y.tgz")
    );
    let Work::Add(add) = &steps[2].work else { panic!("ADD") };
    let Added::Git { remote, reference, commit, folder, .. } = &add.sources[0] else { panic!("git") };
    assert_eq!(remote, "https://example.org/r.git");
    assert_eq!(
        [reference, commit, folder].map(Option::as_deref),
        [Some("v1"), Some("aaaaaaaaaa"), Some("s")]
    );
    let Work::Add(add) = &steps[3].work else { panic!("ADD") };
    assert!(matches!(&add.sources[0], Added::Path { path, unpack: true } if path == "/a.tar"));
    let Work::Copy(copy) = &steps[4].work else { panic!("COPY") };
    assert_eq!(copy.sources, [("/a".to_owned(), Some("b/*".to_owned()))]);
    assert_eq!(copy.mode, Some(Mode::Octal(0o2755)));
    let mounts = &runs(&plan)[0].mounts;
    assert!(
        matches!(&mounts[0], Mount::Bind { from: Origin::Context, target, writable: false, .. } if target == "/base/w/m")
    );
    assert!(matches!(&mounts[1], Mount::Tmpfs { size: Some(0x10_0000), .. }));
    assert!(matches!(&mounts[2], Mount::Cache { id, from: Origin::Scratch, .. } if id == "/c"));
}
