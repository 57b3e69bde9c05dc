//! The embedded store: series in the memory of one process.
//!
//! For a laptop, a single pod and the tests of everything above; its data ends with the process. It follows the
//! protocol of the Redis store step by step, under one lock.

mod alerts;
mod config;
mod leases;
mod reader;
mod status;
mod store;
mod sweep;
mod writer;

pub use self::store::EmbeddedStore;
