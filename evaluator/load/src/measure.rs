//! Runs a load: sends the scenario, reads usage every second, and joins both into a record.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use reqwest::Url;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::body::RequestWriter;
use crate::connection::Target;
use crate::drive::{self, LoadRun};
use crate::format::LoadFormat;
use crate::limits::LoadLimits;
use crate::record::{self, Cost, Figures, Latency, LoadRecord, Tick};
use crate::scenario::LoadScenario;
use crate::tally::Tally;
use crate::watch::{UsageReading, Watch};
use crate::{process, schedule};

/// Interval of progress and of the points in charts.
const TICK: Duration = Duration::from_secs(1);

/// The load to send, and the processes to watch.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The load.
    pub scenario: LoadScenario,
    /// Addresses of the replicas of the deployment; the first is named in each request.
    pub urls: Vec<Url>,
    /// Key that each request carries.
    pub api_key: Option<String>,
    /// Source name of the samples.
    pub source: String,
    /// Format of the samples.
    pub format: LoadFormat,
    /// Maximum connections of a rate.
    pub connections_max: usize,
    /// Timeout of a connection and of an answer.
    pub timeout: Duration,
    /// Threads that send.
    pub n_threads: usize,
    /// Processes to watch; if empty, those of this machine that listen on the ports of the deployment.
    pub pids: Vec<u32>,
    /// Address of the Redis to watch.
    pub redis_url: Option<String>,
    /// Limits that the figures are checked against.
    pub limits: LoadLimits,
    /// Command line of this process, for the record.
    pub command: String,
    /// Commit that is checked out, for the record.
    pub commit: Option<String>,
}

impl LoadOptions {
    fn writer(&self, url: &Url) -> RequestWriter {
        RequestWriter::new(url, self.api_key.as_deref(), &self.source, self.format)
    }
}

/// Sends the scenario and calls `on_tick` every second; an interrupt (Ctrl-C) ends it early.
pub fn measure(options: LoadOptions, on_tick: impl FnMut(&Tick)) -> anyhow::Result<LoadRecord> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.n_threads)
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(run(options, on_tick))
}

async fn run(options: LoadOptions, on_tick: impl FnMut(&Tick)) -> anyhow::Result<LoadRecord> {
    let first = options.urls.first().context("no address of the deployment")?;
    let mut targets = Vec::new();
    for url in &options.urls {
        targets.push(reached(url, options.timeout).await?);
    }
    let pids = if options.pids.is_empty() {
        targets.iter().flat_map(|target| process::listening_on(target.address())).collect()
    } else {
        options.pids.clone()
    };
    let mut watch = Watch::new(pids, options.redis_url.as_deref()).await?;
    let shared = Arc::new(LoadRun {
        targets,
        writer: Mutex::new(options.writer(first)),
        tally: Mutex::new(Tally::new(options.scenario.stages.len())),
        scenario: options.scenario.clone(),
        format: options.format,
        start: Instant::now(),
        start_us: jiff::Timestamp::now().as_microsecond(),
        timeout: options.timeout,
        connections_max: options.connections_max,
        is_over: AtomicBool::new(false),
        n_under_way: AtomicUsize::new(0),
        n_waiting: AtomicUsize::new(0),
    });
    // Listen before sending, so that no interrupt is lost.
    let interrupt = signal(SignalKind::interrupt()).context("wait for an interrupt")?;
    let (ticks, is_interrupted) = send(&shared, &mut watch, interrupt, on_tick).await;
    Ok(join(options, &shared, watch.names(), (ticks, is_interrupted)))
}

/// A replica that can be connected: an unreachable one is one error instead of thousands.
async fn reached(url: &Url, timeout: Duration) -> anyhow::Result<Target> {
    let target = Target::find(url).await?;
    let unreached = || format!("reach `{url}`");
    let connected = tokio::time::timeout(timeout, target.connect());
    connected.await.with_context(unreached)?.with_context(unreached)?;
    Ok(target)
}

/// The record of a load that has ended.
fn join(
    options: LoadOptions,
    shared: &LoadRun,
    watched: Vec<String>,
    (ticks, is_interrupted): (Vec<Tick>, bool),
) -> LoadRecord {
    let seconds = shared.start.elapsed().as_secs_f64();
    let tally = shared.tally();
    let stages = record::by_stage(&shared.scenario.stages, &tally.stages, &ticks, seconds);
    let is_measured = |stage: usize| !shared.scenario.stages[stage].is_warm_up;
    let total = Figures::of(
        "all".to_owned(),
        false,
        stages.iter().filter(|stage| !stage.is_warm_up).map(|stage| stage.seconds).sum(),
        &tally.sum(is_measured),
        Cost::mean(&ticks.iter().filter(|tick| is_measured(tick.stage))),
    );
    LoadRecord {
        scenario: options.scenario.name,
        analysis: options.scenario.analysis,
        command: options.command,
        commit: options.commit,
        url: options.urls.iter().map(Url::as_str).collect::<Vec<_>>().join(" "),
        n_cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        watched,
        is_interrupted,
        checks: options.limits.check(&total),
        total,
        stages,
        ticks,
    }
}

/// Sends, and takes a tick every second; the `bool` is true if an interrupt ended it.
async fn send(
    shared: &Arc<LoadRun>,
    watch: &mut Watch,
    mut interrupt: Signal,
    mut on_tick: impl FnMut(&Tick),
) -> (Vec<Tick>, bool) {
    let mut sending = tokio::spawn(drive::all(Arc::clone(shared)));
    let mut timer = interval(TICK);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer.tick().await;
    let mut ticks = Vec::new();
    let mut is_interrupted = false;
    let mut before = (shared.start.elapsed(), watch.read().await);
    loop {
        let is_done = tokio::select! {
            _ = &mut sending => true,
            _ = interrupt.recv(), if !is_interrupted => {
                is_interrupted = true;
                shared.is_over.store(true, Ordering::Relaxed);
                continue;
            }
            _ = timer.tick() => false,
        };
        let after = (shared.start.elapsed(), watch.read().await);
        let tick = tick(shared, &before, &after);
        on_tick(&tick);
        // The last tick may be too short for a rate.
        if !is_done || ticks.is_empty() || tick.seconds > TICK.as_secs_f64() / 4.0 {
            ticks.push(tick);
        }
        before = after;
        if is_done {
            break;
        }
    }
    (ticks, is_interrupted)
}

/// The counts between two readings.
fn tick(
    shared: &LoadRun,
    before: &(Duration, UsageReading),
    after: &(Duration, UsageReading),
) -> Tick {
    let seconds = after.0.saturating_sub(before.0).as_secs_f64();
    let middle = (before.0 + after.0) / 2;
    let n_begun = schedule::ends(&shared.scenario).filter(|end| *end <= middle).count();
    let per_s = |n: u64| n as f64 / seconds.max(1e-3);
    shared.tally().take(|window| Tick {
        at_s: after.0.as_secs_f64(),
        seconds,
        stage: n_begun.min(shared.scenario.stages.len() - 1),
        due_per_s: per_s(window.n_due),
        ok_per_s: per_s(window.n_ok),
        samples_per_s: per_s(window.n_samples),
        errors_per_s: per_s(window.n_errors()),
        latency_ms: Latency::of(window),
        under_way: shared.n_under_way.load(Ordering::Relaxed),
        waiting: shared.n_waiting.load(Ordering::Relaxed),
        cost: Cost::between(&before.1, &after.1, seconds),
    })
}
