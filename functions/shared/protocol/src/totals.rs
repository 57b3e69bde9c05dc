//! Names of the totals that a store counts exactly, in its atomic steps, and the counts that each step adds.

use domain::Signal;

use crate::{Commit, SampleClass};

/// Samples by outcome; the name of the outcome follows. Samples refused as full or of a new series are not counted.
pub const SAMPLES: &str = "samples";
/// Samples judged late.
pub const LATE: &str = "late";
/// Anomalies by signal; the name of the signal follows.
pub const ANOMALIES: &str = "anomalies";
/// Series that fell silent.
pub const SILENCES: &str = "silences";
/// Episodes dropped before the history held them.
pub const EPISODES_LOST: &str = "episodes_lost";
/// Commits that found another version.
pub const CONFLICTS: &str = "commit_conflicts";

/// A total with its label, or an empty one, and what is added to it.
pub type Count = (&'static str, &'static str, u64);

/// Counts that an append adds.
pub fn of_classes(classes: &[SampleClass]) -> Vec<Count> {
    let mut counts: Vec<Count> = Vec::new();
    for outcome in classes.iter().filter_map(SampleClass::outcome) {
        match counts.iter_mut().find(|count| count.1 == outcome) {
            Some(count) => count.2 += 1,
            None => counts.push((SAMPLES, outcome, 1)),
        }
    }
    counts
}

/// Counts that a commit adds: late samples, anomalies by signal and silences.
pub fn of_commit(commit: &Commit) -> Vec<Count> {
    let judgements = &commit.judgements;
    let n_late = judgements.iter().filter(|judgement| judgement.late).count() as u64;
    let mut counts = vec![(LATE, "", n_late)];
    let signals: Vec<Signal> =
        judgements.iter().filter_map(|judgement| judgement.verdict.anomaly_signal()).collect();
    for signal in Signal::ALL {
        let n = signals.iter().filter(|other| **other == signal).count() as u64;
        counts.push((ANOMALIES, signal.as_str(), n));
    }
    counts.push((SILENCES, "", commit.episode_update.n_silences));
    counts.retain(|count| count.2 > 0);
    counts
}

/// The field of a total in the hash of totals: its name, and its label if it has one.
pub fn field(name: &str, label: &str) -> String {
    if label.is_empty() { name.to_owned() } else { format!("{name} {label}") }
}
