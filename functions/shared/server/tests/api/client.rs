//! A client of a router, and the functions under test.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, Request};
use http_body::Frame;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use server::{App, Function};
use service::{Config, Service, store_for};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tower::ServiceExt;

use crate::document;

/// 2024-11-20T00:00:00Z, in milliseconds.
pub(crate) const AT_MS: i64 = 1_732_060_800_000;

/// The default detector of the tests: it learns fast, and its verdicts are easy to predict.
const DETECTOR: (&str, &str) = ("TIDEMARK_DETECTOR", "zscore:window=50,threshold=3");

/// A configuration with these variables.
pub(crate) fn config(vars: &[(&str, &str)]) -> Config {
    let vars = [DETECTOR].iter().chain(vars).map(|(name, value)| (name, value));
    Config::from_env(vars.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).unwrap()
}

/// A function with these variables.
pub(crate) fn app(function: Function, vars: &[(&str, &str)]) -> App {
    let config = config(vars);
    let store = store_for(&config, service::StoreScope::Process).unwrap();
    App::new(function, Service::new(store, &config), &config)
}

/// The address of a Redis that refuses connections.
pub(crate) async fn closed_port() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    format!("redis://{}", listener.local_addr().unwrap())
}

/// Paths to which other products send samples.
const SENDERS: [&str; 6] =
    ["/api/v1/write", "/v1/metrics", "/write", "/api/v2/write", "/api/v3/write_lp", "/firehose"];

/// A client of a router.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    router: Router,
    key: Option<String>,
}

/// A complete response.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    /// A client of both functions on the memory store.
    pub(crate) fn standalone() -> Self {
        Self::with(&[])
    }

    /// A client of both functions with these variables.
    pub(crate) fn with(vars: &[(&str, &str)]) -> Self {
        Self::over(&app(Function::Standalone, vars))
    }

    /// A client of this function.
    pub(crate) fn over(app: &App) -> Self {
        Self { router: server::router(app.clone()), key: None }
    }

    /// A client of one function.
    pub(crate) fn of(function: Function) -> Self {
        Self::over(&app(function, &[]))
    }

    /// The same client with an API key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, Body::empty())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(request(Method::DELETE, path, Body::empty())).await
    }

    pub(crate) async fn put(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.send(request(Method::PUT, path, body.into())).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.send(request(Method::POST, path, body.into())).await
    }

    /// Sends samples of `checkout rps`, one per second from [`AT_MS`], and requests all verdicts.
    pub(crate) async fn send_values(&self, values: &[f64]) -> Answer {
        let samples: Vec<Value> = (0..).zip(values).map(|(i, value)| sample(i, *value)).collect();
        self.post("/ingest?verdicts=all", json!(samples).to_string()).await
    }

    /// Sends a request, and checks the response against the document.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let answer = self.send_undocumented(request).await;
        let response = (answer.status, &answer.headers, &*answer.body);
        let faults = document::faults(&method, uri.path(), response);
        assert!(faults.is_empty(), "{method} {uri} {}: {faults:?}", answer.status);
        answer
    }

    /// Reads a path that is not documented.
    pub(crate) async fn raw(&self, path: &str) -> Answer {
        self.send_undocumented(request(Method::GET, path, Body::empty())).await
    }

    async fn send_undocumented(&self, mut request: Request<Body>) -> Answer {
        if let Some(key) = &self.key {
            let value = format!("Bearer {key}").parse().unwrap();
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    /// Asserts that a route refused a request: with a problem, or with this status in the dialect of a sender.
    #[track_caller]
    pub(crate) fn is_refused(&self, path: &str, status: u16, code: &str) -> String {
        if !SENDERS.contains(&path) {
            return self.is_problem(status, code);
        }
        // Prometheus remote write has no 413.
        let status = if (path, status) == ("/api/v1/write", 413) { 400 } else { status };
        assert_eq!(self.status, status, "{path} {self:?}");
        assert_ne!(self.headers["content-type"], "application/problem+json", "{path}");
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Asserts that the response is a problem with this status and code; returns its detail.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(self.headers.contains_key("retry-after"), [429, 503].contains(&status));
        let codes = &document::DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"];
        assert!(codes["enum"].as_array().unwrap().contains(&problem["code"]), "{code}");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

/// A request without headers.
pub(crate) fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(path).body(body).unwrap()
}

/// A sample of `checkout rps`, `second` seconds after [`AT_MS`].
pub(crate) fn sample(second: i64, value: f64) -> Value {
    json!({
        "source": "checkout", "metric": "rps", "timestamp": AT_MS + second * 1000, "value": value
    })
}

/// Normal values to learn, then a spike.
pub(crate) fn with_spike(n_normal: usize) -> Vec<f64> {
    let normal = (0..n_normal).map(|i| 200.0 + (i % 5) as f64);
    normal.chain([900.0]).collect()
}

/// A body that never arrives, and notifies when it is polled.
#[derive(Debug, Default)]
pub(crate) struct Stuck {
    pub(crate) is_awaited: Arc<Notify>,
    first: Option<Bytes>,
}

impl Stuck {
    /// A body of which only a part arrives.
    pub(crate) fn after(part: Vec<u8>) -> Self {
        Self { first: Some(part.into()), ..Self::default() }
    }
}

impl http_body::Body for Stuck {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(part) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        self.is_awaited.notify_one();
        Poll::Pending
    }
}

/// A body whose reader panics.
#[derive(Debug)]
pub(crate) struct Panicking;

impl http_body::Body for Panicking {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("a secret detail")
    }
}
