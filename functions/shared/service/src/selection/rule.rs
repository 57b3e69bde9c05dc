//! One rule, and its form in JSON.
//!
//! Parsing is strict: an unknown field is probably misspelled, and a rule that matches too much loses samples.

use std::collections::{BTreeMap, BTreeSet};

use detector::Detector;
use domain::{SampleKind, Series};
use serde::Deserialize;
use thiserror::Error;

use crate::pattern::Pattern;
use crate::rule_name::check_name;
use crate::series_matcher::SeriesMatcher;

/// Most rules of a deployment: each sample is compared with all of them.
pub const RULES_MAX: usize = 64;

/// Most labels that a rule names.
const LABELS_MAX: usize = 64;

/// A rule: which series it matches, and what it does to their samples.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    /// Name in answers and metrics.
    pub(super) name: String,
    /// The series that it matches.
    pub(super) matcher: SeriesMatcher,
    /// New name of the metric.
    rename: Option<String>,
    /// Labels that stay; all if `None`.
    keep_labels: Option<Vec<String>>,
    /// Labels that are removed.
    drop_labels: Vec<String>,
    /// New kind of the samples.
    pub(super) kind: Option<SampleKind>,
    /// Detector of the series, which the rule matches as they are stored.
    pub(super) detector: Option<Detector>,
    /// Ends the rules for a sample; `None` to continue with the next rule.
    pub(super) action: Option<RuleAction>,
}

/// End of the rules for a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RuleAction {
    /// Store the sample.
    Keep,
    /// Do not store it.
    Drop,
}

impl Rule {
    /// The series with the name and the labels that the rule gives it; `None` if it changes neither.
    pub(super) fn changed(&self, series: &Series) -> Option<Series> {
        if !self.changes_names() {
            return None;
        }
        let metric = self.rename.as_deref().unwrap_or(series.metric());
        let is_kept = |name: &str| {
            self.keep_labels.as_ref().is_none_or(|kept| kept.iter().any(|kept| kept == name))
                && !self.drop_labels.iter().any(|dropped| dropped == name)
        };
        let labels = series.labels().iter().filter(|(name, _)| is_kept(name));
        let labels = labels.map(|(name, value)| (name.clone(), value.clone())).collect();
        // Parsing checked the new name, and fewer labels are as valid as all of them.
        Series::new(series.source(), metric, labels).ok()
    }

    /// True if the rule changes the name or the labels of a series.
    fn changes_names(&self) -> bool {
        self.rename.is_some() || self.keep_labels.is_some() || !self.drop_labels.is_empty()
    }
}

/// A rule as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    name: String,
    tenant: Option<Pattern>,
    source: Option<Pattern>,
    metric: Option<Pattern>,
    #[serde(default)]
    labels: BTreeMap<String, Pattern>,
    rename: Option<String>,
    keep_labels: Option<Vec<String>>,
    #[serde(default)]
    drop_labels: Vec<String>,
    kind: Option<String>,
    detector: Option<String>,
    then: Option<RuleAction>,
}

/// Reasons why rules are invalid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The text is not an array of rules.
    #[error("rules are not read: {0}")]
    Malformed(String),
    /// More than [`RULES_MAX`] rules.
    #[error("there are {0} rules: expected at most {RULES_MAX}")]
    TooMany(usize),
    /// A rule cannot be applied.
    #[error("rule `{name}` is invalid: {problem}")]
    Invalid {
        /// Name of the rule.
        name: String,
        /// The field, and what was expected.
        problem: String,
    },
}

/// Parses an array of rules.
pub(super) fn parse(text: &str) -> Result<Vec<Rule>, RuleError> {
    let texts: Vec<RuleText> =
        serde_json::from_str(text).map_err(|error| RuleError::Malformed(error.to_string()))?;
    if texts.len() > RULES_MAX {
        return Err(RuleError::TooMany(texts.len()));
    }
    let mut names = BTreeSet::new();
    let rules: Vec<Rule> = texts.into_iter().map(rule).collect::<Result<_, _>>()?;
    match rules.iter().find(|rule| !names.insert(&rule.name)) {
        Some(rule) => Err(invalid(&rule.name, "`name` is that of another rule")),
        None => Ok(rules),
    }
}

fn invalid(name: &str, problem: impl Into<String>) -> RuleError {
    RuleError::Invalid { name: name.to_owned(), problem: problem.into() }
}

fn rule(text: RuleText) -> Result<Rule, RuleError> {
    let RuleText { name, tenant, source, metric, labels, rename, keep_labels, drop_labels, .. } =
        text;
    check_name(&name).map_err(|problem| invalid(&name, problem))?;
    let n_labels = labels.len() + keep_labels.as_ref().map_or(0, Vec::len) + drop_labels.len();
    if n_labels > LABELS_MAX {
        return Err(invalid(&name, format!("{n_labels} labels: expected at most {LABELS_MAX}")));
    }
    if let Some(metric) = &rename {
        Series::new("source", metric.as_str(), BTreeMap::new())
            .map_err(|error| invalid(&name, format!("`rename`: {error}")))?;
    }
    let kind = match text.kind.as_deref() {
        None => None,
        Some(kind) => Some(SampleKind::from_name(kind).ok_or_else(|| {
            invalid(&name, format!("`kind` is `{kind}`: expected `gauge` or `counter`"))
        })?),
    };
    let detector = text.detector.as_deref().map(str::parse).transpose();
    let detector = detector.map_err(|error| invalid(&name, format!("`detector`: {error}")))?;
    let action = text.then;
    let rule = Rule {
        name,
        matcher: SeriesMatcher { tenant, source, metric, labels },
        rename,
        keep_labels,
        drop_labels,
        kind,
        detector,
        action,
    };
    let changes_samples = rule.action.is_some() || rule.kind.is_some() || rule.changes_names();
    if rule.detector.is_some() && changes_samples {
        let expected =
            "`detector` is of series as they are stored: expected a rule of its own for it";
        return Err(invalid(&rule.name, expected));
    }
    if rule.detector.is_none() && !changes_samples {
        let expected = "it does nothing: expected `then`, `rename`, `keep_labels`, `drop_labels`, `kind` or `detector`";
        return Err(invalid(&rule.name, expected));
    }
    Ok(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_names_its_rule_and_what_was_expected() {
        let cases = [
            ("{}", "rules are not read: invalid type: map"),
            (r#"[{"metric":"a","then":"drop"}]"#, "missing field `name`"),
            (r#"[{"name":"a","metrics":"a","then":"drop"}]"#, "unknown field `metrics`"),
            (r#"[{"name":"a","then":"delete"}]"#, "unknown variant `delete`"),
            (
                r#"[{"name":"a b","then":"drop"}]"#,
                "rule `a b` is invalid: `name`: expected 1 to 64",
            ),
            (r#"[{"name":"a","metric":5,"then":"drop"}]"#, "expected a pattern, or an array"),
            (r#"[{"name":"a","metric":"a"}]"#, "rule `a` is invalid: it does nothing"),
            (
                r#"[{"name":"a","detector":"zscor"}]"#,
                "rule `a` is invalid: `detector`: detector `zscor`",
            ),
            (
                r#"[{"name":"a","detector":"ewma","then":"keep"}]"#,
                "`detector` is of series as they are stored: expected a rule of its own",
            ),
            (r#"[{"name":"a","rename":""}]"#, "rule `a` is invalid: `rename`: metric"),
            (
                r#"[{"name":"a","kind":"total"}]"#,
                "`kind` is `total`: expected `gauge` or `counter`",
            ),
            (
                r#"[{"name":"a","then":"drop"},{"name":"a","then":"keep"}]"#,
                "rule `a` is invalid: `name` is that of another rule",
            ),
        ];
        for (text, expected) in cases {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let many: Vec<String> =
            (0..=RULES_MAX).map(|i| format!(r#"{{"name":"r{i}","then":"drop"}}"#)).collect();
        assert_eq!(parse(&format!("[{}]", many.join(","))), Err(RuleError::TooMany(65)));
        assert_eq!(parse(&format!("[{}]", many[1..].join(","))).unwrap().len(), RULES_MAX);
    }
}
