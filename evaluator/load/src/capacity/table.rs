//! Renders plans as a Markdown table, readable in a terminal.

use std::fmt::Write;

use super::inputs::{Assumptions, MeasuredCosts, NodePrices};
use super::plan::CapacityPlan;

/// The table with its assumptions.
pub fn render(
    assumptions: &Assumptions,
    plans: &[CapacityPlan],
    measured: &MeasuredCosts,
    prices: &NodePrices,
) -> String {
    let mut text = String::from(
        "| samples an hour | sent | a second | series | Redis memory | Redis busy | functions busy | nodes | shards | dollars a month |\n\
         |---:|---|---:|---:|---:|---:|---:|---|---:|---:|\n",
    );
    for plan in plans {
        let _infallible = writeln!(
            text,
            "| {} million | {} | {:.0} | {} | {:.2} GiB | {:.3} cores | {:.3} cores | {} x {} | {} | {:.0} |",
            plan.samples_per_hour / 1e6,
            plan.sent,
            plan.samples_per_s,
            plan.n_series,
            plan.memory_gib,
            plan.redis_cores,
            plan.function_cores,
            plan.n_nodes,
            plan.node,
            plan.n_shards,
            plan.usd_per_month,
        );
    }
    let _infallible = write!(
        text,
        "\nA sample of each series every {} s, {} replica(s) of each shard, series in at most {:.0} % of a node's memory, masters \
         busy for at most {:.0} % of their time. Measured: {:.1} KB of Redis a series; {} on {}, commit {}. Prices: {}, {}.\n",
        assumptions.interval,
        assumptions.replicas,
        100.0 * assumptions.usable,
        100.0 * assumptions.busy,
        measured.redis_bytes_per_series / 1024.0,
        measured.date,
        measured.machine,
        measured.commit,
        prices.date,
        prices.source,
    );
    text
}
