//! The middleware around every handler.
//!
//! For all paths, from the outside in: request telemetry, security headers, compression, catching of panics. For each
//! route: load shedding, then authentication, then the request timeout. Load is shed first because that is cheaper than
//! authentication, and protects it.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;
use tower::ServiceBuilder;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::app::App;
use crate::authentication::authenticate;
use crate::error::RequestError;
use crate::problem;
use crate::request_telemetry;
use crate::routes::{Route, RouteKind};

/// Shortest response that is compressed, in bytes: a shorter one fits into one packet either way.
const COMPRESSED_LEN_MIN: u64 = 1_024;

/// Adds the middleware of all paths.
pub(crate) fn wrap(router: Router<App>, app: &App) -> Router<App> {
    let header =
        |name, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    let compression = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(COMPRESSED_LEN_MIN));
    router.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(app.clone(), request_telemetry::record))
            // An answer is out of date within a minute, and private to its tenant.
            .layer(header(CACHE_CONTROL, "no-store"))
            // Names and reasons are data: a browser must not interpret an answer as a page, script or frame.
            .layer(header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .layer(header(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
            .layer(compression)
            .layer(CatchPanicLayer::custom(problem::panicked)),
    )
}

/// Sheds load, authenticates, and enforces the request timeout of one route.
pub(crate) async fn guard(
    State((app, route)): State<(App, &'static Route)>,
    mut request: Request,
    next: Next,
) -> Response {
    let admitted = match route.kind {
        RouteKind::Tenant => app.in_flight().admit().map(Some),
        RouteKind::Operation | RouteKind::Debug => Ok(None),
    };
    let authenticated =
        admitted.and_then(|permit| authenticate(&app, route, &mut request).map(|()| permit));
    match authenticated {
        Ok(_permit) if route.kind == RouteKind::Debug => next.run(request).await,
        Ok(_permit) => within(app.config().request_timeout, next.run(request)).await,
        Err(error) => error.into_response(),
    }
}

/// Responds 504 after `limit`, which includes the time to receive the body.
async fn within(limit: Duration, response: impl Future<Output = Response>) -> Response {
    timeout(limit, response)
        .await
        .unwrap_or_else(|_| RequestError::DeadlineExceeded { timeout: limit }.into_response())
}
