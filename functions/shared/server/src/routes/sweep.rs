//! `POST /sweep`: runs a sweep of all tenants now, for a scheduler.

use axum::extract::State;
use axum::response::Response;

use crate::app::App;
use crate::error::RequestError;
use crate::json;

/// Sweeps; the body is ignored.
pub(crate) async fn sweep(State(app): State<App>) -> Result<Response, RequestError> {
    json::ok(&app.service().sweep().await?)
}
