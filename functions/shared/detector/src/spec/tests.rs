//! Tests of the texts of detectors.

use proptest::prelude::*;

use super::*;
use crate::detector::{WINDOW_LEN_MAX, WINDOW_LEN_MIN};
use crate::detectors::ewma::Ewma;
use crate::detectors::robust::Robust;
use crate::detectors::tidemark::Tidemark;
use crate::detectors::zscore::{WindowEnd, Zscore};
use crate::learning::season::{Calendar, Season};
use crate::signal_set::SignalSet;
use crate::signals::deviation::Deviation;

#[test]
fn the_rolling_z_score_round_trips() {
    let text = "zscore:window=50,threshold=2,self=included";
    assert_eq!(text.parse::<Detector>().unwrap().to_string(), text);
}

#[test]
fn a_bare_name_has_the_defaults() {
    for detector in Detector::ALL {
        assert_eq!(detector.name().parse::<Detector>(), Ok(detector));
    }
}

#[test]
fn a_detector_equal_to_a_profile_prints_its_name() {
    let full = "tidemark:signals=deviation+shift+variance+flat+gap,false_alarms_per_day=0.2";
    assert_eq!(full.parse::<Detector>(), Ok(Detector::default()));
    let cases = [
        (full, "traffic"),
        (
            "novelty:season=week,false_alarms_per_day=1",
            "novelty:false_alarms_per_day=1,season=week",
        ),
        ("tidemark:signals=gap+deviation", "tidemark:signals=deviation+gap"),
    ];
    for (text, wanted) in cases {
        assert_eq!(text.parse::<Detector>().unwrap().to_string(), wanted);
    }
}

#[test]
fn each_error_names_the_mistake() {
    let cases = [
        ("zscor", "detector `zscor` is unknown"),
        (
            "zscore:windw=50",
            "parameter `windw` is unknown: expected one of window, threshold, self, min",
        ),
        ("zscore:window=50,window=60", "`window` is given twice"),
        ("zscore:window", "`window` is not a parameter"),
        ("zscore:window=1", "window `1` is invalid: expected a whole number in 2..=1024"),
        ("zscore:threshold=NaN", "threshold `NaN` is invalid"),
        ("zscore:self=me", "`included` or `excluded`"),
        ("zscore:window=10,min=11", "min `11` is more than the 10 samples"),
        ("ewma:alpha=0", "alpha `0` is invalid"),
        ("tidemark:signals=shfit", "signals `shfit` is invalid: expected some of deviation+shift+"),
        ("tidemark:false_alarms_per_day=0", "a number in 0.001..=100"),
        ("deviation:season=year", "season `year` is invalid: expected one of auto, day"),
        ("deviation:time_zone=Mars/Olympus", "such as `Europe/Berlin`"),
    ];
    for (text, wanted) in cases {
        let error = text.parse::<Detector>().unwrap_err().to_string();
        assert!(error.contains(wanted), "{text}: {error}");
    }
    assert!("deviation:".parse::<Detector>().is_ok());
    assert!("x".repeat(SPEC_LEN_MAX + 1).parse::<Detector>().is_err());
}

#[test]
fn with_sets_one_parameter_as_in_the_text() {
    let detector: Detector = "zscore:window=50,threshold=2".parse().unwrap();
    let other = detector.with("threshold", "4.5").unwrap();
    assert_eq!(other.to_string(), "zscore:window=50,threshold=4.5");
    let error = |parameter, text| detector.with(parameter, text).unwrap_err().to_string();
    assert!(error("season", "day").contains("parameter `season` is unknown"));
    assert!(error("threshold", "4,min=2").contains("threshold `4,min=2` is invalid"));
    assert!(error("window", "10").contains("min `30` is more than the 10 samples"));
    assert!(error("threshold", &format!("0.{}1", "0".repeat(200))).contains("bytes"));
}

proptest! {
    #[test]
    fn a_detector_round_trips(
        which in 0usize..5,
        window in WINDOW_LEN_MIN..=WINDOW_LEN_MAX,
        threshold in 0.0..1e4_f64,
        alpha in 1e-6..1.0_f64,
        min in 1usize..=WINDOW_LEN_MAX,
        included in any::<bool>(),
        signals in prop::sample::select(vec![SignalSet::TRAFFIC, SignalSet::NOVELTY, SignalSet::ALL]),
        budget in 1e-3..100.0_f64,
        season in prop::sample::select(Season::ALL.to_vec()),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Pacific/Chatham"]),
    ) {
        let calendar = Calendar { season, zone: zone.parse().unwrap() };
        let window_end = if included { WindowEnd::Judged } else { WindowEnd::Previous };
        let min = min.min(window - usize::from(included)).max(1);
        let detector = [
            Detector::Zscore(Zscore { window, threshold, min, window_end }),
            Detector::Robust(Robust { window, threshold, min }),
            Detector::Ewma(Ewma { alpha, threshold, min }),
            Detector::Deviation(Deviation { window, threshold, min, calendar }),
            Detector::Tidemark(Tidemark { signals, false_alarms_per_day: budget, calendar }),
        ][which];
        let text = detector.to_string();
        prop_assert!(text.len() <= SPEC_LEN_MAX);
        prop_assert_eq!(text.parse::<Detector>(), Ok(detector), "{}", text);
    }
}
