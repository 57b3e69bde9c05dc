//! The worst day of `ingest`: real processes over a real Redis, while something is broken on purpose.
//!
//! Each test holds what was acknowledged against what the store then has. Nothing is random that the seed does not
//! choose (`CHAOS_SEED`, printed by each test), but for the order in which machine and network do things. `CHAOS_ROUNDS`
//! makes the tests longer; `make chaos` sets both, runs all of them and prints the rows that they leave in a table.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]
#![expect(clippy::print_stdout, reason = "the seed and what a run came to are worth reading")]
#![expect(clippy::print_stderr, reason = "what a process says in trouble is worth reading")]

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
// A release build has no failpoints.
#[cfg(debug_assertions)]
mod steps;
mod term;
mod trouble;
