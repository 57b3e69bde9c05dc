//! The log of an invocation: metrics in the embedded metric format of CloudWatch, ids, levels.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::kit::{Deployment, INGEST, STREAM, event, queued, sample};

/// The metric lines of the answered invocations, which are written before the answer.
fn metrics(deployment: &Deployment) -> Vec<Value> {
    deployment.function.stdout().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Checks a line against the specification of the format.
fn check(line: &Value) {
    let metadata = line["_aws"].as_object().unwrap();
    assert!(
        metadata["Timestamp"].as_i64().is_some_and(|at_ms| at_ms > 1_732_060_800_000),
        "{line}"
    );
    let directives = metadata["CloudWatchMetrics"].as_array().unwrap();
    assert!(!directives.is_empty(), "{line}");
    let mut named = BTreeSet::new();
    for directive in directives {
        assert_eq!(directive["Namespace"], "Tidemark");
        for set in directive["Dimensions"].as_array().unwrap() {
            let set = set.as_array().unwrap();
            assert!((1..=30).contains(&set.len()), "{line}");
            for dimension in set {
                let value = line[dimension.as_str().unwrap()].as_str().unwrap();
                assert!((1..=1_024).contains(&value.len()), "{line}");
            }
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()), "{line}");
        for metric in metrics {
            let name = metric["Name"].as_str().unwrap();
            assert!(["Count", "Seconds"].contains(&metric["Unit"].as_str().unwrap()), "{line}");
            assert!(named.insert(name), "{name} twice in {line}");
            let values = line[name].as_array().cloned().unwrap_or_else(|| vec![line[name].clone()]);
            assert!((1..=100).contains(&values.len()), "{line}");
            assert!(values.iter().all(Value::is_number), "{line}");
        }
    }
}

#[tokio::test]
async fn each_invocation_logs_its_metrics_before_it_ends() {
    let deployment = Deployment::start(INGEST, &[]).await;
    deployment.invoke(&event("apigw-v2-ingest-spike.json")).await;
    let lines = metrics(&deployment);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    check(line);
    for (name, wanted) in [
        ("function", json!("ingest")),
        ("request_id", json!("invocation-1")),
        ("cold_start", json!(true)),
        ("cold_starts_total", json!(1)),
        ("http_requests_total", json!(1)),
        ("route", json!("/ingest")),
        ("status", json!("200")),
        ("samples_total", json!(31)),
        ("outcome", json!("accepted")),
        ("anomalies_total", json!(1)),
        ("signal", json!("deviation")),
    ] {
        assert_eq!(line[name], wanted, "{name} in {line}");
    }
    assert!(line["store_command_duration_seconds"].as_array().unwrap().len() >= 2, "{line}");

    deployment.invoke(&event("apigw-v2-ingest-spike.json")).await;
    let lines = metrics(&deployment);
    assert_eq!(lines.len(), 2, "{lines:?}");
    check(&lines[1]);
    assert_eq!(
        (&lines[1]["cold_start"], &lines[1]["outcome"]),
        (&json!(false), &json!("duplicate"))
    );
    assert_eq!(lines[1]["cold_starts_total"], Value::Null);
}

#[tokio::test]
async fn a_batch_with_several_outcomes_logs_a_line_for_each() {
    let deployment = Deployment::start(STREAM, &[]).await;
    let messages =
        [("a", sample(0)), ("b", sample(1)), ("again", sample(0)), ("poisoned", "{".to_owned())];
    let messages = messages.map(|(id, body)| (id.to_owned(), body));
    deployment.failures(&queued(&messages)).await;
    let lines = metrics(&deployment);
    lines.iter().for_each(check);
    let sums = |metric: &str, label: &str| -> BTreeMap<String, u64> {
        let logged = lines.iter().filter(|line| line[metric].is_number());
        logged
            .map(|line| (line[label].as_str().unwrap().to_owned(), line[metric].as_u64().unwrap()))
            .collect()
    };
    let wanted = |pairs: [(&str, u64); 2]| pairs.map(|(name, n)| (name.to_owned(), n)).into();
    assert_eq!(sums("samples_total", "outcome"), wanted([("accepted", 2), ("duplicate", 1)]));
    assert_eq!(sums("stream_records_total", "result"), wanted([("poisoned", 1), ("stored", 3)]));
}

#[tokio::test]
async fn metrics_in_the_log_can_be_switched_off_or_named() {
    let deployment = Deployment::start(INGEST, &[("TIDEMARK_EMF", "off")]).await;
    deployment.invoke(&event("apigw-v2-ingest-sample.json")).await;
    assert!(deployment.function.stdout().is_empty(), "{:?}", deployment.function.stdout());
    let deployment = Deployment::start(INGEST, &[("TIDEMARK_EMF_NAMESPACE", "Shop/Staging")]).await;
    deployment.invoke(&event("apigw-v2-ingest-sample.json")).await;
    let namespace = &metrics(&deployment)[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"];
    assert_eq!(namespace, "Shop/Staging");
}

#[tokio::test]
async fn lines_have_the_ids_of_invocation_and_trace_and_the_first_marks_the_cold_start() {
    let deployment = Deployment::start(STREAM, &[]).await;
    deployment.failures(&event("sqs-poisoned.json")).await;
    let logged: Vec<Value> = deployment
        .function
        .stderr()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let first = logged.iter().find(|line| line["cold_start"] == true).unwrap();
    assert_eq!(
        (&first["request_id"], &first["function"]),
        (&json!("invocation-1"), &json!("ingest-stream"))
    );
    let failed: Vec<_> =
        logged.iter().filter(|line| line["message"] == "record not stored").collect();
    assert_eq!(failed.len(), 2, "{logged:?}");
    for line in failed {
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["span"]["request_id"], "invocation-1", "{line}");
        assert_eq!(line["span"]["trace_id"], "5759e988bd862e3fe1be46a994272793", "{line}");
    }
    deployment.failures(&event("sqs-poisoned.json")).await;
    let logged = deployment.function.stderr();
    assert_eq!(logged.iter().filter(|line| line.contains("cold_start")).count(), 1);
}

#[tokio::test]
async fn the_level_is_that_of_the_logging_configuration() {
    for (level, is_logged) in [("ERROR", false), ("WARN", true)] {
        let deployment = Deployment::start(STREAM, &[("AWS_LAMBDA_LOG_LEVEL", level)]).await;
        deployment.failures(&event("sqs-poisoned.json")).await;
        let logged = deployment.function.stderr();
        assert_eq!(
            logged.iter().any(|line| line.contains("record not stored")),
            is_logged,
            "{logged:?}"
        );
        // Metrics are logged at every level.
        assert!(!metrics(&deployment).is_empty());
    }
}

#[tokio::test]
async fn a_terminated_function_exits_with_code_0() {
    let mut deployment = Deployment::start(STREAM, &[]).await;
    deployment.failures(&queued(&[])).await;
    assert_eq!(deployment.function.terminate(), Some(0));
}

#[tokio::test]
async fn the_metrics_in_the_log_add_up_to_the_totals_of_the_store() {
    let deployment = Deployment::start(INGEST, &[]).await;
    for name in [
        "apigw-v2-ingest-spike.json",
        "apigw-v2-ingest-mixed.json",
        "alb-ingest-spike.json",
        "apigw-v2-ingest-rejected.json",
        "apigw-v2-ingest-malformed.json",
        "function-url-ingest-ndjson.json",
    ] {
        deployment.invoke(&event(name)).await;
    }
    let mut scrape = event("function-url-livez.json");
    scrape["rawPath"] = json!("/metrics");
    scrape["requestContext"]["http"]["path"] = json!("/metrics");
    let answer = deployment.invoke(&scrape).await;
    let text = answer["body"].as_str().unwrap();

    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for line in metrics(&deployment) {
        check(&line);
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            for metric in directive["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap();
                assert!(text.contains(&format!("\n# TYPE {name} ")), "{name} in /metrics");
            }
        }
        for (metric, label, stored) in [
            ("samples_total", "outcome", "samples"),
            ("anomalies_total", "signal", "anomalies"),
            ("samples_rejected_total", "code", "samples_rejected"),
        ] {
            if let Some(n) = line[metric].as_u64() {
                let label = line[label].as_str().unwrap();
                *sums.entry(format!("{stored} {label}")).or_default() += n;
            }
        }
    }
    let totals = deployment.totals().await;
    let counted = |name: &&String| {
        ["samples ", "anomalies ", "samples_rejected "]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    let counted = totals.iter().filter(|(name, n)| **n > 0 && counted(name));
    let counted: BTreeMap<String, u64> = counted.map(|(name, n)| (name.clone(), *n)).collect();
    assert!(sums.len() >= 5, "{sums:?}");
    assert_eq!(sums, counted);
}

#[tokio::test]
async fn no_level_logs_an_event_or_its_api_key() {
    for format in ["json", "text"] {
        let vars = [
            ("RUST_LOG", "trace,lambda_runtime=trace,aws_config=trace"),
            ("TIDEMARK_LOG_FORMAT", format),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLEOFTEST"),
            ("AWS_SECRET_ACCESS_KEY", "secret-of-the-test"),
            ("AWS_SESSION_TOKEN", "token-of-the-test"),
        ];
        let deployment = Deployment::start(INGEST, &vars).await;
        let mut sent = event("apigw-v2-ingest-sample.json");
        sent["headers"]["authorization"] = json!("Bearer tmk_of-the-test");
        sent["body"] = json!(r#"{"metric":"metric-of-the-test","value":1}"#);
        sent["isBase64Encoded"] = json!(false);
        assert_eq!(deployment.invoke(&sent).await["statusCode"], 200);
        let mut logged = deployment.function.stderr();
        logged.extend(deployment.function.stdout());
        assert!(logged.iter().any(|line| line.contains("request served")), "{logged:?}");
        for secret in ["of-the-test", "AKIDEXAMPLEOFTEST"] {
            let lines = logged.iter().filter(|line| line.contains(secret));
            assert_eq!(lines.collect::<Vec<_>>(), Vec::<&String>::new(), "{secret}");
        }
    }
}

#[tokio::test]
async fn a_request_that_the_store_fails_is_one_warning() {
    let deployment = Deployment::start(INGEST, &[]).await;
    deployment.proxy.refuse();
    assert_eq!(deployment.invoke(&event("apigw-v2-ingest-spike.json")).await["statusCode"], 503);
    let logged = deployment.function.stderr();
    let lines = logged.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let warnings: Vec<Value> = lines
        .filter(|line| line["level"] == "WARN" && line["span"]["request_id"].is_string())
        .collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0]["message"], "request failed");
}
