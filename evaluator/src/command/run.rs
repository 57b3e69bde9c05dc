//! `evaluator run`: measures detectors on scenarios.

use quality::contender::Contender;
use quality::labeled::{LabeledSeries, LateArrivals};
use quality::measure::{MeasurePlan, MeasuredScenario, RecordExtras, ScoringRule, judge, measure};
use quality::record::{Record, ScenarioNote};
use quality::scenario::Scenario;
use rayon::prelude::*;

use crate::progress;
use crate::provenance;
use crate::report_output::ReportOutput;

/// Series of a scenario with `--quick`: one for each noise distribution.
const QUICK_SERIES: usize = 4;

/// Arguments of `run`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunArgs {
    /// Scenarios of `list`, or paths of scenario files; all of `list` when none is given.
    scenarios: Vec<String>,
    /// A detector, `silent` or `random`; repeatable; by default the rolling z-score, traffic, novelty, deviation and both
    /// baselines.
    #[arg(long = "detector", value_name = "SPEC")]
    detectors: Vec<Contender>,
    /// Added to each scenario's own seed; also seeds the random baseline and the intervals.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Share of the samples that arrive after newer ones of their series, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    late: f64,
    /// Most newer samples that arrive before a late one.
    #[arg(long, value_name = "N", default_value_t = 3, requires = "late")]
    late_by: u16,
    /// At most four series per scenario.
    #[arg(long)]
    quick: bool,
    /// Leave out the time per sample, so that the same command gives the same bytes.
    #[arg(long)]
    untimed: bool,
    /// Leave out traces and sweeps: the record is small, the page has no charts.
    #[arg(long)]
    no_charts: bool,
    /// Where reports go.
    #[command(flatten)]
    output: ReportOutput,
}

/// Measures and writes the reports.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    let scenarios = find(&args.scenarios, args.quick)?;
    let contenders =
        if args.detectors.is_empty() { Contender::defaults()? } else { args.detectors.clone() };
    let n_series: usize = scenarios.iter().map(|scenario| scenario.n_series).sum();
    let bar = progress::bar(n_series * contenders.len(), "series judged");
    let extras =
        RecordExtras { charts: args.output.has_charts() && !args.no_charts, timing: !args.untimed };
    let measured: Vec<MeasuredScenario> = scenarios
        .par_iter()
        .map(|scenario| {
            let series = disordered(scenario.generate(args.seed), args);
            let plan = MeasurePlan {
                scenario: &scenario.name,
                series: &series,
                seed: args.seed,
                rule: ScoringRule::Usual,
                extras,
            };
            measure(&plan, &contenders, &judge(&plan, &contenders, || bar.inc(1)))
        })
        .collect();
    bar.finish_and_clear();
    let mut record = Record {
        title: "Detection quality on synthetic scenarios".to_owned(),
        command: provenance::command_line(),
        commit: provenance::commit(),
        seed: args.seed,
        scenarios: scenarios.iter().map(note).collect(),
        ..Record::default()
    };
    for one in measured {
        one.add_to(&mut record);
    }
    args.output.write(&record)
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// The series with late arrivals, if the arguments want any; each with a seed of its own.
fn disordered(series: Vec<LabeledSeries>, args: &RunArgs) -> Vec<LabeledSeries> {
    if args.late == 0.0 {
        return series;
    }
    let late = LateArrivals { share: args.late, n_newer_max: usize::from(args.late_by) };
    let disordered = |(i, one): (usize, LabeledSeries)| {
        one.with_late_arrivals(late, args.seed.wrapping_add(i as u64))
    };
    series.into_iter().enumerate().map(disordered).collect()
}

/// The scenarios of these names, or all; with few series if quick.
pub(crate) fn find(names: &[String], is_quick: bool) -> anyhow::Result<Vec<Scenario>> {
    let mut scenarios = if names.is_empty() {
        Scenario::catalogue()?
    } else {
        let found = |name: &String| match name.as_str() {
            "families" => Scenario::families(),
            name => Scenario::find(name).map(|scenario| vec![scenario]),
        };
        names.iter().map(found).collect::<anyhow::Result<Vec<_>>>()?.concat()
    };
    if is_quick {
        for scenario in &mut scenarios {
            scenario.n_series = scenario.n_series.min(QUICK_SERIES);
        }
    }
    Ok(scenarios)
}

fn note(scenario: &Scenario) -> ScenarioNote {
    ScenarioNote { name: scenario.name.clone(), analysis: scenario.analysis.clone() }
}
