//! The router of a function: its routes, within what every request passes.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;
use service::config::Audience;

use crate::app::App;
use crate::function::Function;
use crate::routes::{self, Route};
use crate::{middleware, problem};

/// The router of the function that `app` is.
///
/// What every request passes on its way to a handler, and in which order, is in `middleware`.
pub fn router(app: App) -> Router {
    if routes::of(app.function()).is_empty() {
        return Router::new().fallback(problem::route_unknown).with_state(app);
    }
    declare(&app);
    let routes = routes::of(app.function()).iter().chain(debug_routes(&app));
    routes
        .fold(Router::new(), |router, route| router.route(route.path, handlers(&app, route)))
        .fallback(problem::route_unknown)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(from_fn_with_state(app.clone(), middleware::pass))
        .with_state(app)
}

/// What serves a route, for those who may.
fn handlers(app: &App, route: &'static Route) -> MethodRouter<App> {
    let enter = from_fn_with_state((app.clone(), route), middleware::enter);
    (route.handlers)().route_layer(enter)
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
