//! Steps of a writer at which a test lets its process die, as if the power had gone.
//!
//! `CHAOS_DIE_AT=<step>:<n>` ends the process the n-th time that it comes to the step, without any farewell. It
//! exists where debug assertions do: a release build has neither the variable nor the call.

/// A place between two steps of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Samples are about to be appended.
    Append,
    /// They are in the inbox, and not judged.
    Appended,
    /// They are judged, and nothing of it is stored.
    Judged,
    /// All is stored, and nobody was told.
    Committed,
    /// An episode is in history, and still marked as if it were not.
    Saved,
    /// A configuration is in history, and still marked as if it were not.
    Mirrored,
}

/// Says that a step was reached; the process may end here.
#[cfg(debug_assertions)]
pub(crate) fn reach(step: Step) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static DIES_AT: OnceLock<Option<(String, AtomicU64)>> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "a switch of tests, not of the service")]
    let dies_at = DIES_AT.get_or_init(|| {
        let wanted = std::env::var("CHAOS_DIE_AT").ok()?;
        let (name, n) = wanted.split_once(':')?;
        Some((name.to_owned(), AtomicU64::new(n.parse().ok()?)))
    });
    let Some((name, left)) = dies_at else { return };
    if *name == format!("{step:?}").to_lowercase() && left.fetch_sub(1, Ordering::Relaxed) == 1 {
        std::process::abort();
    }
}

/// Says that a step was reached, to nobody.
#[cfg(not(debug_assertions))]
pub(crate) const fn reach(_: Step) {}
