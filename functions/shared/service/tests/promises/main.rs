//! Promises to senders and readers, with the memory store and with a real Redis.

#![expect(clippy::unwrap_used, reason = "a test stops at the first unexpected result")]

mod configuration;
mod counters;
mod deployment;
mod limits;
mod reading;
mod selection;
mod writing;
