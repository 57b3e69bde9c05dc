//! A circuit breaker: a Redis that does not answer is left alone for a while, and then asked by one call only.
//!
//! Without it each request of a bad minute would wait for its timeout, and a server that comes back would be met by all
//! that waited. It opens after so many failures in a row; while it is open calls fail at once. After a pause one call is
//! let through: its success closes the circuit, its failure opens it for another pause.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// When a circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitOptions {
    /// Failures in a row after which it opens.
    pub n_failures: u32,
    /// How long it stays open, give or take a quarter, so that processes do not come back at one time.
    pub pause: Duration,
}

impl Default for CircuitOptions {
    fn default() -> Self {
        Self { n_failures: 5, pause: Duration::from_secs(1) }
    }
}

/// The circuit of one server, or of one shard of a cluster.
#[derive(Debug)]
pub(super) struct Circuit {
    options: CircuitOptions,
    // A `std::sync::Mutex` and not a Tokio one: it is never held over a wait.
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed {
        n_failures: u32,
    },
    Open {
        until: Instant,
    },
    /// One call is under way.
    Probing,
}

/// Leave to make one call; dropped without a word it says nothing of the server.
#[derive(Debug)]
pub(super) struct Leave<'a> {
    circuit: &'a Circuit,
    is_probe: bool,
}

impl Circuit {
    pub(super) fn new(options: CircuitOptions) -> Self {
        Self { options, state: Mutex::new(State::Closed { n_failures: 0 }) }
    }

    /// Whether calls fail at once, or wait for the one that tries.
    pub(super) fn is_open(&self) -> bool {
        !matches!(*self.state(), State::Closed { .. })
    }

    /// Leave to call, unless the circuit is open.
    pub(super) fn ask(&self) -> Option<Leave<'_>> {
        let mut state = self.state();
        let is_probe = match *state {
            State::Closed { .. } => false,
            State::Open { until } if until <= Instant::now() => {
                *state = State::Probing;
                true
            }
            State::Open { .. } | State::Probing => return None,
        };
        Some(Leave { circuit: self, is_probe })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_again(&self) -> State {
        State::Open { until: Instant::now() + jittered(self.options.pause) }
    }
}

impl Leave<'_> {
    /// The server answered, whatever it said.
    pub(super) fn answered(mut self) {
        *self.circuit.state() = State::Closed { n_failures: 0 };
        self.is_probe = false;
    }

    /// The server did not answer; says whether this opened the circuit.
    pub(super) fn failed(mut self) -> bool {
        let mut state = self.circuit.state();
        let next = match *state {
            State::Closed { n_failures } if n_failures + 1 < self.circuit.options.n_failures => {
                State::Closed { n_failures: n_failures + 1 }
            }
            State::Closed { .. } => self.circuit.open_again(),
            State::Probing if self.is_probe => self.circuit.open_again(),
            // A call from before it opened: that is known already.
            open => open,
        };
        let has_opened =
            matches!((*state, next), (State::Closed { .. } | State::Probing, State::Open { .. }));
        *state = next;
        drop(state);
        self.is_probe = false;
        has_opened
    }
}

impl Drop for Leave<'_> {
    /// A probe that was given up leaves its place to the next call.
    fn drop(&mut self) {
        if self.is_probe {
            *self.circuit.state() = State::Open { until: Instant::now() };
        }
    }
}

/// A time, give or take a quarter.
pub(super) fn jittered(time: Duration) -> Duration {
    // The only source of chance in the standard library; each hasher has another key.
    let chance = RandomState::new().build_hasher().finish();
    time.mul_f64(0.75 + (chance % 1_000) as f64 / 2_000.0)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const OPTIONS: CircuitOptions =
        CircuitOptions { n_failures: 3, pause: Duration::from_millis(100) };

    fn open() -> Circuit {
        let circuit = Circuit::new(OPTIONS);
        let opened: Vec<bool> = (0..3).map(|_| circuit.ask().unwrap().failed()).collect();
        assert_eq!(opened, [false, false, true]);
        circuit
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_only() {
        let circuit = Circuit::new(OPTIONS);
        for _ in 0..3 {
            assert!(!circuit.ask().unwrap().failed());
            assert!(!circuit.ask().unwrap().failed());
            circuit.ask().unwrap().answered();
        }
        assert!(!circuit.is_open());
        assert!(open().is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_one_refuses_until_one_call_may_try() {
        let circuit = open();
        advance(Duration::from_millis(74)).await;
        assert!(circuit.ask().is_none());
        advance(Duration::from_millis(52)).await;
        let probe = circuit.ask().unwrap();
        assert!(circuit.ask().is_none(), "only one tries");
        assert!(probe.failed());
        assert!(circuit.ask().is_none(), "it is open for another pause");
        advance(Duration::from_millis(126)).await;
        circuit.ask().unwrap().answered();
        assert!(!circuit.is_open() && circuit.ask().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_leaves_its_place() {
        let circuit = open();
        advance(Duration::from_millis(126)).await;
        drop(circuit.ask().unwrap());
        assert!(circuit.is_open());
        circuit.ask().unwrap().answered();
        assert!(!circuit.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn calls_from_before_it_opened_do_not_keep_it_open() {
        let circuit = Circuit::new(OPTIONS);
        let calls: Vec<Leave<'_>> = (0..50).map(|_| circuit.ask().unwrap()).collect();
        let mut calls = calls.into_iter();
        assert_eq!(
            calls.by_ref().take(40).filter(|_| true).map(Leave::failed).filter(|it| *it).count(),
            1
        );
        advance(Duration::from_millis(126)).await;
        let probe = circuit.ask().unwrap();
        assert!(calls.all(|call| !call.failed()));
        probe.answered();
        assert!(!circuit.is_open());
    }

    #[test]
    fn jitter_stays_within_a_quarter() {
        let times: Vec<Duration> = (0..100).map(|_| jittered(Duration::from_secs(4))).collect();
        assert!(times.iter().all(|it| (3.0..=5.0).contains(&it.as_secs_f64())), "{times:?}");
        assert!(times.iter().any(|it| *it != times[0]));
    }
}
