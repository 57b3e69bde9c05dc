//! `GET /explain`: explains one sample of a series, in numbers and in sentences.

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use domain::Tenant;

use crate::app::App;
use crate::error::RequestError;
use crate::page;
use crate::query::QueryParams;

/// Items that the memory of an explanation is counted as: the window, and the episodes of similar series.
const ITEMS: usize = 100;

/// Explains the sample at `timestamp`, or the newest one.
pub(crate) async fn explain(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<Response, RequestError> {
    let params = QueryParams::parse(&uri, &["source", "metric", "label", "timestamp"])?;
    let (series, at_us) = (params.series()?, params.time_us("timestamp")?);
    let permit = page::admit(&app, &tenant, ITEMS).await?;
    let explained = async move { app.service().explain(&tenant, series, at_us).await };
    page::answer(explained, permit).await
}
