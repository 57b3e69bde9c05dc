//! The runtime contract of Knative, tested with the real binary: port, signals, file system, user.
//!
//! Real processes and a real Redis, but no cluster.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

mod contract;
mod pod;
mod wire;
