//! Reads series of the embedded store.

use std::ops::Bound;

use async_trait::async_trait;
use domain::{Judgement, SeriesKey, Tenant};
use protocol::{SeriesState, StoredEpisode, StoredSeries};

use super::store::{EmbeddedSeries, EmbeddedStore};
use crate::status::{parse_score_cursor, score_cursor};
use crate::{ListedSeries, Page, PastRange, SeriesReader, SeriesSummary, StoreError, TenantCounts};

#[async_trait]
impl SeriesReader for EmbeddedStore {
    async fn read_all(&self, keys: &[&SeriesKey]) -> Vec<Result<Option<SeriesState>, StoreError>> {
        let (new, state) = (StoredSeries::default(), self.lock());
        let read = |key: &&SeriesKey| {
            let config = state.configs.get(*key);
            let stored = state.series.get(*key).map_or(&new, |series| &series.stored);
            let exists = !stored.is_empty() || config.is_some();
            Ok(exists.then(|| stored.state(0, config)))
        };
        keys.iter().map(read).collect()
    }

    async fn anomalies(
        &self,
        key: &SeriesKey,
        since_us: i64,
        limit: usize,
    ) -> Result<Vec<Judgement>, StoreError> {
        let state = self.lock();
        let anomalies = state.series.get(key).map(|series| series.stored.anomalies());
        let since = anomalies.map(|anomalies| anomalies.range(since_us..).rev().take(limit));
        Ok(since.into_iter().flatten().map(|(_, judgement)| *judgement).collect())
    }

    async fn episodes(
        &self,
        key: &SeriesKey,
        range: PastRange,
    ) -> Result<Vec<StoredEpisode>, StoreError> {
        let state = self.lock();
        let before_us = range.before_us.unwrap_or(i64::MAX).max(range.since_us);
        let episodes = state.series.get(key).map(|series| series.stored.episodes());
        let within = episodes.map(|episodes| episodes.range(range.since_us..before_us).rev());
        Ok(within.into_iter().flatten().take(range.limit).map(|(_, episode)| *episode).collect())
    }

    async fn summaries(&self, keys: &[SeriesKey]) -> Result<Vec<SeriesSummary>, StoreError> {
        let state = self.lock();
        let summary = |series: &EmbeddedSeries| SeriesSummary {
            memory: series.stored.memory().map(<[u8]>::to_vec),
            n_anomalies: series.stored.anomalies().len() as u64,
        };
        Ok(keys.iter().map(|key| state.series.get(key).map(summary).unwrap_or_default()).collect())
    }

    async fn list(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ListedSeries>, StoreError> {
        let after = cursor.map(|cursor| parse_cursor(tenant, cursor)).transpose()?;
        let state = self.lock();
        let range = match &after {
            Some(after) => state.by_receipt.range((Bound::Excluded(after), Bound::Unbounded)),
            None => state.by_receipt.range(..),
        };
        let items: Vec<ListedSeries> = range
            .filter(|(_, key)| key.tenant() == tenant)
            .take(limit + 1)
            .map(|(received_us, key)| ListedSeries { key: key.clone(), received_us: *received_us })
            .collect();
        let cursor = |last: &ListedSeries| format!("{}:{}", last.received_us, last.key.name());
        Ok(Page::cut(items, limit, cursor))
    }

    async fn worst(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<SeriesKey>, StoreError> {
        let after = cursor.map(parse_score_cursor).transpose()?;
        let is_after = |score: f64, name: &str| {
            after
                .as_ref()
                .is_none_or(|last| score < last.0 || score == last.0 && name < last.1.as_str())
        };
        let state = self.lock();
        let mut worst: Vec<(f64, &SeriesKey)> = state
            .of_tenant(tenant)
            .filter(|(_, series)| !series.stored.anomalies().is_empty())
            .filter_map(|(key, series)| Some((series.stored.decayed_score()?, key)))
            .filter(|(score, key)| is_after(*score, key.name()))
            .collect();
        worst.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| b.1.name().cmp(a.1.name())));
        let page = Page::cut(worst, limit, |(score, key)| score_cursor(*score, key.name()));
        Ok(page.map(|(_, key)| key.clone()))
    }

    async fn recent(&self, tenant: &Tenant, limit: usize) -> Result<Vec<SeriesKey>, StoreError> {
        let state = self.lock();
        let last = state.by_receipt.iter().rev().filter(|(_, key)| key.tenant() == tenant);
        Ok(last.take(limit).map(|(_, key)| key.clone()).collect())
    }

    async fn tenant_counts(&self, tenant: &Tenant) -> Result<TenantCounts, StoreError> {
        let oldest_us = self.oldest_us();
        let state = self.lock();
        let mut counts = TenantCounts::default();
        for (_, series) in state.of_tenant(tenant) {
            counts.n_series += u64::from(series.received_us >= oldest_us);
            counts.n_anomalous += u64::from(!series.stored.anomalies().is_empty());
            counts.n_pending += u64::from(series.stored.n_waiting() > 0);
        }
        Ok(counts)
    }
}

fn parse_cursor(tenant: &Tenant, cursor: &str) -> Result<(i64, SeriesKey), StoreError> {
    let invalid = || StoreError::CursorInvalid;
    let (received_us, name) = cursor.split_once(':').ok_or_else(invalid)?;
    let key = SeriesKey::from_name(tenant, name).map_err(|_| invalid())?;
    Ok((received_us.parse().map_err(|_| invalid())?, key))
}
