//! What queues and streams deliver: once, again, poisoned, and while Redis goes away.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::kit::{Deployment, STREAM, event, queued, sample};

/// Records of a batch during which Redis goes away.
const RECORDS: usize = 60;

fn message(id: &str, body: &str) -> (String, String) {
    (id.to_owned(), body.to_owned())
}

#[tokio::test]
async fn a_replayed_batch_answers_its_poisoned_ids_and_stores_the_rest_once() {
    let it = Deployment::start(STREAM, &[]).await;
    assert!(it.failures(&queued(&[message("seen", &sample(0))])).await.is_empty());
    let batch = queued(&[
        message("a", &sample(1)),
        message("poisoned-1", "not JSON"),
        message("seen", &sample(0)),
        message("b", &sample(2)),
        message("poisoned-2", r#"{"source":"checkout","metric":"rps","value":"NaN"}"#),
        message("c", &sample(3)),
    ]);
    for _ in 0..3 {
        assert_eq!(it.failures(&batch).await, ["poisoned-1", "poisoned-2"]);
        assert_eq!(it.n_accepted().await, 4);
    }
    assert_eq!(it.total("samples duplicate").await, 1 + 4 + 4);
    assert_eq!(it.total("records sqs poisoned").await, 6);
    assert_eq!(it.total("records sqs stored").await, 1 + 3 * 4);
    let told = it.function.stderr();
    assert!(told.iter().any(|it| it.contains("poisoned-2") && it.contains("value_not_finite")));
}

/// The batch of a shard, from a record on.
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

/// Few samples a request, so that a batch is many; a breaker that is soon closed again.
const STEP_BY_STEP: [(&str, &str); 2] =
    [("TIDEMARK_SAMPLES_MAX", "1"), ("REDIS_CIRCUIT_PAUSE_MS", "50")];

#[tokio::test]
async fn a_shard_goes_on_from_the_first_failure_when_redis_went_away_in_mid_batch() {
    let it = Deployment::start(STREAM, &STEP_BY_STEP).await;
    let (batch, numbers) = shard(0);
    it.proxy.delay(Duration::from_millis(3));
    let (failures, ()) = tokio::join!(it.failures(&batch), async {
        it.until(async || it.n_accepted().await >= 10).await;
        it.proxy.refuse();
    });
    let [failed] = &failures[..] else { panic!("one sequence number is wanted: {failures:?}") };
    let mut from = numbers.iter().position(|it| it == failed).unwrap();
    assert!((9..RECORDS).contains(&from), "{from}");
    // What comes before it is stored; of itself it may only be unknown.
    let n_stored = it.n_accepted().await as usize;
    assert!((from..=from + 1).contains(&n_stored), "{n_stored} of {from}");

    it.proxy.heal();
    let mut n_deliveries = 0;
    while from < RECORDS {
        let failures = it.failures(&shard(from).0).await;
        from =
            failures.first().map_or(RECORDS, |id| numbers.iter().position(|it| it == id).unwrap());
        n_deliveries += 1;
        assert!(n_deliveries < 100, "stuck at {from}");
    }
    assert_eq!(it.n_accepted().await as usize, RECORDS);
}

#[tokio::test]
async fn a_queue_keeps_what_was_not_stored_when_redis_went_away_in_mid_batch() {
    let it = Deployment::start(STREAM, &STEP_BY_STEP).await;
    let messages: Vec<_> = (0..RECORDS).map(|i| message(&format!("m{i}"), &sample(i))).collect();
    it.proxy.delay(Duration::from_millis(3));
    let batch = queued(&messages);
    let (mut failures, ()) = tokio::join!(it.failures(&batch), async {
        it.until(async || it.n_accepted().await >= 10).await;
        it.proxy.refuse();
    });
    assert!(!failures.is_empty() && failures.len() <= RECORDS - 9, "{}", failures.len());
    // Whatever is not named is stored.
    let n_stored = it.n_accepted().await as usize;
    assert!(n_stored >= RECORDS - failures.len(), "{n_stored}");

    it.proxy.heal();
    for _ in 0..100 {
        if failures.is_empty() {
            break;
        }
        let again: Vec<_> =
            messages.iter().filter(|it| failures.contains(&it.0)).cloned().collect();
        failures = it.failures(&queued(&again)).await;
    }
    assert_eq!((failures.len(), it.n_accepted().await as usize), (0, RECORDS));
}

#[tokio::test]
async fn a_silent_redis_does_not_outlast_the_invocation() {
    let it = Deployment::start(STREAM, &[("REDIS_RESPONSE_TIMEOUT_MS", "30000")]).await;
    it.proxy.stall();
    let begin = tokio::time::Instant::now();
    let batch = queued(&[message("a", &sample(0)), message("p", "{"), message("b", &sample(1))]);
    let answer = it.lambda.invoke_within(&batch, Duration::from_secs(4)).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    let failures = answer["batchItemFailures"].as_array().unwrap();
    assert_eq!(failures.len(), 3, "{answer}");
    it.proxy.heal();
    assert_eq!(it.failures(&batch).await, ["p"]);
    assert_eq!(it.n_accepted().await, 2);
}

#[tokio::test]
async fn a_tenant_over_its_rate_waits_within_the_invocation_or_comes_again() {
    let vars = [
        ("TIDEMARK_TENANT_SAMPLES_PER_S_MAX", "1"),
        ("TIDEMARK_SAMPLES_MAX", "10"),
        ("TIDEMARK_STREAM_TENANT", "shop"),
    ];
    let it = Deployment::start(STREAM, &vars).await;
    let messages: Vec<_> = (0..12).map(|i| message(&format!("m{i}"), &sample(i))).collect();
    // Ten at once, two more after two seconds.
    assert!(it.failures(&queued(&messages)).await.is_empty());
    assert_eq!(it.n_accepted().await, 12);
    let more: Vec<_> = (12..22).map(|i| message(&format!("m{i}"), &sample(i))).collect();
    let left = Duration::from_secs(2);
    let answer = it.lambda.invoke_within(&queued(&more), left).await.unwrap();
    assert_eq!(answer["batchItemFailures"].as_array().unwrap().len(), 10, "{answer}");
    assert_eq!(it.n_accepted().await, 12);
}

#[tokio::test]
async fn poisoned_records_of_a_shard_may_be_skipped() {
    let batch = event("kinesis-poisoned.json");
    let it = Deployment::start(STREAM, &[("TIDEMARK_STREAM_POISONED", "skip")]).await;
    assert!(it.failures(&batch).await.is_empty());
    assert_eq!((it.n_accepted().await, it.total("records kinesis poisoned").await), (4, 2));
    let number = batch["Records"][2]["kinesis"]["sequenceNumber"].as_str().unwrap();
    assert!(it.function.stderr().iter().any(|line| line.contains(number)));
}

#[tokio::test]
async fn a_bus_is_told_of_a_store_that_is_away_and_delivers_again() {
    let it = Deployment::start(STREAM, &[("REDIS_CIRCUIT_PAUSE_MS", "50")]).await;
    let spike = event("eventbridge-spike.json");
    it.proxy.refuse();
    let error = it.lambda.invoke(&spike).await.unwrap_err();
    assert_eq!(error["errorType"], "store_unavailable", "{error}");
    let firehose = it.lambda.invoke(&event("firehose-transform.json")).await.unwrap_err();
    assert_eq!(firehose["errorType"], "store_unavailable", "{firehose}");
    it.proxy.heal();
    let mut outcome = it.lambda.invoke(&spike).await;
    for _ in 0..100 {
        if outcome.is_ok() {
            break;
        }
        outcome = it.lambda.invoke(&spike).await;
    }
    assert_eq!(outcome, Ok(json!({ "stored": 1 })));
    assert_eq!(it.n_accepted().await, 31);
}

#[tokio::test]
async fn nothing_of_a_group_overtakes_what_failed() {
    let it = Deployment::start(STREAM, &STEP_BY_STEP).await;
    let event = event("sqs-fifo-poisoned.json");
    let id = |i: usize| event["Records"][i]["messageId"].as_str().unwrap().to_owned();
    it.proxy.refuse();
    assert_eq!(it.failures(&event).await, (0..6).map(id).collect::<Vec<_>>());
    it.proxy.heal();
    it.until(async || it.failures(&event).await.len() == 3).await;
    // The third is poisoned, the fourth and sixth are of its group.
    assert_eq!(it.failures(&event).await, [2, 3, 5].map(id));
    assert_eq!(it.n_accepted().await, 3);
}

#[tokio::test]
async fn several_batches_are_stored_at_once_where_lambda_says_so() {
    let it = Deployment::start(STREAM, &[("AWS_LAMBDA_MAX_CONCURRENCY", "4")]).await;
    it.proxy.stall();
    let batches = (0..4).map(|i| queued(&[message("m", &sample(i)), message("p", "{")]));
    let batches: Vec<Value> = batches.collect();
    let (failures, ()) =
        tokio::join!(join_all(batches.iter().map(|it_| it.failures(it_))), async {
            it.until(async || it.lambda.n_running() == 4).await;
            it.proxy.heal();
        });
    assert_eq!(failures, vec![vec!["p".to_owned()]; 4]);
    assert_eq!(it.n_accepted().await, 4);
}

#[tokio::test]
async fn what_is_no_event_fails_the_invocation_and_nothing_else() {
    let it = Deployment::start(STREAM, &[]).await;
    let cases = [
        (json!({}), "event_malformed"),
        (json!([1]), "event_malformed"),
        (event("dynamodb-ingest-stream.json"), "trigger_unknown"),
        (event("apigw-v2-ingest-sample.json"), "event_malformed"),
    ];
    for (wrong, code) in cases {
        assert_eq!(it.lambda.invoke(&wrong).await.unwrap_err()["errorType"], code, "{wrong}");
    }
    assert!(it.failures(&queued(&[message("a", &sample(0))])).await.is_empty());
}
