//! Serves the use cases over the ports.
//!
//! It knows neither HTTP nor Lambda: requests come in as batches and names, answers go out as values that serialize.
//! Architecture invariant: nothing is kept between two calls that the store does not hold, but for totals that wait
//! to be flushed; what is known of series is held against the store before it counts.

mod ahead;
mod fate;
mod known;
mod round;
mod writer;

mod analyze;
mod config_request;
mod configure;
mod history;
mod ingest;
mod past;
mod quota;
mod series_metrics;
mod service;
mod sweep;

pub mod access;
pub mod answers;
pub mod config;
pub mod emf;

mod aws;
mod clock;
mod error;
mod exposition;
mod failpoint;
mod journal;
mod metrics;
mod mirror;
mod platform;
mod telemetry;
mod timed;

pub use access::{Access, AccessError, Right};
pub use answers::{IngestAnswer, VerdictsWanted};
pub use clock::now_us;
pub use config::{Config, ConfigError, Poisoned};
pub use config_request::{ConfigRequest, ConfigRequestError};
pub use error::ServiceError;
pub use exposition::FUNCTIONS;
pub use journal::Journal;
pub use metrics::{RecordResult, RequestFacts};
pub use platform::Platform;
pub use service::{Role, Service, store_for};
pub use telemetry::init_tracing;
