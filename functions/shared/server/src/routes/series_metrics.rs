//! `GET /metrics/series`: gauges of the series of one tenant, for Prometheus.
//!
//! Each series becomes seven time series of Prometheus, so the route is disabled unless configured.

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use domain::Tenant;
use service::access::TENANT_LEN_MAX;
use service::{Access, AccessError};

use crate::app::App;
use crate::counted_body::counted;
use crate::error::RequestError;
use crate::page;
use crate::query::QueryParams;
use crate::routes::operation::prometheus;

/// The worst series first, then the most recently updated ones.
pub(crate) async fn list(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<Response, RequestError> {
    let series_max = app.config().exporter_series_max;
    let params = QueryParams::parse(&uri, &["tenant", "limit"])?;
    let tenant = tenant_of(params.value("tenant")?, tenant, &app.config().access)?;
    let limit = params.number("limit", 1..=series_max)?.unwrap_or(series_max);
    let permit = page::admit(&app, &tenant, limit).await?;
    Ok(counted(prometheus(app.service().series_metrics(&tenant, limit).await?), permit))
}

/// The tenant named by the query: only that of the key, or any tenant if access is open.
fn tenant_of(name: Option<&str>, own: Tenant, access: &Access) -> Result<Tenant, RequestError> {
    match (name, access) {
        (None, _) => Ok(own),
        (Some(name), _) if name == own.as_str() => Ok(own),
        (Some(_), Access::Keys(_)) => Err(AccessError::TenantDiffers.into()),
        (Some(name), Access::Open) if (1..=TENANT_LEN_MAX).contains(&name.len()) => {
            Ok(Tenant::new(name))
        }
        (Some(_), Access::Open) => Err(RequestError::ParameterInvalid {
            name: "tenant",
            expected: format!("a name of 1 to {TENANT_LEN_MAX} bytes"),
        }),
    }
}
