//! The Redis store: series in sorted sets, written by two atomic scripts.
//!
//! `append` and `commit` are Lua scripts (`redis/*.lua`). A call touches keys of one shard, which share a hash tag and
//! so a slot of a cluster, for as many series of the shard as a batch has, within a bound. There are no locks: a commit
//! is a compare-and-set on the version. `SCAN` and `KEYS` are never used.

mod keys;
mod reply;

mod circuit;
mod cluster_routing;
mod connection;
mod credentials;

mod acknowledged;
mod call_turns;
mod capacity;
mod cardinality_limit;
mod clock;
mod scripts;
mod series_calls;
mod store;

mod alerts;
mod config;
mod leases;
mod reader;
mod status;
mod sweep;
mod writer;

pub use self::circuit::CircuitOptions;
pub use self::connection::{RedisOptions, Topology};
pub use self::credentials::RedisCredentials;
pub use self::store::RedisStore;
