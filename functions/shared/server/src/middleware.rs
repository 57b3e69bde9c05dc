//! The middleware around every handler.
//!
//! For all paths, from the outside in: request telemetry, which finds the route, security headers, compression, the
//! dialect of errors, catching of panics, refusal of malformed requests. For each route: load shedding, then
//! authentication, then the request timeout. Load is shed first because that is cheaper than authentication, and
//! protects it.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use domain::Tenant;
use tokio::time::{Instant, timeout};
use tower::ServiceBuilder;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::app::App;
use crate::authentication::authenticate;
use crate::dialect::Dialect;
use crate::error::{MalformedRequest, RequestError};
use crate::etag::Conditions;
use crate::http::ConnectionKind;
use crate::problem;
use crate::request_telemetry;
use crate::routes::{Route, RouteKind};

/// Request extension with the time by which the response must be complete.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(pub(crate) Instant);

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
            .layer(from_fn(translate_problems))
            .layer(CatchPanicLayer::custom(problem::panicked))
            .layer(from_fn(refuse_malformed)),
    )
}

/// Translates the problems of a path into the dialect of its route, also those of requests that reach no handler.
async fn translate_problems(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<&'static Route>();
    let dialect = route.map_or(Dialect::Problem, |route| route.dialect);
    if dialect == Dialect::Problem {
        return next.run(request).await;
    }
    let form = dialect.error_form(request.headers());
    dialect.translate(next.run(request).await, &form)
}

/// Refuses a request whose connection or trigger found it malformed.
async fn refuse_malformed(request: Request, next: Next) -> Response {
    match request.extensions().get::<MalformedRequest>() {
        Some(malformed) => RequestError::from(*malformed).into_response(),
        None => next.run(request).await,
    }
}

/// Sheds load, authenticates, and enforces the request timeout of one route.
pub(crate) async fn guard(
    State((app, route)): State<(App, &'static Route)>,
    mut request: Request,
    next: Next,
) -> Response {
    let conditions = Conditions::of(request.method(), request.headers());
    let is_reserved = request.extensions().get() == Some(&ConnectionKind::Reserved);
    let admitted = match route.kind {
        RouteKind::Tenant if is_reserved => Err(RequestError::Overloaded { what: "connections" }),
        RouteKind::Tenant => app.in_flight().admit().map(Some),
        RouteKind::Operation | RouteKind::Debug => Ok(None),
    };
    let authenticated = admitted.and_then(|mut permit| {
        authenticate(&app, route, &mut request)?;
        if let (Some(permit), Some(tenant)) = (&mut permit, request.extensions().get::<Tenant>()) {
            permit.assign(tenant)?;
            if !route.takes_samples(request.method()) {
                app.reads().take(tenant, 1)?;
            }
        }
        Ok(permit)
    });
    let response = match authenticated {
        Ok(_permit) if route.kind == RouteKind::Debug => next.run(request).await,
        Ok(_permit) => {
            let limit = time_limit(&app, &request);
            within(limit, next.run(request)).await
        }
        Err(error) => error.into_response(),
    };
    conditions.apply(response)
}

/// The request timeout, or the time until the deadline of the invocation if that is earlier.
fn time_limit(app: &App, request: &Request) -> Duration {
    let deadline = request.extensions().get::<Deadline>();
    let left = deadline.map(|Deadline(at)| at.saturating_duration_since(Instant::now()));
    left.unwrap_or(Duration::MAX).min(app.config().request_timeout)
}

/// Responds 504 after `limit`, which includes the time to receive the body.
async fn within(limit: Duration, response: impl Future<Output = Response>) -> Response {
    timeout(limit, response)
        .await
        .unwrap_or_else(|_| RequestError::DeadlineExceeded { timeout: limit }.into_response())
}
