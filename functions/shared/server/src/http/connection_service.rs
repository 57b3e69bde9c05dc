//! Answers the requests of one connection, and records its activity.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, Version};
use axum::response::Response;
use hyper::body::Incoming;
use tower::ServiceExt;

use crate::held_body::HeldBody;
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
    ) -> Result<Response<HeldBody<BodyGuard>>, Infallible> {
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
        // The connection is not idle until hyper has taken all of the response.
        Ok(response.map(|body| HeldBody::new(body, BodyGuard::new(&activity))))
    }
}
