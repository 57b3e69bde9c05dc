//! The benchmark scorer against the published points of the benchmark.
//!
//! Scores the published scores of every row of several detectors at their published thresholds; the points must be
//! the published ones. The data is not part of the repository: `TIDEMARK_DATA` or `../shared/data` names it,
//! and without it the test prints that nothing was checked.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use quality::read::read_nab;
use quality::score::nab::{NabBoard, PROFILES};

/// Names of the profiles in the published files, in the order of `PROFILES`.
const PROFILE_NAMES: [&str; 3] = ["standard", "reward_low_FP_rate", "reward_low_FN_rate"];

/// Detector and published points by profile.
const PUBLISHED: [(&str, [f64; 3]); 3] = [
    ("ARTime", [74.85, 65.15, 80.36]),
    ("numenta", [70.10, 63.12, 74.32]),
    ("windowedGaussian", [39.65, 20.87, 47.41]),
];

/// Published points are rounded to two digits.
const TOLERANCE: f64 = 0.006;

/// The folder of labeled data, if it is on this machine.
fn data_folder() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "tests are configured by the environment only")]
    let named = std::env::var("TIDEMARK_DATA").ok().map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    named.or(Some(beside)).filter(|folder| folder.join("nab").is_dir())
}

/// The scores of every row of every file, in the order of rows.
fn published_scores(path: &Path) -> BTreeMap<String, Vec<f64>> {
    let mut packed = BufReader::new(fs::File::open(path).unwrap());
    let mut text = Vec::new();
    lzma_rs::xz_decompress(&mut packed, &mut text).unwrap();
    let mut scores: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for record in csv::Reader::from_reader(text.as_slice()).records() {
        let record = record.unwrap();
        scores.entry(record[0].to_owned()).or_default().push(record[2].parse().unwrap());
    }
    scores
}

#[test]
fn published_detectors_get_their_published_points() {
    let Some(data) = data_folder() else {
        println!("NOT CHECKED: no `nab` folder in $TIDEMARK_DATA or ../shared/data");
        return;
    };
    let benchmark = read_nab(&data.join("nab")).unwrap();
    let results = data.join("nab/results");
    let thresholds: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(results.join("thresholds.json")).unwrap())
            .unwrap();
    for (detector, points) in PUBLISHED {
        let scores = published_scores(&results.join(format!("{detector}.csv.xz")));
        let mut board = NabBoard::default();
        for series in &benchmark.series {
            board.add(series, scores[&series.name].iter().map(|score| (*score, false)));
        }
        for i in 0..PROFILES.len() {
            let threshold = thresholds[detector][PROFILE_NAMES[i]]["threshold"].as_f64().unwrap();
            let reproduced = board.points_at(PROFILES[i], threshold);
            println!("{detector} {}: {reproduced:.2}, published {}", PROFILE_NAMES[i], points[i]);
            assert!(
                (reproduced - points[i]).abs() < TOLERANCE,
                "{detector} {}: {reproduced}",
                PROFILE_NAMES[i]
            );
        }
        // The publisher searched thresholds in steps, so an exact search finds at least as much.
        let best = board.score(Default::default()).optimized.standard;
        assert!(best > points[0] - TOLERANCE, "{detector}: {best}");
    }
}
