//! Counts samples by outcome, each once, however often it was sent.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::Serialize;

use super::answer::IngestResponse;

/// Numbers of samples by outcome; all but `late` add up to `sent`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct DeliveryCounts {
    /// Samples of all batches.
    pub(super) sent: u64,
    /// Samples that the deployment accepted, at any attempt.
    pub(super) accepted: u64,
    /// Accepted samples that are older than a judged one.
    pub(super) late: u64,
    /// Samples that were stored before this replay, or whose acceptance was lost with an answer.
    pub(super) duplicates: u64,
    /// Samples that are older than the window.
    pub(super) too_old: u64,
    /// Refused samples, by code.
    pub(super) rejected: BTreeMap<String, u64>,
    /// Samples with an unknown outcome, since every attempt failed.
    pub(super) undelivered: u64,
}

impl AddAssign for DeliveryCounts {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.accepted += other.accepted;
        self.late += other.late;
        self.duplicates += other.duplicates;
        self.too_old += other.too_old;
        self.undelivered += other.undelivered;
        for (code, n) in other.rejected {
            *self.rejected.entry(code).or_default() += n;
        }
    }
}

/// Counts of one batch during its delivery.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    accepted: u64,
    late: u64,
}

impl Attempts {
    /// Adds an answer that is followed by a retry, in which its accepted samples become duplicates.
    pub(super) fn failed(&mut self, partial: &IngestResponse) {
        self.accepted += partial.accepted;
        self.late += partial.late;
    }

    /// The counts after the last answer.
    pub(super) fn answered(self, n_samples: u64, last: &IngestResponse) -> DeliveryCounts {
        let repeated_duplicates = self.accepted.min(last.duplicates);
        let repeated_too_old = (self.accepted - repeated_duplicates).min(last.too_old);
        let mut rejected = BTreeMap::new();
        for refused in &last.rejected {
            *rejected.entry(refused.code.clone()).or_default() += 1;
        }
        DeliveryCounts {
            sent: n_samples,
            accepted: self.accepted + last.accepted,
            late: self.late + last.late,
            duplicates: last.duplicates - repeated_duplicates,
            too_old: last.too_old - repeated_too_old,
            rejected,
            undelivered: 0,
        }
    }

    /// The counts if every attempt failed.
    pub(super) fn given_up(self, n_samples: u64) -> DeliveryCounts {
        DeliveryCounts {
            sent: n_samples,
            accepted: self.accepted,
            late: self.late,
            undelivered: n_samples.saturating_sub(self.accepted),
            ..DeliveryCounts::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::answer::Rejected;

    fn answer(accepted: u64, duplicates: u64, too_old: u64, codes: &[&str]) -> IngestResponse {
        let rejected = codes.iter().map(|code| Rejected { code: (*code).to_owned() }).collect();
        IngestResponse {
            accepted,
            late: accepted / 2,
            duplicates,
            too_old,
            rejected,
            verdicts: Vec::new(),
        }
    }

    fn total(counts: &DeliveryCounts) -> u64 {
        let rejected: u64 = counts.rejected.values().sum();
        counts.accepted + counts.duplicates + counts.too_old + rejected + counts.undelivered
    }

    #[test]
    fn a_sample_that_was_sent_twice_is_counted_once() {
        let mut attempts = Attempts::default();
        attempts.failed(&answer(60, 5, 0, &["store_unavailable"; 35]));
        let counts = attempts.answered(100, &answer(33, 65, 0, &["conflict"; 2]));
        assert_eq!((counts.accepted, counts.duplicates, counts.late), (93, 5, 46));
        assert_eq!(counts.rejected, BTreeMap::from([("conflict".to_owned(), 2)]));
        assert_eq!(total(&counts), 100);
    }

    #[test]
    fn samples_accepted_and_trimmed_before_the_retry_stay_accepted() {
        let mut attempts = Attempts::default();
        attempts.failed(&answer(60, 0, 0, &["store_unavailable"; 40]));
        let counts = attempts.answered(100, &answer(40, 20, 40, &[]));
        assert_eq!((counts.accepted, counts.duplicates, counts.too_old), (100, 0, 0));
        assert_eq!(total(&counts), 100);
    }

    #[test]
    fn undelivered_samples_are_counted_separately() {
        let mut attempts = Attempts::default();
        attempts.failed(&answer(10, 0, 0, &["store_unavailable"; 90]));
        let counts = attempts.given_up(100);
        assert_eq!((counts.accepted, counts.undelivered), (10, 90));
        assert_eq!(total(&counts), 100);
    }
}
