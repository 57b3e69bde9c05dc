//! Who serves: the processes of a deployment, each under a lease.
//!
//! A process that is frozen or killed says nothing more, so what it said of itself holds for the time of a lease only.

/// How long a process is believed to serve after it said so, in seconds.
pub const INSTANCE_LEASE_S: u64 = 30;

/// Most processes that are kept: ten times as many as an account of AWS runs at once unless it asks for more.
pub const INSTANCES_MAX: usize = 10_000;

/// A process that serves, as it tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The function that it serves, a word.
    pub function: String,
    /// Its name, a word that no other process of that function has.
    pub name: String,
    /// Connections that are open.
    pub n_connections: u64,
    /// Requests that are being served.
    pub n_requests: u64,
}

impl Instance {
    /// By which a store tells it from others.
    pub(crate) fn field(&self) -> String {
        format!("{} {}", self.function, self.name)
    }

    /// What is kept under its field.
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
