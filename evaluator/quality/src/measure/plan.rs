//! The plan of a measurement.

use crate::labeled::LabeledSeries;

/// Series to measure on, and the rules to apply.
#[derive(Debug, Clone, Copy)]
pub struct MeasurePlan<'a> {
    /// Name of the rows.
    pub scenario: &'a str,
    /// The series; not empty.
    pub series: &'a [LabeledSeries],
    /// Seed of the random baseline and the bootstrap.
    pub seed: u64,
    /// Further rule that applies to the data.
    pub rule: ScoringRule,
    /// Further contents of the record.
    pub extras: RecordExtras,
}

/// A rule in addition to the usual ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoringRule {
    /// No further rule.
    Usual,
    /// The rule of the Numenta benchmark.
    Nab,
    /// The rule of the 2018 KPI competition.
    Kpi,
    /// The protocol of EasyTSAD.
    EasyTsad,
}

/// Contents of a record besides its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordExtras {
    /// Traces and sweeps, which only charts need.
    pub charts: bool,
    /// The time per sample, which differs from run to run.
    pub timing: bool,
}
