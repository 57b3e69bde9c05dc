//! The schemas of request and answer bodies.

use serde_json::{Map, Value, json};
use service::answers::{
    AlertsAnswer, AnalyzeAnswer, AnomaliesPage, BodyAnswer, ConfigAnswer, EpisodesPage,
    ExplainAnswer, FeedbackPage, IngestAnswer, PreviewAnswer, SamplesAnswer, SeriesPage,
    SummaryAnswer, SweepAnswer,
};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(components(schemas(
    IngestAnswer,
    AnalyzeAnswer,
    SummaryAnswer,
    BodyAnswer,
    SeriesPage,
    SamplesAnswer,
    AnomaliesPage,
    EpisodesPage,
    AlertsAnswer,
    PreviewAnswer,
    ExplainAnswer,
    FeedbackPage,
    ConfigAnswer,
    SweepAnswer,
)))]
struct AnswerTypes;

/// The codes of problems: all errors that can reach a client.
const PROBLEM_CODES: &[&str] = &[
    "answer_unwritable",
    "body_empty",
    "body_interrupted",
    "body_malformed",
    "body_too_large",
    "config_contended",
    "config_invalid",
    "content_type_unknown",
    "credential_missing",
    "credential_unknown",
    "cursor_invalid",
    "deadline_exceeded",
    "detector_invalid",
    "detector_mismatch",
    "encoding_corrupt",
    "encoding_unknown",
    "feedback_invalid",
    "history_refused",
    "history_unavailable",
    "history_unreadable",
    "label_too_long",
    "labels_too_many",
    "method_not_allowed",
    "metrics_failed",
    "name_invalid",
    "name_too_long",
    "overloaded",
    "panicked",
    "profile_failed",
    "profiling_missing",
    "parameter_invalid",
    "parameter_missing",
    "parameter_repeated",
    "parameter_unknown",
    "preview_invalid",
    "rate_exceeded",
    "request_malformed",
    "right_missing",
    "sample_not_kept",
    "sample_unknown",
    "samples_rejected",
    "series_too_long",
    "route_unknown",
    "series_unknown",
    "shards_differ",
    "store_credentials_refused",
    "store_not_permitted",
    "store_unavailable",
    "store_unreadable",
    "store_untrusted",
    "tenant_differs",
    "too_many_configs",
    "too_many_samples",
    "unpacked_too_large",
];

/// Fields that an answer omits instead of setting them to null.
const OPTIONAL: [(&str, &str); 14] = [
    ("IngestAnswer", "not_selected"),
    ("IngestAnswer", "verdicts_omitted"),
    ("BodyAnswer", "duplicates"),
    ("BodyAnswer", "verdicts_omitted"),
    ("VerdictAnswer", "learning"),
    ("VerdictAnswer", "rate"),
    ("VerdictAnswer", "mean"),
    ("AnomalyAnswer", "rate"),
    ("AnomalyAnswer", "mean"),
    ("SampleAnswer", "rate"),
    ("SampleAnswer", "mean"),
    ("ConfigAnswer", "kind"),
    ("AnomalyAnswer", "episode"),
    ("LearningAnswer", "ready_at"),
];

/// All schemas, by name.
pub(crate) fn schemas() -> Value {
    let answers = serde_json::to_value(AnswerTypes::openapi()).unwrap();
    let mut schemas = answers["components"]["schemas"].as_object().unwrap().clone();
    let names: Vec<String> = schemas.keys().cloned().collect();
    for name in names {
        let mut flat = flattened(&schemas[&name], &schemas);
        let is_required = |field: &&String| !OPTIONAL.contains(&(name.as_str(), field.as_str()));
        let required: Option<Value> = flat["properties"]
            .as_object()
            .map(|fields| fields.keys().filter(is_required).cloned().collect());
        if let Some(required) = required {
            flat["required"] = required;
        }
        schemas.insert(name, flat);
    }
    close_sets(&mut schemas);
    let verdict = &mut schemas["FeedbackAnswer"]["properties"]["verdict"];
    verdict["enum"] = json!(detector::FeedbackVerdict::ALL.map(detector::FeedbackVerdict::as_str));
    schemas["ConfigAnswer"]["properties"]["maintenance"]["maxItems"] =
        json!(detector::series_config::MAINTENANCE_WINDOWS_MAX);
    let requests: Map<String, Value> = serde_json::from_str(include_str!("requests.json")).unwrap();
    schemas.extend(requests);
    schemas.insert("Health".to_owned(), health());
    schemas.insert("Introduction".to_owned(), introduction());
    schemas.insert("Problem".to_owned(), problem());
    schemas.into()
}

/// Merges the parts of a flattened struct into one object, so that its fields can be closed.
fn flattened(schema: &Value, schemas: &Map<String, Value>) -> Value {
    let Some(parts) = schema["allOf"].as_array() else { return schema.clone() };
    let mut flat = json!({ "type": "object", "properties": {} });
    if !schema["description"].is_null() {
        flat["description"] = schema["description"].clone();
    }
    for part in parts {
        let part = match part["$ref"].as_str() {
            Some(path) => flattened(&schemas[path.rsplit('/').next().unwrap()], schemas),
            None => part.clone(),
        };
        let properties = part["properties"].as_object().cloned().unwrap_or_default();
        flat["properties"].as_object_mut().unwrap().extend(properties);
    }
    flat
}

/// Replaces the type of each field whose words are an enum in Rust by its words.
fn close_sets(schemas: &mut Map<String, Value>) {
    let kinds = domain::VerdictKind::ALL.map(domain::VerdictKind::as_str);
    let signals = domain::Signal::ALL.map(domain::Signal::as_str);
    let codes = intake::RejectionCode::ALL.map(intake::RejectionCode::as_str);
    let optional = |words: &[&str]| {
        words.iter().map(|&word| json!(word)).chain([Value::Null]).collect::<Value>()
    };
    for schema in schemas.values_mut() {
        let Some(fields) = schema["properties"].as_object_mut() else { continue };
        for (name, words) in [
            ("verdict", optional(&kinds)),
            ("signal", optional(&signals)),
            ("code", json!(codes)),
            ("state", json!(["open", "silent", "over"])),
            ("phase", json!(["pending", "firing", "resolved"])),
            ("severity", json!(["info", "warning", "critical"])),
        ] {
            let Some(field) = fields.get_mut(name) else { continue };
            *field = json!({ "enum": words, "description": field["description"] });
        }
    }
}

fn health() -> Value {
    json!({
        "type": "object",
        "description": "The result of a health check.",
        "required": ["status"],
        "properties": {
            "status": {
                "enum": ["alive", "ready"],
                "description": "`alive`: the process responds. `ready`: the store responds, too."
            },
            "circuits": {
                "type": "integer",
                "minimum": 0,
                "description": "Parts of the store with a circuit breaker each: one Redis, or the shards of a cluster. \
                    In `/readyz` only."
            },
            "circuits_open": {
                "type": "integer",
                "minimum": 0,
                "description": "Of which the circuit breaker of this process is open. In `/readyz` only."
            },
            "history": {
                "enum": ["none", "ready", "history_unavailable", "history_refused", "history_unreadable"],
                "description": "Whether a history is configured, and its state. A failure does not affect the status. In \
                    `/readyz` only."
            },
            "warnings": {
                "type": "array",
                "items": { "enum": ["store_lost_data", "clock_jumped_back"] },
                "description": "Conditions that need a person, although requests are served: the store lost acknowledged \
                    samples within the last hour; the clock of this process jumped back. In `/readyz` only."
            }
        }
    })
}

fn introduction() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "description": "An introduction to the function.",
        "required": ["name", "description", "function", "version", "next", "openapi"],
        "properties": {
            "name": text("The name of the software."),
            "description": text("The purpose of the software."),
            "function": text("The function that responds."),
            "version": text("Its version."),
            "next": text("A command to try next."),
            "openapi": text("The path of this document.")
        }
    })
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "An error (RFC 9457).",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": { "const": "about:blank", "description": "Constant: `code` distinguishes problems." },
            "title": { "type": "string", "description": "The phrase of the status." },
            "status": {
                "type": "integer",
                "minimum": 400,
                "maximum": 599,
                "description": "The status of the response."
            },
            "detail": {
                "type": "string",
                "description": "The reason, for a person: the actual value, and what is expected."
            },
            "code": { "enum": PROBLEM_CODES, "description": "The reason, for a program." }
        }
    })
}
