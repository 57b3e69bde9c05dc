//! Load on a real deployment: accepted samples are stored, and a missed limit is exit code 1.

use serde_json::Value;

use crate::system::{System, evaluator};

fn load(system: &System, options: &[&str]) -> (std::process::Output, Value) {
    let folder = tempfile::tempdir().unwrap();
    let [json, html] = ["load.json", "load.html"].map(|name| folder.path().join(name));
    let fixed = ["load", "--json", json.to_str().unwrap(), "--html", html.to_str().unwrap()];
    let redis = ["--redis".to_owned(), system.redis_url()];
    let arguments: Vec<String> = fixed
        .iter()
        .chain(options)
        .map(|option| (*option).to_owned())
        .chain(system.urls())
        .chain(redis)
        .collect();
    let output = evaluator(&arguments);
    let record = std::fs::read(&json).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let page = std::fs::read_to_string(&html).unwrap();
    for loading in [" src=", "href=\"http", "url(", "@import", "fetch("] {
        assert!(!page.contains(loading), "{loading}");
    }
    (output, serde_json::from_slice(&record).unwrap())
}

#[test]
fn the_record_agrees_with_the_store_and_a_missed_limit_is_an_exit_code() {
    let system = System::start(1);
    let options = ["--rate", "50", "--seconds", "3", "--batch", "10", "--series", "20"];
    let limits = ["--max-p99", "5000", "--max-error-rate", "0", "--min-rate", "25"];
    let (output, record) = load(&system, &[&options[..], &limits[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?} {record}");
    let total = &record["total"];
    assert_eq!((total["due"].as_u64(), total["ok"].as_u64()), (Some(150), Some(150)));
    assert_eq!(total["accepted"].as_u64(), Some(1_500));
    assert_eq!(system.n_accepted(), 1_500);
    // The process behind the port was found, and so was what Redis did.
    let watched = record["watched"][0].as_str().unwrap();
    assert!(watched.starts_with("ingest"), "{watched}");
    let cost = &total["cost"];
    assert!(cost["server_bytes"].as_u64().unwrap() > 1 << 20, "{cost}");
    assert!(cost["redis_scripts_per_s"].as_f64().unwrap() > 10.0, "{cost}");
    assert!(record["ticks"].as_array().unwrap().len() >= 2, "{record}");

    let (output, record) = load(&system, &["hot", "--seconds", "1", "--max-p99", "0.0001"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("MISSED  p99 at most 0.0001 ms"));
    assert_eq!(record["total"]["error_rate"], 0.0);
    assert!(record["total"]["accepted"].as_u64() > Some(64));
}
