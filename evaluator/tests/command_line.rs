//! Command-line tests: arguments in, stdout, stderr and exit code out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

#[path = "command_line/bad_input.rs"]
mod bad_input;
#[path = "command_line/promise.rs"]
mod promise;
#[path = "command_line/records.rs"]
mod records;
#[path = "command_line/scores.rs"]
mod scores;
#[path = "command_line/sweep.rs"]
mod sweep;
#[path = "command_line/tune.rs"]
mod tune;

const ROLLING_ZSCORE: &str = "zscore:window=50,threshold=2,self=included";

fn evaluator(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_evaluator")).args(arguments).output().unwrap()
}

fn stdout(arguments: &[&str]) -> String {
    let output = evaluator(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Exit code and stderr of a command that fails; nothing may be on stdout.
fn failure(arguments: &[&str]) -> (i32, String) {
    let output = evaluator(arguments);
    assert!(output.stdout.is_empty(), "{arguments:?}");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_string_lossy().into_owned()
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    std::fs::write(folder.path().join(name), text).unwrap();
    path(folder, name)
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn help_documents_exit_codes() {
    let help = stdout(&["--help"]);
    for words in
        ["Exit codes:", "0  success", "1  a limit was missed", "2  wrong", "3  data", "4  a report"]
    {
        assert!(help.contains(words), "{words}: {help}");
    }
}

#[test]
fn list_is_csv_of_scenarios_and_detectors() {
    let list = stdout(&["list"]);
    assert!(list.starts_with("what,name,analysis\nscenario,regular_spikes,"), "{list}");
    assert!(list.contains("detector,silent,") && list.contains("scenario,wrong_time,"));
}

#[test]
fn generated_series_can_be_scored_and_the_same_seed_makes_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let out = path(&folder, "series");
    let first = stdout(&["generate", "spike", "--series", "2", "--seed", "3"]);
    assert_eq!(first, stdout(&["generate", "spike", "--series", "2", "--seed", "3"]));
    assert_ne!(first, stdout(&["generate", "spike", "--series", "2", "--seed", "4"]));
    assert!(first.starts_with("series,timestamp,value,label,kind\nspike_poisson_0,1699920000,"));
    assert_eq!(stdout(&["generate", "spike", "--series", "2", "--seed", "3", "--out", &out]), "");
    let file = write(&folder, "all.csv", &first);
    let score = |source: &[&str]| {
        let rest = ["--detector", ROLLING_ZSCORE, "--untimed", "--csv-out", "-"];
        let text = stdout(&[&["score"], source, &rest].concat());
        text.lines().nth(1).unwrap().split_once(',').unwrap().1.to_owned()
    };
    assert_eq!(score(&["--folder", &out]), score(&["--csv", &file]));
}

#[test]
fn the_rolling_zscore_gets_its_published_test_exactly_right() {
    let json = stdout(&["run", "regular_spikes", "--detector", ROLLING_ZSCORE, "--json", "-"]);
    let record: serde_json::Value = serde_json::from_str(&json).unwrap();
    let expected = serde_json::json!({"tp": 180, "tn": 1620, "fp": 0, "fn": 0});
    assert_eq!(record["rows"][0]["point"], expected);
}

#[test]
fn the_same_command_makes_the_same_record() {
    let command = ["run", "mixed", "poison", "--quick", "--seed", "9", "--untimed", "--json", "-"];
    assert_eq!(stdout(&command), stdout(&command));
}

#[test]
fn a_table_is_readable_at_120_columns_without_color() {
    let table = stdout(&["run", "mixed", "regular_spikes", "--quick"]);
    for line in table.lines().filter(|line| !line.starts_with("evaluator ")) {
        assert!(line.chars().count() <= 120, "{line}");
    }
    assert!(!table.contains('\u{1b}'));
    for words in [
        "caught",
        "precision",
        "FPR",
        "false/day",
        "TP",
        "accuracy",
        "delay",
        "silent",
        "random",
        "Cold start",
    ] {
        assert!(table.contains(words), "{words}");
    }
}

#[test]
fn a_record_is_converted_to_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let (json, csv, html) =
        (path(&folder, "r.json"), path(&folder, "r.csv"), path(&folder, "r.html"));
    let markdown = path(&folder, "r.md");
    let forms = ["--json", &json, "--csv", &csv, "--markdown", &markdown, "--html", &html];
    assert_eq!(stdout(&[&["run", "regular_spikes", "mixed", "--quick"], &forms[..]].concat()), "");
    assert_eq!(stdout(&["report", &json, "--csv", "-"]), read(&csv));
    assert_eq!(stdout(&["report", &json, "--markdown", "-"]), read(&markdown));
    assert_eq!(stdout(&["report", &json, "--html", "-"]), read(&html));
    assert_eq!(stdout(&["report", &json, "--json", "-"]), read(&json));
    assert_eq!(read(&csv).lines().count(), 1 + 2 * 6);
}

#[test]
fn a_gate_passes_or_fails_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let json = path(&folder, "r.json");
    stdout(&["run", "regular_spikes", "--json", &json]);
    let gate = |limits: &[&str]| {
        let output =
            evaluator(&[&["gate", json.as_str(), "--detector", ROLLING_ZSCORE], limits].concat());
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = gate(&["event_f1>=1", "fp<=0"]);
    assert_eq!((code, text.lines().count()), (0, 3), "{text}");
    let (code, text) = gate(&["recall>=0.5", "accuracy<=0.5"]);
    assert_eq!(code, 1);
    assert!(text.starts_with("scenario,detector,limit,value,met\n"), "{text}");
    assert!(text.contains("recall>=0.5,1,yes") && text.contains("accuracy<=0.5,1,no"), "{text}");
    assert_eq!(gate(&["nab_standard>=0"]).0, 1, "an undefined number meets no limit");
    assert_eq!(gate(&["beauty>=1"]).0, 2);
    assert_eq!(failure(&["gate", &json, "--detector", "ewma:alpha=0.5", "fp<=0"]).0, 3);
}

#[test]
fn two_records_are_compared_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (path(&folder, "old.json"), path(&folder, "new.json"));
    let run = ["run", "mixed", "--quick", "--untimed", "--detector", "deviation"];
    stdout(&[&run[..], &["--json", &old]].concat());
    stdout(&[&run[..], &["--seed", "5", "--json", &new]].concat());
    let same = stdout(&["compare", &old, &old]);
    assert_eq!(same.lines().count(), 1, "{same}");
    let output = evaluator(&["compare", &old, &new]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with(
            "scenario,detector,column,old,new,difference_low,difference_high\nmixed,\"deviation:"
        ),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn two_detectors_on_the_same_series_differ_by_an_interval() {
    let folder = tempfile::tempdir().unwrap();
    let json = path(&folder, "r.json");
    let detectors = ["--detector", "silent", "--detector", "robust"];
    stdout(&[&["run", "mixed", "--quick", "--untimed", "--json", &json], &detectors[..]].concat());
    let robust = stdout(&["report", &json, "--csv", "-"]).lines().nth(2).unwrap().to_owned();
    let robust = robust.split('"').nth(1).unwrap();
    let compare = ["compare", &json, &json, "--old-detector", "silent", "--new-detector"];
    let output = evaluator(&[&compare[..], &[robust]].concat());
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains(",event_recall,0,")).unwrap();
    let ends: Vec<f64> = line.rsplit(',').take(2).map(|end| end.parse().unwrap()).collect();
    assert!(0.0 < ends[1] && ends[1] < ends[0], "{line}");
    assert_eq!(failure(&[&compare[..], &["absent"]].concat()).0, 3);
}

#[test]
fn tables_are_spliced_between_markers() {
    let folder = tempfile::tempdir().unwrap();
    let readme =
        write(&folder, "R.md", "a\n<!-- evaluator:begin x -->\nold\n<!-- evaluator:end x -->\nb\n");
    let run = ["run", "regular_spikes", "--splice", readme.as_str()];
    assert_eq!(stdout(&[&run[..], &["x"]].concat()), "");
    let spliced = read(&readme);
    assert!(
        spliced.starts_with("a\n<!-- evaluator:begin x -->\n```sh\nevaluator run regular_spikes"),
        "{spliced}"
    );
    assert!(
        spliced.ends_with("<!-- evaluator:end x -->\nb\n")
            && spliced.contains("| caught |")
            && !spliced.contains("\nold\n")
    );
    assert_eq!(failure(&[&run[..], &["y"]].concat()).0, 3);
    assert_eq!(read(&readme), spliced);
}

#[test]
fn verdicts_of_every_row_are_printed_also_for_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let value = |i: i64| if i == 90 { 500 } else { 100 + i % 3 };
    let row = |i: i64| format!("{},{},0\n", 1_700_000_000 + i * 60, value(i));
    let rows = (0..100).map(row).collect::<Vec<_>>().concat();
    let file = write(&folder, "a.csv", &format!("timestamp,value,label\n{rows}1700006000,nan,0\n"));
    let verdicts = stdout(&["score", "--csv", &file, "--verdicts", "-"]);
    let lines: Vec<&str> = verdicts.lines().collect();
    assert_eq!(lines.len(), 102);
    assert_eq!(
        (lines[0], lines[1]),
        ("timestamp,value,verdict,score,episode", "1700000000000,100,learning,0,")
    );
    assert!(lines[91].starts_with("1700005400000,500,anomaly,"), "{}", lines[91]);
    assert!(lines[91].ends_with(",1700005400000"), "the episode starts there: {}", lines[91]);
    assert_eq!(lines[101], "1700006000000,NaN,not_a_sample,0,");
    let mut child = Command::new(env!("CARGO_BIN_EXE_evaluator"))
        .args(["score", "--csv", "-", "--verdicts", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(read(&file).as_bytes()).unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, verdicts.as_bytes());
}

#[test]
fn irregular_rows_are_warnings_on_stderr_and_counted_on_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(
        &folder,
        "a.csv",
        "timestamp,value,label\n100,1,0\n100,2,0\n50,nan,1\n200,1,0\n300,1,0\n",
    );
    let output = evaluator(&["score", "--csv", &file, "--csv-out", "-"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && stderr.contains("a.csv` line 3: 1 rows repeat"), "{stderr}");
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("scenario,detector,"));
}

#[test]
fn wrong_arguments_exit_with_2_and_unusable_input_with_3() {
    let folder = tempfile::tempdir().unwrap();
    let no_column = write(&folder, "a.csv", "when,value\n1,2\n");
    let empty = write(&folder, "b.csv", "");
    let bad_label = write(&folder, "c.csv", "timestamp,value,label\n1,2,0\n2,3,x\n");
    let scenario = write(&folder, "s.toml", "analysis = 'x'\ntypo = 1\n");
    let nothing = path(&folder, "nothing");
    let cases: [(&[&str], i32, &str); 13] = [
        (&[], 2, "Usage"),
        (&["run", "--detector", "zscore:windw=5"], 2, "windw"),
        (&["score"], 2, "--csv"),
        (&["score", "--csv", &no_column, "--folder", &nothing], 2, "cannot be used"),
        (&["run", "no_such_scenario"], 3, "no_such_scenario"),
        (&["run", &scenario], 3, "typo"),
        (&["score", "--csv", &no_column], 3, "`timestamp`"),
        (&["score", "--csv", &empty], 3, "no rows"),
        (&["score", "--csv", &bad_label], 3, "line 3: label `x`"),
        (&["score", "--folder", &nothing], 3, "nothing"),
        (&["score", "--nab", &nothing], 3, "combined_windows.json"),
        (&["report", &no_column], 3, "parse record"),
        (&["generate", "spike", "--series", "0"], 3, "`--series` is out of range"),
    ];
    for (arguments, code, words) in cases {
        let (actual, stderr) = failure(arguments);
        assert_eq!(actual, code, "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_report_that_cannot_be_written_exits_with_4() {
    let (code, stderr) = failure(&["run", "regular_spikes", "--json", "/no/such/folder/r.json"]);
    assert_eq!(code, 4, "{stderr}");
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_evaluator"))
        .args(["generate", "spike"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
}
