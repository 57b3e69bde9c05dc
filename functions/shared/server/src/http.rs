//! Serves HTTP/1.1 and HTTP/2 on a TCP listener.
//!
//! hyper is driven by hand for bounds that axum's server lacks: a limit on connections, timeouts for request headers and
//! idle connections, and little memory for idle ones.

mod connection;
mod connection_service;
mod connection_table;
mod descriptors;
pub(crate) mod host_header;
mod keep_alive;
mod lingering_close;
mod rewind_io;
mod serve;

pub(crate) use connection_table::ConnectionKind;
pub(crate) use descriptors::raise_limit;
pub(crate) use serve::connections_max;
pub use serve::serve_http;
