//! The series to send: read or generated, picked, and shifted in time when asked.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};

use super::Args;
use crate::labeled::Labeled;
use crate::read::{read_csv, read_nab_file};
use crate::scenario::Scenario;

/// Longest name that `ingest` accepts, in bytes.
const NAME_LEN_MAX: usize = 128;

/// The series that the arguments name.
pub(super) fn load(args: &Args) -> anyhow::Result<Labeled> {
    let mut series = pick(all(args)?, args)?;
    if args.rebase {
        rebase(&mut series, jiff::Timestamp::now().as_microsecond());
    }
    Ok(series)
}

fn all(args: &Args) -> anyhow::Result<Vec<Labeled>> {
    if let Some(path) = &args.csv {
        let dataset = read_csv(path)?;
        warn(&dataset.warnings);
        return Ok(dataset.series);
    }
    if let (Some(root), Some(file)) = (&args.nab, &args.file) {
        let dataset = read_nab_file(root, file).context(
            "`--nab` wants the folder, `--file` one `<category>/<file>.csv` of its `data`",
        )?;
        warn(&dataset.warnings);
        return Ok(dataset.series);
    }
    let name = args.scenario.as_deref().context("no input was named")?;
    Ok(Scenario::find(name)?.generate(args.seed))
}

#[expect(clippy::print_stderr, reason = "stderr is where a person is told")]
fn warn(warnings: &[String]) {
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
}

fn pick(mut all: Vec<Labeled>, args: &Args) -> anyhow::Result<Labeled> {
    let n_series = all.len();
    if args.series >= n_series {
        bail!("there is no series {}: the input holds {n_series}, counted from 0", args.series);
    }
    Ok(all.swap_remove(args.series))
}

/// Moves all times by the same amount, so that the newest one is `now_us`.
fn rebase(series: &mut Labeled, now_us: i64) {
    let newest_us = series.rows.iter().map(|row| row.at_us).max().unwrap_or(now_us);
    for row in &mut series.rows {
        row.at_us = row.at_us.saturating_add(now_us - newest_us);
    }
}

/// A metric name made of a series' name: what `ingest` refuses becomes `_`.
pub(crate) fn metric_of(series: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:/-".contains(c);
    let name: String =
        series.chars().take(NAME_LEN_MAX).map(|c| if allowed(c) { c } else { '_' }).collect();
    if name.is_empty() { "value".to_owned() } else { name }
}

/// The API key from its file; none when no file is named.
pub(crate) fn api_key(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let Some(path) = file else {
        return Ok(None);
    };
    let text = fs::read_to_string(path).with_context(|| format!("read `{}`", path.display()))?;
    let key = text.lines().next().unwrap_or_default().trim();
    ensure!(!key.is_empty(), "`{}` holds no API key: one line is wanted", path.display());
    Ok(Some(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labeled::LabeledRow;

    fn series(times_us: &[i64]) -> Labeled {
        let rows =
            times_us.iter().map(|at_us| LabeledRow { at_us: *at_us, value: 1.0, label: false });
        Labeled::from_rows("test".to_owned(), rows.collect())
    }

    #[test]
    fn rebasing_puts_the_newest_sample_at_now_and_keeps_distances() {
        let mut stepping_back = series(&[1_000, 3_000, 2_000]);
        rebase(&mut stepping_back, 50_000);
        let times: Vec<i64> = stepping_back.rows.iter().map(|row| row.at_us).collect();
        assert_eq!(times, [48_000, 50_000, 49_000]);
        rebase(&mut series(&[]), 50_000);
    }

    #[test]
    fn any_name_of_a_series_becomes_a_metric_name() {
        assert_eq!(
            metric_of("realTweets/Twitter volume (AAPL).csv"),
            "realTweets/Twitter_volume__AAPL_.csv"
        );
        assert_eq!(metric_of(""), "value");
        assert_eq!(metric_of(&"x".repeat(500)).len(), NAME_LEN_MAX);
    }
}
