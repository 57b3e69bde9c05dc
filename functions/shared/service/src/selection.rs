//! Selects the samples that are judged, and changes their names, by rules of the deployment.
//!
//! A Prometheus may send 100,000 series of which 50 matter, and each series costs memory in the store and false alarms. So
//! rules decide before anything is stored. Pure: rules and samples in, samples out.
//!
//! Rules apply in order, each to what the ones before made of a sample; `keep` and `drop` end it. What no rule drops is
//! kept. After those of the deployment come the default rules, for the formats of other products only: they drop what
//! is no measurement of load.

mod rule;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use detector::DeployedDetector;
use domain::{SeriesKey, Tenant};
use intake::{IncomingSample, RejectedSample, RejectionCode};

use self::rule::{Rule, RuleAction};

pub use self::rule::{RULES_MAX, RuleError};

/// Rules for samples in the formats of other products, as the documents show them.
const DEFAULT_RULES: &str = include_str!("selection/default_rules.json");

static DEFAULTS: LazyLock<Vec<Rule>> =
    LazyLock::new(|| rule::parse(DEFAULT_RULES).expect("a test parses the default rules"));

/// Origin of samples; it decides which rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleOrigin {
    /// Our own format: its senders choose what to send.
    Own,
    /// The format of another product, which sends all that it has.
    Foreign,
}

/// Rules of a deployment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SelectionRules {
    rules: Vec<Rule>,
}

/// Samples of a request after selection.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct SelectedSamples {
    /// Samples to store.
    pub(crate) samples: Vec<IncomingSample>,
    /// Samples that a rule made invalid.
    pub(crate) rejected: Vec<RejectedSample>,
    /// Number of dropped samples, by the name of the rule.
    pub(crate) not_selected: BTreeMap<String, usize>,
}

impl SelectionRules {
    /// Parses an array of rules in JSON.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        Ok(Self { rules: rule::parse(text)? })
    }

    /// Detector of a stored series in a deployment: by the first rule that sets one for it.
    pub(crate) fn detector_of(
        &self,
        deployed: DeployedDetector,
        key: &SeriesKey,
    ) -> DeployedDetector {
        let mut rules = self.rules.iter().filter(|rule| rule.detector.is_some());
        let rule = rules
            .find(|rule| rule.matcher.is_of(key.tenant()) && rule.matcher.matches(key.series()));
        let detector = rule.and_then(|rule| rule.detector).unwrap_or(deployed.detector);
        DeployedDetector { detector, ..deployed }
    }

    /// Applies the rules to the samples of a tenant.
    pub(crate) fn select(
        &self,
        tenant: &Tenant,
        origin: SampleOrigin,
        samples: Vec<IncomingSample>,
    ) -> SelectedSamples {
        let defaults: &[Rule] = if origin == SampleOrigin::Foreign { &DEFAULTS } else { &[] };
        if self.rules.is_empty() && defaults.is_empty() {
            return SelectedSamples { samples, ..SelectedSamples::default() };
        }
        let mut selected = SelectedSamples::default();
        for sample in samples {
            match apply(self.rules.iter().chain(defaults), tenant, sample) {
                Selection::Kept(sample) => selected.samples.push(sample),
                Selection::Rejected(rejected) => selected.rejected.push(rejected),
                Selection::DroppedBy(name) => {
                    *selected.not_selected.entry(name.to_owned()).or_default() += 1;
                }
            }
        }
        selected
    }
}

/// Outcome of the rules for one sample.
enum Selection<'r> {
    Kept(IncomingSample),
    DroppedBy(&'r str),
    Rejected(RejectedSample),
}

fn apply<'r>(
    rules: impl Iterator<Item = &'r Rule>,
    tenant: &Tenant,
    mut sample: IncomingSample,
) -> Selection<'r> {
    for rule in rules.filter(|rule| rule.detector.is_none() && rule.matcher.is_of(tenant)) {
        if !rule.matcher.matches(&sample.series) {
            continue;
        }
        if let Some(series) = rule.changed(&sample.series) {
            sample.series = series;
        }
        if let Some(kind) = rule.kind.filter(|kind| sample.kind.is_changed_by(*kind)) {
            if let Err(error) = kind.check_value(sample.value) {
                let detail = format!("by the rule `{}`: {error}", rule.name);
                return Selection::Rejected(sample.reject(RejectionCode::from(&error), detail));
            }
            sample.kind = kind;
        }
        match rule.action {
            Some(RuleAction::Keep) => break,
            Some(RuleAction::Drop) => return Selection::DroppedBy(&rule.name),
            None => {}
        }
    }
    Selection::Kept(sample)
}

#[cfg(test)]
mod tests {
    use domain::{SampleKind, Series};

    use super::*;

    fn sample(metric: &str, labels: &[(&str, &str)]) -> IncomingSample {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let series = Series::new("checkout", metric, labels.collect()).unwrap();
        IncomingSample { index: 0, series, at_us: None, value: 1.0, kind: SampleKind::Gauge }
    }

    fn select(rules: &str, origin: SampleOrigin, samples: Vec<IncomingSample>) -> SelectedSamples {
        SelectionRules::parse(rules).unwrap().select(&Tenant::new("t"), origin, samples)
    }

    fn metrics(selected: &SelectedSamples) -> Vec<&str> {
        selected.samples.iter().map(|sample| sample.series.metric()).collect()
    }

    #[test]
    fn our_own_format_is_untouched_without_rules() {
        let samples = vec![sample("http_bucket", &[]), sample("build_info", &[])];
        let selected = select("[]", SampleOrigin::Own, samples.clone());
        assert_eq!(selected, SelectedSamples { samples, ..SelectedSamples::default() });
    }

    #[test]
    fn the_default_rules_drop_what_is_no_measurement_of_load() {
        let names = [
            "http_request_duration_seconds_bucket",
            "http_request_duration_seconds_created",
            "kube_pod_info",
            "process_start_time_seconds",
            "node_boot_time_seconds",
            "node_time_seconds",
            "go_memstats_last_gc_time_seconds",
            "kube_job_status_completion_time",
            "prometheus_config_last_reload_success_timestamp_seconds",
            "prometheus_remote_storage_highest_timestamp_in_seconds",
            "traefik_config_last_reload_success",
            "traefik.config.reload.lastSuccessTimestamp",
            "ALERTS",
            "scrape_samples_scraped",
            "http_requests_total",
            "http_request_duration_seconds_sum",
            "up",
            "prometheus_config_last_reload_successful",
            "information",
            "process_cpu_seconds_total",
        ];
        let samples = names.map(|name| sample(name, &[])).into();
        let selected = select("[]", SampleOrigin::Foreign, samples);
        assert_eq!(metrics(&selected), names[14..]);
        let n_dropped: usize = selected.not_selected.values().sum();
        assert_eq!((n_dropped, selected.not_selected["default-buckets"]), (14, 1));
    }

    #[test]
    fn a_rule_of_the_deployment_comes_before_the_default_ones() {
        let rules = r#"[{"name":"slow","metric":"*_bucket","labels":{"le":"+Inf"},"then":"keep"}]"#;
        let samples =
            vec![sample("http_bucket", &[("le", "+Inf")]), sample("http_bucket", &[("le", "1")])];
        let selected = select(rules, SampleOrigin::Foreign, samples);
        assert_eq!(selected.samples[0].series.labels()["le"], "+Inf");
        assert_eq!((selected.samples.len(), selected.not_selected.len()), (1, 1));
    }

    #[test]
    fn only_what_matters_is_kept() {
        let rules = r#"[
            {"name":"orders","source":"checkout","metric":["orders_total","payments_*"],"then":"keep"},
            {"name":"rest","then":"drop"}]"#;
        let names = ["orders_total", "payments_failed", "orders_total_2", "cpu"];
        let selected = select(rules, SampleOrigin::Own, names.map(|name| sample(name, &[])).into());
        assert_eq!(metrics(&selected), names[..2]);
        assert_eq!(selected.not_selected, BTreeMap::from([("rest".to_owned(), 2)]));
    }

    #[test]
    fn a_label_that_is_missing_is_empty() {
        let rules = r#"[{"name":"no-zone","labels":{"zone":""},"then":"drop"}]"#;
        let samples = vec![sample("a", &[]), sample("b", &[("zone", "x")])];
        assert_eq!(metrics(&select(rules, SampleOrigin::Own, samples)), ["b"]);
        let rules = r#"[{"name":"any-zone","labels":{"zone":"?*"},"then":"drop"}]"#;
        let samples = vec![sample("a", &[]), sample("b", &[("zone", "x")])];
        assert_eq!(metrics(&select(rules, SampleOrigin::Own, samples)), ["a"]);
    }

    #[test]
    fn later_rules_see_the_changes_of_earlier_ones() {
        let rules = r#"[
            {"name":"rename","metric":"http_requests_total","rename":"requests","kind":"counter"},
            {"name":"identity","metric":"requests","keep_labels":["route","code"]},
            {"name":"code","metric":"requests","drop_labels":["code"],"then":"keep"},
            {"name":"never","metric":"requests","then":"drop"}]"#;
        let labels = [("pod", "web-1"), ("route", "/"), ("code", "200")];
        let selected =
            select(rules, SampleOrigin::Own, vec![sample("http_requests_total", &labels)]);
        let [kept] = &selected.samples[..] else { panic!("{selected:?}") };
        assert_eq!(kept.series, sample("requests", &[("route", "/")]).series);
        assert_eq!(kept.kind, SampleKind::Counter { started_at_us: None });
    }

    #[test]
    fn a_kind_that_the_value_cannot_have_rejects_the_sample() {
        let rules = r#"[{"name":"totals","metric":"t","kind":"counter"}]"#;
        let negative = IncomingSample { value: -1.0, ..sample("t", &[]) };
        let selected = select(rules, SampleOrigin::Own, vec![negative]);
        assert_eq!(selected.rejected[0].code, RejectionCode::CounterInvalid);
        assert!(selected.rejected[0].detail.starts_with("by the rule `totals`: counter"));
    }

    #[test]
    fn a_kind_keeps_the_start_that_was_sent() {
        let rules = r#"[{"name":"totals","metric":"t","kind":"counter"}]"#;
        let kind = SampleKind::Counter { started_at_us: Some(7) };
        let selected =
            select(rules, SampleOrigin::Own, vec![IncomingSample { kind, ..sample("t", &[]) }]);
        assert_eq!(selected.samples[0].kind, kind);
    }

    #[test]
    fn the_first_rule_with_a_detector_sets_that_of_a_series() {
        let rules = r#"[
            {"name":"short","metric":"orders","rename":"orders_total"},
            {"name":"theirs","tenant":"u","detector":"robust"},
            {"name":"orders","metric":"orders_total","detector":"zscore:window=50,threshold=4"},
            {"name":"others","detector":"ewma:alpha=0.2,threshold=5"}]"#;
        let rules = SelectionRules::parse(rules).unwrap();
        let deployed = DeployedDetector { detector: detector::Detector::default(), generation: 3 };
        let detector = |tenant, metric| {
            let key = SeriesKey::new(Tenant::new(tenant), sample(metric, &[]).series);
            let found = rules.detector_of(deployed, &key);
            (found.detector.name(), found.generation)
        };
        assert_eq!(detector("t", "orders_total"), ("zscore", 3));
        assert_eq!(
            (detector("u", "orders_total"), detector("t", "cpu")),
            (("robust", 3), ("ewma", 3))
        );
        let key = SeriesKey::new(Tenant::new("t"), sample("cpu", &[]).series);
        assert_eq!(SelectionRules::default().detector_of(deployed, &key), deployed);
    }

    #[test]
    fn a_rule_may_be_of_some_tenants_only() {
        let rules = r#"[{"name":"theirs","tenant":["u","team-*"],"then":"drop"}]"#;
        let rules = SelectionRules::parse(rules).unwrap();
        let n_kept = |tenant| {
            let samples = vec![sample("a", &[])];
            rules.select(&Tenant::new(tenant), SampleOrigin::Own, samples).samples.len()
        };
        assert_eq!((n_kept("t"), n_kept("u"), n_kept("team-a")), (1, 0, 0));
    }
}
