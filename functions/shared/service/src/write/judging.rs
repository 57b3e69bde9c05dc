//! Restores judges from stored series, and judges samples into a commit.

use detector::{DeployedDetector, EpisodeChanges, Judge, RestoreError, SeriesConfig};
use domain::{Judgement, Sample, VerdictKind};
use store::{Commit, EpisodeUpdate, MemoryPatch, SeriesState};

use super::judge_cache::CachedJudge;
use super::sample_outcome::StoredSample;
use crate::clock::steady_us;

/// Restores the judge of a stored series, under the configuration of the series if it has one.
pub(crate) fn restore_judge(
    deployed: DeployedDetector,
    state: &SeriesState,
) -> Result<Judge, RestoreError> {
    let none = SeriesConfig::default();
    let config = state.config.as_ref().map_or(&none, |stored| &stored.config);
    Judge::restore_configured(deployed, config, state.memory.as_deref(), state.window.clone())
}

/// Judges one sample, with the learning progress after it if the series is learning.
pub(crate) fn judge_sample(judge: &mut Judge, sample: Sample) -> StoredSample {
    let judgement = judge.judge(sample);
    let is_learning = judgement.verdict.kind == VerdictKind::Learning;
    StoredSample {
        at_us: sample.at_us(),
        judgement: Some(judgement),
        learning: is_learning.then(|| judge.learning()),
    }
}

/// Judges samples in time order and builds the commit, whose memory is a patch against the `stored` bytes.
pub(super) fn judge_samples(
    cached: &mut CachedJudge,
    stored: &[u8],
    samples: &[Sample],
) -> (Vec<StoredSample>, Commit) {
    let newest_us = samples.iter().map(Sample::at_us).max().unwrap_or_default();
    let judge = &mut cached.judge;
    judge.record_receipt(steady_us(), newest_us);
    let mut changes = EpisodeChanges::since(judge.memory());
    let mut judged = Vec::with_capacity(samples.len());
    for sample in samples {
        judged.push(judge_sample(judge, *sample));
        changes.record(judge.memory());
    }
    let episode_update = EpisodeUpdate {
        episodes: changes.records().to_vec(),
        is_notable: changes.is_notable(),
        n_silences: 0,
        silence_check: judge.next_silence_check(),
    };
    let memory = judge.memory();
    let bytes = memory.encode();
    let judgements: Vec<Judgement> = judged.iter().filter_map(|sample| sample.judgement).collect();
    // Version 0: a new or lost memory, so the store replaces what it has.
    let is_new = cached.version == 0;
    let patch =
        if is_new { MemoryPatch::whole(&bytes) } else { MemoryPatch::between(stored, &bytes) };
    let commit = Commit {
        version: cached.version,
        revision: cached.revision,
        memory: patch,
        cursor_us: memory.cursor_us.unwrap_or(newest_us),
        floor_us: memory.floor_us,
        judgements,
        episode_update,
    };
    (judged, commit)
}
