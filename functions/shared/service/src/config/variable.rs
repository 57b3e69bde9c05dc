//! Declares every environment variable once: name, values, default and description.
//!
//! The reader takes ranges and defaults from here, and the table in the documents is generated from here.

use std::fmt::Write;
use std::ops::RangeInclusive;

/// An environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Name.
    pub name: &'static str,
    /// Accepted values.
    pub values: Values,
    /// Default as text; empty if the variable is optional.
    pub default: &'static str,
    /// Description, with the unit of numbers.
    pub doc: &'static str,
}

/// Accepted values of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// Whole number in a range.
    Number(RangeInclusive<u64>),
    /// One of several words.
    Choice(&'static [&'static str]),
    /// Text of this form.
    Text(&'static str),
}

impl Variable {
    /// Renders all variables as a Markdown table.
    pub fn markdown_table() -> String {
        let mut table =
            "| variable | values | default | description |\n|---|---|---|---|\n".to_owned();
        for Self { name, values, default, doc } in Self::ALL {
            let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
            let values = match values {
                Values::Number(range) => format!("{} to {}", range.start(), range.end()),
                Values::Choice(words) => format!("`{}`", words.join("`, `")),
                Values::Text(form) => (*form).to_owned(),
            };
            // Writing to a string cannot fail.
            let _infallible = writeln!(table, "| `{name}` | {values} | {default} | {doc} |");
        }
        table
    }
}

/// Most series in `/metrics/series` of the exporter: each is seven lines of text and seven Prometheus series.
pub const EXPORTER_SERIES_MAX: u64 = 1_000;

/// Longest wait of a Redis call or connection, in milliseconds.
/// Sizes of a store, in bytes: from one that holds some hundred series to more than one machine has.
const STORE_BYTES_RANGE: RangeInclusive<u64> = 16 << 20..=1 << 50;

const REDIS_WAITS_MS: RangeInclusive<u64> = 10..=60_000;

/// Upper bound of memory sizes: larger numbers are mistakes.
const BYTES_MAX: u64 = 1 << 40;

const FILE: Values = Values::Text("path");

macro_rules! variables {
    ($($constant:ident: $name:literal, $values:expr, $default:literal, $doc:literal;)*) => {
        $(pub(super) const $constant: Variable =
            Variable { name: $name, values: $values, default: $default, doc: $doc };)*
        impl Variable {
            /// All variables in the order of the documents.
            pub const ALL: &'static [Self] = &[$($constant),*];
        }
    };
}

variables! {
    LISTEN_HOST: "LISTEN_HOST", Values::Text("IP address"), "127.0.0.1",
        "Address to listen on. Containers need `0.0.0.0`, which requires API keys.";
    PORT: "PORT", Values::Number(0..=65_535), "8080",
        "Port to listen on; 0 picks a free one.";
    API_KEYS: "TIDEMARK_API_KEYS", Values::Text("entries `tenant:rights:sha256-hex`"), "",
        "API keys by hash, separated by commas or white space.";
    API_KEYS_FILE: "TIDEMARK_API_KEYS_FILE", FILE, "",
        "File with the same entries, instead of the variable.";
    ACCESS: "TIDEMARK_ACCESS", Values::Choice(&["keys", "open"]), "keys",
        "Access without API keys. `keys` serves loopback addresses only and never AWS Lambda; `open` trusts every caller \
         as the tenant `default`.";
    REDIS_URL: "REDIS_URL", Values::Text("`redis://` or `rediss://`"), "",
        "Address of the store; several separated by commas for a cluster. If absent, `standalone` stores series in its own \
         memory.";
    REDIS_USERNAME: "REDIS_USERNAME", Values::Text("text"), "",
        "Redis user, instead of the one in the address.";
    REDIS_PASSWORD: "REDIS_PASSWORD", Values::Text("text"), "",
        "Redis password, instead of the one in the address.";
    REDIS_PASSWORD_FILE: "REDIS_PASSWORD_FILE", FILE, "",
        "File with the Redis password, instead of the variable.";
    REDIS_PASSWORD_ARN: "REDIS_PASSWORD_ARN", Values::Text("ARN"), "",
        "Secrets Manager secret or Systems Manager parameter with the Redis password, as text or as JSON with `password` \
         and optionally `username`. Fetched for each new connection.";
    REDIS_IAM: "REDIS_IAM", Values::Text("`serverless:` or `cluster:`, and the name"), "",
        "ElastiCache cache to authenticate to with IAM tokens instead of a password.";
    REDIS_CA_FILE: "REDIS_CA_FILE", FILE, "",
        "PEM file with the certificate authorities of a `rediss://` server, instead of the public ones.";
    REDIS_TOPOLOGY: "REDIS_TOPOLOGY", Values::Choice(&["single", "cluster"]), "single",
        "Redis topology.";
    REDIS_CONNECT_TIMEOUT: "REDIS_CONNECT_TIMEOUT_MS", Values::Number(REDIS_WAITS_MS), "1000",
        "Timeout of a connection attempt to Redis, in milliseconds.";
    REDIS_RESPONSE_TIMEOUT: "REDIS_RESPONSE_TIMEOUT_MS", Values::Number(REDIS_WAITS_MS), "1500",
        "Timeout of a Redis call, in milliseconds.";
    SAMPLES_PER_S: "TIDEMARK_TENANT_SAMPLES_PER_S_MAX", Values::Number(0..=1_000_000_000), "100000",
        "Rate limit of a tenant in samples per second, over all processes; beyond it 429. Samples of `POST /analyze` count, \
         each request counts as at least one, and 4 KiB of a decompressed body as one. 0 disables the limit.";
    READS_PER_S: "TIDEMARK_TENANT_READS_PER_S_MAX", Values::Number(0..=1_000_000_000), "200",
        "Rate limit of a tenant in reads and changes of configuration per second and process; beyond it 429. Each hundred \
         items of a page are one. 0 disables the limit.";
    SERIES_MAX: "TIDEMARK_TENANT_SERIES_MAX", Values::Number(1..=1_000_000_000), "10000",
        "Series per tenant, and configurations of series; samples of further series are rejected as `too_many_series`.";
    TENANT_PERCENT: "TIDEMARK_TENANT_STORE_PERCENT", Values::Number(1..=100), "50",
        "Share of the store that the series of one tenant may fill, in percent, if the memory of the store is known.";
    STORE_BYTES: "TIDEMARK_STORE_BYTES_MAX", Values::Number(STORE_BYTES_RANGE), "",
        "Memory of the store in bytes. By default the `maxmemory` of Redis, if its user may call `INFO`. New series are \
         refused beyond what fits.";
    CIRCUIT_FAILURES: "REDIS_CIRCUIT_FAILURES", Values::Number(1..=1_000_000), "5",
        "Consecutive failures that open the circuit breaker of Redis, or of one shard of a cluster.";
    CIRCUIT_PAUSE: "REDIS_CIRCUIT_PAUSE_MS", Values::Number(REDIS_WAITS_MS), "1000",
        "Time that a circuit breaker stays open before it lets one call through, in milliseconds, with 25 % jitter.";
    HISTORY_TABLE: "TIDEMARK_HISTORY_TABLE", Values::Text("table name or ARN"), "",
        "DynamoDB table to which `analyze` and `standalone` save episodes and series configurations; configured like every \
         AWS SDK (`AWS_REGION`, `AWS_ENDPOINT_URL_DYNAMODB`). If absent, only the store holds them.";
    HISTORY_DAYS: "TIDEMARK_HISTORY_DAYS", Values::Number(1..=36_500), "400",
        "Time an episode stays in that table after its last change, in days.";
    SHARDS: "TIDEMARK_SHARDS", Values::Number(1..=16_384), "64",
        "Shards of the store; fixed once the store has data.";
    DETECTOR: "TIDEMARK_DETECTOR", Values::Text("detector spec"), "",
        "Detector of all series without their own; `traffic` if absent.";
    GENERATION: "TIDEMARK_DETECTOR_GENERATION", Values::Number(0..=4_294_967_295), "0",
        "Raise by one with each change of the detector: series of a lower generation migrate once.";
    RULES: "TIDEMARK_RULES", Values::Text("JSON array of rules"), "",
        "Rules that select and rename samples before they are stored; see [selecting](selecting.md).";
    RULES_FILE: "TIDEMARK_RULES_FILE", FILE, "",
        "File with the same rules, instead of the variable.";
    ALERTS: "TIDEMARK_ALERTS", Values::Text("JSON object"), "",
        "Receivers and policies of alerts; see [alerts](alerts.md). Without it there are no receivers.";
    ALERTS_FILE: "TIDEMARK_ALERTS_FILE", FILE, "",
        "File with the same object, instead of the variable.";
    JUDGE_CACHE: "TIDEMARK_JUDGE_CACHE_BYTES_MAX", Values::Number(0..=BYTES_MAX), "",
        "Size of the cache of detector states in bytes, about 11 KB per series. A cached series is written with one store \
         call instead of two. By default 16777216 with Redis, and 0 with the embedded store.";
    TIME_AHEAD: "TIDEMARK_TIME_AHEAD_MAX_MS", Values::Number(0..=86_400_000), "30000",
        "Tolerance for sample times in the future, in milliseconds; samples beyond it are rejected.";
    REQUEST_TIMEOUT: "TIDEMARK_REQUEST_TIMEOUT_MS", Values::Number(100..=900_000), "10000",
        "Timeout of a request, in milliseconds.";
    SAMPLES_MAX: "TIDEMARK_SAMPLES_MAX", Values::Number(1..=1_000_000), "10000",
        "Samples per request.";
    BODY_BYTES_MAX: "TIDEMARK_BODY_BYTES_MAX", Values::Number(1..=1 << 30), "1048576",
        "Size of a request body as sent, in bytes.";
    UNPACKED_BYTES_MAX: "TIDEMARK_UNPACKED_BYTES_MAX", Values::Number(1..=1 << 32), "8388608",
        "Size of a request body after decompression, in bytes; metrics of OpenTelemetry may have two and a half times as \
         many.";
    IN_FLIGHT_BYTES: "TIDEMARK_IN_FLIGHT_BYTES_MAX", Values::Number(1..=BYTES_MAX), "67108864",
        "Memory for requests in bytes: bodies, and the samples, judges and answers that they become. Beyond it short \
         requests get 503, and long ones wait.";
    IN_FLIGHT_REQUESTS: "TIDEMARK_IN_FLIGHT_REQUESTS_MAX", Values::Number(1..=1_000_000), "4096",
        "Concurrent requests; beyond it 503.";
    CONNECTIONS_MAX: "TIDEMARK_CONNECTIONS_MAX", Values::Number(1..=1_000_000), "10000",
        "Open connections of clients; beyond it idle ones are closed. Fewer if the limit on file descriptors is lower: the \
         process raises its soft limit to the hard one.";
    EXPORTER_SERIES: "TIDEMARK_EXPORTER_SERIES_MAX", Values::Number(0..=EXPORTER_SERIES_MAX), "0",
        "Series in `/metrics/series` of the exporter; 0 disables the route.";
    STREAM_TENANT: "TIDEMARK_STREAM_TENANT", Values::Text("tenant"), "default",
        "Tenant of all samples that `ingest-stream` receives from queues and streams.";
    STREAM_POISONED: "TIDEMARK_STREAM_POISONED", Values::Choice(&["report", "skip"]), "report",
        "Handling of a Kinesis record that can never be stored. `report` fails it: the event source mapping retries it, \
         then sends it to its failure destination. `skip` logs its sequence number and continues with the shard.";
    EMF: "TIDEMARK_EMF", Values::Choice(&["on", "off"]), "on",
        "On AWS Lambda, writes the metrics of each invocation to the log in CloudWatch embedded metric format.";
    EMF_NAMESPACE: "TIDEMARK_EMF_NAMESPACE", Values::Text("up to 255 of `A-Za-z0-9._-/#:`"), "Tidemark",
        "CloudWatch namespace of these metrics; use one per deployment.";
    DEBUG: "TIDEMARK_DEBUG", Values::Choice(&["off", "on"]), "off",
        "Serves profiles and runtime metrics under `/debug`, with the right `admin`; not possible on AWS Lambda.";
    UI: "TIDEMARK_UI", Values::Choice(&["auto", "on", "off"]), "auto",
        "Serves the page `/ui` of `analyze` and `standalone`; `auto` does so for processes without API keys, which only \
         the loopback reaches.";
    LOG: "RUST_LOG", Values::Text("levels"), "info",
        "Log filter: a level, optionally with levels of modules, such as `info,store=debug`. Other libraries never log below \
         `info`, the SDK of AWS never below `warn`: they would log secrets.";
    LOG_FORMAT: "TIDEMARK_LOG_FORMAT", Values::Choice(&["json", "text"]), "json",
        "Log format.";
    LAMBDA_LOG_LEVEL: "AWS_LAMBDA_LOG_LEVEL", Values::Text("level"), "",
        "Log level if `RUST_LOG` is absent; set by the logging configuration of a Lambda function.";
    LAMBDA_LOG_FORMAT: "AWS_LAMBDA_LOG_FORMAT", Values::Text("`JSON` or `Text`"), "",
        "`JSON` overrides `TIDEMARK_LOG_FORMAT`, because Lambda then parses the lines; set by the logging configuration of \
         a Lambda function.";
}
