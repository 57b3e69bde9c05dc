//! `evaluator run`: detectors on scenarios.

use quality::contender::Contender;
use quality::measure::{MeasurePlan, MeasuredScenario, RecordExtras, ScoringRule, judge, measure};
use quality::record::{Record, ScenarioNote};
use quality::scenario::Scenario;
use rayon::prelude::*;

use crate::progress;
use crate::provenance;
use crate::report_output::ReportOutput;

/// Series of a scenario under `--quick`: one for each noise.
const QUICK_SERIES: usize = 4;

/// Arguments of `run`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunArgs {
    /// Scenarios of `list`, or paths of scenario files; all of `list` when none is given.
    pub(crate) scenarios: Vec<String>,
    /// A detector, `silent` or `random`; repeatable; the ancestor's rule, the default, robust, ewma and both
    /// baselines when none is given.
    #[arg(long = "detector", value_name = "SPEC")]
    pub(crate) detectors: Vec<Contender>,
    /// Added to each scenario's own seed; also seeds the random baseline and the intervals.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// At most four series per scenario.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Leave out the time per sample, so that the same command makes the same bytes.
    #[arg(long)]
    pub(crate) untimed: bool,
    /// Leave traces and sweeps out of the record: the file is small, the page has no charts.
    #[arg(long)]
    pub(crate) no_charts: bool,
    /// Where reports go.
    #[command(flatten)]
    pub(crate) output: ReportOutput,
}

/// Measures and reports.
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
            let series = scenario.generate(args.seed);
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
        rows: Vec::new(),
        traces: Vec::new(),
        sweeps: Vec::new(),
        scenarios: scenarios.iter().map(note).collect(),
    };
    for one in measured {
        one.add_to(&mut record);
    }
    args.output.write(&record)
}

/// The scenarios of those names, or all; when quick, with few series.
pub(crate) fn find(names: &[String], is_quick: bool) -> anyhow::Result<Vec<Scenario>> {
    let mut scenarios = if names.is_empty() {
        Scenario::catalogue()?
    } else {
        names.iter().map(|name| Scenario::find(name)).collect::<Result<_, _>>()?
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
