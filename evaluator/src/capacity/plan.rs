//! The arithmetic: how many shards memory and processors want, and which nodes cost least for it.

use serde::Serialize;

use super::{Args, Costs, Node, Prices};

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
pub(super) struct Plan {
    pub(super) samples_per_hour: f64,
    pub(super) samples_per_s: f64,
    pub(super) sent: &'static str,
    pub(super) n_series: u64,
    pub(super) memory_gib: f64,
    pub(super) redis_cores: f64,
    pub(super) function_cores: f64,
    pub(super) node: String,
    pub(super) n_shards: u64,
    pub(super) n_nodes: u64,
    pub(super) usd_per_month: f64,
}

/// The cheapest nodes of one kind that hold the series and carry the samples.
///
/// A master works on one processor, whatever its size, so that both memory and time want a number of shards.
pub(super) fn plan(args: &Args, demand: &Demand, bytes_per_series: f64, prices: &Prices) -> Plan {
    let samples_per_s = demand.samples_per_hour / 3_600.0;
    let n_series = (samples_per_s * args.interval).ceil();
    let memory_gib = n_series * bytes_per_series / GIB;
    let redis_cores = samples_per_s * demand.costs.redis_us_per_sample / 1e6;
    let n_shards = |node: &Node| {
        let of_memory = memory_gib / (node.memory_gib * args.usable);
        let of_time = redis_cores / args.busy;
        of_memory.max(of_time).ceil().max(1.0) as u64
    };
    let copies = u64::from(args.replicas) + 1;
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
