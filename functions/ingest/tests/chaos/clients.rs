//! Clients that disconnect, connect all at once or in a wave, and exceed the bounds of the server.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use store::Topology;
use store::testbed::{Proxy, RedisServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};

use crate::account::{balance, store};
use crate::client::Client;
use crate::kit::{rounds, wait_for};
use crate::process::Process;
use crate::report::Row;
use crate::workload::sample;

fn body(series: usize, range: std::ops::Range<u64>) -> String {
    json!(range.map(|i| sample(series, i)).collect::<Vec<Value>>()).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_disconnects_cancels_no_other_request() {
    const N: u64 = 60;
    let redis = RedisServer::start();
    let network = Proxy::start(redis.port());
    let process = Process::start(&network.url(), &[]);
    let to = process.address;
    assert_eq!(Client::default().ingest(to, &body(0, 0..1)).await.unwrap().status, 200);
    network.stall();
    // All send to one series, so that their samples share a batch; every second one disconnects.
    let patient: Vec<_> = (1..N)
        .filter(|i| i % 2 == 1)
        .map(|i| {
            tokio::spawn(async move { Client::default().ingest(to, &body(0, i..i + 1)).await })
        })
        .collect();
    let mut vanishing = Vec::new();
    for i in (2..N).step_by(2) {
        let body = body(0, i..i + 1);
        let head =
            format!("POST /ingest HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        vanishing.push(stream);
    }
    wait_for("a call is in flight", async || (network.n_held() > 0).then_some(())).await;
    let n_vanished = vanishing.len() as u64;
    drop(vanishing);
    network.heal();
    for answer in patient {
        let answer = answer.await.unwrap().unwrap();
        assert_eq!((answer.status, &answer.body["accepted"]), (200, &json!(1)), "{answer:?}");
    }
    // The disconnected clients retry, as clients without an answer do.
    let again = Client::default().ingest(to, &body(0, 0..N)).await.unwrap();
    let ends = ["accepted", "duplicates"].map(|count| again.body[count].as_u64().unwrap());
    assert_eq!((again.status, ends[0] + ends[1]), (200, N), "{again:?}");
    let held = balance(&store(&redis.url(), Topology::Single), &[N]).await;
    Row {
        faults: n_vanished,
        requests: N + 1,
        acknowledged: N,
        lost: held.lost,
        doubled: held.doubled,
        ..Row::default()
    }
    .print("clients that disconnect");
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_bound_requests_are_refused_at_once_and_memory_is_constant() {
    const SERVED: usize = 64;
    /// Room for memory that the allocator retains; the refused requests of one round need more.
    const GROWTH_MAX: u64 = 24 << 20;
    let redis = RedisServer::start();
    let network = Proxy::start(redis.port());
    let served = SERVED.to_string();
    let patience =
        [("REDIS_RESPONSE_TIMEOUT_MS", "60000"), ("TIDEMARK_REQUEST_TIMEOUT_MS", "60000")];
    let bound = ("TIDEMARK_IN_FLIGHT_REQUESTS_MAX", served.as_str());
    // Without a rate limit, which is in Redis, the probes below that are admitted are answered at once.
    let vars = [patience[0], patience[1], bound, ("TIDEMARK_TENANT_SAMPLES_PER_S_MAX", "0")];
    let process = Process::start(&network.url(), &vars);
    let to = process.address;
    assert_eq!(Client::default().ingest(to, &body(0, 0..1)).await.unwrap().status, 200);
    network.stall();
    let accepted = |series: usize| async move {
        Client::default().ingest(to, &body(series, 0..100)).await.unwrap()
    };
    let waiting: Vec<_> = (1..=SERVED).map(|series| tokio::spawn(accepted(series))).collect();
    // The admitted requests wait for Redis. From here on all others must be answered at once, as no other answer is
    // possible while Redis is silent.
    wait_for("the bound is reached", async || {
        let answer = Client::default().get(to, "/livez").await.unwrap();
        assert_eq!(answer.status, 200);
        let mut probe = TcpStream::connect(to).await.unwrap();
        probe
            .write_all(b"POST /ingest HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n[]")
            .await
            .unwrap();
        let mut first = [0; 12];
        probe.read_exact(&mut first).await.unwrap();
        (first == *b"HTTP/1.1 503").then_some(())
    })
    .await;
    let mut refused = 0;
    let mut resident = Vec::new();
    for _ in 0..4 {
        let round = (0..500)
            .map(|_| async { Client::default().ingest(to, &body(0, 1..100)).await.unwrap() });
        for answer in join_all(round).await {
            assert_eq!((answer.status, answer.says_when), (503, true), "{answer:?}");
            assert_eq!(answer.body["code"], "overloaded");
            refused += 1;
        }
        resident.push(process.resident_bytes());
    }
    // The first round allocates buffers and arenas; the others reuse them.
    let growth = resident[3].saturating_sub(resident[0]);
    assert!(growth < GROWTH_MAX, "{resident:?}");
    network.heal();
    for answer in waiting {
        assert_eq!(answer.await.unwrap().body["accepted"], 100);
    }
    let begin = Instant::now();
    assert_eq!(Client::default().ingest(to, &body(0, 1..100)).await.unwrap().status, 200);
    let recovery = begin.elapsed();
    let held = balance(&store(&redis.url(), Topology::Single), &[100; SERVED + 1]).await;
    println!("overload: {refused} refused, resident {} MiB", resident[3] >> 20);
    Row {
        faults: 1,
        requests: refused + SERVED as u64 + 2,
        acknowledged: 100 * (SERVED as u64 + 1),
        lost: held.lost,
        doubled: held.doubled,
        recovery,
    }
    .print("overload");
}

/// The counts of many clients.
#[derive(Debug, Default)]
struct Crowd {
    requests: AtomicU64,
    refused: AtomicU64,
    statuses: Mutex<BTreeSet<u16>>,
}

impl Crowd {
    /// Sends the samples of `range` of a series until they are acknowledged.
    async fn deliver(
        &self,
        client: &mut Client,
        to: SocketAddr,
        series: usize,
        range: std::ops::Range<u64>,
    ) {
        let n = range.end - range.start;
        let body = body(series, range);
        loop {
            self.requests.fetch_add(1, Relaxed);
            // A full backlog refuses a connection, like a status 503.
            if let Ok(answer) = client.ingest(to, &body).await {
                self.statuses.lock().unwrap().insert(answer.status);
                if answer.status == 200 {
                    let ends = ["accepted", "duplicates"]
                        .map(|count| answer.body[count].as_u64().unwrap());
                    assert_eq!(ends[0] + ends[1], n, "{}", answer.body);
                    return;
                }
                assert_eq!((answer.status, answer.says_when), (503, true), "{answer:?}");
            }
            self.refused.fetch_add(1, Relaxed);
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn finish(&self, test: &str, url: &str, acknowledged: &[u64]) {
        let statuses = self.statuses.lock().unwrap().clone();
        assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
        let held = balance(&store(url, Topology::Single), acknowledged).await;
        let (requests, refused) = (self.requests.load(Relaxed), self.refused.load(Relaxed));
        println!("{test}: {refused} of {requests} requests refused, statuses {statuses:?}");
        Row {
            faults: 0,
            requests,
            acknowledged: acknowledged.iter().sum(),
            lost: held.lost,
            doubled: held.doubled,
            ..Row::default()
        }
        .print(test);
    }
}

/// A bound that the clients reach.
const CROWDED: [(&str, &str); 1] = [("TIDEMARK_IN_FLIGHT_REQUESTS_MAX", "48")];

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_clients_is_served_or_refused_and_nothing_is_missing() {
    let scale = rounds().min(10);
    let (n_clients, within) = (100 * scale as usize, Duration::from_secs(scale));
    let redis = RedisServer::start();
    let process = Process::start(&redis.url(), &CROWDED);
    let to = process.address;
    let crowd = Arc::new(Crowd::default());
    let begin = Instant::now();
    let clients: Vec<_> = (0..n_clients)
        .map(|series| {
            let crowd = Arc::clone(&crowd);
            tokio::spawn(async move {
                sleep_until(begin + within.mul_f64(series as f64 / n_clients as f64)).await;
                let mut client = Client::default();
                for from in (0..100).step_by(10) {
                    crowd.deliver(&mut client, to, series, from..from + 10).await;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    crowd.finish("storm of clients", &redis.url(), &vec![100; n_clients]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_of_clients_is_served_or_refused_and_nothing_is_missing() {
    let scale = rounds().min(10);
    let (n_clients, within) =
        (50 * scale as usize, Duration::from_secs(if scale == 10 { 120 } else { 2 * scale }));
    let redis = RedisServer::start();
    let process = Process::start(&redis.url(), &CROWDED);
    let to = process.address;
    let crowd = Arc::new(Crowd::default());
    let begin = Instant::now();
    let clients: Vec<_> = (0..n_clients)
        .map(|series| {
            let crowd = Arc::clone(&crowd);
            tokio::spawn(async move {
                sleep_until(begin + within.mul_f64(series as f64 / n_clients as f64)).await;
                let mut client = Client::default();
                let mut n = 0;
                while begin.elapsed() < within || n == 0 {
                    crowd.deliver(&mut client, to, series, n..n + 2).await;
                    n += 2;
                    sleep(Duration::from_millis(100)).await;
                }
                n
            })
        })
        .collect();
    let mut acknowledged = Vec::new();
    for client in clients {
        acknowledged.push(client.await.unwrap());
    }
    crowd.finish("wave of clients", &redis.url(), &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_give_way_and_probes_are_answered() {
    // The soft limit on descriptors, which bounds the connections of this test as well.
    let n_silent = if rounds() == 1 { 600 } else { 10_001 };
    let redis = RedisServer::start();
    let process = Process::start(&redis.url(), &[("TIDEMARK_CONNECTIONS_MAX", "500")]);
    let to = process.address;
    let mut silent = VecDeque::new();
    let (mut n_probes, mut slowest) = (0, Duration::ZERO);
    for i in 0..n_silent {
        silent.push_back(TcpStream::connect(to).await.unwrap());
        // The server closes them; this test only must not run out of descriptors.
        if silent.len() > 800 {
            silent.pop_front();
        }
        if i % 100 == 99 {
            let begin = Instant::now();
            let probe = Client::default().get(to, "/livez").await.unwrap();
            assert_eq!(probe.status, 200);
            slowest = slowest.max(begin.elapsed());
            n_probes += 1;
        }
    }
    let answer = Client::default().ingest(to, &body(0, 0..10)).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    println!("{n_probes} probes among {n_silent} silent connections, slowest {slowest:?}");
    let held = balance(&store(&redis.url(), Topology::Single), &[10]).await;
    Row {
        faults: n_silent,
        requests: n_probes + 1,
        acknowledged: 10,
        lost: held.lost,
        doubled: held.doubled,
        recovery: slowest,
    }
    .print("silent connections");
}
