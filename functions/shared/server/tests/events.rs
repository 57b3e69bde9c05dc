//! Answers each file in `events/` as in its snapshot; a file without a snapshot fails.
//!
//! Events of queues and streams are delivered twice; the second delivery changes nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

use std::fs;
use std::path::{Path, PathBuf};

use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde_json::{Value, json};
use server::{App, Function};
use service::{Config, Service, StoreScope, store_for};

/// The sources whose events are for `ingest-stream`.
const STREAMS: [&str; 6] = ["sqs", "kinesis", "eventbridge", "firehose", "sns", "dynamodb"];

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../events");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

fn app(function: Function, service: &Service, config: &Config) -> App {
    App::new(function, service.clone(), config)
}

/// The answer to an event as JSON, or the error as reported to Lambda.
async fn invoke(app: &App, event: &str) -> Value {
    let event = LambdaEvent::new(serde_json::from_str(event).unwrap(), Context::default());
    match server::answer_event(app, server::router(app.clone()), event).await {
        Ok(answer) => serde_json::to_value(answer).unwrap(),
        Err(error) => {
            let Diagnostic { error_type, error_message, .. } = error.into();
            json!({ "errorType": error_type, "errorMessage": error_message })
        }
    }
}

/// The parts of an HTTP response that do not change with time.
fn stable_parts(mut answer: Value) -> Value {
    let Some(text) = answer["body"].as_str() else { return answer };
    let mut body = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    if let Some(revision) = body.get_mut("revision").filter(|revision| revision.as_i64() != Some(0))
    {
        *revision = json!("of the time of the test");
    }
    // Firehose demands the time of the answer.
    let is_firehose = body.get("requestId").is_some();
    if let Some(timestamp) = body.get_mut("timestamp").filter(|_| is_firehose) {
        assert!(timestamp.as_i64().is_some_and(|at_ms| at_ms > 1_700_000_000_000));
        *timestamp = json!("of the time of the test");
    }
    // A REST API and a load balancer have headers with several values.
    let headers = ["headers", "multiValueHeaders"].map(|name| answer[name]["content-type"].take());
    let [single, several] = headers;
    let content_type = if single.is_null() { several[0].clone() } else { single };
    let is_binary = content_type == "application/x-protobuf";
    assert_eq!(answer["isBase64Encoded"], is_binary, "any other uncompressed answer is text");
    json!({ "status": answer["statusCode"], "content-type": content_type, "body": body })
}

/// The function for the event of a file, by its name.
fn function_of(name: &str) -> Function {
    if STREAMS.iter().any(|source| name.starts_with(source)) {
        Function::IngestStream
    } else if name.contains("-ingest") {
        Function::Ingest
    } else {
        Function::Analyze
    }
}

/// The number of samples by outcome.
async fn samples(service: &Service) -> Value {
    let text = service.metrics().await.unwrap();
    let line = |outcome: &str| format!("samples_total{{outcome=\"{outcome}\"}} ");
    let n = |outcome: &str| -> u64 {
        let n = text.lines().find_map(|text| text.strip_prefix(&line(outcome))).unwrap();
        n.parse().unwrap()
    };
    json!({ "accepted": n("accepted"), "duplicate": n("duplicate"), "conflict": n("conflict") })
}

async fn delivered(app: &App, event: &str) -> Value {
    json!({ "answer": invoke(app, event).await, "samples": samples(app.service()).await })
}

#[tokio::test]
async fn each_event_is_answered_as_in_its_snapshot() {
    let spike =
        files().into_iter().find(|path| path.ends_with("apigw-v2-ingest-spike.json")).unwrap();
    let spike = fs::read_to_string(spike).unwrap();
    for path in files() {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let config = Config::from_env(std::iter::empty()).unwrap();
        let service = Service::new(store_for(&config, StoreScope::Process).unwrap(), &config);
        let app = |function| app(function, &service, &config);
        let event = fs::read_to_string(&path).unwrap();
        let function = function_of(&name);
        let answer = match function {
            Function::IngestStream => {
                let app = app(function);
                let once = delivered(&app, &event).await;
                json!({ "once": once, "again": delivered(&app, &event).await })
            }
            Function::Analyze => {
                // The samples to analyze.
                invoke(&app(Function::Ingest), &spike).await;
                stable_parts(invoke(&app(function), &event).await)
            }
            _ => stable_parts(invoke(&app(function), &event).await),
        };
        insta::with_settings!({ omit_expression => true, sort_maps => true }, {
            insta::assert_json_snapshot!(name, answer);
        });
    }
}
