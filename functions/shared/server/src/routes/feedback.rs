//! `/feedback`: the answers of people to verdicts.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use domain::Tenant;
use service::FeedbackRequest;

use crate::app::App;
use crate::body::read_json;
use crate::error::RequestError;
use crate::query::QueryParams;
use crate::{json, page};

/// Default and largest number of series whose feedback is listed.
const PAGE_LEN: usize = 100;

/// `GET`: the feedback of a series, or of a page of all.
pub(crate) async fn list(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<Response, RequestError> {
    let known = ["source", "metric", "label", "cursor", "limit"];
    let params = QueryParams::parse(&uri, &known)?;
    if params.has_any(&["source", "metric", "label"]) {
        let permit = page::admit(&app, &tenant, PAGE_LEN).await?;
        let series = params.series()?;
        let page = async move { app.service().series_feedback(&tenant, series).await };
        return page::answer(page, permit).await;
    }
    let limit = params.number("limit", 1..=PAGE_LEN)?.unwrap_or(PAGE_LEN);
    let permit = page::admit(&app, &tenant, limit).await?;
    let cursor = params.value("cursor")?.map(str::to_owned);
    let page = async move { app.service().list_feedback(&tenant, cursor.as_deref(), limit).await };
    page::answer(page, permit).await
}

/// `POST`: stores answers.
pub(crate) async fn give(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    request: Request,
) -> Result<Response, RequestError> {
    QueryParams::parse(request.uri(), &[])?;
    let body = read_json(&app, &tenant, request).await?;
    let requests = FeedbackRequest::parse(&body)?;
    json::ok(&app.service().give_feedback(&tenant, requests).await?)
}

/// `DELETE`: removes the answers of a series that include `timestamp`, or all.
pub(crate) async fn withdraw(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<StatusCode, RequestError> {
    let params = QueryParams::parse(&uri, &["source", "metric", "label", "timestamp"])?;
    let (series, at_us) = (params.series()?, params.time_us("timestamp")?);
    app.service().withdraw_feedback(&tenant, series, at_us).await?;
    Ok(StatusCode::NO_CONTENT)
}
