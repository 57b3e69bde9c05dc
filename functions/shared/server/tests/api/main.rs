//! The API as clients use it, on the memory store.
//!
//! Every answer in these tests is checked against `openapi.json`: status, headers, media type and all fields.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

mod client;
mod compliance;
mod config;
mod document;
mod explain;
mod feedback;

mod access;
mod analyze;
mod bounds;
mod connections;
mod debug;
mod deliveries;
mod etag;
mod http2;
mod influx;
mod ingest;
mod lists;
mod operation;
mod otlp;
mod otlp_specification;
mod packing;
mod remote_write;
mod socket;
