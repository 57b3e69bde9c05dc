//! Debian's Prometheus, which scrapes itself and writes all of it to `ingest`.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use domain::{SHARDS_DEFAULT, Series, SeriesKey, Tenant};
use serde_json::Value;
use store::testbed::{RedisServer, free_port};

use crate::process::{Process, get, wait_until};

/// A gauge that changes from scrape to scrape.
const METRIC: &str = "go_goroutines";

struct Scraper {
    port: u16,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Scraper {
    fn start(ingest_port: u16) -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "global: {{ scrape_interval: 1s }}\n\
             scrape_configs:\n\
             - job_name: prometheus\n\
             \x20 static_configs: [{{ targets: ['127.0.0.1:{port}'] }}]\n\
             remote_write:\n\
             - url: http://127.0.0.1:{ingest_port}/api/v1/write\n\
             \x20 queue_config: {{ batch_send_deadline: 1s, max_backoff: 1s }}\n"
        );
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let process = Process::start(
            Command::new("prometheus")
                .arg(format!("--config.file={}", file.display()))
                .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
                .arg(format!("--web.listen-address=127.0.0.1:{port}")),
        );
        Self { port, _process: process, _folder: folder }
    }

    /// The scraped values by time in milliseconds.
    fn scraped(&self) -> BTreeMap<i64, f64> {
        let answer = get(self.port, &format!("/api/v1/query?query={METRIC}%5B10m%5D"));
        let Some(answer) = answer.and_then(|text| serde_json::from_str::<Value>(&text).ok()) else {
            return BTreeMap::new();
        };
        let values = answer["data"]["result"][0]["values"].as_array().cloned().unwrap_or_default();
        let pair = |value: &Value| {
            let at_ms = (value[0].as_f64().unwrap() * 1e3).round() as i64;
            (at_ms, value[1].as_str().unwrap().parse().unwrap())
        };
        values.iter().map(pair).collect()
    }

    fn key(&self) -> SeriesKey {
        let labels = [("instance".to_owned(), format!("127.0.0.1:{}", self.port))];
        SeriesKey::new(Tenant::default(), Series::new("prometheus", METRIC, labels.into()).unwrap())
    }
}

/// The stored values by time in milliseconds, judged or not.
fn stored(redis: &RedisServer, key: &SeriesKey) -> Vec<(i64, f64)> {
    let mut samples = Vec::new();
    for kind in ["window", "inbox"] {
        let name = format!("tm:{{{}}}:{}:{kind}", key.shard(SHARDS_DEFAULT), key.path());
        for member in redis.cli(&["ZRANGE", &name, "0", "-1"]).lines() {
            let mut parts = member.split(':');
            let at_us: i64 = parts.next().unwrap().parse().unwrap();
            samples.push((at_us / 1_000, parts.next().unwrap().parse().unwrap()));
        }
    }
    samples.sort_by_key(|sample| sample.0);
    samples
}

#[test]
fn prometheus_loses_and_doubles_nothing_while_ingest_is_restarted() {
    let redis = RedisServer::start();
    let ingest_port = free_port();
    let ingest = Process::ingest(ingest_port, &redis);
    let prometheus = Scraper::start(ingest_port);
    let key = prometheus.key();
    wait_until("the first samples are stored", || stored(&redis, &key).len() >= 3);

    ingest.terminate();
    let n_before = prometheus.scraped().len();
    wait_until("Prometheus scrapes while ingest is away", || {
        prometheus.scraped().len() >= n_before + 3
    });
    let missed = *prometheus.scraped().last_key_value().unwrap().0;

    let _ingest = Process::ingest(ingest_port, &redis);
    wait_until("the missed samples are stored", || {
        stored(&redis, &key).last().is_some_and(|(at_ms, _)| *at_ms > missed)
    });
    let stored = stored(&redis, &key);
    let newest = stored.last().unwrap().0;
    let scraped: Vec<(i64, f64)> =
        prometheus.scraped().range(..=newest).map(|s| (*s.0, *s.1)).collect();
    assert_eq!(stored, scraped);
}
