//! Processes of a deployment, each with a lease.
//!
//! A frozen or killed process does not end its lease, so its report is valid for the time of a lease only.

/// Duration of a lease, in seconds.
pub const INSTANCE_LEASE_S: u64 = 30;

/// Most leases: ten times the default limit of concurrent processes of an AWS account.
pub const INSTANCES_MAX: usize = 10_000;

/// Report of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its function, a word without spaces.
    pub function: String,
    /// Its name, a word without spaces, unique for the function.
    pub name: String,
    /// Open connections.
    pub n_connections: u64,
    /// Requests in progress.
    pub n_requests: u64,
}

impl Instance {
    /// Key of the report in a store.
    pub(crate) fn field(&self) -> String {
        format!("{} {}", self.function, self.name)
    }

    /// Value of the report in a store.
    pub(crate) fn numbers(&self) -> String {
        format!("{} {}", self.n_connections, self.n_requests)
    }

    /// Reads back what [`Instance::field`] and [`Instance::numbers`] wrote.
    pub(crate) fn read(field: &str, numbers: &str) -> Option<Self> {
        let (function, name) = field.split_once(' ')?;
        let (n_connections, n_requests) = numbers.split_once(' ')?;
        Some(Self {
            function: function.to_owned(),
            name: name.to_owned(),
            n_connections: n_connections.parse().ok()?,
            n_requests: n_requests.parse().ok()?,
        })
    }
}
