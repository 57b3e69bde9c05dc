//! Use case without a request: checks the alerts of series with changed episodes, and delivers what changed.
//!
//! One process of a deployment notifies at a time, under a lease; the next process continues where it stopped. A message is
//! delivered at least once: one that was sent before a failure is sent again with the same identity.
//!
//! A receiver that does not answer within a round delays no other: a later round records its results. If the process ends
//! before that, its messages are sent again, too.

use std::sync::Arc;
use std::time::Duration;

use alert::{AlertMessage, Receiver, ReceiverError, SeriesAlerts};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use store::StoredAlerts;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::warn;

use super::check::{AlertCheck, read_alerts};
use super::delivery::{Results, SentChange, SlowDelivery, record};
use super::notifier::{DELIVERY_TIMEOUT, Notifier};
use crate::clock::steady_us;
use crate::error::ServiceError;
use crate::metrics::{NotificationResult, StoreOperation};
use crate::service::Service;

/// Time after which another process may notify.
const LEASE: Duration = Duration::from_secs(15);

/// Series checked in one round.
const CHECKED_MAX: usize = 500;

/// Series checked concurrently.
const CONCURRENCY: usize = 16;

/// Messages for one receiver in one round.
const MESSAGES_MAX: usize = 64;

/// Messages sent at once to a receiver: so many answer within the time of a round.
const PART_LEN: usize = 8;

/// Work of one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notified {
    /// Messages delivered.
    pub delivered: usize,
    /// Messages that a receiver did not take.
    pub failed: usize,
    /// True if more may be due at once.
    pub more: bool,
}

impl Service {
    /// Checks the alerts that are due, and delivers what changed; does nothing without receivers, or if another process
    /// notifies.
    pub async fn notify(&self) -> Result<Notified, ServiceError> {
        let Some(notifier) = self.notifier() else { return Ok(Notified::default()) };
        let Some(_turn) = notifier.take_turn() else { return Ok(Notified::default()) };
        let lease = self.store().lease_notifier(notifier.holder(), LEASE);
        if !self.measure(StoreOperation::Lease, lease).await? {
            return Ok(Notified::default());
        }
        let mut done = Notified::default();
        self.record_ended(&mut done).await?;
        let now_us = steady_us();
        let due = self.store().due_alerts(now_us, CHECKED_MAX);
        let due = self.measure(StoreOperation::List, due).await?;
        if due.is_empty() {
            return Ok(done);
        }
        let n_due = due.len();
        let checks = due.into_iter().map(|due| self.check_alerts(due, notifier, now_us));
        let checks: Vec<Result<Option<AlertCheck>, ServiceError>> =
            stream::iter(checks).buffer_unordered(CONCURRENCY).collect().await;
        let is_full = n_due == CHECKED_MAX && checks.iter().any(Result::is_ok);
        done.more = is_full;
        let mut checks: Vec<AlertCheck> =
            checks.into_iter().filter_map(|check| check.inspect_err(warn_of).ok()?).collect();
        // The checks may have taken long. Without the lease nothing is sent, and the places in the queue stay.
        let lease = self.store().lease_notifier(notifier.holder(), LEASE);
        if !self.measure(StoreOperation::Lease, lease).await? {
            return Ok(done);
        }
        let deliveries = notifier
            .receivers()
            .iter()
            .map(|receiver| self.deliver(notifier, receiver, &checks, now_us));
        for (receiver, delivered) in notifier.receivers().iter().zip(join_all(deliveries).await) {
            done.more |= delivered.len() == MESSAGES_MAX
                && delivered.iter().all(|(_, result)| result.is_ok());
            for (sent, result) in delivered {
                self.count_delivery(&mut done, receiver.name(), &result);
                let Some(check) = checks.iter_mut().find(|check| check.key == sent.key) else {
                    continue;
                };
                self.record_result(&mut check.alerts, receiver.name(), &sent, &result);
            }
        }
        let finished =
            checks.into_iter().map(|check| self.finish_check(check, notifier, steady_us()));
        let finished: Vec<Result<(), ServiceError>> =
            stream::iter(finished).buffer_unordered(CONCURRENCY).collect().await;
        finished.iter().filter_map(|finished| finished.as_ref().err()).for_each(warn_of);
        Ok(done)
    }

    /// Lets another process notify at once.
    pub async fn stop_notifying(&self) {
        let Some(notifier) = self.notifier() else { return };
        if let Err(error) = self.store().release_notifier(notifier.holder()).await {
            warn!(code = error.code(), %error, "the lease of the notifier is not released");
        }
    }

    /// Sends the messages that are due to one receiver; returns the results, if it answers within a round.
    async fn deliver(
        &self,
        notifier: &Notifier,
        receiver: &Arc<dyn Receiver>,
        checks: &[AlertCheck],
        now_us: i64,
    ) -> Vec<(SentChange, Result<(), ReceiverError>)> {
        let name = receiver.name();
        if notifier.is_busy(name) || now_us < notifier.paused_until_us(name) {
            return Vec::new();
        }
        let (sent, messages) = outgoing(notifier, receiver.as_ref(), checks, now_us);
        if messages.is_empty() {
            return Vec::new();
        }
        let until_us = steady_us() + DELIVERY_TIMEOUT.as_micros() as i64;
        let mut task = tokio::spawn(send_within(Arc::clone(receiver), messages, now_us));
        let Ok(results) = timeout(notifier.wait().duration(), &mut task).await else {
            notifier.leave(name, SlowDelivery { sent, task, until_us });
            return Vec::new();
        };
        let results = results.unwrap_or_default();
        note_results(notifier, name, &results);
        sent.into_iter().zip(results).collect()
    }

    /// Records the results of deliveries that earlier rounds did not wait for.
    async fn record_ended(&self, done: &mut Notified) -> Result<(), ServiceError> {
        let Some(notifier) = self.notifier() else { return Ok(()) };
        for (receiver, SlowDelivery { sent, task, .. }) in notifier.take_ended() {
            // A task that has ended does not wait. One that panicked has sent nothing that is known.
            let results = task.await.unwrap_or_default();
            note_results(notifier, &receiver, &results);
            for (sent, result) in sent.into_iter().zip(results) {
                self.count_delivery(done, &receiver, &result);
                self.record_stored(&receiver, &sent, &result).await?;
            }
        }
        Ok(())
    }

    /// Records a result in the stored alerts of its series. If these change at the same time, the message is sent again.
    async fn record_stored(
        &self,
        receiver: &str,
        sent: &SentChange,
        result: &Result<(), ReceiverError>,
    ) -> Result<(), ServiceError> {
        let stored = self.store().alerts(&sent.key);
        let stored = self.measure(StoreOperation::Read, stored).await?;
        let mut alerts = read_alerts(&sent.key, &stored);
        self.record_result(&mut alerts, receiver, sent, result);
        let text = serde_json::to_string(&alerts).unwrap_or_default();
        if alerts.is_empty() || text == stored.text {
            return Ok(());
        }
        let alerts = StoredAlerts { text, ..stored };
        let save = self.store().save_alerts(&sent.key, &alerts, None);
        self.measure(StoreOperation::Commit, save).await?;
        Ok(())
    }

    /// Records the result of a message in the alerts of its series.
    fn record_result(
        &self,
        alerts: &mut SeriesAlerts,
        receiver: &str,
        sent: &SentChange,
        result: &Result<(), ReceiverError>,
    ) {
        if record(alerts, receiver, sent, result, steady_us()) {
            self.totals().count_notification(receiver, NotificationResult::GivenUp);
        }
    }

    fn count_delivery(
        &self,
        done: &mut Notified,
        receiver: &str,
        result: &Result<(), ReceiverError>,
    ) {
        let (n, result) = match result {
            Ok(()) => (&mut done.delivered, NotificationResult::Delivered),
            Err(_) => (&mut done.failed, NotificationResult::Failed),
        };
        *n += 1;
        self.totals().count_notification(receiver, result);
    }
}

/// Pauses a receiver that took nothing, and logs the first failure.
fn note_results(notifier: &Notifier, receiver: &str, results: &Results) {
    notifier.pause(receiver, results.iter().all(Result::is_err), steady_us());
    if let Some(Err(error)) = results.iter().find(|result| result.is_err()) {
        let n_failed = results.iter().filter(|result| result.is_err()).count();
        warn!(receiver, n_failed, %error, "alerts are not delivered");
    }
}

/// Sends messages in parts until the time is over, or one part fails as a whole; returns the results of those that were
/// sent.
async fn send_within(
    receiver: Arc<dyn Receiver>,
    messages: Vec<AlertMessage>,
    now_us: i64,
) -> Results {
    let late =
        || ReceiverError::Failed { reason: "it does not answer".to_owned(), retry_after: None };
    let until = Instant::now() + DELIVERY_TIMEOUT;
    let mut results = Vec::with_capacity(messages.len());
    for part in messages.chunks(PART_LEN) {
        let Ok(sent) = timeout_at(until, receiver.send(part, now_us)).await else {
            results.extend(part.iter().map(|_| Err(late())));
            break;
        };
        let is_failing = sent.iter().all(Result::is_err);
        results.extend(sent);
        if is_failing {
            break;
        }
    }
    results
}

/// Changes that are due to a receiver, and their messages.
fn outgoing(
    notifier: &Notifier,
    receiver: &dyn Receiver,
    checks: &[AlertCheck],
    now_us: i64,
) -> (Vec<SentChange>, Vec<AlertMessage>) {
    let page_url = notifier.rules().page_url.as_deref();
    let of_check = |checked: &AlertCheck| {
        let is_of_receiver = |name: &String| name == receiver.name();
        let alerts = checked.alerts.alerts.iter();
        let of_receiver = alerts.filter(|alert| alert.receivers.iter().any(is_of_receiver));
        let due = of_receiver.filter_map(|alert| {
            let change = alert.due(receiver.name(), receiver.forgets(), now_us)?;
            let message = checked.message(alert, change, page_url);
            let (key, start_us) = (checked.key.clone(), alert.start_us);
            Some((SentChange { key, start_us, change }, message))
        });
        due.collect::<Vec<_>>()
    };
    checks.iter().flat_map(of_check).take(MESSAGES_MAX).unzip()
}

fn warn_of(error: &ServiceError) {
    warn!(code = error.code(), %error, "the alerts of a series are not checked");
}
