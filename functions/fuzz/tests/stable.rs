//! Runs each entry point on its corpus, on every truncation, and on variations.
//!
//! The corpus contains designed cases and findings of searches; that of `event` includes `events/`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

use std::fs;
use std::path::{Path, PathBuf};

use domain::{Sample, SampleKind};
use fuzz::{ENTRY_POINTS, EntryPoint};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Number of variations for each entry point.
const CASES: u32 = 512;

/// Most truncations of a file, evenly spread.
const CUTS_MAX: usize = 512;

fn entry_point(name: &str) -> EntryPoint {
    ENTRY_POINTS.iter().find(|entry| entry.0 == name).expect("an entry point has that name").1
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.is_file() && !path.ends_with("README.md"));
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut corpus = files(&here.join("corpus").join(name));
    if name == "event" {
        corpus.extend(files(&here.join("../../events")));
    }
    if name == "memory" {
        corpus.extend(memories());
    }
    assert!(!corpus.is_empty(), "{name} has no corpus");
    corpus
}

/// Stored memory of each detector, for a gauge and for a counter.
fn memories() -> Vec<Vec<u8>> {
    let stored = |detector: &detector::Detector, kind: SampleKind| {
        let mut judge = detector::Judge::new(*detector);
        let mut total = 0.0;
        for i in 0..200 {
            let value = if i % 41 == 40 { 900.0 } else { 100.0 + (i % 7) as f64 };
            total += value;
            let value = if kind.is_counter() { total } else { value };
            judge.judge(Sample::of_kind(i * 60_000_000, value, kind).unwrap());
        }
        judge.memory().encode()
    };
    let kinds = [SampleKind::Gauge, SampleKind::Counter { started_at_us: Some(7) }];
    let detectors = detector::Detector::ALL.iter();
    detectors.flat_map(|detector| kinds.map(|kind| stored(detector, kind))).collect()
}

/// Replaces, inserts or removes a few bytes, and sometimes truncates.
fn variation(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), 0..4_usize, prop::collection::vec(any::<u8>(), 0..4));
    let edits = prop::collection::vec(edit, 0..8);
    let cut = prop::option::weighted(0.2, any::<prop::sample::Index>());
    (prop::sample::select(corpus), edits, cut).prop_map(|(mut bytes, edits, cut)| {
        for (at, n_removed, added) in edits {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..(at + n_removed).min(bytes.len()), added);
        }
        if let Some(len) = cut {
            bytes.truncate(len.index(bytes.len() + 1));
        }
        bytes
    })
}

fn check(name: &str) {
    let (entry, corpus) = (entry_point(name), corpus(name));
    for bytes in &corpus {
        let step = bytes.len() / CUTS_MAX + 1;
        (0..bytes.len()).step_by(step).for_each(|len| entry(&bytes[..len]));
        entry(bytes);
    }
    let config = ProptestConfig {
        cases: CASES,
        // Findings become files of the corpus instead.
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let bytes = prop_oneof![
        4 => variation(corpus),
        1 => prop::collection::vec(any::<u8>(), 0..600),
    ];
    TestRunner::new(config)
        .run(&bytes, |bytes| {
            entry(&bytes);
            Ok(())
        })
        .unwrap();
}

#[test]
fn body_holds_for_all_bytes() {
    check("body");
}

#[test]
fn packed_holds_for_all_bytes() {
    check("packed");
}

#[test]
fn memory_holds_for_all_bytes() {
    check("memory");
}

#[test]
fn stored_holds_for_all_bytes() {
    check("stored");
}

#[test]
fn text_holds_for_all_bytes() {
    check("text");
}

#[test]
fn request_holds_for_all_bytes() {
    check("request");
}

#[test]
fn event_holds_for_all_bytes() {
    check("event");
}

#[test]
fn http_event_holds_for_all_bytes() {
    check("http_event");
}

#[test]
fn remote_write_holds_for_all_bytes() {
    check("remote_write");
}

#[test]
fn otlp_holds_for_all_bytes() {
    check("otlp");
}

#[test]
fn line_protocol_holds_for_all_bytes() {
    check("line_protocol");
}

#[test]
fn delivery_holds_for_all_bytes() {
    check("delivery");
}
