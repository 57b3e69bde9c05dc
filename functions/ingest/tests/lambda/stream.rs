//! Events of queues and streams: new, repeated, poisoned, and during an outage of Redis.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::kit::{Deployment, STREAM, event, queued, sample};

/// Records of a batch during which Redis becomes unavailable.
const RECORDS: usize = 60;

fn message(id: &str, body: &str) -> (String, String) {
    (id.to_owned(), body.to_owned())
}

#[tokio::test]
async fn a_repeated_batch_reports_its_poisoned_ids_and_stores_the_others_once() {
    let deployment = Deployment::start(STREAM, &[]).await;
    assert!(deployment.failures(&queued(&[message("seen", &sample(0))])).await.is_empty());
    let batch = queued(&[
        message("a", &sample(1)),
        message("poisoned-1", "not JSON"),
        message("seen", &sample(0)),
        message("b", &sample(2)),
        message("poisoned-2", r#"{"source":"checkout","metric":"rps","value":"NaN"}"#),
        message("c", &sample(3)),
    ]);
    for _ in 0..3 {
        assert_eq!(deployment.failures(&batch).await, ["poisoned-1", "poisoned-2"]);
        assert_eq!(deployment.n_accepted().await, 4);
    }
    assert_eq!(deployment.total("samples duplicate").await, 1 + 4 + 4);
    assert_eq!(deployment.total("stream_records sqs poisoned").await, 6);
    assert_eq!(deployment.total("stream_records sqs stored").await, 1 + 3 * 4);
    let logged = deployment.function.stderr();
    assert!(
        logged.iter().any(|line| line.contains("poisoned-2") && line.contains("value_not_finite"))
    );
}

/// The batch of a shard that starts with record `from`, and all sequence numbers.
fn shard(from: usize) -> (Value, Vec<String>) {
    let template = event("kinesis-untimed.json")["Records"][0].clone();
    let number = |i: usize| format!("495903382714902566085596925383615710959215759891365{i:05}");
    let record = |i: usize| {
        let mut record = template.clone();
        record["kinesis"]["sequenceNumber"] = json!(number(i));
        record["kinesis"]["data"] = json!(base64(&sample(i)));
        record
    };
    let records: Vec<Value> = (from..RECORDS).map(record).collect();
    (json!({ "Records": records }), (0..RECORDS).map(number).collect())
}

fn base64(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut written = String::new();
    for part in text.as_bytes().chunks(3) {
        let bits = (0..3).fold(0, |bits, i| bits << 8 | u32::from(*part.get(i).unwrap_or(&0)));
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i) & 63) as usize];
            written.push(if i <= part.len() { char::from(letter) } else { '=' });
        }
    }
    written
}

/// Few samples per write, so that a batch needs many; a circuit breaker that closes soon.
const STEP_BY_STEP: [(&str, &str); 2] =
    [("TIDEMARK_SAMPLES_MAX", "1"), ("REDIS_CIRCUIT_PAUSE_MS", "50")];

#[tokio::test]
async fn a_shard_continues_from_the_first_failure_after_an_outage_of_redis() {
    let deployment = Deployment::start(STREAM, &STEP_BY_STEP).await;
    let (batch, numbers) = shard(0);
    deployment.proxy.delay(Duration::from_millis(3));
    let (failures, ()) = tokio::join!(deployment.failures(&batch), async {
        deployment.until(async || deployment.n_accepted().await >= 10).await;
        deployment.proxy.refuse();
    });
    let [failed] = &failures[..] else { panic!("expected one sequence number: {failures:?}") };
    let mut from = numbers.iter().position(|number| number == failed).unwrap();
    assert!((9..RECORDS).contains(&from), "{from}");
    // The records before it are stored; its own outcome may be unknown.
    let n_stored = deployment.n_accepted().await as usize;
    assert!((from..=from + 1).contains(&n_stored), "{n_stored} of {from}");

    deployment.proxy.heal();
    let mut n_deliveries = 0;
    while from < RECORDS {
        let failures = deployment.failures(&shard(from).0).await;
        from = failures
            .first()
            .map_or(RECORDS, |id| numbers.iter().position(|number| number == id).unwrap());
        n_deliveries += 1;
        assert!(n_deliveries < 100, "stuck at {from}");
    }
    assert_eq!(deployment.n_accepted().await as usize, RECORDS);
}

#[tokio::test]
async fn a_queue_retries_the_unstored_messages_after_an_outage_of_redis() {
    let deployment = Deployment::start(STREAM, &STEP_BY_STEP).await;
    let messages: Vec<_> = (0..RECORDS).map(|i| message(&format!("m{i}"), &sample(i))).collect();
    deployment.proxy.delay(Duration::from_millis(3));
    let batch = queued(&messages);
    let (mut failures, ()) = tokio::join!(deployment.failures(&batch), async {
        deployment.until(async || deployment.n_accepted().await >= 10).await;
        deployment.proxy.refuse();
    });
    assert!(!failures.is_empty() && failures.len() <= RECORDS - 9, "{}", failures.len());
    // All messages that are not listed are stored.
    let n_stored = deployment.n_accepted().await as usize;
    assert!(n_stored >= RECORDS - failures.len(), "{n_stored}");

    deployment.proxy.heal();
    for _ in 0..100 {
        if failures.is_empty() {
            break;
        }
        let again: Vec<_> =
            messages.iter().filter(|(id, _)| failures.contains(id)).cloned().collect();
        failures = deployment.failures(&queued(&again)).await;
    }
    assert_eq!((failures.len(), deployment.n_accepted().await as usize), (0, RECORDS));
}

#[tokio::test]
async fn a_silent_redis_does_not_outlast_the_invocation() {
    let deployment = Deployment::start(STREAM, &[("REDIS_RESPONSE_TIMEOUT_MS", "30000")]).await;
    deployment.proxy.stall();
    let begin = tokio::time::Instant::now();
    let batch = queued(&[message("a", &sample(0)), message("p", "{"), message("b", &sample(1))]);
    let answer = deployment.lambda.invoke_within(&batch, Duration::from_secs(4)).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    let failures = answer["batchItemFailures"].as_array().unwrap();
    assert_eq!(failures.len(), 3, "{answer}");
    deployment.proxy.heal();
    assert_eq!(deployment.failures(&batch).await, ["p"]);
    assert_eq!(deployment.n_accepted().await, 2);
}

#[tokio::test]
async fn a_rate_limited_event_waits_within_its_invocation_or_is_retried() {
    let vars = [
        ("TIDEMARK_TENANT_SAMPLES_PER_S_MAX", "1"),
        ("TIDEMARK_SAMPLES_MAX", "10"),
        ("TIDEMARK_STREAM_TENANT", "shop"),
    ];
    let deployment = Deployment::start(STREAM, &vars).await;
    let messages: Vec<_> = (0..12).map(|i| message(&format!("m{i}"), &sample(i))).collect();
    // Ten at once, two more after two seconds.
    assert!(deployment.failures(&queued(&messages)).await.is_empty());
    assert_eq!(deployment.n_accepted().await, 12);
    let more: Vec<_> = (12..22).map(|i| message(&format!("m{i}"), &sample(i))).collect();
    let left = Duration::from_secs(2);
    let answer = deployment.lambda.invoke_within(&queued(&more), left).await.unwrap();
    assert_eq!(answer["batchItemFailures"].as_array().unwrap().len(), 10, "{answer}");
    assert_eq!(deployment.n_accepted().await, 12);
}

#[tokio::test]
async fn poisoned_records_of_a_shard_may_be_skipped() {
    let batch = event("kinesis-poisoned.json");
    let deployment = Deployment::start(STREAM, &[("TIDEMARK_STREAM_POISONED", "skip")]).await;
    assert!(deployment.failures(&batch).await.is_empty());
    assert_eq!(
        (deployment.n_accepted().await, deployment.total("stream_records kinesis poisoned").await),
        (4, 2)
    );
    let number = batch["Records"][2]["kinesis"]["sequenceNumber"].as_str().unwrap();
    assert!(deployment.function.stderr().iter().any(|line| line.contains(number)));
}

#[tokio::test]
async fn an_unavailable_store_fails_the_invocation_of_a_bus_which_retries() {
    let deployment = Deployment::start(STREAM, &[("REDIS_CIRCUIT_PAUSE_MS", "50")]).await;
    let spike = event("eventbridge-spike.json");
    deployment.proxy.refuse();
    let error = deployment.lambda.invoke(&spike).await.unwrap_err();
    assert_eq!(error["errorType"], "store_unavailable", "{error}");
    let firehose = deployment.lambda.invoke(&event("firehose-transform.json")).await.unwrap_err();
    assert_eq!(firehose["errorType"], "store_unavailable", "{firehose}");
    deployment.proxy.heal();
    let mut outcome = deployment.lambda.invoke(&spike).await;
    for _ in 0..100 {
        if outcome.is_ok() {
            break;
        }
        outcome = deployment.lambda.invoke(&spike).await;
    }
    assert_eq!(outcome, Ok(json!({ "stored": 1 })));
    assert_eq!(deployment.n_accepted().await, 31);
}

#[tokio::test]
async fn no_message_of_a_group_overtakes_a_failed_one() {
    let deployment = Deployment::start(STREAM, &STEP_BY_STEP).await;
    let event = event("sqs-fifo-poisoned.json");
    let id = |i: usize| event["Records"][i]["messageId"].as_str().unwrap().to_owned();
    deployment.proxy.refuse();
    assert_eq!(deployment.failures(&event).await, (0..6).map(id).collect::<Vec<_>>());
    deployment.proxy.heal();
    deployment.until(async || deployment.failures(&event).await.len() == 3).await;
    // The third is poisoned; the fourth and sixth are in its group.
    assert_eq!(deployment.failures(&event).await, [2, 3, 5].map(id));
    assert_eq!(deployment.n_accepted().await, 3);
}

#[tokio::test]
async fn concurrent_batches_are_stored_if_lambda_is_configured_so() {
    let deployment = Deployment::start(STREAM, &[("AWS_LAMBDA_MAX_CONCURRENCY", "4")]).await;
    deployment.proxy.stall();
    let batches = (0..4).map(|i| queued(&[message("m", &sample(i)), message("p", "{")]));
    let batches: Vec<Value> = batches.collect();
    let (failures, ()) =
        tokio::join!(join_all(batches.iter().map(|batch| deployment.failures(batch))), async {
            deployment.until(async || deployment.lambda.n_running() == 4).await;
            deployment.proxy.heal();
        });
    assert_eq!(failures, vec![vec!["p".to_owned()]; 4]);
    assert_eq!(deployment.n_accepted().await, 4);
}

#[tokio::test]
async fn an_unknown_event_fails_only_its_invocation() {
    let deployment = Deployment::start(STREAM, &[]).await;
    let cases = [
        (json!({}), "event_malformed"),
        (json!([1]), "event_malformed"),
        (event("dynamodb-ingest-stream.json"), "trigger_unknown"),
        (event("apigw-v2-ingest-sample.json"), "event_malformed"),
    ];
    for (wrong, code) in cases {
        assert_eq!(
            deployment.lambda.invoke(&wrong).await.unwrap_err()["errorType"],
            code,
            "{wrong}"
        );
    }
    assert!(deployment.failures(&queued(&[message("a", &sample(0))])).await.is_empty());
}
