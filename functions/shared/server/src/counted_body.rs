//! A response body that stays counted as work in flight until it is sent.
//!
//! A client that reads slowly makes the process hold its answer, which must not exceed the bound on bytes.

use axum::body::Body;
use axum::response::Response;

use crate::held_body::HeldBody;
use crate::in_flight::WorkPermit;

/// Keeps a permit until the body of a response is dropped; the permit is reduced to the length of the body.
pub(crate) fn counted(response: Response, mut permit: WorkPermit) -> Response {
    permit.end_turn();
    if let Some(len) = http_body::Body::size_hint(response.body()).exact() {
        permit.shrink(usize::try_from(len).unwrap_or(usize::MAX));
    }
    response.map(|body| Body::new(HeldBody::new(body, permit)))
}
