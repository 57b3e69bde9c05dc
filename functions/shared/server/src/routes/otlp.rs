//! `POST /v1/metrics`: metrics of OpenTelemetry over HTTP.
//!
//! Data points that no retry can store are counted in a partial success; whatever a retry can repair is a 503.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::Tenant;
use service::BodyFormat;

use crate::app::App;
use crate::body::content_type;
use crate::counted_body::counted;
use crate::dialect::{JSON, PROTOBUF, response};
use crate::error::RequestError;
use crate::otlp_message::{export_binary, export_json, status_binary, status_json};
use crate::routes::samples::{StoredBatch, store};

/// Stores the data points of the body.
pub(crate) async fn export(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    request: Request,
) -> Result<Response, RequestError> {
    let format = BodyFormat::of_otlp(content_type(request.headers()).as_deref());
    let is_json = matches!(format, Ok(BodyFormat::OtlpJson));
    let stored = store(&app, tenant, request, format).await?;
    let (n_rejected, code) = (n_rejected(&stored), stored.first_code());
    let summary = if stored.n_refused() > 0 { stored.summary() } else { String::new() };
    let away = StatusCode::SERVICE_UNAVAILABLE;
    let response = match (stored.answer.is_store_unavailable(), is_json) {
        (true, true) => response(away, JSON, status_json(away, &summary), code),
        (true, false) => response(away, PROTOBUF, status_binary(away, &summary), code),
        (false, true) => response(StatusCode::OK, JSON, export_json(n_rejected, &summary), code),
        (false, false) => {
            response(StatusCode::OK, PROTOBUF, export_binary(n_rejected, &summary), code)
        }
    };
    Ok(counted(response, stored.permit))
}

/// The number of data points of which a sample was not stored.
fn n_rejected(stored: &StoredBatch) -> usize {
    stored.refused_indexes().len() + stored.extras.n_unread
}
