//! Bodies of `POST /ingest`: every sample is accepted or rejected.

use intake::{BodyFormat, IncomingBatch, RequestLimits, parse};

const FORMATS: [BodyFormat; 2] = [BodyFormat::Json, BodyFormat::Ndjson];

/// Limits that a short body can reach.
pub(crate) const SMALL: RequestLimits =
    RequestLimits { n_samples_max: 5, body_bytes_max: 1000, unpacked_bytes_max: 400 };

/// Parses a body in every format, with the default limits and with small ones.
pub fn body(bytes: &[u8]) {
    for format in FORMATS {
        for limits in [RequestLimits::default(), SMALL] {
            if let Ok(batch) = parse(bytes, format, &limits) {
                check_samples(&batch, &limits);
                check_indexes(&batch);
            }
        }
    }
}

pub(crate) fn check_samples(batch: &IncomingBatch, limits: &RequestLimits) {
    assert!(batch.n_read() <= limits.n_samples_max);
    assert!(batch.samples.is_sorted_by_key(|sample| sample.index));
    assert!(batch.rejected.is_sorted_by_key(|rejected| rejected.index));
    for sample in &batch.samples {
        let at_us = sample.at_us.unwrap_or(0);
        assert!(domain::Sample::of_kind(at_us, sample.value, sample.kind).is_ok());
    }
}

/// Checks that every index up to the last is accepted or rejected.
pub(crate) fn check_indexes(batch: &IncomingBatch) {
    let samples = batch.samples.iter().map(|sample| sample.index);
    let rejected = batch.rejected.iter().map(|rejected| rejected.index);
    let mut indexes: Vec<_> = samples.chain(rejected).collect();
    indexes.sort_unstable();
    indexes.dedup();
    assert!(indexes.iter().copied().eq(0..indexes.len()));
}
