//! SIGTERM under load: the process finishes its requests and exits with code 0.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use store::Topology;
use store::testbed::{Proxy, RedisServer};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::account::{balance, finished, store};
use crate::client::Client;
use crate::dice::Dice;
use crate::kit::{rounds, seed, wait_for};
use crate::process::Process;
use crate::report::Row;
use crate::workload::{Workload, sample};

/// Longest time from SIGTERM to the exit: Knative may kill a process then.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Waits until a process exits after SIGTERM, in time and with code 0.
async fn expect_exit(process: &mut Process) {
    let begin = Instant::now();
    let status = wait_for("the process exits", async || process.ended()).await;
    assert_eq!(status.code(), Some(0));
    assert!(begin.elapsed() < END_TIMEOUT, "the exit took {:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_at_sigterm_are_answered() {
    const N: usize = 16;
    // An append of one sample is longer than this.
    const CALL_LEN_MIN: usize = 300;
    let redis = RedisServer::start();
    let network = Proxy::start(redis.port());
    let mut process = Process::start(&network.url(), &[]);
    let address = process.address;
    let send = |series: usize, i: u64| async move {
        let body = json!([sample(series, i)]).to_string();
        Client::default().ingest(address, &body).await
    };
    for series in 0..N {
        assert_eq!(send(series, 0).await.unwrap().status, 200);
    }
    network.stall();
    let in_flight: Vec<_> = (0..N).map(|series| tokio::spawn(send(series, 1))).collect();
    wait_for("all are in flight", async || (network.n_held() > N * CALL_LEN_MIN).then_some(()))
        .await;
    process.terminate();
    wait_for("no connection is accepted", async || TcpStream::connect(address).await.err()).await;
    network.heal();
    for answer in in_flight {
        let answer = answer.await.unwrap().expect("a request in flight is answered");
        assert_eq!((answer.status, &answer.body["accepted"]), (200, &json!(1)));
    }
    expect_exit(&mut process).await;
    let held = balance(&store(&redis.url(), Topology::Single), &[2; N]).await;
    Row {
        faults: 1,
        requests: 2 * N as u64,
        acknowledged: 2 * N as u64,
        lost: held.lost,
        doubled: held.doubled,
        ..Row::default()
    }
    .print("SIGTERM, all in flight");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_terminated_under_load_loses_no_sample() {
    let seed = seed("term");
    let mut dice = Dice::new(seed, 1_000);
    let redis = RedisServer::start();
    let url = redis.url();
    let mut process = Process::start(&url, &[]);
    let address = Arc::new(Mutex::new(process.address));
    let workload = Arc::new(Workload::new(&[100, 300 * rounds(), 300 * rounds(), 300 * rounds()]));
    let writers: Vec<_> = (0..8)
        .map(|i| {
            let (workload, address) = (Arc::clone(&workload), Arc::clone(&address));
            tokio::spawn(async move {
                workload.send_all(Dice::new(seed, i), || *address.lock().unwrap()).await;
            })
        })
        .collect();
    let mut faults = 0;
    while workload.is_unfinished() {
        sleep(Duration::from_millis(dice.roll(10..80))).await;
        process.terminate();
        workload.fault();
        faults += 1;
        expect_exit(&mut process).await;
        process = tokio::task::block_in_place(|| Process::start(&url, &[]));
        *address.lock().unwrap() = process.address;
    }
    finished(&workload, writers, (&url, Topology::Single), faults).await.print("SIGTERM at random");
}
