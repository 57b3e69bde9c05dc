//! Reckons what a load needs of cache and processors, from what was measured and from prices as data.
//!
//! Nothing here is measured: `make load` writes the constants, and the arithmetic is this file. The functions' own bill
//! on AWS is the matter of `infra`; here is the part that grows with series and samples whatever runs the functions.

mod plan;
mod table;

use anyhow::ensure;
use serde::Deserialize;

pub use self::plan::Plan;
use self::plan::{Demand, plan};
pub use self::table::render as table;

/// Measured costs that `make load` wrote, as JSON.
pub const MEASURED: &str = include_str!("../capacity/measured.json");
/// Prices of cache nodes, as TOML.
pub const PRICES: &str = include_str!("../capacity/prices.toml");

/// Reckon what so many samples an hour need: series, cache nodes, processors, dollars of the cache.
#[derive(Debug, Clone, clap::Args)]
pub struct Assumptions {
    /// Samples an hour, in millions; repeatable.
    #[arg(long, value_name = "N", default_values_t = [1.0, 10.0, 100.0])]
    millions: Vec<f64>,
    /// Seconds from one sample of a series to its next.
    #[arg(long, value_name = "S", default_value_t = 60.0)]
    interval: f64,
    /// Replicas of each shard: at least one outlives its master.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=5))]
    replicas: u32,
    /// Share of a node's memory that series may take; the rest is for replication, fragmentation and growth.
    #[arg(long, value_name = "SHARE", default_value_t = 0.65)]
    usable: f64,
    /// Share of its time that a master may be busy on average; the rest is for peaks.
    #[arg(long, value_name = "SHARE", default_value_t = 0.4)]
    busy: f64,
}

/// What was measured, on one machine, with its date.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Measured {
    date: String,
    commit: String,
    machine: String,
    /// Bytes of Redis for a series whose window is full, all keys and indexes counted.
    redis_bytes_per_series: f64,
    /// One sample a request.
    single: Costs,
    /// Batches of 500 series that the process does not know.
    cold: Costs,
    /// Batches of 500 series that the process knows.
    warm: Costs,
}

/// What one sample costs, in microseconds of a processor.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Costs {
    function_us_per_sample: f64,
    redis_us_per_sample: f64,
}

/// What nodes cost.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    date: String,
    source: String,
    hours_per_month: f64,
    node: Vec<Node>,
}

/// A kind of node.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    name: String,
    memory_gib: f64,
    usd_per_hour: f64,
}

/// A plan for each number of samples an hour and each way of sending them.
pub fn plans(
    assumptions: &Assumptions,
    measured: &Measured,
    prices: &Prices,
) -> anyhow::Result<Vec<Plan>> {
    check(assumptions, measured, prices)?;
    let shapes = [
        ("one by one", measured.single),
        ("batches, unknown series", measured.cold),
        ("batches, known series", measured.warm),
    ];
    let plan = |(millions, (sent, costs)): (&f64, (&'static str, Costs))| {
        let demand = Demand { samples_per_hour: millions * 1e6, sent, costs };
        plan(assumptions, &demand, measured.redis_bytes_per_series, prices)
    };
    let each = |millions| shapes.into_iter().map(move |shape| (millions, shape));
    Ok(assumptions.millions.iter().flat_map(each).map(plan).collect())
}

fn check(assumptions: &Assumptions, measured: &Measured, prices: &Prices) -> anyhow::Result<()> {
    let is_share = |share: f64| share > 0.0 && share <= 1.0;
    ensure!(
        is_share(assumptions.usable),
        "`--usable {}` is no share: above 0 up to 1 is wanted",
        assumptions.usable
    );
    ensure!(
        is_share(assumptions.busy),
        "`--busy {}` is no share: above 0 up to 1 is wanted",
        assumptions.busy
    );
    let is_positive = |value: f64| value.is_finite() && value > 0.0;
    ensure!(
        is_positive(assumptions.interval),
        "`--interval {}` is no time: seconds above 0 are wanted",
        assumptions.interval
    );
    ensure!(
        assumptions.millions.iter().all(|it| is_positive(*it)),
        "`--millions` wants numbers above 0"
    );
    let costs = [measured.single, measured.cold, measured.warm];
    let numbers = costs.iter().flat_map(|it| [it.function_us_per_sample, it.redis_us_per_sample]);
    ensure!(
        numbers.chain([measured.redis_bytes_per_series]).all(is_positive),
        "what was measured holds a number that is none: let `make load` write it anew"
    );
    let is_node = |node: &Node| is_positive(node.memory_gib) && is_positive(node.usd_per_hour);
    ensure!(
        !prices.node.is_empty() && prices.node.iter().all(is_node),
        "prices want a node, with memory and price"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Assumptions,
    }

    fn plans(options: &str, costs: Costs, bytes: f64) -> Plan {
        let arguments = ["capacity"].into_iter().chain(options.split_whitespace());
        let args = Cli::try_parse_from(arguments).unwrap().args;
        let prices: Prices = toml::from_str(
            "date='d'\nsource='s'\nhours_per_month=730\n\
             [[node]]\nname='small'\nmemory_gib=1\nusd_per_hour=0.01\n\
             [[node]]\nname='large'\nmemory_gib=8\nusd_per_hour=0.06\n",
        )
        .unwrap();
        let demand = Demand { samples_per_hour: args.millions[0] * 1e6, sent: "x", costs };
        plan(&args, &demand, bytes, &prices)
    }

    const CHEAP: Costs = Costs { function_us_per_sample: 1.0, redis_us_per_sample: 1.0 };

    #[test]
    fn memory_decides_where_series_are_many_and_the_cheaper_nodes_win() {
        // 3.6 million an hour at one a minute are 60,000 series: 0.6 GB of 10 KB each.
        let small = plans("--millions 3.6 --usable 0.7", CHEAP, 10_000.0);
        assert_eq!(
            (small.n_series, small.node.as_str(), small.n_shards, small.n_nodes),
            (60_000, "small", 1, 2)
        );
        assert!((small.usd_per_month - 14.6).abs() < 1e-6, "{small:?}");
        // Ten times as many are 6 GB: eight small ones would cost more than one large.
        let large = plans("--millions 36 --usable 0.7 --replicas 0", CHEAP, 10_000.0);
        assert_eq!((large.node.as_str(), large.n_shards, large.n_nodes), ("large", 1, 1));
    }

    #[test]
    fn the_time_of_redis_decides_where_samples_are_dear() {
        // 1,000 a second of 1 ms each keep one processor busy, which may be so for half of its time.
        let costs = Costs { function_us_per_sample: 2_000.0, redis_us_per_sample: 1_000.0 };
        let plan = plans("--millions 3.6 --busy 0.5", costs, 100.0);
        assert_eq!((plan.n_shards, plan.n_nodes), (2, 4));
        assert!((plan.function_cores - 2.0).abs() < 1e-9 && (plan.redis_cores - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_built_in_can_be_reckoned_with() {
        let measured: Measured = serde_json::from_str(MEASURED).unwrap();
        let prices: Prices = toml::from_str(PRICES).unwrap();
        let args = Cli::try_parse_from(["capacity"]).unwrap().args;
        check(&args, &measured, &prices).unwrap();
        for wrong in ["--usable 0", "--busy 1.5", "--interval 0", "--millions -1"] {
            let args = format!("capacity {}", wrong.replacen(' ', "=", 1));
            let args = Cli::try_parse_from(args.split(' ')).unwrap().args;
            assert!(check(&args, &measured, &prices).is_err(), "{wrong}");
        }
    }
}
