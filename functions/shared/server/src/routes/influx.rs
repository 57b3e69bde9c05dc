//! The routes of InfluxDB: writes of its versions 1, 2 and 3 in line protocol, and what clients ask before they write.
//!
//! Database, bucket and organization are ignored: the API key determines the tenant.

use axum::Extension;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::Tenant;
use serde_json::{Value, json};
use service::{BodyFormat, RejectedSample, TimePrecision};

use crate::app::App;
use crate::counted_body::counted;
use crate::dialect::{JSON, influx_code, response};
use crate::error::RequestError;
use crate::routes::samples::{StoredBatch, store};

/// Header by which clients recognize InfluxDB.
const VERSION: HeaderName = HeaderName::from_static("x-influxdb-version");

/// Most rejected lines that an answer lists.
const LISTED_MAX: usize = 100;

/// `POST /write`, of version 1.
pub(crate) async fn write_v1(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    request: Request,
) -> Result<Response, RequestError> {
    let stored = write(&app, tenant, request, "ns").await?;
    let body = |stored: &StoredBatch| {
        let dropped = stored.n_refused();
        json!({ "error": format!("partial write: {} dropped={dropped}", stored.summary()) })
    };
    Ok(answer(stored, body))
}

/// `POST /api/v2/write`.
pub(crate) async fn write_v2(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    request: Request,
) -> Result<Response, RequestError> {
    let stored = write(&app, tenant, request, "ns").await?;
    let body = |stored: &StoredBatch| {
        let message = format!("partial write: {}", stored.summary());
        json!({ "code": influx_code(stored.status()), "message": message })
    };
    Ok(answer(stored, body))
}

/// `POST /api/v3/write_lp`.
pub(crate) async fn write_v3(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    request: Request,
) -> Result<Response, RequestError> {
    let stored = write(&app, tenant, request, "auto").await?;
    let line = |rejected: &RejectedSample| {
        json!({
            "original_line": rejected.metric,
            "line_number": rejected.index + 1,
            "error_message": format!("{}: {}", rejected.code, rejected.detail)
        })
    };
    let body = |stored: &StoredBatch| {
        let lines: Vec<Value> = stored.answer.rejected.iter().take(LISTED_MAX).map(line).collect();
        let error = format!("partial write of line protocol occurred: {}", stored.summary());
        json!({ "error": error, "data": lines })
    };
    Ok(answer(stored, body))
}

/// `GET /ping`.
pub(crate) async fn ping() -> Response {
    let version = format!("v2-tidemark-{}", env!("CARGO_PKG_VERSION"));
    (StatusCode::NO_CONTENT, [(VERSION, version)]).into_response()
}

/// `GET /health`.
pub(crate) async fn health() -> Response {
    let body = json!({
        "name": "tidemark", "message": "ready for writes", "status": "pass", "checks": [],
        "version": env!("CARGO_PKG_VERSION")
    });
    response(StatusCode::OK, JSON, body.to_string(), None)
}

async fn write(
    app: &App,
    tenant: Tenant,
    request: Request,
    default_precision: &str,
) -> Result<StoredBatch, RequestError> {
    let precision = parameter(&request, "precision");
    let precision = precision.as_deref().unwrap_or(default_precision);
    let precision = TimePrecision::from_name(precision).ok_or_else(|| {
        let expected = "ns, us, ms, s, m, h or auto".to_owned();
        RequestError::ParameterInvalid { name: "precision", expected }
    })?;
    store(app, tenant, request, Ok(BodyFormat::LineProtocol(precision))).await
}

/// The first value of a parameter; unknown parameters are ignored, since each version has its own.
fn parameter(request: &Request, name: &str) -> Option<String> {
    let query = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    let Query(pairs) = query.ok()?;
    pairs.into_iter().find(|pair| pair.0 == name).map(|pair| pair.1)
}

fn answer(stored: StoredBatch, body: impl Fn(&StoredBatch) -> Value) -> Response {
    let status = stored.status();
    if status == StatusCode::NO_CONTENT {
        return counted(status.into_response(), stored.permit);
    }
    let response = response(status, JSON, body(&stored).to_string(), stored.first_code());
    counted(response, stored.permit)
}
