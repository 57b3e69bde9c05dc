//! Volume under the precision-recall surface (VUS-PR; Paparrizos et al., "Volume Under the Surface", PVLDB 15, 2022).
//!
//! An alarm a few samples beside an anomaly is nearly right, but a count of samples treats it as wrong. Here labels
//! decrease over a buffer on both sides, recall includes the share of touched anomalies, and the area under precision
//! over recall is averaged over several buffer lengths. Scores are sorted once for all lengths.

use rayon::prelude::*;

use super::LabeledScores;

/// Maximum buffer in samples, half of it on each side: the same 10 samples that join alarms to one run.
pub const BUFFER_LEN_MAX: usize = 20;

/// Step of the buffer length: one sample on each side.
const BUFFER_LEN_STEP: usize = 2;

/// The volume by series with both labels, averaged; `None` if no series has both.
pub fn mean_volume(series: &[LabeledScores]) -> Option<f64> {
    let each: Vec<f64> = series.par_iter().filter_map(volume).collect();
    (!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64)
}

/// The volume of one series; `None` if its rows have one label.
fn volume(rows: &LabeledScores) -> Option<f64> {
    let n_positive = rows.iter().filter(|(_, label)| *label).count();
    if n_positive == 0 || n_positive == rows.len() {
        return None;
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_unstable_by(|a, b| rows[*b].0.total_cmp(&rows[*a].0));
    let lengths = (0..=BUFFER_LEN_MAX).step_by(BUFFER_LEN_STEP);
    let areas: Vec<f64> = lengths.map(|len| area(rows, &order, &Faded::new(rows, len))).collect();
    Some(areas.iter().sum::<f64>() / areas.len() as f64)
}

/// Labels that decrease on both sides of each anomaly.
struct Faded {
    /// 1 in an anomaly, decreasing to the root of one half at the end of the buffer, 0 beyond.
    labels: Vec<f64>,
    /// Index of the range of each row with a label above 0.
    ranges: Vec<usize>,
    n_ranges: usize,
}

impl Faded {
    fn new(rows: &LabeledScores, buffer_len: usize) -> Self {
        let mut labels: Vec<f64> =
            rows.iter().map(|(_, label)| if *label { 1.0 } else { 0.0 }).collect();
        let half = buffer_len / 2;
        let is_label = |i: usize| rows.get(i).is_some_and(|(_, label)| *label);
        for i in (0..rows.len()).filter(|i| is_label(*i)) {
            let faded = |distance: usize| (1.0 - distance as f64 / buffer_len as f64).sqrt();
            if !is_label(i + 1) {
                for (k, label) in labels.iter_mut().skip(i + 1).take(half).enumerate() {
                    *label = (*label + faded(k + 1)).min(1.0);
                }
            }
            if i > 0 && !is_label(i - 1) {
                for k in 1..=half.min(i) {
                    labels[i - k] = (labels[i - k] + faded(k)).min(1.0);
                }
            }
        }
        let mut ranges = vec![0; rows.len()];
        let mut n_ranges = 0;
        for i in 0..rows.len() {
            n_ranges += usize::from(labels[i] > 0.0 && (i == 0 || labels[i - 1] == 0.0));
            ranges[i] = n_ranges.saturating_sub(1);
        }
        Self { labels, ranges, n_ranges }
    }
}

/// The area for one buffer; `order` holds the rows by descending score.
fn area(rows: &LabeledScores, order: &[usize], faded: &Faded) -> f64 {
    let n_sharp = rows.iter().filter(|(_, label)| *label).count() as f64;
    // The published rule halves the weight of the buffers.
    let n_positive = f64::midpoint(n_sharp, faded.labels.iter().sum());
    let mut touched = vec![false; faded.n_ranges];
    let (mut hits, mut n_touched, mut n_passed) = (0.0, 0.0, 0.0);
    let (mut recall, mut area) = (0.0, 0.0);
    // Equal scores exceed a threshold together.
    for tied in order.chunk_by(|a, b| rows[*a].0 == rows[*b].0) {
        for i in tied {
            n_passed += 1.0;
            let label = faded.labels[*i];
            if label > 0.0 {
                hits += label;
                let touched = &mut touched[faded.ranges[*i]];
                n_touched += f64::from(u8::from(!*touched));
                *touched = true;
            }
        }
        let reached = (hits / n_positive).min(1.0) * n_touched / faded.n_ranges as f64;
        area += (reached - recall) * hits / n_passed;
        recall = reached;
    }
    area
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(n: usize, anomaly: std::ops::Range<usize>, high: &[usize]) -> LabeledScores {
        let score = |i: usize| if high.contains(&i) { 5.0 } else { 1.0 };
        (0..n).map(|i| (score(i), anomaly.contains(&i))).collect()
    }

    #[test]
    fn an_alarm_beside_an_anomaly_is_worth_less_than_one_in_it_and_more_than_one_far_off() {
        let worth = |alarm: usize| volume(&series(1_000, 500..510, &[alarm])).unwrap();
        assert!(worth(505) > worth(512), "{} {}", worth(505), worth(512));
        assert!(worth(512) > worth(540), "{} {}", worth(512), worth(540));
        assert!((worth(540) - worth(100)).abs() < 1e-9, "beyond the buffer distance is nothing");
    }

    #[test]
    fn without_a_buffer_it_is_average_precision_for_one_anomaly() {
        let rows: LabeledScores =
            vec![(4.0, false), (9.0, true), (7.0, false), (6.0, true), (1.0, false)];
        // A gap splits the anomaly in two, so half of them are touched by the first pass.
        let mut order: Vec<usize> = (0..5).collect();
        order.sort_by(|a, b| rows[*b].0.total_cmp(&rows[*a].0));
        let expected = 0.25 + 0.75 * 2.0 / 3.0;
        assert!((area(&rows, &order, &Faded::new(&rows, 0)) - expected).abs() < 1e-12);
    }

    #[test]
    fn labels_fade_by_the_published_root() {
        let faded = Faded::new(&series(9, 4..5, &[]), 4);
        let [far, near] = [0.5_f64.sqrt(), 0.75_f64.sqrt()];
        assert_eq!(faded.labels, [0.0, 0.0, far, near, 1.0, near, far, 0.0, 0.0]);
        assert_eq!(faded.n_ranges, 1);
    }

    #[test]
    fn scores_that_fade_with_the_labels_fill_the_volume_and_one_class_has_none() {
        let mut fading = series(1_000, 500..510, &[]);
        for (i, (score, _)) in fading.iter_mut().enumerate() {
            *score = -(500_usize.saturating_sub(i).max(i.saturating_sub(509)) as f64);
        }
        let volume = volume(&fading).unwrap();
        assert!(volume > 0.95, "{volume}");
        assert_eq!(mean_volume(&[series(10, 0..0, &[])]), None);
        assert_eq!(mean_volume(&[series(10, 0..10, &[])]), None);
    }

    #[test]
    fn every_row_passing_at_once_is_the_share_of_anomalies() {
        let rows = series(1_000, 500..510, &[]);
        let order: Vec<usize> = (0..1_000).collect();
        assert!((area(&rows, &order, &Faded::new(&rows, 0)) - 0.01).abs() < 1e-12);
    }
}
