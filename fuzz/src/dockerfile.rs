//! Any text as a Dockerfile: read, parsed, and planned with what it asks for. Before the first line `---`, a
//! `.dockerignore` and the configuration of every base.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::dockerfile::{self, Choices, Config, Ignore, Images};
use model::oci::Platform;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (head, text) = text.split_once("\n---\n").unwrap_or(("", text));
    if let Ok(ignore) = Ignore::parse(".dockerignore", head) {
        let _ = ignore.matches("a/b.c");
    }
    let reading = dockerfile::read(text);
    for statement in &reading.statements {
        let span = statement.line.span();
        assert!(span.end <= text.len() && statement.line.in_place().len() == span.len());
        let words = statement.words();
        assert!(words.iter().all(|word| text.get(word.span.clone()).is_some()));
    }
    let file = match dockerfile::parse("Dockerfile", text) {
        Ok(file) => file,
        Err(error) => return placed(&error),
    };
    let platform = Platform { os: "linux".into(), architecture: "amd64".into(), variant: String::new() };
    let choices = Choices { platform: platform.clone(), build_platform: platform, ..Choices::default() };
    let mut images = Images::default();
    let config = Config::read(head.as_bytes()).unwrap_or_default();
    // Twice: what a base records may name more.
    for _ in 0..2 {
        let bases = match dockerfile::bases(&file, &choices, &images) {
            Ok(bases) => bases,
            Err(error) => return placed(&error),
        };
        for base in bases.iter().filter(|base| base.begins) {
            images.insert(&base.image, config.clone());
        }
    }
    match dockerfile::plan(&file, &choices, &images) {
        Ok(plan) => assert!(!plan.stages.is_empty()),
        Err(error) => placed(&error),
    }
});

/// Every mistake has a place that is in the text.
fn placed(error: &model::Diagnostics) {
    assert!(!error.list.is_empty(), "an error says what is wrong");
    for span in error.list.iter().filter_map(|wrong| wrong.span.as_ref()) {
        assert!(error.text.get(span.clone()).is_some(), "{span:?}");
        let _ = error.position(span.start);
    }
}
