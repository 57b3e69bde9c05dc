//! SIGKILL, at random and between any two steps of a writer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use store::Topology;
use store::testbed::RedisServer;
use tokio::time::sleep;

use crate::account::{balance, store, sweep};
use crate::client::Client;
use crate::dice::Dice;
use crate::kit::{rounds, seed, wait_for};
use crate::process::Process;
use crate::report::Row;
use crate::workload::{Workload, sample};

/// Processes that write the same series.
const REPLICAS: usize = 3;

/// Senders.
const WRITERS: u64 = 6;

/// The failpoints of a writer.
const STEPS: [&str; 4] = ["append", "appended", "judged", "committed"];

/// Short series stay whole in their windows; of long ones the first samples are trimmed.
fn lens(rounds: u64) -> [u64; 6] {
    [100, 120, 128, 500 * rounds, 700 * rounds, 900 * rounds]
}

/// The addresses at which replicas listen now.
type Addresses = Arc<Mutex<Vec<SocketAddr>>>;

/// Starts a replica that dies at a chosen step, or lives until it is killed.
fn start(url: &str, dice: &mut Dice) -> Process {
    let step = STEPS[dice.roll(0..4) as usize];
    let die_at = format!("{step}:{}", dice.roll(1..120));
    // A release build ignores it, and so does half of those of a debug build.
    if dice.roll(0..2) == 0 {
        Process::start(url, &[])
    } else {
        Process::start(url, &[("CHAOS_DIE_AT", &die_at)])
    }
}

fn spawn_writers(
    workload: &Arc<Workload>,
    addresses: &Addresses,
    seed: u64,
) -> Vec<tokio::task::JoinHandle<()>> {
    let writer = |i| {
        let (workload, addresses) = (Arc::clone(workload), Arc::clone(addresses));
        let mut where_to = Dice::new(seed, 100 + i);
        tokio::spawn(async move {
            let address = || addresses.lock().unwrap()[where_to.roll(0..REPLICAS as u64) as usize];
            workload.send_all(Dice::new(seed, i), address).await;
        })
    };
    (0..WRITERS).map(writer).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_takes_effect_once_whoever_is_killed() {
    let seed = seed("kill");
    let mut dice = Dice::new(seed, 1_000);
    let redis = RedisServer::start();
    let url = redis.url();
    let mut replicas: Vec<Process> = (0..REPLICAS).map(|_| start(&url, &mut dice)).collect();
    let addresses: Addresses =
        Arc::new(Mutex::new(replicas.iter().map(|replica| replica.address).collect()));
    let workload = Arc::new(Workload::new(&lens(rounds())));
    let writers = spawn_writers(&workload, &addresses, seed);

    let mut faults = 0;
    while workload.is_unfinished() {
        sleep(Duration::from_millis(dice.roll(10..120))).await;
        let chosen = dice.roll(0..REPLICAS as u64) as usize;
        for (i, replica) in replicas.iter_mut().enumerate() {
            let has_died = replica.ended().is_some();
            if has_died || i == chosen {
                replica.kill();
                workload.fault();
                faults += 1;
                *replica = tokio::task::block_in_place(|| start(&url, &mut dice));
                addresses.lock().unwrap()[i] = replica.address;
            }
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    // Before the sweep: acknowledged is only what is judged.
    let acknowledged = workload.acknowledged();
    let balance = balance(&store(&url, Topology::Single), &acknowledged).await;
    assert!(faults > 3, "{faults} kills show little");
    Row {
        faults,
        requests: workload.requests(),
        acknowledged: acknowledged.iter().sum(),
        lost: balance.lost,
        doubled: balance.doubled,
        recovery: workload.slowest_recovery(),
    }
    .tell("SIGKILL at random");
}

/// A release build has no failpoints.
#[cfg(debug_assertions)]
#[tokio::test(flavor = "multi_thread")]
async fn between_any_two_steps_nothing_is_lost_and_a_sweep_judges_what_waits() {
    let redis = RedisServer::start();
    let url = redis.url();
    let mut client = Client::default();
    let n_series = STEPS.len();
    let mut requests = 0;
    for (series, step) in STEPS.iter().enumerate() {
        let die_at = format!("{step}:2");
        let mut process = Process::start(&url, &[("CHAOS_DIE_AT", &die_at)]);
        for batch in [0..60, 60..80] {
            let body = json!(batch.map(|i| sample(series, i)).collect::<Vec<_>>()).to_string();
            let answer = client.ingest(process.address, &body).await;
            assert_eq!(answer.is_ok(), requests % 2 == 0, "{step}: {answer:?}");
            requests += 1;
        }
        wait_for("the process has died", async || process.ended()).await;
    }
    let pending = |store: store::Redis| async move {
        store::SeriesStore::pending(&store, 10).await.unwrap().len()
    };
    assert_eq!(pending(store(&url, Topology::Single)).await, 2, "after `appended` and `judged`");
    sweep(&url).await;
    // What was not appended is not there; the rest is, exactly once, although nobody was told.
    let acknowledged = [60, 80, 80, 80];
    let held = balance(&store(&url, Topology::Single), &acknowledged).await;

    let process = Process::start(&url, &[]);
    for series in 0..n_series {
        let body = json!((0..80).map(|i| sample(series, i)).collect::<Vec<_>>()).to_string();
        let answer = client.ingest(process.address, &body).await.unwrap();
        let fresh = if series == 0 { 20 } else { 0 };
        assert_eq!((answer.status, &answer.body["accepted"]), (200, &json!(fresh)));
        assert_eq!(answer.body["duplicates"], json!(80 - fresh));
    }
    let again = balance(&store(&url, Topology::Single), &[80; 4]).await;
    Row {
        faults: n_series as u64,
        requests: requests + n_series as u64,
        acknowledged: 320,
        lost: held.lost + again.lost,
        doubled: held.doubled + again.doubled,
        ..Row::default()
    }
    .tell("death between two steps");
}
