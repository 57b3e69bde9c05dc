//! `evaluator sweep`: scores at other thresholds, as CSV, to choose a threshold.

use anyhow::{Context, ensure};
use quality::contender::Contender;
use quality::labeled::LabeledSeries;
use quality::measure::{MeasurePlan, RecordExtras, ScoredSeries, ScoringRule, judge, sweep};
use quality::read::Dataset;
use quality::record::{Sweep, SweepPoint};
use quality::report::number;

use super::run::find;
use crate::data_source::{ContenderArgs, DataSource};
use crate::output::write_csv;
use crate::progress;

/// A column: its name and its text of a point.
type SweepColumn = (&'static str, fn(&Sweep, &SweepPoint) -> String);

const COLUMNS: [SweepColumn; 22] = [
    ("scenario", |sweep, _| sweep.scenario.clone()),
    ("detector", |sweep, _| sweep.detector.clone()),
    ("multiplier", |_, at| at.multiplier.to_string()),
    ("threshold", |_, at| at.threshold.to_string()),
    ("tp", |_, at| at.point.tp.to_string()),
    ("tn", |_, at| at.point.tn.to_string()),
    ("fp", |_, at| at.point.fp.to_string()),
    ("fn", |_, at| at.point.fn_.to_string()),
    ("recall", |_, at| number(at.point.rates().recall)),
    ("precision", |_, at| number(at.point.rates().precision)),
    ("false_positive_rate", |_, at| number(at.point.rates().false_positive_rate)),
    ("event_recall", |_, at| number(at.recall)),
    ("event_precision", |_, at| number(at.precision)),
    ("event_f1", |_, at| number(at.f1)),
    ("false_alarms_per_series_day", |_, at| number(at.false_alarms_per_series_day)),
    ("delay_median", |_, at| number(at.delay.map(|delay| delay.median))),
    ("delay_p90", |_, at| number(at.delay.map(|delay| delay.p90))),
    ("delay_p95", |_, at| number(at.delay.map(|delay| delay.p95))),
    ("kpi_f1", |_, at| number(at.kpi_f1)),
    ("nab_standard", |_, at| number(at.nab.map(|nab| nab.standard))),
    ("nab_reward_low_fp_rate", |_, at| number(at.nab.map(|nab| nab.reward_low_fp_rate))),
    ("nab_reward_low_fn_rate", |_, at| number(at.nab.map(|nab| nab.reward_low_fn_rate))),
];

/// Arguments of `sweep`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SweepArgs {
    /// Scenarios of `list`, or paths of scenario files; all of `list` if neither these nor data are given.
    #[arg(conflicts_with_all = ["csv", "folder", "nab", "from_scores"])]
    scenarios: Vec<String>,
    /// Data instead of scenarios.
    #[command(flatten)]
    source: DataSource,
    #[command(flatten)]
    field: ContenderArgs,
    /// Thresholds, divided by each detector's own; by default 41 from a quarter to eight times it.
    #[arg(long, value_name = "FACTOR", value_delimiter = ',')]
    multipliers: Vec<f64>,
    /// Also count by the rule of the 2018 KPI competition, on the second halves of the series.
    #[arg(long, conflicts_with = "nab")]
    kpi: bool,
    /// At most four series per scenario.
    #[arg(long)]
    quick: bool,
    /// Added to each scenario's own seed; also seeds the random baseline.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Judges once, counts at every threshold, and prints.
pub(crate) fn run(args: &SweepArgs) -> anyhow::Result<()> {
    let multipliers = multipliers(args)?;
    let defaults = || Contender::defaults().context("name the default detectors");
    let mut sweeps = Vec::new();
    if args.source.is_given() {
        let (name, dataset) = args.source.read()?;
        progress::warn(&dataset.warnings);
        let contenders = args.field.contenders(&dataset, defaults)?;
        let rule = args.source.rule(args.kpi);
        sweeps.extend(sweep_all(args, (&name, &dataset.series, rule), &contenders, &multipliers));
    } else {
        ensure!(
            args.field.from_scores.is_empty(),
            "`--from-scores` needs `--csv`, `--folder` or `--nab`"
        );
        let contenders = args.field.contenders(&Dataset::default(), defaults)?;
        let rule = if args.kpi { ScoringRule::Kpi } else { ScoringRule::Usual };
        for scenario in find(&args.scenarios, args.quick)? {
            let series = scenario.generate(args.seed);
            let data = (scenario.name.as_str(), series.as_slice(), rule);
            sweeps.extend(sweep_all(args, data, &contenders, &multipliers));
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS.map(|(name, _)| name))?;
    for sweep in &sweeps {
        for point in &sweep.points {
            writer.write_record(COLUMNS.map(|(_, text)| text(sweep, point)))?;
        }
    }
    write_csv(writer)
}

fn multipliers(args: &SweepArgs) -> anyhow::Result<Vec<f64>> {
    if args.multipliers.is_empty() {
        return Ok(sweep::multipliers());
    }
    for factor in &args.multipliers {
        ensure!(
            factor.is_finite() && *factor > 0.0,
            "`--multipliers {factor}` is out of range: expected a positive number"
        );
    }
    Ok(args.multipliers.clone())
}

fn sweep_all(
    args: &SweepArgs,
    (name, series, rule): (&str, &[LabeledSeries], ScoringRule),
    contenders: &[Contender],
    multipliers: &[f64],
) -> Vec<Sweep> {
    let extras = RecordExtras { charts: false, timing: false };
    let plan = MeasurePlan { scenario: name, series, seed: args.seed, rule, extras };
    let bar = progress::bar(series.len() * contenders.len(), "series judged");
    let judged: Vec<Vec<ScoredSeries>> = judge(&plan, contenders, || bar.inc(1));
    bar.finish_and_clear();
    let each = contenders.iter().zip(&judged);
    each.map(|(contender, judged)| sweep::sweep(&plan, contender, judged, multipliers)).collect()
}
