//! The arithmetic: how many shards memory and processors want, and which nodes cost least for it.

use serde::Serialize;

use super::{Assumptions, Costs, Node, Prices};

/// Bytes of a gibibyte.
const GIB: f64 = 1_073_741_824.0;

/// What is to be served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    pub(super) samples_per_hour: f64,
    /// How samples are sent, in words.
    pub(super) sent: &'static str,
    pub(super) costs: Costs,
}

/// What serves it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Samples an hour.
    pub samples_per_hour: f64,
    /// Samples a second.
    pub samples_per_s: f64,
    /// Description of how samples are sent.
    pub sent: &'static str,
    /// Series that send a sample every interval.
    pub n_series: u64,
    /// Redis memory of all series, in GiB.
    pub memory_gib: f64,
    /// Processors that Redis keeps busy.
    pub redis_cores: f64,
    /// Processors that functions keep busy.
    pub function_cores: f64,
    /// Kind of the cheapest node.
    pub node: String,
    /// Shards that memory and processor time need.
    pub n_shards: u64,
    /// Nodes: shards and their replicas.
    pub n_nodes: u64,
    /// Price of all nodes.
    pub usd_per_month: f64,
}

/// The cheapest nodes of one kind that hold the series and carry the samples.
///
/// A master works on one processor, whatever its size, so that both memory and time want a number of shards.
pub(super) fn plan(
    assumptions: &Assumptions,
    demand: &Demand,
    bytes_per_series: f64,
    prices: &Prices,
) -> Plan {
    let samples_per_s = demand.samples_per_hour / 3_600.0;
    let n_series = (samples_per_s * assumptions.interval).ceil();
    let memory_gib = n_series * bytes_per_series / GIB;
    let redis_cores = samples_per_s * demand.costs.redis_us_per_sample / 1e6;
    let n_shards = |node: &Node| {
        let of_memory = memory_gib / (node.memory_gib * assumptions.usable);
        let of_time = redis_cores / assumptions.busy;
        of_memory.max(of_time).ceil().max(1.0) as u64
    };
    let copies = u64::from(assumptions.replicas) + 1;
    let usd =
        |node: &Node| (n_shards(node) * copies) as f64 * node.usd_per_hour * prices.hours_per_month;
    let cheapest = prices.node.iter().min_by(|a, b| usd(a).total_cmp(&usd(b)));
    let node = cheapest.expect("prices without a node are refused");
    Plan {
        samples_per_hour: demand.samples_per_hour,
        samples_per_s,
        sent: demand.sent,
        n_series: n_series as u64,
        memory_gib,
        redis_cores,
        function_cores: samples_per_s * demand.costs.function_us_per_sample / 1e6,
        node: node.name.clone(),
        n_shards: n_shards(node),
        n_nodes: n_shards(node) * copies,
        usd_per_month: usd(node),
    }
}
