//! The API as its users see it, with the embedded store in the place of Redis.
//!
//! Every answer of every test here is held against `openapi.json`: its status, its headers, its media
//! type and each of its fields.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

mod client;
mod config;
mod document;

mod access;
mod analyze;
mod bounds;
mod debug;
mod http2;
mod ingest;
mod lists;
mod operation;
mod packing;
mod socket;
