//! Marginal threshold: rises while peaks just below it outnumber those just above it.
//!
//! - **Formula.** A run of scores above `e^-0.4` thresholds, ended by 30 lower ones, has one peak. A peak in `e^-0.4..=1`
//!   multiplies the threshold factor by `e^0.1`, one in `1..e^0.4` divides it by as much, a higher one leaves it. Each day
//!   divides it by `e^(0.1 * d)`, where `d` is the accepted excess a day: a share of the budget. It never falls below 1.
//!   Beyond three alarms a day, over a week, each further one raises it, too.
//! - **Why.** Chance has a tail: each step up is rarer than the one before, so a threshold within it has more peaks below
//!   than above. Incidents are not an extension of the noise, and have about as many on both sides. So a series with
//!   many incidents keeps its threshold, and one with as many false alarms raises it until they fit the budget.
//! - **Constants.** Round; chosen on synthetic traffic, the AIOps 2018 KPI series and Microsoft's series.
//! - **Cost.** Two exponentials; 13 bytes.
//! - **Limits.** False alarms that are spread evenly far above the threshold look like incidents.

use crate::bytes::{ByteReader, ByteWriter};

/// Largest distance of a peak from the threshold that counts, as a logarithm.
const WIDTH: f64 = 0.4;
/// Change of the factor by one peak, as a logarithm: seven double it.
const STEP: f64 = 0.1;
/// Lower scores in a row that end a run: an event with pauses is one event.
const RUN_GAP: u8 = 30;
/// Range of the factor, as a logarithm.
const LN_FACTOR_MAX: f64 = 5.0;
/// Alarms a day beyond which each raises the threshold wherever its peak is.
const ALARMS_PER_DAY_MAX: f64 = 3.0;
/// Time constant of the alarm count, in days.
const MEMORY_DAYS: f64 = 7.0;
/// Longest time between two samples that counts, in days: a silence proves no calm.
const PAUSE_DAYS_MAX: f64 = 1.0;
/// Largest peak that is stored, in thresholds.
const PEAK_MAX: f64 = 1e6;

/// Threshold factor of one score on one series.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct MarginalThreshold {
    ln_factor: f32,
    // Peak of the present run, in thresholds; 0 outside a run.
    peak: f32,
    // Alarms over the last week, each divided by its length.
    alarms_per_day: f32,
    n_lower: u8,
}

impl MarginalThreshold {
    /// Encoded length, in bytes.
    pub(crate) const LEN: usize = 13;

    pub(crate) fn write(&self, out: &mut ByteWriter) {
        out.f32(self.ln_factor);
        out.f32(self.peak);
        out.f32(self.alarms_per_day);
        out.u8(self.n_lower);
    }

    pub(crate) fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        let within = |max: f64| move |value: &f32| (0.0..=max as f32).contains(value);
        Some(Self {
            ln_factor: from.finite_f32().filter(within(LN_FACTOR_MAX))?,
            peak: from.finite_f32().filter(within(PEAK_MAX))?,
            alarms_per_day: from.finite_f32().filter(within(PEAK_MAX))?,
            n_lower: from.u8().filter(|n_lower| *n_lower < RUN_GAP)?,
        })
    }

    /// Factor of the threshold, at least 1.
    pub(crate) fn factor(&self) -> f64 {
        f64::from(self.ln_factor).exp()
    }

    /// Learns a score divided by the present factor, `days` after the one before, on a series `age_days` old;
    /// `excess_per_day` peaks below the threshold more than above are accepted.
    pub(crate) fn learn(&mut self, score: f64, days: f64, age_days: f64, excess_per_day: f64) {
        let days = days.clamp(0.0, PAUSE_DAYS_MAX);
        self.alarms_per_day *= (-days / MEMORY_DAYS).exp() as f32;
        let mut ln_factor = f64::from(self.ln_factor) - STEP * excess_per_day * days;
        if score > (-WIDTH).exp() {
            self.peak = self.peak.max(score.min(PEAK_MAX) as f32);
            self.n_lower = 0;
        } else if self.peak > 0.0 {
            self.n_lower += 1;
            if self.n_lower == RUN_GAP {
                ln_factor += STEP * self.end_run(age_days);
            }
        }
        self.ln_factor = ln_factor.clamp(0.0, LN_FACTOR_MAX) as f32;
    }

    /// Ends a run, and returns the steps by which its peak raises the factor.
    fn end_run(&mut self, age_days: f64) -> f64 {
        let ln_peak = f64::from(self.peak).ln();
        (self.peak, self.n_lower) = (0.0, 0);
        if ln_peak <= 0.0 {
            return 1.0;
        }
        self.alarms_per_day += (1.0 / MEMORY_DAYS) as f32;
        let known_days = age_days.clamp(1.0, MEMORY_DAYS);
        let alarms_per_day = f64::from(self.alarms_per_day) * MEMORY_DAYS / known_days;
        let excess = (alarms_per_day - ALARMS_PER_DAY_MAX).max(0.0);
        excess - f64::from(u8::from(ln_peak < WIDTH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: f64 = 1.0 / 1_440.0;

    /// Factor after `days` of one sample a minute with peaks at `peaks` in turn, `per_day` each day.
    fn factor(days: u32, per_day: u32, peaks: &[f64]) -> f64 {
        let mut threshold = MarginalThreshold::default();
        for minute in 0..days * 1_440 {
            let n = minute / (1_440 / per_day);
            let is_peak = minute % (1_440 / per_day) == 100;
            let raw = if is_peak { peaks[n as usize % peaks.len()] } else { 0.1 };
            let score = raw / threshold.factor();
            threshold.learn(score, MINUTE, f64::from(minute) * MINUTE, 0.2);
        }
        threshold.factor()
    }

    #[test]
    fn peaks_that_thin_out_upwards_raise_the_threshold_above_them() {
        let tail = [0.7, 0.75, 0.8, 0.7, 0.9, 0.75, 0.7, 1.05, 0.8, 1.3];
        assert!((1.2..2.2).contains(&factor(60, 4, &tail)), "{}", factor(60, 4, &tail));
    }

    #[test]
    fn peaks_far_and_wide_leave_the_threshold_alone() {
        assert!(factor(60, 2, &[0.8, 1.2, 2.5, 6.0]) < 1.15);
        assert_eq!(factor(60, 2, &[5.0]), 1.0);
    }

    #[test]
    fn many_alarms_a_day_raise_the_threshold_and_calm_restores_it() {
        assert!(factor(10, 12, &[3.0]) > 2.9);
        let mut threshold = MarginalThreshold { ln_factor: 0.5, ..MarginalThreshold::default() };
        for _ in 0..40 {
            threshold.learn(0.1, 1.0, 30.0, 0.2);
        }
        assert_eq!(threshold.factor(), 1.0);
    }

    #[test]
    fn a_long_run_counts_once() {
        let mut threshold = MarginalThreshold::default();
        (0..500).for_each(|_| threshold.learn(0.9, MINUTE, 10.0, 0.2));
        (0..60).for_each(|_| threshold.learn(0.1, MINUTE, 10.0, 0.2));
        assert!((1.0..1.11).contains(&threshold.factor()));
    }
}
