//! `POST /ingest`: stores and judges samples.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::Tenant;
use service::{BodyFormat, IngestAnswer, SampleOrigin, VerdictFilter, low_priority};

use crate::app::App;
use crate::body::{SampleCost, SamplesBody, content_type, read_samples};
use crate::counted_body::counted;
use crate::error::RequestError;
use crate::json;
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
    let cost = match wanted {
        VerdictFilter::All => SampleCost::ALL_VERDICTS,
        VerdictFilter::Anomalies | VerdictFilter::None => SampleCost::FEW_VERDICTS,
    };
    let format = BodyFormat::from_content_type(content_type(request.headers()).as_deref());
    let SamplesBody { batch, permit, is_long, admission } =
        read_samples(&app, &tenant, request, format, cost).await?;
    let len_max = app.answer_len_max();
    let ingest = async move {
        let how = (SampleOrigin::Own, wanted);
        let mut answer = app.service().ingest_admitted(admission, &tenant, batch, how).await;
        let (status, first) = (status(&answer), answer.rejected.first().map(|sample| sample.code));
        (status, first, response_limit::to_json(&mut answer, len_max))
    };
    let (status, first, json) =
        if is_long { low_priority::run(ingest).await } else { ingest.await };
    let mut response = json::response(status, json?);
    if let Some(code) = first.filter(|_| status != StatusCode::OK) {
        response.extensions_mut().insert(ProblemCode(code.as_str()));
    }
    Ok(counted(response, permit))
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
