//! The corpus, every cut of it, and variations of it, through each entry point.
//!
//! A file of the corpus was thought of by somebody, or found by a search. Events and requests start from `events/`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

use std::fs;
use std::path::{Path, PathBuf};

use fuzz::{ENTRIES, Entry};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Variations of the corpus for each entry point.
const CASES: u32 = 512;

/// Longest file of which every cut is tried; of a longer one as many, evenly spread.
const CUTS_MAX: usize = 512;

fn entry(name: &str) -> Entry {
    ENTRIES.iter().find(|it| it.0 == name).expect("an entry point has that name").1
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

/// A memory as one is stored, of each detector.
fn memories() -> Vec<Vec<u8>> {
    let stored = |detector: &detector::Detector| {
        let mut judge = detector::Judge::new(*detector);
        for i in 0..200 {
            let value = if i % 41 == 40 { 900.0 } else { 100.0 + (i % 7) as f64 };
            judge.judge(domain::Sample::new(i * 60_000_000, value).unwrap());
        }
        judge.memory().encode()
    };
    detector::Detector::ALL.iter().map(stored).collect()
}

/// A few bytes replaced, put in, or taken away; sometimes the end cut off.
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
    let (entry, corpus) = (entry(name), corpus(name));
    for bytes in &corpus {
        let step = bytes.len() / CUTS_MAX + 1;
        (0..bytes.len()).step_by(step).for_each(|len| entry(&bytes[..len]));
        entry(bytes);
    }
    let config = ProptestConfig {
        cases: CASES,
        // What is found becomes a file of the corpus.
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
fn no_body_breaks_a_promise() {
    check("body");
}

#[test]
fn no_packed_body_breaks_a_promise() {
    check("packed");
}

#[test]
fn no_memory_breaks_a_promise() {
    check("memory");
}

#[test]
fn no_stored_text_breaks_a_promise() {
    check("stored");
}

#[test]
fn no_text_of_a_configuration_breaks_a_promise() {
    check("text");
}

#[test]
fn no_request_breaks_a_promise() {
    check("request");
}

#[test]
fn no_event_breaks_a_promise() {
    check("event");
}
