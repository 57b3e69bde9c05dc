//! Health, metrics, the document, and the behavior of all routes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Method;
use server::{App, Function};
use service::access::NewApiKey;
use service::{Service, store_for};

use crate::client::{Client, app, closed_port, config, request, sample, with_spike};
use crate::document::DOCUMENT;

#[tokio::test]
async fn liveness_and_readiness_are_reported() {
    let client = Client::standalone();
    assert_eq!(client.get("/livez").await.json()["status"], "alive");
    for path in ["/readyz", "/healthz", "/readyz?from=probe"] {
        assert_eq!(client.get(path).await.json()["status"], "ready", "{path}");
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a real connection is refused in real time")]
async fn without_the_store_all_routes_but_livez_fail_within_two_seconds() {
    let client = Client::with(&[("REDIS_URL", &closed_port().await)]);
    let begin = Instant::now();
    for path in ["/readyz", "/healthz", "/analyze", "/series", "/analyze?metric=rps"] {
        client.get(path).await.is_problem(503, "store_unavailable");
    }
    assert_eq!(client.get("/livez").await.status, 200);
    // The totals are in the store; its outage is reported without it.
    let metrics = client.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().lines().any(|line| line == "store_up 0"), "{}", metrics.text());
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());

    let begin = Instant::now();
    let answer = client.post("/ingest", sample(0, 1.0).to_string()).await;
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!(answer.status, 503);
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.json()["rejected"][0]["code"], "store_unavailable");
}

#[tokio::test]
async fn requests_are_counted_by_declared_route() {
    let client = Client::standalone();
    client.post("/ingest?verdicts=all", "[]").await;
    client.post("/ingest", "{").await;
    client.get("/wp-login.php").await;
    let metrics = client.get("/metrics").await;
    assert_eq!(metrics.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = metrics.text();
    let count = |method: &str, route: &str, status: u16| {
        let labels = format!(
            r#"{{function="standalone",method="{method}",route="{route}",status="{status}"}}"#
        );
        text.lines().find_map(|line| line.strip_prefix(&format!("http_requests_total{labels} ")))
    };
    assert_eq!(count("POST", "/ingest", 200), Some("1"), "{text}");
    assert_eq!(count("POST", "/ingest", 400), Some("1"));
    assert_eq!(count("GET", "other", 404), Some("1"));
    // Every route is exported from 0.
    assert_eq!(count("DELETE", "/series", 200), Some("0"));
    assert_eq!(count("POST", "/ingest", 503), Some("0"));
    let never = r#"{function="standalone",method="PUT",route="/series/config"}"#;
    let seconds = format!("http_request_duration_seconds_count{never} 0");
    assert!(text.lines().any(|line| line == seconds), "{text}");
}

#[tokio::test]
async fn backlog_and_series_are_exported() {
    let app = app(Function::Standalone, &[]);
    let client = Client::over(&app);
    client.post("/ingest", r#"[{"metric":"a","value":1},{"metric":"b","value":1}]"#).await;
    let text = client.get("/metrics").await.text();
    for line in [
        "series 2",
        "backlog_series 0",
        "backlog_oldest_seconds 0",
        r#"instances{function="ingest"} 0"#,
        r#"cold_starts_total{function="standalone"} 0"#,
        &format!(r#"build_info{{version="{}"}} 1"#, env!("CARGO_PKG_VERSION")),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    // No name of a series or tenant is exported.
    assert!(!text.contains("default"), "{text}");
}

#[tokio::test]
async fn an_exporter_serves_only_totals_and_health() {
    let exporter = Client::of(Function::Exporter);
    assert_eq!(exporter.get("/livez").await.status, 200);
    assert_eq!(exporter.get("/readyz").await.json()["status"], "ready");
    let text = exporter.get("/metrics").await.text();
    // The other functions are exported before their first request.
    for function in ["ingest", "analyze", "exporter"] {
        let of = format!(r#"http_requests_total{{function="{function}","#);
        assert!(text.lines().any(|line| line.starts_with(&of) && line.ends_with(" 0")), "{text}");
    }
    // Metrics of series are disabled by default.
    exporter.get("/metrics/series").await.is_problem(404, "route_unknown");
    for path in ["/ingest/", "/analyze/", "/series/", "/"] {
        exporter.raw(path).await.is_problem(404, "route_unknown");
    }
}

#[tokio::test]
async fn a_sweeper_sweeps_without_a_key_and_serves_nothing_else() {
    let NewApiKey { entry, .. } = NewApiKey::generate("checkout", "write+read").unwrap();
    let config = config(&[("TIDEMARK_API_KEYS", &entry), ("TIDEMARK_DEBUG", "on")]);
    let store = store_for(&config, service::StoreScope::Process).unwrap();
    let app = App::new(Function::Sweeper, Service::new(store, &config), &config);
    let sweeper = Client::over(&app);
    assert_eq!(sweeper.get("/livez").await.status, 200);
    assert_eq!(sweeper.get("/readyz").await.json()["status"], "ready");
    assert_eq!(sweeper.post("/sweep", "{}".to_owned()).await.json()["series"], 0);
    for path in ["/ingest/", "/analyze/", "/series/", "/metrics/", "/debug/runtime"] {
        sweeper.get(path).await.is_problem(404, "route_unknown");
    }
}

/// Clients of a standalone and an exporter that share a store.
fn beside(vars: &[(&str, &str)]) -> (Client, Client) {
    let config = config(vars);
    let store = store_for(&config, service::StoreScope::Process).unwrap();
    let of = |function| {
        Client::over(&App::new(function, Service::new(Arc::clone(&store), &config), &config))
    };
    (of(Function::Standalone), of(Function::Exporter))
}

#[tokio::test]
async fn an_exporter_lists_the_worst_series_then_the_most_recent() {
    let (client, exporter) = beside(&[("TIDEMARK_EXPORTER_SERIES_MAX", "3")]);
    for metric in ["old", "middle", "new"] {
        client.post("/ingest", format!(r#"{{"metric":"{metric}","zone":1,"value":1}}"#)).await;
    }
    client.send_values(&with_spike(40)).await;
    let labels = r#"{tenant="default",source="checkout",metric="rps",labels=""}"#;
    let text = exporter.get("/metrics/series").await.text();
    assert_eq!(
        exporter.get("/metrics/series").await.headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    for line in [
        format!("series_value{labels} 900"),
        format!("series_anomaly{labels} 1"),
        format!("series_anomalies{labels} 1"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    for name in ["series_expected", "series_band_lower", "series_band_upper", "series_score"] {
        assert!(text.lines().any(|line| line.starts_with(&format!("{name}{labels} "))), "{text}");
    }
    let metrics_of = |text: &str| {
        let values = text.lines().filter(|line| line.starts_with("series_value{"));
        values
            .map(|line| {
                line.split("metric=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(metrics_of(&text).len(), 3);
    assert_eq!(metrics_of(&exporter.get("/metrics/series?limit=1").await.text()), ["rps"]);
    assert!(metrics_of(&exporter.get("/metrics/series?tenant=other").await.text()).is_empty());
    for query in ["limit=4", "limit=0", "tenant=", "series=1"] {
        let answer = exporter.get(&format!("/metrics/series?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
    }
}

#[tokio::test]
async fn metrics_of_series_require_the_right_to_read() {
    let NewApiKey { key, entry } = NewApiKey::generate("mine", "read").unwrap();
    let NewApiKey { key: writer, entry: other } = NewApiKey::generate("mine", "write").unwrap();
    let keys = format!("{entry},{other}");
    let (_, exporter) =
        beside(&[("TIDEMARK_EXPORTER_SERIES_MAX", "9"), ("TIDEMARK_API_KEYS", &keys)]);
    assert_eq!(exporter.get("/metrics").await.status, 200);
    exporter.get("/metrics/series").await.is_problem(401, "credential_missing");
    let with = |key: &str| exporter.with_key(key);
    with(&writer).get("/metrics/series").await.is_problem(403, "right_missing");
    assert_eq!(with(&key).get("/metrics/series").await.status, 200);
    assert_eq!(with(&key).get("/metrics/series?tenant=mine").await.status, 200);
    with(&key).get("/metrics/series?tenant=default").await.is_problem(403, "tenant_differs");
}

#[tokio::test]
async fn the_root_introduces_the_function_as_json_and_as_a_page() {
    let answer = Client::standalone().get("/").await;
    let introduction = answer.json();
    assert_eq!(introduction["function"], "standalone");
    assert_eq!(introduction["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(introduction["openapi"], "/openapi.json");
    let command = introduction["next"].as_str().unwrap();
    assert!(command.starts_with("curl 'http://127.0.0.1:8080/ingest"), "{command}");

    let mut request = request(Method::GET, "/", Body::empty());
    let headers = request.headers_mut();
    headers.insert("accept", "text/html,*/*;q=0.8".parse().unwrap());
    headers.insert("host", "tidemark.example\"<script>".parse().unwrap());
    let page = Client::of(Function::Analyze).send(request).await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers["vary"], "accept");
    assert!(
        page.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'")
    );
    let page = page.text();
    for part in
        ["<code>analyze</code>", "href=\"/openapi.json\"", "curl http://127.0.0.1:8080/analyze"]
    {
        assert!(page.contains(part), "{part} in {page}");
    }
    // The page loads nothing, and an unusual host is not repeated.
    for part in ["<script", "src=", "://tidemark"] {
        assert!(!page.contains(part), "{part} in {page}");
    }
}

#[tokio::test]
async fn the_root_shows_the_host_and_the_key_of_the_next_request() {
    let NewApiKey { entry, .. } = NewApiKey::generate("checkout", "write").unwrap();
    let mut request = request(Method::GET, "/", Body::empty());
    request.headers_mut().insert("host", "10.0.0.1:9000".parse().unwrap());
    let answer = Client::with(&[("TIDEMARK_API_KEYS", &entry)]).send(request).await.json();
    let command = answer["next"].as_str().unwrap();
    assert!(command.contains("Bearer YOUR_KEY") && command.contains("http://10.0.0.1:9000/ingest"));
}

#[tokio::test]
async fn the_document_is_served_by_each_function() {
    for function in [Function::Ingest, Function::Analyze, Function::Standalone] {
        assert_eq!(Client::of(function).get("/openapi.json").await.json(), *DOCUMENT);
    }
}

#[tokio::test]
async fn a_function_serves_its_own_routes_only() {
    let ingest = Client::of(Function::Ingest);
    assert_eq!(ingest.post("/ingest", "[]").await.status, 200);
    let request_for_other = request(Method::GET, "/series", Body::empty());
    let detail = send_unchecked(&ingest, request_for_other).await;
    assert!(detail.contains("one of /ingest, /api/v1/write, /v1/metrics"), "{detail}");
    let analyze = Client::of(Function::Analyze);
    assert_eq!(analyze.get("/series").await.status, 200);
    send_unchecked(&analyze, request(Method::POST, "/ingest", Body::empty())).await;
}

/// Sends a request for a documented route that this function does not serve.
async fn send_unchecked(client: &Client, mut request: axum::http::Request<Body>) -> String {
    // With a trailing slash the path is neither documented nor a route.
    let path = format!("{}/", request.uri().path());
    *request.uri_mut() = path.parse().unwrap();
    client.send(request).await.is_problem(404, "route_unknown")
}

#[tokio::test]
async fn an_unknown_method_is_answered_with_the_allowed_ones() {
    let client = Client::standalone();
    for (path, methods) in DOCUMENT["paths"].as_object().unwrap() {
        let mut expected: Vec<String> = methods.as_object().unwrap().keys().cloned().collect();
        if expected.contains(&"get".to_owned()) {
            expected.push("head".to_owned());
        }
        expected.sort();
        for (method, status) in [(Method::PATCH, 405), (Method::OPTIONS, 204)] {
            let answer = client.send(request(method, path, Body::empty())).await;
            assert_eq!(answer.status, status, "{path}");
            let allow = answer.headers["allow"].to_str().unwrap().to_lowercase();
            let mut allowed: Vec<&str> = allow.split(',').map(str::trim).collect();
            allowed.sort_unstable();
            assert_eq!(allowed, expected, "{path}");
            if status == 405 {
                answer.is_refused(path, 405, "method_not_allowed");
            }
        }
    }
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let client = Client::standalone();
    let get = client.get("/openapi.json").await;
    let head = client.send(request(Method::HEAD, "/openapi.json", Body::empty())).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.headers["content-length"], get.body.len().to_string());
    let head = client.send(request(Method::HEAD, "/ingest", Body::empty())).await;
    assert_eq!((head.status, head.headers["allow"].to_str().unwrap()), (405, "POST"));
}

#[tokio::test]
async fn a_response_has_the_id_of_its_request() {
    let client = Client::standalone();
    let with_id = |id: &str| {
        let mut request = request(Method::GET, "/livez", Body::empty());
        request.headers_mut().insert("x-request-id", id.parse().unwrap());
        client.send(request)
    };
    assert_eq!(with_id("abc-1").await.headers["x-request-id"], "abc-1");
    assert_ne!(with_id("a b").await.headers["x-request-id"], "a b");
    let (one, two) = (client.get("/nowhere").await, client.get("/nowhere").await);
    assert_ne!(one.headers["x-request-id"], two.headers["x-request-id"]);
    assert_eq!(one.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn every_response_has_security_headers() {
    let client = Client::with(&[("TIDEMARK_BODY_BYTES_MAX", "10")]);
    let mut statuses = Vec::new();
    let mut look = |answer: &crate::client::Answer| {
        for (name, expected) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ] {
            assert_eq!(answer.headers[name], expected);
        }
        statuses.push(answer.status);
    };
    for (path, methods) in DOCUMENT["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let method = method.to_uppercase().parse().unwrap();
            look(&client.send(request(method, path, Body::empty())).await);
        }
        look(&client.send(request(Method::PATCH, path, Body::empty())).await);
    }
    look(&client.get("/nowhere").await);
    look(&client.post("/ingest", "[           ]").await);
    for status in [200, 400, 404, 405, 413] {
        assert!(statuses.contains(&status), "{status} in {statuses:?}");
    }
}

#[tokio::test]
async fn there_are_no_undocumented_debug_paths() {
    for function in [Function::Ingest, Function::Analyze, Function::Standalone] {
        for path in ["/debug", "/debug/pprof/profile?seconds=1", "/debug/pprof/heap", "/debug/vars"]
        {
            Client::of(function).get(path).await.is_problem(404, "route_unknown");
        }
    }
}
