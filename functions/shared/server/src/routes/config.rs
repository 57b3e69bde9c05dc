//! `/series/config`: reads and changes the configuration of one series.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use domain::Tenant;
use service::{ConfigRequest, ServiceError};

use crate::app::App;
use crate::body::read_json;
use crate::error::RequestError;
use crate::json;
use crate::query::{QueryParams, SERIES};

/// `GET`: the configuration, or the defaults of the deployment.
pub(crate) async fn get(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<Response, RequestError> {
    let series = QueryParams::parse(&uri, &SERIES)?.series()?;
    json::tagged_ok(&app.service().series_config(&tenant, series).await?)
}

/// `PUT`: replaces the configuration.
pub(crate) async fn put(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    request: Request,
) -> Result<Response, RequestError> {
    let series = QueryParams::parse(request.uri(), &SERIES)?.series()?;
    let body = read_json(&app, &tenant, request).await?;
    let config = ConfigRequest::parse(&body).map_err(ServiceError::from)?;
    json::ok(&app.service().configure(&tenant, series, config).await?)
}

/// `DELETE`: removes the configuration.
pub(crate) async fn delete(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<StatusCode, RequestError> {
    let series = QueryParams::parse(&uri, &SERIES)?.series()?;
    app.service().unconfigure(&tenant, series).await?;
    Ok(StatusCode::NO_CONTENT)
}
