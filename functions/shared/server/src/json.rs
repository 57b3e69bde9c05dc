//! JSON responses.

use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::RequestError;
use crate::etag::etag;
use crate::problem::set_retry_after;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Serializes an answer.
pub(crate) fn to_json(answer: &impl Serialize) -> Result<Vec<u8>, RequestError> {
    Ok(serde_json::to_vec(answer)?)
}

/// A response with serialized JSON as its body.
pub(crate) fn response(status: StatusCode, json: Vec<u8>) -> Response {
    let mut response = (status, [(CONTENT_TYPE, JSON)], json).into_response();
    set_retry_after(&mut response);
    response
}

/// A response 200 to `GET` with serialized JSON as its body, and its tag.
pub(crate) fn tagged(json: Vec<u8>) -> Response {
    let tag = etag(&json);
    let mut response = response(StatusCode::OK, json);
    response.headers_mut().insert(ETAG, tag);
    response
}

/// A response 200 to `GET` with the answer of a use case, and its tag.
pub(crate) fn tagged_ok(answer: &impl Serialize) -> Result<Response, RequestError> {
    Ok(tagged(to_json(answer)?))
}

/// A response 200 with the answer of a use case.
pub(crate) fn ok(answer: &impl Serialize) -> Result<Response, RequestError> {
    Ok(response(StatusCode::OK, to_json(answer)?))
}
