//! `evaluator score`: detectors on labelled data.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::output::write_to;
use super::progress;
use crate::cli::Output;
use crate::contender::Contender;
use crate::labeled::Labeled;
use crate::measure::{Extras, Plan, Rule, measure};
use crate::provenance;
use crate::read::{self, Dataset};
use crate::record::Record;

/// Arguments of `score`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the data is.
    #[command(flatten)]
    pub source: Source,
    /// A detector, `silent` or `random`; repeatable; the same as of `run` when none is given.
    #[arg(long = "detector", value_name = "SPEC")]
    pub detectors: Vec<Contender>,
    /// Also count by the rule of the 2018 KPI competition: thresholds from the first halves, F1 on the second.
    #[arg(long, conflicts_with = "nab")]
    pub kpi: bool,
    /// Write `timestamp,value,verdict,score` of every row (Unix milliseconds), of one detector.
    #[arg(long, value_name = "FILE")]
    pub verdicts: Option<PathBuf>,
    /// Seed of the random baseline and the intervals.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Leave out the time per sample, so that the same command makes the same bytes.
    #[arg(long)]
    pub untimed: bool,
    /// Leave traces and sweeps out of the record: the file is small, the page has no charts.
    #[arg(long)]
    pub no_charts: bool,
    /// Where reports go.
    #[command(flatten)]
    pub output: Output,
}

/// Where the data is.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Source {
    /// CSV files: `timestamp,value[,label]`; `-` is stdin.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub csv: Vec<PathBuf>,
    /// A folder of CSV files.
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// A folder in the layout of the Numenta benchmark, counted by its rule too.
    #[arg(long, value_name = "FOLDER")]
    pub nab: Option<PathBuf>,
}

/// Measures and reports.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let (name, dataset) = read(&args.source)?;
    progress::warn(&dataset.warnings);
    let contenders = contenders(args)?;
    if let Some(path) = &args.verdicts {
        let [contender] = contenders.as_slice() else {
            bail!("--verdicts wants exactly one --detector");
        };
        write_to(path, &verdicts(&dataset.series, *contender, args.seed)?)?;
    }
    let bar = progress::bar(dataset.series.len() * contenders.len(), "series judged");
    let rule = match (&args.source.nab, args.kpi) {
        (Some(_), _) => Rule::Nab,
        (None, true) => Rule::Kpi,
        (None, false) => Rule::Usual,
    };
    let extras =
        Extras { charts: args.output.has_charts() && !args.no_charts, timing: !args.untimed };
    let plan = Plan { scenario: &name, series: &dataset.series, seed: args.seed, rule, extras };
    let measured = measure(&plan, &contenders, || bar.inc(1));
    bar.finish_and_clear();
    let mut record = Record {
        title: format!("Detection quality on {name}"),
        command: provenance::command_line(),
        commit: provenance::commit(),
        seed: args.seed,
        rows: Vec::new(),
        traces: Vec::new(),
        sweeps: Vec::new(),
        scenarios: Vec::new(),
    };
    measured.add_to(&mut record);
    // Verdicts on stdout are data; a table between them would not be.
    if args.verdicts.as_deref() == Some(Path::new("-")) {
        return Ok(());
    }
    args.output.write(&record)
}

/// The data and what to call it: its folder or its only file.
fn read(source: &Source) -> anyhow::Result<(String, Dataset)> {
    let name =
        |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    if let Some(folder) = &source.nab {
        return Ok((name(folder), read::read_nab(folder)?));
    }
    if let Some(folder) = &source.folder {
        return Ok((name(folder), read::read_folder(folder)?));
    }
    let mut all = Dataset::default();
    for file in &source.csv {
        let dataset = if file == Path::new("-") {
            read::read_csv_from(std::io::stdin().lock(), Path::new("stdin"))?
        } else {
            read::read_csv(file)?
        };
        all.extend(dataset);
    }
    let named = match source.csv.as_slice() {
        [only] if only == Path::new("-") => "stdin".to_owned(),
        [only] => name(only),
        files => format!("{} files", files.len()),
    };
    Ok((named, all))
}

fn contenders(args: &Args) -> anyhow::Result<Vec<Contender>> {
    match (args.detectors.is_empty(), &args.verdicts) {
        (true, None) => Contender::defaults().context("name the default detectors"),
        (true, Some(_)) => Ok(vec![Contender::Detector(detector::Detector::default())]),
        (false, _) => Ok(args.detectors.clone()),
    }
}

/// What the contender says of every row, as CSV; the series is a column of its own when there are several.
fn verdicts(series: &[Labeled], contender: Contender, seed: u64) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let n_skipped = usize::from(series.len() == 1);
    writer.write_record(
        ["series", "timestamp", "value", "verdict", "score"].iter().skip(n_skipped),
    )?;
    for (stream, labeled) in series.iter().enumerate() {
        let opinions = contender.judge(labeled, seed, stream as u64);
        for (row, opinion) in labeled.rows.iter().zip(&opinions.rows) {
            let verdict =
                if row.sample().is_some() { opinion.kind.as_str() } else { "not_a_sample" };
            let numbers =
                [row.at_us as f64 / 1e3, row.value, opinion.score].map(|number| number.to_string());
            let [at_ms, value, score] = &numbers;
            writer.write_record(
                [&labeled.name, at_ms, value, verdict, score].iter().skip(n_skipped),
            )?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
