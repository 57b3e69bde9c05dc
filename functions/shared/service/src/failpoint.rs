//! Failpoints: aborts the process at a chosen step of a write, as a power failure would.
//!
//! `CHAOS_DIE_AT=<step>:<n>` aborts at the n-th arrival at the step. Only builds with debug assertions have failpoints;
//! release builds contain neither the variable nor the call.

/// A failpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failpoint {
    /// Before samples are appended.
    Append,
    /// Samples are in the inbox, not judged.
    Appended,
    /// Samples are judged, verdicts not stored.
    Judged,
    /// Everything is stored, the request not answered.
    Committed,
    /// An episode is in the history, but still marked unsaved.
    Saved,
    /// A configuration is in the history, but still marked unsaved.
    BackedUp,
}

/// Aborts the process if a test chose this failpoint and arrival.
#[cfg(debug_assertions)]
pub(crate) fn reach(step: Failpoint) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ABORT_AT: OnceLock<Option<(String, AtomicU64)>> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "only tests set it; it is no configuration")]
    let abort_at = ABORT_AT.get_or_init(|| {
        let text = std::env::var("CHAOS_DIE_AT").ok()?;
        let (name, n) = text.split_once(':')?;
        Some((name.to_owned(), AtomicU64::new(n.parse().ok()?)))
    });
    let Some((name, left)) = abort_at else { return };
    if *name == format!("{step:?}").to_lowercase() && left.fetch_sub(1, Ordering::Relaxed) == 1 {
        std::process::abort();
    }
}

/// Does nothing in release builds.
#[cfg(not(debug_assertions))]
pub(crate) const fn reach(_: Failpoint) {}
