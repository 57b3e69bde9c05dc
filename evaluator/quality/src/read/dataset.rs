//! Labeled series with their origins and warnings.

use super::origin::SeriesOrigin;
use crate::labeled::LabeledSeries;

/// Labeled series from files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    /// The series, in the order of their files.
    pub series: Vec<LabeledSeries>,
    /// File and times of each series.
    pub origins: Vec<SeriesOrigin>,
    /// Irregularities, each with file and line.
    pub warnings: Vec<String>,
}

impl Dataset {
    /// Appends another data set.
    pub fn extend(&mut self, other: Self) {
        self.series.extend(other.series);
        self.origins.extend(other.origins);
        self.warnings.extend(other.warnings);
    }
}
