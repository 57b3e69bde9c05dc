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
fn the_default_memory_fits_in_eight_kilobytes() {
    assert!(Judge::new(Detector::default()).memory_len() <= 8 * 1024);
}
