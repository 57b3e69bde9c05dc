//! Tests of stored rows, with a test server for DynamoDB that validates like AWS.

use std::process::{Command, Output};

use aws::testbed::{DynamoServer, StandIn};

const TABLE: &str = "tidemark";
const DETECTORS: [&str; 2] = ["zscore:window=50,threshold=3", "silent"];

fn evaluator(server: &DynamoServer, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evaluator"));
    command.args(arguments).envs(server.vars(TABLE)).output().unwrap()
}

fn rows(server: &DynamoServer, arguments: &[&str]) -> Vec<String> {
    let output = evaluator(server, &[&["records", TABLE, "--csv-out", "-"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().skip(1).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_measurement_is_stored_once_and_shown_again() {
    let server = DynamoServer::start(StandIn::Dynalite);
    server.create_table(TABLE).await;
    assert_eq!(rows(&server, &[]), Vec::<String>::new());
    let run = |seed: &str| {
        let [one, two] = DETECTORS.map(|detector| ["--detector", detector]);
        let options = ["--quick", "--untimed", "--record", TABLE, "--csv-out", "-", "--seed", seed];
        let output = evaluator(&server, &[&["run", "spike"], &one[..], &two, &options].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let printed = run("0");
    run("0");
    let stored = rows(&server, &[]);
    assert_eq!(stored.len(), 2, "a repeated measurement replaces itself: {stored:?}");
    // All numbers are those that were printed; only the name is longer.
    for line in printed.lines().skip(1) {
        let figures = line.strip_prefix("spike,").unwrap();
        assert!(stored.iter().any(|row| row.ends_with(figures)), "{figures} in {stored:?}");
    }
    run("1");
    assert_eq!(rows(&server, &[]).len(), 4);
    assert_eq!(rows(&server, &["--detector", DETECTORS[1]]).len(), 2);
    assert_eq!(rows(&server, &["--dataset", "dip"]).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_table_is_named() {
    let server = DynamoServer::start(StandIn::Dynalite);
    let output = evaluator(&server, &["records", "nowhere"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("read the records in `nowhere`: history refuses"), "{stderr}");
}
