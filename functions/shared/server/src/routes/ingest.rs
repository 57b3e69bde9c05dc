//! `POST /ingest`: samples in, verdicts out.

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
use crate::query::Params;
use crate::response_limit;

/// Stores the samples of the body and says what became of each.
pub(crate) async fn ingest(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    request: Request,
) -> Result<Response, RequestError> {
    let wanted = verdicts_wanted(&Params::of(request.uri(), &["verdicts"])?)?;
    let samples = read_samples(&app, request).await?;
    let mut answer = match app.service().admit(&tenant, samples.batch.n_read()).await {
        Ok(()) => app.service().ingest(&tenant, samples.batch, wanted).await,
        // Each sample is told, as of a store that fails later.
        Err(error) if error.is_unavailable() => app.service().ingest_refused(samples.batch, &error),
        Err(error) => return Err(error.into()),
    };
    let (status, first) = (status(&answer), answer.rejected.first().map(|it| it.code));
    let len_max = app.answer_len_max();
    let write = move || response_limit::to_json(&mut answer, len_max);
    let json = offload(samples.held.n_bytes(), write).await?;
    let mut response = json::written(status, json);
    if let Some(code) = first.filter(|_| status != StatusCode::OK) {
        response.extensions_mut().insert(ProblemCode(code.as_str()));
    }
    Ok(response)
}

fn verdicts_wanted(params: &Params) -> Result<VerdictFilter, RequestError> {
    match params.one("verdicts")? {
        None | Some("anomalies") => Ok(VerdictFilter::Anomalies),
        Some("all") => Ok(VerdictFilter::All),
        Some("none") => Ok(VerdictFilter::None),
        Some(_) => Err(RequestError::ParameterInvalid {
            name: "verdicts",
            wanted: "all, anomalies or none".to_owned(),
        }),
    }
}

/// The body is the same in each case: it tells the sender which samples to look at.
fn status(answer: &IngestAnswer) -> StatusCode {
    if answer.is_store_unavailable() {
        StatusCode::SERVICE_UNAVAILABLE
    } else if answer.is_all_rejected() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    }
}
