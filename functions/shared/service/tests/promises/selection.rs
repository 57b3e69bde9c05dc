//! Selection: what a rule drops is neither stored nor judged, and the answer and the metrics have its number.

use domain::Tenant;
use service::{SampleOrigin, Service, VerdictFilter};

use crate::deployment::{batch_of, config, minute, send, series, service};

const RULES: &str = r#"[
    {"name":"noise","metric":"debug_*","then":"drop"},
    {"name":"short","metric":"http_requests_total","rename":"requests","kind":"counter"}]"#;

fn with_rules() -> Service {
    service(&[("TIDEMARK_RULES", RULES)])
}

#[tokio::test]
async fn what_a_rule_drops_is_not_stored_and_is_counted() {
    let service = with_rules();
    let samples = (0..3).map(|i| (Some(minute(i)), 1.0));
    let answer = send(&service, batch_of("debug_heap", samples)).await;
    assert_eq!((answer.accepted, answer.not_selected["noise"]), (0, 3));
    assert!(!answer.is_all_rejected());
    assert!(service.analyze(&Tenant::default(), series("debug_heap")).await.is_err());
    let metrics = service.metrics().await.unwrap();
    assert!(metrics.contains("samples_not_selected_total{rule=\"noise\"} 3"), "{metrics}");
}

#[tokio::test]
async fn a_renamed_series_is_stored_and_judged_under_its_new_name() {
    let service = with_rules();
    let samples = (0..2).map(|i| (Some(minute(i)), 6_000.0 * i as f64));
    let answer = send(&service, batch_of("http_requests_total", samples)).await;
    assert!(answer.not_selected.is_empty());
    let verdict = &answer.verdicts[1];
    assert_eq!((verdict.series.metric.as_str(), verdict.sample.rate), ("requests", Some(100.0)));
    let analyzed = service.analyze(&Tenant::default(), series("requests")).await.unwrap();
    assert_eq!(analyzed.judged_count, 2);
}

#[tokio::test]
async fn the_default_rules_apply_to_the_formats_of_other_products_only() {
    let service = service(&[]);
    let batch = || batch_of("http_bucket", [(Some(minute(0)), 1.0)]);
    let foreign = service
        .ingest_from(SampleOrigin::Foreign, &Tenant::default(), batch(), VerdictFilter::All)
        .await;
    assert_eq!((foreign.accepted, foreign.not_selected["default-buckets"]), (0, 1));
    let own = send(&service, batch()).await;
    assert_eq!((own.accepted, own.not_selected.len()), (1, 0));
}

#[tokio::test]
async fn a_rule_sets_the_detector_of_the_series_that_it_matches() {
    let rules = r#"[{"name":"orders","metric":"rps","detector":"zscore:window=50,threshold=4"}]"#;
    let service = service(&[("TIDEMARK_RULES", rules)]);
    send(&service, batch_of("rps", (0..3).map(|i| (Some(minute(i)), 1.0)))).await;
    send(&service, batch_of("cpu", (0..3).map(|i| (Some(minute(i)), 1.0)))).await;
    let tenant = Tenant::default();
    let by_rule = service.analyze(&tenant, series("rps")).await.unwrap();
    assert_eq!(
        (by_rule.detector.as_str(), by_rule.own_detector),
        ("zscore:window=50,threshold=4", false)
    );
    assert_eq!(
        service.series_config(&tenant, series("rps")).await.unwrap().detector,
        by_rule.detector
    );
    let other = service.analyze(&tenant, series("cpu")).await.unwrap();
    assert!(other.detector.starts_with("traffic"), "{}", other.detector);
}

#[test]
fn rules_come_from_a_variable_or_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), RULES).unwrap();
    let from_file = config(&[("TIDEMARK_RULES_FILE", file.path().to_str().unwrap())]);
    assert_eq!(from_file.rules, config(&[("TIDEMARK_RULES", RULES)]).rules);
    let vars = [("TIDEMARK_RULES".to_owned(), r#"[{"name":"a","metric":"b"}]"#.to_owned())];
    let error = service::Config::from_env(vars.into_iter()).unwrap_err().to_string();
    assert!(error.starts_with("TIDEMARK_RULES: rule `a` is invalid: it does nothing"), "{error}");
}
