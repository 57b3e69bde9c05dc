//! A judged sample as a window stores it, in 32 bytes.

use crate::{ExpectedRange, Judgement, Rate, Sample, StoredBand, Verdict, VerdictKind};

/// A judged sample as a window stores it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgedSample {
    /// The judged sample.
    pub sample: Sample,
    /// Score; exact, since a verdict's score has single precision.
    pub score: f32,
    // A process has hundreds of them for each series: kind, late and band share four bytes.
    packed: u32,
}

const KIND_BITS: u32 = 3;

const LATE: u32 = 1 << KIND_BITS;

const BAND_SHIFT: u32 = KIND_BITS + 1;

impl JudgedSample {
    /// A judged sample without its band; `late` is true if a newer sample had been judged before.
    pub fn new(sample: Sample, kind: VerdictKind, score: f32, late: bool) -> Self {
        let late = if late { LATE } else { 0 };
        Self { sample, score, packed: kind as u32 | late }
    }

    /// The same with a band, or without.
    #[must_use]
    pub fn with_band(self, band: Option<StoredBand>) -> Self {
        let code = band.map_or(0, StoredBand::code);
        let kind_and_late = self.packed & ((1 << BAND_SHIFT) - 1);
        Self { packed: kind_and_late | (code << BAND_SHIFT), ..self }
    }

    /// The same verdict on another reading of the sample.
    #[must_use]
    pub fn with_sample(self, sample: Sample) -> Self {
        Self { sample, ..self }
    }

    /// Outcome.
    #[inline]
    pub fn kind(&self) -> VerdictKind {
        let code = self.packed & (LATE - 1);
        VerdictKind::ALL.get(code as usize).copied().unwrap_or(VerdictKind::Learning)
    }

    /// True if a newer sample had been judged before.
    pub fn late(&self) -> bool {
        self.packed & LATE != 0
    }

    /// Expected value and band, if they are stored.
    pub fn band(&self) -> Option<StoredBand> {
        StoredBand::from_code(self.packed >> BAND_SHIFT)
    }

    /// Expected value and band of a judgement of this sample, if they are stored and the judged value is known.
    pub fn range(&self, judgement: &Judgement) -> Option<ExpectedRange> {
        Some(self.band()?.range(judgement.judged_value()?))
    }

    /// The judgement without signal, band and rate, which a window does not store exactly.
    pub fn judgement(&self) -> Judgement {
        let score = f64::from(self.score);
        let verdict = Verdict { kind: self.kind(), score, expectation: None };
        let rate = Rate::of_number(self.sample.kind(), None);
        Judgement { sample: self.sample, rate, verdict, late: self.late() }
    }
}

impl Judgement {
    /// The part of the judgement that a window stores.
    pub fn judged(&self) -> JudgedSample {
        let Verdict { kind, score, expectation } = self.verdict;
        let band = self.judged_value().zip(expectation);
        let band = band.and_then(|(judged, range)| StoredBand::of(judged, range.into()));
        JudgedSample::new(self.sample, kind, score as f32, self.late).with_band(band)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_late_and_band_share_four_bytes() {
        assert_eq!(size_of::<JudgedSample>(), 32);
        let sample = Sample::new(7, 1.0).unwrap();
        for kind in VerdictKind::ALL {
            for late in [false, true] {
                for band in [
                    None,
                    StoredBand::from_code(1 << 14),
                    StoredBand::from_code(StoredBand::CODES - 1),
                ] {
                    let judged = JudgedSample::new(sample, kind, 0.5, late).with_band(band);
                    assert_eq!((judged.kind(), judged.late(), judged.band()), (kind, late, band));
                    assert_eq!(judged.with_band(None), JudgedSample::new(sample, kind, 0.5, late));
                }
            }
        }
    }
}
