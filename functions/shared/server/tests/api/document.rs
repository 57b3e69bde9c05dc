//! Checks answers against `openapi.json`.
//!
//! Implements the part of JSON Schema that the document uses for answers. An undocumented field is a fault.

use std::sync::LazyLock;

use axum::http::{HeaderMap, Method};
use serde_json::Value;

/// The document.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../src/openapi.json")).unwrap());

/// The faults of an answer; empty for undocumented paths and methods.
pub(crate) fn faults(method: &Method, path: &str, answer: (u16, &HeaderMap, &[u8])) -> Vec<String> {
    let (status, headers, body) = answer;
    let method = if method == Method::HEAD { Method::GET } else { method.clone() };
    let operation = &DOCUMENT["paths"][path][method.as_str().to_lowercase()];
    if operation.is_null() {
        return Vec::new();
    }
    let response = resolve(&operation["responses"][status.to_string()]);
    if response.is_null() {
        return vec![format!("status {status} is not documented")];
    }
    let mut faults = Vec::new();
    for name in response["headers"].as_object().unwrap().keys() {
        if !headers.contains_key(name) {
            faults.push(format!("header {name} is missing"));
        }
    }
    if response["content"].is_null() {
        faults.extend((!body.is_empty()).then(|| "a body is not documented".to_owned()));
        return faults;
    }
    let media_type = headers["content-type"].to_str().unwrap().split(';').next().unwrap();
    let content = &response["content"][media_type];
    if content.is_null() {
        faults.push(format!("media type {media_type} is not documented"));
    } else if let Ok(value) = serde_json::from_slice(body) {
        check("answer", &content["schema"], &value, &mut faults);
    }
    faults
}

fn resolve(value: &'static Value) -> &'static Value {
    let Some(path) = value["$ref"].as_str() else { return value };
    resolve(DOCUMENT.pointer(path.trim_start_matches('#')).unwrap())
}

fn check(at: &str, schema: &'static Value, value: &Value, faults: &mut Vec<String>) {
    let schema = resolve(schema);
    if schema == &Value::Bool(true) {
        return;
    }
    let choices = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
    if let Some(choices) = choices {
        let faults_of = |choice| {
            let mut faults = Vec::new();
            check(at, choice, value, &mut faults);
            faults
        };
        let all: Vec<Vec<String>> = choices.iter().map(faults_of).collect();
        if !all.iter().any(Vec::is_empty) {
            faults.push(format!("{at} is none of the choices: {all:?}"));
        }
        return;
    }
    let mut fault = |what: String| faults.push(format!("{at}: {what}"));
    if let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
        fault(format!("{value} is none of {allowed:?}"));
    }
    if schema.get("const").is_some_and(|expected| expected != value) {
        fault(format!("{value} is not {}", schema["const"]));
    }
    if !is_of_type(&schema["type"], value) {
        fault(format!("{value} is not {}", schema["type"]));
    }
    // A bound restricts numbers only; `null` is a matter of the type.
    if value.as_f64().is_some_and(|number| schema["minimum"].as_f64() > Some(number)) {
        fault(format!("{value} is below {}", schema["minimum"]));
    }
    check_items(at, schema, value, faults);
    check_fields(at, schema, value, faults);
}

fn is_of_type(expected: &Value, value: &Value) -> bool {
    match expected {
        Value::Null => true,
        Value::Array(several) => several.iter().any(|expected| is_of_type(expected, value)),
        one => match one.as_str().unwrap() {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "string" => value.is_string(),
            "number" => value.is_number(),
            "integer" => value.is_i64() || value.is_u64(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("type {other} is not implemented"),
        },
    }
}

fn check_items(at: &str, schema: &'static Value, value: &Value, faults: &mut Vec<String>) {
    let Some(items) = value.as_array() else { return };
    if items.len() as u64 > schema["maxItems"].as_u64().unwrap_or(u64::MAX) {
        faults.push(format!("{at}: {} items are too many", items.len()));
    }
    for (i, item) in items.iter().enumerate() {
        check(&format!("{at}[{i}]"), &schema["items"], item, faults);
    }
}

fn check_fields(at: &str, schema: &'static Value, value: &Value, faults: &mut Vec<String>) {
    let Some(fields) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(name.as_str().unwrap()) {
            faults.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, value) in fields {
        let of_field = schema["properties"].get(name).or(schema.get("additionalProperties"));
        match of_field {
            Some(of_field) => check(&format!("{at}.{name}"), of_field, value, faults),
            None => faults.push(format!("{at}.{name} is not documented")),
        }
    }
}

#[test]
fn bounds_of_the_code_are_documented() {
    let number = |path: &str| DOCUMENT.pointer(path).and_then(Value::as_f64).unwrap();
    let limits = intake::RequestLimits::default();
    let samples = "/components/schemas/Samples/anyOf/1/maxItems";
    assert_eq!(number(samples), limits.n_samples_max as f64);
    let value = "/components/schemas/NamedSample/properties/value/maximum";
    assert_eq!(number(value), domain::sample::VALUE_ABS_MAX);
    let latest = "/components/schemas/Time/anyOf/3/maximum";
    assert_eq!(number(latest), domain::sample::AT_US_MAX as f64);
    let labels = "/components/schemas/Labels/anyOf/0/maxProperties";
    assert_eq!(number(labels), domain::series::LABELS_MAX as f64);
    let spec = "/paths/~1analyze/post/parameters/0/schema/maxLength";
    assert_eq!(number(spec), detector::spec::SPEC_LEN_MAX as f64);
}
