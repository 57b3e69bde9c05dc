//! Sets up logging to stderr: one JSON object per line, or text.
//!
//! On Knative each JSON line names the service and revision, because the logs of all revisions are collected together.

use std::fmt;

use serde_json::{Map, Value};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, format};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogFormat};
use crate::platform::Platform;

/// Sends `tracing` events to stderr; a second call changes nothing.
pub fn init_tracing(config: &Config) {
    let filter = config.log_filter.clone();
    let builder = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE);
    let builder = builder.with_writer(std::io::stderr);
    let initialized = match config.log_format {
        LogFormat::Json => builder
            .fmt_fields(JsonFields::new())
            .event_format(KnativeJson::new(&config.platform))
            .finish()
            .with(filter)
            .with(filter_fn(is_redacted))
            .try_init(),
        LogFormat::Text => {
            builder.with_ansi(false).finish().with(filter).with(filter_fn(is_redacted)).try_init()
        }
    };
    // The first subscriber wins if a test starts two services in one process.
    let _is_first = initialized.is_ok();
}

/// Crates of this project, whose lines contain no secret at any level.
const OWN_CRATES: [&str; 12] = [
    "analyze",
    "aws",
    "detector",
    "domain",
    "ingest",
    "ingest_stream",
    "intake",
    "protocol",
    "server",
    "service",
    "standalone",
    "store",
];

/// True if a line is free of secrets.
///
/// Below the level `INFO`, the Lambda runtime logs whole events with their API keys, and the SDK of AWS requests with
/// their session tokens; at `INFO`, the SDK logs access key ids.
fn is_redacted(line: &Metadata<'_>) -> bool {
    let name = line.target().split("::").next().unwrap_or_default();
    if OWN_CRATES.contains(&name) {
        return true;
    }
    let lowest = if name.starts_with("aws_") { Level::WARN } else { Level::INFO };
    *line.level() <= lowest
}

/// JSON lines with the Knative service and revision.
struct KnativeJson {
    json: Format<Json>,
    /// Knative fields as JSON, each followed by a comma.
    fields: String,
}

impl KnativeJson {
    fn new(platform: &Platform) -> Self {
        let names = [("k_service", &platform.k_service), ("k_revision", &platform.k_revision)];
        let fields: Map<String, Value> = names
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())))
            .collect();
        let object = Value::from(fields).to_string();
        let inside = object.trim_start_matches('{').trim_end_matches('}');
        let fields = if inside.is_empty() { String::new() } else { format!("{inside},") };
        let json = format().json().flatten_event(true).with_current_span(true);
        Self { json, fields }
    }
}

impl<S, N> FormatEvent<S, N> for KnativeJson
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.fields.is_empty() {
            return self.json.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.json.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(rest) => write!(writer, "{{{}{rest}", self.fields),
            None => writer.write_str(&line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_name_the_knative_service_if_there_is_one() {
        assert_eq!(KnativeJson::new(&Platform::default()).fields, "");
        let k_service = Some("ingest".to_owned());
        let knative =
            Platform { k_service, k_revision: Some("ingest-1".to_owned()), ..Platform::default() };
        assert_eq!(
            KnativeJson::new(&knative).fields,
            r#""k_revision":"ingest-1","k_service":"ingest","#
        );
    }
}
