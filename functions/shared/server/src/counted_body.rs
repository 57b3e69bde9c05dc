//! A response body that stays counted as work in flight until it is sent.
//!
//! A client that reads slowly makes the process hold its answer, which must not exceed the bound on bytes.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::response::Response;
use http_body::{Frame, SizeHint};

use crate::in_flight::WorkPermit;

/// Keeps a permit until the body of a response is dropped; the permit is reduced to the length of the body.
pub(crate) fn counted(response: Response, mut permit: WorkPermit) -> Response {
    permit.end_turn();
    if let Some(len) = http_body::Body::size_hint(response.body()).exact() {
        permit.shrink(usize::try_from(len).unwrap_or(usize::MAX));
    }
    response.map(|body| Body::new(CountedBody { body, _permit: permit }))
}

struct CountedBody {
    body: Body,
    _permit: WorkPermit,
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
