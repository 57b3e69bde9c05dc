//! `evaluator score`: measures detectors on labeled data.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use quality::contender::Contender;
use quality::labeled::LabeledSeries;
use quality::measure::{MeasurePlan, RecordExtras, ScoredSeries, ScoringRule, judge, measure};
use quality::read::Dataset;
use quality::record::Record;
use quality::report::cell;
use reqwest::Url;

use super::scores;
use crate::data_source::{ContenderArgs, DataSource};
use crate::deployed_series::DeployedSeries;
use crate::output::write_to;
use crate::progress;
use crate::provenance;
use crate::report_output::ReportOutput;

/// Arguments of `score`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(clap::ArgGroup::new("data").required(true).args(["csv", "folder", "nab"])))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct ScoreArgs {
    #[command(flatten)]
    source: DataSource,
    #[command(flatten)]
    field: ContenderArgs,
    /// Also count by the rule of the 2018 KPI competition: thresholds from the first halves, F1 on the second.
    #[arg(long, conflicts_with = "nab")]
    kpi: bool,
    /// Also count by the protocol of EasyTSAD: mean F1 over series, on the second halves, threshold of each series best in
    /// hindsight or fitted on the first half.
    #[arg(long, conflicts_with_all = ["nab", "kpi"])]
    easytsad: bool,
    /// Write `timestamp,value,verdict,score,episode` of every row (Unix milliseconds), of one detector; `episode` is the
    /// start of the episode that an anomaly belongs to.
    #[arg(long, value_name = "FILE")]
    verdicts: Option<PathBuf>,
    /// Write `timestamp,anomaly_score` of every row, a file for each series; the score is divided by the detector's
    /// threshold, so a score above 1 is an alarm. Several detectors have a subfolder each.
    #[arg(long, value_name = "FOLDER")]
    write_scores: Option<PathBuf>,
    /// Label the rows by the answers of people in a deployment, read from its `GET /feedback`.
    #[arg(long, value_name = "URL")]
    labels_from: Option<Url>,
    #[command(flatten)]
    deployed: DeployedSeries,
    /// Seed of the random baseline and the intervals.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Leave out the time per sample, so that the same command gives the same bytes.
    #[arg(long)]
    untimed: bool,
    /// Leave out traces and sweeps: the record is small, the page has no charts.
    #[arg(long)]
    no_charts: bool,
    #[command(flatten)]
    output: ReportOutput,
}

/// Measures and writes the reports.
pub(crate) fn run(args: &ScoreArgs) -> anyhow::Result<()> {
    let (name, mut dataset) = args.source.read()?;
    args.deployed.label(args.labels_from.as_ref(), &mut dataset)?;
    progress::warn(&dataset.warnings);
    let contenders = contenders(args, &dataset)?;
    if let Some(path) = &args.verdicts {
        let [contender] = contenders.as_slice() else {
            bail!("`--verdicts` needs exactly one `--detector`");
        };
        write_to(path, &verdicts(&dataset.series, contender, args.seed)?)?;
    }
    let bar = progress::bar(dataset.series.len() * contenders.len(), "series judged");
    let rule = match args.source.rule(args.kpi) {
        ScoringRule::Usual if args.easytsad => ScoringRule::EasyTsad,
        rule => rule,
    };
    let extras =
        RecordExtras { charts: args.output.has_charts() && !args.no_charts, timing: !args.untimed };
    let plan =
        MeasurePlan { scenario: &name, series: &dataset.series, seed: args.seed, rule, extras };
    let judged = judge(&plan, &contenders, || bar.inc(1));
    bar.finish_and_clear();
    if let Some(folder) = &args.write_scores {
        scores::write(folder, &dataset, &contenders, &judged)?;
    }
    warn_of_unjudged(&dataset.series, &contenders, &judged);
    let measured = measure(&plan, &contenders, &judged);
    let mut record = Record {
        title: format!("Detection quality on {name}"),
        command: provenance::command_line(),
        commit: provenance::commit(),
        seed: args.seed,
        ..Record::default()
    };
    measured.add_to(&mut record);
    // With verdicts on stdout, print nothing else there.
    if args.verdicts.as_deref() == Some(Path::new("-")) {
        return Ok(());
    }
    args.output.write(&record)
}

/// Warns of each contender that judged less than half of the rows: they are its learning, or no samples.
fn warn_of_unjudged(
    series: &[LabeledSeries],
    contenders: &[Contender],
    judged: &[Vec<ScoredSeries>],
) {
    let n_rows: usize = series.iter().map(|series| series.rows.len()).sum();
    let warnings: Vec<String> = contenders
        .iter()
        .zip(judged)
        .filter_map(|(contender, judged)| {
            let both = series.iter().zip(judged);
            let n_judged: usize =
                both.map(|(series, judged)| judged.verdicts.n_judged(series)).sum();
            (n_judged * 2 < n_rows).then(|| {
                format!(
                    "`{contender}` judged {n_judged} of {n_rows} rows; it learned from the others, or they are no \
                     samples, and none of them is counted as right"
                )
            })
        })
        .collect();
    progress::warn(&warnings);
}

fn contenders(args: &ScoreArgs, dataset: &Dataset) -> anyhow::Result<Vec<Contender>> {
    args.field.contenders(dataset, || match &args.verdicts {
        None => Contender::defaults().context("name the default detectors"),
        // `--verdicts` takes one detector.
        Some(_) if !args.field.from_scores.is_empty() => Ok(Vec::new()),
        Some(_) => Ok(vec![Contender::Detector(detector::Detector::default())]),
    })
}

/// The verdict on every row, as CSV; several series have a column for the series.
fn verdicts(series: &[LabeledSeries], contender: &Contender, seed: u64) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let n_skipped = usize::from(series.len() == 1);
    writer.write_record(
        ["series", "timestamp", "value", "verdict", "score", "episode"].iter().skip(n_skipped),
    )?;
    for (stream, labeled) in series.iter().enumerate() {
        let verdicts = contender.judge(labeled, seed, stream as u64);
        let episodes = contender.episodes(labeled, &verdicts);
        for ((row, verdict), episode) in labeled.rows.iter().zip(&verdicts.rows).zip(episodes) {
            let kind = if row.sample().is_some() { verdict.kind.as_str() } else { "not_a_sample" };
            let numbers =
                [row.at_us as f64 / 1e3, row.value, verdict.score].map(|number| number.to_string());
            let [at_ms, value, score] = &numbers;
            let name = cell(&labeled.name);
            let episode =
                episode.map(|start_us| (start_us as f64 / 1e3).to_string()).unwrap_or_default();
            let cells = [name.as_str(), at_ms, value, kind, score, &episode];
            writer.write_record(cells.iter().skip(n_skipped))?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
