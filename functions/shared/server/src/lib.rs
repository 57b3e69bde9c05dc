//! Serves a function over HTTP or as an AWS Lambda function.
//!
//! A [`Function`] is a set of routes over the use cases of the crate `service`. The same router serves a socket
//! ([`serve_http`]) and the HTTP events of Lambda ([`serve_lambda`]), which also delivers the events of queues, streams and
//! schedules. [`run()`] reads the command line and the environment, so that a `main` is one line.
//!
//! Architecture invariant: this crate receives, bounds, answers, logs and counts requests. `service` interprets them, and
//! only `service` uses the store.

mod app;
mod error;
mod etag;
mod function;
mod heartbeat;
mod held_body;
mod in_flight;
mod json;
mod problem;
mod read_limit;
mod request_id;

mod body;
mod counted_body;
mod dialect;
mod otlp_message;
mod page;
mod query;
mod response_limit;
mod routes;

mod authentication;
mod middleware;
mod request_telemetry;
mod router;

mod alerts_command;
mod cli;
mod http;
mod lambda;
mod run;

#[cfg(feature = "profiling")]
mod profile;

#[cfg(feature = "testbed")]
pub mod testbed;

pub use crate::app::App;
pub use crate::function::Function;
pub use crate::http::serve_http;
pub use crate::lambda::{
    InvocationAnswer, InvocationError, StreamAnswer, answer_event, serve_lambda,
};
pub use crate::router::router;
pub use crate::run::{Adapters, HistoryOpener, ReceiverOpener, RunError, run, run_with};
