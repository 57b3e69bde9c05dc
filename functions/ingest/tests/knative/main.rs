//! The contract of Knative's runtime, kept by the real binary: its port, its signals, its file system, its user.
//!
//! Real processes, a real Redis, no cluster; what only a cluster can show is not claimed here.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

mod contract;
mod pod;
mod wire;
