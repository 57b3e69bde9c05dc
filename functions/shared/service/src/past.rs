//! The past of a series: its anomalies and episodes, from the store and, beyond what that keeps, from history.

use domain::EpisodeRecord;
use domain::Series;
use domain::{SeriesKey, Tenant};
use store::{HistoryError, PastRange};

use crate::answers::{
    AnomaliesPage, AnomalyAnswer, EpisodeAnswer, EpisodeSpan, EpisodesPage, SampleAnswer,
    SeriesName,
};
use crate::error::ServiceError;
use crate::service::Service;
use crate::store_metrics::StoreOperation;

/// What history told beyond what the store keeps.
#[derive(Debug, Default)]
struct Older {
    episodes: Vec<EpisodeRecord>,
    /// Whether it did not answer.
    is_missing: bool,
}

impl Service {
    /// A page of the episodes of a series, the newest first.
    pub async fn list_episodes(
        &self,
        tenant: &Tenant,
        series: Series,
        range: PastRange,
    ) -> Result<EpisodesPage, ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        let one_more = PastRange { limit: range.limit + 1, ..range };
        let kept = self
            .totals()
            .measure(StoreOperation::Read, self.store().episodes(&key, one_more))
            .await?;
        let mut records: Vec<EpisodeRecord> = kept.iter().map(|it| it.record).collect();
        let older = self.older(&key, one_more, records.len(), records.last().map(|it| it.start_us));
        let Older { episodes, is_missing } = older.await;
        records.extend(episodes);
        if records.is_empty() && !is_missing {
            self.read(&key).await?;
        }
        let has_more = records.len() > range.limit;
        records.truncate(range.limit);
        let last_us = records.last().map(|it| it.start_us);
        Ok(EpisodesPage {
            series: SeriesName::from(key.series()),
            episodes: records.iter().map(EpisodeAnswer::from).collect(),
            next: next_of(last_us, has_more, is_missing, range),
            incomplete: is_missing,
        })
    }

    /// A page of the anomalies of a series, the newest first; of those that the store does not keep any more, the peak
    /// of each episode.
    pub async fn list_anomalies(
        &self,
        tenant: &Tenant,
        series: Series,
        range: PastRange,
    ) -> Result<AnomaliesPage, ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        let mut kept = self
            .totals()
            .measure(
                StoreOperation::Read,
                self.store().anomalies(&key, range.since_us, store::ANOMALIES_KEPT_MAX),
            )
            .await?;
        kept.retain(|it| range.before_us.is_none_or(|before_us| it.sample.at_us() < before_us));
        // Two more: one to see that there are more, one as the episode of the last page's end comes first again.
        let wanted = PastRange { limit: range.limit + 2, ..range };
        let oldest_us = kept.last().map(|it| it.sample.at_us());
        let Older { episodes, is_missing } = self.older(&key, wanted, kept.len(), oldest_us).await;
        let before_us = oldest_us.or(range.before_us).unwrap_or(i64::MAX);
        let mut anomalies: Vec<AnomalyAnswer> = kept
            .iter()
            .map(|judgement| AnomalyAnswer { sample: SampleAnswer::of(judgement), episode: None })
            .collect();
        anomalies.extend(episodes.iter().filter_map(|record| peak_before(record, before_us)));
        if anomalies.is_empty() && episodes.is_empty() && !is_missing {
            self.read(&key).await?;
        }
        let is_full = kept.len() + episodes.len() >= wanted.limit;
        let has_more = anomalies.len() > range.limit || is_full;
        anomalies.truncate(range.limit);
        // Where history has nothing but silence for a page, the next one begins before the last silence.
        let oldest_us = episodes.last().map(|it| it.start_us).filter(|_| anomalies.is_empty());
        let last_us = anomalies.last().map(|it| it.sample.timestamp).or(oldest_us);
        let next = next_of(last_us, has_more, is_missing, range);
        let series = SeriesName::from(key.series());
        Ok(AnomaliesPage { series, anomalies, next, incomplete: is_missing })
    }

    /// Episodes before those that the store keeps, to fill a page of which it has `n_kept`, the oldest of `oldest_us`.
    async fn older(
        &self,
        key: &SeriesKey,
        range: PastRange,
        n_kept: usize,
        oldest_us: Option<i64>,
    ) -> Older {
        let (Some(history), Some(limit)) = (self.history(), range.limit.checked_sub(n_kept)) else {
            return Older::default();
        };
        let before_us = oldest_us.or(range.before_us);
        if limit == 0 {
            return Older::default();
        }
        let read = history.episodes(key, PastRange { before_us, limit, ..range });
        match self.of_history("read", read).await {
            // What the store does not know to go on is over, whatever history heard of it last.
            Ok(stored) => Older {
                episodes: stored.iter().map(|it| it.record.over()).collect(),
                is_missing: false,
            },
            Err(_) => Older { episodes: Vec::new(), is_missing: true },
        }
    }

    /// `none` where history ends with the store, `ready` where it answers, the code of its failure otherwise.
    pub async fn history_state(&self) -> &'static str {
        let Some(history) = self.history() else { return "none" };
        self.of_history("ready", history.ready())
            .await
            .map_or_else(|it| HistoryError::code(&it), |()| "ready")
    }
}

fn peak_before(record: &EpisodeRecord, before_us: i64) -> Option<AnomalyAnswer> {
    let peak = record.peak.filter(|peak| peak.sample.at_us() < before_us)?;
    let (start, end, samples) = (record.start_us, record.end_us, record.n_samples);
    let episode = Some(EpisodeSpan { start, end, samples });
    Some(AnomalyAnswer { sample: SampleAnswer::of(&peak), episode })
}

/// The cursor of the next page; where history did not answer, that of the same one, from its last item on.
fn next_of(
    last_us: Option<i64>,
    has_more: bool,
    is_missing: bool,
    range: PastRange,
) -> Option<String> {
    let again_us = range.before_us.filter(|_| is_missing);
    let next_us = last_us.filter(|_| has_more || is_missing).or(again_us);
    next_us.map(|next_us| next_us.to_string())
}
