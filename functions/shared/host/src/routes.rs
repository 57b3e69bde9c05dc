//! The routes, as data: what is served, counted and documented is this list.

mod analyze;
mod anomalies;
mod config;
mod ingest;
mod operation;
mod series;

use axum::routing::{MethodRouter, get, post};

use crate::app::App;
use crate::function::Function;

/// A path with what it serves.
#[derive(Debug)]
pub(crate) struct Route {
    /// Its path.
    pub(crate) path: &'static str,
    /// Its methods; `HEAD` comes with `GET`.
    pub(crate) methods: &'static [&'static str],
    /// What it is for.
    pub(crate) kind: Kind,
    /// What serves it.
    pub(crate) handlers: fn() -> MethodRouter<App>,
}

/// What a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// For users: refused at once past the bound on requests served at once.
    Use,
    /// For those who operate it: served also then, or a busy process would be taken for a dead one.
    Operation,
}

const INGEST: Route = Route {
    path: "/ingest",
    methods: &["POST"],
    kind: Kind::Use,
    handlers: || post(ingest::ingest),
};

const ANALYZE: Route = Route {
    path: "/analyze",
    methods: &["GET", "POST"],
    kind: Kind::Use,
    handlers: || get(analyze::stored).post(analyze::sent),
};

const SERIES: Route = Route {
    path: "/series",
    methods: &["GET", "DELETE"],
    kind: Kind::Use,
    handlers: || get(series::list).delete(series::forget),
};

const CONFIG: Route = Route {
    path: "/series/config",
    methods: &["GET", "PUT", "DELETE"],
    kind: Kind::Use,
    handlers: || get(config::get).put(config::put).delete(config::delete),
};

const ANOMALIES: Route = Route {
    path: "/anomalies",
    methods: &["GET"],
    kind: Kind::Use,
    handlers: || get(anomalies::list),
};

const LIVEZ: Route = operation("/livez", || get(operation::livez));
const READYZ: Route = operation("/readyz", || get(operation::readyz));
const HEALTHZ: Route = operation("/healthz", || get(operation::readyz));
const METRICS: Route = operation("/metrics", || get(operation::metrics));
const OPENAPI: Route = operation("/openapi.json", || get(operation::openapi));

const fn operation(path: &'static str, handlers: fn() -> MethodRouter<App>) -> Route {
    Route { path, methods: &["GET"], kind: Kind::Operation, handlers }
}

/// The routes of a function.
pub(crate) fn of(function: Function) -> &'static [Route] {
    const OF_INGEST: &[Route] = &[INGEST, LIVEZ, READYZ, HEALTHZ, METRICS, OPENAPI];
    const OF_ANALYZE: &[Route] =
        &[ANALYZE, SERIES, CONFIG, ANOMALIES, LIVEZ, READYZ, HEALTHZ, METRICS, OPENAPI];
    const OF_BOTH: &[Route] =
        &[INGEST, ANALYZE, SERIES, CONFIG, ANOMALIES, LIVEZ, READYZ, HEALTHZ, METRICS, OPENAPI];
    match function {
        Function::Ingest => OF_INGEST,
        Function::Analyze => OF_ANALYZE,
        Function::Standalone => OF_BOTH,
    }
}

/// The declared path that equals one that a router matched.
pub(crate) fn declared(path: &str) -> Option<&'static str> {
    of(Function::Standalone).iter().map(|route| route.path).find(|declared| *declared == path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

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
            served.extend(route.methods.iter().map(|it| (route.path.to_owned(), (*it).to_owned())));
        }
        assert_eq!(documented, served);
    }

    #[test]
    fn standalone_serves_what_both_functions_serve() {
        let paths = |function| of(function).iter().map(|it| it.path).collect::<BTreeSet<_>>();
        let both = &paths(Function::Ingest) | &paths(Function::Analyze);
        assert_eq!(paths(Function::Standalone), both);
    }
}
