//! Stored form of the deviation signal: its scalars, which each sample changes; the tables are stored apart.

use super::DeviationState;
use crate::bytes::{ByteReader, ByteWriter};
use crate::learning::season::{MeanVar, SeasonTable};
use crate::learning::{AdaptiveThreshold, Resolution, SamplingInterval, SeasonGain};

impl DeviationState {
    /// Encoded length of the scalars, in bytes.
    pub(crate) const SCALARS_LEN: usize = SamplingInterval::LEN
        + 57
        + AdaptiveThreshold::LEN
        + SeasonGain::LEN
        + Resolution::LEN
        + SeasonTable::SCALARS_LEN;

    pub(crate) fn write_scalars(&self, out: &mut ByteWriter) {
        self.interval.write(out);
        let MeanVar { mean, var } = self.long;
        out.f64s(&[mean, var, self.absurd_share, self.residual_var, self.high]);
        out.u8(self.since_high);
        out.f64s(&[self.drift, self.drift_square]);
        self.threshold.write(out);
        self.gain.write(out);
        self.resolution.write(out);
        self.table.write_scalars(out);
    }

    /// Reads the scalars; the buckets stay empty.
    pub(crate) fn read_scalars(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self {
            interval: SamplingInterval::read(from)?,
            long: MeanVar { mean: from.finite()?, var: from.not_negative()? },
            absurd_share: from.not_negative()?,
            residual_var: from.not_negative()?,
            high: from.not_negative()?,
            since_high: from.u8()?,
            drift: from.finite()?,
            drift_square: from.not_negative()?,
            threshold: AdaptiveThreshold::read(from)?,
            gain: SeasonGain::read(from)?,
            resolution: Resolution::read(from)?,
            table: SeasonTable::read_scalars(from)?,
        })
    }
}
