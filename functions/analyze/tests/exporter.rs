//! The exporter as deployed: the real binary over a real Redis, scraped by a real Prometheus.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use store::testbed::{RedisServer, free_port};
use tempfile::TempDir;

/// A running process; killed when dropped.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    /// Starts `analyze` with these arguments and variables, and reads its address from the log.
    fn analyze(arguments: &[&str], vars: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_analyze"))
            .args(arguments)
            .env_clear()
            .env("PORT", "0")
            .envs(vars.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let line =
            lines.find(|line| line.contains("listening")).expect("the process logs its address");
        let line: Value = serde_json::from_str(&line).unwrap();
        // Reads until the process exits, as a full pipe would block it.
        thread::spawn(move || lines.count());
        Self { child, address: line["address"].as_str().unwrap().to_owned() }
    }

    fn get(&self, path: &str) -> String {
        get(&self.address, path, "")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The kill fails if the process has exited.
        let _has_ended = self.child.kill().and_then(|()| self.child.wait()).is_err();
    }
}

/// Requests a path with additional headers; returns the response with its head.
fn get(address: &str, path: &str, headers: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(address) else { return String::new() };
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\n{headers}Connection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn body(answer: &str) -> &str {
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1
}

/// A Redis with pending samples of two series.
fn redis_with_samples() -> RedisServer {
    let redis = RedisServer::start();
    let writer = Process::analyze(&[], &[("REDIS_URL", &redis.url())]);
    body(&writer.get("/readyz"));
    let store = store::RedisStore::new(&store::testbed::patient_options(
        redis.url(),
        store::Topology::Single,
        domain::SHARDS_DEFAULT,
    ))
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use store::SeriesWriter;
        for metric in ["rps", "cpu"] {
            let labels = [("path".to_owned(), "/a\"b\\c\nd,e=f".to_owned())];
            let series = domain::Series::new("checkout", metric, labels.into()).unwrap();
            let key = domain::SeriesKey::new(domain::Tenant::default(), series);
            let sample = |i: i64| {
                store::NewSample::gauge(
                    Some(1_732_060_800_000_000 + i * 1_000_000),
                    if i == 59 { 900.0 } else { 100.0 + (i % 7) as f64 },
                )
            };
            let samples: Vec<_> = (0..60).map(sample).collect();
            store.append(&key, &samples, 0).await.unwrap();
        }
    });
    // A query judges the first; the other is pending until a sweep.
    let query = "metric=rps&source=checkout&label=path%3D/a%22b%5Cc%0Ad%2Ce%3Df";
    assert!(body(&writer.get(&format!("/analyze?{query}"))).contains(r#""pending":0"#));
    redis
}

fn check_with_promtool(text: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("promtool is installed");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let lines = promtool.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&lines.stderr).into_owned();
    assert!(lines.status.success() && complaints.is_empty(), "{complaints}{text}");
}

#[test]
fn metrics_are_valid_prometheus_text_also_without_the_store() {
    let mut redis = redis_with_samples();
    let vars = [("REDIS_URL", &*redis.url()), ("TIDEMARK_EXPORTER_SERIES_MAX", "10")];
    let exporter = Process::analyze(&["exporter"], &vars);
    let metrics = exporter.get("/metrics");
    let has = |line: &str| body(&metrics).lines().any(|found| found == line);
    for line in
        ["store_up 1", "series 2", "backlog_series 1", r#"anomalies_total{signal="deviation"} 1"#]
    {
        assert!(has(line), "{line} in {metrics}");
    }
    check_with_promtool(body(&metrics));
    let series = exporter.get("/metrics/series");
    assert!(
        body(&series)
            .contains("series_anomaly{tenant=\"default\",source=\"checkout\",metric=\"rps\"")
    );
    check_with_promtool(body(&series));
    body(&exporter.get("/readyz"));
    for path in ["/analyze", "/series", "/openapi.json", "/healthz"] {
        assert!(exporter.get(path).starts_with("HTTP/1.1 404"), "{path}");
    }
    // The exporter judges nothing.
    assert!(body(&exporter.get("/metrics")).contains("backlog_series 1"));

    redis.stop();
    let away = without_store(&exporter);
    check_with_promtool(body(&away));
    assert!(exporter.get("/readyz").starts_with("HTTP/1.1 503"));
    assert!(exporter.get("/metrics/series").starts_with("HTTP/1.1 503"));
    body(&exporter.get("/livez"));
}

/// The metrics once they are without the store; those of the last second are given again.
fn without_store(exporter: &Process) -> String {
    for _ in 0..600 {
        let metrics = exporter.get("/metrics");
        if body(&metrics).lines().any(|line| line == "store_up 0") {
            return metrics;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("the exporter does not report that the store is away");
}

#[test]
fn the_exporter_needs_no_keys_and_registers_no_generation() {
    let redis = RedisServer::start();
    let url = redis.url();
    let vars = [("REDIS_URL", &*url), ("LISTEN_HOST", "0.0.0.0")];
    let mut exporter = Process::analyze(&["exporter"], &vars);
    exporter.address = exporter.address.replace("0.0.0.0", "127.0.0.1");
    body(&exporter.get("/readyz"));
    body(&exporter.get("/metrics"));
    assert!(exporter.get("/metrics/series").starts_with("HTTP/1.1 404"));
    assert_eq!(redis.cli(&["EXISTS", "tm:{0}:deployed"]), "0");
    let detector = ("TIDEMARK_DETECTOR", "zscore:window=50,threshold=3");
    let analyze = Process::analyze(&[], &[("REDIS_URL", &url), detector]);
    body(&analyze.get("/readyz"));
}

/// A Prometheus that scrapes one address, twice a second.
struct Prometheus {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Prometheus {
    fn start(target: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let job = |name: &str, path: &str| {
            format!(
                "  - job_name: {name}\n    metrics_path: {path}\n    static_configs:\n      - targets: ['{target}']\n"
            )
        };
        let config = format!(
            "global:\n  scrape_interval: 500ms\n  scrape_timeout: 500ms\nscrape_configs:\n{}{}",
            job("tidemark", "/metrics"),
            job("tidemark-series", "/metrics/series")
        );
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::write(path("prometheus.yml"), config).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", path("prometheus.yml")))
            .arg(format!("--storage.tsdb.path={}", path("data")))
            .arg(format!("--web.listen-address={address}"))
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus is installed");
        Self { child, address, _folder: folder }
    }

    /// The values of a query, once it has some.
    fn values_of(&self, query: &str) -> Vec<String> {
        for _ in 0..600 {
            let answer = get(&self.address, &format!("/api/v1/query?query={query}"), "");
            let json =
                answer.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
            let answer: Value = json.unwrap_or_default();
            let found = answer["data"]["result"].as_array().cloned().unwrap_or_default();
            if !found.is_empty() {
                let value = |sample: &Value| sample["value"][1].as_str().unwrap().to_owned();
                return found.iter().map(value).collect();
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("{query} has no value");
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _has_ended = self.child.kill().and_then(|()| self.child.wait()).is_err();
    }
}

#[test]
fn a_prometheus_scrapes_totals_and_series_and_an_outage_of_the_store() {
    let mut redis = redis_with_samples();
    let vars = [("REDIS_URL", &*redis.url()), ("TIDEMARK_EXPORTER_SERIES_MAX", "10")];
    let exporter = Process::analyze(&["exporter"], &vars);
    let prometheus = Prometheus::start(&exporter.address);
    for (query, wanted) in [
        ("store_up", "1"),
        ("sum(samples_total)", "120"),
        ("sum(anomalies_total)", "1"),
        ("backlog_series", "1"),
        ("instances%7Bfunction=%22exporter%22%7D", "1"),
        ("series_value%7Bmetric=%22rps%22%7D", "900"),
        ("series_anomaly%7Bmetric=%22rps%22%7D", "1"),
        // Exported from 0, so that an alert on the first failure has a rate.
        ("sum(http_requests_total%7Bfunction=%22ingest%22,status=%22503%22%7D)", "0"),
    ] {
        assert_eq!(prometheus.values_of(query), [wanted], "{query}");
    }
    assert_eq!(prometheus.values_of("up"), ["1", "1"]);
    redis.stop();
    prometheus.values_of("store_up==0");
}
