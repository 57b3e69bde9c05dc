//! The record of a load: all numbers of its reports.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::scenario::Stage;
use crate::tally::RequestCounts;
use crate::watch::UsageReading;

/// Requests, answers and cost of a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadRecord {
    /// Name of the scenario.
    pub scenario: String,
    /// Analysis of the scenario.
    pub analysis: String,
    /// The command line.
    pub command: String,
    /// The commit that was checked out.
    pub commit: Option<String>,
    /// Address of the deployment.
    pub url: String,
    /// Number of processors of this machine.
    pub n_cores: usize,
    /// The watched processes.
    pub watched: Vec<String>,
    /// True if it was interrupted.
    pub is_interrupted: bool,
    /// Figures of all stages without warm-ups.
    pub total: Figures,
    /// Figures of each stage.
    pub stages: Vec<Figures>,
    /// Figures of each second.
    pub ticks: Vec<Tick>,
    /// Results of the checks.
    pub checks: Vec<Check>,
}

/// Figures of a period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Name of the period.
    pub name: String,
    /// True if checks exclude it.
    pub is_warm_up: bool,
    /// Duration.
    pub seconds: f64,
    /// Requests that were due.
    pub due: u64,
    /// 2xx answers.
    pub ok: u64,
    /// 2xx answers a second.
    pub ok_per_s: f64,
    /// Samples in requests with a 2xx answer.
    pub samples: u64,
    /// Samples a second.
    pub samples_per_s: f64,
    /// Accepted samples, from the answers.
    pub accepted: u64,
    /// Errors by status or cause.
    pub errors: BTreeMap<String, u64>,
    /// Share of errors in ended requests.
    pub error_rate: f64,
    /// Latency of 2xx answers from the due time; `None` without one.
    pub latency_ms: Option<Latency>,
    /// Cost of the watched processes.
    pub cost: Cost,
}

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Mean.
    pub mean: f64,
    /// 50 % are at most this.
    pub p50: f64,
    /// 90 % are at most this.
    pub p90: f64,
    /// 95 % are at most this.
    pub p95: f64,
    /// 99 % are at most this.
    pub p99: f64,
    /// 99.9 % are at most this.
    pub p999: f64,
    /// Maximum.
    pub max: f64,
}

/// Cost of a load; fields without a watched process are `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Busy processors of the deployment.
    pub server_cores: Option<f64>,
    /// Memory of the deployment at the end of the period, in bytes.
    pub server_bytes: Option<u64>,
    /// Busy processors of this generator.
    pub own_cores: Option<f64>,
    /// Busy processors of Redis.
    pub redis_cores: Option<f64>,
    /// Memory of Redis at the end of the period, in bytes.
    pub redis_bytes: Option<u64>,
    /// Script calls a second.
    pub redis_scripts_per_s: Option<f64>,
    /// Processors busy within scripts.
    pub redis_script_cores: Option<f64>,
}

/// Figures of one second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// End of the period, in seconds from the start.
    pub at_s: f64,
    /// Duration.
    pub seconds: f64,
    /// Index of its stage.
    pub stage: usize,
    /// Requests that were due a second.
    pub due_per_s: f64,
    /// 2xx answers a second.
    pub ok_per_s: f64,
    /// Samples a second in requests with a 2xx answer.
    pub samples_per_s: f64,
    /// Errors a second.
    pub errors_per_s: f64,
    /// Latency of 2xx answers.
    pub latency_ms: Option<Latency>,
    /// Requests without an answer yet.
    pub under_way: usize,
    /// Due requests that wait for a connection.
    pub waiting: usize,
    /// Cost of the second.
    pub cost: Cost,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The limit, such as `p99 at most 50 ms`.
    pub wanted: String,
    /// The measured value.
    pub measured: String,
    /// True if the limit is met.
    pub is_met: bool,
}

impl Figures {
    pub(crate) fn of(
        name: String,
        is_warm_up: bool,
        seconds: f64,
        window: &RequestCounts,
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
    pub(crate) fn of(window: &RequestCounts) -> Option<Self> {
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
    /// Cost between two readings.
    pub(crate) fn between(before: &UsageReading, after: &UsageReading, seconds: f64) -> Self {
        let share = |used: f64| if seconds > 0.0 { (used / seconds).max(0.0) } else { 0.0 };
        let cores = |before: Option<crate::process::ProcessUsage>,
                     after: Option<crate::process::ProcessUsage>| {
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

    /// The mean over consecutive ticks; memory is that of the last.
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
    windows: &[RequestCounts],
    ticks: &[Tick],
    seconds: f64,
) -> Vec<Figures> {
    let mut begin_s = 0.0;
    let figures = stages.iter().zip(windows).enumerate().map(|(i, (stage, window))| {
        // An interrupt ends a stage early, and the last answers may arrive after its end.
        let lasted = stage.seconds.min((seconds - begin_s).max(0.0));
        begin_s += stage.seconds;
        let cost = Cost::mean(&ticks.iter().filter(move |tick| tick.stage == i));
        Figures::of(stage.title(), stage.is_warm_up, lasted, window, cost)
    });
    figures.collect()
}
