//! Calculates cache nodes and processors for a number of samples an hour, from measured costs and prices.
//!
//! `make load` measures the costs. The bill of the functions on AWS is in `infra`; this is the part that grows with
//! series and samples.

mod inputs;
mod plan;
mod table;

pub use self::inputs::{
    Assumptions, CacheNode, MEASURED, MeasuredCosts, NodePrices, PRICES, SampleCosts,
};
pub use self::plan::{CapacityPlan, plans};
pub use self::table::render as table;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::inputs::check;
    use super::plan::{Demand, plan};
    use super::*;

    #[derive(Debug, Parser)]
    struct CapacityCli {
        #[command(flatten)]
        args: Assumptions,
    }

    fn plans(options: &str, costs: SampleCosts, bytes: f64) -> CapacityPlan {
        let arguments = ["capacity"].into_iter().chain(options.split_whitespace());
        let args = CapacityCli::try_parse_from(arguments).unwrap().args;
        let prices: NodePrices = toml::from_str(
            "date='d'\nsource='s'\nhours_per_month=730\n\
             [[node]]\nname='small'\nmemory_gib=1\nusd_per_hour=0.01\n\
             [[node]]\nname='large'\nmemory_gib=8\nusd_per_hour=0.06\n",
        )
        .unwrap();
        let demand = Demand { samples_per_hour: args.millions[0] * 1e6, sent: "x", costs };
        plan(&args, &demand, bytes, &prices)
    }

    const CHEAP: SampleCosts =
        SampleCosts { function_us_per_sample: 1.0, redis_us_per_sample: 1.0 };

    #[test]
    fn memory_limits_many_series_and_the_cheaper_nodes_win() {
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
    fn the_time_of_redis_limits_expensive_samples() {
        // 1,000 a second of 1 ms each need one processor at full load, or two at half load.
        let costs = SampleCosts { function_us_per_sample: 2_000.0, redis_us_per_sample: 1_000.0 };
        let plan = plans("--millions 3.6 --busy 0.5", costs, 100.0);
        assert_eq!((plan.n_shards, plan.n_nodes), (2, 4));
        assert!((plan.function_cores - 2.0).abs() < 1e-9 && (plan.redis_cores - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_built_in_files_are_valid() {
        let measured: MeasuredCosts = serde_json::from_str(MEASURED).unwrap();
        let prices: NodePrices = toml::from_str(PRICES).unwrap();
        let args = CapacityCli::try_parse_from(["capacity"]).unwrap().args;
        check(&args, &measured, &prices).unwrap();
        for wrong in ["--usable 0", "--busy 1.5", "--interval 0", "--millions -1"] {
            let args = format!("capacity {}", wrong.replacen(' ', "=", 1));
            let args = CapacityCli::try_parse_from(args.split(' ')).unwrap().args;
            assert!(check(&args, &measured, &prices).is_err(), "{wrong}");
        }
    }
}
