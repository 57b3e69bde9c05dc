//! The three functions that share this host.
//!
//! They differ in their routes and in where series may live, and in nothing else.

use std::fmt;

use service::Role;

/// A deployable function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Samples in, verdicts out.
    Ingest,
    /// What is normal, what is not, and why.
    Analyze,
    /// Both in one process.
    Standalone,
}

impl Function {
    /// Its name in logs and metric labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Analyze => "analyze",
            Self::Standalone => "standalone",
        }
    }

    /// Who else must see the series that it stores.
    pub(crate) fn role(self) -> Role {
        match self {
            Self::Ingest | Self::Analyze => Role::Shared,
            Self::Standalone => Role::Alone,
        }
    }

    /// Whether it looks after samples that a writer left behind; one function of a deployment is enough.
    pub(crate) fn sweeps(self) -> bool {
        matches!(self, Self::Analyze | Self::Standalone)
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
