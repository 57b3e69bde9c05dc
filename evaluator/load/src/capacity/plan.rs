//! Computes the shards for memory and processor time, and the cheapest nodes.

use serde::Serialize;

use super::inputs::{Assumptions, CacheNode, MeasuredCosts, NodePrices, SampleCosts, check};

/// Bytes of a gibibyte.
const GIB: f64 = 1_073_741_824.0;

/// A load to plan for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    pub(super) samples_per_hour: f64,
    /// Description of how samples are sent.
    pub(super) sent: &'static str,
    pub(super) costs: SampleCosts,
}

/// Nodes and processors for a load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CapacityPlan {
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

/// A plan for each number of samples an hour and each way of sending them.
pub fn plans(
    assumptions: &Assumptions,
    measured: &MeasuredCosts,
    prices: &NodePrices,
) -> anyhow::Result<Vec<CapacityPlan>> {
    check(assumptions, measured, prices)?;
    let shapes = [
        ("one by one", measured.single),
        ("batches, unknown series", measured.cold),
        ("batches, known series", measured.warm),
    ];
    let plan = |(millions, (sent, costs)): (&f64, (&'static str, SampleCosts))| {
        let demand = Demand { samples_per_hour: millions * 1e6, sent, costs };
        plan(assumptions, &demand, measured.redis_bytes_per_series, prices)
    };
    let each = |millions| shapes.into_iter().map(move |shape| (millions, shape));
    Ok(assumptions.millions.iter().flat_map(each).map(plan).collect())
}

/// The cheapest nodes of one kind.
///
/// A master uses one processor, whatever its size, so both memory and processor time need shards.
pub(super) fn plan(
    assumptions: &Assumptions,
    demand: &Demand,
    bytes_per_series: f64,
    prices: &NodePrices,
) -> CapacityPlan {
    let samples_per_s = demand.samples_per_hour / 3_600.0;
    let n_series = (samples_per_s * assumptions.interval).ceil();
    let memory_gib = n_series * bytes_per_series / GIB;
    let redis_cores = samples_per_s * demand.costs.redis_us_per_sample / 1e6;
    let n_shards = |node: &CacheNode| {
        let of_memory = memory_gib / (node.memory_gib * assumptions.usable);
        let of_time = redis_cores / assumptions.busy;
        of_memory.max(of_time).ceil().max(1.0) as u64
    };
    let copies = u64::from(assumptions.replicas) + 1;
    let usd = |node: &CacheNode| {
        (n_shards(node) * copies) as f64 * node.usd_per_hour * prices.hours_per_month
    };
    let cheapest = prices.node.iter().min_by(|a, b| usd(a).total_cmp(&usd(b)));
    let node = cheapest.expect("prices have at least one node");
    CapacityPlan {
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
