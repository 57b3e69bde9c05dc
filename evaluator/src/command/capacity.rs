//! `evaluator capacity`: series, cache nodes, processors and dollars for a number of samples an hour.

use std::path::{Path, PathBuf};

use anyhow::Context;
use load::capacity::{self, Assumptions, MEASURED, MeasuredCosts, NodePrices, PRICES};
use serde::de::DeserializeOwned;

use crate::output::{splice_into, write_stdout};
use crate::provenance;

/// Arguments of `capacity`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CapacityArgs {
    #[command(flatten)]
    assumptions: Assumptions,
    /// Measured costs: the file that `make load` writes.
    #[arg(long, value_name = "FILE")]
    measured: Option<PathBuf>,
    /// Prices of cache nodes.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Replace the text between `<!-- evaluator:begin NAME -->` and `<!-- evaluator:end NAME -->` in FILE.
    #[arg(long, num_args = 2, value_names = ["FILE", "NAME"])]
    splice: Option<Vec<String>>,
}

/// Calculates and prints.
pub(crate) fn run(args: &CapacityArgs) -> anyhow::Result<()> {
    let measured: MeasuredCosts =
        read(args.measured.as_deref(), MEASURED, |text| Ok(serde_json::from_str(text)?))?;
    let prices: NodePrices =
        read(args.prices.as_deref(), PRICES, |text| Ok(toml::from_str(text)?))?;
    let plans = capacity::plans(&args.assumptions, &measured, &prices)?;
    let text = if args.json {
        serde_json::to_string_pretty(&plans)? + "\n"
    } else {
        capacity::table(&args.assumptions, &plans, &measured, &prices)
    };
    if let Some([file, name]) = args.splice.as_deref() {
        let command = provenance::command_line();
        return splice_into(Path::new(file), name, &format!("```sh\n{command}\n```\n\n{text}"));
    }
    Ok(write_stdout(&text)?)
}

fn read<T: DeserializeOwned>(
    path: Option<&Path>,
    built_in: &str,
    parse: impl Fn(&str) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let Some(path) = path else { return parse(built_in).context("parse the built-in file") };
    let text =
        std::fs::read_to_string(path).with_context(|| format!("read `{}`", path.display()))?;
    parse(&text).with_context(|| format!("parse `{}`", path.display()))
}
