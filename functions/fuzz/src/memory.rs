//! A detector's memory as read from a store: what decodes can be judged on, stored, and judged on again.

use detector::{DeployedDetector, Judge, Memory};
use domain::Sample;

/// Latest time of a sample that is judged here, far enough below the last for two more.
const AT_US_MAX: i64 = 1 << 50;

/// Decodes a memory, with and without the mark by which it is known, and judges on it.
pub fn memory(bytes: &[u8]) {
    judge_on(bytes);
    judge_on(&[b"TMm1", bytes].concat());
}

fn judge_on(bytes: &[u8]) {
    let Some(memory) = Memory::decode(bytes) else { return };
    let deployed = DeployedDetector { detector: memory.detector, generation: memory.generation };
    let Ok(mut judge) = Judge::restore(deployed, Some(bytes), Vec::new()) else { return };
    let at_us = memory.cursor_us.unwrap_or_default().saturating_add(1).clamp(0, AT_US_MAX);
    judge.judge(sample(at_us));
    // What no judge could have come to may not be read again: then the series relearns.
    let again = judge.memory().encode();
    let mut judge = Judge::restore(deployed, Some(&again), Vec::new())
        .expect("another memory of the same generation is read or relearned");
    judge.judge(sample(at_us + 1));
}

fn sample(at_us: i64) -> Sample {
    Sample::new(at_us, 1.0).expect("the time is within its range")
}
