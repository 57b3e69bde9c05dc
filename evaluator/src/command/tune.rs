//! `evaluator tune`: recommends a detector for each series of a history, and configures a deployment on request.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use detector::Detector;
use quality::report::{cell, number};
use quality::tune::apply::{self, ApplyOutcome, DetectorAssignment};
use quality::tune::{self, Basis, Evidence, Part, TOGETHER, Tuned};
use reqwest::Url;
use serde::Serialize;

use crate::data_source::DataSource;
use crate::deployed_series::DeployedSeries;
use crate::exit_code::{EXIT_INPUT, EXIT_MISSED};
use crate::output::{write_stdout, write_to};
use crate::progress;
use crate::provenance;

/// Arguments of `tune`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(clap::ArgGroup::new("history").required(true).args(["csv", "folder"])))]
pub(crate) struct TuneArgs {
    /// CSV files: `timestamp,value[,label]`; `-` is stdin.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    csv: Vec<PathBuf>,
    /// A folder of CSV files.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The current detector, which stays unless another is better; by default that of production.
    #[arg(long = "default", value_name = "SPEC")]
    current: Option<Detector>,
    /// A candidate besides the default; repeatable; by default those of `list`.
    #[arg(long = "candidate", value_name = "SPEC")]
    candidates: Vec<Detector>,
    /// Maximum false alarms a day of a series without labels.
    #[arg(long, value_name = "RATE", default_value_t = 0.2)]
    false_alarms_per_day: f64,
    /// Label the rows by the answers of people in a deployment, read from its `GET /feedback`.
    #[arg(long, value_name = "URL")]
    labels_from: Option<Url>,
    /// Write the recommendations as JSON; `-` is stdout.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a line of CSV for each series; `-` is stdout.
    #[arg(long, value_name = "FILE")]
    csv_out: Option<PathBuf>,
    /// Print the table even when files are written.
    #[arg(long)]
    table: bool,
    #[command(flatten)]
    deployment: DeploymentArgs,
}

/// The deployment that takes the recommendations.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "A deployment")]
pub(crate) struct DeploymentArgs {
    /// Configure each recommendation in a deployment: `PUT /series/config`. Series that keep the default are unchanged.
    #[arg(long, requires = "url")]
    apply: bool,
    /// Address of the deployment.
    #[arg(long)]
    url: Option<Url>,
    #[command(flatten)]
    series: DeployedSeries,
}

/// The JSON report.
#[derive(Debug, Serialize)]
struct TuneReport<'a> {
    command: String,
    commit: Option<String>,
    false_alarms_per_day: f64,
    candidates: Vec<String>,
    series: &'a [Tuned],
}

/// Recommends, reports, and applies.
pub(crate) fn run(args: &TuneArgs) -> anyhow::Result<ExitCode> {
    let budget = args.false_alarms_per_day;
    ensure!(
        budget.is_finite() && budget >= 0.0,
        "`--false-alarms-per-day {budget}` is out of range: expected 0 or more"
    );
    let source = DataSource { csv: args.csv.clone(), folder: args.folder.clone(), nab: None };
    let (_, mut dataset) = source.read()?;
    args.deployment.series.label(args.labels_from.as_ref(), &mut dataset)?;
    progress::warn(&dataset.warnings);
    let destinations = args.deployment.series.names(&dataset)?;
    let candidates = candidates(args.current.unwrap_or_default(), &args.candidates)?;
    let bar = progress::bar(dataset.series.len() * candidates.len(), "series judged");
    let tuned = tune::tune(&dataset.series, &candidates, budget, || bar.inc(1));
    bar.finish_and_clear();
    show(args, &candidates, &tuned)?;
    if args.deployment.apply {
        args.deployment.send(&tuned, &destinations)
    } else {
        Ok(ExitCode::SUCCESS)
    }
}

/// The default first, then the given candidates or the usual ones.
fn candidates(default: Detector, named: &[Detector]) -> anyhow::Result<Vec<Detector>> {
    if named.is_empty() {
        return tune::candidates(default).context("name the candidates");
    }
    let mut all = vec![default];
    for candidate in named {
        if !all.contains(candidate) {
            all.push(*candidate);
        }
    }
    Ok(all)
}

fn show(args: &TuneArgs, candidates: &[Detector], tuned: &[Tuned]) -> anyhow::Result<()> {
    if let Some(path) = &args.json {
        let report = TuneReport {
            command: provenance::command_line(),
            commit: provenance::commit(),
            false_alarms_per_day: args.false_alarms_per_day,
            candidates: candidates.iter().map(ToString::to_string).collect(),
            series: tuned,
        };
        write_to(path, &(serde_json::to_string_pretty(&report)? + "\n"))?;
    }
    if let Some(path) = &args.csv_out {
        write_to(path, &csv_text(tuned)?)?;
    }
    if args.table || (args.json.is_none() && args.csv_out.is_none()) {
        write_stdout(&table(tuned))?;
    }
    Ok(())
}

/// A block for each series: recommendation, reason, and the scores of default and candidate on both parts.
fn table(tuned: &[Tuned]) -> String {
    let mut text = format!(
        "{:<44}{:>26}{:>29}\n{:<44}{}{}\n",
        "", "first part (chooses)", "held-out part (decides)", "", HEADER, HEADER
    );
    for Tuned { series, decision, held_out_gain } in tuned {
        let name = if series == TOGETHER { "one detector for all series" } else { series };
        let basis = if decision.basis == Basis::Labels { "labels" } else { "no labels" };
        let recommended = decision.recommended.as_deref().unwrap_or("the default stays");
        let chosen = Some(("chosen", &decision.chosen))
            .filter(|(_, chosen)| chosen.detector != decision.default.detector);
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "\n{name} ({basis}): {recommended}");
        for (role, evidence) in std::iter::once(("default", &decision.default)).chain(chosen) {
            let _infallible = writeln!(text, "{}", line(role, evidence));
        }
        let _infallible = writeln!(text, "  {}", decision.reason);
        if let Some([low, high]) = held_out_gain {
            let _infallible = writeln!(
                text,
                "  95 % interval of the gain, over series: {low:.3} to {high:.3}; an interval that includes 0 may be chance"
            );
        }
    }
    if tuned.iter().any(|one| one.decision.basis == Basis::AlarmRate) {
        text += "\nWithout labels only the rate of alarms can be checked: every alarm run counts as false, and missed \
                 anomalies are unknown.\n";
    }
    text
}

/// Column headers of one part.
const HEADER: &str = "     days  caught false/day     F1";

fn line(role: &str, evidence: &Evidence) -> String {
    let part = |part: &Part| {
        let number =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
        format!(
            "{:>9.1}{:>8}{:>10}{:>7}",
            part.days,
            format!("{}/{}", part.caught, part.n_events),
            number(part.false_alarms_per_day),
            number(part.event_f1)
        )
    };
    let name = format!("  {role} {}", evidence.detector);
    let parts = format!("{}{}", part(&evidence.first), part(&evidence.held_out));
    if name.chars().count() <= 44 {
        return format!("{name:<44}{parts}");
    }
    // A long name gets its own line, so that the numbers stay in their columns.
    format!("{name}\n{:<44}{parts}", "")
}

fn csv_text(tuned: &[Tuned]) -> anyhow::Result<String> {
    let parts = ["days", "n_events", "caught", "false_runs", "false_alarms_per_day", "event_f1"];
    let mut header: Vec<String> = ["series", "basis", "recommended", "default", "chosen", "reason"]
        .map(str::to_owned)
        .to_vec();
    for part in ["default_first", "default_held_out", "chosen_first", "chosen_held_out"] {
        header.extend(parts.iter().map(|name| format!("{part}_{name}")));
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header)?;
    for Tuned { series, decision, .. } in tuned {
        let basis = if decision.basis == Basis::Labels { "labels" } else { "alarm_rate" };
        let recommended = decision.recommended.as_deref().unwrap_or_default();
        let (default, chosen) = (&decision.default, &decision.chosen);
        let texts =
            [series, basis, recommended, &default.detector, &chosen.detector, &decision.reason];
        let mut fields: Vec<String> = texts.map(cell).to_vec();
        for part in [&default.first, &default.held_out, &chosen.first, &chosen.held_out] {
            fields.extend(fields_of(part));
        }
        writer.write_record(&fields)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn fields_of(part: &Part) -> [String; 6] {
    [
        part.days.to_string(),
        part.n_events.to_string(),
        part.caught.to_string(),
        part.false_runs.to_string(),
        number(part.false_alarms_per_day),
        number(part.event_f1),
    ]
}

impl DeploymentArgs {
    /// Configures the deployment and returns the exit code.
    #[expect(clippy::print_stderr, reason = "results of `--apply` belong on stderr")]
    fn send(
        &self,
        tuned: &[Tuned],
        destinations: &BTreeMap<String, (String, String)>,
    ) -> anyhow::Result<ExitCode> {
        let url = self.url.as_ref().context("`--apply` needs `--url`")?;
        let key = self.series.api_key()?;
        let assignment = |one: &Tuned| {
            let (source, metric) = destinations.get(&one.series)?.clone();
            Some(DetectorAssignment { source, metric, detector: one.decision.recommended.clone()? })
        };
        let assignments: Vec<DetectorAssignment> = tuned.iter().filter_map(assignment).collect();
        let outcomes = apply::apply(url, key.as_deref(), &assignments)?;
        let mut code = 0;
        for (assignment, outcome) in assignments.iter().zip(&outcomes) {
            let name = format!("{}/{}", assignment.source, assignment.metric);
            match outcome {
                ApplyOutcome::Stored => {
                    eprintln!("stored: {name} has {}", assignment.detector);
                }
                ApplyOutcome::Refused(why) => {
                    eprintln!("error: {name} was refused: {why}");
                    code = EXIT_INPUT;
                }
                ApplyOutcome::Unreached(why) => {
                    eprintln!("error: {name} was not stored: {why}");
                    code = code.max(EXIT_MISSED);
                }
            }
        }
        let n_stored = outcomes.iter().filter(|outcome| **outcome == ApplyOutcome::Stored).count();
        let n_series = destinations.len();
        eprintln!(
            "{n_stored} of {n_series} series stored, {} keep the default",
            n_series - assignments.len()
        );
        Ok(ExitCode::from(code))
    }
}
