//! `/series`: which there are, and forgetting one.

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use domain::Tenant;

use crate::app::App;
use crate::error::RequestError;
use crate::json;
use crate::query::{Params, SERIES};

/// Series of a page unless asked otherwise: what a person reads.
const PAGE_LEN: usize = 100;

/// Most series of a page: about 100 KB.
const PAGE_LEN_MAX: usize = 1_000;

/// `GET`: a page of the series.
pub(crate) async fn list(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<Response, RequestError> {
    let params = Params::of(&uri, &["cursor", "limit"])?;
    let limit = params.number("limit", 1..=PAGE_LEN_MAX)?.unwrap_or(PAGE_LEN);
    let cursor = params.one("cursor")?;
    json::ok(&app.service().list_series(&tenant, cursor, limit).await?)
}

/// `DELETE`: forgets all of a series.
pub(crate) async fn forget(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<StatusCode, RequestError> {
    let series = Params::of(&uri, &SERIES)?.series()?;
    app.service().forget(&tenant, series).await?;
    Ok(StatusCode::NO_CONTENT)
}
