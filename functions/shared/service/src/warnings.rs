//! Conditions that need a person while requests are served: `/readyz` lists them.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use store::DataLoss;
use tracing::warn;

use crate::clock::{clock_ahead, now_us};

/// Time for which a loss of data is reported, in microseconds: an hour, the time until a person reads it.
const REPORTED_US: i64 = 3_600_000_000;

/// Conditions that this process detected.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    /// Time of the last loss of data, in Unix microseconds; 0 for none.
    lost_data_us: AtomicI64,
}

impl Warnings {
    /// Records that the store lost samples that it had acknowledged.
    pub(crate) fn lost_data(&self, loss: &DataLoss) {
        let (n_shards, n_samples_min) = (loss.n_shards, loss.n_samples_min);
        warn!(code = "store_lost_data", n_shards, n_samples_min, "acknowledged samples are lost");
        self.lost_data_us.store(now_us(), Relaxed);
    }

    /// Codes of the conditions that hold.
    pub(crate) fn codes(&self) -> Vec<&'static str> {
        let mut codes = Vec::new();
        let lost_us = self.lost_data_us.load(Relaxed);
        if lost_us > 0 && now_us() - lost_us < REPORTED_US {
            codes.push("store_lost_data");
        }
        if !clock_ahead().is_zero() {
            codes.push("clock_jumped_back");
        }
        codes
    }
}
