//! `evaluator generate`: the labelled series of a scenario as CSV that `score` and others read.

use std::fs;
use std::path::PathBuf;

use anyhow::ensure;
use quality::labeled::LabeledSeries;
use quality::scenario::{SERIES_MAX, Scenario};

use crate::output::OutputError;
use crate::output::{write_stdout, write_to};

/// Arguments of `generate`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct GenerateArgs {
    /// A scenario of `list`, or the path of a scenario file.
    pub(crate) scenario: String,
    /// Added to the scenario's own seed.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// How many series, instead of the scenario's own number.
    #[arg(long)]
    pub(crate) series: Option<usize>,
    /// Write one file per series into this folder, which is made; without it all go to stdout.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
}

/// Generates.
pub(crate) fn run(args: &GenerateArgs) -> anyhow::Result<()> {
    let mut scenario = Scenario::find(&args.scenario)?;
    if let Some(n_series) = args.series {
        ensure!(
            (1..=SERIES_MAX).contains(&n_series),
            "series `{n_series}` is not possible: 1 to {SERIES_MAX} are wanted"
        );
        scenario.n_series = n_series;
    }
    let series = scenario.generate(args.seed);
    let Some(folder) = &args.out else {
        write_stdout(&text(&series, Naming::InColumn)?)?;
        return Ok(());
    };
    let refused = |source| OutputError { target: folder.display().to_string(), source };
    fs::create_dir_all(folder).map_err(refused)?;
    for one in &series {
        write_to(
            &folder.join(format!("{}.csv", one.name)),
            &text(std::slice::from_ref(one), Naming::InFileName)?,
        )?;
    }
    Ok(())
}

/// Where the name of a series is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    InColumn,
    InFileName,
}

fn text(series: &[LabeledSeries], naming: Naming) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let name_len = usize::from(naming == Naming::InColumn);
    writer.write_record(
        ["series", "timestamp", "value", "label", "kind"].iter().skip(1 - name_len),
    )?;
    for one in series {
        let mut events = one.events.iter().peekable();
        for (i, row) in one.rows.iter().enumerate() {
            while events.next_if(|event| event.rows.end <= i).is_some() {}
            let kind = events
                .peek()
                .filter(|event| event.rows.contains(&i))
                .map_or("", |event| event.kind.as_str());
            let at_s = (row.at_us / 1_000_000).to_string();
            let value = row.value.to_string();
            let label = if row.label { "1" } else { "0" };
            let fields = [one.name.as_str(), &at_s, &value, label, kind];
            writer.write_record(fields.iter().skip(1 - name_len))?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
