//! Generates `src/openapi.json` from the types of the answers, and fails if the file differs.
//!
//! `UPDATE=1 cargo test --package server --test openapi` writes the file. The schemas of answers come from their Rust types
//! (`utoipa`), and closed sets of words from their enums. Request bodies are parsed without types, so their schemas are
//! in `requests.json`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

mod alerts;
mod operations;
mod people;
mod schemas;
mod senders;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

const DESCRIPTION: &str = "Send samples to `ingest`: the answer has a verdict for each. `analyze` reports what is normal, \
    what is not, and why.\n\nThe function `ingest` serves the routes tagged `ingest`, the function `analyze` the routes tagged `analyze`; \
    `standalone` serves both, and each serves the routes tagged `operation`. `GET` includes `HEAD`. An unknown path is a \
    problem 404, an unknown method a problem 405 with `Allow`. Answers are compressed as `Accept-Encoding` allows, with \
    gzip or zstd. A valid `X-Request-Id` of a request is returned. Fields may be added to an answer; none is removed.";

const KEY: &str = "An API key, which belongs to one tenant: a request reads and changes the series of that tenant only. \
    Each operation names the right that the key must have: `write`, `read`, `admin` or `feedback`, none of which includes another. A \
    deployment without keys requires none, and all series belong to the tenant `default`.";

fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tidemark",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Anomaly detection for load metrics",
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "servers": [{ "url": "/" }],
        "tags": [
            { "name": "ingest", "description": "Samples in, verdicts out." },
            { "name": "analyze", "description": "Series, anomalies, episodes and configurations." },
            { "name": "operation", "description": "For operators. Query parameters are ignored." }
        ],
        "paths": operations::paths(),
        "components": {
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer", "description": KEY } },
            "headers": operations::headers(),
            "parameters": operations::parameters(),
            "responses": operations::problem_responses(),
            "schemas": schemas::schemas()
        }
    })
}

#[test]
fn the_document_equals_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/openapi.json");
    let generated = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let is_equal = fs::read_to_string(&path).unwrap() == generated;
    assert!(is_equal, "run `UPDATE=1 cargo test --package server --test openapi`");
}
