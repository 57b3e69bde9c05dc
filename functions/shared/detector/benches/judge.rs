//! Cost of judging a sample, and of encoding and decoding a memory, by detector.
//!
//! `cargo bench --package detector`; compare rows within one run.

use detector::{Detector, Judge, Memory};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use domain::Sample;

fn main() {
    divan::main();
}

/// Sample of minute `i` of a daily wave with a little noise.
fn sample(i: i64) -> Sample {
    let phase = (i % 1_440) as f64 / 1_440.0 * std::f64::consts::TAU;
    let noise = ((i * 7_919) % 1_009) as f64 / 1_009.0;
    Sample::new(i * 60_000_000, 300.0 + 90.0 * phase.sin() + 12.0 * noise)
        .expect("a minute of 1970 and a small value are a sample")
}

/// Judge that has learned two days.
fn learned(spec: &str) -> Judge {
    let detector: Detector = spec.parse().expect("the name of a detector");
    let mut judge = Judge::new(detector);
    for i in 0..2_880 {
        judge.judge(sample(i));
    }
    judge
}

const DETECTORS: [&str; 7] = [
    "traffic",
    "novelty",
    "tidemark:signals=deviation+shift+variance+flat+gap+novelty",
    "deviation",
    "zscore",
    "robust",
    "ewma",
];

/// A thousand consecutive samples.
#[divan::bench(args = DETECTORS)]
fn judge_1000(bencher: Bencher<'_, '_>, detector: &str) {
    let judge = learned(detector);
    bencher.counter(ItemsCount::new(1_000_usize)).with_inputs(|| judge.clone()).bench_local_refs(
        |judge| {
            for i in 2_880..3_880 {
                black_box(judge.judge(sample(i)));
            }
        },
    );
}

#[divan::bench(args = DETECTORS)]
fn encode_memory(bencher: Bencher<'_, '_>, detector: &str) {
    let judge = learned(detector);
    bencher.bench_local(|| judge.memory().encode());
}

#[divan::bench(args = DETECTORS)]
fn decode_memory(bencher: Bencher<'_, '_>, detector: &str) {
    let bytes = learned(detector).memory().encode();
    bencher.bench_local(|| Memory::decode(black_box(&bytes)));
}
