//! Tenants that flood the store, send what becomes long, or keep a process busy, beside a tenant with little load.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use detector::Memory;
use domain::{Series, SeriesKey, Tenant};
use futures_util::future::join_all;
use serde_json::{Value, json};
use service::access::NewApiKey;
use store::testbed::RedisServer;
use store::{SeriesReader, Topology};
use tokio::time::{Instant, sleep};

use crate::account::store;
use crate::client::Client;
use crate::kit::rounds;
use crate::process::Process;
use crate::report::Row;
use crate::workload::{metric, sample};

/// Series of the light tenant.
const N_SERIES: usize = 5;

/// A process over a Redis, with a light and a busy tenant.
struct Neighbors {
    redis: RedisServer,
    process: Process,
    light_key: String,
    busy_key: String,
}

/// Requests and samples of the light tenant.
#[derive(Debug)]
struct Sent {
    /// Samples of each series.
    n: u64,
    requests: u64,
    slowest: Duration,
}

impl Neighbors {
    fn start(redis: &[&str], vars: &[(&str, &str)]) -> Self {
        let redis = RedisServer::start_with(redis);
        let [light, busy] =
            ["light", "busy"].map(|tenant| NewApiKey::generate(tenant, "read+write").unwrap());
        let entries = format!("{},{}", light.entry, busy.entry);
        let keys = [("TIDEMARK_API_KEYS", entries.as_str())];
        let process = Process::start(&redis.url(), &[&keys, vars].concat());
        Self { redis, process, light_key: light.key, busy_key: busy.key }
    }

    /// The light tenant sends a sample to each of its series until `is_over`; each must be accepted.
    async fn send_lightly(&self, is_over: &AtomicBool) -> Sent {
        let mut client = Client::with_key(&self.light_key);
        let mut sent = Sent { n: 0, requests: 0, slowest: Duration::ZERO };
        while !is_over.load(Relaxed) || sent.n == 0 {
            let samples: Vec<Value> = (0..N_SERIES).map(|series| sample(series, sent.n)).collect();
            let begin = Instant::now();
            let answer =
                client.ingest(self.process.address, &json!(samples).to_string()).await.unwrap();
            let accepted = &answer.body["accepted"];
            assert_eq!((answer.status, accepted), (200, &json!(N_SERIES)), "{answer:?}");
            sent.slowest = sent.slowest.max(begin.elapsed());
            sent.n += 1;
            sent.requests += 1;
            sleep(Duration::from_millis(20)).await;
        }
        sent
    }

    /// Prints the row of the light tenant, whose samples must be in the store once.
    async fn print(&self, test: &str, faults: u64, sent: &Sent) {
        let store = store(&self.redis.url(), Topology::Single);
        let (mut lost, mut doubled) = (0, 0);
        for series in 0..N_SERIES {
            let series = Series::new("chaos", metric(series), BTreeMap::new()).unwrap();
            let key = SeriesKey::new(Tenant::new("light"), series);
            let state = store.read(&key).await.unwrap().unwrap();
            let judged = Memory::decode(&state.memory.unwrap()).unwrap().counters.judged;
            lost += sent.n.saturating_sub(judged);
            doubled += judged.saturating_sub(sent.n);
        }
        let acknowledged = sent.n * N_SERIES as u64;
        let (requests, recovery) = (sent.requests, sent.slowest);
        Row { faults, requests, acknowledged, lost, doubled, recovery }.print(test);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_floods_the_store_excludes_no_other() {
    /// New series of one request.
    const BATCH_LEN: u64 = 1_000;
    let maxmemory = format!("{}mb", 24 * rounds().min(10));
    let unbounded = ("TIDEMARK_TENANT_SERIES_MAX", "1000000");
    let rate = ("TIDEMARK_TENANT_SAMPLES_PER_S_MAX", "1000000");
    let neighbors = Neighbors::start(&["--maxmemory", &maxmemory], &[unbounded, rate]);
    let is_over = AtomicBool::new(false);
    let (refused, accepted) = (AtomicU64::new(0), AtomicU64::new(0));
    let flood = async {
        let mut client = Client::with_key(&neighbors.busy_key);
        let mut n = 0;
        while refused.load(Relaxed) < 2 * BATCH_LEN {
            let samples: Vec<Value> = (n..n + BATCH_LEN)
                .map(|i| json!({ "source": "flood", "metric": format!("m{i}"), "value": 1 }))
                .collect();
            n += BATCH_LEN;
            let body = json!(samples).to_string();
            let answer = client
                .post(neighbors.process.address, "/ingest?verdicts=none", body.as_bytes())
                .await
                .unwrap();
            let count = answer.body["accepted"].as_u64().unwrap_or_default();
            assert!([200, 422].contains(&answer.status), "{}", answer.status);
            accepted.fetch_add(count, Relaxed);
            refused.fetch_add(BATCH_LEN - count, Relaxed);
        }
        is_over.store(true, Relaxed);
    };
    let (sent, ()) = tokio::join!(neighbors.send_lightly(&is_over), flood);
    assert!(accepted.load(Relaxed) > 0, "none of the flood was accepted");
    // The flood is at its share of the memory; another tenant still gets new series.
    let new: Vec<Value> = (100..150).map(|series| sample(series, 0)).collect();
    let answer = Client::with_key(&neighbors.light_key)
        .ingest(neighbors.process.address, &json!(new).to_string())
        .await
        .unwrap();
    assert_eq!(answer.body["accepted"], 50, "{answer:?}");
    neighbors.print("flood of series", refused.load(Relaxed), &sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_bodies_stay_within_the_bound_on_memory() {
    /// The bound of all requests in flight, and what the process needs beside them: code, allocator, connections.
    const IN_FLIGHT_MAX: u64 = 32 << 20;
    const BESIDE: u64 = 96 << 20;
    let bound = IN_FLIGHT_MAX.to_string();
    let neighbors = Neighbors::start(&[], &[("TIDEMARK_IN_FLIGHT_BYTES_MAX", &bound)]);
    // 8 KB that become 8 MiB: spaces, or samples.
    let spaces = format!("[{}]", " ".repeat((8 << 20) - 2));
    let samples: Vec<Value> =
        (0..9_000).map(|i| json!({ "metric": format!("m{}", i % 9), "value": i })).collect();
    let bodies = [spaces, json!(samples).to_string()]
        .map(|body| zstd::bulk::compress(body.as_bytes(), 3).unwrap());
    let bodies = Arc::new(bodies);
    let (to, before) = (neighbors.process.address, neighbors.process.resident_bytes());
    let is_over = AtomicBool::new(false);
    let n_sent = AtomicU64::new(0);
    let bombs = async {
        let senders = (0..64).map(|sender| {
            let (bodies, key, n_sent) = (Arc::clone(&bodies), &neighbors.busy_key, &n_sent);
            async move {
                for i in 0..rounds() {
                    let body = &bodies[(sender + i as usize) % 2];
                    // A refused request may close its connection.
                    let _refused = Client::with_key(key).post(to, "/ingest", body).await;
                    n_sent.fetch_add(1, Relaxed);
                }
            }
        });
        join_all(senders).await;
        is_over.store(true, Relaxed);
    };
    let peak = async {
        let mut peak = 0;
        while !is_over.load(Relaxed) {
            peak = neighbors.process.resident_bytes().max(peak);
            sleep(Duration::from_millis(5)).await;
        }
        peak
    };
    let (sent, (), peak) = tokio::join!(neighbors.send_lightly(&is_over), bombs, peak);
    println!("resident memory: {} MiB before, peak {} MiB", before >> 20, peak >> 20);
    assert!(peak < before + IN_FLIGHT_MAX + BESIDE, "{peak} bytes");
    neighbors.print("compressed bodies", n_sent.load(Relaxed), &sent).await;
}

/// Requests that keep a process busy.
fn busy_requests() -> Vec<Vec<u8>> {
    let batch = |n: usize, n_series: usize| {
        let samples: Vec<Value> = (0..n)
            .map(|i| json!({ "metric": format!("m{}", i % n_series), "value": i % 13 }))
            .collect();
        json!(samples).to_string().into_bytes()
    };
    vec![batch(10_000, 500), batch(2_000, 1), zstd::bulk::compress(&batch(10_000, 100), 3).unwrap()]
}

async fn keep_busy(to: SocketAddr, key: &str, turn: usize, is_over: &AtomicBool) -> u64 {
    let bodies = busy_requests();
    let mut n = 0;
    while !is_over.load(Relaxed) {
        let body = &bodies[(turn + n) % bodies.len()];
        // A refused request may close its connection.
        let _refused = Client::with_key(key).post(to, "/ingest?verdicts=none", body).await;
        n += 1;
    }
    n as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_tenant_gets_no_sample_of_a_light_one_refused() {
    let unlimited = ("TIDEMARK_TENANT_SAMPLES_PER_S_MAX", "100000000");
    let neighbors = Neighbors::start(&[], &[unlimited]);
    let is_over = AtomicBool::new(false);
    let to = neighbors.process.address;
    let busy = (0..4).map(|turn| keep_busy(to, &neighbors.busy_key, turn, &is_over));
    let end = async {
        sleep(Duration::from_secs(2 * rounds())).await;
        is_over.store(true, Relaxed);
    };
    let (sent, n_busy, ()) = tokio::join!(neighbors.send_lightly(&is_over), join_all(busy), end);
    neighbors.print("busy tenant", n_busy.into_iter().sum(), &sent).await;
}
