//! Configuration: environment variables, read and checked in one place.
//!
//! Every mistake is reported at once. The table in the README is made from the same declaration
//! ([`Variable::ALL`]), so it cannot be wrong.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use aws::SecretArn;
use detector::{DeployedDetector, Detector};
use domain::{SHARDS_DEFAULT, Tenant};
use intake::Limits;
use store::{
    CircuitOptions, CredentialsProvider, HistoryOptions, RedisCredentials, RedisOptions,
    SERIES_MAX_DEFAULT, Secret, Topology,
};
use thiserror::Error;
use tracing::Level;
use tracing_subscriber::filter::Targets;

use crate::access::{Access, ApiKeys, tenant_of};
use crate::aws::{iam_login, secret_login};
use crate::platform::{LAMBDA_RUNTIME, Platform};

/// One environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What holds without it, as text.
    pub default: &'static str,
    /// What it sets, with its unit.
    pub doc: &'static str,
}

macro_rules! variables {
    ($($constant:ident: $name:literal, $default:literal, $doc:literal;)*) => {
        $(const $constant: Variable = Variable { name: $name, default: $default, doc: $doc };)*
        impl Variable {
            /// All variables that are read, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$($constant),*];
        }
    };
}

variables! {
    LISTEN_HOST: "LISTEN_HOST", "127.0.0.1", "Address to listen on; a container wants `0.0.0.0`, and then API keys";
    PORT: "PORT", "8080", "Port to listen on; 0 takes a free one";
    API_KEYS: "TIDEMARK_API_KEYS", "", "Who may do what: entries `tenant:rights:sha256-hex` with commas or white space \
        between";
    API_KEYS_FILE: "TIDEMARK_API_KEYS_FILE", "", "File with such entries, in the place of the variable";
    ACCESS: "TIDEMARK_ACCESS", "keys", "What holds without keys. `keys`: only a loopback address is served, and not AWS \
        Lambda; `open`: whoever can reach it is trusted, as the tenant `default`";
    REDIS_URL: "REDIS_URL", "", "`redis://` or `rediss://` address of the store, several with commas for a cluster; \
        without it `standalone` keeps series in its own memory";
    REDIS_USERNAME: "REDIS_USERNAME", "", "User of the access control list of Redis, in the place of the address's";
    REDIS_PASSWORD: "REDIS_PASSWORD", "", "Its password, in the place of the address's";
    REDIS_PASSWORD_FILE: "REDIS_PASSWORD_FILE", "", "File with that password, in the place of the variable";
    REDIS_PASSWORD_ARN: "REDIS_PASSWORD_ARN", "", "Secret of AWS Secrets Manager, or parameter of AWS Systems Manager, \
        that holds that password, or JSON with `password` and perhaps `username`; asked for when a connection is opened, \
        signed with the `AWS_*` variables of the process's role";
    REDIS_IAM: "REDIS_IAM", "", "Cache on AWS that knows the user by IAM, in the place of a password: `serverless:` or \
        `cluster:` and its name; tokens are signed with the `AWS_*` variables of the process's role";
    REDIS_CA_FILE: "REDIS_CA_FILE", "", "File with the certificates, in PEM, that vouch for a `rediss://` server; \
        by default those that browsers trust";
    REDIS_TOPOLOGY: "REDIS_TOPOLOGY", "single", "`single` or `cluster`";
    REDIS_CONNECT_TIMEOUT: "REDIS_CONNECT_TIMEOUT_MS", "1000", "Longest wait for a connection to Redis";
    REDIS_RESPONSE_TIMEOUT: "REDIS_RESPONSE_TIMEOUT_MS", "1500", "Longest wait for an answer of Redis";
    SAMPLES_PER_S: "TIDEMARK_TENANT_SAMPLES_PER_S_MAX", "100000", "Samples a second of one tenant, over all processes; \
        past it 429; 0 for no bound";
    SERIES_MAX: "TIDEMARK_TENANT_SERIES_MAX", "100000", "Series of one tenant; samples of a further one are rejected \
        as `too_many_series`";
    CIRCUIT_FAILURES: "REDIS_CIRCUIT_FAILURES", "5", "Failures in a row after which Redis, or a shard of a cluster, is \
        left alone for a while";
    CIRCUIT_PAUSE: "REDIS_CIRCUIT_PAUSE_MS", "1000", "How long it is left alone, give or take a quarter, before one \
        call tries again";
    HISTORY_TABLE: "TIDEMARK_HISTORY_TABLE", "", "Table of DynamoDB to which `analyze` and `standalone` bring episodes \
        and configurations, found as by every AWS SDK (`AWS_REGION`, `AWS_ENDPOINT_URL_DYNAMODB`); without it history \
        ends with what the store keeps";
    HISTORY_DAYS: "TIDEMARK_HISTORY_DAYS", "400", "How long an episode is kept there after the last word on it";
    SHARDS: "TIDEMARK_SHARDS", "64", "Shards of the store, fixed for its life";
    DETECTOR: "TIDEMARK_DETECTOR", "", "Detector of all series; by default `traffic`";
    GENERATION: "TIDEMARK_DETECTOR_GENERATION", "0", "Raise it by one with each change of the detector; \
        series of a lower generation migrate once";
    KNOWN_BYTES: "TIDEMARK_KNOWN_BYTES_MAX", "", "Bytes of series that a process keeps from one request to the next, about \
        11 KB each; those are written by one call of the store and not two. By default 16777216 beside Redis, and 0 \
        where series live in the process itself";
    TIME_AHEAD: "TIDEMARK_TIME_AHEAD_MAX_MS", "30000", "How far a sample's time may be ahead of the clock";
    REQUEST_TIMEOUT: "TIDEMARK_REQUEST_TIMEOUT_MS", "10000", "Longest time for one request";
    SAMPLES_MAX: "TIDEMARK_SAMPLES_MAX", "10000", "Most samples of one request";
    BODY_BYTES_MAX: "TIDEMARK_BODY_BYTES_MAX", "1048576", "Longest body as sent";
    UNPACKED_BYTES_MAX: "TIDEMARK_UNPACKED_BYTES_MAX", "8388608", "Longest body unpacked";
    IN_FLIGHT_BYTES: "TIDEMARK_IN_FLIGHT_BYTES_MAX", "67108864", "Bytes of bodies held at once; past it 503";
    IN_FLIGHT_REQUESTS: "TIDEMARK_IN_FLIGHT_REQUESTS_MAX", "4096", "Requests served at once; past it 503";
    EXPORTER_SERIES: "TIDEMARK_EXPORTER_SERIES_MAX", "0", "Most series, up to 1000, of which `/metrics/series` of the \
        exporter tells; 0 for none";
    STREAM_TENANT: "TIDEMARK_STREAM_TENANT", "default", "Tenant of all that `ingest-stream` takes from queues and streams";
    STREAM_POISONED: "TIDEMARK_STREAM_POISONED", "report", "What becomes of a record of Kinesis that can never be \
        stored. `report`: it fails, and the event source mapping retries it as often as it is told, then sends word to \
        its destination; `skip`: it is logged with its sequence number, and its shard goes on";
    EMF: "TIDEMARK_EMF", "on", "`on` or `off`: whether on AWS Lambda each invocation leaves its metrics in the log, in the \
        embedded format of CloudWatch";
    EMF_NAMESPACE: "TIDEMARK_EMF_NAMESPACE", "Tidemark", "Their namespace; another one keeps another deployment apart";
    DEBUG: "TIDEMARK_DEBUG", "off", "`on` serves profiles and figures of the runtime under `/debug`, with the right `admin`; \
        never on AWS Lambda";
    LOG: "RUST_LOG", "info", "Log filter: a level, and others of modules, as `info,store=debug`";
    LOG_FORMAT: "TIDEMARK_LOG_FORMAT", "json", "`json` or `text`";
    LAMBDA_LOG_LEVEL: "AWS_LAMBDA_LOG_LEVEL", "", "Set by the logging configuration of a Lambda function: the log level \
        where `RUST_LOG` is not set";
    LAMBDA_LOG_FORMAT: "AWS_LAMBDA_LOG_FORMAT", "", "Set likewise: `JSON` overrides the format above, as Lambda then \
        reads the lines; `Text`, which it says by default, does not";
}

/// Longest namespace of CloudWatch, in bytes.
const EMF_NAMESPACE_LEN_MAX: usize = 255;

/// Most series of which an exporter tells: ten thousand lines of text, and of Prometheus's series.
pub const EXPORTER_SERIES_MAX: usize = 1_000;

/// For whom a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Those who send and read samples.
    Tenants,
    /// Those who operate the others: the exporter, the sweeper.
    Operators,
    /// Queues and streams: who may invoke it is for IAM to say, and a key would open nothing.
    Triggers,
}

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on.
    pub listen_host: IpAddr,
    /// Port to listen on.
    pub port: u16,
    /// Who is served.
    pub access: Access,
    /// Where Redis is; none where series live in the process.
    pub redis: Option<RedisOptions>,
    /// What its address does not say of user, password and trust.
    pub redis_credentials: RedisCredentials,
    /// Where history is; none where it ends with what the store keeps.
    pub history: Option<HistoryOptions>,
    /// What judges.
    pub deployed: DeployedDetector,
    /// Bytes of series that a process keeps from one request to the next.
    pub known_bytes_max: usize,
    /// How far a sample's time may be ahead of the clock, in microseconds.
    pub time_ahead_max_us: i64,
    /// Longest time for one request.
    pub request_timeout: Duration,
    /// Samples a second of one tenant; 0 for no bound.
    pub samples_per_s_max: u64,
    /// Most series of one tenant.
    pub series_max: u64,
    /// Bounds of one request.
    pub limits: Limits,
    /// Bytes of bodies held at once.
    pub in_flight_bytes_max: usize,
    /// Requests served at once.
    pub requests_in_flight_max: usize,
    /// Series of which an exporter tells; 0 for none.
    pub exporter_series_max: usize,
    /// Where it runs.
    pub platform: Platform,
    /// Whose series `ingest-stream` writes.
    pub stream_tenant: Tenant,
    /// What becomes of a record of Kinesis that can never be stored.
    pub stream_poisoned: Poisoned,
    /// Whether metrics are told in the embedded format of CloudWatch, where somebody reads it.
    pub emf: bool,
    /// In which namespace.
    pub emf_namespace: String,
    /// Whether profiles are served.
    pub serves_debug: bool,
    /// Which lines are logged.
    pub log_filter: Targets,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// What becomes of a record that can never be stored, where it keeps others waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poisoned {
    /// It fails, until whoever delivers it gives it up.
    Report,
    /// It is told in the log only.
    Skip,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Every mistake in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", mistakes.join("\n"))]
pub struct ConfigError {
    /// A sentence for each, naming the variable, its value and what was wanted.
    pub mistakes: Vec<String>,
}

impl ConfigError {
    /// One mistake.
    pub fn one(mistake: impl Into<String>) -> Self {
        Self { mistakes: vec![mistake.into()] }
    }
}

impl Config {
    /// Reads the variables, of which names that are not in [`Variable::ALL`] are ignored unless they start with
    /// `TIDEMARK_`: such a one is misspelled.
    pub fn from_env(vars: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        Self::read(vars, Audience::Tenants)
    }

    /// The same, of a process for that audience.
    pub fn read(
        vars: impl Iterator<Item = (String, String)>,
        audience: Audience,
    ) -> Result<Self, ConfigError> {
        let mut reader = Reader { vars: vars.collect(), mistakes: Vec::new() };
        reader.check_names();
        let exporter_series_max =
            reader.number(EXPORTER_SERIES, 0, 0..=EXPORTER_SERIES_MAX as u64) as usize;
        let listen_host =
            reader.parse(LISTEN_HOST, IpAddr::V4(Ipv4Addr::LOCALHOST), "an IP address");
        let redis = reader.redis();
        let connect_timeout = redis.as_ref().map_or(Duration::ZERO, |redis| redis.connect_timeout);
        // A series at hand would be held twice.
        let known_bytes_max = if redis.is_some() { 16 << 20 } else { 0 };
        let config = Self {
            listen_host,
            port: reader.parse(PORT, 8080, "a port"),
            deployed: DeployedDetector {
                detector: reader.detector(),
                generation: reader.parse(GENERATION, 0, "a whole number"),
            },
            known_bytes_max: reader.number(KNOWN_BYTES, known_bytes_max, 0..=1 << 40) as usize,
            time_ahead_max_us: reader.number(TIME_AHEAD, 30_000, 0..=86_400_000) as i64 * 1_000,
            request_timeout: Duration::from_millis(reader.number(
                REQUEST_TIMEOUT,
                10_000,
                100..=900_000,
            )),
            samples_per_s_max: reader.number(SAMPLES_PER_S, 100_000, 0..=1_000_000_000),
            series_max: reader.number(SERIES_MAX, SERIES_MAX_DEFAULT, 1..=1_000_000_000),
            limits: Limits {
                n_samples_max: reader.number(SAMPLES_MAX, 10_000, 1..=1_000_000) as usize,
                body_bytes_max: reader.number(BODY_BYTES_MAX, 1 << 20, 1..=1 << 30) as usize,
                unpacked_bytes_max: reader.number(UNPACKED_BYTES_MAX, 8 << 20, 1..=1 << 32)
                    as usize,
            },
            in_flight_bytes_max: reader.number(IN_FLIGHT_BYTES, 64 << 20, 1..=1 << 40) as usize,
            requests_in_flight_max: reader.number(IN_FLIGHT_REQUESTS, 4_096, 1..=1_000_000)
                as usize,
            stream_tenant: reader.stream_tenant(),
            stream_poisoned: reader
                .one_of(STREAM_POISONED, &[("report", Poisoned::Report), ("skip", Poisoned::Skip)]),
            emf: reader.one_of(EMF, &[("on", true), ("off", false)]),
            emf_namespace: reader.emf_namespace(),
            log_filter: reader.log_filter(),
            log_format: reader.log_format(),
            serves_debug: reader.serves_debug(),
            exporter_series_max,
            platform: Platform::of(&reader.vars),
            access: match audience {
                // Totals are for whoever asks; what a tenant's series do is not.
                Audience::Operators if exporter_series_max == 0 => Access::Open,
                Audience::Triggers => Access::Open,
                _ => reader.access(listen_host),
            },
            history: reader.history(),
            redis_credentials: reader.redis_credentials(connect_timeout),
            redis,
        };
        reader.check_room(&config);
        if reader.mistakes.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError { mistakes: reader.mistakes })
        }
    }
}

impl Config {
    /// Whether metrics are to be told in the log: CloudWatch makes them of what a Lambda function writes there.
    pub fn tells_emf(&self) -> bool {
        self.emf && self.platform.is_lambda
    }
}

/// Why a process that others can reach refuses to start without keys.
fn keys_missing(why: &str) -> String {
    format!(
        "{} is missing, and {why}: the argument `key TENANT RIGHTS` makes a key; {}=open trusts whoever can reach it, \
         where something before it asks who calls",
        API_KEYS.name, ACCESS.name
    )
}

struct Reader {
    vars: BTreeMap<String, String>,
    mistakes: Vec<String>,
}

impl Reader {
    fn check_names(&mut self) {
        // Kubernetes tells of a service named `tidemark` by variables of these forms.
        let injected = |name: &str| {
            ["_SERVICE_HOST", "_PORT"].iter().any(|end| name.ends_with(end))
                || ["_SERVICE_PORT", "_PORT_"].iter().any(|part| name.contains(part))
        };
        let known =
            |name: &String| Variable::ALL.iter().any(|variable| variable.name == name.as_str());
        let unknown = self
            .vars
            .keys()
            .filter(|name| name.starts_with("TIDEMARK_") && !known(name) && !injected(name));
        self.mistakes.extend(unknown.map(|name| format!("{name} is unknown: is it misspelled?")));
    }

    /// A body that never fits would be told to come again for ever.
    fn check_room(&mut self, config: &Config) {
        let wanted = config.limits.body_bytes_max.saturating_add(config.limits.unpacked_bytes_max);
        if config.in_flight_bytes_max < wanted {
            self.mistakes.push(format!(
                "{} `{}` is less than one body as sent and unpacked: at least {wanted}, {} plus {}, is wanted",
                IN_FLIGHT_BYTES.name,
                config.in_flight_bytes_max,
                BODY_BYTES_MAX.name,
                UNPACKED_BYTES_MAX.name
            ));
        }
    }

    /// The text of a variable that is set to something.
    fn text(&self, variable: Variable) -> Option<String> {
        self.vars
            .get(variable.name)
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    }

    fn mistake(&mut self, variable: Variable, text: &str, wanted: impl Display) {
        self.mistakes
            .push(format!("{} `{text}` is not possible: {wanted} is wanted", variable.name));
    }

    fn parse<T: FromStr>(&mut self, variable: Variable, default: T, wanted: &str) -> T {
        let Some(text) = self.text(variable) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.mistake(variable, &text, wanted);
            default
        })
    }

    fn number(
        &mut self,
        variable: Variable,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> u64 {
        let Some(text) = self.text(variable) else { return default };
        text.parse().ok().filter(|value| range.contains(value)).unwrap_or_else(|| {
            self.mistake(variable, &text, format!("a whole number in {range:?}"));
            default
        })
    }

    fn one_of<T: Copy>(&mut self, variable: Variable, choices: &[(&str, T)]) -> T {
        let default = choices[0].1;
        let Some(text) = self.text(variable) else { return default };
        choices.iter().find(|(name, _)| *name == text).map_or_else(
            || {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                self.mistake(variable, &text, format!("one of {}", names.join(", ")));
                default
            },
            |(_, choice)| *choice,
        )
    }

    fn detector(&mut self) -> Detector {
        let Some(text) = self.text(DETECTOR) else { return Detector::default() };
        text.parse().unwrap_or_else(|error| {
            self.mistakes.push(format!("{}: {error}", DETECTOR.name));
            Detector::default()
        })
    }

    /// The text of a variable, or of the file that another names.
    fn text_or_file(&mut self, variable: Variable, file: Variable) -> Option<String> {
        let Some(path) = self.text(file) else { return self.text(variable) };
        if self.text(variable).is_some() {
            self.mistakes.push(format!("{} and {} are both set", variable.name, file.name));
        }
        self.file(file, &path)
    }

    /// What the file holds that a variable names.
    fn file(&mut self, variable: Variable, path: &str) -> Option<String> {
        let text = fs::read_to_string(path).map(|text| text.trim().to_owned());
        let problem = match text {
            Ok(text) if !text.is_empty() => return Some(text),
            Ok(_) => "it is empty".to_owned(),
            Err(error) => error.to_string(),
        };
        self.mistakes.push(format!("{} `{path}` cannot be read: {problem}", variable.name));
        None
    }

    fn access(&mut self, listen_host: IpAddr) -> Access {
        let n_mistakes = self.mistakes.len();
        let keys = self.text_or_file(API_KEYS, API_KEYS_FILE);
        let is_open = self.one_of(ACCESS, &[("keys", false), ("open", true)]);
        let source = if self.text(API_KEYS_FILE).is_some() { API_KEYS_FILE } else { API_KEYS };
        match keys.as_deref().map(ApiKeys::parse) {
            Some(Ok(keys)) => return Access::Keys(keys),
            Some(Err(mistakes)) => {
                let told = mistakes.into_iter().map(|it| format!("{} {it}", source.name));
                self.mistakes.extend(told);
            }
            None if is_open || self.mistakes.len() > n_mistakes => {}
            None if self.vars.contains_key(LAMBDA_RUNTIME) => {
                self.mistakes.push(keys_missing("on AWS Lambda others can call it"));
            }
            None if !listen_host.is_loopback() => {
                let why = format!("others can reach {} `{listen_host}`", LISTEN_HOST.name);
                self.mistakes.push(keys_missing(&why));
            }
            None => {}
        }
        Access::Open
    }

    fn emf_namespace(&mut self) -> String {
        let name = self.text(EMF_NAMESPACE).unwrap_or_else(|| EMF_NAMESPACE.default.to_owned());
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/#:".contains(&byte);
        if name.len() > EMF_NAMESPACE_LEN_MAX
            || !name.bytes().all(is_plain)
            || name.starts_with(':')
        {
            let wanted = "up to 255 characters of `A-Za-z0-9._-/#:`, the first no `:`,";
            self.mistake(EMF_NAMESPACE, &name, wanted);
        }
        name
    }

    fn log_filter(&mut self) -> Targets {
        let default = Targets::new().with_default(Level::INFO);
        if let Some(filter) = self.text(LOG) {
            return filter.parse().unwrap_or_else(|_| {
                self.mistake(
                    LOG,
                    &filter,
                    "levels as `info`, or of modules as `info,store=debug`,",
                );
                default
            });
        }
        let Some(level) = self.text(LAMBDA_LOG_LEVEL) else { return default };
        let level = match level.to_ascii_lowercase().as_str() {
            "trace" => Level::TRACE,
            "debug" => Level::DEBUG,
            "info" => Level::INFO,
            "warn" => Level::WARN,
            // There is nothing beyond an error here.
            "error" | "fatal" => Level::ERROR,
            _ => {
                self.mistake(LAMBDA_LOG_LEVEL, &level, "TRACE, DEBUG, INFO, WARN, ERROR or FATAL");
                return default;
            }
        };
        Targets::new().with_default(level)
    }

    fn log_format(&mut self) -> LogFormat {
        let format =
            self.one_of(LOG_FORMAT, &[("json", LogFormat::Json), ("text", LogFormat::Text)]);
        let is_json =
            self.text(LAMBDA_LOG_FORMAT).is_some_and(|it| it.eq_ignore_ascii_case("json"));
        if is_json { LogFormat::Json } else { format }
    }

    fn stream_tenant(&mut self) -> Tenant {
        let Some(name) = self.text(STREAM_TENANT) else { return Tenant::default() };
        tenant_of(&name).unwrap_or_else(|problem| {
            self.mistakes.push(format!("{} `{name}`: {problem}", STREAM_TENANT.name));
            Tenant::default()
        })
    }

    fn history(&mut self) -> Option<HistoryOptions> {
        let days = self.number(HISTORY_DAYS, 400, 1..=36_500) as u32;
        let table = self.text(HISTORY_TABLE)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-:/".contains(c);
        if table.len() < 3 || !table.chars().all(is_plain) {
            self.mistake(HISTORY_TABLE, &table, "the name of a table, or its ARN,");
        }
        Some(HistoryOptions { table, days })
    }

    /// Not on Lambda: what is profiled there is frozen between invocations, and whoever may call it may call it.
    fn serves_debug(&mut self) -> bool {
        let serves_debug = self.one_of(DEBUG, &[("off", false), ("on", true)]);
        if serves_debug && self.vars.contains_key(LAMBDA_RUNTIME) {
            self.mistakes.push(format!("{}=on is not possible on AWS Lambda", DEBUG.name));
        }
        serves_debug
    }

    fn redis_credentials(&mut self, connect_timeout: Duration) -> RedisCredentials {
        let password = self.text_or_file(REDIS_PASSWORD, REDIS_PASSWORD_FILE).map(Secret::from);
        let ca_pem = self.text(REDIS_CA_FILE).and_then(|path| self.file(REDIS_CA_FILE, &path));
        let name = REDIS_CA_FILE.name;
        if ca_pem.as_ref().is_some_and(|pem| !pem.contains("-----BEGIN CERTIFICATE-----")) {
            self.mistakes.push(format!("{name} holds no certificate: PEM is wanted"));
        }
        let is_tls = self
            .text(REDIS_URL)
            .is_some_and(|url| url.split(',').all(|node| node.trim().starts_with("rediss://")));
        if ca_pem.is_some() && !is_tls {
            let url = REDIS_URL.name;
            self.mistakes.push(format!("{name} is set: a {url} with `rediss://` is wanted"));
        }
        let secret = self.secret_login(password.is_some(), connect_timeout);
        let has_password = password.is_some() || secret.is_some();
        let iam = self.iam_login(has_password || !is_tls, connect_timeout);
        let provider = iam.or(secret);
        RedisCredentials { username: self.text(REDIS_USERNAME), password, ca_pem, provider }
    }

    fn secret_login(
        &mut self,
        has_password: bool,
        connect_timeout: Duration,
    ) -> Option<Arc<dyn CredentialsProvider>> {
        let text = self.text(REDIS_PASSWORD_ARN)?;
        let name = REDIS_PASSWORD_ARN.name;
        if has_password || self.text(REDIS_URL).is_none() {
            let url = REDIS_URL.name;
            self.mistakes.push(format!("{name} is set: it requires {url} and no other password"));
        }
        let Ok(arn) = text.parse::<SecretArn>().map_err(|expected| {
            // The text may be the password itself, so it is not shown.
            self.mistakes.push(format!("{name} is invalid: expected {expected}"));
        }) else {
            return None;
        };
        let username = self.text(REDIS_USERNAME);
        Some(Arc::new(secret_login(arn, username, connect_timeout, |name| self.aws(name))))
    }

    fn iam_login(
        &mut self,
        is_impossible: bool,
        connect_timeout: Duration,
    ) -> Option<Arc<dyn CredentialsProvider>> {
        let text = self.text(REDIS_IAM)?;
        if is_impossible {
            let (name, url) = (REDIS_IAM.name, REDIS_URL.name);
            self.mistakes.push(format!(
                "{name} is set: it requires a {url} with `rediss://` and no password"
            ));
        }
        let username = self.text(REDIS_USERNAME);
        match iam_login(&text, username, connect_timeout, |name| self.aws(name)) {
            Ok(login) => Some(Arc::new(login)),
            Err(mistakes) => {
                self.mistakes.extend(mistakes);
                None
            }
        }
    }

    /// A variable of AWS, not of this project.
    fn aws(&self, name: &str) -> Option<String> {
        self.vars.get(name).filter(|it| !it.is_empty()).cloned()
    }

    fn redis(&mut self) -> Option<RedisOptions> {
        let topology = self.one_of(
            REDIS_TOPOLOGY,
            &[("single", Topology::Single), ("cluster", Topology::Cluster)],
        );
        let connect_timeout =
            Duration::from_millis(self.number(REDIS_CONNECT_TIMEOUT, 1_000, 10..=60_000));
        let response_timeout =
            Duration::from_millis(self.number(REDIS_RESPONSE_TIMEOUT, 1_500, 10..=60_000));
        let circuit = CircuitOptions {
            n_failures: self.number(CIRCUIT_FAILURES, 5, 1..=1_000_000) as u32,
            pause: Duration::from_millis(self.number(CIRCUIT_PAUSE, 1_000, 10..=60_000)),
        };
        let n_shards = self.number(SHARDS, u64::from(SHARDS_DEFAULT), 1..=16_384) as u16;
        let url = self.text(REDIS_URL)?;
        Some(RedisOptions { url, topology, connect_timeout, response_timeout, n_shards, circuit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_env(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn without_variables_the_documented_defaults_hold() {
        let config =
            config(&[("HOME", "/"), ("TIDEMARK_PORT_80_TCP", "x"), ("TIDEMARK_SERVICE_HOST", "x")])
                .unwrap();
        assert_eq!((config.port, config.redis.is_none()), (8080, true));
        assert_eq!(config.limits, Limits::default());
        // Each default of the table, given as a value, changes nothing.
        let vars: Vec<(&str, &str)> =
            Variable::ALL.iter().map(|it| (it.name, it.default)).collect();
        assert_eq!(format!("{config:?}"), format!("{:?}", self::config(&vars).unwrap()));
    }

    /// The code of an open door: who is served without keys, and who refuses to start.
    #[test]
    fn without_keys_only_the_loopback_is_open() {
        let is_open = |vars: &[(&str, &str)]| match config(vars) {
            Ok(config) => matches!(config.access, Access::Open),
            Err(error) => {
                assert!(error.to_string().contains("TIDEMARK_API_KEYS is missing"), "{error}");
                assert_eq!(error.mistakes.len(), 1);
                false
            }
        };
        for host in ["127.0.0.1", "127.0.0.2", "::1"] {
            assert!(is_open(&[("LISTEN_HOST", host)]), "{host}");
        }
        for host in ["0.0.0.0", "10.0.0.1", "::", "::ffff:127.0.0.1"] {
            assert!(!is_open(&[("LISTEN_HOST", host)]), "{host}");
            assert!(is_open(&[("LISTEN_HOST", host), ("TIDEMARK_ACCESS", "open")]), "{host}");
        }
        assert!(!is_open(&[(LAMBDA_RUNTIME, "127.0.0.1:9001")]));
        assert!(is_open(&[(LAMBDA_RUNTIME, "127.0.0.1:9001"), ("TIDEMARK_ACCESS", "open")]));
    }

    #[test]
    fn iam_requires_a_user_a_region_and_tls() {
        let iam = ("REDIS_IAM", "serverless:Tidemark");
        let vars = [
            iam,
            ("REDIS_URL", "rediss://cache:6379"),
            ("REDIS_USERNAME", "tidemark"),
            ("AWS_REGION", "eu-west-1"),
        ];
        assert!(config(&vars).unwrap().redis_credentials.provider.is_some());
        // Each of them is required, and nothing else.
        for missing in vars.iter().skip(1) {
            let rest: Vec<_> = vars.into_iter().filter(|var| var != missing).collect();
            let error = config(&rest).unwrap_err();
            assert_eq!(error.mistakes.len(), 1, "{error}");
            assert!(error.to_string().contains(missing.0), "{error}");
        }
        for (name, value) in [("REDIS_PASSWORD", "hunter2"), ("REDIS_URL", "redis://cache")] {
            let vars: Vec<_> = vars.iter().copied().chain([(name, value)]).collect();
            let error = config(&vars).unwrap_err().to_string();
            assert!(error.contains("and no password") && !error.contains("hunter2"), "{error}");
        }
        for text in ["tidemark", "serverless:", "node:tidemark"] {
            let vars: Vec<_> = vars.iter().copied().chain([("REDIS_IAM", text)]).collect();
            assert!(config(&vars).unwrap_err().to_string().contains(text));
        }
    }

    #[test]
    fn a_stored_password_requires_an_arn_and_excludes_others() {
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:redis-AbCdEf";
        let url = ("REDIS_URL", "rediss://cache:6379");
        let secret = ("REDIS_PASSWORD_ARN", arn);
        let provider = |vars: &[(&str, &str)]| config(vars).map(|it| it.redis_credentials.provider);
        assert!(provider(&[url, secret]).unwrap().is_some());
        let error = provider(&[secret]).unwrap_err();
        assert!(error.mistakes.len() == 1 && error.to_string().contains("REDIS_URL"), "{error}");
        for (name, value) in [
            ("REDIS_PASSWORD_ARN", "hunter2"),
            ("REDIS_PASSWORD", "hunter2"),
            ("REDIS_IAM", "serverless:tidemark"),
        ] {
            let further = [("REDIS_USERNAME", "t"), ("AWS_REGION", "r"), (name, value)];
            let error = provider(&[&[url, secret][..], &further].concat()).unwrap_err();
            assert_eq!(error.mistakes.len(), 1, "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn profiles_are_off_unless_switched_on_and_never_on_lambda() {
        let serves_debug = |vars: &[(&str, &str)]| config(vars).map(|it| it.serves_debug);
        assert_eq!(serves_debug(&[]), Ok(false));
        let on = ("TIDEMARK_DEBUG", "on");
        assert_eq!(serves_debug(&[on]), Ok(true));
        let lambda = [on, (LAMBDA_RUNTIME, "127.0.0.1:9001"), ("TIDEMARK_ACCESS", "open")];
        let error = serves_debug(&lambda).unwrap_err();
        assert_eq!(error.mistakes, ["TIDEMARK_DEBUG=on is not possible on AWS Lambda"]);
    }

    #[test]
    fn keys_come_from_a_variable_or_a_file_and_not_from_both() {
        let entry = format!("t:read:{}", "0".repeat(64));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, format!("# one\n{entry}\n")).unwrap();
        let file = ("TIDEMARK_API_KEYS_FILE", path.to_str().unwrap());
        let keys = ("TIDEMARK_API_KEYS", entry.as_str());
        let everywhere = ("LISTEN_HOST", "0.0.0.0");
        for var in [keys, file] {
            assert!(matches!(config(&[var, everywhere]).unwrap().access, Access::Keys(_)));
        }
        let mistakes = |vars: &[(&str, &str)]| config(vars).unwrap_err().mistakes;
        assert!(mistakes(&[keys, file])[0].contains("both set"));
        // The stricter one counts.
        let both = config(&[keys, ("TIDEMARK_ACCESS", "open")]).unwrap();
        assert!(matches!(both.access, Access::Keys(_)));
        let broken = mistakes(&[("TIDEMARK_API_KEYS", "a:b:c d")]);
        assert_eq!(broken.len(), 2, "{broken:?}");
        assert!(broken[0].starts_with("TIDEMARK_API_KEYS entry 1: "), "{broken:?}");
        let nowhere = mistakes(&[("TIDEMARK_API_KEYS_FILE", "/nowhere"), everywhere]);
        assert_eq!(nowhere.len(), 1, "{nowhere:?}");
        assert!(nowhere[0].contains("`/nowhere` cannot be read"), "{nowhere:?}");
    }

    #[test]
    fn an_exporter_needs_keys_only_for_what_is_a_tenants() {
        let exporter = |vars: &[(&str, &str)]| {
            let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Config::read(vars, Audience::Operators)
        };
        let everywhere = ("LISTEN_HOST", "0.0.0.0");
        let some_series = ("TIDEMARK_EXPORTER_SERIES_MAX", "100");
        assert_eq!(exporter(&[everywhere]).unwrap().exporter_series_max, 0);
        let error = exporter(&[everywhere, some_series]).unwrap_err();
        assert!(error.to_string().contains("TIDEMARK_API_KEYS is missing"), "{error}");
        assert!(exporter(&[everywhere, some_series, ("TIDEMARK_ACCESS", "open")]).is_ok());
        assert!(exporter(&[("TIDEMARK_EXPORTER_SERIES_MAX", "1001")]).is_err());
    }

    #[test]
    fn one_body_fits_into_what_may_be_held_at_once() {
        let with_room = |room: &str| {
            config(&[
                ("TIDEMARK_BODY_BYTES_MAX", "1000"),
                ("TIDEMARK_UNPACKED_BYTES_MAX", "5000"),
                ("TIDEMARK_IN_FLIGHT_BYTES_MAX", room),
            ])
        };
        assert_eq!(with_room("6000").unwrap().in_flight_bytes_max, 6_000);
        let error = with_room("5999").unwrap_err().to_string();
        assert!(error.contains("IN_FLIGHT_BYTES_MAX `5999`") && error.contains("6000"), "{error}");
    }

    #[test]
    fn the_logging_configuration_of_lambda_holds_where_nothing_else_is_said() {
        let log = |vars: &[(&str, &str)]| {
            let config = config(vars).unwrap();
            (config.log_filter.to_string(), config.log_format)
        };
        let (level, format) =
            (("AWS_LAMBDA_LOG_LEVEL", "FATAL"), ("AWS_LAMBDA_LOG_FORMAT", "JSON"));
        let text = ("TIDEMARK_LOG_FORMAT", "text");
        assert_eq!(log(&[level]), ("error".to_owned(), LogFormat::Json));
        assert_eq!(log(&[level, ("RUST_LOG", "host=debug")]).0, "host=debug");
        assert_eq!(log(&[("AWS_LAMBDA_LOG_FORMAT", "Text")]).1, LogFormat::Json);
        assert_eq!(log(&[("AWS_LAMBDA_LOG_FORMAT", "Text"), text]).1, LogFormat::Text);
        assert_eq!(log(&[format, text]).1, LogFormat::Json);
        assert!(config(&[("AWS_LAMBDA_LOG_LEVEL", "LOUD")]).is_err());
        let error = config(&[("RUST_LOG", "host=loud")]).unwrap_err().to_string();
        assert!(error.contains("RUST_LOG `host=loud`"), "{error}");
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let error = config(&[
            ("PORT", "http"),
            ("TIDEMARK_DETECTOR", "zscor"),
            ("TIDEMARK_SHARDS", "0"),
            ("TIDEMARK_LOG_FORMAT", "xml"),
            ("TIDEMARK_SAMPELS_MAX", "5"),
            ("TIDEMARK_STREAM_TENANT", "a/b"),
            ("TIDEMARK_EMF_NAMESPACE", "a b"),
        ])
        .unwrap_err();
        let wanted = [
            "SAMPELS_MAX is unknown",
            "PORT `http`",
            "zscor",
            "one of json, text",
            "SHARDS `0`",
            "STREAM_TENANT `a/b`",
            "EMF_NAMESPACE `a b`",
        ];
        assert_eq!(error.mistakes.len(), wanted.len(), "{error}");
        for part in wanted {
            assert!(error.to_string().contains(part), "{part} in {error}");
        }
    }
}
