//! Inputs of a capacity plan: assumptions, measured costs, prices.

use anyhow::ensure;
use serde::Deserialize;

/// Built-in measured costs, which `make load` writes, as JSON.
pub const MEASURED: &str = include_str!("../../capacity/measured.json");
/// Built-in prices of cache nodes, as TOML.
pub const PRICES: &str = include_str!("../../capacity/prices.toml");

/// Assumptions of a capacity plan.
#[derive(Debug, Clone, clap::Args)]
pub struct Assumptions {
    /// Samples an hour, in millions; repeatable.
    #[arg(long, value_name = "N", default_values_t = [1.0, 10.0, 100.0])]
    pub(super) millions: Vec<f64>,
    /// Seconds from one sample of a series to its next.
    #[arg(long, value_name = "S", default_value_t = 60.0)]
    pub(super) interval: f64,
    /// Replicas of each shard; at least one for failover.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=5))]
    pub(super) replicas: u32,
    /// Share of a node's memory that series may take; the rest is for replication, fragmentation and growth.
    #[arg(long, value_name = "SHARE", default_value_t = 0.65)]
    pub(super) usable: f64,
    /// Share of its time that a master may be busy on average; the rest is for peaks.
    #[arg(long, value_name = "SHARE", default_value_t = 0.4)]
    pub(super) busy: f64,
}

/// Measured costs, with machine and date.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MeasuredCosts {
    pub(super) date: String,
    pub(super) commit: String,
    pub(super) machine: String,
    /// Bytes of Redis for a series whose window is full, all keys and indexes counted.
    pub(super) redis_bytes_per_series: f64,
    /// One sample a request.
    pub(super) single: SampleCosts,
    /// Batches of 500 series that are not cached.
    pub(super) cold: SampleCosts,
    /// Cached batches of 500 series.
    pub(super) warm: SampleCosts,
}

/// Cost of one sample, in microseconds of a processor.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct SampleCosts {
    pub(super) function_us_per_sample: f64,
    pub(super) redis_us_per_sample: f64,
}

/// Prices of cache nodes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePrices {
    pub(super) date: String,
    pub(super) source: String,
    pub(super) hours_per_month: f64,
    pub(super) node: Vec<CacheNode>,
}

/// A kind of cache node.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheNode {
    pub(super) name: String,
    pub(super) memory_gib: f64,
    pub(super) usd_per_hour: f64,
}

/// Checks that all numbers are in range.
pub(super) fn check(
    assumptions: &Assumptions,
    measured: &MeasuredCosts,
    prices: &NodePrices,
) -> anyhow::Result<()> {
    let is_share = |share: f64| share > 0.0 && share <= 1.0;
    ensure!(
        is_share(assumptions.usable),
        "`--usable {}` is not a share: expected more than 0, at most 1",
        assumptions.usable
    );
    ensure!(
        is_share(assumptions.busy),
        "`--busy {}` is not a share: expected more than 0, at most 1",
        assumptions.busy
    );
    let is_positive = |value: f64| value.is_finite() && value > 0.0;
    ensure!(
        is_positive(assumptions.interval),
        "`--interval {}` is out of range: expected more than 0 seconds",
        assumptions.interval
    );
    ensure!(
        assumptions.millions.iter().all(|millions| is_positive(*millions)),
        "`--millions` is out of range: expected numbers above 0"
    );
    let costs = [measured.single, measured.cold, measured.warm];
    let numbers =
        costs.iter().flat_map(|costs| [costs.function_us_per_sample, costs.redis_us_per_sample]);
    ensure!(
        numbers.chain([measured.redis_bytes_per_series]).all(is_positive),
        "a measured cost is not positive: run `make load` to measure again"
    );
    let is_node = |node: &CacheNode| is_positive(node.memory_gib) && is_positive(node.usd_per_hour);
    ensure!(
        !prices.node.is_empty() && prices.node.iter().all(is_node),
        "prices need at least one node with memory and price"
    );
    Ok(())
}
