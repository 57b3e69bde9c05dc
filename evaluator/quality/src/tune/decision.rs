//! The choice of the first part and the decision of the held-out half, as a pure function of counts.

use serde::Serialize;

use crate::score::event::EventTally;

/// Scores of a candidate on one part of a history.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Part {
    /// Duration, in days.
    pub days: f64,
    /// Labeled anomalies.
    pub n_events: u64,
    /// Caught anomalies.
    pub caught: u64,
    /// Alarm runs outside anomalies; without labels, all runs.
    pub false_runs: u64,
    /// False runs per series and day; `None` for a duration of zero.
    pub false_alarms_per_day: Option<f64>,
    /// Event F1; `None` without labeled anomalies.
    pub event_f1: Option<f64>,
}

impl Part {
    /// The numbers of an event tally.
    pub(super) fn of(tally: &EventTally) -> Self {
        Self {
            days: tally.days,
            n_events: tally.n_events(),
            caught: tally.caught(),
            false_runs: tally.false_runs,
            false_alarms_per_day: tally.false_alarms_per_series_day(),
            event_f1: tally.f1(),
        }
    }

    fn keeps(&self, budget: f64) -> bool {
        self.false_alarms_per_day.is_some_and(|rate| rate <= budget)
    }
}

/// Scores of a candidate on both parts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// Spec of the detector.
    pub detector: String,
    /// Scores on the part that chooses.
    pub first: Part,
    /// Scores on the part that decides.
    pub held_out: Part,
}

/// The criterion by which a candidate is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Event F1 on labels.
    Labels,
    /// The rate of alarms, since nothing else can be checked without labels.
    AlarmRate,
}

/// A recommendation with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// Spec of the recommended detector; `None` if the default stays.
    pub recommended: Option<String>,
    /// One sentence.
    pub reason: String,
    /// The criterion.
    pub basis: Basis,
    /// Scores of the default.
    pub default: Evidence,
    /// Scores of the candidate that the first part chose; of the default if it chose none.
    pub chosen: Evidence,
}

/// Decides between candidates; the first is the default.
pub(super) fn decide(candidates: &[Evidence], budget: f64) -> Decision {
    let default = &candidates[0];
    let has_labels = default.first.n_events + default.held_out.n_events > 0;
    let (basis, choice) = if has_labels {
        (Basis::Labels, by_labels(candidates))
    } else {
        (Basis::AlarmRate, by_rate(candidates, budget))
    };
    let Choice { chosen, is_better, reason } = choice;
    Decision {
        recommended: is_better.then(|| chosen.detector.clone()),
        reason,
        basis,
        default: default.clone(),
        chosen: chosen.clone(),
    }
}

struct Choice<'a> {
    chosen: &'a Evidence,
    is_better: bool,
    reason: String,
}

fn by_labels(candidates: &[Evidence]) -> Choice<'_> {
    let default = &candidates[0];
    let stays = |chosen, reason: String| Choice { chosen, is_better: false, reason };
    for (part, name) in [(&default.first, "first"), (&default.held_out, "held-out")] {
        if part.n_events == 0 {
            return stays(
                default,
                format!("no labeled anomaly in the {name} part: the default stays"),
            );
        }
    }
    let f1 = |part: &Part| part.event_f1.unwrap_or_default();
    // The first of equals wins, so only a better candidate replaces the default.
    let better = |best: &'_ Evidence, one: &Evidence| {
        f1(&one.first) > f1(&best.first)
            || (f1(&one.first) == f1(&best.first) && one.first.false_runs < best.first.false_runs)
    };
    let chosen =
        candidates.iter().fold(default, |best, one| if better(best, one) { one } else { best });
    let (theirs, own) = (f1(&chosen.held_out), f1(&default.held_out));
    if chosen.detector == default.detector {
        return stays(default, "the default is the best of the first part: it stays".to_owned());
    }
    if theirs <= own {
        let reason = format!(
            "event F1 on the held-out part is {theirs:.3}, not above the default's {own:.3}: the default stays"
        );
        return stays(chosen, reason);
    }
    let reason =
        format!("event F1 on the held-out part is {theirs:.3} against the default's {own:.3}");
    Choice { chosen, is_better: true, reason }
}

/// Without labels, sensitivity can be compared only between variants of one detector: more alarms mean more
/// sensitivity. So variants of the default take precedence over other detectors within the budget.
fn by_rate(candidates: &[Evidence], budget: f64) -> Choice<'_> {
    let default = &candidates[0];
    let family = |one: &Evidence| one.detector.split(':').next().unwrap_or_default().to_owned();
    let stays = |chosen, reason: String| Choice { chosen, is_better: false, reason };
    let within: Vec<&Evidence> = candidates.iter().filter(|one| one.first.keeps(budget)).collect();
    let of_default = |one: &&Evidence| family(one) == family(default);
    let Some(leader) = within.iter().copied().find(of_default).or(within.first().copied()) else {
        let reason = format!(
            "no candidate is within {budget} alarms a day on the first part: the default stays"
        );
        return stays(default, reason);
    };
    // The first of equals wins, so only a more sensitive variant replaces the default.
    let more = |best: &Evidence, one: &Evidence| one.first.false_runs > best.first.false_runs;
    let same = within.iter().copied().filter(|one| family(one) == family(leader));
    let chosen = same.fold(leader, |best, one| if more(best, one) { one } else { best });
    let rate = chosen.held_out.false_alarms_per_day.unwrap_or_default();
    if chosen.detector == default.detector {
        let reason =
            "the default is the most sensitive within the budget on the first part: it stays";
        return stays(default, reason.to_owned());
    }
    if !chosen.held_out.keeps(budget) {
        let reason = format!(
            "{rate:.3} alarms a day on the held-out part are above the budget of {budget}: the default stays"
        );
        return stays(chosen, reason);
    }
    let reason = format!(
        "{rate:.3} alarms a day on the held-out part are within the budget of {budget}; without labels nothing else can be checked"
    );
    Choice { chosen, is_better: true, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(n_events: u64, caught: u64, false_runs: u64) -> Part {
        let tally_f1 = 2.0 * caught as f64 / (caught + false_runs + n_events) as f64;
        Part {
            days: 10.0,
            n_events,
            caught,
            false_runs,
            false_alarms_per_day: Some(false_runs as f64 / 10.0),
            event_f1: (n_events > 0).then_some(tally_f1),
        }
    }

    fn candidate(detector: &str, first: Part, held_out: Part) -> Evidence {
        Evidence { detector: detector.to_owned(), first, held_out }
    }

    #[test]
    fn a_candidate_that_is_better_on_both_parts_is_recommended() {
        let decision = decide(
            &[
                candidate("a:threshold=1", part(4, 4, 6), part(4, 4, 6)),
                candidate("a:threshold=2", part(4, 4, 1), part(4, 4, 1)),
            ],
            0.2,
        );
        assert_eq!(decision.recommended.as_deref(), Some("a:threshold=2"));
        assert_eq!(decision.basis, Basis::Labels);
    }

    #[test]
    fn a_candidate_that_is_better_on_the_first_part_only_is_not_recommended() {
        let decision = decide(
            &[
                candidate("a:threshold=1", part(4, 4, 6), part(4, 4, 1)),
                candidate("a:threshold=2", part(4, 4, 0), part(4, 2, 0)),
                // The choice ignores the best candidate of the held-out part.
                candidate("a:threshold=3", part(4, 1, 9), part(4, 4, 0)),
            ],
            0.2,
        );
        assert_eq!(decision.recommended, None);
        assert_eq!(decision.chosen.detector, "a:threshold=2");
        assert!(decision.reason.contains("the default stays"), "{}", decision.reason);
    }

    #[test]
    fn labels_in_one_part_only_decide_nothing() {
        let decision = decide(
            &[
                candidate("a:threshold=1", part(0, 0, 6), part(4, 1, 6)),
                candidate("a:threshold=2", part(0, 0, 0), part(4, 4, 0)),
            ],
            0.2,
        );
        assert_eq!(decision.recommended, None);
        assert!(decision.reason.contains("first part"), "{}", decision.reason);
    }

    #[test]
    fn without_labels_the_most_sensitive_within_the_budget_on_both_parts_is_recommended() {
        let rare = candidate("a:threshold=1", part(0, 0, 0), part(0, 0, 0));
        let apt = candidate("a:threshold=0.7", part(0, 0, 2), part(0, 0, 1));
        let frequent = candidate("a:threshold=0.5", part(0, 0, 9), part(0, 0, 9));
        let other = candidate("b:threshold=9", part(0, 0, 2), part(0, 0, 2));
        let decision = decide(&[rare, apt, frequent, other], 0.2);
        assert_eq!(decision.recommended.as_deref(), Some("a:threshold=0.7"));
        assert_eq!(decision.basis, Basis::AlarmRate);
        assert!(decision.reason.contains("nothing else can be checked"), "{}", decision.reason);
    }

    #[test]
    fn without_labels_a_candidate_that_breaks_the_budget_when_held_out_is_not_recommended() {
        let default = candidate("a:threshold=1", part(0, 0, 9), part(0, 0, 9));
        let late = candidate("a:threshold=2", part(0, 0, 1), part(0, 0, 3));
        let decision = decide(&[default.clone(), late], 0.2);
        assert_eq!(decision.recommended, None);
        assert!(decision.reason.contains("above the budget"), "{}", decision.reason);
        let decision = decide(&[default], 0.2);
        assert!(decision.reason.contains("no candidate is within"), "{}", decision.reason);
    }

    #[test]
    fn another_detector_is_taken_only_when_no_variant_of_the_default_keeps_the_budget() {
        let default = candidate("a:threshold=1", part(0, 0, 9), part(0, 0, 9));
        let other = candidate("b:threshold=9", part(0, 0, 1), part(0, 0, 2));
        let decision = decide(&[default, other], 0.2);
        assert_eq!(decision.recommended.as_deref(), Some("b:threshold=9"));
    }
}
