//! A deployment as processes: replicas of `ingest` and one `analyze` over a Redis, killed on drop.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use domain::{SHARDS_DEFAULT, SeriesKey, Tenant};
use domain::{Sample, Series};
use serde_json::Value;
use store::testbed::{RedisServer, patient_options};
use store::{RedisStore, SeriesReader, SeriesState, StoreStatus, Topology, totals};
use tempfile::TempDir;

/// The default source of `replay`.
const SOURCE: &str = "replay";

/// Timeout of a process: 30 s in steps of 10 ms, since a loaded machine may take seconds.
const WAITS_MAX: u32 = 3_000;
const WAIT: Duration = Duration::from_millis(10);

/// Replicas of `ingest` and one `analyze` over one Redis.
pub(crate) struct System {
    redis: RedisServer,
    ingest: Vec<Process>,
    analyze: Process,
    // Dropped after the processes that write into it.
    _logs: TempDir,
}

impl System {
    /// Starts it with the default detector and waits until each of its processes is ready.
    pub(crate) fn start(n_replicas: usize) -> Self {
        Self::with_detector(n_replicas, "traffic")
    }

    /// Starts it with a detector and waits until each of its processes is ready.
    pub(crate) fn with_detector(n_replicas: usize, detector: &str) -> Self {
        let logs = tempfile::tempdir().unwrap();
        let redis = RedisServer::start();
        let start = |binary, i: usize| {
            let log = logs.path().join(format!("{binary}-{i}.log"));
            Process::start(binary, &redis.url(), detector, &log)
        };
        let ingest = (0..n_replicas).map(|i| start("ingest", i)).collect();
        let analyze = start("analyze", 0);
        Self { redis, ingest, analyze, _logs: logs }
    }

    /// `--url` with the address of each replica, as arguments of `replay`.
    pub(crate) fn urls(&self) -> Vec<String> {
        let url = |process: &Process| ["--url".to_owned(), format!("http://{}", process.address)];
        self.ingest.iter().flat_map(url).collect()
    }

    /// `--url` with the address of `analyze`, which has no `/ingest`.
    pub(crate) fn url_of_analyze(&self) -> [String; 2] {
        ["--url".to_owned(), format!("http://{}", self.analyze.address)]
    }

    /// Sends SIGKILL to a replica.
    pub(crate) fn kill(&mut self, replica: usize) {
        self.ingest[replica].end();
    }

    /// The answer of `analyze` for a series; `None` while the series is unknown.
    pub(crate) fn analyze(&self, metric: &str) -> Option<Value> {
        let path = format!("/analyze?source={SOURCE}&metric={metric}");
        let (status, body) = self.analyze.get(&path).unwrap();
        assert!(matches!(status, 200 | 404), "{status}: {body}");
        (status == 200).then(|| serde_json::from_str(&body).unwrap())
    }

    /// The window of a series, read from Redis.
    pub(crate) fn window(&self, metric: &str) -> Vec<Sample> {
        let series = Series::new(SOURCE, metric, BTreeMap::new()).unwrap();
        let key = SeriesKey::new(Tenant::default(), series);
        let state: Option<SeriesState> = self.store(async |store| store.read(&key).await.unwrap());
        let state = state.unwrap();
        assert!(state.inbox.is_empty(), "{:?} wait", state.inbox);
        state.window.iter().map(|judged| judged.sample).collect()
    }

    /// Totals in Redis of accepted and late samples and of anomalies.
    pub(crate) fn totals(&self) -> BTreeMap<String, u64> {
        let mut totals = self.store(async |store| store.totals().await.unwrap());
        let accepted = format!("{} accepted", totals::SAMPLES);
        let counted = [accepted.as_str(), totals::LATE, totals::ANOMALIES];
        totals.retain(|name, _| counted.iter().any(|counted| name.starts_with(counted)));
        let is_present = |counted: &&str| totals.keys().any(|name| name.starts_with(counted));
        assert!(counted.iter().all(is_present), "{totals:?}");
        totals
    }

    /// Number of accepted samples in Redis.
    pub(crate) fn n_accepted(&self) -> u64 {
        let totals = self.store(async |store| store.totals().await.unwrap());
        totals[&format!("{} accepted", totals::SAMPLES)]
    }

    /// The address of its Redis.
    pub(crate) fn redis_url(&self) -> String {
        self.redis.url()
    }

    fn store<T>(&self, ask: impl AsyncFnOnce(RedisStore) -> T) -> T {
        let options = patient_options(self.redis.url(), Topology::Single, SHARDS_DEFAULT);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { ask(RedisStore::new(&options).unwrap()).await })
    }
}

/// A function as a process.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    /// Starts it on a free port and waits until it is ready.
    fn start(binary: &str, redis_url: &str, detector: &str, log: &Path) -> Self {
        let child = Command::new(built(binary))
            .env_clear()
            .envs([("PORT", "0"), ("REDIS_URL", redis_url), ("TIDEMARK_DETECTOR", detector)])
            // Log the line with the address, and all warnings.
            .env("RUST_LOG", "warn,server::run=info")
            .stderr(File::create(log).unwrap())
            .spawn()
            .unwrap();
        let mut process = Self { child, address: String::new() };
        process.address = wait_for("the process listens", || listening_at(log));
        wait_for("the process is ready", || {
            process.get("/readyz").filter(|(status, _)| *status == 200)
        });
        process
    }

    /// Status and body of an answer; `None` without one.
    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let head = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    fn end(&mut self) {
        // Killing fails if the process has ended already.
        let _has_ended = self.child.kill().and_then(|()| self.child.wait()).is_err();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// The path of a function's binary; fails if it is older than its sources, which would test old code.
fn built(binary: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_evaluator")).with_file_name(binary);
    let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    let built_at = modified(&path);
    // Beside each binary cargo writes `<binary>: <source> <source>...`.
    let sources = std::fs::read_to_string(path.with_extension("d")).unwrap_or_default();
    let newer =
        sources.split_whitespace().skip(1).find(|source| modified(Path::new(source)) > built_at);
    assert!(
        built_at.is_some() && newer.is_none(),
        "`{}` is missing, or older than its sources ({newer:?}): run `cargo build --workspace` first",
        path.display()
    );
    path
}

/// The address in the first line of a log that is complete.
fn listening_at(log: &Path) -> Option<String> {
    let text = std::fs::read_to_string(log).ok()?;
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let mut values = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = values.find(|line| line["message"] == "listening")?;
    Some(line["address"].as_str()?.to_owned())
}

/// Polls until there is an answer.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    for _ in 0..WAITS_MAX {
        if let Some(answer) = ask() {
            return answer;
        }
        // A test waits in real time for a real process.
        std::thread::sleep(WAIT);
    }
    panic!("timeout: {what}");
}

/// Starts the evaluator.
pub(crate) fn spawn_evaluator(arguments: &[impl AsRef<str>]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_evaluator"))
        .args(arguments.iter().map(AsRef::as_ref))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs the evaluator to its end.
pub(crate) fn evaluator(arguments: &[impl AsRef<str>]) -> Output {
    spawn_evaluator(arguments).wait_with_output().unwrap()
}
