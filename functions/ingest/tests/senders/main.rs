//! Real senders, unchanged, in front of the real binary: what they send is stored with its values and times.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

mod haproxy;
mod process;
mod prometheus;
