//! Builds the router of a function from its routes.

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use service::config::Audience;

use crate::app::App;
use crate::error::RequestError;
use crate::function::Function;
use crate::middleware;
use crate::routes::{self, Route, RouteKind};

/// The router of the function that `app` is.
pub fn router(app: App) -> Router {
    if routes::of(app.function()).next().is_none() {
        return Router::new().fallback(route_unknown).with_state(app);
    }
    declare_metrics(&app);
    let mut router = Router::new();
    for route in enabled_routes(&app) {
        let guard = from_fn_with_state((app.clone(), route), middleware::guard);
        router = router.route(route.path, (route.handlers)().route_layer(guard));
    }
    let router = router.fallback(route_unknown).method_not_allowed_fallback(method_not_allowed);
    middleware::wrap(router, &app).with_state(app)
}

/// The routes of a function that its configuration enables.
///
/// Operators' functions have no debug routes, as they may be open to all.
fn enabled_routes(app: &App) -> impl Iterator<Item = &'static Route> {
    let is_for_operators = app.function().audience() == Audience::Operators;
    let has_debug = app.config().serves_debug && !is_for_operators;
    let has_series_metrics = app.config().exporter_series_max > 0;
    routes::of(app.function())
        .filter(move |route| has_series_metrics || route.path != routes::SERIES_METRICS.path)
        .chain(if has_debug { routes::DEBUG } else { &[] })
        .chain(if app.serves_ui() { routes::UI } else { &[] })
}

/// Exports the metrics of each route from 0, since a rate needs two points.
///
/// An exporter does so for the other functions, too: their first request may start their first process.
fn declare_metrics(app: &App) {
    let function = app.function();
    let functions: &[Function] = match function {
        Function::Exporter => &[Function::Exporter, Function::Ingest, Function::Analyze],
        _ => std::slice::from_ref(&function),
    };
    for function in functions {
        for route in routes::of(*function) {
            for (method, _) in route.methods {
                app.service().declare_request(function.name(), method, route.path);
            }
        }
    }
}

/// Responds to a path without a route.
async fn route_unknown(State(app): State<App>) -> RequestError {
    let listed = enabled_routes(&app)
        .filter(|route| route.kind != RouteKind::Debug && !route.path.starts_with("/ui/"));
    let paths = listed.map(|route| route.path).collect();
    RequestError::RouteUnknown { paths }
}

/// Responds to a method that a route does not have; axum adds the header `Allow`.
async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    RequestError::MethodNotAllowed.into_response()
}
