//! Episodes as they are told: what is open, what is over, and how they change while samples are judged.
//!
//! An episode is consecutive anomalous samples, or silence, or one after the other; it is known by its series and its
//! start, and told anew with each change.

use crate::Memory;
use domain::{EpisodePhase, EpisodeRecord};

impl Memory {
    /// The episode with which the series ends now.
    pub fn episode_record(&self) -> Option<EpisodeRecord> {
        let episode = self.episode?;
        let phase = if self.silence.is_silent { EpisodePhase::Silent } else { EpisodePhase::Open };
        let end_us = self.cursor_us.unwrap_or(episode.start_us);
        let (start_us, n_samples, peak) = (episode.start_us, episode.n_samples, episode.peak);
        Some(EpisodeRecord { start_us, end_us, n_samples, phase, peak })
    }
}

/// How the episodes of a series changed while samples were judged.
#[derive(Debug, Clone, PartialEq)]
pub struct EpisodeChanges {
    now: Option<EpisodeRecord>,
    changed: Vec<EpisodeRecord>,
    is_news: bool,
}

impl EpisodeChanges {
    /// None yet, of a series with this memory.
    pub fn since(memory: &Memory) -> Self {
        Self { now: memory.episode_record(), changed: Vec::new(), is_news: false }
    }

    /// Notes what the judging of one sample, or the lack of one, did to the memory.
    pub fn record(&mut self, memory: &Memory) {
        let (before, now) = (self.now, memory.episode_record());
        if before == now {
            return;
        }
        self.now = now;
        let goes_on = |it: &EpisodeRecord| now.is_some_and(|now| now.start_us == it.start_us);
        if let Some(before) = before.filter(|it| !goes_on(it)) {
            let was_silent = before.phase == EpisodePhase::Silent;
            let end_us = memory.cursor_us.filter(|_| was_silent).unwrap_or(before.end_us);
            self.push(EpisodeRecord { end_us, ..before.over() });
            self.is_news = true;
        }
        if let Some(now) = now {
            self.is_news |= before.filter(goes_on).is_none_or(|before| {
                before.phase != now.phase || has_doubled(before.n_samples, now.n_samples)
            });
            self.push(now);
        }
    }

    fn push(&mut self, record: EpisodeRecord) {
        self.changed.retain(|it| it.start_us != record.start_us);
        self.changed.push(record);
    }

    /// The episodes that changed, as they are now, the oldest first.
    pub fn records(&self) -> &[EpisodeRecord] {
        &self.changed
    }

    /// Whether a change is worth telling to those who are told of few: a begin, an end, a silence, twice as many samples.
    pub fn is_notable(&self) -> bool {
        self.is_news
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
    fn an_episode_is_told_open_while_it_goes_on_and_over_with_its_last_anomaly() {
        let mut judge = learned();
        let begun = changes(&mut judge, &[sample(200, 900.0), sample(201, 950.0)]);
        let [open] = begun.records() else { panic!("{begun:?}") };
        assert_eq!((open.start_us, open.end_us), (200 * MINUTE_US, 201 * MINUTE_US));
        assert_eq!((open.n_samples, open.phase, begun.is_notable()), (2, EpisodePhase::Open, true));
        let third = changes(&mut judge, &[sample(202, 900.0)]);
        assert_eq!((third.records()[0].n_samples, third.is_notable()), (3, false));
        let ended = changes(&mut judge, &[sample(203, 0.0), sample(204, 0.0)]);
        let [over] = ended.records() else { panic!("{ended:?}") };
        assert_eq!((over.end_us, over.phase), (202 * MINUTE_US, EpisodePhase::Over));
        assert!(ended.is_notable() && over.n_samples == 3 && over.signal() == Signal::Deviation);
    }

    #[test]
    fn episodes_of_one_batch_are_told_each_once() {
        let spikes = [(200, 900.0), (201, 0.0), (202, 900.0), (203, 900.0), (204, 0.0)];
        let told = changes(&mut learned(), &spikes.map(|(minute, more)| sample(minute, more)));
        let told: Vec<_> = told.records().iter().map(|it| (it.n_samples, it.phase)).collect();
        assert_eq!(told, [(1, EpisodePhase::Over), (2, EpisodePhase::Over)]);
    }

    #[test]
    fn a_silence_is_an_episode_that_the_next_sample_joins_or_ends() {
        for (after, n_samples) in [(200 + 60, 1), (200 + 1, 0)] {
            let mut judge = learned();
            let mut silent = EpisodeChanges::since(judge.memory());
            assert!(!judge.mark_silent(judge.memory().cursor_us.unwrap() + MINUTE_US));
            assert!(judge.mark_silent(1_000 * MINUTE_US));
            assert!(!judge.mark_silent(2_000 * MINUTE_US), "once");
            silent.record(judge.memory());
            let [told] = silent.records() else { panic!("{silent:?}") };
            assert_eq!((told.start_us, told.n_samples), (199 * MINUTE_US, 0));
            assert_eq!(
                (told.phase, told.signal(), silent.is_notable()),
                (EpisodePhase::Silent, Signal::Gap, true)
            );
            let stored = Memory::decode(&judge.memory().encode()).unwrap();
            assert_eq!(stored.episode_record(), Some(*told));

            // A sample that was under way for long is no gap, and ends it; after a gap it is the gap's own anomaly.
            let ended = changes(&mut judge, &[sample(after, 0.0), sample(after + 1, 0.0)]);
            let [over] = ended.records() else { panic!("{ended:?}") };
            assert_eq!((over.start_us, over.end_us), (199 * MINUTE_US, after * MINUTE_US));
            assert_eq!((over.n_samples, over.phase), (n_samples, EpisodePhase::Over));
            assert_eq!(over.signal(), Signal::Gap);
        }
    }

    #[test]
    fn who_does_not_listen_for_gaps_is_never_told_of_silence() {
        for spec in ["zscore", "tidemark:signals=deviation"] {
            let mut judge = Judge::new(spec.parse().unwrap());
            (0..200).for_each(|i| _ = judge.judge(sample(i, 0.0)));
            assert!(!judge.mark_silent(9_000 * MINUTE_US));
            assert_eq!(judge.next_silence_check(), None);
        }
    }

    #[test]
    fn who_does_not_listen_for_gaps_ends_an_episode_of_which_nothing_more_is_heard() {
        for spec in ["zscore", "tidemark:signals=deviation"] {
            let mut judge = Judge::new(spec.parse().unwrap());
            (0..200).for_each(|i| _ = judge.judge(sample(i, 0.0)));
            judge.judge(sample(200, 900.0));
            judge.judge(sample(201, 950.0));
            let Some(SilenceCheck::At(look_us)) = judge.next_silence_check() else {
                panic!("{spec} is not looked at")
            };
            assert!(!judge.mark_silent(look_us - 1), "a sample may still come in time");

            let mut over = EpisodeChanges::since(judge.memory());
            assert!(judge.mark_silent(look_us));
            assert!(!judge.mark_silent(look_us), "once");
            over.record(judge.memory());
            let [told] = over.records() else { panic!("{over:?}") };
            assert_eq!((told.start_us, told.end_us), (200 * MINUTE_US, 201 * MINUTE_US));
            assert_eq!(
                (told.n_samples, told.phase, over.is_notable()),
                (2, EpisodePhase::Over, true)
            );
            assert!(!judge.memory().silence.is_silent, "that is not told");
            assert_eq!(judge.next_silence_check(), Some(SilenceCheck::Never));

            // What comes after is another one.
            let next = changes(&mut judge, &[sample(900, 9_000.0)]);
            assert_eq!(next.records()[0].start_us, 900 * MINUTE_US);
            // One that ends by itself is not looked at any more.
            assert!(matches!(judge.next_silence_check(), Some(SilenceCheck::At(_))));
            changes(&mut judge, &[sample(901, 0.0)]);
            assert_eq!(judge.next_silence_check(), Some(SilenceCheck::Never));
        }
    }
}
