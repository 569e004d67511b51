//! Bytes that must not change unnoticed: they are what was ever signed or compared.

use serde_json::Value;

/// Compares `bytes` with the golden file, which holds them with white space for people. A change needs a line in
/// the changelog.
pub(crate) fn check(name: &str, bytes: &[u8], golden: &str) {
    let value: Value = serde_json::from_slice(bytes).unwrap();
    let mut canonical = model::statement::canonical_json(&value);
    assert_eq!(bytes.trim_ascii_end(), canonical, "{name}: sorted keys, no white space");
    canonical = serde_json::to_vec_pretty(&serde_json::from_slice::<Value>(&canonical).unwrap()).unwrap();
    let pretty = String::from_utf8(canonical).unwrap();
    if std::env::var_os("SELFSAME_BLESS").is_some() {
        let file = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(file, format!("{pretty}\n")).unwrap();
    } else {
        assert_eq!(pretty, golden.trim_end(), "{name}: SELFSAME_BLESS=1 writes it anew");
    }
}
