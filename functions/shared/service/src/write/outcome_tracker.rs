//! Tracks the samples of one series through a round, from append to outcome. Does no I/O.

use std::collections::{BTreeMap, HashMap, HashSet};

use detector::counter;
use domain::{Judgement, Sample};
use store::{NewSample, SampleClass, SeriesState};

use super::sample_outcome::{SampleOutcome, StoredSample, WriteError};

/// Samples of one series in a round, with the progress of each.
#[derive(Debug, Default)]
pub(super) struct OutcomeTracker {
    samples: Vec<NewSample>,
    progress: Vec<SampleProgress>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum SampleProgress {
    /// In the inbox; `is_ours` if this request put it there.
    InInbox {
        at_us: i64,
        is_ours: bool,
    },
    /// Not stored: the inbox was full, or the store lost the sample, which then has a time.
    NotStored {
        at_us: Option<i64>,
    },
    Done(SampleOutcome),
}

impl OutcomeTracker {
    /// Starts with the classes that an append returned.
    pub(super) fn new(samples: Vec<NewSample>, classes: &[SampleClass]) -> Self {
        let progress = vec![SampleProgress::NotStored { at_us: None }; samples.len()];
        let mut tracker = Self { samples, progress };
        for (i, class) in classes.iter().enumerate() {
            tracker.set_class(i, class);
        }
        tracker
    }

    /// Records the class of sample `i` from an append.
    ///
    /// A lost sample that is appended again and found to be a duplicate still counts as stored by this request.
    pub(super) fn set_class(&mut self, i: usize, class: &SampleClass) {
        let was_lost = matches!(self.progress[i], SampleProgress::NotStored { at_us: Some(_) });
        self.progress[i] = match *class {
            SampleClass::Fresh { at_us } => SampleProgress::InInbox { at_us, is_ours: true },
            SampleClass::Duplicate { at_us, judgement: None } => {
                SampleProgress::InInbox { at_us, is_ours: was_lost }
            }
            SampleClass::Duplicate { at_us, judgement } => done(at_us, was_lost, judgement),
            SampleClass::Conflict { stored } => {
                SampleProgress::Done(SampleOutcome::Conflict { stored })
            }
            SampleClass::TooOld => SampleProgress::Done(SampleOutcome::TooOld),
            SampleClass::TooManySeries => SampleProgress::Done(SampleOutcome::TooManySeries),
            SampleClass::Full => SampleProgress::NotStored { at_us: None },
        };
    }

    /// Records samples that this writer judged and committed.
    pub(super) fn resolve_committed(&mut self, judged: &[StoredSample]) {
        let by_time: HashMap<i64, &StoredSample> =
            judged.iter().map(|sample| (sample.at_us, sample)).collect();
        for progress in &mut self.progress {
            if let SampleProgress::InInbox { at_us, is_ours } = *progress
                && let Some(sample) = by_time.get(&at_us)
            {
                *progress = SampleProgress::Done(SampleOutcome::of_stored(is_ours, **sample));
            }
        }
    }

    /// Records the work of other writers, given the series after a conflict.
    ///
    /// A sample that left the inbox was judged; its verdict is in the window or was trimmed below the floor. A sample
    /// found nowhere was lost by the store.
    pub(super) fn resolve_conflict(&mut self, now: &SeriesState) {
        let inbox: HashSet<i64> = now.inbox.iter().map(Sample::at_us).collect();
        let window: HashMap<i64, Judgement> = counter::judgements(&now.window)
            .map(|judged| (judged.sample.at_us(), judged))
            .collect();
        let memory = now.memory.as_deref().and_then(detector::Memory::decode);
        let floor_us = memory.and_then(|memory| memory.floor_us);
        for progress in &mut self.progress {
            let SampleProgress::InInbox { at_us, is_ours } = *progress else { continue };
            if let Some(judgement) = window.get(&at_us) {
                *progress = done(at_us, is_ours, Some(*judgement));
            } else if inbox.contains(&at_us) {
                // Still to be judged, even if the floor rose above it meanwhile.
            } else if floor_us.is_some_and(|floor_us| at_us <= floor_us) {
                *progress = done(at_us, is_ours, None);
            } else if now.inbox.len() < store::INBOX_READ_MAX {
                *progress = SampleProgress::NotStored { at_us: Some(at_us) };
            }
        }
    }

    /// Returns the samples to append again, with their positions.
    pub(super) fn not_stored(&self) -> Vec<(usize, NewSample)> {
        let samples = self.progress.iter().zip(&self.samples).enumerate();
        let not_stored = samples.filter_map(|(i, (progress, sample))| match progress {
            SampleProgress::NotStored { at_us } => {
                Some((i, NewSample { at_us: at_us.or(sample.at_us), ..*sample }))
            }
            _ => None,
        });
        not_stored.collect()
    }

    /// Returns whether every sample has its outcome.
    pub(super) fn is_resolved(&self) -> bool {
        self.progress.iter().all(|progress| matches!(progress, SampleProgress::Done(_)))
    }

    /// Returns the time of the oldest anomaly whose expected value is missing: the window stores only the score.
    pub(super) fn oldest_without_expectation(&mut self) -> Option<i64> {
        self.without_expectation().map(|sample| sample.at_us).min()
    }

    /// Completes these anomalies from the list of anomalies.
    pub(super) fn fill_in(&mut self, anomalies: &BTreeMap<i64, Judgement>) {
        for sample in self.without_expectation() {
            sample.judgement = anomalies.get(&sample.at_us).copied().or(sample.judgement);
        }
    }

    /// Returns the outcomes in order; an error if a sample could not be stored or judged.
    pub(super) fn into_outcomes(self) -> Result<Vec<SampleOutcome>, WriteError> {
        let outcomes = self.progress.into_iter().map(|progress| match progress {
            SampleProgress::Done(outcome) => Ok(outcome),
            SampleProgress::InInbox { .. } | SampleProgress::NotStored { .. } => {
                Err(WriteError::Backlog)
            }
        });
        outcomes.collect()
    }

    fn without_expectation(&mut self) -> impl Iterator<Item = &mut StoredSample> {
        let stored = self.progress.iter_mut().filter_map(|progress| match progress {
            SampleProgress::Done(outcome) => outcome.stored_mut(),
            _ => None,
        });
        stored.filter(|sample| {
            sample.judgement.is_some_and(|judgement| {
                judgement.verdict.is_anomaly() && judgement.verdict.expectation.is_none()
            })
        })
    }
}

fn done(at_us: i64, is_ours: bool, judgement: Option<Judgement>) -> SampleProgress {
    let sample = StoredSample { at_us, judgement, learning: None };
    SampleProgress::Done(SampleOutcome::of_stored(is_ours, sample))
}
