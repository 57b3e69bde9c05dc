//! Receivers of alerts: Alertmanager, webhooks, topics and buses of AWS, and the log.
//!
//! Each implements the port of `alert`. None retries: the notifier knows what was delivered, and when to try again.

mod alertmanager;
mod client;
mod log;
mod public_address;
mod signature;
mod webhook;

use std::pin::Pin;
use std::sync::Arc;

use alert::{Receiver, ReceiverOptions, ReceiverTarget};
use aws::{EventBus, SnsTopic};

use self::alertmanager::Alertmanager;
use self::log::AlertLog;
use self::webhook::Webhook;

/// Receivers, or why one of them cannot be opened.
type Opened = Result<Vec<Arc<dyn Receiver>>, String>;

/// Opens the receivers of a deployment; the error names the one that cannot be opened, and why.
pub fn open(options: Vec<ReceiverOptions>) -> Pin<Box<dyn Future<Output = Opened> + Send>> {
    Box::pin(async move {
        let mut receivers = Vec::with_capacity(options.len());
        for options in &options {
            receivers.push(open_one(options).await?);
        }
        Ok(receivers)
    })
}

async fn open_one(options: &ReceiverOptions) -> Result<Arc<dyn Receiver>, String> {
    let name = options.name.clone();
    let wrong = |problem: String| format!("receiver `{}`: {problem}", options.name);
    Ok(match &options.target {
        ReceiverTarget::Alertmanager { urls } => {
            Arc::new(Alertmanager::new(name, urls).map_err(wrong)?)
        }
        ReceiverTarget::Webhook { url, secrets, allows_private } => {
            Arc::new(Webhook::new(name, url, secrets, *allows_private).map_err(wrong)?)
        }
        ReceiverTarget::Log => Arc::new(AlertLog::new(name)),
        ReceiverTarget::Sns { topic_arn } => {
            Arc::new(SnsTopic::new(name, topic_arn).await.map_err(wrong)?)
        }
        ReceiverTarget::EventBridge { bus } => Arc::new(EventBus::new(name, bus.clone()).await),
    })
}
