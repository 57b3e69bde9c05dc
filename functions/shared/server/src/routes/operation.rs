//! Routes for those who operate it.
//!
//! Their queries are not looked at: probes and proxies add what they like.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::App;
use crate::error::RequestError;
use crate::function::Function;
use crate::json;

/// The description of all routes, of whichever function.
pub(crate) const OPENAPI_JSON: &str = include_str!("../openapi.json");

/// The media type of Prometheus text, of the version that `service` writes.
pub(crate) const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The process answers.
pub(crate) async fn livez() -> Result<Response, RequestError> {
    json::ok(&json!({ "status": "alive" }))
}

/// The store answers, too; a history that does not is told and fails nothing.
pub(crate) async fn readyz(State(app): State<App>) -> Result<Response, RequestError> {
    match app.function() {
        // It judges nothing, so its detector says nothing, and must not be the first of a generation.
        Function::Exporter => app.service().is_reached().await?,
        _ => app.service().ready().await?,
    }
    let circuits = app.service().circuits();
    let history = app.service().history_state().await;
    json::ok(&json!({
        "status": "ready", "circuits": circuits.n, "circuits_open": circuits.n_open,
        "history": history
    }))
}

/// The totals of all processes.
pub(crate) async fn metrics(State(app): State<App>) -> Result<Response, RequestError> {
    let text = app.service().metrics().await?;
    Ok(([(CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response())
}

/// What this API is.
pub(crate) async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], OPENAPI_JSON).into_response()
}
