//! `evaluator promise`: actual false alarms a day at each budget, as CSV.

use anyhow::{Context, ensure};
use detector::Detector;
use quality::contender::Contender;
use quality::labeled::LabeledSeries;
use quality::measure::{MeasurePlan, PromiseScore, RecordExtras, ScoringRule, judge, promise};
use quality::report::{cell, number};

use super::run::find;
use crate::data_source::DataSource;
use crate::output::write_csv;
use crate::progress;

/// Budgets by default: a false alarm in three weeks, in five days, and a day.
const BUDGETS: [f64; 3] = [0.05, 0.2, 1.0];

const COLUMNS: [&str; 8] =
    ["scenario", "detector", "budget", "n_series", "mean", "median", "p90", "share_within"];

/// Arguments of `promise`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PromiseArgs {
    /// Scenarios of `list`, or paths of scenario files; all of `list` if neither these nor data are given.
    #[arg(conflicts_with_all = ["csv", "folder", "nab"])]
    scenarios: Vec<String>,
    /// Data instead of scenarios; without labels each alarm is false.
    #[command(flatten)]
    source: DataSource,
    /// A detector with a budget of false alarms; repeatable.
    #[arg(long = "detector", value_name = "SPEC", default_value = "traffic")]
    detectors: Vec<String>,
    /// False alarms for each series and day to ask for.
    #[arg(long, value_name = "PER_DAY", value_delimiter = ',', default_values_t = BUDGETS)]
    budgets: Vec<f64>,
    /// At most four series per scenario.
    #[arg(long)]
    quick: bool,
    /// Added to each scenario's own seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Judges all series with each budget, and prints a line for each.
pub(crate) fn run(args: &PromiseArgs) -> anyhow::Result<()> {
    let contenders = contenders(args)?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    let mut add = |name: &str, series: &[LabeledSeries]| -> anyhow::Result<()> {
        for (spec, score) in scores(args, &contenders, name, series) {
            writer.write_record([
                cell(name),
                spec.to_owned(),
                score.budget.to_string(),
                score.n_series.to_string(),
                number(score.mean),
                number(score.median),
                number(score.p90),
                number(score.share_within),
            ])?;
        }
        Ok(())
    };
    if args.source.is_given() {
        let (name, dataset) = args.source.read()?;
        progress::warn(&dataset.warnings);
        add(&name, &dataset.series)?;
    } else {
        for scenario in find(&args.scenarios, args.quick)? {
            add(&scenario.name, &scenario.generate(args.seed))?;
        }
    }
    write_csv(writer)
}

/// Each detector with each budget; the text of the detector is that without the budget.
fn contenders(args: &PromiseArgs) -> anyhow::Result<Vec<(String, f64, Contender)>> {
    let mut contenders = Vec::new();
    for spec in &args.detectors {
        for budget in &args.budgets {
            ensure!(
                budget.is_finite() && *budget > 0.0,
                "`--budgets {budget}` is out of range: expected a positive number"
            );
            let separator = if spec.contains(':') { ',' } else { ':' };
            let detector: Detector = format!("{spec}{separator}false_alarms_per_day={budget}")
                .parse()
                .with_context(|| format!("give `{spec}` a budget of {budget}"))?;
            contenders.push((spec.clone(), *budget, Contender::Detector(detector)));
        }
    }
    Ok(contenders)
}

fn scores<'a>(
    args: &PromiseArgs,
    contenders: &'a [(String, f64, Contender)],
    scenario: &str,
    series: &[LabeledSeries],
) -> Vec<(&'a str, PromiseScore)> {
    let extras = RecordExtras { charts: false, timing: false };
    let plan = MeasurePlan { scenario, series, seed: args.seed, rule: ScoringRule::Usual, extras };
    let detectors: Vec<Contender> =
        contenders.iter().map(|(.., contender)| contender.clone()).collect();
    let bar = progress::bar(series.len() * detectors.len(), "series judged");
    let judged = judge(&plan, &detectors, || bar.inc(1));
    bar.finish_and_clear();
    let each = contenders.iter().zip(&judged);
    each.map(|((spec, budget, _), judged)| (spec.as_str(), promise(judged, *budget))).collect()
}
