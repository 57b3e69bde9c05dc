//! The functions that share this host.
//!
//! They differ in what they serve and in where series may live, and in nothing else.

use std::fmt;

use service::StoreScope;
use service::config::Audience;

/// A deployable function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Samples in, verdicts out.
    Ingest,
    /// Samples in, from queues and streams; it has no routes, and is hosted by AWS Lambda only.
    IngestStream,
    /// What is normal, what is not, and why.
    Analyze,
    /// Both in one process.
    Standalone,
    /// Totals of all the others, for Prometheus: a mode of `analyze` that is always on and no tenant's.
    Exporter,
    /// A mode of `analyze` that sweeps, for whoever asks: for a clock that can present no key.
    Sweeper,
}

impl Function {
    /// Every function.
    pub const ALL: [Self; 6] = [
        Self::Ingest,
        Self::IngestStream,
        Self::Analyze,
        Self::Standalone,
        Self::Exporter,
        Self::Sweeper,
    ];

    /// Its name in logs and metric labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::IngestStream => "ingest-stream",
            Self::Analyze => "analyze",
            Self::Standalone => "standalone",
            Self::Exporter => "exporter",
            Self::Sweeper => "sweeper",
        }
    }

    /// Who else must see the series that it stores.
    pub(crate) fn role(self) -> StoreScope {
        match self {
            Self::Standalone => StoreScope::Process,
            _ => StoreScope::Shared,
        }
    }

    /// For whom it is.
    pub(crate) fn audience(self) -> Audience {
        match self {
            Self::Exporter | Self::Sweeper => Audience::Operators,
            Self::IngestStream => Audience::Triggers,
            _ => Audience::Tenants,
        }
    }

    /// Whether it looks after samples that a writer left behind; one function of a deployment is enough.
    pub(crate) fn sweeps(self) -> bool {
        matches!(self, Self::Analyze | Self::Standalone | Self::Sweeper)
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
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
