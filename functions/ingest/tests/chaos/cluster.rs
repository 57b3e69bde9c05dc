//! A cluster under writes whose slots move, and whose nodes are killed, stop to respond, or fail over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::SHARDS_DEFAULT;
use serde_json::json;
use store::testbed::{RedisCluster, RedisServer};
use store::{SeriesReader, Topology};
use tokio::time::{Instant, sleep};

use crate::account::{balance, finished, key, store};
use crate::client::{Answer, Client};
use crate::kit::{rounds, seed, wait_for};
use crate::process::Process;
use crate::report::Row;
use crate::trouble::{lens, spawn_writers};
use crate::workload::{Workload, at_ms, metric, sample};

/// Series of a batch: some on each node.
const N: usize = 64;

/// Times short enough for a test, over a cluster.
const IMPATIENT: [(&str, &str); 2] =
    [("REDIS_TOPOLOGY", "cluster"), ("REDIS_RESPONSE_TIMEOUT_MS", "500")];

/// The slot of a series, from `CLUSTER KEYSLOT`.
fn slot(cluster: &mut RedisCluster, series: usize) -> String {
    let tag = format!("{{{}}}", key(series).shard(SHARDS_DEFAULT));
    cluster.nodes()[0].cli(&["CLUSTER", "KEYSLOT", &tag])
}

fn id(cluster: &mut RedisCluster, node: usize) -> String {
    cluster.nodes()[node].cli(&["CLUSTER", "MYID"])
}

/// The node that owns a slot.
fn owner(cluster: &mut RedisCluster, slot: &str) -> usize {
    let slot: u64 = slot.parse().unwrap();
    let is_owner = |text: &str| {
        let own = text.lines().find(|line| line.contains("myself")).unwrap().to_owned();
        own.split(' ').skip(8).filter(|range| !range.starts_with('[')).any(|range| {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            (from.parse().unwrap()..=to.parse().unwrap()).contains(&slot)
        })
    };
    (0..3).find(|node| is_owner(&cluster.nodes()[*node].cli(&["CLUSTER", "NODES"]))).unwrap()
}

/// Moves a slot to the next node, key by key, as a resharding does.
async fn migrate(cluster: &mut RedisCluster, slot: &str) {
    let from = owner(cluster, slot);
    let to = (from + 1) % 3;
    let (from_id, to_id) = (id(cluster, from), id(cluster, to));
    let to_port = cluster.nodes()[to].port().to_string();
    cluster.nodes()[to].cli(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &from_id]);
    cluster.nodes()[from].cli(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &to_id]);
    loop {
        let keys = cluster.nodes()[from].cli(&["CLUSTER", "GETKEYSINSLOT", slot, "1"]);
        let Some(key) = keys.lines().next().filter(|key| !key.is_empty()) else { break };
        let moved = ["MIGRATE", "127.0.0.1", &to_port, key, "0", "5000"];
        cluster.nodes()[from].cli(&moved);
        // Writers find the slot divided, and are redirected both ways.
        sleep(Duration::from_millis(5)).await;
    }
    for node in [to, from, (to + 1) % 3] {
        cluster.nodes()[node].cli(&["CLUSTER", "SETSLOT", slot, "NODE", &to_id]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_of_a_cluster_move_under_its_writers() {
    let seed = seed("slots");
    let mut cluster = RedisCluster::start();
    let url = cluster.url();
    let vars = [("REDIS_TOPOLOGY", "cluster")];
    let processes: Vec<Process> = (0..2).map(|_| Process::start(&url, &vars)).collect();
    let workload = Arc::new(Workload::new(&lens(rounds())));
    let writers = spawn_writers(&workload, &processes, seed);
    let mut faults = 0;
    while workload.is_unfinished() {
        let slot = slot(&mut cluster, 2 + faults as usize % 3);
        workload.fault();
        migrate(&mut cluster, &slot).await;
        faults += 1;
    }
    let row = finished(&workload, writers, (&url, Topology::Cluster), faults).await;
    row.print("cluster slots moved");
}

/// A batch with one sample of each series at the same time.
fn batch(i: u64) -> String {
    json!((0..N).map(|series| sample(series, i)).collect::<Vec<_>>()).to_string()
}

/// The series of a batch that a node has.
fn of_node(cluster: &mut RedisCluster, node: usize) -> BTreeSet<String> {
    let mut is_there = |series: &usize| {
        let slot = slot(cluster, *series);
        owner(cluster, &slot) == node
    };
    (0..N).filter(|series| is_there(series)).map(metric).collect()
}

/// The metrics of some entries of an answer.
fn metrics(answer: &Answer, field: &str) -> BTreeSet<String> {
    let entries = answer.body[field].as_array().unwrap().iter();
    entries.map(|entry| entry["metric"].as_str().unwrap().to_owned()).collect()
}

/// Checks that an answer rejects exactly the series of the failed node.
fn check_named(answer: &Answer, harmed: &BTreeSet<String>) {
    assert_eq!((answer.status, answer.says_when), (503, true), "{answer:?}");
    let rejected = answer.body["rejected"].as_array().unwrap();
    assert!(rejected.iter().all(|sample| sample["code"] == "store_unavailable"), "{answer:?}");
    assert_eq!(metrics(answer, "rejected"), *harmed);
    // The series of the other nodes are accepted.
    let all: BTreeSet<String> = (0..N).map(metric).collect();
    assert_eq!(metrics(answer, "verdicts"), all.difference(harmed).cloned().collect());
}

/// Sends a batch until all of it is accepted.
async fn accepted(client: &mut Client, process: &Process, i: u64) -> Answer {
    wait_for("the batch is accepted", async || {
        client.ingest(process.address, &batch(i)).await.ok().filter(|answer| answer.status == 200)
    })
    .await
}

/// Serves the remaining slots, as a cluster with replicas does during a failover.
fn serve_what_remains(cluster: &mut RedisCluster) {
    for node in cluster.nodes() {
        node.cli(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_over_a_cluster_without_one_node_lists_the_samples_to_retry() {
    let mut cluster = RedisCluster::start();
    serve_what_remains(&mut cluster);
    let process = Process::start(&cluster.url(), &IMPATIENT);
    let mut client = Client::default();
    assert_eq!(client.ingest(process.address, &batch(0)).await.unwrap().status, 200);
    let harmed = of_node(&mut cluster, 2);
    cluster.nodes()[2].stop();
    let answer = client.ingest(process.address, &batch(1)).await.unwrap();
    check_named(&answer, &harmed);

    // The node returns empty, with its slots: its series are new, the others are duplicates.
    cluster.nodes()[2].start_again();
    let again = accepted(&mut client, &process, 1).await;
    let sum = ["accepted", "duplicates"].map(|count| again.body[count].as_u64().unwrap() as usize);
    assert_eq!(sum[0] + sum[1], N);
    assert!(sum[1] >= N - harmed.len(), "{sum:?} without {} series", harmed.len());
    let store = store(&cluster.url(), Topology::Cluster);
    for series in 0..N {
        let state = store.read(&key(series)).await.unwrap().unwrap();
        let at_us = at_ms(1) * 1_000;
        let n = state.window.iter().filter(|judged| judged.sample.at_us() == at_us).count();
        assert_eq!((n, state.inbox.len()), (1, 0), "series {series}");
    }
}

/// Like a power failure or a broken route: no connection is closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_node_affects_only_its_own_series_until_it_responds_again() {
    let mut cluster = RedisCluster::start();
    serve_what_remains(&mut cluster);
    let process = Process::start(&cluster.url(), &IMPATIENT);
    let mut client = Client::default();
    assert_eq!(client.ingest(process.address, &batch(0)).await.unwrap().status, 200);
    let harmed = of_node(&mut cluster, 1);
    cluster.nodes()[1].freeze();
    for i in 1..4 {
        check_named(&client.ingest(process.address, &batch(i)).await.unwrap(), &harmed);
    }
    cluster.nodes()[1].thaw();
    let begin = Instant::now();
    accepted(&mut client, &process, 1).await;
    let recovery = begin.elapsed();
    for i in 2..4 {
        accepted(&mut client, &process, i).await;
    }
    print("cluster node silent", &cluster, 4, recovery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_master_is_killed_its_replica_is_found() {
    let mut cluster = RedisCluster::start_with_replicas();
    let process = Process::start(&cluster.url(), &IMPATIENT);
    let mut client = Client::default();
    assert_eq!(client.ingest(process.address, &batch(0)).await.unwrap().status, 200);
    // Redis acknowledges before it replicates: writes that were not replicated are lost with the master.
    for master in 0..3 {
        wait_for("the replica is up to date", async || {
            is_replicated(&cluster.nodes()[master]).then_some(())
        })
        .await;
    }
    cluster.nodes()[0].stop();
    let begin = Instant::now();
    accepted(&mut client, &process, 1).await;
    print("cluster master replaced", &cluster, 2, begin.elapsed()).await;
}

/// Compares the replication offsets of a master and its replica.
fn is_replicated(master: &RedisServer) -> bool {
    let info = master.cli(&["INFO", "replication"]);
    let offset =
        info.lines().find_map(|line| line.trim().strip_prefix("master_repl_offset:")).unwrap();
    info.contains(&format!(",offset={offset},"))
}

/// Prints the report row of a test that sent `n` batches to each series.
async fn print(test: &str, cluster: &RedisCluster, n: u64, recovery: Duration) {
    let held = balance(&store(&cluster.url(), Topology::Cluster), &[n; N]).await;
    let acknowledged = n * N as u64;
    let (lost, doubled) = (held.lost, held.doubled);
    Row { faults: 1, requests: n, acknowledged, lost, doubled, recovery }.print(test);
}
