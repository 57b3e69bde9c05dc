//! Tests of the page: it contains every row, loads nothing, and escapes all texts.

use super::*;
use crate::record::{
    Confusion, CurvePoint, Delay, DelayCount, EventScore, FirstDay, Intervals, KindScore, Rates,
    Row, ScenarioNote, SeriesCounts, Sweep, SweepPoint, Trace, TraceEvent, TracePoint,
};

const DETECTORS: [&str; 4] = [
    "deviation:window=50,threshold=6",
    "zscore:window=50,threshold=2,self=included",
    "silent",
    "random",
];

/// Recall of a detector of the sample record, and its false alarms per series and day.
fn character(detector: &str) -> (f64, f64) {
    match detector {
        "silent" => (0.0, 0.0),
        "random" => (0.4, 12.0),
        text if text.starts_with("zscore") => (0.7, 34.6),
        _ => (0.92, 0.21),
    }
}

fn row(scenario: &str, detector: &str) -> Row {
    let (recall, rate) = character(detector);
    let (n_events, series_days) = (96, 168.0);
    let caught = (recall * n_events as f64) as u64;
    let false_runs = (rate * series_days) as u64;
    let precision = (caught + false_runs > 0).then(|| caught as f64 / (caught + false_runs) as f64);
    let f1 = 2.0 * caught as f64 / (caught + false_runs + n_events) as f64;
    let around = |value: f64| [(value - 0.06).max(0.0), (value + 0.05).min(1.0)];
    let events = EventScore {
        n_events,
        caught,
        caught_early: caught / 2,
        false_runs,
        precision,
        recall: Some(recall),
        f1: Some(f1),
    };
    let point = Confusion { tp: 10 * caught, tn: 238_000, fp: 3 * false_runs, fn_: 1_200 };
    let rates = Rates {
        precision,
        recall: Some(recall / 2.0),
        f1: Some(f1),
        accuracy: Some(0.9931),
        false_positive_rate: Some(rate / 480.0),
        mcc: Some(0.5),
    };
    Row {
        scenario: scenario.to_owned(),
        detector: detector.to_owned(),
        threshold: 6.0,
        n_series: 12,
        n_samples: 241_920,
        n_judged: 250_000,
        n_unjudged: 1_440,
        series_days,
        point,
        rates,
        events,
        false_alarms_per_series_day: Some(rate),
        delay_samples: (caught > 0).then_some(Delay { median: 1.0, p90: 6.0, p95: 11.0 }),
        delays: vec![
            DelayCount { delay: 1, n: (caught / 2) as u32 },
            DelayCount { delay: 7, n: 3 },
        ],
        budgets: Vec::new(),
        by_series: SeriesCounts::default(),
        by_kind: kinds(recall),
        ranking: None,
        intervals: Some(Intervals {
            event_f1: around(f1),
            recall: around(recall),
            precision: around(precision.unwrap_or_default()),
            false_alarms_per_series_day: [0.8 * rate, 1.3 * rate],
            event_f1_gain: None,
        }),
        first_day: Some(FirstDay {
            series_days: 12.0,
            point,
            rates,
            events,
            false_alarms_per_series_day: Some(2.0 * rate),
        }),
        nab: None,
        kpi: None,
        easytsad: None,
        micros_per_sample: Some(0.87),
        bytes_per_series: 3_400.0,
    }
}

fn kinds(recall: f64) -> Vec<KindScore> {
    let kind = |(i, kind): (usize, &&str)| KindScore {
        kind: (*kind).to_owned(),
        n_events: 32,
        caught: (32.0 * recall / (1.0 + 0.3 * i as f64)) as u64,
        delay_median: (recall > 0.0).then_some(1.0 + i as f64),
    };
    ["spike", "level_shift", "variance"].iter().enumerate().map(kind).collect()
}

/// A day-and-night series of one sample a minute with an outage, a spike, a storm and one value of 1e15.
fn trace(detector: &str, n_points: i64) -> Trace {
    let start_ms = 1_732_060_800_000;
    let events = [("outage", 9_000, 9_060), ("spike", 12_345, 12_345), ("storm", 15_500, 15_640)];
    let label = |i| events.iter().any(|(_, start, end)| (*start..=*end).contains(&i));
    let points = (0..n_points).map(|i| {
        let noise = ((i * 7_919) % 101) as f64 / 101.0 - 0.5;
        let expected = 800.0 + 350.0 * (i as f64 / 229.2).sin();
        let value = match i {
            9_000..=9_060 => 3.0,
            12_345 => 4_100.0,
            15_500..=15_640 => expected * 2.4 + 90.0 * noise,
            18_000 => 1e15,
            _ => expected + 90.0 * noise,
        };
        let far = (value - expected).abs() > 160.0;
        TracePoint {
            at_ms: start_ms + 60_000 * i,
            value: (i % 4_999 != 7).then_some(value),
            expected: (i > 30).then_some(expected),
            low: (i > 30).then_some(expected - 120.0),
            high: (i > 30).then_some(expected + 120.0),
            score: (value - expected).abs() / 25.0,
            label: label(i),
            alarm: (far && i > 30) || (detector.starts_with("zscore") && (i * 31) % 257 == 0),
        }
    });
    Trace {
        scenario: "day and week".to_owned(),
        detector: detector.to_owned(),
        series: "checkout/rps-01".to_owned(),
        interval_s: 60.0,
        // Half an hour without samples.
        points: points
            .filter(|point| !(600..630).contains(&((point.at_ms - start_ms) / 60_000)))
            .collect(),
        events: events
            .iter()
            .map(|(kind, start, end)| TraceEvent {
                kind: (*kind).to_owned(),
                start_ms: start_ms + 60_000 * start,
                end_ms: start_ms + 60_000 * end,
            })
            .collect(),
    }
}

fn sweep(scenario: &str, detector: &str) -> Sweep {
    let (recall, rate) = character(detector);
    let points = (0..40).map(|i| {
        let strictness = f64::from(i) / 39.0;
        SweepPoint {
            threshold: 1.0 + 12.0 * strictness,
            precision: Some(0.1 + 0.85 * strictness * recall),
            recall: Some((recall + 0.08 - 0.5 * strictness * strictness).clamp(0.0, 1.0)),
            f1: Some(0.5),
            false_alarms_per_series_day: Some(if i == 39 {
                0.0
            } else {
                60.0 * rate * (-7.0 * strictness).exp()
            }),
            ..SweepPoint::default()
        }
    });
    let curve = (0..=20).map(|i| {
        let share = f64::from(i) / 20.0;
        CurvePoint {
            threshold: 12.0 - 11.0 * share,
            false_positive_rate: share * share,
            recall: share.powf(1.0 - recall / 1.1),
            precision: 1.0 - 0.9 * share,
        }
    });
    Sweep {
        scenario: scenario.to_owned(),
        detector: detector.to_owned(),
        points: points.collect(),
        curve: curve.collect(),
    }
}

fn record() -> Record {
    let scenarios = ["day and week", "spikes"];
    let pairs =
        scenarios.iter().flat_map(|scenario| DETECTORS.map(|detector| (*scenario, detector)));
    Record {
        title: "Twelve kinds of anomaly on synthetic load".to_owned(),
        command: "evaluator run --scenario all --seed 1 --html report.html".to_owned(),
        commit: Some("0123abc".to_owned()),
        seed: 1,
        rows: pairs.clone().map(|(scenario, detector)| row(scenario, detector)).collect(),
        traces: DETECTORS[..2].iter().map(|detector| trace(detector, 20_000)).collect(),
        sweeps: pairs
            .filter(|(_, detector)| *detector != "silent")
            .map(|(scenario, detector)| sweep(scenario, detector))
            .collect(),
        scenarios: vec![ScenarioNote {
            name: "day and week".to_owned(),
            analysis: "Requests per second of a shop: a daily and a weekly season with noise that grows with the load.".to_owned(),
        }],
    }
}

#[test]
fn the_page_loads_nothing() {
    // The banner of uPlot is a comment.
    let html = render(&record()).replace("/*! https://github.com/leeoniya/uPlot", "");
    for load in
        ["http://", "https://", "src=", "@import", "url(", "fetch(", "XMLHttpRequest", "import("]
    {
        assert!(!html.contains(load), "the page holds `{load}`");
    }
}

#[test]
fn the_page_holds_every_row() {
    let record = record();
    let html = render(&record);
    let (quality, _) = html.split_once("<details>").expect("tables are folded below");
    let n_rows = quality.matches("<th scope=\"row\" class=\"detector\">").count();
    // One more per detector for all scenarios together.
    assert_eq!(n_rows, record.rows.len() + DETECTORS.len());
    assert!(html.contains(&record.command) && html.contains("0123abc"));
    assert_eq!(quality.matches("<tr class=\"scenario\">").count(), 3);
}

#[test]
fn scenarios_are_added_up_by_count() {
    let mut record = record();
    record.rows[0].events.n_events = 904;
    let sum = totals::row(&record, DETECTORS[0]).unwrap();
    assert_eq!((sum.events.n_events, sum.events.caught), (1_000, 176));
    assert_eq!(sum.events.recall, Some(0.176));
    assert_eq!(sum.n_series, 24);
    assert!(totals::row(&record, "absent").is_none());
}

#[test]
fn names_cannot_break_out_of_the_page() {
    let mut record = record();
    let hostile = "</script><script>alert('{{data}}')</script>&\"<!--";
    record.title = hostile.to_owned();
    record.command = hostile.to_owned();
    record.commit = Some(hostile.to_owned());
    for row in &mut record.rows {
        row.scenario = hostile.to_owned();
        row.detector = hostile.to_owned();
        row.by_kind[0].kind = hostile.to_owned();
    }
    record.traces[0].series = hostile.to_owned();
    record.traces[0].events[0].kind = hostile.to_owned();
    record.scenarios[0] = ScenarioNote { name: hostile.to_owned(), analysis: hostile.to_owned() };
    let html = render(&record);
    assert!(!html.contains("<script>alert") && !html.contains("<!--"));
    assert_eq!(html.matches("</script>").count(), 2);
}

#[test]
fn embedded_numbers_are_json_again() {
    let html = render(&record());
    let (_, data) = html.split_once("id=\"data\">").unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let trace = &data["traces"][0];
    let n_points = trace["steps_ms"].as_array().unwrap().len();
    assert_eq!(n_points, 20_000 - 30);
    for column in ["values", "expected", "lows", "highs", "scores"] {
        assert_eq!(trace[column].as_array().unwrap().len(), n_points);
    }
    assert!(trace["values"].as_array().unwrap().iter().any(|value| value.as_f64() == Some(1e15)));
}

#[test]
fn curves_and_delays_of_every_detector_are_embedded() {
    let record = record();
    let html = render(&record);
    let (_, data) = html.split_once("id=\"data\">").unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let of_panel = |panel: &str| -> Vec<&serde_json::Value> {
        let curves = data["curves"].as_array().unwrap().iter();
        curves.filter(|curve| curve["panel"] == panel).collect()
    };
    for panel in ["sweep-recall", "sweep-precision", "curve-roc", "curve-pr"] {
        assert_eq!(of_panel(panel).len(), record.sweeps.len(), "{panel}");
        assert!(html.contains(&format!("id=\"{panel}\"")), "{panel}");
    }
    assert_eq!(of_panel("curve-roc")[0]["x"].as_array().unwrap().len(), 21);
    let delays = of_panel("curve-delay");
    assert_eq!(delays.len(), record.rows.len());
    // Half of 88 caught anomalies at the first sample, three more within seven samples, of 96.
    assert_eq!(delays[0]["x"], serde_json::json!([1.0, 1.0, 7.0, 7.0, 7.0]));
    assert_eq!(
        delays[0]["y"],
        serde_json::json!([0.0, 0.458_333, 0.458_333, 0.489_583, 0.489_583])
    );
}

#[test]
fn a_matrix_of_every_detector_holds_its_four_counts() {
    let record = record();
    let html = render(&record);
    let (_, section) = html.split_once("id=\"confusion\"").unwrap();
    let (section, _) = section.split_once("</section>").unwrap();
    assert_eq!(section.matches("<table").count(), DETECTORS.len());
    let all = totals::row(&record, DETECTORS[0]).unwrap().point;
    for n in [all.tp, all.tn, all.fp, all.fn_] {
        assert!(section.contains(&format!(">{}<small>", text::count(n as i64))), "{n}");
    }
}

#[test]
fn an_empty_record_is_a_page_without_charts() {
    let record = Record {
        rows: Vec::new(),
        traces: Vec::new(),
        sweeps: Vec::new(),
        scenarios: Vec::new(),
        commit: None,
        ..record()
    };
    let html = render(&record);
    assert!(html.contains("outside a repository") && !html.contains("<figure"));
}
