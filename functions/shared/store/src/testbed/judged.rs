//! Judges samples on a stored state as a writer does.

use detector::{DeployedDetector, EpisodeChanges, Judge};
use domain::{Judgement, Sample};
use protocol::{Commit, EpisodeUpdate, MemoryPatch, SeriesState};

/// Judges samples on a state; returns the judge, and the commit with its whole memory.
///
/// # Panics
///
/// If the state cannot be judged on, or no sample was ever judged.
pub fn judged(
    deployed: DeployedDetector,
    state: &SeriesState,
    samples: &[Sample],
) -> (Judge, Commit) {
    let config = state.config.as_ref().map(|stored| stored.config.clone()).unwrap_or_default();
    let memory = state.memory.as_deref();
    let mut judge = Judge::restore_configured(deployed, &config, memory, state.window.clone())
        .expect("a state of the store");
    let mut changes = EpisodeChanges::since(judge.memory());
    let judge_one = |sample: &Sample| {
        let judgement = judge.judge(*sample);
        changes.record(judge.memory());
        judgement
    };
    let judgements: Vec<Judgement> = samples.iter().map(judge_one).collect();
    let memory = judge.memory();
    let (episodes, is_notable) = (changes.records().to_vec(), changes.is_notable());
    let commit = Commit {
        version: state.version,
        revision: state.revision(),
        memory: MemoryPatch::whole(&memory.encode()),
        cursor_us: memory.cursor_us.expect("a judged sample"),
        floor_us: memory.floor_us,
        judgements,
        episode_update: EpisodeUpdate { episodes, is_notable, ..EpisodeUpdate::default() },
    };
    (judge, commit)
}
