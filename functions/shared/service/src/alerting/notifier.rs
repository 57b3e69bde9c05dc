//! Receivers of a process, which of them fail, and which are still busy with an earlier round.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alert::Receiver;

use super::delivery::SlowDelivery;
use super::rules::AlertRules;

/// First pause after a receiver failed as a whole: 2 s, in microseconds.
const PAUSE_US: i64 = 2_000_000;

/// Longest such pause: a minute, in microseconds.
const PAUSE_US_MAX: i64 = 60_000_000;

/// Longest time that one round gives to one receiver: within the lease.
pub(super) const DELIVERY_TIMEOUT: Duration = Duration::from_secs(8);

/// Receivers for which a round waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundWait {
    /// For those that answer within a second; later rounds run while the others are not ready.
    Short,
    /// For all.
    All,
}

impl RoundWait {
    pub(super) fn duration(self) -> Duration {
        match self {
            Self::Short => Duration::from_secs(1),
            Self::All => 2 * DELIVERY_TIMEOUT,
        }
    }
}

/// Receivers of a process, with the rules of alerts.
#[derive(Debug)]
pub(crate) struct Notifier {
    rules: AlertRules,
    receivers: Vec<Arc<dyn Receiver>>,
    wait: RoundWait,
    /// Name of this process in the lease.
    holder: String,
    /// Held during a round: one at a time in a process.
    turn: tokio::sync::Mutex<()>,
    /// By receiver that failed: its failures in a row, and the time of its next try.
    // A `std::sync::Mutex`: it is never locked across an await.
    pauses: Mutex<BTreeMap<String, (u32, i64)>>,
    /// By receiver that did not answer within a round.
    slow: Mutex<BTreeMap<String, SlowDelivery>>,
}

impl Notifier {
    pub(crate) fn new(
        rules: AlertRules,
        receivers: Vec<Arc<dyn Receiver>>,
        wait: RoundWait,
    ) -> Self {
        // The keys of a hasher are random, and a name need not be hard to guess.
        let holder = format!("{:016x}", RandomState::new().hash_one(0));
        let (turn, pauses, slow) =
            (tokio::sync::Mutex::default(), Mutex::default(), Mutex::default());
        Self { rules, receivers, wait, holder, turn, pauses, slow }
    }

    /// Name of this process in the lease.
    pub(super) fn holder(&self) -> &str {
        &self.holder
    }

    pub(super) fn receivers(&self) -> &[Arc<dyn Receiver>] {
        &self.receivers
    }

    /// Takes the turn of a round; `None` while a round runs in this process.
    pub(super) fn take_turn(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        self.turn.try_lock().ok()
    }

    pub(super) fn rules(&self) -> &AlertRules {
        &self.rules
    }

    pub(super) fn wait(&self) -> RoundWait {
        self.wait
    }

    /// Needs of a receiver: true if it needs repetitions, and the time before which it gets nothing; `None` for one that this
    /// process does not have.
    pub(super) fn receiver(&self, name: &str) -> Option<(bool, i64)> {
        let receiver = self.receivers.iter().find(|receiver| receiver.name() == name)?;
        Some((receiver.forgets(), self.paused_until_us(name)))
    }

    /// Time before which a receiver gets nothing, in Unix microseconds, as it failed before or is busy.
    pub(super) fn paused_until_us(&self, receiver: &str) -> i64 {
        let pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        let failed_us = pauses.get(receiver).map_or(0, |(_, next_us)| *next_us);
        failed_us.max(self.slow().get(receiver).map_or(0, |slow| slow.until_us))
    }

    /// True while messages of an earlier round are on their way to a receiver.
    pub(super) fn is_busy(&self, receiver: &str) -> bool {
        self.slow().contains_key(receiver)
    }

    /// Leaves messages to a receiver on their way.
    pub(super) fn leave(&self, receiver: &str, slow: SlowDelivery) {
        self.slow().insert(receiver.to_owned(), slow);
    }

    /// Takes the deliveries of earlier rounds that have ended meanwhile.
    pub(super) fn take_ended(&self) -> Vec<(String, SlowDelivery)> {
        let mut slow = self.slow();
        let all = std::mem::take(&mut *slow);
        let (ended, going): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, slow)| slow.has_ended());
        slow.extend(going);
        ended
    }

    fn slow(&self) -> MutexGuard<'_, BTreeMap<String, SlowDelivery>> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pauses a receiver that took nothing, so that its messages are not sent in each round.
    pub(super) fn pause(&self, receiver: &str, is_failing: bool, now_us: i64) {
        let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_failing {
            pauses.remove(receiver);
            return;
        }
        let (n_failures, next_us) = pauses.entry(receiver.to_owned()).or_default();
        *next_us = now_us + (PAUSE_US << (*n_failures).min(10)).min(PAUSE_US_MAX);
        *n_failures += 1;
    }
}
