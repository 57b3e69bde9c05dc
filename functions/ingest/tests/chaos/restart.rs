//! Restarts of a Redis that persists as `kind` configures it, under writes.

use std::time::Duration;

use store::Topology;
use store::testbed::RedisServer;
use tokio::time::sleep;

use crate::account::finished;
use crate::dice::Dice;
use crate::kit::seed;
use crate::trouble::{recovered, start_writing};

/// The configuration that `kind` deploys; files and folders of the container are those of this test instead.
const DEPLOYED: &str = include_str!("../../../../kind/base/redis.conf");

/// Rights of the default user, as which Redis replays its log at a start. The deployed user is off; here clients use it.
const DEFAULT_USER: &str = "--user default on nopass ~tm:* +@all -@admin -@dangerous +info";

/// The deployed settings as arguments.
fn arguments() -> Vec<String> {
    let is_own = |name: &str| ["dir", "aclfile", "protected-mode"].contains(&name);
    let settings = DEPLOYED.lines().filter(|line| !line.starts_with('#'));
    let settings = settings.filter_map(|line| line.split_once(' '));
    let deployed = settings
        .filter(|(name, _)| !is_own(name))
        .flat_map(|(name, value)| [format!("--{name}"), value.trim_matches('"').to_owned()]);
    deployed.chain(DEFAULT_USER.split(' ').map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_restart_of_the_deployed_redis_loses_no_acknowledged_sample() {
    let seed = seed("restart");
    let mut dice = Dice::new(seed, 1_000);
    let arguments = arguments();
    assert!(arguments.join(" ").contains("--appendonly yes"), "{arguments:?}");
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut redis = RedisServer::start_with(&words);
    let (_processes, workload, writers) = start_writing(&redis.url(), seed);
    let mut faults = 0;
    while workload.is_unfinished() {
        sleep(Duration::from_millis(dice.roll(50..400))).await;
        tokio::task::block_in_place(|| {
            redis.terminate();
            redis.start_again();
        });
        workload.fault();
        faults += 1;
        recovered(&workload).await;
    }
    let row = finished(&workload, writers, (&redis.url(), Topology::Single), faults).await;
    assert!(faults > 1, "{faults} restarts show little");
    row.print("restart of the deployed Redis");
}
