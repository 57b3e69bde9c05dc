//! What one series wants otherwise than the deployment that judges it.
//!
//! A maintenance window changes what is told of an anomaly and never what is learned from it, so it can be set, moved and
//! removed without a series learning anything again.

use thiserror::Error;

use crate::Detector;

/// Most maintenance windows of a series: all of them are read with each batch of its samples.
pub const MAINTENANCE_WINDOWS_MAX: usize = 16;

/// Longest reason of a maintenance window, in bytes.
pub const REASON_LEN_MAX: usize = 128;

/// The configuration of one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesConfig {
    /// Its own detector; none where it follows the deployment.
    pub detector: Option<Detector>,
    maintenance: Vec<MaintenanceWindow>,
}

/// A time in which anomalies are told of nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintenanceWindow {
    from_us: i64,
    until_us: i64,
    reason: String,
}

impl SeriesConfig {
    /// A configuration with at most [`MAINTENANCE_WINDOWS_MAX`] maintenance windows.
    pub fn new(
        detector: Option<Detector>,
        maintenance: Vec<MaintenanceWindow>,
    ) -> Result<Self, SeriesConfigError> {
        if maintenance.len() > MAINTENANCE_WINDOWS_MAX {
            return Err(SeriesConfigError::MaintenanceTooMany { n_windows: maintenance.len() });
        }
        Ok(Self { detector, maintenance })
    }

    /// Its maintenance windows.
    pub fn maintenance(&self) -> &[MaintenanceWindow] {
        &self.maintenance
    }

    /// Whether a sample of that time is maintenance.
    pub fn is_in_maintenance(&self, at_us: i64) -> bool {
        self.maintenance
            .iter()
            .any(|maintenance| (maintenance.from_us..maintenance.until_us).contains(&at_us))
    }
}

impl MaintenanceWindow {
    /// The time from `from_us` on and before `until_us`, in microseconds, with a reason of one line for people.
    pub fn new(from_us: i64, until_us: i64, reason: String) -> Result<Self, SeriesConfigError> {
        if from_us >= until_us {
            return Err(SeriesConfigError::MaintenanceEmpty);
        }
        if reason.len() > REASON_LEN_MAX {
            return Err(SeriesConfigError::ReasonTooLong { len: reason.len() });
        }
        if reason.contains(char::is_control) {
            return Err(SeriesConfigError::ReasonNotOneLine);
        }
        Ok(Self { from_us, until_us, reason })
    }

    /// Its first microsecond.
    pub fn from_us(&self) -> i64 {
        self.from_us
    }

    /// The first microsecond after it.
    pub fn until_us(&self) -> i64 {
        self.until_us
    }

    /// Why, for people; possibly empty.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Why there is no such configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SeriesConfigError {
    /// More than [`MAINTENANCE_WINDOWS_MAX`] maintenance windows.
    #[error(
        "there are {n_windows} maintenance windows: at most {MAINTENANCE_WINDOWS_MAX} are wanted"
    )]
    MaintenanceTooMany {
        /// How many were given.
        n_windows: usize,
    },
    /// A maintenance window that no time is in.
    #[error("it ends before it begins: a `from` before `until` is wanted")]
    MaintenanceEmpty,
    /// A reason longer than [`REASON_LEN_MAX`].
    #[error("its reason has {len} bytes: at most {REASON_LEN_MAX} are wanted")]
    ReasonTooLong {
        /// The length that was given.
        len: usize,
    },
    /// A reason with a line break or another control character.
    #[error("its reason holds a control character: one line of text is wanted")]
    ReasonNotOneLine,
}

impl SeriesConfigError {
    /// The bounded code of the error.
    pub fn code(&self) -> &'static str {
        "config_invalid"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maintenance_window_holds_its_begin_and_not_its_end() {
        let maintenance = MaintenanceWindow::new(10, 20, "deploy".to_owned()).unwrap();
        let config = SeriesConfig::new(None, vec![maintenance]).unwrap();
        let is_in_maintenance = [9, 10, 19, 20].map(|at_us| config.is_in_maintenance(at_us));
        assert_eq!(is_in_maintenance, [false, true, true, false]);
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
            Err(SeriesConfigError::ReasonTooLong { len: REASON_LEN_MAX + 1 })
        );
        assert_eq!(maintenance(5, 6, "two\nlines"), Err(SeriesConfigError::ReasonNotOneLine));
        let many = vec![maintenance(5, 6, "").unwrap(); MAINTENANCE_WINDOWS_MAX + 1];
        assert!(SeriesConfig::new(None, many[1..].to_vec()).is_ok());
        assert!(SeriesConfig::new(None, many).is_err());
    }
}
