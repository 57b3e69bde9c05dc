//! Answers the requests of one connection, and records its activity.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, Version};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tower::ServiceExt;

use crate::http::connection_table::ConnectionKind;
use crate::http::host_header;
use crate::http::keep_alive::{BodyGuard, ConnectionActivity, RequestGuard};
use crate::http::lingering_close::LingeringBody;

/// Answers the requests of one connection.
#[derive(Clone)]
pub(super) struct ConnectionService {
    pub(super) router: Router,
    pub(super) activity: Arc<ConnectionActivity>,
    pub(super) kind: ConnectionKind,
}

impl ConnectionService {
    pub(super) async fn respond(
        self,
        mut request: Request<Incoming>,
    ) -> Result<Response<GuardedBody>, Infallible> {
        let Self { router, activity, kind } = self;
        let _in_progress = RequestGuard::new(&activity);
        let is_http1 = request.version() != Version::HTTP_2;
        // An unread stream of HTTP/2 is reset alone; an unread body of HTTP/1.1 would reset the connection.
        let lingers = is_http1 && !request.headers().contains_key(EXPECT);
        request.extensions_mut().insert(kind);
        if let Err(malformed) = host_header::check(&request) {
            request.extensions_mut().insert(malformed);
        }
        let body = |body| Body::new(LingeringBody::new(body, BodyGuard::new(&activity), lingers));
        let mut response = router.oneshot(request.map(body)).await?;
        if is_http1 && kind == ConnectionKind::Reserved {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| GuardedBody { body, _guard: BodyGuard::new(&activity) }))
    }
}

/// A response body: the connection is not idle until hyper has taken all of it.
pub(super) struct GuardedBody {
    body: Body,
    _guard: BodyGuard,
}

impl http_body::Body for GuardedBody {
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
