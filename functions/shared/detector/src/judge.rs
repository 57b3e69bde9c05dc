//! The judge of one series: its memory and window, sample by sample.
//!
//! Functions and evaluator call the same code with the same state, so their verdicts are equal bit for bit.

use thiserror::Error;

use crate::gap;
use crate::memory::{Episode, State};
use crate::presence::SilenceCheck;
use crate::succession::{Succession, succession};
use crate::tidemark::Heard;
use crate::window::WINDOW_KEPT_MIN;
use crate::{Detector, Memory, SeriesConfig, Window};
use domain::sample::AT_US_MAX;
use domain::{JudgedSample, Judgement, Sample, Verdict};

/// What a deployment judges with: a detector, and the generation by which a change of it is ordered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeployedDetector {
    /// The detector of series that have none of their own.
    pub detector: Detector,
    /// Raised by one with each change of the detector; the higher generation migrates a series once.
    pub generation: u32,
}

/// How a judge came by its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryOrigin {
    /// The series is new.
    New,
    /// The store held it.
    Stored,
    /// The store had lost it, or it did not decode: learned again from the window.
    Relearned,
    /// It belonged to a lower generation, or the detector of the series' own configuration changed: learned again
    /// from the window.
    Migrated,
}

/// How far learning is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearningProgress {
    /// Samples seen, up to those needed.
    pub seen: usize,
    /// Samples needed before anything is judged.
    pub needed: usize,
    /// When the last needed sample comes if the series keeps its pace, in microseconds; none once there are enough,
    /// or while there are too few to have a pace.
    pub ready_at_us: Option<i64>,
}

/// Newest intervals between samples of which the median is the pace of a series.
const PACE_INTERVALS_MAX: usize = 32;

impl LearningProgress {
    /// Whether the next sample can be judged.
    pub fn is_ready(&self) -> bool {
        self.seen >= self.needed
    }
}

/// The memory and window of one series, and the detector that reads them.
#[derive(Debug, Clone)]
pub struct Judge {
    memory: Memory,
    window: Window,
    origin: MemoryOrigin,
    config: SeriesConfig,
}

impl Judge {
    /// A judge that has seen nothing.
    pub fn new(detector: Detector) -> Self {
        let deployed = DeployedDetector { detector, generation: 0 };
        Self::fresh(deployed, &SeriesConfig::default(), MemoryOrigin::New)
    }

    fn fresh(deployed: DeployedDetector, config: &SeriesConfig, origin: MemoryOrigin) -> Self {
        let detector = config.detector.unwrap_or(deployed.detector);
        let memory = Memory::new(detector, deployed.generation);
        Self {
            memory: Memory { has_own_detector: config.detector.is_some(), ..memory },
            window: Window::new(kept(&detector)),
            origin,
            config: config.clone(),
        }
    }

    /// A judge that has seen what a store kept: the bytes of a memory and the judged samples, either possibly lost.
    ///
    /// A memory of a higher generation keeps its own detector; one of a lower generation migrates; one of the same
    /// generation and another detector is an error, since two deployments would undo each other's learning.
    pub fn restore(
        deployed: DeployedDetector,
        memory: Option<&[u8]>,
        window: Vec<JudgedSample>,
    ) -> Result<Self, RestoreError> {
        Self::restore_configured(deployed, &SeriesConfig::default(), memory, window)
    }

    /// The same for a series with a configuration.
    ///
    /// Its own detector counts whatever the generation: a memory of another one migrates. A memory of an own detector
    /// that is configured no more migrates to the deployment's, so each change costs one migration, and none is an
    /// error.
    pub fn restore_configured(
        deployed: DeployedDetector,
        config: &SeriesConfig,
        memory: Option<&[u8]>,
        window: Vec<JudgedSample>,
    ) -> Result<Self, RestoreError> {
        let decoded = memory.and_then(Memory::decode);
        let Some(stored) = decoded else {
            // What a newer deployment wrote is not ours to replace, even where it cannot be read here.
            let generation = memory.and_then(Memory::generation_of).unwrap_or_default();
            if generation > deployed.generation {
                return Err(RestoreError::Newer {
                    stored: generation,
                    deployed: deployed.generation,
                });
            }
            let is_new = memory.is_none() && window.is_empty();
            let origin = if is_new { MemoryOrigin::New } else { MemoryOrigin::Relearned };
            return Ok(Self::relearn(Self::fresh(deployed, config, origin), window, None));
        };
        let stored = match succession(&deployed, config, &stored)? {
            Succession::Keeps => stored,
            Succession::ChangesHands { generation } => {
                Memory { has_own_detector: config.detector.is_some(), generation, ..stored }
            }
            Succession::Migrates { generation } => {
                let fresh = Self::fresh(
                    DeployedDetector { generation, ..deployed },
                    config,
                    MemoryOrigin::Migrated,
                );
                return Ok(Self::relearn(fresh, window, Some(stored)));
            }
        };
        // Without its window, what was judged cannot be told from what is new: all of it counts as trimmed.
        let floor_us = if window.is_empty() { stored.cursor_us } else { stored.floor_us };
        let window = Window::restore(kept(&stored.detector), window, floor_us);
        let memory = Memory { floor_us: window.floor_us(), ..stored };
        Ok(Self { memory, window, origin: MemoryOrigin::Stored, config: config.clone() })
    }

    /// A judge that learns from the samples of a window, without judging them again.
    fn relearn(fresh: Self, mut samples: Vec<JudgedSample>, stored: Option<Memory>) -> Self {
        let mut judge = fresh;
        samples.sort_by_key(|judged| judged.sample.at_us());
        if let Some(stored) = stored {
            let fresh = judge.memory;
            judge.memory = Memory {
                generation: fresh.generation,
                detector: fresh.detector,
                has_own_detector: fresh.has_own_detector,
                state: fresh.state,
                ..stored
            };
            if samples.is_empty() {
                judge.memory.floor_us = judge.memory.cursor_us;
            }
        } else if let Some(oldest) = samples.first().filter(|_| samples.len() >= judge.kept()) {
            // A full window has been trimmed, and where is not known any more: just below it at the latest.
            judge.memory.floor_us =
                Some(oldest.sample.at_us() - 1).filter(|floor_us| *floor_us >= 0);
        }
        judge.window = Window::restore(judge.kept(), Vec::new(), judge.memory.floor_us);
        for judged in samples {
            let heard = judge.hear(judged.sample);
            judge.learn(judged.sample, &heard);
            judge.window.insert(judged);
            judge.memory.cursor_us = judge.memory.cursor_us.max(Some(judged.sample.at_us()));
        }
        judge.memory.floor_us = judge.window.floor_us();
        judge
    }

    /// Judges `sample` and remembers it.
    ///
    /// A sample at or before the newest one is late: judged against what preceded it, it joins the window and the
    /// season, never the scalars. One at or below the floor is counted and not kept; one at the time of a sample of
    /// the window is neither.
    pub fn judge(&mut self, sample: Sample) -> Judgement {
        let at_us = sample.at_us();
        let late = self.memory.cursor_us.is_some_and(|cursor_us| at_us <= cursor_us);
        let heard = self.hear(sample);
        let judgement = Judgement { sample, verdict: self.told(at_us, heard.verdict), late };
        if self.window.at(at_us).is_some() {
            return judgement;
        }
        self.window.insert(judgement.judged());
        self.memory.floor_us = self.window.floor_us();
        self.memory.counters.judged += 1;
        self.memory.counters.anomalies += u64::from(judgement.verdict.is_anomaly());
        if late {
            self.memory.counters.late += 1;
            self.learn_late(sample);
        } else {
            self.learn(sample, &heard);
            self.memory.cursor_us = Some(at_us);
            self.memory.last = Some(judgement);
            self.memory.episode = self.episode_with(judgement);
            self.memory.silence.is_silent = false;
        }
        judgement
    }

    /// What would be said of `sample`; remembers nothing.
    pub fn verdict(&self, sample: Sample) -> Verdict {
        self.told(sample.at_us(), self.hear(sample).verdict)
    }

    /// What is told of a verdict, which is learned from as it was found.
    fn told(&self, at_us: i64, found: Verdict) -> Verdict {
        if self.config.is_in_maintenance(at_us) { found.in_maintenance() } else { found }
    }

    /// What the detector finds of `sample`.
    fn hear(&self, sample: Sample) -> Heard {
        let before = self.window.before(sample.at_us(), self.memory.detector.window_len());
        Heard::only(match (&self.memory.detector, &self.memory.state) {
            (Detector::Tidemark(tidemark), State::Tidemark(state)) => {
                return tidemark.hear(before, state, sample);
            }
            (Detector::Zscore(zscore), _) => zscore.judge(before, sample),
            (Detector::Robust(robust), _) => robust.judge(before, sample),
            (Detector::Ewma(ewma), State::Ewma(state)) => ewma.judge(state, sample),
            (Detector::Deviation(deviation), State::Deviation(state)) => {
                deviation.judge(before, state, sample)
            }
            (Detector::Ewma(_) | Detector::Deviation(_) | Detector::Tidemark(_), _) => {
                unreachable!("a memory has the state of its detector")
            }
        })
    }

    fn learn(&mut self, sample: Sample, heard: &Heard) {
        match (&self.memory.detector, &mut self.memory.state) {
            (Detector::Ewma(ewma), State::Ewma(state)) => ewma.learn(state, sample),
            (Detector::Deviation(deviation), State::Deviation(state)) => {
                deviation.learn(state, sample, &heard.verdict);
            }
            (Detector::Tidemark(tidemark), State::Tidemark(state)) => {
                tidemark.learn(state, sample, heard);
            }
            _ => {}
        }
    }

    fn learn_late(&mut self, sample: Sample) {
        match (&self.memory.detector, &mut self.memory.state) {
            (Detector::Deviation(deviation), State::Deviation(state)) => {
                deviation.learn_season(state, sample);
            }
            (Detector::Tidemark(tidemark), State::Tidemark(state)) => {
                tidemark.learn_season(state, sample);
            }
            _ => {}
        }
    }

    fn episode_with(&self, judgement: Judgement) -> Option<Episode> {
        if !judgement.verdict.is_anomaly() {
            return None;
        }
        let Some(open) = self.memory.episode else {
            return Some(Episode {
                start_us: judgement.sample.at_us(),
                n_samples: 1,
                peak: Some(judgement),
            });
        };
        let is_below = |peak: &Judgement| judgement.verdict.score <= peak.verdict.score;
        let peak = open.peak.filter(is_below).unwrap_or(judgement);
        Some(Episode { n_samples: open.n_samples + 1, peak: Some(peak), ..open })
    }

    /// Remembers that samples up to `newest_us` were received at `now_us`, by the receiver's clock; to be called before
    /// they are judged.
    pub fn record_receipt(&mut self, now_us: i64, newest_us: i64) {
        let before_us = self.memory.cursor_us.unwrap_or(newest_us);
        if newest_us >= before_us {
            self.memory.silence.receive(now_us, before_us);
        }
    }

    /// How long after its newest sample the lack of another is news, in microseconds; none where it never is, or the pace
    /// of the series is not known yet.
    fn silence_after_us(&self) -> Option<i64> {
        let gap_us = self.gap_us().or_else(|| {
            // Who does not listen for gaps still ends an episode of which nothing more is heard.
            self.memory.episode?;
            Some(gap::MISSING * self.pace_us()? as f64)
        });
        Some(self.memory.silence.silence_after_us(gap_us?))
    }

    /// The pause that is an anomaly, in microseconds; none where nobody listens for gaps, or the pace is not known yet.
    fn gap_us(&self) -> Option<f64> {
        match (&self.memory.detector, &self.memory.state) {
            (Detector::Tidemark(tidemark), State::Tidemark(state)) => tidemark.gap_us(state),
            _ => None,
        }
    }

    /// When a store is to look next whether the series has fallen silent; none where nothing changed about it.
    pub fn next_silence_check(&mut self) -> Option<SilenceCheck> {
        let (cursor_us, after_us) = (self.memory.cursor_us?, self.silence_after_us());
        self.memory.silence.look(cursor_us, after_us)
    }

    /// When the series is silent unless a sample comes before, by the receiver's clock; none where that is no news.
    pub fn silent_from_us(&self) -> Option<i64> {
        let after_us = self.silence_after_us().filter(|_| !self.memory.silence.is_silent)?;
        Some(self.memory.cursor_us?.saturating_add(after_us))
    }

    /// Notices that the series is silent at `now_us`, by the receiver's clock, where it is and nobody noticed before;
    /// answers whether that changed anything.
    ///
    /// A silence is an episode of no samples, or goes on with one that is open. While anomalies are maintenance none is told.
    /// Where nobody listens for gaps silence is none, but an episode that is open is over with its last sample.
    pub fn mark_silent(&mut self, now_us: i64) -> bool {
        let is_due = self.silent_from_us().is_some_and(|from_us| from_us <= now_us);
        let Some(start_us) = self.memory.cursor_us.filter(|_| is_due) else { return false };
        if self.gap_us().is_none() {
            return self.memory.episode.take().is_some();
        }
        if self.config.is_in_maintenance(now_us) {
            return false;
        }
        self.memory.silence.is_silent = true;
        self.memory.episode.get_or_insert(Episode { start_us, n_samples: 0, peak: None });
        true
    }

    /// What the series remembers.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The last judged samples.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// How it came by its memory.
    pub fn origin(&self) -> MemoryOrigin {
        self.origin
    }

    /// How far learning is.
    pub fn learning(&self) -> LearningProgress {
        let needed = self.memory.detector.samples_needed();
        let seen = match &self.memory.state {
            State::Ewma(state) => usize::try_from(state.n()).unwrap_or(usize::MAX),
            _ => self.window.judged().len(),
        };
        let pace_us = if seen < needed { self.pace_us() } else { None };
        let newest_us = self.window.judged().last().map(|judged| judged.sample.at_us());
        let ready_at_us = pace_us.zip(newest_us).map(|(pace_us, newest_us)| {
            let left = i64::try_from(needed.saturating_sub(seen)).unwrap_or(i64::MAX);
            newest_us.saturating_add(pace_us.saturating_mul(left)).min(AT_US_MAX)
        });
        LearningProgress { seen: seen.min(needed), needed, ready_at_us }
    }

    /// The usual time from one sample to the next, in microseconds: a median, since one night without samples says
    /// nothing of the next day.
    fn pace_us(&self) -> Option<i64> {
        let judged = self.window.judged();
        let newest = &judged[judged.len().saturating_sub(PACE_INTERVALS_MAX + 1)..];
        let mut intervals: Vec<i64> =
            newest.windows(2).map(|two| two[1].sample.at_us() - two[0].sample.at_us()).collect();
        intervals.sort_unstable();
        intervals.get(intervals.len() / 2).copied()
    }

    /// Length of the memory's bytes.
    pub fn memory_len(&self) -> usize {
        self.memory.encoded_len()
    }

    fn kept(&self) -> usize {
        kept(&self.memory.detector)
    }
}

/// Samples a window keeps for `detector`.
fn kept(detector: &Detector) -> usize {
    detector.window_len().max(WINDOW_KEPT_MIN)
}

/// Why a stored series cannot be judged by this deployment.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Two deployments of one generation judge the series with different detectors.
    #[error(
        "the series is judged by `{stored}` in generation {generation}, this deployment has `{deployed}`: \
         another generation is wanted with another detector"
    )]
    Mismatch {
        /// The detector of the stored memory.
        stored: Detector,
        /// The detector of this deployment.
        deployed: Detector,
        /// The generation of both.
        generation: u32,
    },
    /// A newer deployment wrote what this one cannot read.
    #[error(
        "the series is judged in generation {stored}, which this deployment of generation {deployed} cannot read: \
         a newer one is wanted"
    )]
    Newer {
        /// The generation of the stored memory.
        stored: u32,
        /// The generation of this deployment.
        deployed: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::VerdictKind;

    const DEPLOYED: DeployedDetector =
        DeployedDetector { detector: Detector::ALL[0], generation: 3 };

    fn sample(i: i64) -> Sample {
        Sample::new(i * 60_000_000, 100.0 + (i % 7) as f64).unwrap()
    }

    fn learned(deployed: DeployedDetector, n: i64) -> Judge {
        let mut judge = Judge::restore(deployed, None, Vec::new()).unwrap();
        (0..n).for_each(|i| _ = judge.judge(sample(i)));
        judge
    }

    fn restored(deployed: DeployedDetector, judge: &Judge) -> Result<Judge, RestoreError> {
        Judge::restore(deployed, Some(&judge.memory().encode()), judge.window().judged().to_vec())
    }

    #[test]
    fn a_judge_restored_after_each_sample_says_the_same() {
        for detector in Detector::ALL {
            let deployed = DeployedDetector { detector, generation: 0 };
            let mut kept = learned(deployed, 0);
            let mut stored = kept.clone();
            for i in 0..600 {
                let spike = if i % 50 == 49 { 300.0 } else { 0.0 };
                let sample = Sample::new(i * 60_000_000, sample(i).value() + spike).unwrap();
                stored = restored(deployed, &stored).unwrap();
                assert_eq!(stored.judge(sample), kept.judge(sample));
                assert_eq!(stored.memory(), kept.memory());
            }
        }
    }

    #[test]
    fn a_late_sample_is_judged_and_kept_but_moves_no_scalar() {
        let mut judge = learned(DEPLOYED, 100);
        let before = judge.memory().clone();
        let judgement = judge.judge(Sample::new(sample(80).at_us() + 1, 5_000.0).unwrap());
        assert!(judgement.late && judgement.verdict.is_anomaly());
        assert!(judge.window().at(sample(80).at_us() + 1).is_some());
        assert_eq!(judge.memory().cursor_us, before.cursor_us);
        assert_eq!(judge.memory().last, before.last);
        assert_eq!(judge.memory().counters.late, 1);
    }

    #[test]
    fn a_time_already_judged_changes_nothing() {
        let mut judge = learned(DEPLOYED, 300);
        let (memory, n_kept) = (judge.memory().clone(), judge.window().judged().len());
        for i in [299, 250, 172] {
            assert!(judge.judge(Sample::new(sample(i).at_us(), 9_000.0).unwrap()).late);
        }
        assert_eq!(judge.memory(), &memory);
        assert_eq!(judge.window().judged().len(), n_kept);
    }

    #[test]
    fn a_sample_below_the_floor_is_counted_and_not_kept() {
        let mut judge = learned(DEPLOYED, 300);
        let floor_us = judge.memory().floor_us;
        assert!(judge.judge(Sample::new(sample(3).at_us() + 1, 100.0).unwrap()).late);
        assert_eq!((judge.memory().counters.judged, judge.memory().floor_us), (301, floor_us));
        assert!(judge.window().at(sample(3).at_us() + 1).is_none());
    }

    #[test]
    fn consecutive_anomalies_are_one_episode() {
        let mut judge = learned(DEPLOYED, 100);
        for (i, value) in [(100, 200.0), (101, 1e9)] {
            judge.judge(Sample::new(sample(i).at_us(), value).unwrap());
        }
        let episode = judge.memory().episode.unwrap();
        assert_eq!((episode.start_us, episode.n_samples), (sample(100).at_us(), 2));
        assert_eq!(episode.peak.unwrap().sample.value(), 1e9);
        judge.judge(sample(102));
        assert_eq!(judge.memory().episode, None);
    }

    #[test]
    fn a_lost_memory_is_learned_again_from_the_window() {
        let judge = learned(DEPLOYED, 300);
        for memory in [None, Some(&b"rubbish"[..])] {
            let again = Judge::restore(DEPLOYED, memory, judge.window().judged().to_vec()).unwrap();
            assert_eq!(again.origin(), MemoryOrigin::Relearned);
            assert_eq!(again.memory().cursor_us, judge.memory().cursor_us);
            assert!(again.memory().floor_us >= judge.memory().floor_us);
            assert_eq!(again.verdict(sample(300)).kind, VerdictKind::Normal);
        }
    }

    #[test]
    fn after_a_lost_window_replayed_samples_are_not_judged_again() {
        let judge = learned(DEPLOYED, 300);
        let again = Judge::restore(DEPLOYED, Some(&judge.memory().encode()), Vec::new()).unwrap();
        assert_eq!(again.memory().floor_us, judge.memory().cursor_us);
        assert_eq!(again.verdict(sample(300)).kind, VerdictKind::Learning);
    }

    #[test]
    fn generations_decide_who_judges() {
        let zscore = Detector::ALL[1];
        let judge = learned(DEPLOYED, 300);
        let higher =
            restored(DeployedDetector { detector: zscore, generation: 4 }, &judge).unwrap();
        assert_eq!((higher.origin(), higher.memory().detector), (MemoryOrigin::Migrated, zscore));
        assert_eq!(higher.memory().counters, judge.memory().counters);
        let lower = restored(DeployedDetector { detector: zscore, generation: 2 }, &judge).unwrap();
        assert_eq!(
            (lower.origin(), lower.memory().detector),
            (MemoryOrigin::Stored, DEPLOYED.detector)
        );
        assert_eq!(lower.memory().generation, 3);
        assert!(restored(DeployedDetector { detector: zscore, generation: 3 }, &judge).is_err());
    }

    #[test]
    fn what_a_newer_deployment_wrote_and_nobody_here_can_read_is_left_alone() {
        let mut memory =
            learned(DeployedDetector { generation: 9, ..DEPLOYED }, 50).memory().encode();
        // A detector of a later version.
        let spec_at = memory.len() - 4;
        memory[spec_at..].copy_from_slice(b"next");
        let error = Judge::restore(DEPLOYED, Some(&memory), Vec::new()).unwrap_err();
        assert_eq!(error, RestoreError::Newer { stored: 9, deployed: 3 });
        let own = DeployedDetector { generation: 9, ..DEPLOYED };
        assert_eq!(
            Judge::restore(own, Some(&memory), Vec::new()).unwrap().origin(),
            MemoryOrigin::Relearned
        );
    }

    fn configured(deployed: DeployedDetector, config: &SeriesConfig, judge: &Judge) -> Judge {
        let memory = judge.memory().encode();
        let window = judge.window().judged().to_vec();
        Judge::restore_configured(deployed, config, Some(&memory), window).unwrap()
    }

    fn own(spec: &str) -> SeriesConfig {
        SeriesConfig::new(Some(spec.parse().unwrap()), Vec::new()).unwrap()
    }

    #[test]
    fn an_own_detector_counts_in_every_generation_and_migrates_once() {
        let config = own("zscore:window=40,threshold=3");
        let judge = configured(DEPLOYED, &config, &learned(DEPLOYED, 300));
        assert_eq!(
            (judge.origin(), judge.memory().has_own_detector),
            (MemoryOrigin::Migrated, true)
        );
        assert_eq!(Some(judge.memory().detector), config.detector);
        assert_eq!(judge.memory().counters.judged, 300);
        for generation in [0, 3, 9] {
            for detector in Detector::ALL {
                let again = configured(DeployedDetector { detector, generation }, &config, &judge);
                assert_eq!(again.origin(), MemoryOrigin::Stored);
                assert_eq!(again.memory(), judge.memory());
            }
        }
    }

    #[test]
    fn without_its_configuration_a_series_returns_to_its_deployment_once() {
        let config = own("zscore:window=40,threshold=3");
        let judge = configured(DEPLOYED, &config, &learned(DEPLOYED, 300));
        let lower = DeployedDetector { generation: 2, ..DEPLOYED };
        for deployed in [lower, DEPLOYED] {
            let back = restored(deployed, &judge).unwrap();
            assert_eq!(
                (back.origin(), back.memory().has_own_detector),
                (MemoryOrigin::Migrated, false)
            );
            assert_eq!(back.memory().counters, judge.memory().counters);
            assert_eq!(restored(deployed, &back).unwrap().origin(), MemoryOrigin::Stored);
        }
    }

    #[test]
    fn configuring_the_deployments_own_detector_learns_nothing_again() {
        let config = SeriesConfig::new(Some(DEPLOYED.detector), Vec::new()).unwrap();
        let judge = configured(DEPLOYED, &config, &learned(DEPLOYED, 300));
        assert_eq!((judge.origin(), judge.memory().has_own_detector), (MemoryOrigin::Stored, true));
        let back = restored(DEPLOYED, &judge).unwrap();
        assert_eq!((back.origin(), back.memory().has_own_detector), (MemoryOrigin::Stored, false));
    }

    #[test]
    fn a_maintenance_anomaly_is_learned_from_and_not_counted() {
        let spike = |judge: &mut Judge| {
            let said = judge.judge(Sample::new(sample(300).at_us(), 9_000.0).unwrap());
            let next = judge.judge(sample(301));
            (said, next)
        };
        let mut loud = learned(DEPLOYED, 300);
        let at_us = sample(300).at_us();
        let maintenance = crate::MaintenanceWindow::new(at_us, at_us + 1, String::new()).unwrap();
        let config = SeriesConfig::new(None, vec![maintenance]).unwrap();
        let mut quiet = configured(DEPLOYED, &config, &loud);
        assert_eq!(quiet.origin(), MemoryOrigin::Stored);
        let (told, silent) = (spike(&mut loud), spike(&mut quiet));
        assert_eq!(
            (told.0.verdict.kind, silent.0.verdict.kind),
            (VerdictKind::Anomaly, VerdictKind::Maintenance)
        );
        assert_eq!(told.0.verdict.in_maintenance(), silent.0.verdict);
        assert_eq!(told.1, silent.1);
        let (told, silent) = (loud.memory(), quiet.memory());
        assert_eq!((told.counters.anomalies, silent.counters.anomalies), (1, 0));
        assert_eq!((&told.state, silent.episode), (&silent.state, None));
        assert_eq!(quiet.window().at(at_us).unwrap().kind, VerdictKind::Maintenance);
    }

    #[test]
    fn readiness_is_foretold_by_the_pace_of_the_series() {
        let at = |minutes: &[i64]| {
            let mut judge = Judge::new("zscore:min=30".parse().unwrap());
            for minute in minutes {
                judge.judge(sample(*minute));
            }
            judge.learning().ready_at_us
        };
        assert_eq!((at(&[]), at(&[7])), (None, None));
        assert_eq!(at(&[0, 1]), Some(sample(29).at_us()));
        // A night without samples says nothing of the day after.
        assert_eq!(at(&[0, 1, 2, 602, 603]), Some(sample(628).at_us()));
        assert_eq!(at(&(0..30).collect::<Vec<_>>()), None);
    }

    #[test]
    fn learning_says_how_far_it_is() {
        let progress = learned(DEPLOYED, 4).learning();
        assert_eq!((progress.seen, progress.needed, progress.is_ready()), (4, 10, false));
        assert!(learned(DEPLOYED, 10).learning().is_ready());
    }
}
