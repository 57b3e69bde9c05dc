//! `/series/config`: what one series wants otherwise than its deployment.

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
use crate::query::{Params, SERIES};

/// `GET`: its configuration, or that it has none.
pub(crate) async fn get(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<Response, RequestError> {
    let series = Params::of(&uri, &SERIES)?.series()?;
    json::ok(&app.service().series_config(&tenant, series).await?)
}

/// `PUT`: replaces it.
pub(crate) async fn put(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    request: Request,
) -> Result<Response, RequestError> {
    let series = Params::of(request.uri(), &SERIES)?.series()?;
    let body = read_json(&app, request).await?;
    let wanted = ConfigRequest::parse(&body).map_err(ServiceError::from)?;
    json::ok(&app.service().configure(&tenant, series, wanted).await?)
}

/// `DELETE`: the series follows its deployment again.
pub(crate) async fn delete(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<StatusCode, RequestError> {
    let series = Params::of(&uri, &SERIES)?.series()?;
    app.service().unconfigure(&tenant, series).await?;
    Ok(StatusCode::NO_CONTENT)
}
