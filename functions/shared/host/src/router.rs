//! The router of a function: its routes, within what every request passes.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;
use service::config::Audience;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

use crate::app::App;
use crate::function::Function;
use crate::routes::{self, Kind, Route};
use crate::{credential, deadline, load, observe, problem};

/// Shortest answer that is packed, in bytes: one below fits a packet either way.
const PACKED_LEN_MIN: u64 = 1_024;

/// The router of the function that `app` is.
///
/// From the outside in, a request passes the span with its log line and count, the packing of the answer, the
/// deadline, the net for panics and, on routes for users, the bound on requests served at once and the question who
/// may do it. The bound comes first, since it is cheaper than the question. What looks into the process has no deadline:
/// it takes as long as it is asked to.
pub fn router(app: App) -> Router {
    if routes::of(app.function()).is_empty() {
        return Router::new().fallback(problem::route_unknown).with_state(app);
    }
    let routes = || routes::of(app.function()).iter().chain(debug_routes(&app));
    declare(&app);
    let of_kind = |kind: Kind| {
        let routes = routes().filter(|route| route.kind == kind);
        routes.fold(Router::new(), |router, route| router.route(route.path, handlers(&app, route)))
    };
    let packing = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(PACKED_LEN_MIN));
    of_kind(Kind::Use)
        .route_layer(from_fn_with_state(app.clone(), load::shed))
        .merge(of_kind(Kind::Operation))
        .fallback(problem::route_unknown)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(from_fn_with_state(app.clone(), deadline::within))
        .merge(of_kind(Kind::Debug).layer(CatchPanicLayer::custom(problem::panicked)))
        .layer(packing)
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .with_state(app)
}

/// What serves a route, for those who may.
fn handlers(app: &App, route: &'static Route) -> MethodRouter<App> {
    let check = from_fn_with_state((app.clone(), route), credential::check);
    (route.handlers)().route_layer(check)
}

/// Those that look into the process, where that is switched on; never on one for operators, which may be open to all.
fn debug_routes(app: &App) -> &'static [Route] {
    let is_open = app.function().audience() == Audience::Operators;
    if app.serves_debug() && !is_open { routes::DEBUG } else { &[] }
}

/// Lets the counts of each route start from 0: a rate needs two points.
///
/// An exporter does it for the functions beside it, too, which may be started by the very requests that they count.
fn declare(app: &App) {
    let functions: &[Function] = match app.function() {
        Function::Exporter => &[Function::Exporter, Function::Ingest, Function::Analyze],
        Function::Ingest => &[Function::Ingest],
        Function::IngestStream => &[],
        Function::Analyze => &[Function::Analyze],
        Function::Standalone => &[Function::Standalone],
        Function::Sweeper => &[Function::Sweeper],
    };
    for function in functions {
        for route in routes::of(*function) {
            for (method, _) in route.methods {
                app.service().declare_request(function.name(), method, route.path);
            }
        }
    }
}
