//! Circuit breaker of the connection to Redis.
//!
//! Without it, each request of an outage would wait for its timeout, and a server that restarts would get all of them
//! at once. The circuit opens after a number of failures in a row; while it is open, calls fail at once. After a pause
//! one probe is let through: its success closes the circuit, its failure opens it for another pause.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// When a circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitOptions {
    /// Failures in a row after which it opens.
    pub n_failures: u32,
    /// Time for which it stays open, plus or minus a quarter, so that processes do not return at once.
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
    // A `std::sync::Mutex`: it is never locked across an await.
    state: Mutex<CircuitState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CircuitState {
    Closed {
        n_failures: u32,
    },
    Open {
        until: Instant,
    },
    /// A probe is running.
    Probing,
}

/// Permit for one call; dropping it records no result.
#[derive(Debug)]
pub(super) struct CircuitPermit<'a> {
    circuit: &'a Circuit,
    is_probe: bool,
}

impl Circuit {
    pub(super) fn new(options: CircuitOptions) -> Self {
        Self { options, state: Mutex::new(CircuitState::Closed { n_failures: 0 }) }
    }

    /// Returns true if calls fail at once.
    pub(super) fn is_open(&self) -> bool {
        !matches!(*self.state(), CircuitState::Closed { .. })
    }

    /// A permit for a call, unless the circuit is open.
    pub(super) fn permit(&self) -> Option<CircuitPermit<'_>> {
        let mut state = self.state();
        let is_probe = match *state {
            CircuitState::Closed { .. } => false,
            CircuitState::Open { until } if until <= Instant::now() => {
                *state = CircuitState::Probing;
                true
            }
            CircuitState::Open { .. } | CircuitState::Probing => return None,
        };
        Some(CircuitPermit { circuit: self, is_probe })
    }

    fn state(&self) -> MutexGuard<'_, CircuitState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_again(&self) -> CircuitState {
        CircuitState::Open { until: Instant::now() + jittered(self.options.pause) }
    }
}

impl CircuitPermit<'_> {
    /// Records that the server answered, even with an error.
    pub(super) fn succeeded(mut self) {
        *self.circuit.state() = CircuitState::Closed { n_failures: 0 };
        self.is_probe = false;
    }

    /// Records that the server did not answer; returns whether this opened the circuit.
    pub(super) fn failed(mut self) -> bool {
        let mut state = self.circuit.state();
        let next = match *state {
            CircuitState::Closed { n_failures }
                if n_failures + 1 < self.circuit.options.n_failures =>
            {
                CircuitState::Closed { n_failures: n_failures + 1 }
            }
            CircuitState::Closed { .. } => self.circuit.open_again(),
            CircuitState::Probing if self.is_probe => self.circuit.open_again(),
            // The call began before the circuit opened.
            open => open,
        };
        let has_opened = matches!(
            (*state, next),
            (CircuitState::Closed { .. } | CircuitState::Probing, CircuitState::Open { .. })
        );
        *state = next;
        drop(state);
        self.is_probe = false;
        has_opened
    }
}

impl Drop for CircuitPermit<'_> {
    /// An abandoned probe lets the next call probe.
    fn drop(&mut self) {
        if self.is_probe {
            *self.circuit.state() = CircuitState::Open { until: Instant::now() };
        }
    }
}

/// A duration, plus or minus a quarter.
pub(super) fn jittered(time: Duration) -> Duration {
    time.mul_f64(0.75 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const OPTIONS: CircuitOptions =
        CircuitOptions { n_failures: 3, pause: Duration::from_millis(100) };

    fn open() -> Circuit {
        let circuit = Circuit::new(OPTIONS);
        let opened: Vec<bool> = (0..3).map(|_| circuit.permit().unwrap().failed()).collect();
        assert_eq!(opened, [false, false, true]);
        circuit
    }

    #[tokio::test(start_paused = true)]
    async fn only_failures_in_a_row_open_a_circuit() {
        let circuit = Circuit::new(OPTIONS);
        for _ in 0..3 {
            assert!(!circuit.permit().unwrap().failed());
            assert!(!circuit.permit().unwrap().failed());
            circuit.permit().unwrap().succeeded();
        }
        assert!(!circuit.is_open());
        assert!(open().is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_circuit_refuses_calls_until_one_may_probe() {
        let circuit = open();
        advance(Duration::from_millis(74)).await;
        assert!(circuit.permit().is_none());
        advance(Duration::from_millis(52)).await;
        let probe = circuit.permit().unwrap();
        assert!(circuit.permit().is_none(), "only one call probes");
        assert!(probe.failed());
        assert!(circuit.permit().is_none(), "open for another pause");
        advance(Duration::from_millis(126)).await;
        circuit.permit().unwrap().succeeded();
        assert!(!circuit.is_open() && circuit.permit().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn an_abandoned_probe_lets_the_next_call_probe() {
        let circuit = open();
        advance(Duration::from_millis(126)).await;
        drop(circuit.permit().unwrap());
        assert!(circuit.is_open());
        circuit.permit().unwrap().succeeded();
        assert!(!circuit.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn calls_from_before_it_opened_do_not_keep_a_circuit_open() {
        let circuit = Circuit::new(OPTIONS);
        let calls: Vec<CircuitPermit<'_>> = (0..50).map(|_| circuit.permit().unwrap()).collect();
        let mut calls = calls.into_iter();
        assert_eq!(
            calls
                .by_ref()
                .take(40)
                .filter(|_| true)
                .map(CircuitPermit::failed)
                .filter(|has_opened| *has_opened)
                .count(),
            1
        );
        advance(Duration::from_millis(126)).await;
        let probe = circuit.permit().unwrap();
        assert!(calls.all(|call| !call.failed()));
        probe.succeeded();
        assert!(!circuit.is_open());
    }

    #[test]
    fn jitter_stays_within_a_quarter() {
        let times: Vec<Duration> = (0..100).map(|_| jittered(Duration::from_secs(4))).collect();
        assert!(times.iter().all(|time| (3.0..=5.0).contains(&time.as_secs_f64())), "{times:?}");
        assert!(times.iter().any(|time| *time != times[0]));
    }
}
