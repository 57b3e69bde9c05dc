//! Stored memories of detectors: one that decodes can be judged with, stored, and judged with again.

use detector::memory::MAGIC;
use detector::{DeployedDetector, Judge, Memory};
use domain::{Sample, SampleKind};

/// Latest time of a judged sample; leaves room for two more.
const AT_US_MAX: i64 = 1 << 50;

/// Decodes a memory, with and without its magic bytes, and judges with it.
pub fn memory(bytes: &[u8]) {
    judge_with(bytes);
    judge_with(&[MAGIC, bytes].concat());
}

fn judge_with(bytes: &[u8]) {
    let Some(memory) = Memory::decode(bytes) else { return };
    let deployed = DeployedDetector { detector: memory.detector, generation: memory.generation };
    let Ok(mut judge) = Judge::restore(deployed, Some(bytes), Vec::new()) else { return };
    let at_us = memory.cursor_us.unwrap_or_default().saturating_add(1).clamp(0, AT_US_MAX);
    judge.judge(sample(at_us));
    // A state that no judge can reach may not decode again: the series then relearns.
    let again = judge.memory().encode();
    let mut judge = Judge::restore(deployed, Some(&again), Vec::new())
        .expect("another memory of the same generation is read or relearned");
    judge.judge(sample(at_us + 1));
    let mut judge = Judge::restore(deployed, Some(&again), Vec::new()).expect("as before");
    let totals = [1.0, 2.0].map(|total| counter(at_us + total as i64, total));
    for total in totals {
        let judgement = judge.judge(total);
        assert!(judgement.rate.per_second().is_none_or(f64::is_finite));
    }
}

fn sample(at_us: i64) -> Sample {
    Sample::new(at_us, 1.0).expect("the time is within its range")
}

fn counter(at_us: i64, total: f64) -> Sample {
    let kind = SampleKind::Counter { started_at_us: None };
    Sample::of_kind(at_us, total, kind).expect("the time is within its range")
}
