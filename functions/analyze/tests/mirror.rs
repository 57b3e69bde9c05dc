//! Backup of configurations in the history: real processes over a real Redis that loses all its keys, and a stand-in for
//! DynamoDB that is unavailable, or starts late.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

mod process;

use aws::testbed::{DynamoServer, StandIn};
use process::Analyze;
use serde_json::Value;
use store::testbed::RedisServer;

const TABLE: &str = "tidemark";
const CONFIG: &str = "/series/config?source=checkout&metric=rps";
const BODY: &str =
    r#"{"detector":"zscore:window=50,threshold=7","maintenance":[{"from":1,"until":2}]}"#;

/// A Redis, a table, and the variables of a function that uses both.
async fn deployment() -> (RedisServer, DynamoServer, Vec<(&'static str, String)>) {
    let (redis, table) = (RedisServer::start(), DynamoServer::start(StandIn::Dynalite));
    table.create_table(TABLE).await;
    let vars = table.vars(TABLE);
    (redis, table, vars)
}

impl Analyze {
    fn put(&self, body: &str) -> Value {
        let put = self.send(&format!("PUT {CONFIG}"), body).unwrap();
        assert_eq!(put["configured"], true, "{put}");
        put
    }

    fn config(&self) -> Value {
        self.ask(&format!("GET {CONFIG}")).unwrap()
    }

    /// Numbers of configurations that a sweep saved, failed to save, and restored.
    fn mirror(&self) -> [u64; 3] {
        let swept = self.sweep().unwrap();
        ["configs_saved", "configs_unsaved", "configs_restored"]
            .map(|count| swept[count].as_u64().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_survives_the_loss_of_redis_and_its_removal_does_too() {
    let (redis, _table, vars) = deployment().await;
    let analyze = Analyze::start(&redis, &vars);
    let put = analyze.put(BODY);
    assert_eq!(analyze.mirror(), [1, 0, 0]);
    assert_eq!(analyze.mirror(), [0, 0, 0], "once");

    redis.cli(&["FLUSHALL"]);
    assert_eq!(analyze.config()["code"], "series_unknown", "until the next sweep");
    assert_eq!(analyze.mirror(), [0, 0, 1]);
    assert_eq!(analyze.config(), put, "as it was, its revision too");
    assert_eq!(analyze.mirror(), [0, 0, 0]);

    // A configuration after the loss is not replaced by the lost one.
    redis.cli(&["FLUSHALL"]);
    let later = analyze.put("{}");
    assert!(later["revision"].as_i64() > put["revision"].as_i64());
    assert_eq!(analyze.mirror(), [1, 0, 0]);
    redis.cli(&["FLUSHALL"]);
    assert_eq!(analyze.mirror(), [0, 0, 1]);
    assert_eq!(analyze.config(), later);

    analyze.ask(&format!("DELETE {CONFIG}"));
    assert_eq!(analyze.mirror(), [1, 0, 0]);
    redis.cli(&["FLUSHALL"]);
    assert_eq!(analyze.mirror(), [0, 0, 0], "a removed configuration is not restored");
    assert_eq!(analyze.config()["code"], "series_unknown");
    // Deleting a series removes its configuration.
    analyze.put(BODY);
    assert_eq!(analyze.mirror(), [1, 0, 0]);
    analyze.ask("DELETE /series?source=checkout&metric=rps");
    assert_eq!(analyze.mirror(), [1, 0, 0]);
    redis.cli(&["FLUSHALL"]);
    assert_eq!(analyze.mirror(), [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_table_neither_loses_nor_revives_a_configuration() {
    let (redis, table, vars) = deployment().await;
    let analyze = Analyze::start(&redis, &vars);
    let first = analyze.put(BODY);
    assert_eq!(analyze.mirror(), [1, 0, 0]);

    drop(table);
    let second = analyze.put(r#"{"detector":"ewma"}"#);
    assert_eq!(analyze.config(), second, "accepted, and it counts");
    assert_eq!(analyze.mirror(), [0, 1, 0]);
    assert_eq!(analyze.config(), second);

    // The table is back, empty; all marked configurations are saved.
    let table = DynamoServer::start(StandIn::Dynalite);
    table.create_table(TABLE).await;
    let analyze = Analyze::start(&redis, &table.vars(TABLE));
    assert_eq!(analyze.mirror(), [1, 0, 0]);
    redis.cli(&["FLUSHALL"]);
    drop(table);
    assert_eq!(analyze.mirror(), [0, 0, 0], "both are unavailable");
    assert_eq!(analyze.config()["code"], "series_unknown");

    // A table with an earlier revision does not replace the one in Redis.
    let table = DynamoServer::start(StandIn::Dynalite);
    table.create_table(TABLE).await;
    let analyze = Analyze::start(&redis, &table.vars(TABLE));
    let third = analyze.put("{}");
    assert_eq!(analyze.mirror(), [1, 0, 0]);
    assert!(third["revision"].as_i64() > first["revision"].as_i64());
    assert_eq!(analyze.config(), third);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_table_and_redis_saves_each_configuration_once() {
    let (redis, table, vars) = deployment().await;
    let analyze = Analyze::start(&redis, &vars);
    let put = analyze.put(BODY);
    // It crashes with the configuration in the table, before it is marked as saved.
    let crashing = [vars.clone(), vec![("CHAOS_DIE_AT", "backedup:1".to_owned())]].concat();
    let crashing = Analyze::start(&redis, &crashing);
    assert_eq!(crashing.sweep(), None);
    let replicas = [Analyze::start(&redis, &vars), Analyze::start(&redis, &vars)];
    std::thread::scope(|scope| {
        for replica in &replicas {
            scope.spawn(|| assert_eq!(replica.mirror()[1], 0));
        }
    });
    assert_eq!(analyze.mirror(), [0, 0, 0]);
    let keys = table.keys(TABLE).await;
    assert_eq!(keys, [("configs".to_owned(), "default/checkout/rps".to_owned())]);
    redis.cli(&["FLUSHALL"]);
    std::thread::scope(|scope| {
        let swept: Vec<_> =
            replicas.iter().map(|replica| scope.spawn(|| replica.mirror()[2])).collect();
        let restored: u64 = swept.into_iter().map(|sweep| sweep.join().unwrap()).sum();
        assert_eq!(restored, 1, "by one of them");
    });
    assert_eq!(analyze.config(), put);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_table_configurations_are_in_redis_only() {
    let redis = RedisServer::start();
    let analyze = Analyze::start(&redis, &[]);
    analyze.put(BODY);
    assert_eq!(analyze.mirror(), [0, 0, 0]);
    // A table that is added later gets earlier configurations.
    let table = DynamoServer::start(StandIn::Dynalite);
    table.create_table(TABLE).await;
    let analyze = Analyze::start(&redis, &table.vars(TABLE));
    assert_eq!(analyze.mirror(), [1, 0, 0]);
}
