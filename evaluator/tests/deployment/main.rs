//! End-to-end promises to senders: real processes, a real Redis, whole series replayed.
//!
//! The promises are those of `service/tests/promises.rs`, here through sockets, JSON, several replicas and the crash of
//! one. The functions are the binaries beside the evaluator's own, from `cargo build --workspace`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]
#![expect(clippy::print_stdout, reason = "the summary of a replay is useful for passed tests, too")]

mod input;
mod load;
mod system;

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use self::input::Input;
use self::system::{System, evaluator, spawn_evaluator, wait_for};

/// Length of a window.
const WINDOW_KEPT: usize = 128;

/// Batches of ten in an order that the window nearly bridges: 8 in flight and a delay of 4 are 120 samples.
const DISORDER: [&str; 8] =
    ["--batch", "10", "--writers", "8", "--shuffle-seed", "1", "--shuffle-within", "4"];

/// A row of a file of verdicts: time, value, verdict, score. Numbers are bits, and a score has those of the JSON.
type Row = (i64, u64, String, u32);

fn replay_arguments(urls: &[String], input: &Input, options: &[&str]) -> Vec<String> {
    let fixed = ["replay", "--json", "--metric", &input.metric].map(str::to_owned);
    let options = options.iter().map(|option| (*option).to_owned());
    fixed.into_iter().chain(urls.to_vec()).chain(input.arguments.clone()).chain(options).collect()
}

/// The summary of a replay that delivered everything without a difference.
fn summary(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Replays a series and answers the summary.
fn replay(system: &System, input: &Input, options: &[&str]) -> Value {
    summary(&evaluator(&replay_arguments(&system.urls(), input, options)))
}

/// Prints the summary of a replay in one line.
fn print(what: &str, input: &Input, summary: &Value) {
    let of = |name: &str| summary[name].to_string();
    let events = &summary["quality"]["events"];
    println!(
        "{what}, {}: {} accepted, {} late, {} too old, {} verdicts, {} repeated requests, {:.2} s; \
         caught {} of {}, {} false runs, event F1 {}; samples {}",
        input.metric,
        of("accepted"),
        of("late"),
        of("too_old"),
        of("verdicts"),
        of("retries"),
        summary["seconds"].as_f64().unwrap(),
        events["caught"],
        events["n_events"],
        events["false_runs"],
        events["f1"],
        summary["quality"]["point"],
    );
}

fn count(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {value}"))
}

/// Asserts that each sample was accepted, duplicate or too old, exactly once.
fn nothing_is_lost(input: &Input, summary: &Value) {
    let ends = ["accepted", "duplicates", "too_old"].map(|name| count(summary, name));
    assert_eq!(ends.iter().sum::<u64>(), input.samples().len() as u64, "{summary}");
    assert_eq!((&summary["rejected"], &summary["undelivered"]), (&json!({}), &json!(0)));
}

/// Asserts that the window holds the newest samples, in any order of arrival.
fn the_newest_are_kept(system: &System, input: &Input) {
    let samples = input.samples();
    assert_eq!(system.window(&input.metric), samples[samples.len() - WINDOW_KEPT..]);
}

fn column<T: std::str::FromStr<Err: std::fmt::Debug>>(record: &csv::StringRecord, i: usize) -> T {
    record[i].parse().unwrap()
}

/// The rows of a file that `replay` or `score` wrote; `unit_us` is that of its times.
fn rows(path: &Path, unit_us: f64) -> Vec<Row> {
    let row = |record: csv::StringRecord| {
        let at_us = (column::<f64>(&record, 0) * unit_us).round() as i64;
        let (value, score) = (column::<f64>(&record, 1), column::<f64>(&record, 3));
        (at_us, value.to_bits(), record[2].to_owned(), (score as f32).to_bits())
    };
    csv::Reader::from_path(path).unwrap().records().map(|record| row(record.unwrap())).collect()
}

/// All signals: the largest memory.
const EVERY_SIGNAL: &str = "tidemark:signals=deviation+shift+variance+flat+gap+novelty";

/// Verdicts of the detector in the process of the evaluator.
fn offline(input: &Input, detector: &str, folder: &Path) -> Vec<Row> {
    let path = folder.join("offline.csv");
    let (csv, verdicts) = (input.csv.to_string_lossy(), path.to_string_lossy());
    let detector = ["--detector", detector];
    let output =
        evaluator(&[&["score", "--csv", &csv, "--verdicts", &verdicts][..], &detector].concat());
    assert!(output.status.success(), "{output:?}");
    rows(&path, 1e3)
}

fn verdicts_in_order_are_the_detectors(n_replicas: usize, detector: &str, batch: &str) {
    let folder = tempfile::tempdir().unwrap();
    let system = System::with_detector(n_replicas, detector);
    for input in Input::all(folder.path()) {
        let expected = offline(&input, detector, folder.path());
        let path = folder.path().join("deployed.csv");
        let verdicts = path.to_string_lossy();
        let options = ["--compare", detector, "--batch", batch, "--verdicts", verdicts.as_ref()];
        let summary = replay(&system, &input, &options);
        print("in order", &input, &summary);
        let n = input.samples().len();
        assert_eq!((count(&summary, "accepted"), count(&summary, "late")), (n as u64, 0));
        assert_eq!(summary["comparison"], json!({"compared": n, "differing": 0}));
        assert!(expected.iter().any(|row| row.2 == "anomaly"), "{} has no anomaly", input.metric);
        let deployed = rows(&path, 1.0);
        assert_eq!(deployed.len(), n);
        if let Some(i) = (0..n).find(|i| deployed[*i] != expected[*i]) {
            panic!("{} row {i}: {:?}, not {:?}", input.metric, deployed[i], expected[i]);
        }
    }
}

#[test]
fn in_order_verdicts_of_one_replica_are_the_detectors_bit_for_bit() {
    verdicts_in_order_are_the_detectors(1, "traffic", "100");
}

#[test]
fn in_order_verdicts_of_three_replicas_are_the_detectors_bit_for_bit() {
    verdicts_in_order_are_the_detectors(3, EVERY_SIGNAL, "10");
}

#[test]
fn eight_writers_on_three_replicas_store_each_sample_once() {
    let folder = tempfile::tempdir().unwrap();
    let system = System::start(3);
    for input in Input::all(folder.path()) {
        let summary = replay(&system, &input, &DISORDER);
        print("in disorder", &input, &summary);
        nothing_is_lost(&input, &summary);
        the_newest_are_kept(&system, &input);
        let state = system.analyze(&input.metric).unwrap();
        assert_eq!((count(&summary, "duplicates"), count(&state, "pending")), (0, 0));
        assert_eq!(count(&state, "judged_count"), count(&summary, "accepted"));
        // If another writer judged a sample and the window no longer holds it, the answer does not include lateness.
        let late = count(&summary, "late");
        assert!((1..=count(&state, "late_count")).contains(&late), "{summary}");
    }
}

#[test]
fn a_series_replayed_three_times_changes_nothing_after_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let system = System::start(3);
    let input = Input::generated(folder.path());
    let n = input.samples().len();
    assert_eq!(count(&replay(&system, &input, &DISORDER), "duplicates"), 0);
    let (state, totals) = (system.analyze(&input.metric), system.totals());
    for _ in 0..2 {
        let again = replay(&system, &input, &DISORDER);
        let ends = ["accepted", "late", "duplicates", "too_old"].map(|name| count(&again, name));
        assert_eq!(ends, [0, 0, WINDOW_KEPT as u64, (n - WINDOW_KEPT) as u64]);
        assert_eq!(again["rejected"], json!({}));
        assert_eq!(
            (system.analyze(&input.metric), system.totals()),
            (state.clone(), totals.clone())
        );
        the_newest_are_kept(&system, &input);
    }
}

#[test]
fn a_replica_that_is_killed_during_a_replay_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut system = System::start(3);
    let input = Input::generated(folder.path());
    let n = input.samples().len() as u64;
    // Three days in six seconds, so that the kill is in the middle.
    let paced = [&DISORDER[..], &["--speed-up", "43200"]].concat();
    let running = spawn_evaluator(&replay_arguments(&system.urls(), &input, &paced));
    let judged = || system.analyze(&input.metric).map_or(0, |state| count(&state, "judged_count"));
    let n_before =
        wait_for("a third is judged", || Some(judged()).filter(|judged| *judged >= n / 3));
    system.kill(1);
    let summary = summary(&running.wait_with_output().unwrap());
    print("a replica killed", &input, &summary);

    assert!(n_before < n && count(&summary, "retries") > 0, "{summary}");
    nothing_is_lost(&input, &summary);
    the_newest_are_kept(&system, &input);
    // Samples that the killed replica stored without an answer are duplicates or too old in the retry.
    let judged_count = count(&system.analyze(&input.metric).unwrap(), "judged_count");
    assert!((count(&summary, "accepted")..=n).contains(&judged_count), "{judged_count}: {summary}");
    assert!(judged_count + count(&summary, "too_old") >= n, "{judged_count}: {summary}");
}

#[test]
fn a_refused_request_ends_a_replay_with_3() {
    let folder = tempfile::tempdir().unwrap();
    let system = System::start(0);
    let input = Input::generated(folder.path());
    let output = evaluator(&replay_arguments(&system.url_of_analyze(), &input, &[]));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("answered 404: route_unknown"), "{stderr}");
}
