//! `/series`: lists the series of a tenant, and deletes one; `/series/samples`: the newest samples of one.

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use domain::Tenant;

use crate::app::App;
use crate::error::RequestError;
use crate::page;
use crate::query::{QueryParams, SERIES};

/// Default length of a page.
const PAGE_LEN: usize = 100;

/// Longest page: about 100 KB.
const PAGE_LEN_MAX: usize = 1_000;

/// Most samples of a usual window; a longer one costs no more, since it is read as a whole.
const SAMPLES_MAX: usize = 100;

/// `GET`: a page of the series.
pub(crate) async fn list(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<Response, RequestError> {
    let params = QueryParams::parse(&uri, &["cursor", "limit"])?;
    let limit = params.number("limit", 1..=PAGE_LEN_MAX)?.unwrap_or(PAGE_LEN);
    let cursor = params.value("cursor")?.map(str::to_owned);
    let permit = page::admit(&app, &tenant, limit).await?;
    let list = async move { app.service().list_series(&tenant, cursor.as_deref(), limit).await };
    page::answer(list, permit).await
}

/// `GET`: the newest samples of a series.
pub(crate) async fn samples(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<Response, RequestError> {
    let series = QueryParams::parse(&uri, &SERIES)?.series()?;
    let permit = page::admit(&app, &tenant, SAMPLES_MAX).await?;
    page::answer(async move { app.service().samples(&tenant, series).await }, permit).await
}

/// `DELETE`: deletes a series with all its data.
pub(crate) async fn forget(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<StatusCode, RequestError> {
    let series = QueryParams::parse(&uri, &SERIES)?.series()?;
    app.service().forget(&tenant, series).await?;
    Ok(StatusCode::NO_CONTENT)
}
