//! Fault injection: real `ingest` processes over a real Redis, while processes, networks and servers fail.
//!
//! Each test compares the acknowledged samples with the store. All random choices follow from the seed (`CHAOS_SEED`,
//! printed by each test); only the timing of machine and network varies. `CHAOS_ROUNDS` makes the tests longer. `make
//! chaos` sets both, runs all tests and prints their report rows as a table.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]
#![expect(clippy::print_stdout, reason = "the seed and the report rows are output")]
#![expect(clippy::print_stderr, reason = "the log of a process helps to debug a failure")]

mod account;
mod client;
mod dice;
mod kit;
mod process;
mod report;
mod workload;

mod clients;
mod cluster;
mod kill;
mod rate;
mod restart;
// A release build has no failpoints.
#[cfg(debug_assertions)]
mod steps;
mod tenants;
mod term;
mod trouble;
