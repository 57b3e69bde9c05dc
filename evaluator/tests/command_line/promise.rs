//! Tests of `promise`, of the protocol of EasyTSAD, and of the scenarios that are taken by name.

use super::scores::line_of;
use super::{failure, stdout, write};

#[test]
fn the_false_alarms_of_each_budget_are_a_line() {
    let arguments = ["promise", "clean", "--quick", "--budgets", "0.2,1"];
    let table = stdout(&arguments);
    assert_eq!(table, stdout(&arguments), "the same command gives the same bytes");
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    let header = "scenario,detector,budget,n_series,mean,median,p90,share_within";
    assert_eq!(lines[0].join(","), header);
    assert_eq!(lines.len(), 3);
    for (line, budget) in lines[1..].iter().zip(["0.2", "1"]) {
        assert_eq!(line[..4], ["clean", "traffic", budget, "4"]);
        let numbers: Vec<f64> = line[4..].iter().map(|text| text.parse().unwrap()).collect();
        assert!(numbers.iter().all(|number| *number >= 0.0) && numbers[3] <= 1.0, "{line:?}");
        assert!(numbers[1] <= numbers[2], "the median is at most the 90th percentile: {line:?}");
    }
}

#[test]
fn a_promise_needs_a_detector_with_a_budget_and_a_positive_one() {
    for (arguments, words) in [
        (["promise", "clean", "--detector", "zscore"], "give `zscore` a budget"),
        (["promise", "clean", "--budgets", "0"], "`--budgets 0` is out of range"),
    ] {
        let (code, stderr) = failure(&arguments);
        assert!(code == 3 && stderr.contains(words), "{stderr}");
    }
}

#[test]
fn the_promise_on_a_history_counts_each_alarm_as_false_without_labels() {
    let folder = tempfile::tempdir().unwrap();
    let value = |i: i64| if i % 1_000 == 999 { 900 } else { 100 + i * 7 % 13 };
    let row = |i: i64| format!("{},{}\n", 1_700_000_000 + i * 60, value(i));
    let rows = (0..6_000).map(row).collect::<Vec<_>>().concat();
    let file = write(&folder, "a.csv", &format!("timestamp,value\n{rows}"));
    let table = stdout(&["promise", "--csv", &file, "--budgets", "0.05"]);
    let line: Vec<&str> = table.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(line[..4], ["a.csv", "traffic", "0.05", "1"]);
    assert!(line[4].parse::<f64>().unwrap() > 0.05 && line[7] == "0", "{table}");
}

#[test]
fn the_protocol_of_easytsad_is_a_table_and_a_part_of_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let is_anomaly = |i: i64| i % 500 == 400 || i % 500 == 401;
    let row = |i: i64| {
        let value = if is_anomaly(i) { 900 } else { 100 + i * 7 % 13 };
        format!("{},{value},{}\n", 1_700_000_000 + i * 60, u8::from(is_anomaly(i)))
    };
    let rows = (0..3_000).map(row).collect::<Vec<_>>().concat();
    let file = write(&folder, "a.csv", &format!("timestamp,value,label\n{rows}"));
    let score = ["score", "--csv", &file, "--easytsad", "--detector", "deviation"];
    assert!(stdout(&score).contains("EasyTSAD, second halves"));
    let record = stdout(&[&score[..], &["--json", "-"]].concat());
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let found = &record["rows"][0]["easytsad"];
    assert_eq!(found["n_series"], 1);
    assert_eq!(found["event_f1_best"], 1.0);
    let fitted = found["event_f1_fitted"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&fitted), "{fitted}");
}

#[test]
fn families_and_rare_anomalies_are_taken_by_name() {
    let list = stdout(&["list"]);
    assert_eq!(list.lines().filter(|line| line.starts_with("scenario,family_")).count(), 12);
    assert!(list.contains("scenario,rare,") && list.contains("scenario,rarest,"));
    let run = ["run", "families", "--quick", "--detector", "silent", "--untimed", "--csv-out", "-"];
    let report = stdout(&run);
    assert_eq!(report.lines().count(), 13);
    assert_eq!(line_of(&report, "silent")["scenario"], "family_hourly_job");
}
