//! The cost of a slow network to Redis: an open loop sends requests at a fixed rate, answered or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde_json::json;
use store::testbed::{Proxy, RedisServer};
use store::{StoreStatus, Topology};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::account::store;
use crate::client::Client;
use crate::kit::rounds;
use crate::process::Process;
use crate::report::Row;

/// Requests per second, one sample each.
const RATE: u64 = 3_000;

/// Most requests in flight; a request that is due beyond them is skipped.
const IN_FLIGHT_MAX: usize = 512;

#[derive(Debug, Default)]
struct Tally {
    due: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
}

/// Sends for a while, and waits for the answers.
async fn load(process: &Process, n_series: u64, seconds: u64) -> Arc<Tally> {
    let tally = Arc::new(Tally::default());
    let (give_back, mut idle) = mpsc::channel(IN_FLIGHT_MAX);
    for _ in 0..IN_FLIGHT_MAX {
        give_back.send(Client::default()).await.unwrap();
    }
    let mut tick = interval(Duration::from_millis(5));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(seconds) {
        tick.tick().await;
        let wanted = (begin.elapsed().as_secs_f64() * RATE as f64) as u64;
        for i in tally.due.swap(wanted, Relaxed)..wanted {
            let Ok(mut client) = idle.try_recv() else { continue };
            let (tally, give_back, to) = (Arc::clone(&tally), give_back.clone(), process.address);
            tokio::spawn(async move {
                // Without a time, so that no sample is late.
                let body = json!({ "metric": format!("m{}", i % n_series), "value": i % 17 });
                let answer = client.ingest(to, &body.to_string()).await.unwrap();
                match answer.status {
                    200 => tally.accepted.fetch_add(1, Relaxed),
                    status => {
                        assert_eq!((status, answer.says_when), (503, true), "{answer:?}");
                        tally.refused.fetch_add(1, Relaxed)
                    }
                };
                give_back.send(client).await.unwrap();
            });
        }
    }
    // All requests in flight are answered before the next load.
    for _ in 0..IN_FLIGHT_MAX {
        idle.recv().await.unwrap();
    }
    tally
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_network_to_redis_costs_latency_and_no_sample() {
    let seconds = rounds().min(5);
    let redis = RedisServer::start();
    let network = Proxy::start(redis.port());
    let process = Process::start(&network.url(), &[]);
    let mut requests = 0;
    let mut acknowledged = 0;
    // First many series, then one, whose requests share batches.
    for n_series in [100, 1] {
        let mut without = None;
        for delay_ms in [0, 1, 5, 50] {
            network.delay(Duration::from_millis(delay_ms));
            let tally = load(&process, n_series, seconds).await;
            let count = |counter: &AtomicU64| counter.load(Relaxed);
            let accepted = count(&tally.accepted);
            let ratio = accepted as f64 / *without.get_or_insert(accepted) as f64;
            let (due, refused) = (count(&tally.due), count(&tally.refused));
            println!(
                "open loop, {n_series} series, {delay_ms} ms each way: {due} due, {accepted} accepted, \
                 {refused} refused; ratio {ratio:.2}"
            );
            requests += accepted + refused;
            acknowledged += accepted;
        }
    }
    let totals = store(&redis.url(), Topology::Single).totals().await.unwrap();
    let held = totals[&format!("{} accepted", store::totals::SAMPLES)];
    Row {
        faults: 6,
        requests,
        acknowledged,
        lost: acknowledged.saturating_sub(held),
        // A request refused at its deadline may be stored.
        doubled: held.saturating_sub(requests),
        ..Row::default()
    }
    .print("open loop, slow Redis");
}
