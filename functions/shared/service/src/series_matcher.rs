//! Matches series by patterns of their tenant, source, metric and labels.

use std::collections::BTreeMap;

use domain::{Series, Tenant};

use crate::pattern::Pattern;

/// Patterns that all must match; a missing one matches everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SeriesMatcher {
    pub(crate) tenant: Option<Pattern>,
    pub(crate) source: Option<Pattern>,
    pub(crate) metric: Option<Pattern>,
    pub(crate) labels: BTreeMap<String, Pattern>,
}

impl SeriesMatcher {
    /// True if the tenant matches.
    pub(crate) fn is_of(&self, tenant: &Tenant) -> bool {
        self.tenant.as_ref().is_none_or(|pattern| pattern.matches(tenant.as_str()))
    }

    /// True if the name and the labels of a series match; a missing label is an empty one.
    pub(crate) fn matches(&self, series: &Series) -> bool {
        let is_match = |pattern: &Option<Pattern>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
        };
        let label = |name: &str| series.labels().get(name).map_or("", String::as_str);
        is_match(&self.metric, series.metric())
            && is_match(&self.source, series.source())
            && self.labels.iter().all(|(name, pattern)| pattern.matches(label(name)))
    }
}
