//! Tests of the composite detector on whole series.

use domain::{Sample, Signal, Verdict};

use crate::{Detector, Judge};

/// Sample of a daily wave around 100 with a little noise, one a minute.
fn wave(minute: i64) -> Sample {
    let phase = (minute % 1440) as f64 / 1440.0 * std::f64::consts::TAU;
    let noise = ((minute * 7919) % 1009) as f64 / 1009.0 - 0.5;
    at(minute, 100.0 + 40.0 * phase.sin() + 12.0 * noise)
}

fn at(minute: i64, value: f64) -> Sample {
    Sample::new(minute * 60_000_000, value).unwrap()
}

/// Alarms of five days, the last altered by `change`: minute of the last day, and signal.
fn alarms(change: impl Fn(i64, Sample) -> Option<Sample>) -> Vec<(i64, Signal)> {
    let mut series = Judge::new(Detector::default());
    let mut alarms = Vec::new();
    for minute in 0..1440 * 5 {
        let Some(sample) = change(minute - 1440 * 4, wave(minute)) else { continue };
        let verdict = series.judge(sample).verdict;
        if minute >= 1440 && verdict.is_anomaly() {
            alarms.push((minute - 1440 * 4, verdict.expectation.unwrap().signal));
        }
    }
    alarms
}

fn scaled(sample: Sample, factor: f64) -> Sample {
    Sample::new(sample.at_us(), sample.value() * factor).unwrap()
}

#[test]
fn usual_days_raise_no_alarm() {
    assert_eq!(alarms(|_, sample| Some(sample)), []);
}

#[test]
fn each_kind_of_anomaly_is_found_by_its_signal() {
    type Change = fn(i64, Sample) -> Option<Sample>;
    let table: [(Signal, Change); 5] = [
        (Signal::Deviation, |t, s| Some(if t == 600 { scaled(s, 3.0) } else { s })),
        (Signal::Shift, |t, s| Some(if t >= 600 { scaled(s, 1.25) } else { s })),
        (Signal::Variance, |t, s| {
            let sign = if t % 2 == 0 { 1.0 } else { -1.0 };
            Some(if (600..660).contains(&t) { scaled(s, 1.0 + 0.15 * sign) } else { s })
        }),
        (Signal::Flat, |t, s| Some(if (600..700).contains(&t) { at(t + 5760, 100.0) } else { s })),
        (Signal::Gap, |t, s| Some(s).filter(|_| !(600..620).contains(&t))),
    ];
    for (signal, change) in table {
        let alarms = alarms(change);
        assert!(alarms.iter().any(|(t, of)| *of == signal && *t >= 600), "{signal:?} {alarms:?}");
        assert!(alarms.iter().all(|(t, _)| *t >= 600), "{signal:?} {alarms:?}");
    }
}

#[test]
fn a_fall_by_half_a_percent_is_an_anomaly_where_values_vary_less() {
    // An availability near 99.95 %, with the noise of the wave.
    let share = |t: i64, s: Sample| at(t + 5760, 99.9 + s.value() / 4e3);
    let alarms = alarms(|t, s| {
        let usual = share(t, s);
        Some(if (600..620).contains(&t) { at(t + 5760, usual.value() - 0.45) } else { usual })
    });
    assert!(alarms.iter().any(|(t, _)| (600..603).contains(t)), "{alarms:?}");
    assert!(alarms.iter().all(|(t, _)| (600..640).contains(t)), "{alarms:?}");
}

#[test]
fn an_absurd_value_does_not_hide_a_later_anomaly() {
    let found = |absurd: bool| {
        alarms(|t, s| {
            let s = if (900..1000).contains(&t) { scaled(s, 1.5) } else { s };
            Some(if absurd && t == -700 { at(t + 5760, 1e15) } else { s })
        })
    };
    assert!(found(true).iter().any(|(t, _)| (900..905).contains(t)), "{:?}", found(true));
    assert!(found(false).iter().any(|(t, _)| (900..905).contains(t)));
}

/// Verdict on a sample 40 % above usual, after three days.
fn score_of_excess(spec: &str) -> Verdict {
    let mut series = Judge::new(spec.parse().unwrap());
    (0..4_500).for_each(|minute| _ = series.judge(wave(minute)));
    series.verdict(scaled(wave(4_500), 1.4))
}

#[test]
fn a_larger_budget_gives_the_same_sample_a_higher_score() {
    let score = |budget: &str| {
        score_of_excess(&format!("tidemark:signals=shift,false_alarms_per_day={budget}")).score
    };
    assert!(score("1") > score("0.2") && score("0.2") > score("0.05"));
}

#[test]
fn a_signal_that_is_left_out_raises_no_alarm() {
    assert!(score_of_excess("traffic").is_anomaly());
    assert!(!score_of_excess("tidemark:signals=gap").is_anomaly());
}

#[test]
fn the_default_memory_fits_in_six_kilobytes() {
    assert!(Judge::new(Detector::default()).memory_len() <= 6 * 1024);
}

/// Times of the first sample of each episode, in minutes, of `days` days of one sample a minute.
fn episodes(days: i64, value: impl Fn(i64) -> f64) -> Vec<i64> {
    let mut series = Judge::new(Detector::default());
    let mut starts = Vec::new();
    for minute in 0..days * 1_440 {
        series.judge(at(minute, value(minute)));
        if let Some(record) = series.memory().episode_record() {
            starts.push(record.start_us / 60_000_000);
        }
    }
    starts.dedup();
    starts
}

/// Numbers from -0.5 to 0.5, the same in each run.
fn noise(minute: i64) -> f64 {
    let mixed = (minute as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
}

#[test]
fn a_ramp_is_no_new_level_at_each_midnight() {
    let starts = episodes(4, |minute| 2.0 * minute as f64);
    assert!(starts.len() <= 1, "{starts:?}");
}

#[test]
fn a_jump_far_below_a_millionth_of_a_huge_level_is_an_anomaly() {
    let value = |minute: i64| {
        let phase = (minute % 1_440) as f64 / 1_440.0 * std::f64::consts::TAU;
        let jump = if minute >= 5 * 1_440 + 700 { 4e5 } else { 0.0 };
        8e11 + 4e4 * phase.sin() + 3e3 * noise(minute) + jump
    };
    let starts = episodes(6, value);
    assert!(starts.contains(&(5 * 1_440 + 700)), "{starts:?}");
    assert!(starts.iter().all(|start| *start < 2 * 1_440 || *start >= 5 * 1_440), "{starts:?}");
}

#[test]
fn an_hourly_job_is_known_and_one_at_another_minute_is_an_anomaly() {
    let odd = 6 * 1_440 + 13 * 60 + 37;
    let is_job = |minute: i64| minute % 60 == 7 || minute == odd;
    let starts =
        episodes(7, |minute| 10.0 + noise(minute) + if is_job(minute) { 50.0 } else { 0.0 });
    assert!(starts.contains(&odd), "{starts:?}");
    assert!(starts.iter().all(|start| *start < 3 * 1_440 || *start == odd), "{starts:?}");
}

#[test]
fn an_hourly_job_that_is_missing_is_an_anomaly() {
    let missing = 6 * 1_440 + 13 * 60 + 7;
    let is_job = |minute: i64| minute % 60 == 7 && minute != missing;
    let starts =
        episodes(7, |minute| 10.0 + noise(minute) + if is_job(minute) { 50.0 } else { 0.0 });
    assert!(starts.contains(&missing), "{starts:?}");
}

#[test]
fn the_second_zero_of_a_count_that_was_never_zero_is_an_anomaly() {
    let night = 9 * 1_440 + 180;
    let value = |minute: i64| {
        let phase = (minute % 1_440 - 180) as f64 / 1_440.0 * std::f64::consts::TAU;
        let mean = 1_550.0 - 1_400.0 * phase.cos();
        let is_over = (night..night + 30).contains(&minute);
        if is_over { 0.0 } else { (mean + mean.sqrt() * 3.0 * noise(minute)).round() }
    };
    let starts = episodes(10, value);
    assert!(starts.iter().any(|start| (night..night + 2).contains(start)), "{starts:?}");
}

#[test]
fn office_hours_that_moved_by_an_hour_a_week_ago_raise_few_alarms() {
    let value = |minute: i64| {
        let shift = if minute >= 14 * 1_440 { 60 } else { 0 };
        let is_open = (480..1_080).contains(&((minute + shift) % 1_440));
        (60.0 + if is_open { 1_400.0 } else { 0.0 }) * (1.0 + 0.1 * noise(minute))
    };
    let starts = episodes(28, value);
    let late = starts.iter().filter(|start| **start >= 21 * 1_440).count();
    assert!(late <= 4, "{starts:?}");
}

#[test]
fn an_anomaly_that_continues_keeps_the_score_of_each_sample() {
    let mut series = Judge::new(Detector::default());
    let mut continuing = Vec::new();
    for minute in 0..1_440 * 5 {
        let is_over = (1_440 * 4 + 600..1_440 * 4 + 660).contains(&minute);
        let sample = if is_over { scaled(wave(minute), 0.2) } else { wave(minute) };
        let verdict = series.judge(sample).verdict;
        if is_over && verdict.is_anomaly() && verdict.score <= 1.0 {
            continuing.push(verdict.score);
        }
    }
    assert!(continuing.len() > 10, "{}", continuing.len());
    let is_same = |scores: &[f64]| scores[0] == scores[1];
    assert!(!continuing.windows(2).all(is_same), "each sample has its own score");
}
