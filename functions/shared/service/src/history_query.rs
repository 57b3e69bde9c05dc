//! Use case: lists past anomalies and episodes of a series, from the store and, for older ones, from the history.

use domain::{EpisodeRecord, Series, SeriesKey, Tenant};
use store::{HistoryError, PastRange};

use crate::answers::{
    AnomaliesPage, AnomalyAnswer, EpisodeAnswer, EpisodeSpan, EpisodesPage, SampleAnswer,
    SeriesName,
};
use crate::error::ServiceError;
use crate::metrics::StoreOperation;
use crate::service::Service;

/// Episodes from the history, older than those of the store.
#[derive(Debug, Default)]
struct OlderEpisodes {
    records: Vec<EpisodeRecord>,
    /// True if the history did not answer.
    is_incomplete: bool,
}

impl Service {
    /// Lists a page of the episodes of a series, newest first.
    pub async fn list_episodes(
        &self,
        tenant: &Tenant,
        series: Series,
        range: PastRange,
    ) -> Result<EpisodesPage, ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        // One more than the page, to know whether there is a next one.
        let one_more = PastRange { limit: range.limit + 1, ..range };
        let stored = self.store().episodes(&key, one_more);
        let stored = self.measure(StoreOperation::Read, stored).await?;
        let mut records: Vec<EpisodeRecord> = stored.iter().map(|episode| episode.record).collect();
        let oldest_us = records.last().map(|record| record.start_us);
        let older = self.older(&key, one_more, records.len(), oldest_us).await;
        records.extend(older.records);
        if records.is_empty() && !older.is_incomplete {
            self.read(&key).await?;
        }
        let has_more = records.len() > range.limit;
        records.truncate(range.limit);
        let last_us = records.last().map(|record| record.start_us);
        Ok(EpisodesPage {
            series: SeriesName::from(key.series()),
            episodes: records.iter().map(EpisodeAnswer::from).collect(),
            next: next_cursor(last_us, has_more, older.is_incomplete, range),
            incomplete: older.is_incomplete,
        })
    }

    /// Lists a page of the anomalies of a series, newest first; older than the store's, only the peak of each episode.
    pub async fn list_anomalies(
        &self,
        tenant: &Tenant,
        series: Series,
        range: PastRange,
    ) -> Result<AnomaliesPage, ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        let stored = self.store().anomalies(&key, range.since_us, store::ANOMALIES_KEPT_MAX);
        let mut stored = self.measure(StoreOperation::Read, stored).await?;
        stored.retain(|anomaly| {
            range.before_us.is_none_or(|before_us| anomaly.sample.at_us() < before_us)
        });
        // Two more: one to know whether there is a next page, one because the episode of the last item is read again.
        let two_more = PastRange { limit: range.limit + 2, ..range };
        let oldest_us = stored.last().map(|anomaly| anomaly.sample.at_us());
        let older = self.older(&key, two_more, stored.len(), oldest_us).await;
        let OlderEpisodes { records, is_incomplete } = older;
        let before_us = oldest_us.or(range.before_us).unwrap_or(i64::MAX);
        let stored_anomaly =
            |anomaly| AnomalyAnswer { sample: SampleAnswer::of(anomaly), episode: None };
        let mut anomalies: Vec<AnomalyAnswer> = stored.iter().map(stored_anomaly).collect();
        anomalies.extend(records.iter().filter_map(|record| peak_before(record, before_us)));
        if anomalies.is_empty() && records.is_empty() && !is_incomplete {
            self.read(&key).await?;
        }
        let is_full = stored.len() + records.len() >= two_more.limit;
        let has_more = anomalies.len() > range.limit || is_full;
        anomalies.truncate(range.limit);
        // If the history has only silences for this page, the next page starts before the last of them.
        let silent_us = records.last().map(|record| record.start_us);
        let last_us = anomalies.last().map(|anomaly| anomaly.sample.timestamp).or(silent_us);
        let next = next_cursor(last_us, has_more, is_incomplete, range);
        let series = SeriesName::from(key.series());
        Ok(AnomaliesPage { series, anomalies, next, incomplete: is_incomplete })
    }

    /// Reads episodes from the history to fill a page that has `n_stored` items, the oldest at `oldest_us`.
    async fn older(
        &self,
        key: &SeriesKey,
        range: PastRange,
        n_stored: usize,
        oldest_us: Option<i64>,
    ) -> OlderEpisodes {
        let (Some(history), limit) = (self.history(), range.limit.saturating_sub(n_stored)) else {
            return OlderEpisodes::default();
        };
        if limit == 0 {
            return OlderEpisodes::default();
        }
        let before_us = oldest_us.or(range.before_us);
        let read = history.episodes(key, PastRange { before_us, limit, ..range });
        match self.call_history("read", read).await {
            // An episode that is not in the store has ended, whatever phase was last saved.
            Ok(episodes) => OlderEpisodes {
                records: episodes.iter().map(|episode| episode.record.over()).collect(),
                is_incomplete: false,
            },
            Err(_) => OlderEpisodes { records: Vec::new(), is_incomplete: true },
        }
    }

    /// Returns `none` without a history, `ready` if it answers, else its error code.
    pub async fn history_state(&self) -> &'static str {
        let Some(history) = self.history() else { return "none" };
        let ready = self.call_history("ready", history.ready()).await;
        ready.map_or_else(|error| HistoryError::code(&error), |()| "ready")
    }
}

fn peak_before(record: &EpisodeRecord, before_us: i64) -> Option<AnomalyAnswer> {
    let peak = record.peak.filter(|peak| peak.sample.at_us() < before_us)?;
    let (start, end, samples) = (record.start_us, record.end_us, record.n_samples);
    let episode = Some(EpisodeSpan { start, end, samples });
    Some(AnomalyAnswer { sample: SampleAnswer::of(&peak), episode })
}

/// Returns the cursor of the next page; of the rest of this page if the history did not answer.
fn next_cursor(
    last_us: Option<i64>,
    has_more: bool,
    is_incomplete: bool,
    range: PastRange,
) -> Option<String> {
    let again_us = range.before_us.filter(|_| is_incomplete);
    let next_us = last_us.filter(|_| has_more || is_incomplete).or(again_us);
    next_us.map(|next_us| next_us.to_string())
}
