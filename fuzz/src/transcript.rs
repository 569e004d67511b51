//! One text for one exchange, and for one package: what is read is written as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::lock::Declared;
use model::transcript::{Exchange, Transcript};

fuzz_target!(|text: &str| {
    for line in text.lines() {
        if let Ok(exchange) = line.parse::<Exchange>() {
            assert_eq!(exchange.to_string(), line);
            model::sbom::Component::answer(&exchange.asked, &exchange.answered);
        }
        if let Ok(declared) = line.parse::<Declared>() {
            assert_eq!(declared.to_string(), line);
        }
    }
    if let Ok(transcript) = Transcript::from_lines(text.lines()) {
        let written = transcript.to_text();
        let again = Transcript::from_lines(written.lines()).expect("what was written can be read");
        assert_eq!(again, transcript);
        assert_eq!(again.digest(), transcript.digest());
    }
});
