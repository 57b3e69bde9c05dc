//! `evaluator generate`: the labeled series of a scenario, as CSV for `score` and other tools.

use std::path::PathBuf;

use anyhow::Context;
use quality::labeled::LabeledSeries;
use quality::scenario::Scenario;

use crate::output::{OutputFolder, write_stdout};

/// Arguments of `generate`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct GenerateArgs {
    /// A scenario of `list`, or the path of a scenario file.
    scenario: String,
    /// Added to the scenario's own seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Number of series, instead of the scenario's own.
    #[arg(long)]
    series: Option<usize>,
    /// Write one file per series into this folder, which is created; without it all series go to stdout.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Generates and writes the series.
pub(crate) fn run(args: &GenerateArgs) -> anyhow::Result<()> {
    let mut scenario = Scenario::find(&args.scenario)?;
    if let Some(n_series) = args.series {
        scenario.n_series = n_series;
        scenario.check_size().context("`--series` is out of range")?;
    }
    let series = scenario.generate(args.seed);
    let Some(folder) = &args.out else {
        write_stdout(&text(&series, SeriesNaming::InColumn)?)?;
        return Ok(());
    };
    let root = OutputFolder::create(folder)?;
    for one in &series {
        root.write(
            &folder.join(format!("{}.csv", one.name)),
            text(std::slice::from_ref(one), SeriesNaming::InFileName)?.as_bytes(),
        )?;
    }
    Ok(())
}

/// The position of the name of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SeriesNaming {
    InColumn,
    InFileName,
}

fn text(series: &[LabeledSeries], naming: SeriesNaming) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let name_len = usize::from(naming == SeriesNaming::InColumn);
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
