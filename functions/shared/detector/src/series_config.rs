//! Configuration of one series: its own detector, the kind of its samples, the policy of its alerts,
//! maintenance windows, and feedback of people.
//!
//! A maintenance window changes verdicts but not what is learned, so it can be set and removed without relearning.

use alert::AlertPolicy;
use domain::{Sample, SampleKind};
use thiserror::Error;

use crate::{Detector, FeedbackList};

/// Most maintenance windows of a series: each batch of samples reads all of them.
pub const MAINTENANCE_WINDOWS_MAX: usize = 16;

/// Longest reason of a maintenance window, in bytes.
pub const REASON_LEN_MAX: usize = 128;

/// Configuration of one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesConfig {
    /// Detector of the series; `None` for that of the deployment.
    pub detector: Option<Detector>,
    /// Kind of all samples of the series, without a start; `None` for that of each sample.
    pub kind: Option<SampleKind>,
    /// Policy of its alerts, if it has its own; boxed, as few series do.
    alert_policy: Option<Box<AlertPolicy>>,
    maintenance: Box<[MaintenanceWindow]>,
    feedback: FeedbackList,
}

/// Time in which anomalies of a series raise no alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintenanceWindow {
    from_us: i64,
    until_us: i64,
    reason: String,
}

impl SeriesConfig {
    /// Accepts at most [`MAINTENANCE_WINDOWS_MAX`] maintenance windows.
    pub fn new(
        detector: Option<Detector>,
        maintenance: Vec<MaintenanceWindow>,
    ) -> Result<Self, SeriesConfigError> {
        if maintenance.len() > MAINTENANCE_WINDOWS_MAX {
            return Err(SeriesConfigError::MaintenanceTooMany(maintenance.len()));
        }
        let feedback = FeedbackList::default();
        let maintenance = maintenance.into();
        Ok(Self { detector, kind: None, alert_policy: None, maintenance, feedback })
    }

    /// The same configuration with a policy of alerts.
    #[must_use]
    pub fn with_alert_policy(self, alert_policy: Option<AlertPolicy>) -> Self {
        Self { alert_policy: alert_policy.map(Box::new), ..self }
    }

    /// Policy of its alerts; `None` for that of the deployment.
    pub fn alert_policy(&self) -> Option<&AlertPolicy> {
        self.alert_policy.as_deref()
    }

    /// The same configuration for samples of a kind.
    #[must_use]
    pub fn with_kind(self, kind: Option<SampleKind>) -> Self {
        Self { kind, ..self }
    }

    /// The same configuration with these answers of people.
    #[must_use]
    pub fn with_feedback(self, feedback: FeedbackList) -> Self {
        Self { feedback, ..self }
    }

    /// Answers of people, which move the thresholds of signals.
    pub fn feedback(&self) -> &FeedbackList {
        &self.feedback
    }

    /// True if anything is configured but feedback.
    pub fn has_settings(&self) -> bool {
        self.detector.is_some()
            || self.kind.is_some()
            || self.alert_policy.is_some()
            || !self.maintenance.is_empty()
    }

    /// The sample as one of the configured kind; unchanged if its value cannot be of this kind.
    pub(crate) fn as_configured(&self, sample: Sample) -> Sample {
        match self.kind {
            Some(kind) if sample.kind().is_changed_by(kind) => {
                Sample::of_kind(sample.at_us(), sample.value(), kind).unwrap_or(sample)
            }
            _ => sample,
        }
    }

    /// Maintenance windows.
    pub fn maintenance(&self) -> &[MaintenanceWindow] {
        &self.maintenance
    }

    /// True if `at_us` is in a maintenance window.
    pub fn is_in_maintenance(&self, at_us: i64) -> bool {
        self.maintenance
            .iter()
            .any(|maintenance| (maintenance.from_us..maintenance.until_us).contains(&at_us))
    }
}

impl MaintenanceWindow {
    /// Window from `from_us` to before `until_us`, in microseconds, with a one-line reason for people.
    pub fn new(from_us: i64, until_us: i64, reason: String) -> Result<Self, SeriesConfigError> {
        if from_us >= until_us {
            return Err(SeriesConfigError::MaintenanceEmpty);
        }
        if reason.len() > REASON_LEN_MAX {
            return Err(SeriesConfigError::ReasonTooLong(reason.len()));
        }
        if reason.contains(char::is_control) {
            return Err(SeriesConfigError::ReasonNotOneLine);
        }
        Ok(Self { from_us, until_us, reason })
    }

    /// First microsecond.
    pub fn from_us(&self) -> i64 {
        self.from_us
    }

    /// First microsecond after the window.
    pub fn until_us(&self) -> i64 {
        self.until_us
    }

    /// Reason for people; may be empty.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Reasons why a configuration is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SeriesConfigError {
    /// More than [`MAINTENANCE_WINDOWS_MAX`] maintenance windows.
    #[error("there are {0} maintenance windows: expected at most {MAINTENANCE_WINDOWS_MAX}")]
    MaintenanceTooMany(usize),
    /// A maintenance window that contains no time.
    #[error("maintenance ends before it begins: expected `from` before `until`")]
    MaintenanceEmpty,
    /// A reason longer than [`REASON_LEN_MAX`].
    #[error("reason has {0} bytes: expected at most {REASON_LEN_MAX}")]
    ReasonTooLong(usize),
    /// A reason with a line break or another control character.
    #[error("reason contains a control character: expected one line of text")]
    ReasonNotOneLine,
}

impl SeriesConfigError {
    /// Bounded error code.
    pub fn code(&self) -> &'static str {
        "config_invalid"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maintenance_window_includes_its_start_and_excludes_its_end() {
        let maintenance = MaintenanceWindow::new(10, 20, "deploy".to_owned()).unwrap();
        let config = SeriesConfig::new(None, vec![maintenance]).unwrap();
        let is_in_maintenance = [9, 10, 19, 20].map(|at_us| config.is_in_maintenance(at_us));
        assert_eq!(is_in_maintenance, [false, true, true, false]);
    }

    #[test]
    fn a_sample_has_the_configured_kind_if_its_value_can() {
        let counter = SampleKind::Counter { started_at_us: None };
        let started = SampleKind::Counter { started_at_us: Some(5) };
        let cases = [
            (None, 1.0, started, started),
            (Some(counter), 1.0, started, started),
            (Some(counter), 1.0, SampleKind::Gauge, counter),
            (Some(counter), -1.0, SampleKind::Gauge, SampleKind::Gauge),
            (Some(SampleKind::Gauge), 1.0, started, SampleKind::Gauge),
        ];
        for (configured, value, sent, read) in cases {
            let config = SeriesConfig::default().with_kind(configured);
            let sample = Sample::of_kind(7, value, sent).unwrap();
            assert_eq!(config.as_configured(sample), Sample::of_kind(7, value, read).unwrap());
        }
    }

    #[test]
    fn each_bound_is_an_error() {
        let maintenance = |from_us, until_us, reason: &str| {
            MaintenanceWindow::new(from_us, until_us, reason.into())
        };
        assert_eq!(maintenance(5, 5, ""), Err(SeriesConfigError::MaintenanceEmpty));
        let long = "ä".repeat(REASON_LEN_MAX / 2);
        assert!(maintenance(5, 6, &long).is_ok());
        assert_eq!(
            maintenance(5, 6, &(long + "x")),
            Err(SeriesConfigError::ReasonTooLong(REASON_LEN_MAX + 1))
        );
        assert_eq!(maintenance(5, 6, "two\nlines"), Err(SeriesConfigError::ReasonNotOneLine));
        let many = vec![maintenance(5, 6, "").unwrap(); MAINTENANCE_WINDOWS_MAX + 1];
        assert!(SeriesConfig::new(None, many[1..].to_vec()).is_ok());
        assert!(SeriesConfig::new(None, many).is_err());
    }
}
