//! `POST /firehose`: the delivery of Amazon Data Firehose to an HTTP endpoint.
//!
//! Firehose delivers a request again after any status but 200, and in the end moves it to its bucket of failed data.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::Tenant;
use service::{BodyFormat, SampleOrigin};

use crate::app::App;
use crate::body::{SampleCost, read_samples};
use crate::counted_body::counted;
use crate::dialect::{FirehoseAnswer, JSON, response};
use crate::error::RequestError;
use crate::routes::samples::store_body;

/// Stores the samples of all records.
pub(crate) async fn deliver(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    request: Request,
) -> Result<Response, RequestError> {
    let answer = FirehoseAnswer::to_request(request.headers());
    let format = Ok(BodyFormat::Firehose);
    let body = read_samples(&app, &tenant, request, format, SampleCost::FEW_VERDICTS).await?;
    let stored = store_body(&app, tenant, body, SampleOrigin::Own).await?;
    let status = stored.delivery_status(StatusCode::OK);
    let error = (status != StatusCode::OK).then(|| stored.summary());
    let code = error.is_some().then(|| stored.first_code()).flatten();
    let response = response(status, JSON, answer.body(error.as_deref()), code);
    Ok(counted(response, stored.permit))
}
