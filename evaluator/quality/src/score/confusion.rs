//! Counts single samples.
//!
//! The simplest count and the most misleading: a detector that never alarms has a high accuracy, and one long anomaly
//! weighs as much as a hundred short ones.

use std::ops::{AddAssign, Range};

use super::{f1, ratio};
use crate::labeled::LabeledSeries;
use crate::record::{Confusion, Rates};

/// Counts the rows of a range; `is_alarm` returns true for a row with an alarm, and `None` for a row that was not judged.
///
/// An anomalous row that was not judged is missed; another is not counted, since silence about it is not right.
pub fn count(
    series: &LabeledSeries,
    rows: Range<usize>,
    is_alarm: impl Fn(usize) -> Option<bool>,
) -> Confusion {
    let mut confusion = Confusion::default();
    for i in rows {
        match (series.rows[i].label, is_alarm(i)) {
            (true, Some(true)) => confusion.tp += 1,
            (true, _) => confusion.fn_ += 1,
            (false, Some(true)) => confusion.fp += 1,
            (false, Some(false)) => confusion.tn += 1,
            (false, None) => {}
        }
    }
    confusion
}

impl Confusion {
    /// Rates of the counts.
    pub fn rates(&self) -> Rates {
        let [tp, tn, fp, fn_] = [self.tp, self.tn, self.fp, self.fn_].map(|n| n as f64);
        // Multiply roots of factors: the product of four counts may overflow.
        let mcc_scale = (tp + fp).sqrt() * (tp + fn_).sqrt() * (tn + fp).sqrt() * (tn + fn_).sqrt();
        Rates {
            precision: ratio(tp, tp + fp),
            recall: ratio(tp, tp + fn_),
            f1: f1(tp, fp, fn_),
            accuracy: ratio(tp + tn, tp + tn + fp + fn_),
            false_positive_rate: ratio(fp, fp + tn),
            mcc: ratio(tp * tn - fp * fn_, mcc_scale),
        }
    }
}

impl AddAssign for Confusion {
    fn add_assign(&mut self, other: Self) {
        self.tp += other.tp;
        self.tn += other.tn;
        self.fp += other.fp;
        self.fn_ += other.fn_;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labeled::LabeledRow;

    #[test]
    fn each_combination_has_its_count() {
        let rows = [true, true, false, false, false].map(|label| LabeledRow {
            at_us: 0,
            value: 0.0,
            label,
        });
        let series = LabeledSeries::from_rows("test".to_owned(), rows.to_vec());
        let confusion = count(&series, 0..5, |i| Some([true, false, true, false, false][i]));
        assert_eq!(confusion, Confusion { tp: 1, tn: 2, fp: 1, fn_: 1 });
        let silent = count(&series, 1..4, |_| Some(false));
        assert_eq!(silent, Confusion { tp: 0, tn: 2, fp: 0, fn_: 1 });
    }

    #[test]
    fn a_row_that_was_not_judged_is_never_right() {
        let row = |label| LabeledRow { at_us: 0, value: 0.0, label };
        let series = LabeledSeries::from_rows("test".to_owned(), vec![row(true), row(false)]);
        assert_eq!(count(&series, 0..2, |_| None), Confusion { fn_: 1, ..Confusion::default() });
    }

    #[test]
    fn rates_of_a_table_of_cases() {
        let rates = Confusion { tp: 6, tn: 80, fp: 2, fn_: 12 }.rates();
        assert_eq!(rates.precision, Some(0.75));
        assert_eq!(rates.recall, Some(1.0 / 3.0));
        assert!((rates.f1.unwrap() - 6.0 / 13.0).abs() < 1e-12);
        assert_eq!(rates.accuracy, Some(0.86));
        assert_eq!(rates.false_positive_rate, Some(2.0 / 82.0));
        let mcc = (6.0 * 80.0 - 2.0 * 12.0) / (8.0f64 * 18.0 * 82.0 * 92.0).sqrt();
        assert!((rates.mcc.unwrap() - mcc).abs() < 1e-12);
    }

    #[test]
    fn a_silent_detector_is_accurate_and_worthless() {
        let rates = Confusion { tp: 0, tn: 90, fp: 0, fn_: 10 }.rates();
        assert_eq!((rates.accuracy, rates.false_positive_rate), (Some(0.9), Some(0.0)));
        assert_eq!(
            (rates.precision, rates.recall, rates.f1, rates.mcc),
            (None, Some(0.0), Some(0.0), None)
        );
    }

    #[test]
    fn nothing_counted_leaves_every_rate_undefined() {
        assert_eq!(Confusion::default().rates(), Rates::default());
    }

    #[test]
    fn counts_of_millions_do_not_overflow() {
        let rates = Confusion { tp: 1 << 40, tn: 1 << 40, fp: 1 << 40, fn_: 1 << 40 }.rates();
        assert_eq!(rates.mcc, Some(0.0));
    }
}
