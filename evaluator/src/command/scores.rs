//! `score --write-scores`: the score of every row, as files for `--from-scores` and other tools.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use domain::VerdictKind;
use quality::contender::{Contender, RowVerdict};
use quality::measure::ScoredSeries;
use quality::read::{Dataset, SCORE_COLUMN, SeriesOrigin, file_name_safe};
use rayon::prelude::*;

use crate::output::OutputFolder;

/// Writes a file for each series, in a folder per contender if there are several.
pub(crate) fn write(
    folder: &Path,
    dataset: &Dataset,
    contenders: &[Contender],
    judged: &[Vec<ScoredSeries>],
) -> anyhow::Result<()> {
    let mut jobs: Vec<(PathBuf, &SeriesOrigin, &ScoredSeries, f64)> = Vec::new();
    for (contender, series) in contenders.iter().zip(judged) {
        let folder = match contenders {
            [_] => folder.to_owned(),
            _ => folder.join(file_name_safe(&contender.to_string())),
        };
        let each = dataset.origins.iter().zip(series);
        jobs.extend(each.map(|(origin, judged)| {
            (folder.join(&origin.file), origin, judged, contender.threshold())
        }));
    }
    let mut files = BTreeSet::new();
    for (path, ..) in &jobs {
        ensure!(
            files.insert(path),
            "two series would be written to `{}`: their files have the same name",
            path.display()
        );
    }
    let root = OutputFolder::create(folder)?;
    jobs.par_iter().try_for_each(|(path, origin, judged, threshold)| {
        Ok(root.write(path, &text(origin, &judged.verdicts.rows, *threshold)?)?)
    })
}

fn text(origin: &SeriesOrigin, verdicts: &[RowVerdict], threshold: f64) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["timestamp", SCORE_COLUMN])?;
    for (time, verdict) in origin.times.iter().zip(verdicts) {
        writer.write_record([time, &over_threshold(*verdict, threshold).to_string()])?;
    }
    Ok(writer.into_inner()?)
}

/// The score divided by the threshold: above 1 exactly for alarms, 0 if the row was not judged.
fn over_threshold(verdict: RowVerdict, threshold: f64) -> f64 {
    // With a threshold of 0 every score is an alarm.
    let score = if threshold > 0.0 { verdict.score / threshold } else { 1.0 + verdict.score };
    match verdict.kind {
        VerdictKind::Anomaly => score.clamp(1.0_f64.next_up(), f64::MAX),
        VerdictKind::Normal | VerdictKind::Maintenance => score.clamp(f64::MIN, 1.0),
        VerdictKind::Learning | VerdictKind::Constant => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_score_is_above_one_exactly_for_alarms() {
        let at = |kind, score, threshold| over_threshold(RowVerdict { kind, score }, threshold);
        assert_eq!(at(VerdictKind::Normal, 3.0, 6.0), 0.5);
        assert_eq!(at(VerdictKind::Anomaly, 9.0, 6.0), 1.5);
        // The verdict takes precedence over the score: a signal may be suppressed, and a quotient may round to 1.
        assert_eq!(at(VerdictKind::Normal, 9.0, 6.0), 1.0);
        assert_eq!(at(VerdictKind::Maintenance, 9.0, 6.0), 1.0);
        assert!(at(VerdictKind::Anomaly, 3.0, 6.0) > 1.0);
        assert!(at(VerdictKind::Anomaly, 0.3_f64.next_up(), 0.3) > 1.0);
        assert_eq!(at(VerdictKind::Learning, 7.0, 6.0), 0.0);
        assert_eq!(at(VerdictKind::Constant, 0.0, 6.0), 0.0);
        assert_eq!(at(VerdictKind::Anomaly, f64::INFINITY, 6.0), f64::MAX);
        assert!(
            at(VerdictKind::Anomaly, 0.1, 0.0) > 1.0 && at(VerdictKind::Normal, 0.0, 0.0) <= 1.0
        );
    }
}
