//! Bodies of `POST /ingest`: no panic, and every sample is accounted for.

use intake::{BodyFormat, IncomingBatch, Limits, parse};

const FORMATS: [BodyFormat; 2] = [BodyFormat::Json, BodyFormat::Ndjson];

/// Bounds small enough for a short body to reach them.
const SMALL: Limits = Limits { n_samples_max: 5, body_bytes_max: 1000, unpacked_bytes_max: 400 };

/// Parses a body in every format, within the usual bounds and within small ones.
pub fn body(bytes: &[u8]) {
    for format in FORMATS {
        for limits in [Limits::default(), SMALL] {
            if let Ok(batch) = parse(bytes, format, &limits) {
                check_account(&batch, &limits);
                check_no_gap(&batch);
            }
        }
    }
}

fn check_account(batch: &IncomingBatch, limits: &Limits) {
    assert!(batch.n_read() <= limits.n_samples_max);
    assert!(batch.samples.is_sorted_by_key(|sample| sample.index));
    assert!(batch.rejected.is_sorted_by_key(|rejection| rejection.index));
    for sample in &batch.samples {
        assert!(domain::Sample::new(sample.at_us.unwrap_or(0), sample.value).is_ok());
    }
}

/// Every index up to the last one was either accepted or rejected.
fn check_no_gap(batch: &IncomingBatch) {
    let samples = batch.samples.iter().map(|it| it.index);
    let mut indexes: Vec<_> = samples.chain(batch.rejected.iter().map(|it| it.index)).collect();
    indexes.sort_unstable();
    indexes.dedup();
    assert!(indexes.iter().copied().eq(0..indexes.len()));
}
