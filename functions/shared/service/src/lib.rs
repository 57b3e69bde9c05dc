//! Serves the use cases over the ports of the store.
//!
//! This crate knows neither HTTP nor Lambda: requests arrive as batches and names, and answers are serializable values.
//! Architecture invariant: between two calls a process keeps only counts that wait to be flushed, and cached judges,
//! whose versions the store checks.

mod ingest;
mod write;

mod alerting;
mod analyze;
mod configure;
mod explain;
mod feedback;
mod history_query;
mod selection;
mod series_metrics;

mod config_backup;
mod episode_history;
mod sweep;

mod service;

pub mod access;
pub mod answers;
pub mod config;

mod aws;
mod clock;
mod config_request;
mod error;
mod failpoint;
mod feedback_request;
pub mod low_priority;
mod metrics;
mod pattern;
mod platform;
mod rate_limit;
mod recent_answers;
mod rule_name;
mod series_matcher;
mod telemetry;
mod utc;
mod warnings;

pub use access::{Access, AccessError, Right};
pub use alerting::{
    AlertRules, AlertRulesError, Notified, PreviewError, PreviewRequest, RoundWait,
    send_test_message,
};
pub use analyze::WORST_SHOWN;
pub use answers::{IngestAnswer, VerdictFilter};
pub use clock::now_us;
pub use config::{Config, ConfigError, PoisonPolicy};
pub use config_request::{ConfigRequest, ConfigRequestError};
pub use error::ServiceError;
pub use feedback_request::FeedbackRequest;
pub use metrics::{EmfBuffer, EmfContext, FUNCTIONS, RecordResult, RequestFacts, emf_lines};
pub use platform::Platform;
pub use selection::{RULES_MAX, RuleError, SampleOrigin, SelectionRules};
pub use service::{Service, StoreScope, store_for};
pub use telemetry::init_tracing;

// Types of the lower crates that calls of this crate take or return.
pub use alert::{Receiver, ReceiverOptions};
pub use detector::{Detector, SpecError};
pub use intake::{
    BatchExtras, BodyFormat, ErrorClass, EventAttributes, EventError, EventIdentity, EventRecord,
    IncomingBatch, IncomingSample, IntakeError, RejectedSample, RequestLimits, TimePrecision,
    Trigger, TriggerEvent, parse, time_us, unpack,
};
pub use store::{
    History, HistoryOptions, INSTANCE_LEASE_S, Instance, PastRange, TokenBucket, TokenGrant,
    TokenRequest,
};
