//! Changes of episodes while the samples of one series are judged.

use crate::Memory;
use domain::{EpisodePhase, EpisodeRecord};

/// Episodes of a series that changed since a memory was read.
#[derive(Debug, Clone, PartialEq)]
pub struct EpisodeChanges {
    now: Option<EpisodeRecord>,
    changed: Vec<EpisodeRecord>,
    is_notable: bool,
}

impl EpisodeChanges {
    /// No changes yet, from `memory` on.
    pub fn since(memory: &Memory) -> Self {
        Self { now: memory.episode_record(), changed: Vec::new(), is_notable: false }
    }

    /// Records the change since the previous call, after one sample or one silence.
    pub fn record(&mut self, memory: &Memory) {
        let (before, now) = (self.now, memory.episode_record());
        if before == now {
            return;
        }
        self.now = now;
        let continues =
            |before: &EpisodeRecord| now.is_some_and(|now| now.start_us == before.start_us);
        if let Some(before) = before.filter(|before| !continues(before)) {
            let was_silent = before.phase == EpisodePhase::Silent;
            let end_us = memory.cursor_us.filter(|_| was_silent).unwrap_or(before.end_us);
            self.push(EpisodeRecord { end_us, ..before.over() });
            self.is_notable = true;
        }
        if let Some(now) = now {
            self.is_notable |= before.filter(continues).is_none_or(|before| {
                before.phase != now.phase || has_doubled(before.n_samples, now.n_samples)
            });
            self.push(now);
        }
    }

    fn push(&mut self, record: EpisodeRecord) {
        self.changed.retain(|other| other.start_us != record.start_us);
        self.changed.push(record);
    }

    /// Current records of the changed episodes, oldest first.
    pub fn records(&self) -> &[EpisodeRecord] {
        &self.changed
    }

    /// True if a change is worth an alert: a start, an end, a silence, or twice as many samples.
    pub fn is_notable(&self) -> bool {
        self.is_notable
    }
}

fn has_doubled(before: u64, now: u64) -> bool {
    now.checked_ilog2() != before.checked_ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Judge, SilenceCheck};
    use domain::{Sample, Signal};

    const MINUTE_US: i64 = 60_000_000;

    fn learned() -> Judge {
        let mut judge = Judge::new("tidemark:signals=deviation+gap".parse().unwrap());
        (0..200).for_each(|i| _ = judge.judge(sample(i, 0.0)));
        judge
    }

    fn sample(minute: i64, more: f64) -> Sample {
        Sample::new(minute * MINUTE_US, 100.0 + (minute % 7) as f64 + more).unwrap()
    }

    fn changes(judge: &mut Judge, samples: &[Sample]) -> EpisodeChanges {
        let mut changes = EpisodeChanges::since(judge.memory());
        for sample in samples {
            judge.judge(*sample);
            changes.record(judge.memory());
        }
        changes
    }

    #[test]
    fn an_episode_is_open_while_it_continues_and_ends_at_its_last_anomaly() {
        let mut judge = learned();
        let started = changes(&mut judge, &[sample(200, 900.0), sample(201, 950.0)]);
        let [open] = started.records() else { panic!("{started:?}") };
        assert_eq!((open.start_us, open.end_us), (200 * MINUTE_US, 201 * MINUTE_US));
        assert_eq!(
            (open.n_samples, open.phase, started.is_notable()),
            (2, EpisodePhase::Open, true)
        );
        let third = changes(&mut judge, &[sample(202, 900.0)]);
        assert_eq!((third.records()[0].n_samples, third.is_notable()), (3, false));
        let ended = changes(&mut judge, &[sample(203, 0.0), sample(204, 0.0)]);
        let [over] = ended.records() else { panic!("{ended:?}") };
        assert_eq!((over.end_us, over.phase), (202 * MINUTE_US, EpisodePhase::Over));
        assert!(ended.is_notable() && over.n_samples == 3 && over.signal() == Signal::Deviation);
    }

    #[test]
    fn each_episode_of_a_batch_has_one_record() {
        let mut judge = learned();
        let mut samples = vec![sample(200, 900.0)];
        samples.extend((201..300).map(|minute| sample(minute, 0.0)));
        samples.extend(
            [(300, 900.0), (301, 0.0), (302, 900.0), (303, 0.0)].map(|(m, more)| sample(m, more)),
        );
        let changes = changes(&mut judge, &samples);
        let phases: Vec<_> =
            changes.records().iter().map(|record| (record.n_samples, record.phase)).collect();
        assert_eq!(phases, [(1, EpisodePhase::Over), (2, EpisodePhase::Over)]);
    }

    #[test]
    fn the_next_sample_continues_or_ends_a_silence() {
        for (after, n_samples) in [(200 + 60, 1), (200 + 1, 0)] {
            let mut judge = learned();
            let mut silent = EpisodeChanges::since(judge.memory());
            assert!(!judge.mark_silent(judge.memory().cursor_us.unwrap() + MINUTE_US));
            assert!(judge.mark_silent(1_000 * MINUTE_US));
            assert!(!judge.mark_silent(2_000 * MINUTE_US), "once");
            silent.record(judge.memory());
            let [record] = silent.records() else { panic!("{silent:?}") };
            assert_eq!((record.start_us, record.n_samples), (199 * MINUTE_US, 0));
            assert_eq!(
                (record.phase, record.signal(), silent.is_notable()),
                (EpisodePhase::Silent, Signal::Gap, true)
            );
            let stored = Memory::decode(&judge.memory().encode()).unwrap();
            assert_eq!(stored.episode_record(), Some(*record));

            // A sample that was only delayed ends the silence; after a gap, the sample is an anomaly and continues it.
            let ended = changes(&mut judge, &[sample(after, 0.0), sample(after + 1, 0.0)]);
            let [over] = ended.records() else { panic!("{ended:?}") };
            assert_eq!((over.start_us, over.end_us), (199 * MINUTE_US, after * MINUTE_US));
            assert_eq!((over.n_samples, over.phase), (n_samples, EpisodePhase::Over));
            assert_eq!(over.signal(), Signal::Gap);
        }
    }

    #[test]
    fn without_the_gap_signal_a_series_is_never_silent() {
        for spec in ["zscore", "tidemark:signals=deviation"] {
            let mut judge = Judge::new(spec.parse().unwrap());
            (0..200).for_each(|i| _ = judge.judge(sample(i, 0.0)));
            assert!(!judge.mark_silent(9_000 * MINUTE_US));
            assert_eq!(judge.next_silence_check(), None);
        }
    }

    #[test]
    fn without_the_gap_signal_silence_ends_an_open_episode() {
        for spec in ["zscore", "tidemark:signals=deviation"] {
            let mut judge = Judge::new(spec.parse().unwrap());
            (0..200).for_each(|i| _ = judge.judge(sample(i, 0.0)));
            judge.judge(sample(200, 900.0));
            judge.judge(sample(201, 950.0));
            let Some(SilenceCheck::At(check_us)) = judge.next_silence_check() else {
                panic!("{spec} is not checked")
            };
            assert!(!judge.mark_silent(check_us - 1), "a sample may still come in time");

            let mut over = EpisodeChanges::since(judge.memory());
            assert!(judge.mark_silent(check_us));
            assert!(!judge.mark_silent(check_us), "once");
            over.record(judge.memory());
            let [record] = over.records() else { panic!("{over:?}") };
            assert_eq!((record.start_us, record.end_us), (200 * MINUTE_US, 201 * MINUTE_US));
            assert_eq!(
                (record.n_samples, record.phase, over.is_notable()),
                (2, EpisodePhase::Over, true)
            );
            assert!(!judge.memory().silence.is_silent);
            assert_eq!(judge.next_silence_check(), Some(SilenceCheck::Never));

            let next = changes(&mut judge, &[sample(900, 9_000.0)]);
            assert_eq!(next.records()[0].start_us, 900 * MINUTE_US);
            // An episode that a normal sample ends needs no check.
            assert!(matches!(judge.next_silence_check(), Some(SilenceCheck::At(_))));
            changes(&mut judge, &[sample(901, 0.0)]);
            assert_eq!(judge.next_silence_check(), Some(SilenceCheck::Never));
        }
    }
}
