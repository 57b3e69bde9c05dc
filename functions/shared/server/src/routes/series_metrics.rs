//! `GET /metrics/series`: gauges of the series of one tenant, for Prometheus.
//!
//! Each series is seven of Prometheus's own, so there are none unless the configuration says how many.

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use domain::Tenant;
use service::access::TENANT_LEN_MAX;
use service::{Access, AccessError, Right};

use crate::app::App;
use crate::error::RequestError;
use crate::problem;
use crate::query::Params;
use crate::routes::operation::PROMETHEUS_TEXT;

/// The worst series first, then those that received a sample last.
pub(crate) async fn list(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<Response, RequestError> {
    let series_max = app.exporter_series_max();
    if series_max == 0 {
        return Err(problem::route_unknown(State(app)).await);
    }
    let params = Params::of(&uri, &["tenant", "limit"])?;
    let tenant = wanted(params.one("tenant")?, tenant, app.access())?;
    let limit = params.number("limit", 1..=series_max)?.unwrap_or(series_max);
    let text = app.service().series_metrics(&tenant, limit).await?;
    Ok(([(CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response())
}

/// Whose series are wanted: a key has one tenant, and who needs none may ask for any.
fn wanted(name: Option<&str>, own: Tenant, access: &Access) -> Result<Tenant, RequestError> {
    match (name, access) {
        (None, _) => Ok(own),
        (Some(name), _) if name == own.as_str() => Ok(own),
        (Some(_), Access::Keys(_)) => Err(AccessError::RightMissing { right: Right::Read }.into()),
        (Some(name), Access::Open) if (1..=TENANT_LEN_MAX).contains(&name.len()) => {
            Ok(Tenant::new(name))
        }
        (Some(_), Access::Open) => Err(RequestError::ParameterInvalid {
            name: "tenant",
            wanted: format!("a name of 1 to {TENANT_LEN_MAX} bytes"),
        }),
    }
}
