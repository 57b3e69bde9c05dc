//! `/analyze`: explains the state of stored series, or judges the series of a body.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use domain::Tenant;
use service::{BodyFormat, Detector, low_priority};

use crate::app::App;
use crate::body::{SampleCost, SamplesBody, content_type, read_samples};
use crate::counted_body::counted;
use crate::error::RequestError;
use crate::json;
use crate::page;
use crate::query::{QueryParams, SERIES};
use crate::response_limit;

/// `GET`: analyzes one stored series, or summarizes all if the query names none.
pub(crate) async fn stored(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<Response, RequestError> {
    let params = QueryParams::parse(&uri, &["source", "metric", "label", "cursor"])?;
    if !params.has_any(&SERIES) {
        let permit = page::admit(&app, &tenant, service::WORST_SHOWN).await?;
        let cursor = params.value("cursor")?.map(str::to_owned);
        let summary = async move { app.service().summary(&tenant, cursor.as_deref()).await };
        return page::answer(summary, permit).await;
    }
    params.check_names(&SERIES)?;
    json::tagged_ok(&app.service().analyze(&tenant, params.series()?).await?)
}

/// `POST`: judges the series of the body, and stores nothing.
pub(crate) async fn sent(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    request: Request,
) -> Result<Response, RequestError> {
    let params = QueryParams::parse(request.uri(), &["detector"])?;
    let detector: Option<Detector> = params.value("detector")?.map(str::parse).transpose()?;
    let format = BodyFormat::from_content_type(content_type(request.headers()).as_deref());
    let samples = read_samples(&app, &tenant, request, format, SampleCost::ALL_VERDICTS).await?;
    // Nothing is stored, so that an unavailable store fails nothing.
    let SamplesBody { batch, permit, is_long, .. } = samples;
    let (service, len_max) = (app.service().clone(), app.answer_len_max());
    let judge = move || {
        let mut answer = service.analyze_body(batch, detector);
        let is_all_rejected = answer.judged == 0 && !answer.rejected.is_empty();
        let status =
            if is_all_rejected { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        (status, response_limit::to_json(&mut answer, len_max))
    };
    let (status, json) = if is_long { low_priority::compute(judge).await } else { judge() };
    Ok(counted(json::response(status, json?), permit))
}
