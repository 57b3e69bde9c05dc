//! Memory of the servers, by `INFO memory`, which most users of Redis may call.
//!
//! Architecture invariant: it is asked only to admit a new series or configuration and for gauges, and at most every
//! few seconds: the path of known series does not wait for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use protocol::admission::is_nearly_full;
use tokio::time::Instant;

use crate::StoreMemory;

/// Validity of a reply: a store fills within seconds, but not within one, once new series are refused.
const REPLY_TTL: Duration = Duration::from_secs(2);

/// The memory that was last read.
#[derive(Debug)]
pub(super) struct Capacity {
    /// Configured memory, for servers that do not report theirs.
    memory_max: Option<u64>,
    // A `std::sync::Mutex`: it is never locked across an await.
    last: Mutex<Option<(Instant, StoreMemory)>>,
}

impl Capacity {
    pub(super) fn new(memory_max: Option<u64>) -> Self {
        Self { memory_max, last: Mutex::default() }
    }

    /// The memory by the last reply, however old.
    pub(super) fn last(&self) -> StoreMemory {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.map_or_else(|| self.unknown(), |(_, memory)| memory)
    }

    pub(super) fn unknown(&self) -> StoreMemory {
        StoreMemory { used_bytes: None, max_bytes: self.memory_max }
    }

    pub(super) fn fresh(&self) -> Option<StoreMemory> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(at, _)| at.elapsed() < REPLY_TTL).map(|(_, memory)| memory)
    }

    /// Sums the servers; shards of one server report it each.
    pub(super) fn sum(&self, replies: &[(String, String)]) -> StoreMemory {
        let servers: BTreeMap<&str, (u64, u64)> = replies
            .iter()
            .filter_map(|(server, memory)| {
                let number = |name| field(memory, name).and_then(|text| text.parse().ok());
                let used = number("used_memory")?;
                Some((field(server, "run_id")?, (used, number("maxmemory").unwrap_or_default())))
            })
            .collect();
        let used_bytes = servers.values().map(|(used, _)| used).sum();
        let reported = servers.values().map(|(_, max)| max).sum();
        // If one server has no limit, the store has none.
        let is_limited = !servers.is_empty() && servers.values().all(|(_, max)| *max > 0);
        let reported = is_limited.then_some(reported);
        let max_bytes = match (self.memory_max, reported) {
            (Some(configured), Some(reported)) => Some(configured.min(reported)),
            (configured, reported) => configured.or(reported),
        };
        StoreMemory { used_bytes: (!servers.is_empty()).then_some(used_bytes), max_bytes }
    }

    pub(super) fn set(&self, memory: StoreMemory) -> StoreMemory {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), memory));
        memory
    }
}

/// Returns true if nothing new is to be admitted.
pub(super) fn is_full(memory: &StoreMemory) -> bool {
    let StoreMemory { used_bytes: Some(used), max_bytes: Some(max) } = memory else { return false };
    is_nearly_full(*used, *max)
}

/// Value of a field of `INFO`.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = info.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| *field == name).map(|(_, value)| value.trim())
}
