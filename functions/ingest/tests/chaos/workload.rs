//! A workload shared by several clients: the next samples of each series, and the acknowledged ones.
//!
//! A sample is number `i` of its series; time and value follow from it, so that the check needs no copy. Clients share
//! the series, and retry a batch until any process acknowledges it. The window of a series always spans all samples that
//! are not acknowledged, so that no sample of a first attempt can be too old.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::dice::Dice;

/// 2024-11-20T00:00:00Z, in milliseconds.
const AT_MS: i64 = 1_732_060_800_000;

/// Most samples between the oldest unacknowledged and the newest sent one: less than the 128 of a window.
const SPREAD_MAX: u64 = 100;

/// Most samples of a batch.
const BATCH_MAX: u64 = 12;

/// Period of anomalies, in samples.
const SPIKE_EVERY: u64 = 37;

/// The time of a sample, in milliseconds.
pub(crate) fn at_ms(i: u64) -> i64 {
    AT_MS + i as i64 * 1_000
}

/// The number of the sample at a time in microseconds.
pub(crate) fn number_at(at_us: i64) -> u64 {
    ((at_us / 1_000 - AT_MS) / 1_000) as u64
}

/// The value of a sample.
pub(crate) fn value(i: u64) -> f64 {
    if i % SPIKE_EVERY == SPIKE_EVERY - 1 { 900.0 } else { 200.0 + (i * 7 % 11) as f64 }
}

/// The name of a series.
pub(crate) fn metric(series: usize) -> String {
    format!("m{series}")
}

/// A sample as JSON.
pub(crate) fn sample(series: usize, i: u64) -> Value {
    json!({ "source": "chaos", "metric": metric(series), "timestamp": at_ms(i), "value": value(i) })
}

/// The samples to send, and their state.
#[derive(Debug)]
pub(crate) struct Workload {
    series: Vec<Mutex<Plan>>,
    requests: AtomicU64,
    batches: AtomicU64,
    recovery: Mutex<Recovery>,
}

#[derive(Debug)]
struct Plan {
    next: u64,
    len: u64,
    under_way: BTreeSet<u64>,
    acknowledged: u64,
}

#[derive(Debug, Default)]
struct Recovery {
    waiting_since: Option<Instant>,
    slowest: Duration,
}

impl Workload {
    /// One series for each length.
    pub(crate) fn new(lens: &[u64]) -> Self {
        let plan = |len: &u64| {
            let (under_way, len) = (BTreeSet::new(), *len);
            Mutex::new(Plan { next: 0, len, under_way, acknowledged: 0 })
        };
        let series = lens.iter().map(plan).collect();
        let (requests, batches) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { series, requests, batches, recovery: Mutex::default() }
    }

    /// Sends until all samples are acknowledged, each request to the address that `address` returns.
    pub(crate) async fn send_all(&self, mut dice: Dice, mut address: impl FnMut() -> SocketAddr) {
        let mut client = Client::default();
        while self.is_unfinished() {
            let Some((series, batch)) = self.take(&mut dice) else {
                sleep(Duration::from_millis(2)).await;
                continue;
            };
            let samples: Vec<Value> = batch.clone().map(|i| sample(series, i)).collect();
            let body = json!(samples).to_string();
            loop {
                self.requests.fetch_add(1, Relaxed);
                match client.ingest(address(), &body).await {
                    Ok(answer) if answer.status == 200 => {
                        // A retry may be a duplicate; it is never too old, and nothing conflicts.
                        let ends =
                            ["accepted", "duplicates"].map(|count| answer.body[count].as_u64());
                        let n: u64 = ends.into_iter().flatten().sum();
                        assert_eq!(n, samples.len() as u64, "{}", answer.body);
                        break;
                    }
                    Ok(answer) => {
                        assert_eq!((answer.status, answer.says_when), (503, true), "{answer:?}");
                    }
                    Err(_) => {}
                }
                sleep(Duration::from_millis(dice.roll(1..20))).await;
            }
            self.batches.fetch_add(1, Relaxed);
            self.acknowledge(series, batch);
        }
    }

    /// Records a fault or its end, from which the recovery time counts.
    pub(crate) fn fault(&self) {
        self.recovery.lock().unwrap().waiting_since.get_or_insert_with(Instant::now);
    }

    /// Returns whether a sample was acknowledged since the last fault.
    pub(crate) fn has_recovered(&self) -> bool {
        self.recovery.lock().unwrap().waiting_since.is_none()
    }

    /// The slowest recovery.
    pub(crate) fn slowest_recovery(&self) -> Duration {
        self.recovery.lock().unwrap().slowest
    }

    /// Acknowledged batches, which is the number of requests without retries.
    pub(crate) fn batches(&self) -> u64 {
        self.batches.load(Relaxed)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// The number of acknowledged samples of each series: its first ones, once all are sent.
    pub(crate) fn acknowledged(&self) -> Vec<u64> {
        self.series.iter().map(|plan| lock(plan).acknowledged).collect()
    }

    pub(crate) fn is_unfinished(&self) -> bool {
        self.series.iter().any(|plan| {
            let plan = lock(plan);
            plan.acknowledged < plan.len
        })
    }

    /// The next batch of some series that has one.
    fn take(&self, dice: &mut Dice) -> Option<(usize, std::ops::Range<u64>)> {
        let n = self.series.len();
        let first = dice.roll(0..n as u64) as usize;
        (0..n).map(|k| (first + k) % n).find_map(|series| {
            let mut plan = lock(&self.series[series]);
            let oldest = plan.under_way.first().copied().unwrap_or(plan.next);
            let room = (oldest + SPREAD_MAX).min(plan.len).saturating_sub(plan.next);
            let batch = plan.next..plan.next + room.min(dice.roll(1..BATCH_MAX + 1));
            plan.under_way.extend(batch.clone());
            plan.next = batch.end;
            (!batch.is_empty()).then_some((series, batch))
        })
    }

    fn acknowledge(&self, series: usize, batch: std::ops::Range<u64>) {
        let mut plan = lock(&self.series[series]);
        plan.acknowledged += batch.end - batch.start;
        batch.for_each(|i| assert!(plan.under_way.remove(&i)));
        let mut recovery = self.recovery.lock().unwrap();
        if let Some(since) = recovery.waiting_since.take() {
            recovery.slowest = recovery.slowest.max(since.elapsed());
        }
    }
}

fn lock(plan: &Mutex<Plan>) -> MutexGuard<'_, Plan> {
    plan.lock().unwrap()
}
