//! The functions as Lambda runs them: the real binaries, over the runtime API on the loopback and a real Redis.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

mod http;
mod kit;
mod log;
mod stream;
