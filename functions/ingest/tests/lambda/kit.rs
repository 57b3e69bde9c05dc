//! A deployed function: its process, the Lambda service that invokes it, and its Redis.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use domain::SHARDS_DEFAULT;
use serde_json::{Value, json};
use server::testbed::{FunctionProcess, LambdaService};
use store::testbed::{Proxy, RedisServer, patient_options};
use store::{RedisStore, StoreStatus, Topology};

pub(crate) const INGEST: &str = env!("CARGO_BIN_EXE_ingest");
pub(crate) const STREAM: &str = env!("CARGO_BIN_EXE_ingest-stream");

/// 2024-11-20T00:00:00Z, in milliseconds.
pub(crate) const BEGIN_MS: i64 = 1_732_060_800_000;

/// Longest wait for an expected state.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A function with its Redis, behind a proxy that injects network faults.
pub(crate) struct Deployment {
    pub(crate) function: FunctionProcess,
    pub(crate) lambda: LambdaService,
    pub(crate) proxy: Proxy,
    store: RedisStore,
    _redis: RedisServer,
}

impl Deployment {
    pub(crate) async fn start(binary: &str, vars: &[(&str, &str)]) -> Self {
        let redis = RedisServer::start();
        let proxy = Proxy::start(redis.port());
        let lambda = LambdaService::start().await;
        let url = proxy.url();
        let mut all = vec![("REDIS_URL", url.as_str()), ("TIDEMARK_ACCESS", "open")];
        all.extend_from_slice(vars);
        let function = FunctionProcess::start(binary, &lambda, &all);
        // Bypasses the proxy.
        let store =
            RedisStore::new(&patient_options(redis.url(), Topology::Single, SHARDS_DEFAULT))
                .unwrap();
        Self { function, lambda, proxy, store, _redis: redis }
    }

    pub(crate) async fn invoke(&self, event: &Value) -> Value {
        self.lambda.invoke(event).await.unwrap_or_else(|error| {
            panic!("{error}\n{}", self.function.stderr().join("\n"));
        })
    }

    /// The ids of the records to retry after an event of a queue or stream.
    pub(crate) async fn failures(&self, event: &Value) -> Vec<String> {
        let answer = self.invoke(event).await;
        let failures = answer["batchItemFailures"].as_array().unwrap().iter();
        failures.map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
    }

    /// The totals in the store.
    pub(crate) async fn totals(&self) -> BTreeMap<String, u64> {
        self.store.totals().await.unwrap()
    }

    pub(crate) async fn total(&self, name: &str) -> u64 {
        self.totals().await.get(name).copied().unwrap_or_default()
    }

    /// Samples that the store accepted as new.
    pub(crate) async fn n_accepted(&self) -> u64 {
        self.total("samples accepted").await
    }

    /// Waits until a condition holds.
    pub(crate) async fn until<F: Future<Output = bool>>(&self, mut is_so: impl FnMut() -> F) {
        let waiting = async {
            while !is_so().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(WAIT_MAX, waiting).await.expect("the condition holds in time");
    }
}

/// A file of `events/`.
pub(crate) fn event(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The JSON of the sample of a minute.
pub(crate) fn sample(minute: usize) -> String {
    let timestamp = BEGIN_MS + 60_000 * minute as i64;
    json!({ "source": "checkout", "metric": "rps", "timestamp": timestamp, "value": 400 + minute % 7 })
        .to_string()
}

/// An event of a queue with these messages, each with its id.
pub(crate) fn queued(messages: &[(String, String)]) -> Value {
    let record = |(id, body): &(String, String)| {
        json!({
            "messageId": id,
            "receiptHandle": "AQEB",
            "body": body,
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": BEGIN_MS.to_string() },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:samples",
            "awsRegion": "eu-central-1"
        })
    };
    json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() })
}
