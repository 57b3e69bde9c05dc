//! Judge of one series: applies its detector to its memory and window, sample by sample.
//!
//! Functions and evaluator run this code on the same state, so their verdicts are equal bit for bit.

mod counted;
mod restore;
#[cfg(test)]
mod tests;

use crate::detectors::tidemark::Assessment;
use crate::migration::{DeployedDetector, MemoryOrigin};
use crate::open_episode::{OpenEpisode, rejoin_us};
use crate::signals::gap;
use crate::silence::SilenceCheck;
use crate::window::STORED_LEN_MIN;
use crate::{Detector, Memory, SeriesConfig, ThresholdFactors, Window};
use domain::sample::AT_US_MAX;
use domain::{Judgement, Sample, Signal, Verdict, VerdictKind};

/// Progress of learning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearningProgress {
    /// Samples seen, up to those needed.
    pub seen: usize,
    /// Samples needed before judging.
    pub needed: usize,
    /// Predicted time of the last needed sample, in microseconds; `None` if there are enough, or too few to predict.
    pub ready_at_us: Option<i64>,
}

impl LearningProgress {
    /// True if the next sample can be judged.
    pub fn is_ready(&self) -> bool {
        self.seen >= self.needed
    }
}

/// Number of newest intervals whose median is the usual interval of a series.
const INTERVALS_MAX: usize = 32;

/// Memory, window and configuration of one series.
#[derive(Debug, Clone)]
pub struct Judge {
    memory: Memory,
    window: Window,
    /// Samples that the detector reads, if they are not those of the window: the rates of a counter.
    rates: Option<Window>,
    origin: MemoryOrigin,
    config: SeriesConfig,
}

impl Judge {
    /// Judge of a new series.
    pub fn new(detector: Detector) -> Self {
        let deployed = DeployedDetector { detector, generation: 0 };
        Self::fresh(deployed, &SeriesConfig::default(), MemoryOrigin::New)
    }

    /// Judges `sample` and learns it.
    ///
    /// A sample at or before the newest one is late: it is judged against the samples before it, joins the window and the
    /// season, and changes no scalar. A sample at or below the floor is counted but not stored; a sample at a time that the
    /// window contains is neither.
    ///
    /// Of a counter the rate is judged and learned, see [`crate::counter`]. A sample that is not late and of another kind
    /// than the series changes the series: it learns again, from those samples of the window that are of the new kind.
    pub fn judge(&mut self, sample: Sample) -> Judgement {
        let sample = self.config.as_configured(sample);
        let at_us = sample.at_us();
        let late = self.memory.cursor_us.is_some_and(|cursor_us| at_us <= cursor_us);
        if !late {
            self.follow_kind(sample);
        }
        let read = self.read(sample);
        let assessment = self.assess_read(read.sample);
        let verdict = self.after_maintenance(at_us, assessment.verdict);
        let judgement = Judgement { sample, rate: read.rate, verdict, late };
        if self.window.at(at_us).is_some() {
            return judgement;
        }
        self.window.insert(judgement.judged());
        self.update_rates(read.sample, late);
        self.memory.floor_us = self.window.floor_us();
        self.memory.counters.judged += 1;
        self.memory.counters.anomalies += u64::from(judgement.verdict.is_anomaly());
        if late {
            self.memory.counters.late += 1;
            if let Some(read) = read.sample {
                self.memory.state.learn_late(&self.memory.detector, read);
            }
        } else {
            if let Some(read) = read.sample {
                self.learn(read, &assessment);
            }
            self.memory.episode = self.episode_with(judgement);
            self.memory.cursor_us = Some(at_us);
            self.memory.last = Some(judgement);
            self.memory.silence.is_silent = false;
        }
        judgement
    }

    /// Verdict on `sample`, without learning it.
    pub fn verdict(&self, sample: Sample) -> Verdict {
        let read = self.read(self.config.as_configured(sample));
        self.after_maintenance(sample.at_us(), self.assess_read(read.sample).verdict)
    }

    /// Reads a sample as the detector does; `None` if there is nothing to judge.
    pub(crate) fn read_configured(&self, sample: Sample) -> Option<Sample> {
        self.read(self.config.as_configured(sample)).sample
    }

    /// Assesses what the detector reads of a sample; without a rate there is nothing to judge.
    fn assess_read(&self, read: Option<Sample>) -> Assessment {
        let unjudged = || Assessment::without_signals(Verdict::unjudged(VerdictKind::Learning));
        read.map_or_else(unjudged, |read| self.assess(read))
    }

    fn after_maintenance(&self, at_us: i64, verdict: Verdict) -> Verdict {
        if self.config.is_in_maintenance(at_us) { verdict.in_maintenance() } else { verdict }
    }

    fn assess(&self, sample: Sample) -> Assessment {
        let detector = &self.memory.detector;
        let before = self.read_window().before(sample.at_us(), detector.window_len());
        self.memory.state.judge(detector, before, sample, &self.threshold_factors(sample.at_us()))
    }

    /// Factors of thresholds at a time, by the feedback of people.
    pub fn threshold_factors(&self, at_us: i64) -> ThresholdFactors {
        self.config.feedback().factors(at_us)
    }

    fn learn(&mut self, sample: Sample, assessment: &Assessment) {
        self.memory.state.learn(&self.memory.detector, sample, assessment);
    }

    /// Episode after `judgement`, the newest: open, over but near enough to be joined, or none.
    fn episode_with(&self, judgement: Judgement) -> Option<OpenEpisode> {
        let at_us = judgement.sample.at_us();
        let can_join = |episode: &OpenEpisode| {
            at_us.saturating_sub(episode.end_us) <= rejoin_us(self.interval_us())
        };
        if judgement.verdict.is_anomaly() {
            let is_open = self.memory.episode_record().is_some();
            let before = self.memory.episode.filter(|episode| is_open || can_join(episode));
            return Some(before.unwrap_or(OpenEpisode::of_silence(at_us)).with(judgement));
        }
        // A silence that a normal sample ends is over.
        let is_silent = self.memory.silence.is_silent;
        self.memory.episode.filter(|episode| !is_silent && can_join(episode))
    }

    /// Records that samples up to `newest_us` arrived at `now_us` of the receiver's clock; call before judging them.
    pub fn record_receipt(&mut self, now_us: i64, newest_us: i64) {
        let before_us = self.memory.cursor_us.unwrap_or(newest_us);
        if newest_us >= before_us {
            self.memory.silence.record_receipt(now_us, before_us);
        }
    }

    /// Age of the newest sample at which silence changes the series, in microseconds; `None` if it never does, or while
    /// the interval is unknown.
    fn silent_after_us(&self) -> Option<i64> {
        let gap_us = self.gap_us().or_else(|| {
            // Without the gap signal, silence still ends an open episode.
            self.memory.episode_record()?;
            Some(gap::INTERVALS_MIN * self.interval_us()? as f64)
        });
        Some(self.memory.silence.silent_after_us(gap_us?))
    }

    fn gap_us(&self) -> Option<f64> {
        let gap_us = self.memory.state.gap_us(&self.memory.detector)?;
        let factors = self.threshold_factors(self.memory.cursor_us.unwrap_or_default());
        Some(gap_us * factors.of(Signal::Gap))
    }

    /// Next time at which the sweep must check for silence; `None` if the scheduled one still fits.
    pub fn next_silence_check(&mut self) -> Option<SilenceCheck> {
        let (cursor_us, after_us) = (self.memory.cursor_us?, self.silent_after_us());
        self.memory.silence.next_check(cursor_us, after_us)
    }

    /// Time of the receiver's clock from which the series is silent unless a sample arrives; `None` if silence changes
    /// nothing.
    pub fn silent_from_us(&self) -> Option<i64> {
        let after_us = self.silent_after_us().filter(|_| !self.memory.silence.is_silent)?;
        Some(self.memory.cursor_us?.saturating_add(after_us))
    }

    /// Marks the series silent if it is at `now_us` of the receiver's clock; returns true on a change.
    ///
    /// A silence starts an episode without samples, or continues the open one; in maintenance it does not. Without the gap
    /// signal, a silence only ends the open episode at its last sample.
    pub fn mark_silent(&mut self, now_us: i64) -> bool {
        let is_due = self.silent_from_us().is_some_and(|from_us| from_us <= now_us);
        let Some(start_us) = self.memory.cursor_us.filter(|_| is_due) else { return false };
        if self.gap_us().is_none() {
            let was_open = self.memory.episode_record().is_some();
            self.memory.episode = None;
            return was_open;
        }
        if self.config.is_in_maintenance(now_us) {
            return false;
        }
        self.memory.silence.is_silent = true;
        self.memory.episode.get_or_insert(OpenEpisode::of_silence(start_us));
        true
    }

    /// Memory of the series.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The last judged samples.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// The samples that the detector reads: the window, or of a counter its rates.
    pub fn read_window(&self) -> &Window {
        self.rates.as_ref().unwrap_or(&self.window)
    }

    /// True unless the configuration of the series changes the kind of `sample`.
    pub fn is_read_as_sent(&self, sample: Sample) -> bool {
        self.config.as_configured(sample) == sample
    }

    /// Size of the window, and of the rates of a counter, in bytes.
    pub fn window_n_bytes(&self) -> usize {
        self.window.n_bytes() + self.rates.as_ref().map_or(0, Window::n_bytes)
    }

    /// Source of the memory.
    pub fn origin(&self) -> MemoryOrigin {
        self.origin
    }

    /// Progress of learning.
    pub fn learning(&self) -> LearningProgress {
        let needed = self.memory.detector.samples_needed();
        let seen = self.memory.state.n_samples().unwrap_or(self.read_window().judged().len());
        let interval_us = if seen < needed { self.interval_us() } else { None };
        let newest_us = self.window.judged().last().map(|judged| judged.sample.at_us());
        let ready_at_us = interval_us.zip(newest_us).map(|(interval_us, newest_us)| {
            let left = i64::try_from(needed.saturating_sub(seen)).unwrap_or(i64::MAX);
            newest_us.saturating_add(interval_us.saturating_mul(left)).min(AT_US_MAX)
        });
        LearningProgress { seen: seen.min(needed), needed, ready_at_us }
    }

    /// Median of the newest intervals of the window, in microseconds; one long pause does not change it.
    fn interval_us(&self) -> Option<i64> {
        let judged = self.window.judged();
        let newest = &judged[judged.len().saturating_sub(INTERVALS_MAX + 1)..];
        let mut intervals: Vec<i64> =
            newest.windows(2).map(|two| two[1].sample.at_us() - two[0].sample.at_us()).collect();
        intervals.sort_unstable();
        intervals.get(intervals.len() / 2).copied()
    }

    /// Encoded length of the memory, in bytes.
    pub fn memory_len(&self) -> usize {
        self.memory.encoded_len()
    }
}

/// Length of the window stored for `detector`.
fn window_len(detector: &Detector) -> usize {
    detector.window_len().max(STORED_LEN_MIN)
}
