//! What a wrong Dockerfile is told, and where.

use model::dockerfile;

use super::dump;

/// The text that a file's one mistake points at, and what is said of it.
fn told(text: &str) -> (String, String) {
    let wrong = match dockerfile::parse("Dockerfile", text) {
        Err(wrong) => wrong,
        Ok(file) => {
            let mut images = dockerfile::Images::default();
            let found = dockerfile::bases(&file, &dump::choices(), &images);
            found
                .and_then(|bases| {
                    bases.iter().for_each(|base| images.insert(&base.image, dump::image()));
                    dockerfile::plan(&file, &dump::choices(), &images)
                })
                .expect_err(text)
        }
    };
    assert_eq!(wrong.list.len(), 1, "{text:?}: {wrong}");
    let span = wrong.list[0].span.clone().unwrap_or_default();
    (text[span].to_owned(), wrong.list[0].title.clone())
}

#[test]
fn mistakes_have_a_place() {
    for (text, at, title) in [
        ("", "", "no FROM"),
        ("# only\n", "", "no FROM"),
        ("ARG a\n", "ARG a", "no FROM"),
        ("RUN x\nFROM a\n", "RUN", "`RUN` stands before the first FROM"),
        ("FROM\n", "FROM", "FROM with other words"),
        ("FROM a as\n", "FROM a as", "FROM with other words"),
        ("FROM a AS 1x\n", "1x", "`1x` is no name for a stage"),
        ("FROM a AS b\nFROM c AS B\n", "B", "a second stage `b`"),
        ("FROM a\nRUM x\n", "RUM", "`RUM` is no instruction"),
        ("FROM --os=x a\n", "--os=x", "`--os` is no flag of FROM"),
        ("FROM a\nENV --x a=b\n", "--x", "`--x` is no flag of ENV"),
        ("FROM a\nCOPY --link --link a b\n", "--link", "`--link` stands here for the second time"),
        ("FROM a\nCOPY --link=x a b\n", "--link=x", "`--link` with another value"),
        ("FROM a\nCOPY --from a b\n", "--from", "`--from` without a value"),
        ("FROM a\nCOPY a\n", "COPY a", "COPY without enough"),
        ("FROM a\nCOPY a <<E\nE\n", "<<E", "a document as the destination"),
        ("FROM a\nCOPY --from=$x a b\n", "$x", "`--from=` with a variable"),
        ("FROM a\nCOPY --from=0 a b\n", "0", "`0` cannot be copied from"),
        ("FROM a\nCOPY --from=7 a b\n", "7", "`7` cannot be copied from"),
        ("FROM a AS s\nCOPY --from=S a b\n", "S", "`S` cannot be copied from"),
        ("FROM a\nCOPY --from=s a b\nFROM b AS s\n", "s", "`s` cannot be copied from"),
        ("FROM a\nCOPY [\"a\", 1]\n", "[\"a\", 1]", "a list of other things than strings"),
        ("FROM a\nENV\n", "ENV", "ENV without arguments"),
        ("FROM a\nENV a\n", "ENV a", "ENV without enough"),
        ("FROM a\nENV a=b c\n", "c", "`c` has no value"),
        ("FROM a\nENV =b\n", "", "ENV without a name"),
        ("FROM a\nSHELL bash\n", "bash", "SHELL is not written as a list"),
        ("FROM a\nSHELL []\n", "SHELL []", "SHELL without arguments"),
        ("FROM a\nONBUILD FROM b\n", "FROM", "`FROM` is no trigger"),
        ("FROM a\nONBUILD ONBUILD RUN b\n", "ONBUILD", "`ONBUILD` is no trigger"),
        ("FROM a\nHEALTHCHECK\n", "HEALTHCHECK", "HEALTHCHECK without arguments"),
        ("FROM a\nHEALTHCHECK NONE x\n", "x", "HEALTHCHECK NONE with arguments"),
        ("FROM a\nHEALTHCHECK --interval=5 CMD x\n", "5", "not a duration"),
        ("FROM a\nHEALTHCHECK PING\n", "PING", "`PING` is no health check"),
        ("FROM a\nRUN <<E\nx\n", "RUN <<E", "the document `<<E` does not end"),
        ("FROM a\nRUN --network=some x\n", "some", "`some` is no network"),
        ("FROM a\nRUN --mount=type=bind,form=x x\n", "form=x", "`form` is no option of a mount"),
        ("FROM a\nRUN --mount=target x\n", "target", "`target` without a value"),
        ("FROM a\nRUN --mount=from=$x,target=/x x\n", "$x", "`$x` cannot be mounted"),
        ("# escape=x\nFROM a\n", "x", "not an escape character"),
        ("# escape=`\n# escape=`\nFROM a\n", "`", "`# escape=` stands here for the second time"),
        // What is known only when a build is planned.
        ("FROM $X\n", "$X", "the base of the stage is empty"),
        ("FROM A/b\n", "A/b", "`A/b` is no image"),
        ("FROM oci-layout:x\n", "oci-layout:x", "`oci-layout:x` is no image"),
        ("FROM --platform=what/ever/is/this a\n", "what/ever/is/this", "`what/ever/is/this` is no platform"),
        ("FROM a\nRUN --mount=type=bin,target=/x x\n", "bin", "`bin` is not usable in this mount"),
        ("FROM a\nRUN --mount=type=secret x\n", "type=secret", "a mount that contradicts itself"),
        ("FROM a\nRUN --mount=uid=1,target=/x x\n", "uid=1,target=/x", "a mount that contradicts itself"),
        (
            "FROM a\nWORKDIR /\nRUN --mount=type=cache,target=. x\n",
            "type=cache,target=.",
            "a mount over everything",
        ),
        ("FROM a\nRUN []\n", "RUN []", "RUN without a command"),
        ("FROM a\nENV x=${y:?set}\n", "${y:?set}", "the variables of a word cannot be replaced"),
        (
            "FROM a\nCOPY https://example.org/a b\n",
            "https://example.org/a",
            "`https://example.org/a` is no path",
        ),
        (
            "FROM a\nADD --checksum=md5:0 https://example.org/a b\n",
            "md5:0",
            "`md5:0` is no checksum of what is added",
        ),
        ("FROM a\nCOPY --chmod=u+q a b\n", "u+q", "`u+q` is no mode"),
        ("FROM a\nEXPOSE http\n", "http", "`http` is no port"),
        ("FROM a\nSTOPSIGNAL now\n", "now", "`now` is no signal"),
        ("FROM a\nVOLUME $x\n", "$x", "VOLUME without a path"),
        (
            "# syntax=example.org/other:1\nFROM a\n",
            "example.org/other:1",
            "`example.org/other:1` is another frontend",
        ),
    ] {
        assert_eq!(told(text), (at.to_owned(), title.to_owned()), "{text:?}");
    }
}

#[test]
fn everything_is_told_at_once_and_not_without_end() {
    let text = "FROM a\nRUM x\nCOPY y\nRUN --mount=x=y z\n";
    assert_eq!(dockerfile::parse("f", text).unwrap_err().list.len(), 3);
    let many = "FROM a\n".to_owned() + &"x\n".repeat(500);
    let list = dockerfile::parse("f", &many).unwrap_err().list;
    assert_eq!((list.len(), list[100].title.as_str()), (101, "400 more mistakes"));
}

#[test]
fn a_plan_has_an_end() {
    for (text, expected) in [
        (
            "FROM a\nENV a=xx\n".to_owned() + &"ENV a=$a$a\n".repeat(25),
            "the variables of a word cannot be replaced",
        ),
        (
            "FROM a\n".to_owned() + &(0..30_000).map(|n| format!("ENV a{n}=x\nRUN y\n")).collect::<String>(),
            "the plan grows too large",
        ),
    ] {
        let file = dockerfile::parse("Dockerfile", &text).unwrap();
        let mut images = dockerfile::Images::default();
        for base in dockerfile::bases(&file, &dump::choices(), &images).unwrap() {
            images.insert(&base.image, dump::image());
        }
        let wrong = dockerfile::plan(&file, &dump::choices(), &images).unwrap_err();
        assert_eq!(wrong.list[0].title, expected);
    }
}

/// Texts that cost more than they are long, or whose places would be in the middle of a character.
#[test]
fn hostile_texts_are_told_like_others() {
    let body = "x".repeat(1 << 20);
    let names = "<<a ".repeat(64);
    let text = format!("FROM scratch\nCOPY {names}/d\n{}{body}\na\n", "a\n".repeat(63));
    assert_eq!(told(&text), ("<<a".to_owned(), "too many documents".to_owned()));
    for text in [
        "FROM scratch\nLABEL \"é\"=\"${é}\"é=é\"é\n",
        "FROM scratch\nENV \"é\\\"é\"=${x:?é}\n",
        "FROM scratch\nRUN --mount=type=bind,\"sourceé=é\",İ=é x\n",
        "FROM scratch\nRUN --mount=TYPE=é,\"target=\"\"é\" x\n",
        "FROM scratch\nLABEL é\"=\"é=$\n",
    ] {
        let wrong = match dockerfile::parse("Dockerfile", text) {
            Err(wrong) => wrong.list,
            Ok(file) => {
                let images = dockerfile::Images::default();
                dockerfile::plan(&file, &dump::choices(), &images)
                    .map_or_else(|wrong| wrong.list, |_| Vec::new())
            }
        };
        for span in wrong.iter().filter_map(|wrong| wrong.span.clone()) {
            assert!(text.get(span.clone()).is_some(), "{text:?}: {span:?}");
        }
    }
}
