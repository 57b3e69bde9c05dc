//! One report row for each test: the faults, and their consequences.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

/// The result of a test.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Row {
    /// Faults injected.
    pub(crate) faults: u64,
    /// Requests sent, repeated ones included.
    pub(crate) requests: u64,
    /// Samples acknowledged.
    pub(crate) acknowledged: u64,
    /// Acknowledged samples that are missing in the store.
    pub(crate) lost: u64,
    /// Samples that took effect twice.
    pub(crate) doubled: u64,
    /// Longest time from a fault, or its end, to the next acknowledged sample.
    pub(crate) recovery: Duration,
}

impl Row {
    /// Prints the row, adds it to the table of `make chaos`, and fails if a sample was lost or took effect twice.
    #[expect(clippy::disallowed_methods, reason = "a switch of these tests, not of the service")]
    pub(crate) fn print(self, test: &str) {
        let Self { faults, requests, acknowledged, lost, doubled, recovery } = self;
        let recovery_ms = recovery.as_millis();
        let row = format!(
            "{test}\t{faults}\t{requests}\t{acknowledged}\t{lost}\t{doubled}\t{recovery_ms} ms\n"
        );
        print!("{row}");
        if let Ok(path) = std::env::var("CHAOS_REPORT") {
            let file = OpenOptions::new().append(true).create(true).open(path);
            file.unwrap().write_all(row.as_bytes()).unwrap();
        }
        assert!(acknowledged > 0, "no sample was acknowledged");
        assert_eq!((lost, doubled), (0, 0), "{test}: lost and doubled samples");
    }
}
