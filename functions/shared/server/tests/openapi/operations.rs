//! The operations of the API, and what they share: headers, parameters and error responses.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{alerts, people, senders};

pub(crate) const WRITE: Option<&str> = Some("write");
pub(crate) const READ: Option<&str> = Some("read");
const ADMIN: Option<&str> = Some("admin");

pub(crate) const SERIES: [&str; 3] = ["Source", "Metric", "Label"];
const HISTORY: [&str; 6] = ["Source", "Metric", "Label", "Since", "TimeCursor", "Limit"];

/// An operation under construction.
pub(crate) struct Operation(pub(crate) Value);

impl Operation {
    /// An operation of a tag, with the right that it requires.
    pub(crate) fn new(id: &str, tag: &str, right: Option<&str>, summary: &str) -> Self {
        let security = right.map_or(json!([]), |right| json!([{ "key": [right] }, {}]));
        Self(json!({
            "operationId": id, "security": security, "tags": [tag], "summary": summary, "responses": {}
        }))
    }

    pub(crate) fn description(mut self, description: &str) -> Self {
        self.0["description"] = json!(description);
        self
    }

    /// Adds shared parameters by their names in `components`.
    pub(crate) fn parameters(self, names: &[&str]) -> Self {
        let reference = |name| json!({ "$ref": format!("#/components/parameters/{name}") });
        names.iter().fold(self, |operation, name| operation.parameter(reference(name)))
    }

    pub(crate) fn parameter(mut self, parameter: Value) -> Self {
        if self.0["parameters"].is_null() {
            self.0["parameters"] = json!([]);
        }
        self.0["parameters"].as_array_mut().unwrap().push(parameter);
        self
    }

    fn samples_body(mut self) -> Self {
        self.0["requestBody"] = json!({
            "required": true,
            "description": "May be compressed: `Content-Encoding` gzip or zstd. JSON unless a content type is given.",
            "content": {
                "application/json": { "schema": schema("Samples") },
                "application/x-ndjson": { "schema": {
                    "type": "string",
                    "description": "One object per line, each like an element of the JSON array."
                } }
            }
        });
        self
    }

    /// Adds a body with this schema.
    pub(crate) fn body(mut self, request: &str, description: &str) -> Self {
        self.0["requestBody"] = json!({
            "required": true,
            "description": description,
            "content": { "application/json": { "schema": schema(request) } }
        });
        self
    }

    /// Adds a response with these headers beside the request id, and this content.
    pub(crate) fn response(
        mut self,
        status: u16,
        description: &str,
        headers: &[&str],
        content: Value,
    ) -> Self {
        let response = response(description, headers, content);
        self.0["responses"][status.to_string()] = response;
        self
    }

    /// Adds a response with a JSON answer.
    pub(crate) fn answer(self, status: u16, description: &str, answer: &str) -> Self {
        self.response(
            status,
            description,
            &[],
            json!({ "application/json": { "schema": schema(answer) } }),
        )
    }

    /// Adds what answers to `GET` have for a client that keeps the last one.
    pub(crate) fn tagged(mut self) -> Self {
        self.0["responses"]["200"]["headers"]["ETag"] =
            json!({ "$ref": "#/components/headers/ETag" });
        self.parameters(&["IfNoneMatch"]).response(
            304,
            "The client has this answer: it sent its tag.",
            &["ETag"],
            Value::Null,
        )
    }

    pub(crate) fn example(mut self, example: Value) -> Self {
        self.0["responses"]["200"]["content"]["application/json"]["example"] = example;
        self
    }

    /// Adds the shared responses of these statuses, and those that every operation can have.
    pub(crate) fn problems(mut self, statuses: &[u16]) -> Self {
        for status in statuses.iter().chain(&[400, 500, 504]) {
            let name = name_of(*status);
            self.0["responses"][status.to_string()] =
                json!({ "$ref": format!("#/components/responses/{name}") });
        }
        self
    }
}

pub(crate) fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub(crate) fn problem_content() -> Value {
    json!({ "application/problem+json": { "schema": schema("Problem") } })
}

fn response(description: &str, headers: &[&str], content: Value) -> Value {
    let mut response = json!({ "description": description, "headers": {} });
    for name in ["X-Request-Id"].iter().chain(headers) {
        response["headers"][name] = json!({ "$ref": format!("#/components/headers/{name}") });
    }
    if !content.is_null() {
        response["content"] = content;
    }
    response
}

/// The name of the shared response of a status: its phrase without spaces.
fn name_of(status: u16) -> String {
    let status = StatusCode::from_u16(status).unwrap();
    status.canonical_reason().unwrap().replace(' ', "")
}

/// The shared error responses.
pub(crate) fn problem_responses() -> Value {
    let problems: [(u16, &str, &[&str]); 10] = [
        (400, "The header `Host`, query, body or content encoding is malformed.", &[]),
        (401, "The API key is missing or unknown.", &["WWW-Authenticate"]),
        (
            403,
            "The API key lacks the right of this operation, or is of another tenant.",
            &["WWW-Authenticate"],
        ),
        (404, "The series or the sample does not exist, or the sample is no longer stored.", &[]),
        (413, "The body is too large, as sent or decompressed, or has too many samples.", &[]),
        (415, "The content type or content encoding is not supported.", &[]),
        (429, "The tenant exceeds its rate limit.", &["Retry-After"]),
        (500, "Internal error.", &[]),
        (
            503,
            "The store is unavailable, or the process is overloaded. Retry later.",
            &["Retry-After"],
        ),
        (504, "The request timeout passed. Stored samples stay stored; a retry is safe.", &[]),
    ];
    let responses = problems.into_iter().map(|(status, description, headers)| {
        (name_of(status), response(description, headers, problem_content()))
    });
    Value::Object(responses.collect())
}

/// The headers of responses.
pub(crate) fn headers() -> Value {
    json!({
        "X-Request-Id": {
            "description": "The id of the request, which is also in the log.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 128 }
        },
        "ETag": {
            "description": "Strong tag of the answer, for `If-None-Match`.",
            "schema": { "type": "string" }
        },
        "WWW-Authenticate": {
            "description": "`Bearer`, with the error code of RFC 6750.",
            "schema": { "type": "string" }
        },
        "X-Influxdb-Version": {
            "description": "Version, by which clients of InfluxDB recognize it.",
            "schema": { "type": "string" }
        },
        "X-Prometheus-Remote-Write-Samples-Written": {
            "description": "Number of samples that are stored, or have no value to store.",
            "schema": { "type": "integer", "minimum": 0 }
        },
        "X-Prometheus-Remote-Write-Histograms-Written": {
            "description": "Number of native histograms of which number, sum and mean are stored.",
            "schema": { "type": "integer", "minimum": 0 }
        },
        "X-Prometheus-Remote-Write-Exemplars-Written": {
            "description": "Number of exemplars received; none is stored.",
            "schema": { "type": "integer", "minimum": 0 }
        },
        "Retry-After": {
            "description": "Seconds to wait before a retry.",
            "schema": { "type": "integer", "minimum": 1 }
        }
    })
}

/// The parameters that several operations have.
pub(crate) fn parameters() -> Value {
    let at_us_max = domain::sample::AT_US_MAX;
    json!({
        "Source": {
            "name": "source", "in": "query", "description": "Source of the series.",
            "schema": { "$ref": "#/components/schemas/Name", "default": "default" }
        },
        "Metric": {
            "name": "metric", "in": "query", "required": true, "description": "Metric of the series.",
            "schema": schema("Name")
        },
        "Label": {
            "name": "label", "in": "query",
            "description": "A label of the series as `name=value`; repeated for each label, each name once.",
            "style": "form", "explode": true,
            "schema": {
                "type": "array", "maxItems": domain::series::LABELS_MAX, "uniqueItems": true,
                "items": {
                    "type": "string",
                    "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f=]{1,256}=[\\s\\S]{0,2048}$",
                    "description": "The value has at most 2,048 bytes of UTF-8; `%3D` and `%25` stand for `=` and `%` of the name."
                }
            },
            "example": ["zone=a"]
        },
        "Since": {
            "name": "since", "in": "query",
            "description": "Excludes older entries: RFC 3339 with an offset, or a number since 1970, as in samples.",
            "schema": time_schema()
        },
        "Timestamp": {
            "name": "timestamp", "in": "query",
            "description": "Time of the sample, as in samples; by default that of the newest one.",
            "schema": time_schema()
        },
        "Cursor": {
            "name": "cursor", "in": "query", "description": "The `next` of the previous page.",
            "schema": { "type": "string", "minLength": 1 }
        },
        "TimeCursor": {
            "name": "cursor", "in": "query", "description": "The `next` of the previous page.",
            "schema": { "type": "integer", "minimum": 0, "maximum": at_us_max }
        },
        "IfNoneMatch": {
            "name": "If-None-Match", "in": "header",
            "description": "Tags of answers that the client has; if the answer is one of them, the response is 304.",
            "schema": { "type": "string" }
        },
        "Limit": {
            "name": "limit", "in": "query", "description": "Longest page.",
            "schema": { "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 }
        }
    })
}

/// A time as in samples.
pub(crate) fn time_schema() -> Value {
    let at_us_max = domain::sample::AT_US_MAX;
    json!({ "anyOf": [
        { "type": "string", "format": "date-time" },
        { "type": "integer", "minimum": 0, "maximum": at_us_max / 1_000_000 },
        { "type": "integer", "minimum": 100_000_000_000_i64, "maximum": at_us_max / 1_000 },
        { "type": "integer", "minimum": 100_000_000_000_000_i64, "maximum": at_us_max }
    ] })
}

/// All operations.
pub(crate) fn paths() -> Value {
    json!({
        "/": { "get": introduction() },
        "/ingest": { "post": ingest() },
        "/api/v1/write": { "post": senders::remote_write() },
        "/v1/metrics": { "post": senders::otlp() },
        "/write": { "post": senders::influx("influxWriteV1", "1") },
        "/api/v2/write": { "post": senders::influx("influxWriteV2", "2") },
        "/api/v3/write_lp": { "post": senders::influx("influxWriteV3", "3") },
        "/firehose": { "post": senders::firehose() },
        "/cloudevents": { "post": senders::cloud_events() },
        "/ping": { "get": senders::influx_ping() },
        "/health": { "get": senders::influx_health() },
        "/analyze": { "get": analyze_stored(), "post": analyze_sent() },
        "/series": { "get": list_series(), "delete": forget_series() },
        "/series/samples": { "get": list_samples() },
        "/series/config": { "get": series_config(), "put": configure_series(), "delete": unconfigure_series() },
        "/anomalies": { "get": list_anomalies() },
        "/episodes": { "get": list_episodes() },
        "/alerts": { "get": alerts::list() },
        "/alerts/preview": { "post": alerts::preview() },
        "/explain": { "get": people::explain() },
        "/feedback": { "get": people::list_feedback(), "post": people::give_feedback(), "delete": people::withdraw_feedback() },
        "/sweep": { "post": sweep() },
        "/livez": { "get": health("livez", "Liveness", "The process responds.", &[]) },
        "/readyz": { "get": health("readyz", "Readiness", "The store responds.", &[503]) },
        "/healthz": { "get": health("healthz", "Readiness, as `/readyz`", "The store responds.", &[503]) },
        "/metrics": { "get": metrics() },
        "/openapi.json": { "get": openapi() }
    })
}

fn introduction() -> Value {
    let content = json!({
        "application/json": { "schema": schema("Introduction") },
        "text/html": { "schema": { "type": "string" } }
    });
    Operation::new("introduction", "operation", None, "Introduce the function")
        .response(200, "JSON, or a page if `Accept` has `text/html`.", &[], content)
        .problems(&[])
        .0
}

fn ingest() -> Value {
    let unavailable = json!({
        "application/json": { "schema": schema("IngestAnswer") },
        "application/problem+json": { "schema": schema("Problem") }
    });
    Operation::new("ingest", "ingest", WRITE, "Store samples and judge them")
        .description(
            "Valid samples are stored even if others are invalid. A repeated request changes nothing: a sample is \
             identified by its series and time.",
        )
        .parameter(json!({
            "name": "verdicts", "in": "query", "description": "The verdicts in the answer.",
            "schema": { "enum": ["all", "anomalies", "none"], "default": "anomalies" }
        }))
        .samples_body()
        .answer(200, "The outcome of the samples.", "IngestAnswer")
        .problems(&[400, 401, 403, 413, 415])
        .answer(422, "All samples were rejected.", "IngestAnswer")
        .response(
            429,
            "The tenant exceeds its rate limit. No sample of this request was stored.",
            &["Retry-After"],
            problem_content(),
        )
        .response(
            503,
            "The store failed for some samples, which are `rejected` as `store_unavailable` or `detector_mismatch` \
             (retry the whole request), or the process is overloaded.",
            &["Retry-After"],
            unavailable,
        )
        .0
}

fn analyze_stored() -> Value {
    let content = json!({ "application/json": { "schema": {
        "anyOf": [schema("AnalyzeAnswer"), schema("SummaryAnswer")]
    } } });
    Operation::new("analyzeStored", "analyze", READ, "Explain the state of a stored series")
        .description(
            "Without parameters, or with `cursor` only: a summary of all series. With any other parameter, `metric` is \
             required.",
        )
        .parameters(&["Cursor", "Source"])
        .parameter(json!({
            "name": "metric", "in": "query",
            "description": "Metric of the series; required with `source` or `label`.",
            "schema": schema("Name")
        }))
        .parameters(&["Label"])
        .response(200, "The series, or the summary.", &[], content)
        .tagged()
        .problems(&[400, 401, 403, 404, 429, 503])
        .0
}

fn analyze_sent() -> Value {
    Operation::new("analyzeSent", "analyze", READ, "Judge the series of the body")
        .description(
            "Does not use the store: each series is judged from its first sample, in time order, so each sample requires a \
             time.",
        )
        .parameter(json!({
            "name": "detector", "in": "query",
            "description": "The detector; by default that of the deployment.",
            "schema": {
                "type": "string", "minLength": 1, "maxLength": detector::spec::SPEC_LEN_MAX
            },
            "example": "zscore:window=50,threshold=3"
        }))
        .samples_body()
        .answer(200, "A verdict for each sample.", "BodyAnswer")
        .problems(&[400, 401, 403, 413, 415, 429, 503])
        .answer(422, "All samples were rejected.", "BodyAnswer")
        .0
}

fn list_series() -> Value {
    Operation::new("listSeries", "analyze", READ, "List the series")
        .description(
            "A series that receives samples during the listing may be listed twice; none is omitted.",
        )
        .parameters(&["Cursor", "Limit"])
        .answer(200, "A page.", "SeriesPage")
        .tagged()
        .problems(&[400, 401, 403, 429, 503])
        .0
}

fn forget_series() -> Value {
    Operation::new("forgetSeries", "analyze", ADMIN, "Delete a series")
        .description("Deletes its window, memory, anomalies and configuration.")
        .parameters(&SERIES)
        .response(204, "The series is deleted.", &[], Value::Null)
        .problems(&[400, 401, 403, 404, 429, 503])
        .0
}

fn list_samples() -> Value {
    Operation::new("listSamples", "analyze", READ, "List the newest samples of a series")
        .description("The samples of the window, with their verdicts, in time order.")
        .parameters(&SERIES)
        .answer(200, "The samples.", "SamplesAnswer")
        .tagged()
        .problems(&[400, 401, 403, 404, 429, 503])
        .0
}

fn series_config() -> Value {
    Operation::new("seriesConfig", "analyze", READ, "Read the configuration of a series")
        .description(
            "For a series without a configuration: `configured` is false, `detector` is that of the deployment, and \
             `revision` is 0.",
        )
        .parameters(&SERIES)
        .answer(200, "The configuration.", "ConfigAnswer")
        .tagged()
        .problems(&[400, 401, 403, 404, 429, 503])
        .0
}

fn configure_series() -> Value {
    Operation::new("configureSeries", "analyze", ADMIN, "Configure a series")
        .description(
            "Replaces the configuration; the series need not have samples yet. Applies to every sample judged after the \
             answer, on all replicas and in deployments of any generation. A new detector learns once from the window; \
             counters are preserved. A configuration does not expire.",
        )
        .parameters(&SERIES)
        .body(
            "SeriesConfigRequest",
            "At most 64 KiB; may be compressed. Unknown fields are rejected.",
        )
        .answer(200, "The stored configuration.", "ConfigAnswer")
        .problems(&[400, 401, 403, 413, 415, 429, 503])
        .response(
            422,
            "A field is unknown, or its value is invalid; `detail` has the name and what is expected.",
            &[],
            problem_content(),
        )
        .0
}

fn unconfigure_series() -> Value {
    Operation::new("unconfigureSeries", "analyze", ADMIN, "Remove the configuration of a series")
        .description("Succeeds also for a series without a configuration.")
        .parameters(&SERIES)
        .response(204, "The series has no configuration.", &[], Value::Null)
        .problems(&[400, 401, 403, 404, 429, 503])
        .0
}

fn list_anomalies() -> Value {
    Operation::new("listAnomalies", "analyze", READ, "List the anomalies of a series, newest first")
        .description(
            "The store has those of 35 days, at most 1,000. If a history is configured, older ones are read from it: the \
             peak of each episode, with `episode`.",
        )
        .parameters(&HISTORY)
        .answer(200, "A page.", "AnomaliesPage")
        .tagged()
        .problems(&[400, 401, 403, 404, 429, 503])
        .0
}

fn list_episodes() -> Value {
    let peak = json!({
        "timestamp": 1_731_974_460_000_i64, "value": 2481.0, "verdict": "anomaly", "signal": "deviation", "score": 5.988,
        "expected": 972.1, "band": [341.9, 1602.0], "late": false,
        "reason": "2481 is above the band 341.9 to 1602; 972.1 was expected (score 5.988)"
    });
    Operation::new("listEpisodes", "analyze", READ, "List the episodes of a series, newest first")
        .description(
            "An episode is consecutive anomalies, or silence. The store has those of 35 days, at most 512; if a history is \
             configured, older ones are read from it.",
        )
        .parameters(&HISTORY)
        .answer(200, "A page.", "EpisodesPage")
        .tagged()
        .example(json!({
            "source": "checkout", "metric": "rps", "labels": {}, "next": null, "incomplete": false,
            "episodes": [
                { "start": 1_732_060_800_000_i64, "end": 1_732_060_800_000_i64, "state": "silent",
                  "signal": "gap", "samples": 0, "peak": null },
                { "start": 1_731_974_400_000_i64, "end": 1_731_974_520_000_i64, "state": "over",
                  "signal": "deviation", "samples": 3, "peak": peak }
            ]
        }))
        .problems(&[400, 401, 403, 404, 429, 503])
        .0
}

fn sweep() -> Value {
    Operation::new("sweep", "analyze", ADMIN, "Run a sweep")
        .description(
            "Judges pending samples, detects series that became silent, delivers alerts, saves episodes and configurations in the history, \
             and restores lost configurations, for all tenants, at most a thousand series each. A process that listens on a \
             port sweeps every 30 seconds; one that scales to zero, or runs on AWS Lambda, needs a schedule. Concurrent \
             sweeps are safe. The body is ignored.",
        )
        .answer(200, "The result.", "SweepAnswer")
        .example(json!({
            "series": 2, "judged": 2, "failed": 0, "checked": 1, "silent": 1, "notified": 1, "episodes_saved": 1,
            "unsaved": 0,
            "configs_saved": 0, "configs_unsaved": 0, "configs_restored": 0, "more": false
        }))
        .problems(&[401, 403, 503])
        .0
}

fn health(id: &str, summary: &str, description: &str, problems: &[u16]) -> Value {
    Operation::new(id, "operation", None, summary)
        .answer(200, description, "Health")
        .problems(problems)
        .0
}

fn metrics() -> Value {
    Operation::new("metrics", "operation", None, "Export the totals of all processes to Prometheus")
        .response(
            200,
            "Prometheus text, version 0.0.4. While the store is unavailable: only `store_up` 0 and the open circuit \
             breakers of this process.",
            &[],
            json!({ "text/plain": { "schema": { "type": "string" } } }),
        )
        .problems(&[])
        .0
}

fn openapi() -> Value {
    let content = json!({ "application/json": { "schema": {
        "type": "object", "required": ["openapi", "info", "paths"], "additionalProperties": true
    } } });
    Operation::new("openapi", "operation", None, "This document")
        .response(200, "OpenAPI 3.1.", &[], content)
        .problems(&[])
        .0
}
