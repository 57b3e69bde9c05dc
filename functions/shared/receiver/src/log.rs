//! Writes alerts to the log, one line each.

use alert::{AlertMessage, Receiver, ReceiverError};
use async_trait::async_trait;
use tracing::warn;

/// The log of the process.
#[derive(Debug)]
pub(crate) struct AlertLog {
    name: String,
}

impl AlertLog {
    pub(crate) fn new(name: String) -> Self {
        Self { name }
    }
}

#[async_trait]
impl Receiver for AlertLog {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, messages: &[AlertMessage], _: i64) -> Vec<Result<(), ReceiverError>> {
        for message in messages {
            warn!(
                alert = message.id,
                revision = message.change.revision,
                phase = message.change.phase.as_str(),
                severity = message.change.severity.as_str(),
                series = ?message.key.series(),
                score = message.details.score,
                "{}",
                message.summary()
            );
        }
        messages.iter().map(|_| Ok(())).collect()
    }
}
