//! What every request passes on its way to a handler.
//!
//! From the outside in: the span with its log line and count, the packing of the answer, the deadline, the net for panics
//! and, on routes for users, the bound on requests served at once and the question who may do it. The bound comes
//! before the question, since it is cheaper.
//!
//! These are two layers of the router and not eight: each layer costs every request a box for its future, and a copy of
//! all that is within.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{ACCEPT_ENCODING, VARY};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

use crate::app::App;
use crate::routes::{Kind, Route};
use crate::{authentication, deadline, problem, request_telemetry};

/// Shortest answer that is packed, in bytes: one below fits a packet either way.
const PACKED_LEN_MIN: u64 = 1_024;

/// What requests of every route pass, and those that no route has.
pub(crate) async fn pass(State(app): State<App>, request: Request, next: Next) -> Response {
    let route = request_telemetry::route(&app, &request);
    // What looks into the process takes as long as it is asked to.
    let has_deadline = route.is_none_or(|route| route.kind != Kind::Debug);
    let timeout = has_deadline.then(|| app.request_timeout());
    request_telemetry::observe(app, route, request, |request| pack(timeout, request, next)).await
}

/// What requests of one route pass.
pub(crate) async fn enter(
    State((app, route)): State<(App, &'static Route)>,
    mut request: Request,
    next: Next,
) -> Response {
    let admitted = match route.kind {
        Kind::Use => app.load().admit().map(Some),
        // Served also by a busy process, or it would be taken for a dead one.
        Kind::Operation | Kind::Debug => Ok(None),
    };
    let _served = match admitted {
        Ok(served) => served,
        Err(error) => return error.into_response(),
    };
    match authentication::check(&app, route, &mut request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Packs the answer to a sender who can unpack it.
async fn pack(timeout: Option<Duration>, request: Request, next: Next) -> Response {
    if !request.headers().contains_key(ACCEPT_ENCODING) {
        let mut response = shelter(timeout, next.run(request)).await;
        if response.body().size_hint().exact().is_none_or(|len| len >= PACKED_LEN_MIN) {
            // As it would be another for others.
            response.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
        }
        return response;
    }
    let serve = service_fn(move |request| {
        let call = next.clone().run(request);
        async move { Ok::<_, Infallible>(shelter(timeout, call).await) }
    });
    let packing = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(PACKED_LEN_MIN));
    match packing.layer(serve).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

/// Answers in the place of a request that takes too long, or panics.
async fn shelter(timeout: Option<Duration>, call: impl Future<Output = Response>) -> Response {
    let mut call = pin!(call);
    let caught = std::future::poll_fn(|cx| {
        // What was being served is dropped, and what it shared with others is whole at each point where it could panic.
        match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
            Ok(poll) => poll,
            Err(thrown) => Poll::Ready(problem::panicked(thrown)),
        }
    });
    match timeout {
        Some(timeout) => deadline::within(timeout, caught).await,
        None => caught.await,
    }
}
