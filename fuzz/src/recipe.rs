//! A recipe is read, or every mistake in it has a place that is in the text.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = model::recipe::parse("selfsame.toml", text) {
        assert!(!error.list.is_empty(), "an error says what is wrong");
        for diagnostic in &error.list {
            if let Some(span) = &diagnostic.span {
                assert!(span.start <= span.end && span.end <= text.len(), "{span:?}");
                assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end), "{span:?}");
                error.position(span.start);
            }
        }
    }
});
