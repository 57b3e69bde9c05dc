//! Logs: one JSON object a line on stderr, or text for people.

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Sends what `tracing` records to stderr; a second call changes nothing.
pub fn init_tracing(config: &Config) {
    let filter = EnvFilter::try_new(&config.log_filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let initialized = match config.log_format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).try_init(),
        LogFormat::Text => builder.with_ansi(false).try_init(),
    };
    // A test that starts two services in one process keeps the first subscriber.
    let _is_first = initialized.is_ok();
}
