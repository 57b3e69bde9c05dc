//! Texts of a store: members, names of series, configurations. Rubbish is nothing; what is read is written back alike.

/// Reads a text as each of those that a store keeps.
pub fn stored(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        store::testbed::read_stored(text);
    }
}
