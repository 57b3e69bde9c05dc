//! File descriptors, which bound the connections of a process.
//!
//! Many systems start processes with a soft limit of 1,024 and a much higher hard one, which a process may use.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Descriptors for everything but connections of clients: listeners, log, connections to the store, and connections that
/// close.
const DESCRIPTORS_FOR_OTHERS: u64 = 256;

/// Fewest connections of clients, whatever the limit on descriptors.
const CONNECTIONS_MIN: u64 = 16;

/// Raises the soft limit on descriptors of this process to the hard one.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Some systems refuse an unlimited soft limit; the old one then stays.
    if limit != raised
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        warn!(%error, "limit on file descriptors not raised");
    }
}

/// The limit on descriptors; `None` if there is none.
pub(crate) fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// The connections that the descriptors leave room for, at most the configured number.
///
/// A quarter of a small limit is left for others.
pub(crate) fn connections_max(configured: usize, descriptors: Option<u64>) -> usize {
    let Some(n) = descriptors else { return configured };
    let room = n.saturating_sub(DESCRIPTORS_FOR_OTHERS.min(n / 4)).max(CONNECTIONS_MIN);
    configured.min(usize::try_from(room).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_others() {
        for (configured, descriptors, expected) in [
            (10_000, None, 10_000),
            (10_000, Some(1_048_576), 10_000),
            (10_000, Some(1_024), 768),
            (10_000, Some(256), 192),
            (10_000, Some(10), 16),
            (10, Some(1_024), 10),
        ] {
            assert_eq!(connections_max(configured, descriptors), expected, "{descriptors:?}");
        }
    }
}
