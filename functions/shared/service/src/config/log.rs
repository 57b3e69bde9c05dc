//! Reads the log filter and format, with the variables that AWS Lambda sets for them.

use tracing::Level;
use tracing_subscriber::filter::Targets;

use super::reader::ConfigReader;
use super::variable::{LAMBDA_LOG_FORMAT, LAMBDA_LOG_LEVEL, LOG, LOG_FORMAT};

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Text for people.
    Text,
}

impl ConfigReader {
    pub(super) fn log_filter(&mut self) -> Targets {
        let default = Targets::new().with_default(Level::INFO);
        if let Some(filter) = self.text(&LOG) {
            return filter.parse().unwrap_or_else(|_| {
                self.mistake(&LOG, &filter, "levels such as `info` or `info,store=debug`");
                default
            });
        }
        let Some(level) = self.text(&LAMBDA_LOG_LEVEL) else { return default };
        let level = match level.to_ascii_lowercase().as_str() {
            "trace" => Level::TRACE,
            "debug" => Level::DEBUG,
            "info" => Level::INFO,
            "warn" => Level::WARN,
            // `tracing` has no level above error.
            "error" | "fatal" => Level::ERROR,
            _ => {
                self.mistake(&LAMBDA_LOG_LEVEL, &level, "TRACE, DEBUG, INFO, WARN, ERROR or FATAL");
                return default;
            }
        };
        Targets::new().with_default(level)
    }

    pub(super) fn log_format(&mut self) -> LogFormat {
        let format = self.choice(&LOG_FORMAT, [LogFormat::Json, LogFormat::Text]);
        let lambda = self.text(&LAMBDA_LOG_FORMAT);
        let is_json = lambda.is_some_and(|format| format.eq_ignore_ascii_case("json"));
        if is_json { LogFormat::Json } else { format }
    }
}
