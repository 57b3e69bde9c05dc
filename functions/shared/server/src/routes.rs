//! The routes as data: paths, methods, rights and handlers.
//!
//! The router, the request metrics and the API document are checked against, or built from, this table.

mod alerts;
mod analyze;
mod cloud_events;
mod config;
mod debug;
mod explain;
mod feedback;
mod firehose;
mod history;
mod influx;
mod ingest;
mod operation;
mod otlp;
mod remote_write;
mod root;
mod samples;
mod series;
mod series_metrics;
mod sweep;
mod ui;

use axum::http::Method;
use axum::routing::{MethodRouter, get, post};
use service::Right;

use crate::app::App;
use crate::dialect::Dialect;
use crate::function::Function;

/// A path with its methods and handlers.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) path: &'static str,
    /// The methods, each with the right that it requires, if any. `GET` includes `HEAD`.
    pub(crate) methods: &'static [(&'static str, Option<Right>)],
    pub(crate) kind: RouteKind,
    /// The form of its errors.
    pub(crate) dialect: Dialect,
    pub(crate) handlers: fn() -> MethodRouter<App>,
}

impl Route {
    /// The right that a method requires; `None` also for a method that the route does not have.
    pub(crate) fn right(&self, method: &Method) -> Option<Right> {
        let name = if *method == Method::HEAD { "GET" } else { method.as_str() };
        self.methods.iter().find(|(method, _)| *method == name).and_then(|(_, right)| *right)
    }

    /// True if the body of a request has samples, which are counted instead of the request.
    pub(crate) fn takes_samples(&self, method: &Method) -> bool {
        let is_sender = self.dialect != Dialect::Problem;
        *method == Method::POST
            && (is_sender || [INGEST.path, CLOUD_EVENTS.path, ANALYZE.path].contains(&self.path))
    }
}

/// The users of a route, which determine how it is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouteKind {
    /// For tenants: refused past the bound on requests in flight.
    Tenant,
    /// For operators: served under overload, too, so that a busy process is not taken for a dead one.
    Operation,
    /// For debugging, if enabled: without a request timeout, as a profile takes as long as the query asks.
    Debug,
}

const WRITE: Option<Right> = Some(Right::Write);
const READ: Option<Right> = Some(Right::Read);
const ADMIN: Option<Right> = Some(Right::Admin);
const FEEDBACK_RIGHT: Option<Right> = Some(Right::Feedback);

const INGEST: Route = tenant("/ingest", &[("POST", WRITE)], || post(ingest::ingest));
const REMOTE_WRITE: Route =
    sender("/api/v1/write", Dialect::RemoteWrite, || post(remote_write::write));
const OTLP: Route = sender("/v1/metrics", Dialect::Otlp, || post(otlp::export));
const INFLUX_V1: Route = sender("/write", Dialect::Influx, || post(influx::write_v1));
const INFLUX_V2: Route = sender("/api/v2/write", Dialect::InfluxV2, || post(influx::write_v2));
const INFLUX_V3: Route = sender("/api/v3/write_lp", Dialect::Influx, || post(influx::write_v3));
const FIREHOSE: Route = sender("/firehose", Dialect::Firehose, || post(firehose::deliver));
const CLOUD_EVENTS: Route =
    tenant("/cloudevents", &[("POST", WRITE)], || post(cloud_events::receive));
const ANALYZE: Route = tenant("/analyze", &[("GET", READ), ("POST", READ)], || {
    get(analyze::stored).post(analyze::sent)
});
const SERIES: Route = tenant("/series", &[("GET", READ), ("DELETE", ADMIN)], || {
    get(series::list).delete(series::forget)
});
const SAMPLES: Route = tenant("/series/samples", &[("GET", READ)], || get(series::samples));
const CONFIG: Route =
    tenant("/series/config", &[("GET", READ), ("PUT", ADMIN), ("DELETE", ADMIN)], || {
        get(config::get).put(config::put).delete(config::delete)
    });
const ANOMALIES: Route = tenant("/anomalies", &[("GET", READ)], || get(history::anomalies));
const EPISODES: Route = tenant("/episodes", &[("GET", READ)], || get(history::episodes));
const ALERTS: Route = tenant("/alerts", &[("GET", READ)], || get(alerts::list));
const PREVIEW: Route = tenant("/alerts/preview", &[("POST", READ)], || post(alerts::preview));
const EXPLAIN: Route = tenant("/explain", &[("GET", READ)], || get(explain::explain));
const FEEDBACK: Route = tenant(
    "/feedback",
    &[("GET", READ), ("POST", FEEDBACK_RIGHT), ("DELETE", FEEDBACK_RIGHT)],
    || get(feedback::list).post(feedback::give).delete(feedback::withdraw),
);
const SWEEP: Route = tenant("/sweep", &[("POST", ADMIN)], || post(sweep::sweep));
/// Without authentication, for a scheduler: it reveals no series, and does only what the next sweep would.
const OPEN_SWEEP: Route = tenant("/sweep", &[("POST", None)], || post(sweep::sweep));
pub(crate) const SERIES_METRICS: Route =
    tenant("/metrics/series", &[("GET", READ)], || get(series_metrics::list));

const ROOT: Route = operation("/", || get(root::root));
const LIVEZ: Route = operation("/livez", || get(operation::livez));
const READYZ: Route = operation("/readyz", || get(operation::readyz));
const HEALTHZ: Route = operation("/healthz", || get(operation::readyz));
const PING: Route = operation("/ping", || get(influx::ping));
const HEALTH: Route = operation("/health", || get(influx::health));
const METRICS: Route = operation("/metrics", || get(operation::metrics));
const OPENAPI: Route = operation("/openapi.json", || get(operation::openapi));

const RUNTIME: Route = debug("/debug/runtime", || get(debug::runtime));
const PROFILE: Route = debug("/debug/pprof/profile", || get(debug::profile));
const HEAP: Route = debug("/debug/pprof/heap", || get(debug::heap));

const fn tenant(
    path: &'static str,
    methods: &'static [(&'static str, Option<Right>)],
    handlers: fn() -> MethodRouter<App>,
) -> Route {
    Route { path, methods, kind: RouteKind::Tenant, dialect: Dialect::Problem, handlers }
}

/// A route to which another product sends samples, in its own dialect.
const fn sender(
    path: &'static str,
    dialect: Dialect,
    handlers: fn() -> MethodRouter<App>,
) -> Route {
    Route { path, methods: &[("POST", WRITE)], kind: RouteKind::Tenant, dialect, handlers }
}

const fn operation(path: &'static str, handlers: fn() -> MethodRouter<App>) -> Route {
    Route {
        path,
        methods: &[("GET", None)],
        kind: RouteKind::Operation,
        dialect: Dialect::Problem,
        handlers,
    }
}

const fn debug(path: &'static str, handlers: fn() -> MethodRouter<App>) -> Route {
    Route {
        path,
        methods: &[("GET", ADMIN)],
        kind: RouteKind::Debug,
        dialect: Dialect::Problem,
        handlers,
    }
}

/// The routes that `TIDEMARK_DEBUG` enables. They are not part of the API document.
pub(crate) const DEBUG: &[Route] = &[RUNTIME, PROFILE, HEAP];

/// The page that `TIDEMARK_UI` enables, and its files. They are not part of the API document.
pub(crate) const UI: &[Route] = &[
    operation("/ui", || get(ui::page)),
    operation("/ui/app.js", || get(ui::script)),
    operation("/ui/plot.js", || get(ui::plot_script)),
    operation("/ui/why.js", || get(ui::why_script)),
    operation("/ui/alerts.js", || get(ui::alerts_script)),
    operation("/ui/app.css", || get(ui::style)),
    operation("/ui/chart.js", || get(ui::chart_script)),
    operation("/ui/chart.css", || get(ui::chart_style)),
];

/// Routes of senders.
const SENDING: &[Route] = &[
    INGEST,
    REMOTE_WRITE,
    OTLP,
    INFLUX_V1,
    INFLUX_V2,
    INFLUX_V3,
    FIREHOSE,
    CLOUD_EVENTS,
    PING,
    HEALTH,
];

/// Routes of readers.
const READING: &[Route] = &[
    ANALYZE, SERIES, SAMPLES, CONFIG, ANOMALIES, EPISODES, ALERTS, PREVIEW, EXPLAIN, FEEDBACK,
    SWEEP,
];

/// Routes of every function that tenants call.
const COMMON: &[Route] = &[ROOT, LIVEZ, READYZ, HEALTHZ, METRICS, OPENAPI];

/// The routes of a function.
pub(crate) fn of(function: Function) -> impl Iterator<Item = &'static Route> {
    let groups: &[&[Route]] = match function {
        Function::Exporter => &[&[METRICS, SERIES_METRICS, LIVEZ, READYZ]],
        Function::Sweeper => &[&[OPEN_SWEEP, LIVEZ, READYZ]],
        Function::Notifier => &[&[METRICS, LIVEZ, READYZ]],
        Function::Ingest => &[SENDING, COMMON],
        Function::IngestStream => &[],
        Function::Analyze => &[READING, COMMON],
        Function::Standalone => &[SENDING, READING, COMMON],
    };
    groups.iter().copied().flatten()
}

/// The route of a function with this path.
pub(crate) fn find(function: Function, path: &str) -> Option<&'static Route> {
    of(function).chain(DEBUG).chain(UI).find(|route| route.path == path)
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
            served.extend(
                route
                    .methods
                    .iter()
                    .map(|(method, _)| (route.path.to_owned(), (*method).to_owned())),
            );
        }
        assert_eq!(documented, served);
    }

    #[test]
    fn each_route_requires_the_documented_right() {
        let document: Value = serde_json::from_str(operation::OPENAPI_JSON).unwrap();
        for route in of(Function::Standalone) {
            assert_eq!(
                route.kind == RouteKind::Operation,
                route.methods.iter().all(|(_, right)| right.is_none())
            );
            for (method, right) in route.methods {
                let documented = &document["paths"][route.path][method.to_lowercase()]["security"];
                let expected =
                    right.map_or(json!([]), |right| json!([{ "key": [right.as_str()] }, {}]));
                assert_eq!(*documented, expected, "{method} {}", route.path);
            }
        }
        assert_eq!(SERIES.right(&Method::HEAD), READ);
    }

    #[test]
    fn the_exporter_requires_the_right_to_read_for_metrics_of_series() {
        for route in of(Function::Exporter) {
            let expected = if route.path == "/metrics/series" { READ } else { None };
            assert_eq!(route.right(&Method::GET), expected, "{}", route.path);
        }
    }

    #[test]
    fn standalone_serves_the_routes_of_both_functions() {
        let paths = |function| of(function).map(|route| route.path).collect::<BTreeSet<_>>();
        let both = &paths(Function::Ingest) | &paths(Function::Analyze);
        assert_eq!(paths(Function::Standalone), both);
    }
}
