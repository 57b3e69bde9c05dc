//! Event scores at other thresholds: the same scores, another line.

use rayon::prelude::*;

use super::{Judged, Plan};
use crate::contender::Contender;
use crate::labeled::Labeled;
use crate::record::{Sweep, SweepPoint};
use crate::score::event::{self, EventTally};

/// Thresholds per doubling: a step of 9 %.
const STEPS_PER_DOUBLING: i32 = 8;

/// From a quarter of the detector's own threshold to eight times it.
const STEPS: std::ops::RangeInclusive<i32> = -2 * STEPS_PER_DOUBLING..=3 * STEPS_PER_DOUBLING;

/// Counts the events at thresholds around the contender's own.
pub(super) fn sweep(plan: &Plan<'_>, contender: &Contender, judged: &[Judged]) -> Sweep {
    let points = STEPS
        .into_par_iter()
        .map(|step| {
            let threshold =
                contender.threshold() * (f64::from(step) / f64::from(STEPS_PER_DOUBLING)).exp2();
            point(threshold, &tally_at(plan.series, judged, threshold))
        })
        .collect();
    Sweep { scenario: plan.scenario.to_owned(), detector: contender.to_string(), points }
}

fn tally_at(series: &[Labeled], judged: &[Judged], threshold: f64) -> EventTally {
    let mut sum = EventTally::default();
    for (labeled, judged) in series.iter().zip(judged) {
        let rows = labeled.scored();
        let alarms: Vec<usize> =
            rows.clone().filter(|i| judged.opinions.rows[*i].score > threshold).collect();
        sum += &event::count(labeled, &rows, &alarms);
    }
    sum
}

fn point(threshold: f64, tally: &EventTally) -> SweepPoint {
    let score = tally.score();
    SweepPoint {
        threshold,
        precision: score.precision,
        recall: score.recall,
        f1: score.f1,
        false_alarms_per_series_day: tally.false_alarms_per_series_day(),
    }
}
