//! Scheduled invocations of `analyze`: the real binary, over an emulated runtime API and a real Redis.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use domain::Series;
use domain::{SHARDS_DEFAULT, SeriesKey, Tenant};
use serde_json::{Value, json};
use server::testbed::{FunctionProcess, LambdaService};
use store::testbed::{RedisServer, patient_options};
use store::{NewSample, RedisStore, SeriesWriter, Topology};

fn event(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Appends a sample without judging it, like a writer that is killed between the two steps.
async fn leave_waiting(store: &RedisStore, metric: &str) {
    let series = Series::new("checkout", metric, BTreeMap::new()).unwrap();
    let key = SeriesKey::new(Tenant::default(), series);
    let sample = NewSample::gauge(Some(1_732_060_800_000_000), 1.0);
    store.append(&key, &[sample], 0).await.unwrap();
}

#[tokio::test]
async fn a_schedule_judges_pending_samples_and_requests_are_answered() {
    let mut redis = RedisServer::start();
    let lambda = LambdaService::start().await;
    let url = redis.url();
    let vars = [("REDIS_URL", url.as_str()), ("TIDEMARK_ACCESS", "open")];
    let _function = FunctionProcess::start(env!("CARGO_BIN_EXE_analyze"), &lambda, &vars);
    let store =
        RedisStore::new(&patient_options(redis.url(), Topology::Single, SHARDS_DEFAULT)).unwrap();
    for name in ["schedule-analyze.json", "scheduler-analyze-empty.json"] {
        leave_waiting(&store, name.split('-').next().unwrap()).await;
        let swept = lambda.invoke(&event(name)).await.unwrap();
        assert_eq!((&swept["series"], &swept["judged"]), (&json!(1), &json!(1)), "{swept}");
        let swept = lambda.invoke(&event(name)).await.unwrap();
        assert_eq!(swept["series"], 0, "{swept}");
    }
    let summary = lambda.invoke(&event("apigw-v2-analyze-summary.json")).await.unwrap();
    assert_eq!(summary["statusCode"], 200);
    assert!(summary["body"].as_str().unwrap().contains(r#""series_count":2"#), "{summary}");

    redis.stop();
    let error = lambda.invoke(&event("schedule-analyze.json")).await.unwrap_err();
    assert!(error["errorType"].as_str().unwrap().starts_with("store_"), "{error}");
}
