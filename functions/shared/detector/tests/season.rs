//! Seasons and sampling intervals: the default detector on days, weeks and clock changes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use detector::{Detector, Judge};
use domain::Sample;

const DAY_S: i64 = 86_400;

/// Monday, 2 March 2026, 00:00 UTC.
const MONDAY_S: i64 = 1_772_409_600;

/// Reproducible noise in -1..1.
fn noise(i: i64) -> f64 {
    let mut bits = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits ^= bits >> 29;
    bits = bits.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^= bits >> 32;
    (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// Traffic of a service used by people: a daily wave, half as high on weekends, 3 % noise.
fn traffic(local_s: i64, i: i64) -> f64 {
    let phase = (local_s.rem_euclid(DAY_S)) as f64 / DAY_S as f64 * std::f64::consts::TAU;
    let is_weekend = (local_s - MONDAY_S).div_euclid(DAY_S).rem_euclid(7) >= 5;
    let level = if is_weekend { 200.0 } else { 400.0 };
    level * (1.5 - phase.cos()) * (1.0 + 0.03 * noise(i))
}

/// Alarm runs on each day of a series without anomalies.
fn runs_by_day(
    spec: &str,
    interval_s: i64,
    n_days: i64,
    value: impl Fn(i64, i64) -> Option<f64>,
) -> Vec<u32> {
    let mut judge = Judge::new(spec.parse::<Detector>().unwrap());
    let mut runs = vec![0; n_days as usize];
    let mut last_alarm = i64::MIN / 2;
    for i in 0..n_days * DAY_S / interval_s {
        let at_s = MONDAY_S + i * interval_s;
        let Some(value) = value(at_s, i) else { continue };
        let sample = Sample::new(at_s * 1_000_000, value).unwrap();
        if judge.judge(sample).verdict.is_anomaly() {
            runs[((at_s - MONDAY_S) / DAY_S) as usize] += u32::from(i - last_alarm > 10);
            last_alarm = i;
        }
    }
    runs
}

fn spec(parameters: &str) -> String {
    format!("{}:{parameters}", Detector::default())
}

#[test]
fn usual_days_raise_few_alarms_at_any_interval() {
    for (interval_s, n_days) in [(1, 3), (10, 8), (60, 14), (300, 28), (900, 28), (3_600, 42)] {
        let runs = runs_by_day(&spec(""), interval_s, n_days, |at_s, i| Some(traffic(at_s, i)));
        let after_first: u32 = runs[1..].iter().sum();
        let per_day = f64::from(after_first) / (n_days - 1) as f64;
        assert!(per_day <= 0.5, "{per_day} a day at {interval_s} s: {runs:?}");
        assert!(runs[0] <= 3, "{} on the first day at {interval_s} s", runs[0]);
    }
}

#[test]
fn the_weekly_season_of_an_hourly_series_is_learned() {
    let weekends = |spec: &str| -> u32 {
        let runs = runs_by_day(spec, 3_600, 70, |at_s, i| Some(traffic(at_s, i)));
        runs[42..].iter().sum()
    };
    assert_eq!(weekends(&spec("")), 0);
    assert_eq!(weekends(&spec("season=week")), 0);
}

#[test]
fn a_dip_to_weekend_level_on_a_weekday_is_an_anomaly() {
    for (interval_s, n_days) in [(300, 56), (3_600, 56)] {
        let dip_day = 50;
        let runs = runs_by_day(&spec(""), interval_s, n_days, |at_s, i| {
            let day = (at_s - MONDAY_S) / DAY_S;
            let is_dip = day == dip_day && (at_s % DAY_S) / 3_600 >= 9;
            Some(traffic(at_s, i) * if is_dip { 0.4 } else { 1.0 })
        });
        assert!(runs[dip_day as usize] > 0, "at {interval_s} s: {runs:?}");
    }
}

#[test]
fn a_clock_change_in_a_declared_zone_raises_no_alarm() {
    // Clocks in Berlin went from 2:00 to 3:00 on 29 March 2026, the 27th day.
    let berlin = |at_s: i64| at_s + if at_s < 1_774_746_000 { 3_600 } else { 7_200 };
    let steep = |at_s: i64, i: i64| {
        let hour = berlin(at_s).rem_euclid(DAY_S) as f64 / 3_600.0;
        Some(100.0 * (1.0 + 0.02 * noise(i)) * if (8.0..18.0).contains(&hour) { 10.0 } else { 1.0 })
    };
    let after = |spec: &str| -> u32 { runs_by_day(spec, 300, 35, steep)[27..].iter().sum() };
    let (declared, utc) = (after(&spec("time_zone=Europe/Berlin")), after(&spec("")));
    assert_eq!(declared, 0);
    assert!(utc > 0, "the same change is an anomaly in UTC");
}

#[test]
fn a_week_without_samples_raises_few_alarms_after_it() {
    let runs = runs_by_day(&spec(""), 60, 28, |at_s, i| {
        let day = (at_s - MONDAY_S) / DAY_S;
        (!(14..21).contains(&day)).then(|| traffic(at_s, i))
    });
    let after: u32 = runs[22..].iter().sum();
    assert!(after <= 3, "{runs:?}");
}
