//! Receivers of a process, and which of them fail.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use alert::Receiver;

use super::rules::AlertRules;

/// First pause after a receiver failed as a whole: 2 s, in microseconds.
const PAUSE_US: i64 = 2_000_000;

/// Longest such pause: a minute, in microseconds.
const PAUSE_US_MAX: i64 = 60_000_000;

/// Receivers of a process, with the rules of alerts.
#[derive(Debug)]
pub(crate) struct Notifier {
    rules: AlertRules,
    receivers: Vec<Arc<dyn Receiver>>,
    /// Name of this process in the lease.
    holder: String,
    /// Held during a round: one at a time in a process.
    turn: tokio::sync::Mutex<()>,
    /// By receiver that failed: its failures in a row, and the time of its next try.
    // A `std::sync::Mutex`: it is never locked across an await.
    pauses: Mutex<BTreeMap<String, (u32, i64)>>,
}

impl Notifier {
    pub(crate) fn new(rules: AlertRules, receivers: Vec<Arc<dyn Receiver>>) -> Self {
        // The keys of a hasher are random, and a name need not be hard to guess.
        let holder = format!("{:016x}", RandomState::new().hash_one(0));
        let (turn, pauses) = (tokio::sync::Mutex::default(), Mutex::default());
        Self { rules, receivers, holder, turn, pauses }
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

    /// Needs of a receiver: true if it needs repetitions, and the time before which it gets nothing; `None` for one that this
    /// process does not have.
    pub(super) fn receiver(&self, name: &str) -> Option<(bool, i64)> {
        let receiver = self.receivers.iter().find(|receiver| receiver.name() == name)?;
        Some((receiver.forgets(), self.paused_until_us(name)))
    }

    /// Time before which a receiver gets nothing, in Unix microseconds, as it failed before.
    pub(super) fn paused_until_us(&self, receiver: &str) -> i64 {
        let pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.get(receiver).map_or(0, |(_, next_us)| *next_us)
    }

    /// Pauses a receiver that took nothing or was slow, so that the others need not wait for it in each round.
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
