//! The tables of a report.

use super::grid::{Grid, GridColumns, UNDEFINED, grid, interval, number, share, short};
use super::kinds::{budgets_by_kind, kinds};
use crate::record::{BudgetScore, Intervals, NabProfiles, Record, Row};

/// The analysis of each scenario; `None` for data.
pub(crate) fn notes(record: &Record) -> Option<Grid> {
    (!record.scenarios.is_empty()).then(|| Grid {
        title: "Scenarios".to_owned(),
        header: ["scenario", "analysis"].map(str::to_owned).to_vec(),
        rows: record
            .scenarios
            .iter()
            .map(|note| vec![note.name.clone(), note.analysis.clone()])
            .collect(),
        columns: GridColumns::Texts,
        caption: "",
    })
}

/// The tables on quality; a report shows all of them, since a single number misleads.
pub(crate) fn quality(record: &Record) -> Vec<Grid> {
    let mut grids = vec![events(record), samples(record)];
    grids.extend(hindsight(record));
    grids.extend(kinds(record));
    grids.extend(budgets_by_kind(record));
    grids.extend(nab(record));
    grids.extend(second_halves(record));
    grids.extend(easytsad(record));
    grids
}

/// The tables on cold start and cost.
pub(crate) fn costs(record: &Record) -> Vec<Grid> {
    let mut grids: Vec<Grid> = first_day(record).into_iter().collect();
    grids.push(cost(record));
    grids
}

/// The tables by scenario and detector, with captions, for the page.
pub(crate) fn details(record: &Record) -> Vec<Grid> {
    let with = |caption, grid: Option<Grid>| grid.map(|grid| Grid { caption, ..grid });
    let all = [
        with(
            "TP: anomalous samples with an alarm; FP: other samples with an alarm; FN and TN: those without. An anomaly that lasts an hour needs one alarm to be caught, so recall per sample is low for a detector that alarms once. FPR: false positive rate. MCC: Matthews correlation, from −1 to 1.",
            Some(samples(record)),
        ),
        with(
            "Caught: an alarm is inside. Early: within 7 samples. Gain: over the reference on the same resampled series; an interval without zero is a significant difference.",
            Some(events(record)),
        ),
        with(
            "Areas judge the order of the scores at all thresholds; VUS-PR is the volume over buffers around each anomaly.",
            hindsight(record),
        ),
        with(
            "The time in which detectors learn; all other numbers leave it out.",
            first_day(record),
        ),
        with("Bytes are the memory of one series without its window.", Some(cost(record))),
        with(
            "Points: 0 for a detector that never alarms, 100 for a perfect one. The best threshold is chosen in hindsight.",
            nab(record),
        ),
        with(
            "F1 on the second half of each series, where an anomaly counts with all its samples if it is found within its first 7; thresholds are fitted on the first half.",
            second_halves(record),
        ),
        with(
            "F1 of each series, as a mean over series. Point: an anomaly counts with all its samples if one is found. Event: it weighs the logarithm of its length to base 3.",
            easytsad(record),
        ),
    ];
    all.into_iter().flatten().collect()
}

/// Anomalies caught and alarm runs, for each scenario and detector.
pub(crate) fn events(record: &Record) -> Grid {
    let columns = [
        "caught",
        "early",
        "false",
        "precision",
        "recall",
        "F1",
        "F1 95 %",
        "gain 95 %",
        "false/day",
        "delay",
    ];
    grid(
        "Anomalies and alarm runs (gain: F1 over the rolling z-score; delay: samples, median/p95)",
        &columns,
        &record.rows,
        |row| {
            let events = &row.events;
            vec![
                format!("{}/{}", events.caught, events.n_events),
                events.caught_early.to_string(),
                events.false_runs.to_string(),
                share(events.precision),
                share(events.recall),
                share(events.f1),
                interval(judged(row).map(|intervals| intervals.event_f1)),
                interval(judged(row).and_then(|intervals| intervals.event_f1_gain)),
                share(row.false_alarms_per_series_day),
                row.delay_samples.map_or(UNDEFINED.to_owned(), |delay| {
                    format!("{}/{}", delay.median, delay.p95)
                }),
            ]
        },
    )
}

/// The intervals; `None` without anomalies.
fn judged(row: &Row) -> Option<Intervals> {
    row.intervals.filter(|_| row.events.f1.is_some())
}

fn samples(record: &Record) -> Grid {
    let columns = ["TP", "TN", "FP", "FN", "precision", "recall", "F1", "accuracy", "FPR", "MCC"];
    grid("Samples", &columns, &record.rows, |row| {
        let rates = &row.rates;
        let counts =
            [row.point.tp, row.point.tn, row.point.fp, row.point.fn_].map(|n| n.to_string());
        let shares = [
            rates.precision,
            rates.recall,
            rates.f1,
            rates.accuracy,
            rates.false_positive_rate,
            rates.mcc,
        ];
        counts.into_iter().chain(shares.map(share)).collect()
    })
}

/// Areas over all thresholds, and recall at thresholds chosen in hindsight; `None` without anomalies.
fn hindsight(record: &Record) -> Option<Grid> {
    let columns =
        ["at 0.1", "at 0.3", "at 1", "thresholds", "PR-AUC", "its mean", "VUS-PR", "ROC-AUC"];
    let title = "Recall at 0.1, 0.3 and 1 false alarms per series and day (threshold chosen in hindsight), and areas over all thresholds";
    let judged: Vec<Row> = record
        .rows
        .iter()
        .filter(|row| row.ranking.is_some() || row.budgets.iter().any(|score| score.n_events > 0))
        .cloned()
        .collect();
    (!judged.is_empty()).then(|| {
        grid(title, &columns, &judged, |row| {
            let recall = |i: usize| share(row.budgets.get(i).and_then(BudgetScore::recall));
            let threshold =
                |score: &BudgetScore| score.threshold.map_or(UNDEFINED.to_owned(), short);
            let thresholds: Vec<String> = row.budgets.iter().map(threshold).collect();
            let ranking = row.ranking;
            vec![
                recall(0),
                recall(1),
                recall(2),
                thresholds.join("/"),
                share(ranking.map(|ranking| ranking.pr_auc)),
                share(ranking.map(|ranking| ranking.pr_auc_mean)),
                share(ranking.and_then(|ranking| ranking.vus_pr)),
                share(ranking.map(|ranking| ranking.roc_auc)),
            ]
        })
    })
}

fn nab(record: &Record) -> Option<Grid> {
    let scored: Vec<Row> = record.rows.iter().filter(|row| row.nab.is_some()).cloned().collect();
    let columns = [
        "standard",
        "low FP",
        "low FN",
        "best threshold",
        "standard two-fold",
        "low FP",
        "low FN",
        "standard as shipped",
        "low FP",
        "low FN",
    ];
    let points = |points: NabProfiles| {
        [points.standard, points.reward_low_fp_rate, points.reward_low_fn_rate]
    };
    (!scored.is_empty()).then(|| {
        grid("Numenta benchmark: 0 for no alarm, 100 perfect", &columns, &scored, |row| {
            let Some(nab) = row.nab else { return Vec::new() };
            let best = points(nab.optimized).map(|points| format!("{points:.2}"));
            let two_fold = points(nab.two_fold).map(|points| format!("{points:.2}"));
            let shipped = points(nab.shipped).map(|points| format!("{points:.2}"));
            let threshold = format!("{:.4}", nab.thresholds.standard);
            best.into_iter().chain([threshold]).chain(two_fold).chain(shipped).collect()
        })
    })
}

fn second_halves(record: &Record) -> Option<Grid> {
    let scored: Vec<Row> = record.rows.iter().filter(|row| row.kpi.is_some()).cloned().collect();
    let columns = [
        "KPI F1",
        "threshold",
        "per series",
        "as shipped",
        "event F1",
        "threshold",
        "false/day",
        "event PR-AUC",
    ];
    let title = "Second halves, thresholds from the first (KPI: the rule of the 2018 competition)";
    (!scored.is_empty()).then(|| {
        grid(title, &columns, &scored, |row| {
            let Some(kpi) = row.kpi else { return Vec::new() };
            vec![
                number(kpi.f1_one_threshold),
                number(kpi.threshold),
                number(kpi.f1_threshold_per_series),
                number(kpi.f1_shipped),
                share(kpi.halves.events.f1),
                number(kpi.halves.threshold),
                share(kpi.halves.false_alarms_per_series_day),
                number(kpi.halves.event_pr_auc),
            ]
        })
    })
}

/// The protocol of EasyTSAD; `None` if it was not asked for.
fn easytsad(record: &Record) -> Option<Grid> {
    let scored: Vec<Row> =
        record.rows.iter().filter(|row| row.easytsad.is_some()).cloned().collect();
    let columns = ["series", "best: point F1", "event F1", "fitted: point F1", "event F1"];
    let title = "EasyTSAD, second halves: threshold of each series, best in hindsight or fitted on the first half";
    (!scored.is_empty()).then(|| {
        grid(title, &columns, &scored, |row| {
            let Some(score) = row.easytsad else { return Vec::new() };
            vec![
                score.n_series.to_string(),
                number(score.point_f1_best),
                number(score.event_f1_best),
                number(score.point_f1_fitted),
                number(score.event_f1_fitted),
            ]
        })
    })
}

fn first_day(record: &Record) -> Option<Grid> {
    let cold: Vec<Row> =
        record.rows.iter().filter(|row| row.first_day.is_some()).cloned().collect();
    let columns = ["series-days", "caught", "false", "false/day", "TP", "TN", "FP", "FN", "FPR"];
    (!cold.is_empty()).then(|| {
        grid("Cold start: the first day, not included above", &columns, &cold, |row| {
            let Some(day) = row.first_day else { return Vec::new() };
            vec![
                format!("{:.1}", day.series_days),
                format!("{}/{}", day.events.caught, day.events.n_events),
                day.events.false_runs.to_string(),
                share(day.false_alarms_per_series_day),
                day.point.tp.to_string(),
                day.point.tn.to_string(),
                day.point.fp.to_string(),
                day.point.fn_.to_string(),
                share(day.rates.false_positive_rate),
            ]
        })
    })
}

fn cost(record: &Record) -> Grid {
    let columns = ["series", "samples", "not judged", "series-days", "us/sample", "bytes/series"];
    grid("Size and cost", &columns, &record.rows, |row| {
        vec![
            row.n_series.to_string(),
            row.n_samples.to_string(),
            row.n_unjudged.to_string(),
            format!("{:.1}", row.series_days),
            row.micros_per_sample.map_or(UNDEFINED.to_owned(), |micros| format!("{micros:.2}")),
            format!("{:.0}", row.bytes_per_series),
        ]
    })
}
