//! What is told of each request: a span, a line in the log, a count.
//!
//! Log and count come from one place, also for a request whose sender hung up. Labels are bounded:
//! the route as declared, never the path as sent.

use axum::extract::{MatchedPath, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;
use service::RequestFacts;
use tokio::time::Instant;
use tracing::{Instrument, Span, debug, field, info, info_span, warn};

use crate::app::App;
use crate::problem::ProblemCode;
use crate::request_id::{self, trace_id};
use crate::routes::{self, Route};

/// The status of a request whose sender hung up before the answer; nginx knows it by the same number.
const SENDER_GONE: u16 = 499;

/// The route of a path that no route has.
const ROUTE_OTHER: &str = "other";

/// What every answer says to browsers and caches, unless its route says otherwise.
const PROTECTING: [(HeaderName, &str); 3] = [
    // What is normal now is not in a minute, and is nobody else's.
    (CACHE_CONTROL, "no-store"),
    // Names and reasons are data: an answer is never a page, a script or a frame.
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
];

/// The route of a request, where it has one.
pub(crate) fn route(app: &App, request: &Request) -> Option<&'static Route> {
    let path = request.extensions().get::<MatchedPath>()?;
    routes::matched(app.function(), path.as_str())
}

/// Puts a request into a span; logs and counts it when it is answered, or given up.
pub(crate) async fn observe<F: Future<Output = Response>>(
    app: App,
    route: Option<&'static Route>,
    request: Request,
    serve: impl FnOnce(Request) -> F,
) -> Response {
    let id = app.request_ids().id_of(request.headers());
    let span = span(&id, request.headers());
    let mut line = Line::begin(app, route, request.method(), span.clone());
    let mut response = serve(request).instrument(span).await;
    line.status = response.status().as_u16();
    line.code = response.extensions().get().map_or("", |ProblemCode(code)| code);
    let headers = response.headers_mut();
    request_id::write(&id, headers);
    for (name, value) in PROTECTING {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn span(request_id: &str, headers: &HeaderMap) -> Span {
    let span = info_span!("request", request_id, trace_id = field::Empty);
    if let Some(trace_id) = trace_id(headers) {
        span.record("trace_id", trace_id);
    }
    span
}

/// The line in the log and the count of one request, written when it is dropped.
struct Line {
    app: App,
    span: Span,
    method: &'static str,
    route: &'static str,
    begin: Instant,
    status: u16,
    code: &'static str,
}

impl Line {
    fn begin(app: App, route: Option<&Route>, of: &Method, span: Span) -> Self {
        app.heartbeat().begin();
        Self {
            app,
            span,
            method: method(of),
            route: route.map_or(ROUTE_OTHER, |route| route.path),
            begin: Instant::now(),
            status: SENDER_GONE,
            code: "",
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let Self { method, route, status, code, .. } = *self;
        let (function, seconds) = (self.app.function().name(), self.begin.elapsed().as_secs_f64());
        let facts = RequestFacts { function, method, route, status, seconds };
        self.app.heartbeat().end();
        self.app.service().count_request(&facts);
        // A line for each success would cost more than the success.
        self.span.in_scope(|| match status {
            500.. => warn!(method, route, status, code, seconds, "request failed"),
            400.. => info!(method, route, status, code, seconds, "request refused"),
            _ => debug!(method, route, status, seconds, "request served"),
        });
    }
}

/// The method as a label.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
