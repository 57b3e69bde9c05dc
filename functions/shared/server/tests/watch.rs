//! The functions under the real `cargo lambda watch`, over a real Redis, as a developer runs them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use store::testbed::{RedisServer, free_port};

/// Longest wait: the first call of a function builds it.
const START_TIMEOUT: Duration = Duration::from_mins(10);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().unwrap()
}

/// A running `cargo lambda watch`; killed with its functions when dropped.
struct Watch {
    child: Child,
    port: u16,
}

impl Watch {
    fn start(redis_url: &str) -> Self {
        let port = free_port();
        let child = Command::new("cargo")
            .args(["lambda", "watch", "--invoke-port", &port.to_string(), "--ignore-changes"])
            .current_dir(root())
            .env("REDIS_URL", redis_url)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("cargo-lambda is installed: `make setup` does it");
        let mut watch = Self { child, port };
        watch.wait();
        watch
    }

    fn wait(&mut self) {
        for _ in 0..START_TIMEOUT.as_millis() / 100 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            assert_eq!(
                self.child.try_wait().unwrap(),
                None,
                "`cargo lambda watch` ended: is cargo-lambda installed?"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("`cargo lambda watch` does not answer");
    }

    /// `cargo lambda invoke <function> --data-file events/<file>`.
    fn invoke(&self, function: &str, file: &str) -> Value {
        let output = Command::new("cargo")
            .args(["lambda", "invoke", function, "--invoke-port", &self.port.to_string()])
            .args(["--data-file", &format!("events/{file}"), "--output-format", "json"])
            .current_dir(root())
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)))
    }

    /// Invokes with an HTTP event; returns the body of the response.
    fn request(&self, function: &str, file: &str) -> Value {
        let answer = self.invoke(function, file);
        assert_eq!(answer["statusCode"], 200, "{answer}");
        serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
    }

    /// Sends an HTTP request, which `cargo lambda watch` routes as the workspace's metadata configures.
    fn curl(&self, arguments: &[&str], path: &str) -> Value {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let output = Command::new("curl")
            .args(["--silent", "--show-error"])
            .args(arguments)
            .arg(url)
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)))
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

impl Drop for Watch {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ended = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _reaped = self.child.wait();
    }
}

#[test]
fn the_functions_run_under_cargo_lambda_watch_and_share_their_series() {
    let redis = RedisServer::start();
    let watch = Watch::start(&redis.url());
    let sent = watch.request("ingest", "apigw-v2-ingest-spike.json");
    assert_eq!(
        (&sent["accepted"], &sent["verdicts"][0]["verdict"]),
        (&31.into(), &"anomaly".into())
    );
    let analysis = watch.request("analyze", "apigw-v2-analyze-series.json");
    assert_eq!((&analysis["judged_count"], &analysis["anomaly_count"]), (&31.into(), &1.into()));

    let sample = r#"{"source":"checkout","metric":"rps","value":410}"#;
    let sent = watch.curl(&["--json", sample], "/ingest?verdicts=all");
    // The samples of the event are years old, and a sample without a time has the present time.
    assert_eq!((&sent["accepted"], &sent["verdicts"][0]["signal"]), (&1.into(), &"gap".into()));
    let analysis = watch.curl(&[], "/analyze?source=checkout&metric=rps");
    assert_eq!(analysis["judged_count"], 32);
    let put = ["--request", "PUT", "--json", r#"{"detector":"zscore:window=50,threshold=3"}"#];
    let put = watch.curl(&put, "/series/config?source=checkout&metric=rps");
    assert_eq!(put["own_detector"], true, "{put}");

    // The poisoned message, and the two that follow in its group.
    let failed = watch.invoke("ingest-stream", "sqs-fifo-poisoned.json");
    assert_eq!(failed["batchItemFailures"].as_array().unwrap().len(), 3, "{failed}");
    let swept = watch.invoke("analyze", "schedule-analyze.json");
    assert_eq!((&swept["series"], &swept["failed"]), (&0.into(), &0.into()), "{swept}");
}
