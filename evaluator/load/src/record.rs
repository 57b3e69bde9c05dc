//! The record of a load: everything that its reports show.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::scenario::Stage;
use crate::tally::Window;
use crate::watch::Reading;

/// What was sent, what came back, and what it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadRecord {
    /// Name of the scenario.
    pub scenario: String,
    /// What it stands for.
    pub analysis: String,
    /// The command that made it.
    pub command: String,
    /// The commit that is checked out where it was made.
    pub commit: Option<String>,
    /// Where it was sent.
    pub url: String,
    /// Processors of this machine.
    pub n_cores: usize,
    /// The processes that were watched.
    pub watched: Vec<String>,
    /// Whether it was ended before its end.
    pub is_interrupted: bool,
    /// All stages but warm-ups together.
    pub total: Figures,
    /// Each stage.
    pub stages: Vec<Figures>,
    /// Each second.
    pub ticks: Vec<Tick>,
    /// What was demanded.
    pub checks: Vec<Check>,
}

/// What a stretch of time came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// What it is called.
    pub name: String,
    /// Whether checks leave it out.
    pub is_warm_up: bool,
    /// How long.
    pub seconds: f64,
    /// Requests that were due.
    pub due: u64,
    /// Answers of 2xx.
    pub ok: u64,
    /// These a second.
    pub ok_per_s: f64,
    /// Samples in the requests that were so answered.
    pub samples: u64,
    /// These a second.
    pub samples_per_s: f64,
    /// Samples that the answers say were accepted.
    pub accepted: u64,
    /// Everything else, by status or by what went wrong.
    pub errors: BTreeMap<String, u64>,
    /// Share of these in all that ended.
    pub error_rate: f64,
    /// Of the answers of 2xx, from when their requests were due; none without one.
    pub latency_ms: Option<Latency>,
    /// What it took, as far as it was watched.
    pub cost: Cost,
}

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Mean.
    pub mean: f64,
    /// Half are below.
    pub p50: f64,
    /// 90 % are below.
    pub p90: f64,
    /// 95 % are below.
    pub p95: f64,
    /// 99 % are below.
    pub p99: f64,
    /// 99.9 % are below.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

/// What a load took; a field is missing where nobody could be watched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Processors that the deployment kept busy.
    pub server_cores: Option<f64>,
    /// Its memory at the end of the stretch, in bytes.
    pub server_bytes: Option<u64>,
    /// Processors that this generator kept busy.
    pub own_cores: Option<f64>,
    /// Processors that Redis kept busy.
    pub redis_cores: Option<f64>,
    /// Its memory at the end of the stretch, in bytes.
    pub redis_bytes: Option<u64>,
    /// Script calls a second.
    pub redis_scripts_per_s: Option<f64>,
    /// Processors busy within scripts.
    pub redis_script_cores: Option<f64>,
}

/// A second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// When it ended, counted from the start.
    pub at_s: f64,
    /// How long it was.
    pub seconds: f64,
    /// Index of its stage.
    pub stage: usize,
    /// Requests that were due a second.
    pub due_per_s: f64,
    /// Answers of 2xx a second.
    pub ok_per_s: f64,
    /// Samples in these requests a second.
    pub samples_per_s: f64,
    /// Everything else a second.
    pub errors_per_s: f64,
    /// Of the answers of 2xx.
    pub latency_ms: Option<Latency>,
    /// Requests that were sent and not answered.
    pub under_way: usize,
    /// Requests that were due and waited for a connection.
    pub waiting: usize,
    /// What it took.
    pub cost: Cost,
}

/// What was demanded, and what came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// In words: `p99 at most 50 ms`.
    pub wanted: String,
    /// What was measured.
    pub measured: String,
    /// Whether it is met.
    pub is_met: bool,
}

impl Figures {
    pub(crate) fn of(
        name: String,
        is_warm_up: bool,
        seconds: f64,
        window: &Window,
        cost: Cost,
    ) -> Self {
        let per_s = |n: u64| if seconds > 0.0 { n as f64 / seconds } else { 0.0 };
        let n_ended = window.n_ok + window.n_errors();
        Self {
            name,
            is_warm_up,
            seconds,
            due: window.n_due,
            ok: window.n_ok,
            ok_per_s: per_s(window.n_ok),
            samples: window.n_samples,
            samples_per_s: per_s(window.n_samples),
            accepted: window.n_accepted,
            errors: window.errors.iter().map(|(fault, n)| (fault.to_string(), *n)).collect(),
            error_rate: if n_ended == 0 { 0.0 } else { window.n_errors() as f64 / n_ended as f64 },
            latency_ms: Latency::of(window),
            cost,
        }
    }
}

impl Latency {
    pub(crate) fn of(window: &Window) -> Option<Self> {
        let all = &window.latency_us;
        let at = |share: f64| all.value_at_quantile(share) as f64 / 1_000.0;
        (!all.is_empty()).then(|| Self {
            mean: all.mean() / 1_000.0,
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: all.max() as f64 / 1_000.0,
        })
    }
}

impl Cost {
    /// What was used between two readings.
    pub(crate) fn between(before: &Reading, after: &Reading, seconds: f64) -> Self {
        let share = |used: f64| if seconds > 0.0 { (used / seconds).max(0.0) } else { 0.0 };
        let cores = |before: Option<crate::process::Usage>,
                     after: Option<crate::process::Usage>| {
            Some(share(after?.cpu_s - before?.cpu_s))
        };
        let redis = before.redis.zip(after.redis);
        Self {
            server_cores: cores(before.server, after.server),
            server_bytes: after.server.map(|usage| usage.resident_bytes),
            own_cores: cores(before.own, after.own),
            redis_cores: redis.map(|(before, after)| share(after.cpu_s - before.cpu_s)),
            redis_bytes: after.redis.map(|usage| usage.memory_bytes),
            redis_scripts_per_s: redis.map(|(before, after)| {
                share(after.n_scripts.saturating_sub(before.n_scripts) as f64)
            }),
            redis_script_cores: redis
                .map(|(before, after)| share(after.scripts_s - before.scripts_s)),
        }
    }

    /// The mean of stretches that follow each other; memory is that of the last.
    pub(crate) fn mean<'a>(ticks: &(impl Iterator<Item = &'a Tick> + Clone)) -> Self {
        let mean = |value: fn(&Self) -> Option<f64>| {
            let (mut sum, mut seconds) = (0.0, 0.0);
            for tick in ticks.clone() {
                sum += value(&tick.cost)? * tick.seconds;
                seconds += tick.seconds;
            }
            (seconds > 0.0).then(|| sum / seconds)
        };
        let last = ticks.clone().last().map(|tick| tick.cost).unwrap_or_default();
        Self {
            server_cores: mean(|cost| cost.server_cores),
            own_cores: mean(|cost| cost.own_cores),
            redis_cores: mean(|cost| cost.redis_cores),
            redis_scripts_per_s: mean(|cost| cost.redis_scripts_per_s),
            redis_script_cores: mean(|cost| cost.redis_script_cores),
            ..last
        }
    }
}

/// The figures of each stage.
pub(crate) fn by_stage(
    stages: &[Stage],
    windows: &[Window],
    ticks: &[Tick],
    seconds: f64,
) -> Vec<Figures> {
    let mut begin_s = 0.0;
    let figures = stages.iter().zip(windows).enumerate().map(|(i, (stage, window))| {
        // An interrupt ends a stage early, and the last answers may come after its end.
        let lasted = stage.seconds.min((seconds - begin_s).max(0.0));
        begin_s += stage.seconds;
        let cost = Cost::mean(&ticks.iter().filter(move |tick| tick.stage == i));
        Figures::of(stage.title(), stage.is_warm_up, lasted, window, cost)
    });
    figures.collect()
}
