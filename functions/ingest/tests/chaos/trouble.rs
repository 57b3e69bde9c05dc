//! Faults of Redis under writes: slow, silent, disconnected, restarted empty, out of memory, failed over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use store::Topology;
use store::testbed::{Proxy, RedisServer};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::account::{Balance, balance, finished, store};
use crate::client::{Answer, Client};
use crate::dice::Dice;
use crate::kit::{rounds, seed, wait_for};
use crate::process::Process;
use crate::report::Row;
use crate::workload::{Workload, sample};

/// Timeouts short enough for a test with many faults.
pub(crate) const IMPATIENT: [(&str, &str); 3] = [
    ("REDIS_RESPONSE_TIMEOUT_MS", "300"),
    ("REDIS_CONNECT_TIMEOUT_MS", "200"),
    ("REDIS_CIRCUIT_PAUSE_MS", "50"),
];

/// Lengths of the series of a workload.
pub(crate) fn lens(rounds: u64) -> [u64; 5] {
    [100, 128, 600 * rounds, 600 * rounds, 600 * rounds]
}

/// Sends a workload to two processes that share a store.
pub(crate) fn spawn_writers(
    workload: &Arc<Workload>,
    processes: &[Process],
    seed: u64,
) -> Vec<JoinHandle<()>> {
    let writer = |i: u64| {
        let workload = Arc::clone(workload);
        let address = processes[i as usize % processes.len()].address;
        tokio::spawn(async move { workload.send_all(Dice::new(seed, i), || address).await })
    };
    (0..6).map(writer).collect()
}

/// Starts two processes over a Redis, and a workload that both get.
pub(crate) fn start_writing(
    redis_url: &str,
    seed: u64,
) -> (Vec<Process>, Arc<Workload>, Vec<JoinHandle<()>>) {
    let processes: Vec<Process> = (0..2).map(|_| Process::start(redis_url, &IMPATIENT)).collect();
    let workload = Arc::new(Workload::new(&lens(rounds())));
    let writers = spawn_writers(&workload, &processes, seed);
    (processes, workload, writers)
}

/// Waits until a sample is acknowledged after a fault: faults without a pause would not measure the recovery.
pub(crate) async fn recovered(workload: &Workload) {
    wait_for("a sample is acknowledged again", async || {
        (workload.has_recovered() || !workload.is_unfinished()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_silent_or_broken_network_loses_no_sample() {
    let seed = seed("network");
    let mut dice = Dice::new(seed, 1_000);
    let redis = RedisServer::start();
    let network = Proxy::start(redis.port());
    let (_processes, workload, writers) = start_writing(&network.url(), seed);
    let mut kinds = BTreeSet::new();
    let mut faults = 0;
    while workload.is_unfinished() {
        sleep(Duration::from_millis(dice.roll(5..40))).await;
        let kind = dice.roll(0..8);
        match kind {
            0..3 => network.delay(Duration::from_millis([1, 5, 50][kind as usize])),
            3 => network.stall(),
            4 => network.refuse(),
            5 => network.cut(),
            _ => network.cut_mid_reply(dice.roll(1..5_000) as usize),
        }
        kinds.insert(kind);
        faults += 1;
        sleep(Duration::from_millis(dice.roll(5..60))).await;
        network.heal();
        workload.fault();
        recovered(&workload).await;
    }
    let row = finished(&workload, writers, (&redis.url(), Topology::Single), faults).await;
    assert!(kinds.len() > 3 && network.n_cut() > 0, "{kinds:?} show little");
    row.print("network to Redis");
}

/// Sends a batch of `n` samples of a series from `first` on.
async fn send(process: &Process, series: usize, range: std::ops::Range<u64>) -> Answer {
    let samples: Vec<Value> = range.map(|i| sample(series, i)).collect();
    Client::default().ingest(process.address, &json!(samples).to_string()).await.unwrap()
}

async fn metric_of(process: &Process, name: &str) -> f64 {
    let text = Client::default().get(process.address, "/metrics").await.unwrap();
    let text = text.body.as_str().unwrap().to_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circuit_breaker_opens_is_reported_and_closes_by_itself() {
    let redis = RedisServer::start();
    let network = Proxy::start(redis.port());
    // Long enough for the test to read the metrics while it is open.
    let vars = [
        ("REDIS_RESPONSE_TIMEOUT_MS", "200"),
        ("REDIS_CIRCUIT_FAILURES", "3"),
        ("REDIS_CIRCUIT_PAUSE_MS", "2000"),
    ];
    let process = Process::start(&network.url(), &vars);
    assert_eq!(send(&process, 0, 0..10).await.status, 200);
    assert_eq!(metric_of(&process, "store_circuits_open ").await, 0.0);
    network.stall();
    let mut refused = 0;
    let mut is_open = false;
    while !is_open {
        assert_eq!(send(&process, 0, 10..20).await.status, 503);
        refused += 1;
        is_open = metric_of(&process, "store_circuits_open ").await > 0.0;
    }
    assert!((1..=3).contains(&refused), "{refused} before it opened");
    assert_eq!(metric_of(&process, "store_up ").await, 0.0);
    let ready = Client::default().get(process.address, "/readyz").await.unwrap();
    assert_eq!(ready.status, 503);
    assert_eq!(ready.body["code"], "store_unavailable");
    network.heal();
    let again = wait_for("the circuit breaker closes", async || {
        Some(send(&process, 0, 10..20).await).filter(|answer| answer.status == 200)
    })
    .await;
    assert_eq!(again.body["rejected"], json!([]));
    assert_eq!(metric_of(&process, "store_circuits_open ").await, 0.0);
    let ready = Client::default().get(process.address, "/readyz").await.unwrap();
    assert_eq!((ready.status, &ready.body["circuits_open"]), (200, &json!(0)));
    assert_eq!(balance(&store(&redis.url(), Topology::Single), &[20]).await, Balance::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_of_an_empty_redis_series_relearn_and_report_it() {
    let mut redis = RedisServer::start();
    let process = Process::start(&redis.url(), &IMPATIENT);
    let answer = send(&process, 0, 0..80).await;
    assert_eq!(answer.body["verdicts"][79]["verdict"], "normal");
    redis.start_again();
    let answer = wait_for("Redis is connected again", async || {
        Some(send(&process, 0, 80..160).await).filter(|answer| answer.status == 200)
    })
    .await;
    assert_eq!(answer.body["accepted"], 80);
    let said = |i: usize| &answer.body["verdicts"][i];
    assert_eq!(
        (&said(0)["verdict"], &said(0)["learning"]["ready"]),
        (&json!("learning"), &json!(false))
    );
    assert_eq!(said(79)["verdict"], "normal");
}

#[tokio::test(flavor = "multi_thread")]
async fn flushed_scripts_are_loaded_again() {
    let seed = seed("script flush");
    let redis = RedisServer::start();
    let (_processes, workload, writers) = start_writing(&redis.url(), seed);
    let mut faults = 0;
    while workload.is_unfinished() {
        assert_eq!(redis.cli(&["SCRIPT", "FLUSH"]), "OK");
        faults += 1;
        workload.fault();
        sleep(Duration::from_millis(10)).await;
    }
    let row = finished(&workload, writers, (&redis.url(), Topology::Single), faults).await;
    // A missing script is loaded by the Redis client, without a retry of the request.
    assert_eq!(row.requests, workload.batches(), "requests were repeated");
    row.print("SCRIPT FLUSH");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_out_of_memory_is_a_503_and_nothing_is_written_in_part() {
    let redis = RedisServer::start_with(&["--maxmemory-policy", "noeviction"]);
    let process = Process::start(&redis.url(), &IMPATIENT);
    assert_eq!(send(&process, 0, 0..60).await.status, 200);
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let answer = send(&process, 0, 60..80).await;
    assert_eq!((answer.status, answer.says_when), (503, true), "{answer:?}");
    let rejected = answer.body["rejected"].as_array().unwrap();
    assert_eq!(rejected.len(), 20);
    assert!(rejected.iter().all(|sample| sample["code"] == "store_unavailable"), "{answer:?}");
    // A new series is refused before the write once the process has read the limit.
    let answer = send(&process, 1, 0..20).await;
    let rejected = answer.body["rejected"].as_array().unwrap();
    let is_refused = |sample: &Value| {
        let code = &sample["code"];
        code == "store_unavailable" || code == "too_many_series"
    };
    assert!(rejected.len() == 20 && rejected.iter().all(is_refused), "{answer:?}");
    assert_eq!(balance(&store(&redis.url(), Topology::Single), &[60]).await, Balance::default());
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    // The limit that the process has read is valid for two seconds.
    sleep(Duration::from_millis(2_100)).await;
    assert_eq!(send(&process, 0, 60..80).await.body["accepted"], 20);
    assert_eq!(send(&process, 1, 0..20).await.body["accepted"], 20);
    let held = balance(&store(&redis.url(), Topology::Single), &[80, 20]).await;
    Row {
        faults: 1,
        requests: 5,
        acknowledged: 100,
        lost: held.lost,
        doubled: held.doubled,
        ..Row::default()
    }
    .print("Redis without memory");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_the_new_master_is_found_through_the_same_address() {
    let old = RedisServer::start();
    let new = RedisServer::start_with(&["--replicaof", "127.0.0.1", &old.port().to_string()]);
    let in_step =
        async || new.cli(&["INFO", "replication"]).contains("master_link_status:up").then_some(());
    wait_for("the replica is connected", in_step).await;
    let network = Proxy::start(old.port());
    let process = Process::start(&network.url(), &[]);
    assert_eq!(send(&process, 0, 0..60).await.status, 200);
    let offset = |server: &RedisServer, name: &str| {
        let info = server.cli(&["INFO", "replication"]);
        info.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned())).unwrap()
    };
    wait_for("the replica is up to date", async || {
        let of_master = offset(&old, "master_repl_offset:");
        (of_master == offset(&new, "slave_repl_offset:")).then_some(())
    })
    .await;
    new.cli(&["REPLICAOF", "NO", "ONE"]);
    old.cli(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]);
    // The open connection still leads to the old master, which is read-only now.
    network.lead_to(new.port());
    let answer = send(&process, 0, 60..80).await;
    assert_eq!((answer.status, &answer.body["accepted"]), (200, &json!(20)), "{answer:?}");
    let held = balance(&store(&new.url(), Topology::Single), &[80]).await;
    Row {
        faults: 1,
        requests: 2,
        acknowledged: 80,
        lost: held.lost,
        doubled: held.doubled,
        ..Row::default()
    }
    .print("failover, READONLY");
}
