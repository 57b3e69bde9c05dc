//! Configuration from environment variables, read and checked in one place.
//!
//! All mistakes are reported together. [`Variable::ALL`] declares the variables, and the documents are generated from it.

mod log;
mod reader;
mod redis;
mod variable;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use detector::{DeployedDetector, Detector};
use domain::Tenant;
use intake::RequestLimits;
use store::{HistoryOptions, RedisCredentials, RedisOptions, StoreLimits};
use tracing_subscriber::filter::Targets;

use crate::access::{Access, ApiKeys, parse_tenant};
use crate::alerting::AlertRules;
use crate::platform::Platform;
use crate::selection::SelectionRules;

use self::reader::ConfigReader;
use self::variable::{
    ACCESS, ALERTS, ALERTS_FILE, API_KEYS, API_KEYS_FILE, BODY_BYTES_MAX, CONNECTIONS_MAX, DEBUG,
    DETECTOR, EMF, EMF_NAMESPACE, EXPORTER_SERIES, GENERATION, HISTORY_DAYS, HISTORY_TABLE,
    IN_FLIGHT_BYTES, IN_FLIGHT_REQUESTS, JUDGE_CACHE, LISTEN_HOST, PORT, READS_PER_S,
    REQUEST_TIMEOUT, RULES, RULES_FILE, SAMPLES_MAX, SAMPLES_PER_S, SERIES_MAX, STORE_BYTES,
    STREAM_POISONED, STREAM_TENANT, TENANT_PERCENT, TIME_AHEAD, UI, UNPACKED_BYTES_MAX,
};

pub use self::log::LogFormat;
pub use self::reader::ConfigError;
pub use self::variable::{EXPORTER_SERIES_MAX, Values, Variable};

/// Longest CloudWatch namespace, in bytes.
const EMF_NAMESPACE_LEN_MAX: usize = 255;

/// Default size of the judge cache with Redis, in bytes: about 1,500 series.
const JUDGE_CACHE_BYTES: u64 = 16 << 20;

/// Callers of a process; they decide whether it needs API keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Clients that send and read samples.
    Tenants,
    /// Operators: of the exporter and the sweeper.
    Operators,
    /// Queues and streams: IAM decides what may invoke the function, so keys are not used.
    Triggers,
}

/// Complete configuration of a process.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on.
    pub listen_host: IpAddr,
    /// Port to listen on; 0 picks a free one.
    pub port: u16,
    /// Access policy.
    pub access: Access,
    /// Connection to Redis; `None` for the memory store.
    pub redis: Option<RedisOptions>,
    /// Credentials of Redis that are not part of its address.
    pub redis_credentials: RedisCredentials,
    /// Durable history in DynamoDB, if any.
    pub history: Option<HistoryOptions>,
    /// Detector of the deployment.
    pub deployed: DeployedDetector,
    /// Size of the judge cache, in bytes; 0 disables it.
    pub judge_cache_bytes_max: usize,
    /// Tolerance for sample times in the future, in microseconds.
    pub time_ahead_max_us: i64,
    /// Timeout of a request.
    pub request_timeout: Duration,
    /// Samples per second of one tenant; 0 for no limit.
    pub samples_per_s_max: u64,
    /// Reads per second of one tenant and process; 0 for no limit.
    pub reads_per_s_max: u64,
    /// Limits of series and configurations in the store.
    pub store_limits: StoreLimits,
    /// Rules that select and rename samples.
    pub rules: SelectionRules,
    /// Receivers and policies of alerts.
    pub alerts: AlertRules,
    /// Limits of one request.
    pub limits: RequestLimits,
    /// Size of all request bodies in memory, in bytes.
    pub in_flight_bytes_max: usize,
    /// Concurrent requests.
    pub requests_in_flight_max: usize,
    /// Open connections of clients.
    pub connections_max: usize,
    /// Series in the exporter's `/metrics/series`; 0 disables it.
    pub exporter_series_max: usize,
    /// Platform of the process.
    pub platform: Platform,
    /// Tenant of `ingest-stream`.
    pub stream_tenant: Tenant,
    /// Handling of Kinesis records that can never be stored.
    pub stream_poisoned: PoisonPolicy,
    /// True to write metrics as EMF on AWS Lambda.
    pub emf: bool,
    /// CloudWatch namespace of these metrics.
    pub emf_namespace: String,
    /// True to serve the page for people.
    pub serves_ui: bool,
    /// True to serve profiles.
    pub serves_debug: bool,
    /// Log filter.
    pub log_filter: Targets,
    /// Log format.
    pub log_format: LogFormat,
}

/// Handling of a record that can never be stored, in a stream where it blocks its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoisonPolicy {
    /// Report it as failed until the event source mapping gives up.
    Report,
    /// Log it and continue.
    Skip,
}

impl Config {
    /// Reads the configuration of a function that tenants call.
    pub fn from_env(vars: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        Self::read(vars, Audience::Tenants)
    }

    /// Reads the configuration of a function with these callers.
    ///
    /// Ignores undeclared variables, unless their names start with `TIDEMARK_`: these are reported as misspelled.
    pub fn read(
        vars: impl Iterator<Item = (String, String)>,
        audience: Audience,
    ) -> Result<Self, ConfigError> {
        let mut reader = ConfigReader::new(vars);
        let listen_host = reader.listen_host();
        let redis = reader.redis();
        let connect_timeout = redis.as_ref().map_or(Duration::ZERO, |redis| redis.connect_timeout);
        let exporter_series_max = reader.number(&EXPORTER_SERIES) as usize;
        // With the memory store a cache would only hold each series twice.
        let judge_cache_bytes = if redis.is_some() { JUDGE_CACHE_BYTES } else { 0 };
        let access = match audience {
            // Totals are public to anyone on the network; the series of a tenant are not.
            Audience::Operators if exporter_series_max == 0 => Access::Open,
            Audience::Triggers => Access::Open,
            _ => reader.access(listen_host),
        };
        let is_open = matches!(access, Access::Open);
        let config = Self {
            listen_host,
            port: reader.number(&PORT) as u16,
            access,
            redis,
            redis_credentials: reader.redis_credentials(connect_timeout),
            history: reader.history(),
            deployed: DeployedDetector {
                detector: reader.detector(),
                generation: reader.number(&GENERATION) as u32,
            },
            judge_cache_bytes_max: reader.number_or(&JUDGE_CACHE, judge_cache_bytes) as usize,
            time_ahead_max_us: reader.number(&TIME_AHEAD) as i64 * 1_000,
            request_timeout: Duration::from_millis(reader.number(&REQUEST_TIMEOUT)),
            samples_per_s_max: reader.number(&SAMPLES_PER_S),
            reads_per_s_max: reader.number(&READS_PER_S),
            store_limits: StoreLimits {
                tenant_series_max: reader.number(&SERIES_MAX),
                tenant_percent: reader.number(&TENANT_PERCENT),
                memory_bytes: Some(reader.number(&STORE_BYTES)).filter(|bytes| *bytes > 0),
            },
            rules: reader.rules(&RULES, &RULES_FILE, SelectionRules::parse),
            alerts: reader.rules(&ALERTS, &ALERTS_FILE, AlertRules::parse),
            limits: RequestLimits {
                n_samples_max: reader.number(&SAMPLES_MAX) as usize,
                body_bytes_max: reader.number(&BODY_BYTES_MAX) as usize,
                unpacked_bytes_max: reader.number(&UNPACKED_BYTES_MAX) as usize,
            },
            in_flight_bytes_max: reader.number(&IN_FLIGHT_BYTES) as usize,
            requests_in_flight_max: reader.number(&IN_FLIGHT_REQUESTS) as usize,
            connections_max: reader.number(&CONNECTIONS_MAX) as usize,
            exporter_series_max,
            platform: Platform::of(&reader.vars),
            stream_tenant: reader.stream_tenant(),
            stream_poisoned: reader
                .choice(&STREAM_POISONED, [PoisonPolicy::Report, PoisonPolicy::Skip]),
            emf: reader.choice(&EMF, [true, false]),
            emf_namespace: reader.emf_namespace(),
            serves_ui: reader.choice(&UI, [is_open, true, false]),
            serves_debug: reader.serves_debug(),
            log_filter: reader.log_filter(),
            log_format: reader.log_format(),
        };
        reader.check_body_fits(&config);
        let ConfigReader { mistakes, .. } = reader;
        if mistakes.is_empty() { Ok(config) } else { Err(ConfigError { mistakes }) }
    }

    /// True if metrics are written to the log: on AWS Lambda, where CloudWatch reads them.
    pub fn writes_emf(&self) -> bool {
        self.emf && self.platform.is_lambda
    }
}

/// Builds the message for a process that others can reach but that has no keys.
fn keys_missing(reason: &str) -> String {
    format!(
        "{} is missing, and {reason}: create a key with the arguments `key TENANT RIGHTS`, or set {}=open to trust every \
         caller, if something else authenticates them",
        API_KEYS.name, ACCESS.name
    )
}

impl ConfigReader {
    fn listen_host(&mut self) -> IpAddr {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let Some(text) = self.text(&LISTEN_HOST) else { return localhost };
        text.parse().unwrap_or_else(|_| {
            self.mistake(&LISTEN_HOST, &text, "an IP address");
            localhost
        })
    }

    /// Checks that the largest body fits into memory, or its sender would retry forever.
    fn check_body_fits(&mut self, config: &Config) {
        let needed = config.limits.body_bytes_max.saturating_add(config.limits.unpacked_bytes_max);
        if config.in_flight_bytes_max < needed {
            self.mistakes.push(format!(
                "{} `{}` is smaller than one body, compressed and decompressed: expected at least {needed}, {} plus {}",
                IN_FLIGHT_BYTES.name,
                config.in_flight_bytes_max,
                BODY_BYTES_MAX.name,
                UNPACKED_BYTES_MAX.name
            ));
        }
    }

    fn detector(&mut self) -> Detector {
        let Some(text) = self.text(&DETECTOR) else { return Detector::default() };
        text.parse().unwrap_or_else(|error| {
            self.mistakes.push(format!("{}: {error}", DETECTOR.name));
            Detector::default()
        })
    }

    /// Reads rules from a variable or a file; the default if neither is set, or if they are invalid.
    fn rules<T: Default, E: fmt::Display>(
        &mut self,
        variable: &Variable,
        file: &Variable,
        parse: fn(&str) -> Result<T, E>,
    ) -> T {
        let Some(text) = self.text_or_file(variable, file) else { return T::default() };
        let source = if self.text(file).is_some() { file } else { variable };
        parse(&text).unwrap_or_else(|error| {
            self.mistakes.push(format!("{}: {error}", source.name));
            T::default()
        })
    }

    fn access(&mut self, listen_host: IpAddr) -> Access {
        let n_mistakes = self.mistakes.len();
        let keys = self.text_or_file(&API_KEYS, &API_KEYS_FILE);
        let is_open = self.choice(&ACCESS, [false, true]);
        let source = if self.text(&API_KEYS_FILE).is_some() { API_KEYS_FILE } else { API_KEYS };
        match keys.as_deref().map(ApiKeys::parse) {
            Some(Ok(keys)) => return Access::Keys(keys),
            Some(Err(mistakes)) => {
                let named =
                    mistakes.into_iter().map(|mistake| format!("{} {mistake}", source.name));
                self.mistakes.extend(named);
            }
            None if is_open || self.mistakes.len() > n_mistakes => {}
            None if Platform::of(&self.vars).is_lambda => {
                self.mistakes.push(keys_missing("on AWS Lambda others can call it"));
            }
            None if !listen_host.is_loopback() => {
                let reason = format!("others can reach {} `{listen_host}`", LISTEN_HOST.name);
                self.mistakes.push(keys_missing(&reason));
            }
            None => {}
        }
        Access::Open
    }

    fn emf_namespace(&mut self) -> String {
        let name = self.text(&EMF_NAMESPACE).unwrap_or_else(|| EMF_NAMESPACE.default.to_owned());
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/#:".contains(&byte);
        let is_valid = name.len() <= EMF_NAMESPACE_LEN_MAX
            && name.bytes().all(is_plain)
            && !name.starts_with(':');
        if !is_valid {
            let expected = "up to 255 characters of `A-Za-z0-9._-/#:`, the first no `:`";
            self.mistake(&EMF_NAMESPACE, &name, expected);
        }
        name
    }

    fn stream_tenant(&mut self) -> Tenant {
        let Some(name) = self.text(&STREAM_TENANT) else { return Tenant::default() };
        parse_tenant(&name).unwrap_or_else(|problem| {
            self.mistakes.push(format!("{} `{name}` is invalid: {problem}", STREAM_TENANT.name));
            Tenant::default()
        })
    }

    fn history(&mut self) -> Option<HistoryOptions> {
        let days = self.number(&HISTORY_DAYS) as u32;
        let table = self.text(&HISTORY_TABLE)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-:/".contains(c);
        if table.len() < 3 || !table.chars().all(is_plain) {
            self.mistake(&HISTORY_TABLE, &table, "the name or ARN of a table");
        }
        Some(HistoryOptions { table, days })
    }

    /// Refuses profiles on Lambda: the process is frozen between invocations, and every caller could read them.
    fn serves_debug(&mut self) -> bool {
        let serves_debug = self.choice(&DEBUG, [false, true]);
        if serves_debug && Platform::of(&self.vars).is_lambda {
            self.mistakes.push(format!("{}=on is not possible on AWS Lambda", DEBUG.name));
        }
        serves_debug
    }
}

#[cfg(test)]
mod tests;
