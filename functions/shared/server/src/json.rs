//! Answers as JSON.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::RequestError;
use crate::problem::ask_back;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The text of an answer.
pub(crate) fn to_json(answer: &impl Serialize) -> Result<Vec<u8>, RequestError> {
    Ok(serde_json::to_vec(answer)?)
}

/// An answer whose text is written.
pub(crate) fn written(status: StatusCode, json: Vec<u8>) -> Response {
    let mut response = (status, [(CONTENT_TYPE, JSON)], json).into_response();
    ask_back(&mut response);
    response
}

/// The answer 200 of a use case.
pub(crate) fn ok(answer: &impl Serialize) -> Result<Response, RequestError> {
    Ok(written(StatusCode::OK, to_json(answer)?))
}
