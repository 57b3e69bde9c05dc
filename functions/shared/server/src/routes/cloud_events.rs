//! `POST /cloudevents`: CloudEvents over HTTP, as a sink of Knative Eventing.
//!
//! Knative delivers an event again after 404, 409, 429 and 5xx, and gives it up, or moves it to a dead-letter sink, after
//! any other error. So whatever a retry can repair is a 503, and samples that no retry can store are a 400, while the others
//! are stored. An event that was delivered before changes nothing, as its samples have the same times.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::Tenant;
use service::{BodyFormat, EventAttributes, EventIdentity, IntakeError, SampleOrigin};

use crate::app::App;
use crate::body::{SampleCost, content_type, header, read_samples};
use crate::counted_body::counted;
use crate::error::RequestError;
use crate::routes::samples::store_body;

/// Header with the version of an event in the binary mode; the others have names of the same form.
const VERSION: &str = "ce-specversion";

/// Stores the samples of the events of the body.
pub(crate) async fn receive(
    State(app): State<App>,
    Extension(tenant): Extension<Tenant>,
    request: Request,
) -> Result<Response, RequestError> {
    let (format, identity) = match mode(request.headers()) {
        Ok((format, identity)) => (Ok(format), identity),
        Err(error) => (Err(error), None),
    };
    let mut body = read_samples(&app, &tenant, request, format, SampleCost::FEW_VERDICTS).await?;
    if let Some(identity) = identity {
        identity.assign_times(&mut body.batch);
    }
    let stored = store_body(&app, tenant, body, SampleOrigin::Own).await?;
    let status = stored.delivery_status(StatusCode::ACCEPTED);
    if status == StatusCode::ACCEPTED {
        // Without a body, which a broker would take for an event in reply.
        return Ok(counted(status.into_response(), stored.permit));
    }
    let is_retryable = status == StatusCode::SERVICE_UNAVAILABLE;
    let error = RequestError::NotStored { is_retryable, summary: stored.summary() };
    Ok(counted(error.into_response(), stored.permit))
}

/// The mode of a request, and the identity of its event if that is in headers.
fn mode(headers: &HeaderMap) -> Result<(BodyFormat, Option<EventIdentity>), IntakeError> {
    let is_binary = headers.contains_key(VERSION);
    let format = BodyFormat::of_cloud_event(content_type(headers).as_deref(), is_binary)?;
    if format != BodyFormat::EventContent {
        return Ok((format, None));
    }
    let attribute = |name: &'static str| header(headers, name).map(Into::into);
    let attributes = EventAttributes {
        specversion: attribute(VERSION),
        id: attribute("ce-id"),
        source: attribute("ce-source"),
        kind: attribute("ce-type"),
        time: attribute("ce-time"),
    };
    Ok((format, Some(attributes.identity()?)))
}
