//! The functions as Lambda runs them: the real binaries, over an emulated runtime API and a real Redis.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

mod http;
mod kit;
mod log;
mod stream;
