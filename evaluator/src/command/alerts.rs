//! `evaluator alerts`: how many alerts a policy would have made of a history, as CSV.

use alert::AlertPolicy;
use anyhow::{Context, ensure};
use detector::Detector;
use quality::alerting::{AlertCounts, count_alerts};
use quality::report::{cell, number};
use rayon::prelude::*;

use crate::data_source::DataSource;
use crate::output::write_csv;
use crate::progress;

const COLUMNS: [&str; 6] = ["series", "policy", "weeks", "episodes", "alerts", "alerts_per_week"];

/// Name of the line of all series together.
const ALL: &str = "all";

/// Arguments of `alerts`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AlertsArgs {
    /// The history.
    #[command(flatten)]
    source: DataSource,
    /// A policy, such as `direction=below,samples=3/5`; repeatable. By default each episode makes an alert.
    #[arg(long = "policy", value_name = "POLICY", default_value = "")]
    policies: Vec<String>,
    /// The detector.
    #[arg(long, value_name = "SPEC", default_value = "traffic")]
    detector: String,
}

/// Judges each series, applies each policy, and prints a line for each, and for all series together.
pub(crate) fn run(args: &AlertsArgs) -> anyhow::Result<()> {
    ensure!(args.source.is_given(), "there is no history: expected `--csv`, `--folder` or `--nab`");
    let detector: Detector = args.detector.parse().context("read `--detector`")?;
    let policies: Vec<AlertPolicy> = args
        .policies
        .iter()
        .map(|text| text.parse().with_context(|| format!("read `--policy {text}`")))
        .collect::<anyhow::Result<_>>()?;
    let (_, dataset) = args.source.read()?;
    progress::warn(&dataset.warnings);
    let bar = progress::bar(dataset.series.len() * policies.len(), "series judged");
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for policy in &policies {
        let counts: Vec<AlertCounts> = dataset
            .series
            .par_iter()
            .map(|series| {
                let counts = count_alerts(detector, policy, series);
                bar.inc(1);
                counts
            })
            .collect();
        let total = AlertCounts {
            weeks: counts.iter().map(|counts| counts.weeks).fold(0.0, f64::max),
            n_episodes: counts.iter().map(|counts| counts.n_episodes).sum(),
            n_alerts: counts.iter().map(|counts| counts.n_alerts).sum(),
        };
        let names = dataset.series.iter().map(|series| series.name.as_str());
        for (name, counts) in names.chain([ALL]).zip(counts.iter().chain([&total])) {
            let per_week = (counts.weeks > 0.0).then(|| counts.n_alerts as f64 / counts.weeks);
            writer.write_record([
                cell(name),
                policy.to_string(),
                number(Some(counts.weeks)),
                counts.n_episodes.to_string(),
                counts.n_alerts.to_string(),
                number(per_week),
            ])?;
        }
    }
    bar.finish_and_clear();
    write_csv(writer)
}
