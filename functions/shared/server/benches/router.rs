//! Measures a request in the process: router, parsing, judging and the memory store, without sockets.
//!
//! `cargo bench --package server`; compare rows within one run.

use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use http_body_util::BodyExt;
use server::{App, Function};
use service::{Config, Service, store_for};
use tokio::runtime::Runtime;
use tower::ServiceExt;

fn main() {
    divan::main();
}

/// 2024-11-20T00:00:00Z, in milliseconds: each request is a minute later than the last.
static AT_MS: AtomicI64 = AtomicI64::new(1_732_060_800_000);

struct Bench {
    runtime: Runtime,
    router: Router,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be started");
        let vars = [("TIDEMARK_TENANT_SAMPLES_PER_S_MAX", "1000000000")];
        let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::from_env(vars.into_iter()).expect("the variable is a number");
        let store = store_for(&config, service::StoreScope::Process)
            .expect("the memory store needs no configuration");
        let app = App::new(Function::Standalone, Service::new(store, &config), &config);
        Self { runtime, router: server::router(app) }
    }

    /// Sends a request; returns the length of the response body.
    fn ask(&self, method: Method, path: &str, body: String) -> usize {
        let request = Request::builder().method(method).uri(path).body(Body::from(body));
        let request = request.expect("its parts are constants");
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await;
            let response = response.unwrap_or_else(|never| match never {});
            assert!(response.status().is_success(), "{}", response.status());
            response.into_body().collect().await.map_or(0, |body| body.to_bytes().len())
        })
    }

    fn send(&self, n_series: usize) -> usize {
        let at = AT_MS.fetch_add(60_000, Ordering::Relaxed);
        let one = |i| {
            format!(
                r#"{{"source":"bench","metric":"m{i}","timestamp":{at},"value":{}.25}}"#,
                400 + at / 60_000 % 37
            )
        };
        let samples: Vec<String> = (0..n_series).map(one).collect();
        self.ask(Method::POST, "/ingest", format!("[{}]", samples.join(",")))
    }
}

/// A batch of one sample for each of `n_series` learned series.
#[divan::bench(args = [1, 10, 500])]
fn ingest(bencher: Bencher<'_, '_>, n_series: usize) {
    let bench = Bench::new();
    for _ in 0..40 {
        bench.send(n_series);
    }
    bencher.counter(ItemsCount::new(n_series)).bench_local(|| bench.send(black_box(n_series)));
}

#[divan::bench(args = ["/livez", "/analyze", "/analyze?source=bench&metric=m0", "/series", "/metrics"])]
fn get(bencher: Bencher<'_, '_>, path: &str) {
    let bench = Bench::new();
    for _ in 0..140 {
        bench.send(10);
    }
    bencher.bench_local(|| bench.ask(Method::GET, black_box(path), String::new()));
}
