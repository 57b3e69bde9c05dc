//! Receivers of alerts, as a deployment configures them.

use std::fmt;

/// A receiver of a deployment.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiverOptions {
    /// Name in policies and metrics.
    pub name: String,
    /// Kind, with its address.
    pub target: ReceiverTarget,
}

/// Where a receiver is.
#[derive(Clone, PartialEq, Eq)]
pub enum ReceiverTarget {
    /// All instances of an Alertmanager, by their addresses without `/api/v2/alerts`.
    Alertmanager {
        /// Addresses.
        urls: Vec<String>,
    },
    /// A webhook by the specification of Standard Webhooks.
    Webhook {
        /// Address.
        url: String,
        /// Secrets that sign each message, newest first; several while they are rotated.
        secrets: Vec<String>,
        /// True if the address may be one of a private network.
        allows_private: bool,
    },
    /// A topic of Amazon SNS, by its ARN.
    Sns {
        /// ARN.
        topic_arn: String,
    },
    /// A bus of Amazon EventBridge, by its name or ARN.
    EventBridge {
        /// Name or ARN.
        bus: String,
    },
    /// The log of the notifier.
    Log,
}

/// Without addresses and secrets: a path may be a secret, too.
impl fmt::Debug for ReceiverOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.target {
            ReceiverTarget::Alertmanager { .. } => "alertmanager",
            ReceiverTarget::Webhook { .. } => "webhook",
            ReceiverTarget::Sns { .. } => "sns",
            ReceiverTarget::EventBridge { .. } => "eventbridge",
            ReceiverTarget::Log => "log",
        };
        write!(f, "{} ({kind})", self.name)
    }
}

impl fmt::Debug for ReceiverTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceiverTarget")
    }
}
