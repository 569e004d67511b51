//! Provenance that can be read is the same after it was written.

#![no_main]

use attest::provenance::{build, read};
use libfuzzer_sys::fuzz_target;
use model::statement::Statement;

fuzz_target!(|bytes: &[u8]| {
    let Ok(statement) = serde_json::from_slice::<Statement>(bytes) else { return };
    let Ok(record) = read(&statement) else { return };
    let again = build(&record);
    let read_again = read(&again).expect("what was written can be read");
    assert_eq!(build(&read_again), again);
});
