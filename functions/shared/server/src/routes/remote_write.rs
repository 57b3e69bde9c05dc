//! `POST /api/v1/write`: samples of Prometheus remote write.
//!
//! Prometheus drops a request that is answered with 4xx, also 429, and retries one that is answered with 5xx. So whatever
//! a retry can repair is a 503, and samples that no retry can store are a 400, while the others are stored.

use std::collections::BTreeSet;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::Tenant;
use service::BodyFormat;

use crate::app::App;
use crate::body::content_type;
use crate::counted_body::counted;
use crate::dialect::WRITTEN;
use crate::error::RequestError;
use crate::problem::{ProblemCode, set_retry_after};
use crate::routes::samples::{StoredBatch, store};

/// Stores the samples of the body.
pub(crate) async fn write(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    request: Request,
) -> Result<Response, RequestError> {
    let format = BodyFormat::of_remote_write(content_type(request.headers()).as_deref());
    let stored = store(&app, tenant, request, format).await?;
    let (status, written) = (stored.status(), written(&stored));
    let mut response = match status {
        StatusCode::NO_CONTENT => status.into_response(),
        _ => (status, stored.summary() + "\n").into_response(),
    };
    set_retry_after(&mut response);
    for (name, n) in WRITTEN.into_iter().zip(written) {
        response.headers_mut().insert(name, HeaderValue::from(n));
    }
    if let Some(code) = stored.first_code() {
        response.extensions_mut().insert(ProblemCode(code));
    }
    Ok(counted(response, stored.permit))
}

/// The numbers of samples, histograms and exemplars that are stored now, or have no value to store.
fn written(stored: &StoredBatch) -> [usize; 3] {
    let extras = &stored.extras;
    let histograms: BTreeSet<usize> = extras.histograms.iter().copied().collect();
    let refused = stored.refused_indexes();
    let n_refused_histograms = refused.intersection(&histograms).count();
    let n_histograms = histograms.len() - n_refused_histograms;
    let n_samples = extras.n_samples.saturating_sub(refused.len() - n_refused_histograms);
    [n_samples + extras.n_absent, n_histograms + extras.n_absent_histograms, extras.n_exemplars]
}
