//! Deliveries of one receiver: what was sent, and the results; of a receiver that does not answer within a round, later.

use alert::{AlertChange, ReceiverError, SeriesAlerts};
use domain::SeriesKey;
use tokio::task::JoinHandle;

/// Results of messages, in their order.
pub(super) type Results = Vec<Result<(), ReceiverError>>;

/// A change of an alert that was sent to a receiver.
#[derive(Debug)]
pub(super) struct SentChange {
    pub(super) key: SeriesKey,
    /// Start of the episode, which identifies the alert of the series.
    pub(super) start_us: i64,
    pub(super) change: AlertChange,
}

/// Messages on their way to one receiver.
#[derive(Debug)]
pub(super) struct SlowDelivery {
    pub(super) sent: Vec<SentChange>,
    pub(super) task: JoinHandle<Results>,
    /// Time at which it ends at the latest, in Unix microseconds.
    pub(super) until_us: i64,
}

impl SlowDelivery {
    pub(super) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}

/// Records the result of one message in its alert; returns whether the message is given up.
pub(super) fn record(
    alerts: &mut SeriesAlerts,
    receiver: &str,
    sent: &SentChange,
    result: &Result<(), ReceiverError>,
    now_us: i64,
) -> bool {
    let mut alerts = alerts.alerts.iter_mut();
    let Some(alert) = alerts.find(|alert| alert.start_us == sent.start_us) else { return false };
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
