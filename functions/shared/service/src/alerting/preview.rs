//! Use case: counts the alerts that a policy would have made of the stored past.

use alert::{AlertPolicy, past_alerts};
use domain::{SeriesKey, Tenant};
use futures_util::stream::{self, StreamExt};

use super::preview_request::{DAYS_MAX, PreviewError, PreviewRequest};
use crate::answers::{PreviewAnswer, PreviewSeriesAnswer, SeriesName};
use crate::clock::now_us;
use crate::error::ServiceError;
use crate::metrics::StoreOperation;
use crate::series_matcher::SeriesMatcher;
use crate::service::Service;

/// Series of which a preview reads the past: those with the most anomalies.
const SERIES_MAX: usize = 200;

/// Episodes of one series that a preview reads.
const EPISODES_MAX: usize = 500;

/// Series read concurrently.
const CONCURRENCY: usize = 8;

const DAY_US: i64 = 86_400_000_000;

/// Days of a preview by default.
const DAYS_DEFAULT: u32 = 7;

/// Series shown in the answer.
const SHOWN_MAX: usize = 20;

impl Service {
    /// Counts the alerts that a policy would have made of the stored episodes of a tenant.
    pub async fn preview_alerts(
        &self,
        tenant: &Tenant,
        request: PreviewRequest,
    ) -> Result<PreviewAnswer, ServiceError> {
        let policy: AlertPolicy = request.policy.parse().map_err(PreviewError::from)?;
        let days = request.days.unwrap_or(DAYS_DEFAULT);
        if !(1..=DAYS_MAX).contains(&days) {
            return Err(PreviewError::Days(days).into());
        }
        let matcher = SeriesMatcher {
            source: request.source,
            metric: request.metric,
            ..SeriesMatcher::default()
        };
        let since_us = now_us() - i64::from(days) * DAY_US;
        let keys = self.store().worst(tenant, None, SERIES_MAX);
        let keys = self.measure(StoreOperation::List, keys).await?.items;
        let truncated = keys.len() == SERIES_MAX;
        let matching = keys.into_iter().filter(|key| matcher.matches(key.series()));
        let counts = matching.map(|key| self.preview_series(key, &policy, since_us));
        let counts: Vec<Result<PreviewSeriesAnswer, ServiceError>> =
            stream::iter(counts).buffer_unordered(CONCURRENCY).collect().await;
        let mut series: Vec<PreviewSeriesAnswer> = counts.into_iter().collect::<Result<_, _>>()?;
        series.sort_by_key(|series| std::cmp::Reverse((series.alerts, series.episodes)));
        let alerts: usize = series.iter().map(|series| series.alerts).sum();
        let n_series = series.len();
        let episodes = series.iter().map(|series| series.episodes).sum();
        series.truncate(SHOWN_MAX);
        Ok(PreviewAnswer {
            policy: policy.to_string(),
            days,
            series_read: n_series,
            truncated,
            episodes,
            alerts,
            alerts_per_week: alerts as f64 * 7.0 / f64::from(days),
            series,
        })
    }

    async fn preview_series(
        &self,
        key: SeriesKey,
        policy: &AlertPolicy,
        since_us: i64,
    ) -> Result<PreviewSeriesAnswer, ServiceError> {
        let state = self.measure(StoreOperation::Read, self.store().read(&key)).await?;
        let state = state.unwrap_or_default();
        let past = self.past_of(&key, &state, since_us, EPISODES_MAX).await?;
        let alerts = past_alerts(policy, &past.episodes, &past.anomalies, &past.sample_times_us);
        Ok(PreviewSeriesAnswer {
            series: SeriesName::from(key.series()),
            episodes: past.episodes.len(),
            alerts: alerts.len(),
        })
    }
}
