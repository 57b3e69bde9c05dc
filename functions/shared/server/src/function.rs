//! The functions of the deployment.
//!
//! They differ in their routes, in the audience of their access rules, and in whether their series are shared.

use std::fmt;

use service::StoreScope;
use service::config::Audience;

/// A deployable function, or a mode of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Receives samples over HTTP.
    Ingest,
    /// Receives samples from queues and streams; has no routes, and runs on AWS Lambda only.
    IngestStream,
    /// Answers queries, and sweeps.
    Analyze,
    /// Ingest and analyze in one process.
    Standalone,
    /// A mode of analyze: exports the totals of all functions to Prometheus, always on, for operators.
    Exporter,
    /// A mode of analyze: sweeps without authentication, for a scheduler that has no key.
    Sweeper,
    /// A mode of analyze: delivers alerts without authentication, always on.
    Notifier,
}

impl Function {
    /// All functions.
    pub const ALL: [Self; 7] = [
        Self::Ingest,
        Self::IngestStream,
        Self::Analyze,
        Self::Standalone,
        Self::Exporter,
        Self::Sweeper,
        Self::Notifier,
    ];

    /// The name in logs and metric labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::IngestStream => "ingest-stream",
            Self::Analyze => "analyze",
            Self::Standalone => "standalone",
            Self::Exporter => "exporter",
            Self::Sweeper => "sweeper",
            Self::Notifier => "notifier",
        }
    }

    /// One sentence for the help.
    pub(crate) fn summary(self) -> &'static str {
        match self {
            Self::Ingest => {
                "stores samples of load metrics, and judges each as normal or anomalous"
            }
            Self::IngestStream => {
                "does the work of `ingest` for events of SQS, Kinesis, EventBridge, SNS and Firehose, on AWS Lambda"
            }
            Self::Analyze => {
                "reports the state of series, their anomalies and episodes, and sweeps"
            }
            Self::Standalone => {
                "detects anomalies in load metrics: `ingest` and `analyze` in one process, in memory unless REDIS_URL is set"
            }
            Self::Exporter => "exports the totals of all functions to Prometheus",
            Self::Sweeper => "sweeps on `POST /sweep` without a key, for a scheduler",
            Self::Notifier => "sweeps, and delivers alerts to the receivers of TIDEMARK_ALERTS",
        }
    }

    /// The processes that must see its series.
    pub(crate) fn store_scope(self) -> StoreScope {
        match self {
            Self::Standalone => StoreScope::Process,
            _ => StoreScope::Shared,
        }
    }

    /// The clients it serves.
    pub(crate) fn audience(self) -> Audience {
        match self {
            Self::Exporter | Self::Sweeper | Self::Notifier => Audience::Operators,
            Self::IngestStream => Audience::Triggers,
            _ => Audience::Tenants,
        }
    }

    /// True if its binary can deliver alerts.
    pub(crate) fn notifies(self) -> bool {
        matches!(self, Self::Analyze | Self::Standalone)
    }

    /// True if it sweeps samples that a crashed writer left unjudged, and delivers alerts if it has receivers; one function
    /// of a deployment is enough.
    pub(crate) fn sweeps(self) -> bool {
        matches!(self, Self::Analyze | Self::Standalone | Self::Sweeper | Self::Notifier)
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_has_metrics_from_zero() {
        for function in Function::ALL {
            assert!(service::FUNCTIONS.contains(&function.name()), "{function}");
        }
    }
}
