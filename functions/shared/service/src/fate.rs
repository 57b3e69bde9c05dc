//! What became of each sample of a round, from append to commit.
//!
//! Separate from the loop that talks to the store, so that it can be read, and tested, without one.

use std::collections::{BTreeMap, HashMap, HashSet};

use detector::{LearningProgress, RestoreError};
use domain::Judgement;
use store::{NewSample, SampleClass, SeriesState, StoreError};
use thiserror::Error;

/// What became of one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    /// Stored by this request.
    Accepted(Told),
    /// Stored by an earlier request.
    Duplicate(Told),
    /// Another value was stored at its time.
    Conflict { stored: f64 },
    /// Older than all that is kept.
    TooOld,
    /// Of a new series, where the tenant has as many as it may have.
    TooManySeries,
}

/// What is known of a stored sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Told {
    /// Its time, in microseconds.
    pub(crate) at_us: i64,
    /// What was said of it; not known any more when another writer judged it and its place in the window is gone.
    pub(crate) judgement: Option<Judgement>,
    /// How far learning was after it, where this writer judged it and the series was still learning.
    pub(crate) learning: Option<LearningProgress>,
}

/// What this writer said of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Said {
    pub(crate) judgement: Judgement,
    /// How far learning was after it, where the series was still learning.
    pub(crate) learning: Option<LearningProgress>,
}

/// Why samples could not be written; sending them again is safe.
#[derive(Debug, Clone, Error)]
pub(crate) enum WriteError {
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Store(String),
    #[error(transparent)]
    Detector(#[from] RestoreError),
    #[error("too many requests wait for this series")]
    Overloaded,
    #[error("samples of others wait and cannot be judged")]
    Backlog,
    #[error("the round ended without an answer")]
    Aborted,
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        if error.is_away() {
            Self::Unavailable(error.to_string())
        } else {
            Self::Store(error.to_string())
        }
    }
}

impl WriteError {
    /// The code of the samples.
    pub(crate) fn code(&self) -> intake::RejectionCode {
        match self {
            Self::Detector(_) => intake::RejectionCode::DetectorMismatch,
            _ => intake::RejectionCode::StoreUnavailable,
        }
    }
}

/// The samples of one round.
#[derive(Debug)]
pub(crate) struct Round {
    samples: Vec<NewSample>,
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    /// In the inbox, put there by this request or found there.
    Waiting {
        at_us: i64,
        is_ours: bool,
    },
    /// Not stored: the inbox was full, or the store lost it.
    Missing {
        at_us: Option<i64>,
    },
    Known(Fate),
}

impl Round {
    pub(crate) fn new(samples: &[NewSample], classes: &[SampleClass]) -> Self {
        let places = vec![Place::Missing { at_us: None }; samples.len()];
        let mut round = Self { samples: samples.to_vec(), places };
        for (i, class) in classes.iter().enumerate() {
            round.set_class(i, class);
        }
        round
    }

    /// Notes what an append said of sample `i`.
    ///
    /// A sample that had been appended before and is found again is still the one of this request.
    pub(crate) fn set_class(&mut self, i: usize, class: &SampleClass) {
        let was_ours = matches!(self.places[i], Place::Missing { at_us: Some(_) });
        self.places[i] = match *class {
            SampleClass::Fresh { at_us } => Place::Waiting { at_us, is_ours: true },
            SampleClass::Duplicate { at_us, judgement: None } => {
                Place::Waiting { at_us, is_ours: was_ours }
            }
            SampleClass::Duplicate { at_us, judgement } => known(at_us, was_ours, judgement),
            SampleClass::Conflict { stored } => Place::Known(Fate::Conflict { stored }),
            SampleClass::TooOld => Place::Known(Fate::TooOld),
            SampleClass::TooManySeries => Place::Known(Fate::TooManySeries),
            SampleClass::Full => Place::Missing { at_us: None },
        };
    }

    /// Notes what this writer judged and stored.
    pub(crate) fn resolve(&mut self, said: &[Said]) {
        let by_time: HashMap<i64, &Said> =
            said.iter().map(|it| (it.judgement.sample.at_us(), it)).collect();
        for place in &mut self.places {
            if let Place::Waiting { at_us, is_ours } = *place
                && let Some(Said { judgement, learning }) = by_time.get(&at_us)
            {
                let told = Told { at_us, judgement: Some(*judgement), learning: *learning };
                *place = of_told(is_ours, told);
            }
        }
    }

    /// Notes what others did meanwhile: what is not in the inbox any more was judged, and its verdict is in the
    /// window, or gone with it; what is nowhere was lost.
    pub(crate) fn resolve_by_others(&mut self, now: &SeriesState) {
        let waiting: HashSet<i64> = now.inbox.iter().map(domain::Sample::at_us).collect();
        let window: HashMap<i64, Judgement> =
            now.window.iter().map(|judged| (judged.sample.at_us(), judged.judgement())).collect();
        let memory = now.memory.as_deref().and_then(detector::Memory::decode);
        let floor_us = memory.and_then(|memory| memory.floor_us);
        for place in &mut self.places {
            let Place::Waiting { at_us, is_ours } = *place else { continue };
            if let Some(judgement) = window.get(&at_us) {
                *place = known(at_us, is_ours, Some(*judgement));
            } else if waiting.contains(&at_us) {
                // Still to be judged, also below a floor that was raised meanwhile.
            } else if floor_us.is_some_and(|floor_us| at_us <= floor_us) {
                *place = known(at_us, is_ours, None);
            } else if now.inbox.len() < store::INBOX_READ_MAX {
                *place = Place::Missing { at_us: Some(at_us) };
            }
        }
    }

    /// The samples to append again, with their places.
    pub(crate) fn missing(&self) -> Vec<(usize, NewSample)> {
        let missing = self.places.iter().enumerate().filter_map(|(i, place)| match place {
            Place::Missing { at_us } => Some((i, *at_us)),
            _ => None,
        });
        missing
            .map(|(i, at_us)| {
                (i, NewSample { at_us: at_us.or(self.samples[i].at_us), ..self.samples[i] })
            })
            .collect()
    }

    /// Whether nothing of this round waits any more.
    pub(crate) fn is_resolved(&self) -> bool {
        self.places.iter().all(|place| matches!(place, Place::Known(_)))
    }

    /// The time of the oldest anomaly of which only the score is known.
    pub(crate) fn oldest_without_expectation(&self) -> Option<i64> {
        self.places
            .iter()
            .filter_map(|place| incomplete(place).map(|judgement| judgement.sample.at_us()))
            .min()
    }

    /// Completes anomalies of which only the score is known.
    pub(crate) fn fill_in(&mut self, anomalies: &BTreeMap<i64, Judgement>) {
        for place in &mut self.places {
            let Some(full) =
                incomplete(place).and_then(|judgement| anomalies.get(&judgement.sample.at_us()))
            else {
                continue;
            };
            if let Place::Known(Fate::Accepted(told) | Fate::Duplicate(told)) = place {
                told.judgement = Some(*full);
            }
        }
    }

    /// What became of each sample, in order.
    pub(crate) fn into_fates(self) -> Result<Vec<Fate>, WriteError> {
        let fates = self.places.into_iter().map(|place| match place {
            Place::Known(fate) => Ok(fate),
            Place::Waiting { .. } | Place::Missing { .. } => Err(WriteError::Backlog),
        });
        fates.collect()
    }
}

fn known(at_us: i64, is_ours: bool, judgement: Option<Judgement>) -> Place {
    of_told(is_ours, Told { at_us, judgement, learning: None })
}

fn of_told(is_ours: bool, told: Told) -> Place {
    Place::Known(if is_ours { Fate::Accepted(told) } else { Fate::Duplicate(told) })
}

fn incomplete(place: &Place) -> Option<Judgement> {
    let Place::Known(Fate::Accepted(told) | Fate::Duplicate(told)) = place else { return None };
    told.judgement.filter(|it| it.verdict.is_anomaly() && it.verdict.expectation.is_none())
}
