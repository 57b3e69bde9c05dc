//! The bars that the shipped detectors are held to, on the scenarios and, where it is on this machine, on others' data.
//!
//! Everything is seeded and untimed: a bar that is missed was lost by a change of the code. KPI series have a place in
//! the record only, since judging three million samples takes a debug build too long.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the evaluator and answers whether it ended with 0, and what it said.
fn evaluator(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_evaluator")).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said)
}

/// Measures one detector and holds it against bars.
fn hold(detector: &str, measure: &[&str], scenario: &str, bars: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record.json");
    let record = record.to_str().unwrap();
    let common = ["--untimed", "--no-charts", "--detector", detector, "--json", record];
    let (is_done, said) = evaluator(&[measure, &common].concat());
    assert!(is_done, "{said}");
    let (is_held, said) = evaluator(&[&["gate", record, "--scenario", scenario], bars].concat());
    assert!(is_held, "{detector} on {scenario}: {said}");
}

/// A folder of labelled data, if it is on this machine.
fn data(name: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "tests are configured by the environment only")]
    let named = std::env::var("TIDEMARK_DATA").ok().map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    named.or(Some(beside)).map(|folder| folder.join(name)).filter(|folder| folder.is_dir())
}

#[test]
fn traffic_finds_what_is_made_and_leaves_quiet_days_alone() {
    let bars = ["event_f1>=0.85", "false_alarms_per_series_day<=0.3", "false_positive_rate<=0.01"];
    hold("traffic", &["run", "mixed"], "mixed", &bars);
    let bars = ["false_alarms_per_series_day<=0.5", "bytes_per_series<=8192"];
    hold("traffic", &["run", "quiet"], "quiet", &bars);
}

#[test]
fn an_absurd_value_leaves_traffic_its_recall() {
    hold("traffic", &["run", "poison"], "poison", &["event_recall>=0.8"]);
}

#[test]
fn novelty_is_above_every_published_detector_of_the_benchmark() {
    let Some(folder) = data("nab") else {
        eprintln!("the Numenta benchmark is not on this machine: nothing is checked");
        return;
    };
    let bars = ["nab_standard>=76", "nab_reward_low_fp_rate>=69", "nab_reward_low_fn_rate>=80.5"];
    let measure = ["score", "--nab", folder.to_str().unwrap()];
    hold("novelty", &measure, "nab", &[&bars[..], &["nab_standard_shipped>=74"]].concat());
}

#[test]
fn traffic_holds_its_bars_on_the_series_of_microsoft() {
    let Some(folder) = data("ms") else {
        eprintln!("Microsoft's series are not on this machine: nothing is checked");
        return;
    };
    let bars = ["halves_event_f1>=0.6", "halves_event_pr_auc>=0.55", "event_f1>=0.52"];
    hold("traffic", &["score", "--kpi", "--folder", folder.to_str().unwrap()], "ms", &bars);
}
