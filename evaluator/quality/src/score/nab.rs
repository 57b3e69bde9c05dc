//! Points by the rule of the Numenta benchmark (Lavin and Ahmad, 2015; formulas of the published scorer).
//!
//! In a time window around each anomaly the first alarm earns points, more if it is earlier. Each alarm outside costs
//! points, more if it is farther from the previous window. `tests/published.rs` reproduces the published points of
//! several detectors.

use std::ops::Range;

use crate::labeled::LabeledSeries;
use crate::record::{NabProfiles, NabScore};

/// Maximum rows that are not scored at the start of a file: 15 % of 5,000.
const PROBATION_ROWS_MAX: usize = 750;

/// Share of the rows that are not scored at the start of a shorter file.
const PROBATION_SHARE: f64 = 0.15;

/// Distance from the previous window, in window lengths, beyond which a false alarm costs its full weight.
const FALSE_DISTANCE_MAX: f64 = 3.0;

/// Weights of hits, misses and false alarms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NabProfile {
    hit: f64,
    miss: f64,
    false_alarm: f64,
}

/// The three published profiles, in the order of [`NabProfiles`]: standard, low false positive rate, low false
/// negative rate.
pub const PROFILES: [NabProfile; 3] = [
    NabProfile { hit: 1.0, miss: 1.0, false_alarm: 0.11 },
    NabProfile { hit: 1.0, miss: 1.0, false_alarm: 0.22 },
    NabProfile { hit: 1.0, miss: 2.0, false_alarm: 0.11 },
];

/// Position of an alarm relative to the windows, with its unweighted value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum AlarmPosition {
    /// Inside a window; windows are numbered over all files.
    Inside { window: usize, row: usize, value: f64 },
    /// Outside every window; `value` is negative.
    Outside { value: f64 },
}

/// Every scored row of a benchmark, with its score.
#[derive(Debug, Default)]
pub struct NabBoard {
    rows: Vec<(f64, bool, AlarmPosition)>,
    n_windows: usize,
}

impl NabBoard {
    /// Adds a file; `verdicts` holds score and alarm of each row, the windows are the labeled anomalies.
    pub fn add(&mut self, labeled: &LabeledSeries, verdicts: impl Iterator<Item = (f64, bool)>) {
        let first_window = self.n_windows;
        self.n_windows += labeled.events.len();
        let windows: Vec<Range<usize>> =
            labeled.events.iter().map(|event| event.rows.clone()).collect();
        let n_rows = labeled.rows.len();
        for (row, (score, alarm)) in verdicts.enumerate().take(n_rows).skip(probation(n_rows)) {
            self.rows.push((score, alarm, position(row, &windows, first_window)));
        }
    }

    /// Points of all profiles: at the best thresholds, at the best thresholds of the other half of the files, and with the
    /// alarms of the detector.
    pub fn score(mut self, halves: [Self; 2]) -> NabScore {
        self.sort();
        let best = PROFILES.map(|profile| self.best(profile));
        NabScore {
            two_fold: profiles(two_fold(halves)),
            optimized: profiles(best.map(|(points, _)| points)),
            thresholds: profiles(best.map(|(_, threshold)| threshold)),
            shipped: profiles(PROFILES.map(|profile| self.points(profile, |_, alarm| alarm))),
        }
    }

    fn sort(&mut self) {
        self.rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    }

    /// Points if every score of at least the threshold is an alarm.
    pub fn points_at(&self, profile: NabProfile, threshold: f64) -> f64 {
        self.points(profile, |score, _| score >= threshold)
    }

    /// Points of all profiles if every score above the threshold is an alarm.
    pub fn points_above(&self, threshold: f64) -> NabProfiles {
        profiles(PROFILES.map(|profile| self.points(profile, |score, _| score > threshold)))
    }

    fn points(&self, profile: NabProfile, is_alarm: impl Fn(f64, bool) -> bool) -> f64 {
        let mut sum = NabSum::new(profile, self.n_windows);
        self.rows
            .iter()
            .filter(|(score, alarm, _)| is_alarm(*score, *alarm))
            .for_each(|(_, _, position)| sum.add(*position));
        sum.normalized()
    }

    /// The highest points of any threshold, with the threshold; rows are sorted by descending score.
    fn best(&self, profile: NabProfile) -> (f64, f64) {
        let mut sum = NabSum::new(profile, self.n_windows);
        let highest = self.rows.first().map_or(0.0, |(score, ..)| *score);
        // A threshold above every score alarms never.
        let mut best = (sum.normalized(), highest.next_up());
        for tied in self.rows.chunk_by(|a, b| a.0 == b.0) {
            for (_, _, position) in tied {
                sum.add(*position);
            }
            let points = sum.normalized();
            if points > best.0 {
                best = (points, tied[0].0);
            }
        }
        best
    }
}

/// Points of all windows, each half at the best threshold of the other half.
fn two_fold(mut halves: [NabBoard; 2]) -> [f64; 3] {
    halves.iter_mut().for_each(NabBoard::sort);
    let [a, b] = halves;
    let n_windows = (a.n_windows + b.n_windows).max(1) as f64;
    PROFILES.map(|profile| {
        let of_a = a.points_at(profile, b.best(profile).1) * a.n_windows as f64;
        let of_b = b.points_at(profile, a.best(profile).1) * b.n_windows as f64;
        (of_a + of_b) / n_windows
    })
}

/// Running points; alarms may be added in any order.
struct NabSum {
    profile: NabProfile,
    /// Row and value of the first alarm of each window.
    earliest: Vec<Option<(usize, f64)>>,
    raw: f64,
}

impl NabSum {
    fn new(profile: NabProfile, n_windows: usize) -> Self {
        Self { profile, earliest: vec![None; n_windows], raw: -profile.miss * n_windows as f64 }
    }

    fn add(&mut self, position: AlarmPosition) {
        match position {
            AlarmPosition::Outside { value } => self.raw += self.profile.false_alarm * value,
            AlarmPosition::Inside { window, row, value } => {
                let earned = match self.earliest[window] {
                    None => self.profile.miss + self.profile.hit * value,
                    Some((earlier, before)) if row < earlier => self.profile.hit * (value - before),
                    Some(_) => return,
                };
                self.raw += earned;
                self.earliest[window] = Some((row, value));
            }
        }
    }

    /// Normalizes to 0 for a detector that never alarms and 100 for a perfect one.
    fn normalized(&self) -> f64 {
        let n_windows = self.earliest.len() as f64;
        let null = -self.profile.miss * n_windows;
        let perfect = self.profile.hit * n_windows;
        if n_windows == 0.0 {
            return 0.0;
        }
        100.0 * (self.raw - null) / (perfect - null)
    }
}

/// Number of rows at the start that are not scored.
fn probation(n_rows: usize) -> usize {
    ((n_rows as f64 * PROBATION_SHARE) as usize).min(PROBATION_ROWS_MAX)
}

fn position(row: usize, windows: &[Range<usize>], first_window: usize) -> AlarmPosition {
    let next = windows.partition_point(|window| window.end <= row);
    if let Some(window) = windows.get(next).filter(|window| window.contains(&row)) {
        let relative = -((window.end - row) as f64) / window.len() as f64;
        // The first row of a window has the value 1.
        return AlarmPosition::Inside {
            window: first_window + next,
            row,
            value: sigmoid(relative) / sigmoid(-1.0),
        };
    }
    let value = match next.checked_sub(1).map(|before| &windows[before]) {
        Some(window) => {
            let distance = (row - (window.end - 1)) as f64 / (window.len() as f64 - 1.0);
            if distance > FALSE_DISTANCE_MAX { -1.0 } else { sigmoid(distance) }
        }
        None => -1.0,
    };
    AlarmPosition::Outside { value }
}

fn sigmoid(x: f64) -> f64 {
    2.0 / (1.0 + (5.0 * x).exp()) - 1.0
}

fn profiles([standard, reward_low_fp_rate, reward_low_fn_rate]: [f64; 3]) -> NabProfiles {
    NabProfiles { standard, reward_low_fp_rate, reward_low_fn_rate }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labeled::LabeledRow;

    const N: usize = 1_000;

    /// A file of `N` rows, 150 of them probation, with windows 300..=399 and 600..=699.
    fn file() -> LabeledSeries {
        let row = |i: usize| LabeledRow {
            at_us: i as i64 * 300_000_000,
            value: 0.0,
            label: (300..400).contains(&i) || (600..700).contains(&i),
        };
        LabeledSeries::from_rows("test".to_owned(), (0..N).map(row).collect())
    }

    fn board(scored: &[(usize, f64)]) -> NabBoard {
        let mut scores = vec![0.0; N];
        for (row, score) in scored {
            scores[*row] = *score;
        }
        let mut board = NabBoard::default();
        board.add(&file(), scores.into_iter().map(|score| (score, score > 0.5)));
        board
    }

    fn standard(scored: &[(usize, f64)]) -> f64 {
        board(scored).score(Default::default()).shipped.standard
    }

    #[test]
    fn silent_is_zero_and_perfect_is_a_hundred() {
        assert_eq!(standard(&[]), 0.0);
        assert!((standard(&[(300, 1.0), (600, 1.0)]) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn earlier_alarms_earn_more_and_only_the_earliest_counts() {
        assert!(standard(&[(310, 1.0)]) > standard(&[(350, 1.0)]));
        assert_eq!(standard(&[(310, 1.0), (350, 1.0)]), standard(&[(310, 1.0)]));
        let hit = (2.0 / (1.0 + (-5.0f64 * 90.0 / 100.0).exp()) - 1.0) / 0.986_614_298;
        assert!((standard(&[(310, 1.0)]) - 100.0 * (1.0 + hit) / 4.0).abs() < 1e-6);
    }

    #[test]
    fn false_alarms_cost_their_weight_and_less_right_after_a_window() {
        let full = -100.0 * 0.11 / 4.0;
        assert!((standard(&[(200, 1.0)]) - full).abs() < 1e-9, "before the first window");
        assert!((standard(&[(900, 1.0)]) - full * 0.999).abs() < 0.01, "far behind");
        let right_after = standard(&[(400, 1.0)]);
        assert!(full * 0.1 < right_after && right_after < 0.0);
        assert_eq!(standard(&[(200, 1.0), (201, 1.0)]), 2.0 * standard(&[(200, 1.0)]));
    }

    #[test]
    fn probation_is_ignored() {
        assert_eq!(standard(&[(149, 1.0)]), 0.0);
        assert!(standard(&[(150, 1.0)]) < 0.0);
        assert_eq!((probation(100), probation(4_032), probation(100_000)), (15, 604, 750));
    }

    #[test]
    fn the_best_threshold_is_that_of_trying_every_one() {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as f64 / f64::from(1u32 << 31)
        };
        let scored: Vec<(usize, f64)> =
            (0..N).map(|row| (row, (next() * 50.0).floor() / 50.0)).collect();
        let board = board(&scored);
        for profile in PROFILES {
            let tried =
                (0..=50).map(|k| board.points_at(profile, f64::from(k) / 50.0)).fold(0.0, f64::max);
            let mut sorted = NabBoard { rows: board.rows.clone(), n_windows: board.n_windows };
            sorted.rows.sort_by(|a, b| b.0.total_cmp(&a.0));
            let (best, threshold) = sorted.best(profile);
            assert!((best - tried).abs() < 1e-9, "{best} {tried}");
            assert!((board.points_at(profile, threshold) - best).abs() < 1e-9);
        }
    }

    #[test]
    fn without_windows_nothing_is_earned() {
        assert_eq!(NabBoard::default().score(Default::default()).optimized.standard, 0.0);
    }
}
