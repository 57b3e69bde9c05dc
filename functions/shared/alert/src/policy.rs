//! Policy of alerts: which anomalies count, how many of them make an alert, and where it goes.

use domain::{Expectation, Judgement, Signal};
use serde::{Deserialize, Serialize};

use crate::MaintenanceTime;

/// Most receivers, and most labels to group by, of one policy.
pub(crate) const NAMES_MAX: usize = 8;

/// Most maintenance times of one policy.
pub(crate) const MAINTENANCE_MAX: usize = 16;

/// Most samples among which a policy counts.
pub(crate) const SAMPLES_MAX: u32 = 50;

/// Side of the expected value on which a deviation counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviationSide {
    /// Above the expected value.
    Above,
    /// Below it.
    Below,
    /// Both.
    #[default]
    Both,
}

/// Severity of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Needs no action.
    Info,
    /// Needs a person within the day.
    #[default]
    Warning,
    /// Needs a person now.
    Critical,
}

impl Severity {
    /// All severities.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// Name in policies and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Policy of the alerts of a series.
///
/// Its text, such as `direction=below,samples=3/5,receivers=ops`, has what differs from the default; `off` makes no alert.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertPolicy {
    /// True if no episode becomes an alert.
    pub is_off: bool,
    /// Side of the expected value on which an anomaly counts. Anomalies without a side, such as silence, always count.
    pub direction: DeviationSide,
    /// Least distance from the expected value, in the unit of the samples.
    pub min_change: f64,
    /// Least distance from the expected value, in percent of it.
    pub min_change_percent: f64,
    /// Signals whose anomalies count; all if empty.
    pub signals: Vec<Signal>,
    /// Number of samples that must count, and of the samples among which: M of N.
    pub samples: (u32, u32),
    /// Least time from the first to the last anomaly that counts, in seconds.
    pub min_duration_s: u64,
    /// Severity at first.
    pub severity: Severity,
    /// Score from which the alert is critical.
    pub critical_score: Option<f64>,
    /// Duration from which the alert is critical, in seconds.
    pub critical_after_s: Option<u64>,
    /// Time after an alert is resolved in which the series makes no other, in seconds.
    pub cool_down_s: u64,
    /// Time for which an alert keeps firing after its episode, in seconds.
    pub keep_firing_s: u64,
    /// Times in which anomalies do not count.
    pub maintenance: Vec<MaintenanceTime>,
    /// Labels, `source` or `metric`, by which receivers may group alerts.
    pub group_by: Vec<String>,
    /// Names of the receivers; all of the deployment if empty.
    pub receivers: Vec<String>,
}

impl Default for AlertPolicy {
    fn default() -> Self {
        Self {
            is_off: false,
            direction: DeviationSide::default(),
            min_change: 0.0,
            min_change_percent: 0.0,
            signals: Vec::new(),
            samples: (1, 1),
            min_duration_s: 0,
            severity: Severity::default(),
            critical_score: None,
            critical_after_s: None,
            cool_down_s: 0,
            keep_firing_s: 300,
            maintenance: Vec::new(),
            group_by: Vec::new(),
            receivers: Vec::new(),
        }
    }
}

impl AlertPolicy {
    /// True if an anomaly counts.
    pub fn counts(&self, anomaly: &Judgement) -> bool {
        let is_in_maintenance = self.is_in_maintenance(anomaly.sample.at_us());
        let Some(expectation) = anomaly.verdict.expectation else { return !is_in_maintenance };
        let value = anomaly.judged_value().unwrap_or_else(|| anomaly.sample.value());
        self.has_signal(expectation.signal)
            && !is_in_maintenance
            && (!has_side(expectation.signal) || self.is_far_enough(value, expectation))
    }

    /// True if anomalies of a signal may count.
    pub(crate) fn has_signal(&self, signal: Signal) -> bool {
        self.signals.is_empty() || self.signals.contains(&signal)
    }

    /// True if anomalies at a time do not count.
    pub(crate) fn is_in_maintenance(&self, at_us: i64) -> bool {
        self.maintenance.iter().any(|time| time.contains(at_us))
    }

    /// Severity of an alert that lasts for `duration_us` with a highest score of `score`.
    pub(crate) fn severity_of(&self, score: f64, duration_us: i64) -> Severity {
        let is_high = self.critical_score.is_some_and(|least| score >= least);
        let is_long =
            self.critical_after_s.is_some_and(|least| duration_us >= least as i64 * 1_000_000);
        if is_high || is_long { Severity::Critical } else { self.severity }
    }

    fn is_far_enough(&self, value: f64, expectation: Expectation) -> bool {
        let change = value - expectation.value;
        let is_on_side = match self.direction {
            DeviationSide::Above => change > 0.0,
            DeviationSide::Below => change < 0.0,
            DeviationSide::Both => true,
        };
        let percent = expectation.value.abs() * self.min_change_percent / 100.0;
        is_on_side && change.abs() >= self.min_change && change.abs() >= percent
    }
}

/// True if an anomaly of a signal lies above or below what was expected.
fn has_side(signal: Signal) -> bool {
    !matches!(signal, Signal::Gap | Signal::Flat | Signal::Variance)
}
