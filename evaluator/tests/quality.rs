//! Minimum quality of the detectors, on the scenarios and, if it is on this machine, on public data.
//!
//! All runs are seeded, so only a change of the code can miss a limit. KPI series are in the record only, since three
//! million samples take a debug build too long.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the evaluator; returns success and stderr.
fn evaluator(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_evaluator")).args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), stderr)
}

/// Measures one detector and checks it against limits.
fn check(detector: &str, measure: &[&str], scenario: &str, limits: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record.json");
    let record = record.to_str().unwrap();
    let common = ["--untimed", "--no-charts", "--detector", detector, "--json", record];
    let (is_done, stderr) = evaluator(&[measure, &common].concat());
    assert!(is_done, "{stderr}");
    let (is_met, stderr) = evaluator(&[&["gate", record, "--scenario", scenario], limits].concat());
    assert!(is_met, "{detector} on {scenario}: {stderr}");
}

/// A folder of labeled data, if it is on this machine.
fn data(name: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "tests are configured by the environment only")]
    let named = std::env::var("TIDEMARK_DATA").ok().map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    named.or(Some(beside)).map(|folder| folder.join(name)).filter(|folder| folder.is_dir())
}

#[test]
fn traffic_catches_anomalies_with_few_false_alarms() {
    let limits =
        ["event_f1>=0.84", "false_alarms_per_series_day<=0.15", "false_positive_rate<=0.005"];
    check("traffic", &["run", "mixed"], "mixed", &limits);
    let limits = ["false_alarms_per_series_day<=0.2", "bytes_per_series<=8192"];
    check("traffic", &["run", "clean"], "clean", &limits);
}

#[test]
fn samples_out_of_order_cost_traffic_little() {
    let limits = ["event_f1>=0.8", "false_alarms_per_series_day<=0.2"];
    check("traffic", &["run", "mixed", "--late", "0.17", "--late-by", "3"], "mixed", &limits);
}

#[test]
fn traffic_keeps_its_recall_after_an_extreme_value() {
    check("traffic", &["run", "poison"], "poison", &["event_recall>=0.8"]);
}

#[test]
fn novelty_is_above_every_published_detector_of_the_benchmark() {
    let Some(folder) = data("nab") else {
        eprintln!("the Numenta benchmark is not on this machine: nothing is checked");
        return;
    };
    let limits = ["nab_standard>=76", "nab_reward_low_fp_rate>=69", "nab_reward_low_fn_rate>=80.5"];
    let measure = ["score", "--nab", folder.to_str().unwrap()];
    check("novelty", &measure, "nab", &[&limits[..], &["nab_standard_shipped>=74"]].concat());
}

#[test]
fn traffic_holds_its_limits_on_the_series_of_microsoft() {
    let Some(folder) = data("ms") else {
        eprintln!("Microsoft's series are not on this machine: nothing is checked");
        return;
    };
    let limits = ["halves_event_f1>=0.6", "halves_event_pr_auc>=0.55", "event_f1>=0.52"];
    check("traffic", &["score", "--kpi", "--folder", folder.to_str().unwrap()], "ms", &limits);
}
