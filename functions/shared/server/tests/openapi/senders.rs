//! The operations to which other products send samples, in their dialects.

use serde_json::{Value, json};

use crate::operations::{Operation, WRITE};

/// Headers of each answer to Prometheus remote write.
const WRITTEN: [&str; 3] = [
    "X-Prometheus-Remote-Write-Samples-Written",
    "X-Prometheus-Remote-Write-Histograms-Written",
    "X-Prometheus-Remote-Write-Exemplars-Written",
];

pub(crate) fn remote_write() -> Value {
    let bytes =
        || json!({ "schema": { "type": "string", "contentMediaType": "application/x-protobuf" } });
    let body = json!({
        "required": true,
        "description": "A message of Prometheus remote write 1.0 or 2.0; `Content-Encoding` snappy (block format, also if \
                        there is no such header) or zstd.",
        "content": {
            "application/x-protobuf": bytes(),
            "application/x-protobuf;proto=io.prometheus.write.v2.Request": bytes()
        }
    });
    let mut operation =
        Operation::new("remoteWrite", "ingest", WRITE, "Store samples of Prometheus remote write")
            .description(
                "`__name__` is the metric, `job` the source, each other label a label. Samples without a value (NaN, \
                 infinities and staleness markers) count as written, and are not stored.",
            )
            .response(204, "All samples are stored.", &WRITTEN, Value::Null);
    let text = || json!({ "text/plain": { "schema": { "type": "string" } } });
    for (status, description, more) in [
        (
            400,
            "The body cannot be read or is too large, or the named samples were refused: the others are stored.",
            None,
        ),
        (401, "The API key is missing or unknown.", Some("WWW-Authenticate")),
        (403, "The API key lacks the right of this operation.", Some("WWW-Authenticate")),
        (415, "The content type or content encoding is not supported.", None),
        (429, "The tenant exceeds its rate limit.", Some("Retry-After")),
        (500, "Internal error.", None),
        (
            503,
            "The store is unavailable, or the process is overloaded: retry the whole request.",
            Some("Retry-After"),
        ),
        (504, "The request timeout passed. Stored samples stay stored; a retry is safe.", None),
    ] {
        let headers: Vec<&str> = WRITTEN.into_iter().chain(more).collect();
        operation = operation.response(status, description, &headers, text());
    }
    operation.0["requestBody"] = body;
    operation.0
}

pub(crate) fn otlp() -> Value {
    let answer = || {
        json!({
            "application/json": { "schema": true },
            "application/x-protobuf": { "schema": { "type": "string" } }
        })
    };
    let mut operation =
        Operation::new("otlpMetrics", "ingest", WRITE, "Store metrics of OpenTelemetry").description(
            "`service.name` is the source; other attributes are labels. Cumulative sums that only grow are counters, deltas \
             become rates. Histograms and summaries become the number and the sum of their observations, histograms \
             also the mean.",
        );
    operation = operation.response(
        200,
        "`ExportMetricsServiceResponse`, with the number of rejected data points and the reasons in `partial_success`.",
        &[],
        answer(),
    );
    for (status, description, headers) in senders_errors() {
        operation = operation.response(status, description, headers, answer());
    }
    operation.0["requestBody"] = json!({
        "required": true,
        "description": "`ExportMetricsServiceRequest` of OTLP 1.0; may be compressed: `Content-Encoding` gzip or zstd.",
        "content": answer()
    });
    operation.0
}

/// The errors of the routes to which other products send samples, in their dialect.
fn senders_errors() -> [(u16, &'static str, &'static [&'static str]); 9] {
    [
        (400, "The body or a parameter is malformed.", &[]),
        (401, "The API key is missing or unknown.", &["WWW-Authenticate"]),
        (403, "The API key lacks the right of this operation.", &["WWW-Authenticate"]),
        (413, "The body is too large, as sent or decompressed.", &[]),
        (415, "The content type or content encoding is not supported.", &[]),
        (429, "The tenant exceeds its rate limit.", &["Retry-After"]),
        (500, "Internal error.", &[]),
        (
            503,
            "The store is unavailable, or the process is overloaded: retry the whole request.",
            &["Retry-After"],
        ),
        (504, "The request timeout passed. Stored samples stay stored; a retry is safe.", &[]),
    ]
}

pub(crate) fn influx(id: &str, version: &str) -> Value {
    let summary = format!("Store samples in line protocol, as InfluxDB {version} does");
    let mut operation = Operation::new(id, "ingest", WRITE, &summary)
        .description(
            "Each number is a sample of `<measurement>_<field>`, or of `<measurement>` if the field is `value`; the tag \
             `host` is the source. The API key may be a token, or the password of `Basic`. Other parameters than \
             `precision` are ignored.",
        )
        .parameter(json!({
            "name": "precision", "in": "query",
            "description": "Unit of the times: nanoseconds by default, in version 3 by magnitude.",
            "schema": { "enum": [
                "ns", "us", "ms", "s", "m", "h", "auto", "nanosecond", "microsecond", "millisecond", "second"
            ] }
        }))
        .response(204, "All samples are stored.", &[], Value::Null);
    for (status, description, headers) in senders_errors() {
        let description = if status == 400 {
            "The body or a parameter is malformed, or a partial write: the good lines are stored."
        } else {
            description
        };
        operation = operation.response(
            status,
            description,
            headers,
            json!({ "application/json": { "schema": true } }),
        );
    }
    operation.0["requestBody"] = json!({
        "required": true,
        "description": "May be compressed: `Content-Encoding` gzip or zstd.",
        "content": { "text/plain": { "schema": { "type": "string" } } }
    });
    operation.0
}

pub(crate) fn firehose() -> Value {
    let answer = || json!({ "application/json": { "schema": true } });
    let summary = "Store the records of an Amazon Data Firehose stream";
    let mut operation = Operation::new("firehose", "ingest", WRITE, summary)
        .description(
            "Each record holds samples as JSON or NDJSON, or a part of a CloudWatch metric stream, as JSON or OpenTelemetry \
             1.0. The API key may be the access key of the stream, `X-Amz-Firehose-Access-Key`.",
        )
        .response(200, "All samples are stored.", &[], answer());
    for (status, description, headers) in senders_errors() {
        let description = if status == 400 {
            "The body is malformed, or the named samples can never be stored: the others are stored."
        } else {
            description
        };
        operation = operation.response(status, description, headers, answer());
    }
    operation.0["requestBody"] = json!({
        "required": true,
        "description": "The request of an HTTP endpoint delivery; may be compressed: `Content-Encoding` gzip.",
        "content": answer()
    });
    operation.0
}

pub(crate) fn cloud_events() -> Value {
    let any = || json!({ "schema": true });
    let mut operation =
        Operation::new("cloudEvents", "ingest", WRITE, "Store samples of CloudEvents")
            .description(
                "Binary, structured and batch mode of CloudEvents 1.0 over HTTP. The content of an event is samples as JSON or \
                 NDJSON, or a part of a CloudWatch metric stream. A sample without a time gets that of its event.",
            )
            .response(202, "All samples are stored, or were before.", &[], Value::Null)
            .problems(&[401, 403, 413, 415, 429, 503]);
    operation.0["requestBody"] = json!({
        "required": true,
        "description": "An event, or in the binary mode its content; may be compressed: `Content-Encoding` gzip or zstd.",
        "content": {
            "application/json": any(),
            "application/cloudevents+json": any(),
            "application/cloudevents-batch+json": any()
        }
    });
    operation.0
}

pub(crate) fn influx_ping() -> Value {
    Operation::new("ping", "operation", None, "Answer the clients of InfluxDB")
        .response(204, "The process responds.", &["X-Influxdb-Version"], Value::Null)
        .problems(&[])
        .0
}

pub(crate) fn influx_health() -> Value {
    let content = json!({ "application/json": { "schema": true } });
    Operation::new("health", "operation", None, "Answer the clients of InfluxDB")
        .response(200, "The process responds.", &[], content)
        .problems(&[])
        .0
}
