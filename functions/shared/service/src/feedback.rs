//! Use case: stores, lists and removes the answers of people to verdicts.
//!
//! Answers are part of a series' configuration: the commit compares its revision, so every process judges by the same
//! answers from the next sample on, and the backup of configurations holds them, too.

use detector::{Detector, Feedback, FeedbackVerdict, Judge, SeriesConfig, SignalSet};
use domain::{Series, SeriesKey, Signal, Tenant};
use store::{ANOMALIES_KEPT_MAX, PastRange, SeriesState};
use tracing::info;

use crate::answers::{FeedbackAnswer, FeedbackPage};
use crate::clock::steady_us;
use crate::error::ServiceError;
use crate::feedback_request::FeedbackRequest;
use crate::metrics::StoreOperation;
use crate::service::Service;

/// Attempts to change a configuration that other requests change, too.
const ATTEMPTS: usize = 8;

/// Change of a configuration.
#[derive(Debug)]
pub(crate) enum ConfigUpdate {
    /// None.
    Keep,
    /// Store this one.
    Put(SeriesConfig),
    /// Remove it.
    Remove,
}

impl Service {
    /// Stores answers, each once; an answer about the same times replaces another verdict.
    pub async fn give_feedback(
        &self,
        tenant: &Tenant,
        requests: Vec<FeedbackRequest>,
    ) -> Result<FeedbackPage, ServiceError> {
        let mut page = FeedbackPage::default();
        for request in requests {
            let key = SeriesKey::new(tenant.clone(), request.series.clone());
            let state = self.read(&key).await?;
            let signals = self.signals_of(&key, &state, &request).await?;
            let FeedbackRequest { start_us, end_us, verdict, .. } = request;
            let given = Feedback { verdict, start_us, end_us, given_us: steady_us(), signals };
            self.change_config(&key, |config| match config.feedback().with(given) {
                Some(feedback) => ConfigUpdate::Put(config.clone().with_feedback(feedback)),
                None => ConfigUpdate::Keep,
            })
            .await?;
            info!(series = ?key.series(), verdict = verdict.as_str(), "feedback stored");
            page.feedback.push(FeedbackAnswer::of(&key, &given));
        }
        Ok(page)
    }

    /// Lists the answers of one series, oldest first.
    pub async fn series_feedback(
        &self,
        tenant: &Tenant,
        series: Series,
    ) -> Result<FeedbackPage, ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        let state = self.measure(StoreOperation::Read, self.store().read(&key)).await?;
        let config = state.ok_or(ServiceError::NotFound)?.config;
        let mut page = FeedbackPage::default();
        page.extend(&key, config.as_ref().map(|stored| &stored.config));
        Ok(page)
    }

    /// Lists the answers of a page of a tenant's series.
    pub async fn list_feedback(
        &self,
        tenant: &Tenant,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<FeedbackPage, ServiceError> {
        let list = self.store().list(tenant, cursor, limit);
        let listed = self.measure(StoreOperation::List, list).await?;
        let keys: Vec<SeriesKey> = listed.items.into_iter().map(|item| item.key).collect();
        let configs = self.measure(StoreOperation::Read, self.store().configs(&keys)).await?;
        let mut page = FeedbackPage { feedback: Vec::new(), next: listed.next };
        for (key, stored) in keys.iter().zip(&configs) {
            page.extend(key, stored.as_ref().map(|stored| &stored.config));
        }
        Ok(page)
    }

    /// Removes the answers of a series that include a time, or all.
    pub async fn withdraw_feedback(
        &self,
        tenant: &Tenant,
        series: Series,
        at_us: Option<i64>,
    ) -> Result<(), ServiceError> {
        let key = SeriesKey::new(tenant.clone(), series);
        let state = self.measure(StoreOperation::Read, self.store().read(&key)).await?;
        state.ok_or(ServiceError::NotFound)?;
        self.change_config(&key, |config| match config.feedback().without(at_us) {
            Some(feedback) if feedback.given().is_empty() && !config.has_settings() => {
                ConfigUpdate::Remove
            }
            Some(feedback) => ConfigUpdate::Put(config.clone().with_feedback(feedback)),
            None => ConfigUpdate::Keep,
        })
        .await?;
        info!(series = ?key.series(), "feedback removed");
        Ok(())
    }

    /// Changes a configuration by compare-and-set; returns it with its revision, 0 if there was nothing to remove.
    pub(crate) async fn change_config(
        &self,
        key: &SeriesKey,
        change: impl Fn(&SeriesConfig) -> ConfigUpdate,
    ) -> Result<(SeriesConfig, i64), ServiceError> {
        let keys = [key.clone()];
        for _ in 0..ATTEMPTS {
            let read = self.store().configs(&keys);
            let stored = self.measure(StoreOperation::Read, read).await?.pop().flatten();
            let (before, revision) =
                stored.map_or_else(Default::default, |stored| (stored.config, stored.revision));
            let config = match change(&before) {
                ConfigUpdate::Keep => return Ok((before, revision)),
                ConfigUpdate::Remove if revision == 0 => return Ok((before, 0)),
                ConfigUpdate::Remove => None,
                ConfigUpdate::Put(config) => Some(config),
            };
            let replace = self.store().replace_config(key, config.as_ref(), revision);
            if let Some(revision) = self.measure(StoreOperation::Commit, replace).await? {
                return Ok((config.unwrap_or_default(), revision));
            }
        }
        Err(ServiceError::ConfigContended)
    }

    /// Signals that an answer is about: those that raised the anomaly, or of a missed one that nearest to an alarm.
    async fn signals_of(
        &self,
        key: &SeriesKey,
        state: &SeriesState,
        request: &FeedbackRequest,
    ) -> Result<SignalSet, ServiceError> {
        let judge = self.restore_for_reading(key, state);
        if request.verdict == FeedbackVerdict::Missed {
            return Ok(SignalSet::only(nearest(&judge, request)));
        }
        let FeedbackRequest { start_us, end_us, .. } = *request;
        let anomalies = self.store().anomalies(key, start_us, ANOMALIES_KEPT_MAX);
        let anomalies = self.measure(StoreOperation::Read, anomalies).await?;
        let within = anomalies.iter().filter(|anomaly| anomaly.sample.at_us() <= end_us);
        let mut signals: Vec<Signal> =
            within.filter_map(|anomaly| anomaly.verdict.anomaly_signal()).collect();
        if signals.is_empty() {
            let range = PastRange {
                since_us: start_us,
                before_us: Some(end_us.saturating_add(1)),
                limit: ANOMALIES_KEPT_MAX,
            };
            let episodes = self.store().episodes(key, range);
            let episodes = self.measure(StoreOperation::Read, episodes).await?;
            signals.extend(episodes.iter().map(|episode| episode.record.signal()));
        }
        let sets = signals.into_iter().map(SignalSet::only);
        sets.reduce(SignalSet::union).ok_or_else(|| ServiceError::FeedbackInvalid {
            problem: "no anomaly of the series is stored at this time: expected the times of one, \
                      or `missed`"
                .to_owned(),
        })
    }
}

/// The signal that was nearest to an alarm at the time of a missed anomaly, by the state now.
fn nearest(judge: &Judge, request: &FeedbackRequest) -> Signal {
    let judged = judge.window().judged().iter().rev();
    let mut within = judged
        .map(|judged| judged.sample)
        .filter(|sample| (request.start_us..=request.end_us).contains(&sample.at_us()));
    let signals = within.next().map(|sample| judge.explain(sample).signals).unwrap_or_default();
    let share = |score: &detector::SignalScore| score.score / score.threshold;
    let nearest = signals.iter().max_by(|a, b| share(a).total_cmp(&share(b)));
    let first = match judge.memory().detector {
        Detector::Tidemark(tidemark) => tidemark.signals.iter().next(),
        _ => None,
    };
    nearest.map(|nearest| nearest.signal).or(first).unwrap_or(Signal::Deviation)
}
