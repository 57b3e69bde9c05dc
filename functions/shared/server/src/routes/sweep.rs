//! `POST /sweep`: what `analyze` does without a request, now, for whoever has a clock: a schedule, a `PingSource`.

use axum::extract::State;
use axum::response::Response;

use crate::app::App;
use crate::error::RequestError;
use crate::json;

/// Sweeps, of all tenants; the body is not looked at.
pub(crate) async fn sweep(State(app): State<App>) -> Result<Response, RequestError> {
    json::ok(&app.service().sweep().await?)
}
