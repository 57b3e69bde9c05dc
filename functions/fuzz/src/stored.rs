//! Stored texts: members, names of series, configurations. One that parses prints back equal.

/// Parses a text as each kind of stored text.
pub fn stored(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        store::testbed::read_stored(text);
    }
}
