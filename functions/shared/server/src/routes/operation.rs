//! Routes for operators: health, metrics and the API document.
//!
//! Query parameters are ignored, since probes and proxies add their own.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::App;
use crate::error::RequestError;
use crate::function::Function;
use crate::json;

/// The OpenAPI document of all functions. `tests/openapi` generates it from the types.
pub(super) const OPENAPI_JSON: &str = include_str!("../openapi.json");

/// The media type of the Prometheus text format that `service` writes.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Liveness: the process responds.
pub(crate) async fn livez() -> Result<Response, RequestError> {
    json::ok(&json!({ "status": "alive" }))
}

/// Readiness: the store responds. An unavailable history is reported, but is no failure.
pub(crate) async fn readyz(State(app): State<App>) -> Result<Response, RequestError> {
    match app.function() {
        // The exporter judges nothing, so it must not register its detector as a generation.
        Function::Exporter => app.service().ping().await?,
        _ => app.service().ready().await?,
    }
    let circuits = app.service().circuits();
    let history = app.service().history_state().await;
    json::ok(&json!({
        "status": "ready", "circuits": circuits.n, "circuits_open": circuits.n_open,
        "history": history, "warnings": app.service().warnings()
    }))
}

/// The totals of all processes, for Prometheus.
pub(crate) async fn metrics(State(app): State<App>) -> Result<Response, RequestError> {
    Ok(prometheus(app.service().recent_metrics().await?))
}

/// A response in the Prometheus text format.
pub(super) fn prometheus(text: String) -> Response {
    ([(CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response()
}

/// The OpenAPI document.
pub(crate) async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], OPENAPI_JSON).into_response()
}
