//! SIGKILL at random times, for processes of which some also abort between two steps of a writer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use store::Topology;
use store::testbed::RedisServer;
use tokio::time::sleep;

use crate::account::finished;
use crate::dice::Dice;
use crate::kit::{rounds, seed};
use crate::process::Process;
use crate::workload::Workload;

/// Processes that write the same series.
const REPLICAS: usize = 3;

/// Clients.
const WRITERS: u64 = 6;

/// The failpoints of a writer.
pub(crate) const STEPS: [&str; 4] = ["append", "appended", "judged", "committed"];

/// Short series fit into their windows; the first samples of long ones are trimmed.
fn lens(rounds: u64) -> [u64; 6] {
    [100, 120, 128, 500 * rounds, 700 * rounds, 900 * rounds]
}

/// The addresses of the running replicas.
type Addresses = Arc<Mutex<Vec<SocketAddr>>>;

/// Starts a replica that aborts at a random step, or runs until it is killed.
fn start(url: &str, dice: &mut Dice) -> Process {
    let step = STEPS[dice.roll(0..4) as usize];
    let die_at = format!("{step}:{}", dice.roll(1..120));
    // A release build ignores the variable, and half of the debug processes have none.
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
async fn acknowledged_samples_take_effect_once_whichever_process_is_killed() {
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
    // Before the sweep: a sample is acknowledged only once it is judged.
    let row = finished(&workload, writers, (&url, Topology::Single), faults).await;
    assert!(faults > 3, "{faults} kills show little");
    row.print("SIGKILL at random");
}
