//! Hosts one router on the Lambda runtime or on a port.
//!
//! A [`Function`] is a set of routes over the use cases of the crate `service`. Its router is the same
//! on both hosts: [`serve_http`] gives it a socket, [`serve_lambda`] the events of API Gateway, of a
//! function URL or of a load balancer. Lambda also brings what queues and streams deliver, and schedules. [`run()`] reads the environment and picks the host, so that a
//! `main` is one line.
//!
//! Architecture invariant: what a request means is decided in `service` and `intake`; here it is
//! only received, bounded, answered, logged and counted. Nothing here names Redis.

mod app;
mod error;
mod function;
mod heartbeat;
mod json;
mod load_shed;
mod problem;
mod request_id;

mod body;
mod offload;
mod query;
mod response_limit;
mod routes;

mod authentication;
mod deadline;
mod middleware;
mod request_telemetry;
mod router;

mod http;
mod lambda;
mod make_key;
mod run;

#[cfg(feature = "profiling")]
mod profile;

#[cfg(feature = "testbed")]
pub mod testbed;

pub use crate::app::App;
pub use crate::function::Function;
pub use crate::http::serve_http;
pub use crate::lambda::{Answer, InvocationError, StreamAnswer, answer_event, serve_lambda};
pub use crate::router::router;
pub use crate::run::{HistoryOpener, RunError, run, run_with_history};
