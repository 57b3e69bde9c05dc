//! Configurations and their copies in history: real processes over a real Redis that loses all it has, and a stand-in for
//! DynamoDB that is away, or comes late.

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

/// A Redis, a table, and the variables of a function that knows both.
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

    /// What a sweep saved, could not save, and restored.
    fn mirror(&self) -> [u64; 3] {
        let swept = self.sweep().unwrap();
        ["configs_saved", "configs_unsaved", "configs_restored"]
            .map(|it| swept[it].as_u64().unwrap())
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

    // One that was put after the loss is not overwritten by the one that was lost.
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
    assert_eq!(analyze.mirror(), [0, 0, 0], "what was removed does not come back");
    assert_eq!(analyze.config()["code"], "series_unknown");
    // Forgetting a series removes its configuration.
    analyze.put(BODY);
    assert_eq!(analyze.mirror(), [1, 0, 0]);
    analyze.ask("DELETE /series?source=checkout&metric=rps");
    assert_eq!(analyze.mirror(), [1, 0, 0]);
    redis.cli(&["FLUSHALL"]);
    assert_eq!(analyze.mirror(), [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_away_loses_no_configuration_and_brings_none_back_by_mistake() {
    let (redis, table, vars) = deployment().await;
    let analyze = Analyze::start(&redis, &vars);
    let first = analyze.put(BODY);
    assert_eq!(analyze.mirror(), [1, 0, 0]);

    drop(table);
    let second = analyze.put(r#"{"detector":"ewma"}"#);
    assert_eq!(analyze.config(), second, "accepted, and it counts");
    assert_eq!(analyze.mirror(), [0, 1, 0]);
    assert_eq!(analyze.config(), second);

    // The table is back without what it had; all that is marked is brought there.
    let table = DynamoServer::start(StandIn::Dynalite);
    table.create_table(TABLE).await;
    let analyze = Analyze::start(&redis, &table.vars(TABLE));
    assert_eq!(analyze.mirror(), [1, 0, 0]);
    redis.cli(&["FLUSHALL"]);
    drop(table);
    assert_eq!(analyze.mirror(), [0, 0, 0], "both are away");
    assert_eq!(analyze.config()["code"], "series_unknown");

    // One that holds only what came first does not win over what is there.
    let table = DynamoServer::start(StandIn::Dynalite);
    table.create_table(TABLE).await;
    let analyze = Analyze::start(&redis, &table.vars(TABLE));
    let third = analyze.put("{}");
    assert_eq!(analyze.mirror(), [1, 0, 0]);
    assert!(third["revision"].as_i64() > first["revision"].as_i64());
    assert_eq!(analyze.config(), third);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_dies_between_the_table_and_redis_each_configuration_is_there_once() {
    let (redis, table, vars) = deployment().await;
    let analyze = Analyze::start(&redis, &vars);
    let put = analyze.put(BODY);
    // It dies with the configuration in the table, and not noted as being there.
    let dying = [vars.clone(), vec![("CHAOS_DIE_AT", "mirrored:1".to_owned())]].concat();
    let dying = Analyze::start(&redis, &dying);
    assert_eq!(dying.sweep(), None);
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
        let swept: Vec<_> = replicas.iter().map(|it| scope.spawn(|| it.mirror()[2])).collect();
        let restored: u64 = swept.into_iter().map(|it| it.join().unwrap()).sum();
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
    // A table that comes later gets what was configured before.
    let table = DynamoServer::start(StandIn::Dynalite);
    table.create_table(TABLE).await;
    let analyze = Analyze::start(&redis, &table.vars(TABLE));
    assert_eq!(analyze.mirror(), [1, 0, 0]);
}
