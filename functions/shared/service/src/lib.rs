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
mod rate_limit;
mod series_metrics;
mod service;
mod sweep;

pub mod access;
pub mod answers;
pub mod config;

mod aws;
mod clock;
mod error;
mod failpoint;
mod metrics;
mod mirror;
mod platform;
mod store_metrics;
mod telemetry;

pub use access::{Access, AccessError, Right};
pub use answers::{IngestAnswer, VerdictFilter};
pub use clock::now_us;
pub use config::{Config, ConfigError, PoisonPolicy};
pub use config_request::{ConfigRequest, ConfigRequestError};
pub use error::ServiceError;
pub use metrics::{EmfBuffer, EmfContext, FUNCTIONS, RecordResult, RequestFacts, emf_lines};
pub use platform::Platform;
pub use service::{Service, StoreScope, store_for};
pub use telemetry::init_tracing;

// Types of the lower crates that calls of this crate take or return.
pub use detector::{Detector, SpecError};
pub use intake::{
    BodyFormat, ErrorClass, EventError, EventRecord, IncomingBatch, IncomingSample, IntakeError,
    RejectedSample, RequestLimits, Trigger, TriggerEvent, parse, time_us, unpack,
};
pub use store::{History, HistoryOptions, INSTANCE_LEASE_S, Instance, PastRange};
