//! `/alerts`: alerts of a tenant, and how many a policy would have made.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::response::Response;
use domain::Tenant;
use service::{PreviewRequest, ServiceError};

use crate::app::App;
use crate::body::read_json;
use crate::error::RequestError;
use crate::json;
use crate::query::QueryParams;

/// `GET`: the alerts that fire, may fire, or were resolved within hours.
pub(crate) async fn list(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<Response, RequestError> {
    QueryParams::parse(&uri, &[])?;
    json::tagged_ok(&app.service().alerts(&tenant).await?)
}

/// `POST`: the alerts that a policy would have made of the stored past.
pub(crate) async fn preview(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    request: Request,
) -> Result<Response, RequestError> {
    QueryParams::parse(request.uri(), &[])?;
    let body = read_json(&app, &tenant, request).await?;
    let request = PreviewRequest::parse(&body).map_err(ServiceError::from)?;
    json::ok(&app.service().preview_alerts(&tenant, request).await?)
}
