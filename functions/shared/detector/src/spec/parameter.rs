//! Parameters of a detector: one list of names and fields, for reading and for printing.

use std::fmt;

use crate::detector::{Detector, WINDOW_LEN_MAX, WINDOW_LEN_MIN};
use crate::detectors::ewma::Ewma;
use crate::detectors::robust::Robust;
use crate::detectors::tidemark::Tidemark;
use crate::detectors::zscore::{WindowEnd, Zscore};
use crate::learning::season::Season;
use crate::learning::zone::Zone;
use crate::signal_set::SignalSet;
use crate::signals::deviation::Deviation;
use crate::spec::error::SpecError;

/// Largest threshold.
pub(crate) const NUMBER_MAX: f64 = 1e4;

/// Field of one parameter, with its valid range.
#[derive(PartialEq)]
pub(super) enum Field<'a> {
    Count(&'a mut usize, usize),
    Number(&'a mut f64, f64, f64),
    WindowEnd(&'a mut WindowEnd),
    Signals(&'a mut SignalSet),
    Season(&'a mut Season),
    Zone(&'a mut Zone),
}

/// Parameters of `detector` in the order in which they are printed.
pub(super) fn parameters(detector: &mut Detector) -> Vec<(&'static str, Field<'_>)> {
    match detector {
        Detector::Zscore(Zscore { window, threshold, min, window_end }) => vec![
            ("window", Field::Count(window, WINDOW_LEN_MIN)),
            ("threshold", Field::Number(threshold, 0.0, NUMBER_MAX)),
            ("self", Field::WindowEnd(window_end)),
            ("min", Field::Count(min, 1)),
        ],
        Detector::Robust(Robust { window, threshold, min }) => vec![
            ("window", Field::Count(window, WINDOW_LEN_MIN)),
            ("threshold", Field::Number(threshold, 0.0, NUMBER_MAX)),
            ("min", Field::Count(min, 1)),
        ],
        Detector::Deviation(Deviation { window, threshold, min, calendar }) => vec![
            ("window", Field::Count(window, WINDOW_LEN_MIN)),
            ("threshold", Field::Number(threshold, 0.0, NUMBER_MAX)),
            ("min", Field::Count(min, 1)),
            ("season", Field::Season(&mut calendar.season)),
            ("time_zone", Field::Zone(&mut calendar.zone)),
        ],
        Detector::Tidemark(Tidemark { signals, false_alarms_per_day, calendar }) => vec![
            ("signals", Field::Signals(signals)),
            (
                "false_alarms_per_day",
                Field::Number(false_alarms_per_day, Tidemark::FALSE_ALARMS_PER_DAY_MIN, 100.0),
            ),
            ("season", Field::Season(&mut calendar.season)),
            ("time_zone", Field::Zone(&mut calendar.zone)),
        ],
        Detector::Ewma(Ewma { alpha, threshold, min }) => vec![
            ("alpha", Field::Number(alpha, 1e-6, 1.0)),
            ("threshold", Field::Number(threshold, 0.0, NUMBER_MAX)),
            ("min", Field::Count(min, 1)),
        ],
    }
}

impl Field<'_> {
    /// Sets the field of `parameter` from its text.
    pub(super) fn set(self, parameter: &'static str, text: &str) -> Result<(), SpecError> {
        let invalid = |expected: String| {
            Err(SpecError::ValueInvalid { parameter, value: text.to_owned(), expected })
        };
        match self {
            Self::Count(field, low) => match text.parse() {
                Ok(value) if (low..=WINDOW_LEN_MAX).contains(&value) => *field = value,
                _ => return invalid(format!("a whole number in {low}..={WINDOW_LEN_MAX}")),
            },
            Self::Number(field, low, high) => match text.parse() {
                Ok(value) if (low..=high).contains(&value) => *field = value,
                _ => return invalid(format!("a number in {low}..={high}")),
            },
            Self::WindowEnd(field) => match text {
                "included" => *field = WindowEnd::Judged,
                "excluded" => *field = WindowEnd::Previous,
                _ => return invalid("`included` or `excluded`".to_owned()),
            },
            Self::Signals(field) => match text.parse() {
                Ok(signals) => *field = signals,
                Err(_) => return invalid(format!("some of {}, separated by `+`", SignalSet::ALL)),
            },
            Self::Season(field) => {
                match Season::ALL.into_iter().find(|season| season.to_string() == text) {
                    Some(season) => *field = season,
                    None => return invalid("one of auto, day, week, none".to_owned()),
                }
            }
            Self::Zone(field) => {
                let Ok(zone) = text.parse() else {
                    let expected = "a name of the IANA time zone database, such as `Europe/Berlin`";
                    return invalid(expected.to_owned());
                };
                *field = zone;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(value, _) => write!(f, "{value}"),
            Self::Number(value, _, _) => write!(f, "{value}"),
            Self::WindowEnd(WindowEnd::Judged) => f.write_str("included"),
            Self::WindowEnd(WindowEnd::Previous) => f.write_str("excluded"),
            Self::Signals(signals) => write!(f, "{signals}"),
            Self::Season(season) => write!(f, "{season}"),
            Self::Zone(zone) => write!(f, "{zone}"),
        }
    }
}
