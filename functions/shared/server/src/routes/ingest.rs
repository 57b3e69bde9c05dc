//! `POST /ingest`: stores and judges samples.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::Tenant;
use service::{IngestAnswer, VerdictFilter};

use crate::app::App;
use crate::body::read_samples;
use crate::error::RequestError;
use crate::json;
use crate::offload::offload;
use crate::problem::ProblemCode;
use crate::query::QueryParams;
use crate::response_limit;

/// Stores the samples of the body; the answer has the outcome of each.
pub(crate) async fn ingest(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    request: Request,
) -> Result<Response, RequestError> {
    let wanted = verdicts_wanted(&QueryParams::parse(request.uri(), &["verdicts"])?)?;
    let samples = read_samples(&app, request).await?;
    let mut answer = match app.service().admit(&tenant, samples.batch.n_read()).await {
        Ok(()) => app.service().ingest(&tenant, samples.batch, wanted).await,
        // Answered sample by sample, like a failure of the store during the ingestion.
        Err(error) if error.is_unavailable() => app.service().ingest_refused(samples.batch, &error),
        Err(error) => return Err(error.into()),
    };
    let (status, first) = (status(&answer), answer.rejected.first().map(|sample| sample.code));
    let len_max = app.answer_len_max();
    let serialize = move || response_limit::to_json(&mut answer, len_max);
    let json = offload(samples.reserved.n_bytes(), serialize).await?;
    let mut response = json::response(status, json);
    if let Some(code) = first.filter(|_| status != StatusCode::OK) {
        response.extensions_mut().insert(ProblemCode(code.as_str()));
    }
    Ok(response)
}

fn verdicts_wanted(params: &QueryParams) -> Result<VerdictFilter, RequestError> {
    match params.value("verdicts")? {
        None | Some("anomalies") => Ok(VerdictFilter::Anomalies),
        Some("all") => Ok(VerdictFilter::All),
        Some("none") => Ok(VerdictFilter::None),
        Some(_) => Err(RequestError::ParameterInvalid {
            name: "verdicts",
            expected: "all, anomalies or none".to_owned(),
        }),
    }
}

/// The status; the body has the same form for each, so that the client can find the affected samples.
fn status(answer: &IngestAnswer) -> StatusCode {
    if answer.is_store_unavailable() {
        StatusCode::SERVICE_UNAVAILABLE
    } else if answer.is_all_rejected() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    }
}
