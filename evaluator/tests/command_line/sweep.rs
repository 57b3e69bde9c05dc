//! Tests of `sweep`: scores at other thresholds.

use super::scores::benchmark;
use super::{ROLLING_ZSCORE, failure, read, stdout};

fn rows(text: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(Result::unwrap).collect()
}

#[test]
fn a_sweep_at_the_own_threshold_is_the_report() {
    let sweep = stdout(&[
        "sweep",
        "mixed",
        "--quick",
        "--detector",
        "deviation",
        "--detector",
        ROLLING_ZSCORE,
    ]);
    let report = stdout(&[
        "run",
        "mixed",
        "--quick",
        "--detector",
        "deviation",
        "--detector",
        ROLLING_ZSCORE,
        "--csv-out",
        "-",
    ]);
    let own: Vec<_> = rows(&sweep).into_iter().filter(|row| row["multiplier"] == "1").collect();
    assert_eq!((own.len(), rows(&sweep).len()), (2, 2 * 41));
    for (own, row) in own.iter().zip(rows(&report)) {
        for column in [
            "detector",
            "threshold",
            "tp",
            "tn",
            "fp",
            "fn",
            "event_f1",
            "event_recall",
            "delay_p95",
        ] {
            assert_eq!(own[column], row[column], "{column}");
        }
        assert_eq!(own["false_alarms_per_series_day"], row["false_alarms_per_series_day"]);
    }
}

#[test]
fn a_sweep_of_the_benchmark_counts_its_points_at_each_threshold() {
    let folder = benchmark();
    let root = folder.path().to_str().unwrap();
    let source = ["--nab", root, "--detector", ROLLING_ZSCORE];
    let sweep = rows(&stdout(&[&["sweep", "--multipliers", "1,1000"], &source[..]].concat()));
    let report = rows(&stdout(&[&["score", "--csv-out", "-"], &source[..]].concat()));
    assert_eq!(sweep[0]["nab_standard"], report[0]["nab_standard_shipped"]);
    assert_eq!(sweep[1]["nab_standard"], "0", "nothing passes a threshold that high");
    assert_eq!(sweep[0]["kpi_f1"], "");
}

#[test]
fn a_sweep_by_the_rule_of_the_competition_judges_second_halves() {
    let folder = benchmark();
    let file = folder.path().join("data/one/a.csv");
    let labeled: Vec<String> = read(&file)
        .lines()
        .enumerate()
        .map(|(i, line)| match i {
            0 => format!("{line},label"),
            i => format!("{line},{}", u8::from((100..104).contains(&i) || (301..305).contains(&i))),
        })
        .collect();
    std::fs::write(&file, labeled.join("\n")).unwrap();
    let source = ["--csv", file.to_str().unwrap(), "--kpi", "--detector", ROLLING_ZSCORE];
    let sweep = rows(&stdout(&[&["sweep", "--multipliers", "1"], &source[..]].concat()));
    let report = rows(&stdout(&[&["score", "--csv-out", "-"], &source[..]].concat()));
    assert_eq!(sweep[0]["kpi_f1"], report[0]["kpi_f1_shipped"]);
    assert_ne!(sweep[0]["kpi_f1"], "");
}

#[test]
fn a_sweep_refuses_what_it_cannot_mean() {
    let cases: [(&[&str], i32, &str); 4] = [
        (&["sweep", "spike", "--multipliers", "0"], 3, "`--multipliers 0`"),
        (&["sweep", "spike", "--multipliers", "high"], 2, "high"),
        (&["sweep", "spike", "--csv", "a.csv"], 2, "cannot be used"),
        (&["sweep", "--from-scores", "folder"], 3, "`--from-scores` needs"),
    ];
    for (arguments, code, words) in cases {
        let (actual, stderr) = failure(arguments);
        assert!(actual == code && stderr.contains(words), "{arguments:?}: {actual} {stderr}");
    }
}
