//! Open episode of a series: how anomalies continue it, and how long after its end a further one joins it.
//!
//! An incident seldom consists of consecutive anomalies only: a value returns to normal for a few samples, and alarms again.
//! So the next anomaly within [`rejoin_us`] of the last one continues its episode.

use domain::{EpisodePhase, EpisodeRecord, Judgement};

/// Shortest time after an anomaly in which the next one joins its episode, in microseconds: a quarter of an hour. An outage
/// half an hour after a spike is another incident.
const REJOIN_US_MIN: i64 = 900 * 1_000_000;

/// Usual intervals after an anomaly in which the next one joins its episode, for series of few samples.
const REJOIN_INTERVALS: i64 = 3;

/// Longest time after an anomaly in which the next one joins its episode, in microseconds: six hours, a shift.
const REJOIN_US_MAX: i64 = 6 * 3_600 * 1_000_000;

/// Time after an anomaly in which the next one joins its episode, in microseconds: a quarter of an hour or three
/// usual intervals, whichever is longer, and at most six hours.
pub fn rejoin_us(interval_us: Option<i64>) -> i64 {
    let intervals_us = interval_us.unwrap_or_default().saturating_mul(REJOIN_INTERVALS);
    intervals_us.clamp(REJOIN_US_MIN, REJOIN_US_MAX)
}

/// Anomalies of an episode, and the silence after them; kept after its end while a further anomaly may join.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenEpisode {
    /// Time of the first anomaly, or of the last sample before a silence, in microseconds.
    pub start_us: i64,
    /// Time of the last anomaly, or the start, in microseconds.
    pub end_us: i64,
    /// Number of anomalies so far; 0 for a silence alone.
    pub n_samples: u64,
    /// Anomaly with the highest score.
    pub peak: Option<Judgement>,
}

impl OpenEpisode {
    /// Episode of a silence since `start_us`.
    pub(crate) fn of_silence(start_us: i64) -> Self {
        Self { start_us, end_us: start_us, n_samples: 0, peak: None }
    }

    /// True if the newest sample, at `cursor_us`, is its last anomaly.
    pub(crate) fn ends_at(&self, cursor_us: Option<i64>) -> bool {
        cursor_us == Some(self.end_us)
    }

    /// The episode with a further anomaly.
    pub(crate) fn with(self, anomaly: Judgement) -> Self {
        let is_highest = |peak: &Judgement| anomaly.verdict.score <= peak.verdict.score;
        Self {
            end_us: anomaly.sample.at_us(),
            n_samples: self.n_samples + 1,
            peak: Some(self.peak.filter(is_highest).unwrap_or(anomaly)),
            ..self
        }
    }

    /// Record of the episode while it lasts until `end_us`.
    pub(crate) fn record(&self, phase: EpisodePhase, end_us: i64) -> EpisodeRecord {
        EpisodeRecord {
            start_us: self.start_us,
            end_us,
            n_samples: self.n_samples,
            phase,
            peak: self.peak,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_join_is_a_quarter_of_an_hour_or_three_intervals_up_to_six_hours() {
        const MINUTE_US: i64 = 60_000_000;
        let cases = [
            (None, 15),
            (Some(1_000_000), 15),
            (Some(30 * MINUTE_US), 90),
            (Some(60 * MINUTE_US), 180),
            (Some(24 * 60 * MINUTE_US), 360),
            (Some(i64::MAX), 360),
        ];
        for (interval_us, minutes) in cases {
            assert_eq!(rejoin_us(interval_us), minutes * MINUTE_US, "{interval_us:?}");
        }
    }
}
