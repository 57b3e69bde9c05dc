//! Recommends a detector for a history: the first part of each series chooses a candidate, the held-out half decides.
//!
//! A full search on labels overfits: a detector tuned on half of a benchmark loses a quarter of its points on the other
//! half. So the candidates are few and round, and the default stays unless the candidate is better on the held-out
//! half. Without labels only the rate of alarms can be checked.

pub mod apply;
mod decision;

use std::ops::Range;

use detector::{Detector, SpecError};
use domain::VerdictKind;
use rayon::prelude::*;
use serde::Serialize;

use crate::contender::{Contender, SeriesVerdicts};
use crate::labeled::LabeledSeries;
use crate::score::bootstrap;
use crate::score::event::{self, EventTally};

pub use self::decision::{Basis, Decision, Evidence, Part};

/// Name of the sum over all series.
pub const TOGETHER: &str = "*";

/// Detectors that are candidates besides the default.
const NAMES: [&str; 4] = ["deviation", "robust", "ewma", "zscore"];

/// Thresholds of candidates, divided by the detector's own: from more sensitive to three times as strict.
const FACTORS: [f64; 5] = [0.75, 1.0, 1.5, 2.0, 3.0];

/// Seed of the resampling: the same history gives the same interval.
const SEED: u64 = 0;

/// Budgets of candidates with a budget, in false alarms per series and day.
const BUDGETS: [f64; 4] = [0.05, 0.1, 0.2, 1.0];

/// The recommendation for one series, with its reason.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tuned {
    /// The series; [`TOGETHER`] for one detector for all of them.
    pub series: String,
    /// Choice of the first part and decision of the held-out half.
    #[serde(flatten)]
    pub decision: Decision,
    /// 95 % interval of the gain in event F1 over the default on the held-out halves, from resampling whole series; `None`
    /// for too few series and without labels.
    pub held_out_gain: Option<[f64; 2]>,
}

/// The usual candidates: the default first, then each detector with a few round settings.
pub fn candidates(default: Detector) -> Result<Vec<Detector>, SpecError> {
    let name =
        |detector: Detector| detector.to_string().split(':').next().unwrap_or_default().to_owned();
    let own = [default, Detector::default()].map(name);
    let mut all = vec![default];
    for name in own.iter().map(String::as_str).chain(NAMES) {
        for candidate in variants(name)? {
            if !all.contains(&candidate) {
                all.push(candidate);
            }
        }
    }
    Ok(all)
}

/// A detector with several budgets if it has one, otherwise with several thresholds.
fn variants(name: &str) -> Result<Vec<Detector>, SpecError> {
    let with_budget = |budget: &f64| format!("{name}:false_alarms_per_day={budget}").parse();
    let budgeted: Vec<Detector> =
        BUDGETS.iter().filter_map(|budget| with_budget(budget).ok()).collect();
    if !budgeted.is_empty() {
        return Ok(budgeted);
    }
    let own: Detector = name.parse()?;
    FACTORS
        .iter()
        .map(|factor| format!("{name}:threshold={}", own.threshold() * factor).parse())
        .collect()
}

/// Recommends a detector for each series, and one for all series if there are several.
///
/// The first of `candidates` is the default; `budget` is in false alarms per series and day; `progress` is called after
/// each judged series.
pub fn tune(
    series: &[LabeledSeries],
    candidates: &[Detector],
    budget: f64,
    progress: impl Fn() + Sync,
) -> Vec<Tuned> {
    let names: Vec<String> = candidates.iter().map(ToString::to_string).collect();
    let judge = |labeled: &LabeledSeries| -> Vec<Halves> {
        let judge_one = |candidate: &Detector| {
            let verdicts = Contender::Detector(*candidate).judge(labeled, 0, 0);
            progress();
            Halves::of(labeled, &verdicts)
        };
        candidates.par_iter().map(judge_one).collect()
    };
    let each: Vec<Vec<Halves>> = series.par_iter().map(judge).collect();
    let decide = |name: &str, halves: &[Halves]| {
        let evidence: Vec<Evidence> =
            names.iter().zip(halves).map(|(name, halves)| halves.evidence(name)).collect();
        let decision = decision::decide(&evidence, budget);
        Tuned { series: name.to_owned(), decision, held_out_gain: None }
    };
    let mut tuned: Vec<Tuned> =
        series.iter().zip(&each).map(|(labeled, halves)| decide(&labeled.name, halves)).collect();
    if series.len() > 1 {
        let mut all = decide(TOGETHER, &together(&each));
        all.held_out_gain = gain(&all.decision, &names, &each);
        tuned.push(all);
    }
    tuned
}

/// The interval of the gain over the default; `None` without labels.
fn gain(decision: &Decision, names: &[String], each: &[Vec<Halves>]) -> Option<[f64; 2]> {
    let of = |evidence: &Evidence| {
        let i = names.iter().position(|name| *name == evidence.detector)?;
        let tallies: Vec<EventTally> =
            each.iter().map(|halves| halves[i].held_out.clone()).collect();
        Some(event::by_series(&tallies))
    };
    let is_other = decision.chosen.detector != decision.default.detector;
    if !is_other || decision.basis != Basis::Labels {
        return None;
    }
    let differences =
        bootstrap::differences(&of(&decision.default)?, &of(&decision.chosen)?, SEED)?;
    Some(differences.event_f1)
}

/// Counts of a candidate in the two parts of a series.
#[derive(Debug, Clone, Default)]
struct Halves {
    first: EventTally,
    held_out: EventTally,
}

impl Halves {
    fn of(labeled: &LabeledSeries, verdicts: &SeriesVerdicts) -> Self {
        let middle = labeled.rows.len() / 2;
        let tally = |rows: Range<usize>| {
            let is_alarm = |i: &usize| verdicts.rows[*i].kind == VerdictKind::Anomaly;
            let alarms: Vec<usize> = rows.clone().filter(is_alarm).collect();
            event::count(labeled, &rows, &alarms)
        };
        Self {
            first: tally(labeled.n_cold.min(middle)..middle),
            held_out: tally(middle..labeled.rows.len()),
        }
    }

    fn evidence(&self, name: &str) -> Evidence {
        Evidence {
            detector: name.to_owned(),
            first: Part::of(&self.first),
            held_out: Part::of(&self.held_out),
        }
    }
}

/// The sums over all series, by candidate.
fn together(each: &[Vec<Halves>]) -> Vec<Halves> {
    let mut sums = vec![Halves::default(); each.first().map_or(0, Vec::len)];
    for halves in each {
        for (sum, one) in sums.iter_mut().zip(halves) {
            sum.first += &one.first;
            sum.held_out += &one.held_out;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn candidates_start_with_the_default_without_duplicates() {
        let all = candidates(Detector::default()).unwrap();
        assert_eq!(all[0], Detector::default());
        assert!((10..40).contains(&all.len()), "{}", all.len());
        for (i, one) in all.iter().enumerate() {
            assert!(!all[..i].contains(one), "{one}");
        }
    }

    #[test]
    fn the_held_out_half_does_not_affect_the_choice() {
        let mut scenario = Scenario::find("mixed").unwrap();
        scenario.n_series = 1;
        let mut series = scenario.generate(0);
        let candidates = candidates(Detector::default()).unwrap();
        let before = &tune(&series, &candidates, 0.2, || {})[0];
        let middle = series[0].rows.len() / 2;
        for (i, row) in series[0].rows.iter_mut().enumerate().skip(middle) {
            row.value = (i % 17) as f64;
        }
        let after = &tune(&series, &candidates, 0.2, || {})[0];
        assert_eq!(before.decision.chosen.detector, after.decision.chosen.detector);
        assert_eq!(before.decision.chosen.first, after.decision.chosen.first);
        assert_ne!(before.decision.chosen.held_out, after.decision.chosen.held_out);
    }

    #[test]
    fn the_gain_over_enough_series_has_an_interval() {
        let mut scenario = Scenario::find("mixed").unwrap();
        scenario.n_series = 5;
        let series = scenario.generate(0);
        let candidates: Vec<Detector> =
            ["zscore:threshold=2", "zscore:threshold=5"].map(|spec| spec.parse().unwrap()).to_vec();
        let all = tune(&series, &candidates, 0.2, || {}).pop().unwrap();
        let held_out = |evidence: &Evidence| evidence.held_out.event_f1.unwrap();
        let gain = held_out(&all.decision.chosen) - held_out(&all.decision.default);
        let [low, high] = all.held_out_gain.unwrap();
        assert!(low <= gain && gain <= high && low < high, "{low} {gain} {high}");
        assert_eq!(tune(&series[..3], &candidates, 0.2, || {}).pop().unwrap().held_out_gain, None);
    }

    #[test]
    fn several_series_are_also_decided_together() {
        let mut scenario = Scenario::find("mixed").unwrap();
        scenario.n_series = 3;
        let tuned =
            tune(&scenario.generate(0), &candidates(Detector::default()).unwrap(), 0.2, || {});
        assert_eq!((tuned.len(), tuned[3].series.as_str()), (4, TOGETHER));
        let n_events: u64 = tuned[..3].iter().map(|one| one.decision.chosen.first.n_events).sum();
        assert_eq!(tuned[3].decision.chosen.first.n_events, n_events);
    }
}
