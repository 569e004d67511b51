//! A lock that can be read is the same after it was written; one that cannot is an error with a place in the text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::lock::Lock;

fuzz_target!(|text: &str| {
    match Lock::parse("selfsame.lock", text) {
        Ok(lock) => {
            let written = lock.to_text();
            let again = Lock::parse("selfsame.lock", &written).expect("what was written can be read");
            assert_eq!(again.to_text(), written, "written twice");
            assert_eq!(again.toolchain.parts(), lock.toolchain.parts());
            for step in lock.steps.values() {
                model::sbom::Component::fetched(step);
            }
            let _ = model::sbom::Component::toolchain(&lock.toolchain);
        }
        Err(error) => {
            for diagnostic in &error.list {
                if let Some(span) = &diagnostic.span {
                    error.position(span.start);
                    error.position(span.end);
                }
            }
        }
    }
});
