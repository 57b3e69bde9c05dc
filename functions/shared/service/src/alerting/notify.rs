//! Use case without a request: checks the alerts of series with changed episodes, and delivers what changed.
//!
//! One process of a deployment notifies at a time, under a lease; the next process continues where it stopped. A message is
//! delivered at least once: one that was sent before a failure is sent again with the same identity.

use std::time::Duration;

use alert::{AlertChange, AlertMessage, Receiver, ReceiverError};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::check::AlertCheck;
use super::notifier::Notifier;
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

/// Time after which a receiver is paused, too, although it took messages.
const SLOW: Duration = Duration::from_secs(2);

/// Longest time for which a round waits for one receiver: within the lease.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(8);

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

/// Change of an alert that is sent, with the places of check and alert.
struct SentChange {
    check: usize,
    alert: usize,
    change: AlertChange,
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
        let now_us = steady_us();
        let due = self.store().due_alerts(now_us, CHECKED_MAX);
        let due = self.measure(StoreOperation::List, due).await?;
        if due.is_empty() {
            return Ok(Notified::default());
        }
        let n_due = due.len();
        let checks = due.into_iter().map(|due| self.check_alerts(due, notifier, now_us));
        let checks: Vec<Result<Option<AlertCheck>, ServiceError>> =
            stream::iter(checks).buffer_unordered(CONCURRENCY).collect().await;
        let is_full = n_due == CHECKED_MAX && checks.iter().any(Result::is_ok);
        let mut done = Notified { more: is_full, ..Notified::default() };
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
            .map(|receiver| self.deliver(notifier, receiver.as_ref(), &checks, now_us));
        for (receiver, delivered) in notifier.receivers().iter().zip(join_all(deliveries).await) {
            done.more |= delivered.len() == MESSAGES_MAX
                && delivered.iter().all(|(_, result)| result.is_ok());
            for (sent, result) in delivered {
                self.count_delivery(&mut done, receiver.name(), &result);
                if record(&mut checks, receiver.name(), &sent, &result, steady_us()) {
                    let given_up = NotificationResult::GivenUp;
                    self.totals().count_notification(receiver.name(), given_up);
                }
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

    /// Sends the messages that are due to one receiver.
    async fn deliver(
        &self,
        notifier: &Notifier,
        receiver: &dyn Receiver,
        checks: &[AlertCheck],
        now_us: i64,
    ) -> Vec<(SentChange, Result<(), ReceiverError>)> {
        let name = receiver.name();
        if now_us < notifier.paused_until_us(name) {
            return Vec::new();
        }
        let (sent, messages) = outgoing(notifier, receiver, checks, now_us);
        if messages.is_empty() {
            return Vec::new();
        }
        let begun_at = Instant::now();
        let results = send_within(receiver, &messages, now_us).await;
        let is_failing = results.iter().all(Result::is_err);
        let is_slow = begun_at.elapsed() > SLOW;
        notifier.pause(name, is_failing || is_slow, steady_us());
        if let Some(Err(error)) = results.iter().find(|result| result.is_err()) {
            let n_failed = results.iter().filter(|result| result.is_err()).count();
            warn!(receiver = name, n_failed, %error, "alerts are not delivered");
        }
        sent.into_iter().zip(results).collect()
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

/// Sends messages in parts until the time is over, or one part fails as a whole; returns the results of those that were
/// sent.
async fn send_within(
    receiver: &dyn Receiver,
    messages: &[AlertMessage],
    now_us: i64,
) -> Vec<Result<(), ReceiverError>> {
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
    let of_check = |(check, checked): (usize, &AlertCheck)| {
        let alerts = checked.alerts.alerts.iter().enumerate();
        let of_receiver =
            alerts.filter(|(_, alert)| alert.receivers.iter().any(|name| name == receiver.name()));
        let due = of_receiver.filter_map(|(position, alert)| {
            let change = alert.due(receiver.name(), receiver.forgets(), now_us)?;
            let message = checked.message(alert, change, page_url);
            Some((SentChange { check, alert: position, change }, message))
        });
        due.collect::<Vec<_>>()
    };
    checks.iter().enumerate().flat_map(of_check).take(MESSAGES_MAX).unzip()
}

/// Records the result of one message in its alert; returns whether the message is given up.
fn record(
    checks: &mut [AlertCheck],
    receiver: &str,
    sent: &SentChange,
    result: &Result<(), ReceiverError>,
    now_us: i64,
) -> bool {
    let alert = &mut checks[sent.check].alerts.alerts[sent.alert];
    let delivery = alert.deliveries.entry(receiver.to_owned()).or_default();
    match result {
        Ok(()) => {
            delivery.delivered(&sent.change, now_us);
            false
        }
        Err(ReceiverError::Failed { retry_after, .. }) => {
            let retry_after_us = retry_after.map(|wait| wait.as_micros() as i64);
            delivery.failed(&sent.change, now_us, retry_after_us, false)
        }
        Err(_) => delivery.failed(&sent.change, now_us, None, true),
    }
}

fn warn_of(error: &ServiceError) {
    warn!(code = error.code(), %error, "the alerts of a series are not checked");
}
