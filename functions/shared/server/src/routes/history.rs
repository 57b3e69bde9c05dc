//! `GET /anomalies` and `GET /episodes`: pages of the past of one series, newest first.

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use domain::{Series, Tenant};
use service::PastRange;

use crate::app::App;
use crate::error::RequestError;
use crate::page;
use crate::query::QueryParams;

/// Default length of a page.
const PAGE_LEN: usize = 100;

/// Longest page: about 250 KB of anomalies, or 400 KB of episodes.
const PAGE_LEN_MAX: usize = 1_000;

/// A page of the anomalies of a series.
pub(crate) async fn anomalies(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<Response, RequestError> {
    let (series, range) = series_and_range(&uri)?;
    let permit = page::admit(&app, &tenant, range.limit).await?;
    let list = async move { app.service().list_anomalies(&tenant, series, range).await };
    page::answer(list, permit).await
}

/// A page of the episodes of a series.
pub(crate) async fn episodes(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<Response, RequestError> {
    let (series, range) = series_and_range(&uri)?;
    let permit = page::admit(&app, &tenant, range.limit).await?;
    let list = async move { app.service().list_episodes(&tenant, series, range).await };
    page::answer(list, permit).await
}

fn series_and_range(uri: &Uri) -> Result<(Series, PastRange), RequestError> {
    let known = ["source", "metric", "label", "since", "cursor", "limit"];
    let params = QueryParams::parse(uri, &known)?;
    let range = PastRange {
        since_us: params.time_us("since")?.unwrap_or_default(),
        before_us: params.cursor_us("cursor")?,
        limit: params.number("limit", 1..=PAGE_LEN_MAX)?.unwrap_or(PAGE_LEN),
    };
    Ok((params.series()?, range))
}
