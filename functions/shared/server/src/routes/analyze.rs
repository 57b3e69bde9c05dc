//! `/analyze`: what is normal, what is not, and why, in stored series or in those of a body.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use detector::Detector;
use domain::Tenant;

use crate::app::App;
use crate::body::{Samples, read_samples};
use crate::error::RequestError;
use crate::json;
use crate::offload::offload;
use crate::query::{Params, SERIES};
use crate::response_limit;

/// `GET`: one stored series, or a summary of all where none is named.
pub(crate) async fn stored(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    uri: Uri,
) -> Result<Response, RequestError> {
    let params = Params::of(&uri, &[&SERIES[..], &["cursor"]].concat())?;
    if params.has_none_of(&SERIES) {
        return json::ok(&app.service().summary(&tenant, params.one("cursor")?).await?);
    }
    let params = Params::of(&uri, &SERIES)?;
    json::ok(&app.service().analyze(&tenant, params.series()?).await?)
}

/// `POST`: the series of the body, of which nothing is stored.
pub(crate) async fn sent(
    State(app): State<App>,
    request: Request,
) -> Result<Response, RequestError> {
    let params = Params::of(request.uri(), &["detector"])?;
    let detector: Option<Detector> = params.one("detector")?.map(str::parse).transpose()?;
    let Samples { batch, held } = read_samples(&app, request).await?;
    let (service, answer_len_max) = (app.service().clone(), app.answer_len_max());
    let (status, json) = offload(held.n_bytes(), move || {
        let mut answer = service.analyze_body(batch, detector);
        let is_all_rejected = answer.judged == 0 && !answer.rejected.is_empty();
        let status =
            if is_all_rejected { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        (status, response_limit::to_json(&mut answer, answer_len_max))
    })
    .await;
    Ok(json::written(status, json?))
}
