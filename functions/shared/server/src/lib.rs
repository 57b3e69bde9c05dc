//! Hosts one router on the Lambda runtime or on a port.
//!
//! A [`Function`] is a set of routes over the use cases of the crate `service`. Its router is the same
//! on both hosts: [`serve_http`] gives it a socket, [`serve_lambda`] the events of API Gateway, of a
//! function URL or of a load balancer. Lambda also brings what queues and streams deliver, and schedules. [`run()`] reads the environment and picks the host, so that a
//! `main` is one line.
//!
//! Architecture invariant: what a request means is decided in `service` and `intake`; here it is
//! only received, bounded, answered, logged and counted. Nothing here names Redis.

mod function;
mod router;
mod routes;

mod body;
mod query;

mod answer;
mod error;
mod fit;
mod problem;

mod app;
mod compute;
mod load;
mod presence;

#[cfg(feature = "profiling")]
mod profile;

mod credential;
mod deadline;
mod observe;
mod passage;
mod request_id;

mod connection;
mod lambda;
mod linger;
mod make_key;
mod pulse;
mod run;
mod serve;
mod wire;

#[cfg(feature = "testbed")]
pub mod testbed;

pub use crate::app::App;
pub use crate::function::Function;
pub use crate::lambda::{Answer, InvocationError, StreamAnswer, answer_event, serve_lambda};
pub use crate::router::router;
pub use crate::run::{HistoryOpener, RunError, run, run_with_history};
pub use crate::serve::serve_http;
