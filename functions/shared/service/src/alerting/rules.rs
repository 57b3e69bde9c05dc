//! Receivers and policies of a deployment, as JSON.
//!
//! Parsing is strict: a misspelled field would be an alert that is not sent.

use std::collections::{BTreeMap, BTreeSet};

use alert::{AlertPolicy, ReceiverOptions, ReceiverTarget};
use domain::{SeriesKey, Tenant};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use thiserror::Error;

use crate::pattern::Pattern;
use crate::rule_name::check_name;
use crate::series_matcher::SeriesMatcher;

/// Most receivers of a deployment.
const RECEIVERS_MAX: usize = 16;

/// Most policies of a deployment.
const POLICIES_MAX: usize = 256;

/// Name of the policy of a series that no policy matches.
const DEFAULT_NAME: &str = "default";

/// Receivers and policies of a deployment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AlertRules {
    /// Receivers.
    pub receivers: Vec<ReceiverOptions>,
    policies: Vec<PolicyRule>,
    /// Tenants whose alerts a receiver may get, by its name; all for a receiver without a pattern.
    tenants: BTreeMap<String, Pattern>,
    /// Address of the page for people, without a query.
    pub page_url: Option<String>,
}

/// A policy with the series that it is for.
#[derive(Debug, Clone, PartialEq)]
struct PolicyRule {
    name: String,
    matcher: SeriesMatcher,
    policy: AlertPolicy,
}

/// Reasons why the receivers and policies of a deployment are invalid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AlertRulesError {
    /// The text is not what was expected.
    #[error("alerts are not read: {0}")]
    Malformed(String),
    /// A receiver or a policy is invalid.
    #[error("{kind} `{name}` is invalid: {problem}")]
    Invalid {
        /// `receiver` or `policy`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The field, and what was expected.
        problem: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesText {
    receivers: Vec<ReceiverText>,
    #[serde(default)]
    policies: Vec<PolicyText>,
    page_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiverText {
    name: String,
    tenant: Option<Pattern>,
    #[serde(default, deserialize_with = "some_texts")]
    alertmanager: Option<Vec<String>>,
    webhook: Option<String>,
    #[serde(default, deserialize_with = "texts")]
    secrets: Vec<String>,
    #[serde(default)]
    allow_private: bool,
    sns: Option<String>,
    eventbridge: Option<String>,
    #[serde(default)]
    log: bool,
}

/// Reads an array of texts; an error does not quote what was found, which may be a secret.
fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Vec::deserialize(from).map_err(|_| D::Error::custom("expected an array of texts"))
}

fn some_texts<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    texts(from).map(Some)
}

/// Without the secrets.
impl std::fmt::Debug for ReceiverText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyText {
    name: String,
    tenant: Option<Pattern>,
    source: Option<Pattern>,
    metric: Option<Pattern>,
    #[serde(default)]
    labels: BTreeMap<String, Pattern>,
    policy: String,
}

impl AlertRules {
    /// Parses receivers and policies.
    pub fn parse(text: &str) -> Result<Self, AlertRulesError> {
        let malformed = |problem: String| AlertRulesError::Malformed(problem);
        let text: RulesText =
            serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        for (n, n_max, what) in [
            (text.receivers.len(), RECEIVERS_MAX, "receivers"),
            (text.policies.len(), POLICIES_MAX, "policies"),
        ] {
            if n > n_max {
                return Err(malformed(format!("there are {n} {what}: expected at most {n_max}")));
            }
        }
        let tenants = text
            .receivers
            .iter()
            .filter_map(|receiver| Some((receiver.name.clone(), receiver.tenant.clone()?)));
        let tenants = tenants.collect();
        let receivers: Vec<ReceiverOptions> =
            text.receivers.into_iter().map(receiver).collect::<Result<_, _>>()?;
        let names: Vec<&str> = receivers.iter().map(|receiver| receiver.name.as_str()).collect();
        let policies: Vec<PolicyRule> = text
            .policies
            .into_iter()
            .map(|policy| policy_rule(policy, &names))
            .collect::<Result<_, _>>()?;
        check_names("receiver", names.iter().copied())?;
        check_names("policy", policies.iter().map(|policy| policy.name.as_str()))?;
        let page_url = text.page_url.map(|url| url.trim_end_matches('/').to_owned());
        if page_url.as_ref().is_some_and(|url| !url.starts_with("http")) {
            let expected = "`page_url`: expected an address such as `https://example.org/ui`";
            return Err(malformed(expected.to_owned()));
        }
        Ok(Self { receivers, policies, tenants, page_url })
    }

    /// Number of policies.
    pub fn n_policies(&self) -> usize {
        self.policies.len()
    }

    /// Policy of a series, and its name: the first that matches.
    pub(crate) fn policy_of(&self, key: &SeriesKey) -> (&str, AlertPolicy) {
        let matches = |rule: &&PolicyRule| {
            rule.matcher.is_of(key.tenant()) && rule.matcher.matches(key.series())
        };
        let rule = self.policies.iter().find(matches);
        rule.map_or((DEFAULT_NAME, AlertPolicy::default()), |rule| {
            (&rule.name, rule.policy.clone())
        })
    }

    /// Names of the receivers that may get the alerts of a tenant.
    pub(crate) fn receivers_of(&self, tenant: &Tenant) -> Vec<String> {
        let names = self.receivers.iter().map(|receiver| &receiver.name);
        let may_get = |name: &&String| {
            self.tenants.get(*name).is_none_or(|pattern| pattern.matches(tenant.as_str()))
        };
        names.filter(may_get).cloned().collect()
    }

    /// Checks that a tenant has the receivers of its policy.
    pub(crate) fn check_receivers(
        &self,
        tenant: &Tenant,
        policy: &AlertPolicy,
    ) -> Result<(), String> {
        let names = self.receivers_of(tenant);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        check_receivers(policy, &names)
    }
}

fn check_receivers(policy: &AlertPolicy, names: &[&str]) -> Result<(), String> {
    let unknown = policy.receivers.iter().find(|name| !names.contains(&name.as_str()));
    match unknown {
        None => Ok(()),
        Some(name) if names.is_empty() => {
            Err(format!("receiver `{name}` is unknown: this deployment has none"))
        }
        Some(name) => {
            Err(format!("receiver `{name}` is unknown: expected one of {}", names.join(", ")))
        }
    }
}

fn invalid(kind: &'static str, name: &str, problem: impl Into<String>) -> AlertRulesError {
    AlertRulesError::Invalid { kind, name: name.to_owned(), problem: problem.into() }
}

fn check_names<'a>(
    kind: &'static str,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), AlertRulesError> {
    let mut seen = BTreeSet::new();
    for name in names {
        check_name(name).map_err(|problem| invalid(kind, name, problem))?;
        if !seen.insert(name) {
            return Err(invalid(kind, name, "`name` is not unique"));
        }
    }
    Ok(())
}

fn receiver(text: ReceiverText) -> Result<ReceiverOptions, AlertRulesError> {
    const TARGETS: &str = "one of `alertmanager`, `webhook`, `sns`, `eventbridge` and `log`";
    let name = text.name;
    if text.webhook.is_none() && (!text.secrets.is_empty() || text.allow_private) {
        let problem = "`secrets` and `allow_private` are of webhooks only";
        return Err(invalid("receiver", &name, problem));
    }
    let (secrets, allows_private) = (text.secrets, text.allow_private);
    let targets = [
        text.alertmanager.map(|urls| ReceiverTarget::Alertmanager { urls }),
        text.webhook.map(|url| ReceiverTarget::Webhook { url, secrets, allows_private }),
        text.sns.map(|topic_arn| ReceiverTarget::Sns { topic_arn }),
        text.eventbridge.map(|bus| ReceiverTarget::EventBridge { bus }),
        text.log.then_some(ReceiverTarget::Log),
    ];
    let mut targets = targets.into_iter().flatten();
    match (targets.next(), targets.next()) {
        (Some(target), None) => Ok(ReceiverOptions { name, target }),
        _ => Err(invalid("receiver", &name, format!("expected {TARGETS}"))),
    }
}

fn policy_rule(text: PolicyText, receivers: &[&str]) -> Result<PolicyRule, AlertRulesError> {
    let PolicyText { name, tenant, source, metric, labels, policy } = text;
    let wrong = |problem: String| invalid("policy", &name, format!("`policy`: {problem}"));
    let policy: AlertPolicy = policy.parse().map_err(|error| wrong(format!("{error}")))?;
    check_receivers(&policy, receivers).map_err(wrong)?;
    let matcher = SeriesMatcher { tenant, source, metric, labels };
    Ok(PolicyRule { name, matcher, policy })
}

#[cfg(test)]
mod tests {
    use domain::Series;

    use super::*;

    const RULES: &str = r#"{
        "page_url": "https://tidemark.example/ui/",
        "receivers": [
            {"name": "ops", "alertmanager": ["http://127.0.0.1:9093"]},
            {"name": "phone", "webhook": "https://example.org/hook", "secrets": ["whsec_abc"]},
            {"name": "log", "log": true}
        ],
        "policies": [
            {"name": "checkout", "source": "checkout-*", "metric": ["rps", "errors"], "policy": "direction=below,receivers=phone"},
            {"name": "batch", "tenant": "batch", "policy": "off"},
            {"name": "rest", "policy": "samples=2/3"}
        ]
    }"#;

    fn policy_of(rules: &AlertRules, tenant: &str, source: &str) -> (String, String) {
        let series = Series::new(source, "rps", BTreeMap::new()).unwrap();
        let (name, policy) = rules.policy_of(&SeriesKey::new(Tenant::new(tenant), series));
        (name.to_owned(), policy.to_string())
    }

    #[test]
    fn the_first_policy_that_matches_a_series_is_its_policy() {
        let rules = AlertRules::parse(RULES).unwrap();
        assert_eq!(rules.page_url.as_deref(), Some("https://tidemark.example/ui"));
        let owned = |name: &str, policy: &str| (name.to_owned(), policy.to_owned());
        let of = |tenant, source| policy_of(&rules, tenant, source);
        assert_eq!(of("t", "checkout-1"), owned("checkout", "direction=below,receivers=phone"));
        assert_eq!(of("batch", "search"), owned("batch", "off"));
        assert_eq!(of("t", "search"), owned("rest", "samples=2/3"));
        assert_eq!(policy_of(&AlertRules::default(), "t", "a"), owned("default", ""));
    }

    #[test]
    fn each_mistake_names_its_receiver_or_policy_and_field() {
        let log = r#"{"name":"a","log":true}"#;
        let cases = [
            ("[]".to_owned(), "alerts are not read: invalid length"),
            ("{}".to_owned(), "missing field `receivers`"),
            (r#"{"receivers":[],"rules":[]}"#.to_owned(), "unknown field `rules`"),
            (
                r#"{"receivers":[{"name":"a"}]}"#.to_owned(),
                "receiver `a` is invalid: expected one of `alertmanager`",
            ),
            (
                r#"{"receivers":[{"name":"a","log":true,"sns":"b"}]}"#.to_owned(),
                "receiver `a` is invalid: expected one of",
            ),
            (
                r#"{"receivers":[{"name":"a","log":true,"secrets":["b"]}]}"#.to_owned(),
                "are of webhooks only",
            ),
            (
                r#"{"receivers":[{"name":"a b","log":true}]}"#.to_owned(),
                "receiver `a b` is invalid: `name`: expected 1 to 64",
            ),
            (
                format!(r#"{{"receivers":[{log},{log}]}}"#),
                "receiver `a` is invalid: `name` is not unique",
            ),
            (
                format!(
                    r#"{{"receivers":[{log}],"policies":[{{"name":"p","policy":"direction=up"}}]}}"#
                ),
                "policy `p` is invalid: `policy`: `direction` is `up`: expected above, below or both",
            ),
            (
                format!(
                    r#"{{"receivers":[{log}],"policies":[{{"name":"p","policy":"receivers=b"}}]}}"#
                ),
                "policy `p` is invalid: `policy`: receiver `b` is unknown: expected one of a",
            ),
            (
                format!(r#"{{"receivers":[{log}],"page_url":"ui"}}"#),
                "`page_url`: expected an address",
            ),
        ];
        for (text, expected) in cases {
            let error = AlertRules::parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_receiver_of_one_tenant_is_unknown_to_others() {
        let text = r#"{"receivers": [{"name": "ops", "log": true}, {"name": "own", "tenant": "team-*", "log": true}]}"#;
        let rules = AlertRules::parse(text).unwrap();
        let policy = "receivers=own".parse().unwrap();
        let (team, other) = (Tenant::new("team-a"), Tenant::new("b"));
        assert_eq!(rules.receivers_of(&team), ["ops", "own"]);
        assert_eq!(rules.receivers_of(&other), ["ops"]);
        assert_eq!(rules.check_receivers(&team, &policy), Ok(()));
        let error = rules.check_receivers(&other, &policy).unwrap_err();
        assert_eq!(error, "receiver `own` is unknown: expected one of ops");
    }

    #[test]
    fn addresses_and_secrets_are_not_printed() {
        let printed = format!("{:?}", AlertRules::parse(RULES).unwrap());
        assert!(printed.contains("phone (webhook)"), "{printed}");
        let unlisted =
            r#"{"receivers": [{"name": "a", "webhook": "http://a", "secrets": "whsec_b"}]}"#;
        let error = AlertRules::parse(unlisted).unwrap_err().to_string();
        assert!(error.contains("an array of texts") && !error.contains("whsec"), "{error}");
        assert!(!printed.contains("whsec") && !printed.contains("example.org/hook"), "{printed}");
    }
}
