//! The routes, as data: what is served, counted and documented is this list.

mod analyze;
mod config;
mod debug;
mod history;
mod ingest;
mod operation;
mod series;
mod series_metrics;
mod sweep;

use axum::http::Method;
use axum::routing::{MethodRouter, get, post};
use service::Right;

use crate::app::App;
use crate::function::Function;

/// A path with what it serves.
#[derive(Debug)]
pub(crate) struct Route {
    /// Its path.
    pub(crate) path: &'static str,
    /// Its methods, each with the right that it needs, if any; `HEAD` comes with `GET`.
    pub(crate) methods: &'static [(&'static str, Option<Right>)],
    /// What it is for.
    pub(crate) kind: Kind,
    /// What serves it.
    pub(crate) handlers: fn() -> MethodRouter<App>,
}

impl Route {
    /// What a request with that method must be allowed to do; none also for a method that the route does not have.
    pub(crate) fn right(&self, method: &Method) -> Option<Right> {
        let name = if *method == Method::HEAD { "GET" } else { method.as_str() };
        self.methods.iter().find(|it| it.0 == name).and_then(|it| it.1)
    }
}

/// What a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// For users: refused at once past the bound on requests served at once.
    Use,
    /// For those who operate it: served also then, or a busy process would be taken for a dead one.
    Operation,
    /// For those who look into it, where that is switched on: it takes as long as it is asked to.
    Debug,
}

const WRITE: Option<Right> = Some(Right::Write);
const READ: Option<Right> = Some(Right::Read);
const ADMIN: Option<Right> = Some(Right::Admin);

const INGEST: Route = Route {
    path: "/ingest",
    methods: &[("POST", WRITE)],
    kind: Kind::Use,
    handlers: || post(ingest::ingest),
};

const ANALYZE: Route = Route {
    path: "/analyze",
    methods: &[("GET", READ), ("POST", READ)],
    kind: Kind::Use,
    handlers: || get(analyze::stored).post(analyze::sent),
};

const SERIES: Route = Route {
    path: "/series",
    methods: &[("GET", READ), ("DELETE", ADMIN)],
    kind: Kind::Use,
    handlers: || get(series::list).delete(series::forget),
};

const CONFIG: Route = Route {
    path: "/series/config",
    methods: &[("GET", READ), ("PUT", ADMIN), ("DELETE", ADMIN)],
    kind: Kind::Use,
    handlers: || get(config::get).put(config::put).delete(config::delete),
};

const ANOMALIES: Route = Route {
    path: "/anomalies",
    methods: &[("GET", READ)],
    kind: Kind::Use,
    handlers: || get(history::anomalies),
};

const EPISODES: Route = Route {
    path: "/episodes",
    methods: &[("GET", READ)],
    kind: Kind::Use,
    handlers: || get(history::episodes),
};

const SWEEP: Route = Route {
    path: "/sweep",
    methods: &[("POST", ADMIN)],
    kind: Kind::Use,
    handlers: || post(sweep::sweep),
};

/// The same for whoever asks: it tells of no series, and does only what the next sweep would.
const OPEN_SWEEP: Route = Route { methods: &[("POST", None)], ..SWEEP };

const LIVEZ: Route = operation("/livez", || get(operation::livez));
const READYZ: Route = operation("/readyz", || get(operation::readyz));
const HEALTHZ: Route = operation("/healthz", || get(operation::readyz));
const METRICS: Route = operation("/metrics", || get(operation::metrics));
/// Tells of the series of one tenant, so it is no operator's alone.
const SERIES_METRICS: Route = Route {
    path: "/metrics/series",
    methods: &[("GET", READ)],
    kind: Kind::Use,
    handlers: || get(series_metrics::list),
};
const OPENAPI: Route = operation("/openapi.json", || get(operation::openapi));

const fn operation(path: &'static str, handlers: fn() -> MethodRouter<App>) -> Route {
    Route { path, methods: &[("GET", None)], kind: Kind::Operation, handlers }
}

const RUNTIME: Route = debug("/debug/runtime", || get(debug::runtime));
const PROFILE: Route = debug("/debug/pprof/profile", || get(debug::profile));
const HEAP: Route = debug("/debug/pprof/heap", || get(debug::heap));

const fn debug(path: &'static str, handlers: fn() -> MethodRouter<App>) -> Route {
    Route { path, methods: &[("GET", ADMIN)], kind: Kind::Debug, handlers }
}

/// The routes of every function where `TIDEMARK_DEBUG` says so. They are no part of the API, nor of its document.
pub(crate) const DEBUG: &[Route] = &[RUNTIME, PROFILE, HEAP];

/// The routes of a function.
pub(crate) fn of(function: Function) -> &'static [Route] {
    const OF_INGEST: &[Route] = &[INGEST, LIVEZ, READYZ, HEALTHZ, METRICS, OPENAPI];
    const OF_ANALYZE: &[Route] = &[
        ANALYZE, SERIES, CONFIG, ANOMALIES, EPISODES, SWEEP, LIVEZ, READYZ, HEALTHZ, METRICS,
        OPENAPI,
    ];
    const OF_BOTH: &[Route] = &[
        INGEST, ANALYZE, SERIES, CONFIG, ANOMALIES, EPISODES, SWEEP, LIVEZ, READYZ, HEALTHZ,
        METRICS, OPENAPI,
    ];
    const OF_EXPORTER: &[Route] = &[METRICS, SERIES_METRICS, LIVEZ, READYZ];
    const OF_SWEEPER: &[Route] = &[OPEN_SWEEP, LIVEZ, READYZ];
    match function {
        Function::Exporter => OF_EXPORTER,
        Function::Sweeper => OF_SWEEPER,
        Function::Ingest => OF_INGEST,
        Function::IngestStream => &[],
        Function::Analyze => OF_ANALYZE,
        Function::Standalone => OF_BOTH,
    }
}

/// The route of a function that a router matched, by its path.
pub(crate) fn matched(function: Function, path: &str) -> Option<&'static Route> {
    of(function).iter().chain(DEBUG).find(|route| route.path == path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn every_route_is_documented_and_every_documented_route_is_served() {
        let document: Value = serde_json::from_str(operation::OPENAPI_JSON).unwrap();
        let mut documented = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            let methods = methods.as_object().unwrap().keys();
            documented.extend(methods.map(|method| (path.clone(), method.to_uppercase())));
        }
        let mut served = BTreeSet::new();
        for route in of(Function::Standalone) {
            served.extend(route.methods.iter().map(|it| (route.path.to_owned(), it.0.to_owned())));
        }
        assert_eq!(documented, served);
    }

    #[test]
    fn each_route_needs_the_documented_right() {
        let document: Value = serde_json::from_str(operation::OPENAPI_JSON).unwrap();
        for route in of(Function::Standalone) {
            // Whoever operates it needs none; nothing else is without one.
            assert_eq!(
                route.kind == Kind::Operation,
                route.methods.iter().all(|it| it.1.is_none())
            );
            for (method, right) in route.methods {
                let documented = &document["paths"][route.path][method.to_lowercase()]["security"];
                let wanted = right.map_or(json!([]), |it| json!([{ "key": [it.as_str()] }, {}]));
                assert_eq!(*documented, wanted, "{method} {}", route.path);
            }
        }
        assert_eq!(SERIES.right(&Method::HEAD), READ);
    }

    #[test]
    fn the_exporter_tells_of_series_only_who_may_read_them() {
        for route in of(Function::Exporter) {
            let wanted = if route.path == "/metrics/series" { READ } else { None };
            assert_eq!(route.right(&Method::GET), wanted, "{}", route.path);
        }
    }

    #[test]
    fn standalone_serves_what_both_functions_serve() {
        let paths = |function| of(function).iter().map(|it| it.path).collect::<BTreeSet<_>>();
        let both = &paths(Function::Ingest) | &paths(Function::Analyze);
        assert_eq!(paths(Function::Standalone), both);
    }
}
