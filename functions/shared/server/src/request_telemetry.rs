//! A span, a log line and a metric for each request, also for one whose client disconnects.
//!
//! The route is logged and counted as declared, never the path as sent, so that labels are bounded.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;
use service::RequestFacts;
use tokio::time::Instant;
use tracing::{Instrument, Span, debug, field, info, info_span, warn};

use crate::app::App;
use crate::problem::ProblemCode;
use crate::request_id::{set_request_id, trace_id};
use crate::routes::{self, Route};

/// The status of a request whose client disconnected before the response, as in nginx.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The route label of paths without a route.
const ROUTE_OTHER: &str = "other";

/// Middleware that finds the route of each request, for itself and those inside, and records the request.
pub(crate) async fn record(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = app.request_ids().id_of(request.headers());
    let span = span(&id, request.headers());
    let path = request.extensions().get::<MatchedPath>();
    let route = path.and_then(|path| routes::find(app.function(), path.as_str()));
    let mut record = RequestRecord::begin(app, request.method(), route, span.clone());
    if let Some(route) = route {
        request.extensions_mut().insert(route);
    }
    let mut response = next.run(request).instrument(span).await;
    record.status = response.status().as_u16();
    record.code = response.extensions().get().map_or("", |ProblemCode(code)| code);
    set_request_id(&id, response.headers_mut());
    response
}

fn span(request_id: &str, headers: &HeaderMap) -> Span {
    let span = info_span!("request", request_id, trace_id = field::Empty);
    if let Some(trace_id) = trace_id(headers) {
        span.record("trace_id", trace_id);
    }
    span
}

/// Logs and counts one request when it is dropped.
struct RequestRecord {
    app: App,
    span: Span,
    method: &'static str,
    route: &'static str,
    begin: Instant,
    status: u16,
    code: &'static str,
}

impl RequestRecord {
    fn begin(app: App, method: &Method, route: Option<&'static Route>, span: Span) -> Self {
        app.heartbeat().request_started();
        Self {
            app,
            span,
            method: method_label(method),
            route: route.map_or(ROUTE_OTHER, |route| route.path),
            begin: Instant::now(),
            status: CLIENT_CLOSED_REQUEST,
            code: "",
        }
    }
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        let Self { method, route, status, code, .. } = *self;
        let (function, seconds) = (self.app.function().name(), self.begin.elapsed().as_secs_f64());
        let facts = RequestFacts { function, method, route, status, seconds };
        self.app.heartbeat().request_ended();
        self.app.service().count_request(&facts);
        // Successes are logged at debug level: the log line would cost more than the request.
        self.span.in_scope(|| match status {
            500.. => warn!(method, route, status, code, seconds, "request failed"),
            400.. => info!(method, route, status, code, seconds, "request refused"),
            _ => debug!(method, route, status, seconds, "request served"),
        });
    }
}

fn method_label(method: &Method) -> &'static str {
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
