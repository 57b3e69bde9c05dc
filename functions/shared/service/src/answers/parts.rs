//! Parts that several answers share: the name of a series, and its learning progress.

use std::collections::BTreeMap;

use detector::LearningProgress;
use domain::Series;
use serde::Serialize;

use super::milliseconds::optional_milliseconds;

/// Name of a series, flattened into three fields of an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeriesName {
    /// Sender.
    pub source: String,
    /// Measured quantity.
    pub metric: String,
    /// Labels by name.
    pub labels: BTreeMap<String, String>,
}

impl From<&Series> for SeriesName {
    fn from(series: &Series) -> Self {
        Self {
            source: series.source().to_owned(),
            metric: series.metric().to_owned(),
            labels: series.labels().clone(),
        }
    }
}

/// Learning progress of a detector on one series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LearningAnswer {
    /// True if the next sample can be judged.
    pub ready: bool,
    /// Samples seen, at most `needed`.
    pub seen: usize,
    /// Samples needed.
    pub needed: usize,
    /// Estimated end of learning at the current sampling interval, in Unix milliseconds; absent once ready, or with
    /// fewer than two samples.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_milliseconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<f64>, minimum = 0))]
    pub ready_at: Option<i64>,
}

impl LearningAnswer {
    /// Describes the progress.
    pub fn of(learning: &LearningProgress) -> Self {
        Self {
            ready: learning.is_ready(),
            seen: learning.seen,
            needed: learning.needed,
            ready_at: learning.ready_at_us,
        }
    }
}
