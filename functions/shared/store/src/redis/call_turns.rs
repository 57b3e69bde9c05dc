//! Bounds the calls of long batches in flight, so that a short batch does not wait behind hundreds of them.
//!
//! A server executes calls in the order of their arrival, and a batch of 10,000 samples is divided into many. All of
//! them sent at once would delay the calls of every other request until the last one is executed. While there are short
//! batches, a long one has a single call in flight on a single server.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::connection::Topology;

/// Calls of long batches in flight on a single server: enough that it need not wait for the next one.
const SINGLE_CALLS_MAX: usize = 4;

/// Calls of long batches in flight on a cluster, where each has the few series of one shard.
const CLUSTER_CALLS_MAX: usize = 64;

/// Time after a short batch in which the next one is expected: a sender that keeps this pace meets one call at most.
const SHORT_EXPECTED: Duration = Duration::from_millis(250);

/// Size of a batch: the calls of a short one are sent at once, those of a long one in turns with other batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BatchSize {
    Short,
    Long,
}

/// The turns of the calls of all long batches of a process.
#[derive(Debug)]
pub(super) struct CallTurns {
    n: u32,
    turns: Semaphore,
    topology: Topology,
    start: Instant,
    /// Milliseconds from `start` until which a short batch is expected.
    short_until_ms: AtomicU64,
}

impl CallTurns {
    pub(super) fn new(topology: Topology) -> Self {
        let n = match topology {
            Topology::Single => SINGLE_CALLS_MAX,
            Topology::Cluster => CLUSTER_CALLS_MAX,
        };
        Self {
            n: n as u32,
            turns: Semaphore::new(n),
            topology,
            start: Instant::now(),
            short_until_ms: AtomicU64::new(0),
        }
    }

    /// Makes the calls of a batch; returns their replies in order.
    ///
    /// Turns are granted in the order of request, and a batch waits for as many as there are: so batches alternate.
    pub(super) async fn make_all<F: Future>(
        &self,
        size: BatchSize,
        calls: Vec<F>,
    ) -> Vec<F::Output> {
        if size == BatchSize::Short {
            let until = self.start.elapsed() + SHORT_EXPECTED;
            self.short_until_ms.store(until.as_millis() as u64, Relaxed);
            return join_all(calls).await;
        }
        let in_turn: Vec<_> = calls.into_iter().map(|call| self.in_turn(call)).collect();
        stream::iter(in_turn).buffered(self.n as usize).collect().await
    }

    async fn in_turn<F: Future>(&self, call: F) -> F::Output {
        // The semaphore is never closed.
        let _turns = self.turns.acquire_many(self.turns_of_call()).await;
        call.await
    }

    /// Turns that a call takes: all of them if it must be the only one.
    fn turns_of_call(&self) -> u32 {
        let is_short_expected =
            self.start.elapsed().as_millis() < u128::from(self.short_until_ms.load(Relaxed));
        if self.topology == Topology::Single && is_short_expected { self.n } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::pin::pin;

    use futures_util::poll;
    use tokio::sync::Notify;

    use super::*;

    /// Calls that write their name to a log when they are sent, and wait for their reply.
    struct Server {
        sent: RefCell<Vec<&'static str>>,
        replies: Notify,
    }

    impl Server {
        fn new() -> Self {
            Self { sent: RefCell::default(), replies: Notify::new() }
        }

        async fn call(&self, name: &'static str) {
            self.sent.borrow_mut().push(name);
            self.replies.notified().await;
        }

        fn batch(&self, name: &'static str, n: usize) -> Vec<impl Future<Output = ()>> {
            (0..n).map(|_| self.call(name)).collect()
        }
    }

    #[tokio::test]
    async fn a_short_batch_waits_for_few_calls_of_a_long_one() {
        let (server, turns) = (Server::new(), CallTurns::new(Topology::Single));
        let mut long = pin!(turns.make_all(BatchSize::Long, server.batch("long", 312)));
        assert!(poll!(&mut long).is_pending());
        let mut short = pin!(turns.make_all(BatchSize::Short, server.batch("short", 1)));
        assert!(poll!(&mut short).is_pending());
        let sent = server.sent.borrow();
        assert_eq!(sent.iter().position(|name| *name == "short"), Some(SINGLE_CALLS_MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_of_short_batches_waits_for_one_call_of_a_long_one() {
        let (server, turns) = (Server::new(), CallTurns::new(Topology::Single));
        let mut long = pin!(turns.make_all(BatchSize::Long, server.batch("long", 312)));
        for _ in 0..20 {
            let mut short = pin!(turns.make_all(BatchSize::Short, server.batch("short", 1)));
            assert!(poll!(&mut short).is_pending());
            server.replies.notify_waiters();
            assert!(poll!(&mut short).is_ready());
            assert!(poll!(&mut long).is_pending());
            tokio::time::advance(SHORT_EXPECTED / 2).await;
        }
        let sent = std::mem::take(&mut *server.sent.borrow_mut());
        let between: Vec<usize> = sent.split(|name| *name == "short").map(<[_]>::len).collect();
        assert_eq!(between, [vec![0], vec![1; 20]].concat());
        // Calls that wait already were counted as the only one.
        tokio::time::advance(SHORT_EXPECTED).await;
        for _ in 0..=SINGLE_CALLS_MAX {
            server.replies.notify_waiters();
            server.sent.borrow_mut().clear();
            assert!(poll!(&mut long).is_pending());
        }
        assert_eq!(server.sent.borrow().len(), SINGLE_CALLS_MAX);
    }

    #[tokio::test]
    async fn long_batches_alternate() {
        let (server, turns) = (Server::new(), CallTurns::new(Topology::Single));
        let mut first = pin!(turns.make_all(BatchSize::Long, server.batch("first", 312)));
        let mut second = pin!(turns.make_all(BatchSize::Long, server.batch("second", 312)));
        for _ in 0..20 {
            assert!(poll!(&mut first).is_pending());
            assert!(poll!(&mut second).is_pending());
            server.replies.notify_waiters();
        }
        let sent = server.sent.borrow();
        for window in sent.windows(3 * SINGLE_CALLS_MAX) {
            let n_first = window.iter().filter(|name| **name == "first").count();
            assert!((1..window.len()).contains(&n_first), "{sent:?}");
        }
    }
}
