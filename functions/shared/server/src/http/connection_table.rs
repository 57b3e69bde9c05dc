//! Bounds the open connections: at the bound, idle connections give way to new ones.
//!
//! If every connection has a request in progress, a few more are accepted for probes and scrapes only, so that a busy
//! process is not taken for a dead one. Beyond these, connections are refused at once: the client learns it now, and not
//! when its timeout passes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::keep_alive::ConnectionActivity;

/// Connections beyond the bound, for probes and scrapes.
pub(crate) const RESERVED_CONNECTIONS: usize = 32;

/// Share of the connections that is evicted at once, so that a flood of connections does not search the table for each.
const EVICTED_SHARE: usize = 64;

/// The open connections of a process.
#[derive(Debug)]
pub(crate) struct ConnectionTable {
    n_max: usize,
    // A `std::sync::Mutex` and not a Tokio one: it is never locked across an await.
    open: Mutex<OpenConnections>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    next_id: u64,
    /// By kind and id.
    ordinary: HashMap<u64, Arc<ConnectionActivity>>,
    reserved: HashMap<u64, Arc<ConnectionActivity>>,
}

/// The requests that a connection may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionKind {
    /// Everything.
    Ordinary,
    /// The routes of operators only.
    Reserved,
}

/// The entry of one open connection, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionEntry {
    id: u64,
    pub(crate) kind: ConnectionKind,
    pub(crate) activity: Arc<ConnectionActivity>,
    table: Arc<ConnectionTable>,
}

impl ConnectionTable {
    pub(crate) fn new(n_max: usize) -> Arc<Self> {
        Arc::new(Self { n_max, open: Mutex::default() })
    }

    /// Adds a connection, if need be in place of idle ones; `None` if it must be refused.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<ConnectionEntry> {
        let activity = Arc::new(ConnectionActivity::new());
        let mut open = self.open();
        let id = open.next_id;
        let kind = if make_room(&mut open.ordinary, self.n_max) {
            open.ordinary.insert(id, Arc::clone(&activity));
            ConnectionKind::Ordinary
        } else if make_room(&mut open.reserved, RESERVED_CONNECTIONS) {
            open.reserved.insert(id, Arc::clone(&activity));
            ConnectionKind::Reserved
        } else {
            return None;
        };
        open.next_id += 1;
        drop(open);
        Some(ConnectionEntry { id, kind, activity, table: Arc::clone(self) })
    }

    fn open(&self) -> MutexGuard<'_, OpenConnections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionEntry {
    fn drop(&mut self) {
        let mut open = self.table.open();
        match self.kind {
            ConnectionKind::Ordinary => open.ordinary.remove(&self.id),
            ConnectionKind::Reserved => open.reserved.remove(&self.id),
        };
    }
}

/// Makes room for one more connection; returns false if all have a request in progress.
///
/// An evicted connection leaves the table at once, and closes a moment later.
fn make_room(open: &mut HashMap<u64, Arc<ConnectionActivity>>, n_max: usize) -> bool {
    if open.len() < n_max {
        return true;
    }
    let ranked = open.iter().filter_map(|(id, activity)| Some((activity.eviction_rank()?, *id)));
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_unstable();
    ranked.truncate((n_max / EVICTED_SHARE).max(1));
    for (_, id) in &ranked {
        if let Some(activity) = open.remove(id) {
            activity.evict();
        }
    }
    !ranked.is_empty()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{advance, timeout};

    use super::*;
    use crate::http::keep_alive::RequestGuard;

    async fn is_evicted(entry: &ConnectionEntry) -> bool {
        timeout(Duration::ZERO, entry.activity.evicted()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_connection_gives_way() {
        let table = ConnectionTable::new(2);
        let [first, second] = [table.admit().unwrap(), table.admit().unwrap()];
        advance(Duration::from_millis(10)).await;
        drop(RequestGuard::new(&first.activity));
        let third = table.admit().unwrap();
        assert_eq!(third.kind, ConnectionKind::Ordinary);
        assert!(is_evicted(&second).await && !is_evicted(&first).await);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_without_a_request_give_way_before_idle_ones() {
        let table = ConnectionTable::new(2);
        let used = table.admit().unwrap();
        drop(RequestGuard::new(&used.activity));
        let silent = table.admit().unwrap();
        advance(Duration::from_secs(2)).await;
        let _third = table.admit().unwrap();
        assert!(is_evicted(&silent).await && !is_evicted(&used).await);
    }

    #[tokio::test(start_paused = true)]
    async fn busy_connections_leave_a_reserve_and_then_nothing() {
        let table = ConnectionTable::new(1);
        let busy = table.admit().unwrap();
        let request = RequestGuard::new(&busy.activity);
        let reserved: Vec<_> = (0..RESERVED_CONNECTIONS)
            .map(|_| {
                let entry = table.admit().unwrap();
                assert_eq!(entry.kind, ConnectionKind::Reserved);
                (RequestGuard::new(&entry.activity), entry)
            })
            .collect();
        assert!(table.admit().is_none());
        drop(reserved);
        assert_eq!(table.admit().unwrap().kind, ConnectionKind::Reserved);
        drop((request, busy));
        assert_eq!(table.admit().unwrap().kind, ConnectionKind::Ordinary);
    }
}
