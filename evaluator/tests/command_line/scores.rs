//! Scores as files: what `score --write-scores` writes, and what `score --from-scores` accepts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{ROLLING_ZSCORE, failure, path, read, stdout, write};

/// A folder in the layout of the benchmark: two series of 400 rows, each with one window.
pub(crate) fn benchmark() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["one/a.csv", "two/a.csv"] {
        let path = folder.path().join("data").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let value = |i: usize| if (300..304).contains(&i) { 900 } else { 100 + i * 7 % 13 };
        let row =
            |i: usize| format!("2020-01-{:02} {:02}:00:00,{}\n", 1 + i / 24, i % 24, value(i));
        let rows = (0..400).map(row).collect::<Vec<_>>().concat();
        fs::write(path, format!("timestamp,value\n{rows}")).unwrap();
    }
    let window = r#"[["2020-01-13 06:00:00", "2020-01-13 18:00:00"]]"#;
    fs::create_dir_all(folder.path().join("labels")).unwrap();
    let labels = format!(r#"{{"one/a.csv": {window}, "two/a.csv": {window}}}"#);
    fs::write(folder.path().join("labels/combined_windows.json"), labels).unwrap();
    folder
}

/// The line of a contender in a CSV report, by column.
pub(crate) fn line_of(report: &str, contender: &str) -> BTreeMap<String, String> {
    let mut lines = csv::Reader::from_reader(report.as_bytes());
    let header = lines.headers().unwrap().clone();
    let line = lines.records().map(Result::unwrap).find(|line| &line[1] == contender).unwrap();
    header.iter().zip(&line).map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

#[test]
fn written_scores_are_scored_like_the_detector_that_wrote_them() {
    let folder = benchmark();
    let [root, one] = ["", "data/one"].map(|name| path(&folder, name));
    let file = path(&folder, "data/one/a.csv");
    for (i, source) in [["--nab", &root], ["--folder", &one], ["--csv", &file]].iter().enumerate() {
        let out = path(&folder, &format!("scores{i}"));
        let rest = ["--untimed", "--csv-out", "-", "--detector", ROLLING_ZSCORE];
        let score = [&["score"], &source[..], &rest].concat();
        let report = stdout(&[&score[..], &["--write-scores", &out]].concat());
        let mut own = line_of(&report, ROLLING_ZSCORE);
        let report = stdout(&[&score[..], &["--from-scores", &format!("stored={out}")]].concat());
        let mut stored = line_of(&report, "stored");
        assert_ne!([&own["tp"], &own["fp"]], ["0", "0"], "the detector has alarms");
        // A stored score of 0 may be that of a detector that judged, so it counts as judged.
        let counted = ["tn", "accuracy", "false_positive_rate", "mcc"];
        for column in ["detector", "threshold", "bytes_per_series"].iter().chain(&counted) {
            own.remove(*column);
            stored.remove(*column);
        }
        assert_eq!(own, stored, "{source:?}");
    }
}

#[test]
fn scores_are_never_written_through_a_symbolic_link() {
    let folder = benchmark();
    let root = path(&folder, "");
    let victim = write(&folder, "victim", "as it was");
    let target = folder.path().join("elsewhere");
    fs::create_dir_all(&target).unwrap();
    for (link, to) in [("scores/one/a.csv", Path::new(&victim)), ("links/one", target.as_path())] {
        let link = folder.path().join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(to, &link).unwrap();
    }
    for out in ["scores", "links"] {
        let arguments = ["score", "--nab", &root, "--detector", "silent", "--write-scores"];
        let (code, stderr) = failure(&[&arguments[..], &[&path(&folder, out)]].concat());
        assert!(code == 4 && stderr.contains("symbolic link"), "{stderr}");
    }
    assert_eq!(read(&victim), "as it was");
    assert_eq!(fs::read_dir(target).unwrap().count(), 0);
}

#[test]
fn scores_of_rows_in_another_order_belong_to_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<String> = (0..50).map(|i| format!("{},{}", 100 + i, i % 5)).collect();
    let reversed: Vec<String> = rows.iter().rev().cloned().collect();
    let scores: Vec<String> =
        (0..50).rev().map(|i| format!("{},{}", 100 + i, u8::from(i == 30) * 2)).collect();
    fs::create_dir_all(folder.path().join("stored")).unwrap();
    write(&folder, "stored/a.csv", &format!("timestamp,anomaly_score\n{}\n", scores.join("\n")));
    let file = write(&folder, "a.csv", &format!("timestamp,value\n{}\n", reversed.join("\n")));
    let stored = path(&folder, "stored");
    let verdicts = stdout(&["score", "--csv", &file, "--from-scores", &stored, "--verdicts", "-"]);
    let anomalies: Vec<&str> = verdicts.lines().filter(|line| line.contains("anomaly")).collect();
    assert_eq!(anomalies, ["130000,0,anomaly,2,130000"]);
}

#[test]
fn scores_keep_the_folders_the_rows_and_the_texts_of_times() {
    let folder = benchmark();
    let (root, out) = (folder.path().to_str().unwrap(), path(&folder, "scores"));
    let detectors = ["--detector", "zscore", "--detector", "silent", "--write-scores", &out];
    stdout(&[&["score", "--nab", root], &detectors[..]].concat());
    let out = Path::new(&out);
    for name in ["one/a.csv", "two/a.csv"] {
        let (data, silent) =
            (read(folder.path().join("data").join(name)), read(out.join("silent").join(name)));
        let times = |text: &str| -> Vec<String> {
            text.lines().skip(1).map(|line| line.split_once(',').unwrap().0.to_owned()).collect()
        };
        assert_eq!(times(&silent), times(&data));
        assert!(silent.starts_with("timestamp,anomaly_score\n2020-01-01 00:00:00,0\n"), "{silent}");
    }
    let mut folders: Vec<String> = fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders.len(), 2, "{folders:?}");
    assert!(folders[1].starts_with("zscore_window_50_"), "{folders:?}");
}

#[test]
fn a_written_score_is_above_one_exactly_at_the_alarms() {
    let folder = benchmark();
    let out = path(&folder, "scores");
    let file = folder.path().join("data/one/a.csv");
    let arguments = ["score", "--csv", file.to_str().unwrap(), "--detector", "zscore"];
    stdout(&[&arguments[..], &["--write-scores", &out]].concat());
    let verdicts = stdout(&[&arguments[..], &["--verdicts", "-"]].concat());
    let scores = read(Path::new(&out).join("a.csv"));
    let mut n_alarms = 0;
    for (verdict, score) in verdicts.lines().zip(scores.lines()).skip(1) {
        let is_alarm = verdict.contains(",anomaly,");
        n_alarms += usize::from(is_alarm);
        let score: f64 = score.split_once(',').unwrap().1.parse().unwrap();
        assert_eq!(score > 1.0, is_alarm, "{verdict} {score}");
        assert!(!verdict.contains(",learning,") || score == 0.0, "{verdict} {score}");
    }
    assert!((1..50).contains(&n_alarms), "{n_alarms}");
}

#[test]
fn a_series_of_a_common_file_has_a_file_of_scores_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(
        &folder,
        "all.csv",
        "series,timestamp,value,label\na,1,1,0\nb,1,5,0\na,2,1,1\nb,2,5,0\n",
    );
    let out = path(&folder, "scores");
    stdout(&["score", "--csv", &file, "--detector", "silent", "--write-scores", &out]);
    assert_eq!(read(Path::new(&out).join("all/a.csv")), "timestamp,anomaly_score\n1,0\n2,0\n");
    stdout(&["score", "--csv", &file, "--detector", "ewma", "--from-scores", &out]);
}

#[test]
fn scores_that_do_not_fit_the_data_are_named_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = write(&folder, "a.csv", "timestamp,value,label\n100,1,0\n200,2,1\n300,3,0\n");
    fs::create_dir(folder.path().join("s")).unwrap();
    let cases = [
        ("", "line 1: column `timestamp` is missing"),
        ("timestamp,score\n100,1\n", "line 1: column `anomaly_score` is missing"),
        (
            "timestamp,anomaly_score\n100,1\n200,1\n",
            "line 4: a row is missing: expected the score of `300`",
        ),
        ("timestamp,anomaly_score\n100,1\n200,1\n300,1\n400,1\n", "line 5: one row too many"),
        (
            "timestamp,anomaly_score\n100,1\n150,1\n300,1\n",
            "line 3: timestamp `150` differs from that of",
        ),
        ("timestamp,anomaly_score\n100,1\n200,high\n300,1\n", "line 3: anomaly_score `high`"),
        ("timestamp,anomaly_score\n100,1\n200,nan\n300,1\n", "line 3: anomaly_score `nan`"),
        ("timestamp,anomaly_score\n100,1\n200,\n300,1\n", "line 3: anomaly_score ``"),
    ];
    for (text, words) in cases {
        write(&folder, "s/a.csv", text);
        let (code, stderr) =
            failure(&["score", "--csv", &data, "--from-scores", &path(&folder, "s")]);
        assert_eq!(code, 3, "{stderr}");
        assert!(stderr.contains("s/a.csv") && stderr.contains(words), "{words}: {stderr}");
    }
    fs::remove_file(folder.path().join("s/a.csv")).unwrap();
    let (code, stderr) = failure(&["score", "--csv", &data, "--from-scores", &path(&folder, "s")]);
    assert!(code == 3 && stderr.contains("s/a.csv"), "{stderr}");
}

#[test]
fn the_threshold_of_stored_scores_decides_their_alarms() {
    let folder = tempfile::tempdir().unwrap();
    let lines = |text: &dyn Fn(i32) -> String| (0..40).map(text).collect::<Vec<_>>().concat();
    let rows = lines(&|i| format!("{},1,{}\n", i * 60, i32::from(i == 30)));
    let data = write(&folder, "a.csv", &format!("timestamp,value,label\n{rows}"));
    fs::create_dir(folder.path().join("s")).unwrap();
    let scores = lines(&|i| format!("{},{}\n", i * 60, if i == 30 { 0.9 } else { 0.5 }));
    write(&folder, "s/a.csv", &format!("timestamp,anomaly_score\n{scores}"));
    let from = format!("mine={}", path(&folder, "s"));
    let caught = |threshold: &str| {
        let arguments = ["score", "--csv", &data, "--detector", "silent", "--from-scores", &from];
        let rest = ["--from-threshold", threshold, "--csv-out", "-"];
        let text = stdout(&[&arguments[..], &rest].concat());
        let line = line_of(&text, "mine");
        ["tp", "tn", "fp", "fn"].map(|column| line[column].clone())
    };
    assert_eq!(caught("1"), [0, 33, 0, 1].map(|n| n.to_string()));
    assert_eq!(caught("0.8"), [1, 33, 0, 0].map(|n| n.to_string()));
    let twice = ["score", "--csv", &data, "--from-scores", &from, "--from-scores", &from];
    assert!(failure(&twice).1.contains("two contenders are called `mine`"));
    let zero = ["score", "--csv", &data, "--from-scores", &from, "--from-threshold", "0"];
    assert_eq!(failure(&zero).0, 3);
}
