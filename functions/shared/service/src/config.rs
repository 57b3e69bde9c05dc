//! Configuration: environment variables, read and checked in one place.
//!
//! Every mistake is reported at once. The table in the README is made from the same declaration
//! ([`Variable::ALL`]), so it cannot be wrong.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::Duration;

use detector::{Deployed, Detector};
use intake::Limits;
use store::{CircuitOptions, RedisOptions, SHARDS_DEFAULT, Topology};
use thiserror::Error;

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
    LISTEN_HOST: "LISTEN_HOST", "127.0.0.1", "Address to listen on; a container wants `0.0.0.0`";
    PORT: "PORT", "8080", "Port to listen on; 0 takes a free one";
    REDIS_URL: "REDIS_URL", "", "`redis://` or `rediss://` address of the store, several with commas for a cluster; \
        without it `standalone` keeps series in its own memory";
    REDIS_TOPOLOGY: "REDIS_TOPOLOGY", "single", "`single` or `cluster`";
    REDIS_CONNECT_TIMEOUT: "REDIS_CONNECT_TIMEOUT_MS", "1000", "Longest wait for a connection to Redis";
    REDIS_RESPONSE_TIMEOUT: "REDIS_RESPONSE_TIMEOUT_MS", "1500", "Longest wait for an answer of Redis";
    CIRCUIT_FAILURES: "REDIS_CIRCUIT_FAILURES", "5", "Failures in a row after which Redis, or a shard of a cluster, is \
        left alone for a while";
    CIRCUIT_PAUSE: "REDIS_CIRCUIT_PAUSE_MS", "1000", "How long it is left alone, give or take a quarter, before one \
        call tries again";
    SHARDS: "TIDEMARK_SHARDS", "64", "Shards of the store, fixed for its life";
    DETECTOR: "TIDEMARK_DETECTOR", "", "Detector of all series; by default `deviation`";
    GENERATION: "TIDEMARK_DETECTOR_GENERATION", "0", "Raise it by one with each change of the detector; \
        series of a lower generation migrate once";
    TIME_AHEAD: "TIDEMARK_TIME_AHEAD_MAX_MS", "30000", "How far a sample's time may be ahead of the clock";
    REQUEST_TIMEOUT: "TIDEMARK_REQUEST_TIMEOUT_MS", "10000", "Longest time for one request";
    SAMPLES_MAX: "TIDEMARK_SAMPLES_MAX", "10000", "Most samples of one request";
    BODY_BYTES_MAX: "TIDEMARK_BODY_BYTES_MAX", "1048576", "Longest body as sent";
    UNPACKED_BYTES_MAX: "TIDEMARK_UNPACKED_BYTES_MAX", "8388608", "Longest body unpacked";
    IN_FLIGHT_BYTES: "TIDEMARK_IN_FLIGHT_BYTES_MAX", "67108864", "Bytes of bodies held at once; past it 503";
    IN_FLIGHT_REQUESTS: "TIDEMARK_IN_FLIGHT_REQUESTS_MAX", "4096", "Requests served at once; past it 503";
    LOG: "RUST_LOG", "info", "Log filter, as tracing-subscriber reads it";
    LOG_FORMAT: "TIDEMARK_LOG_FORMAT", "json", "`json` or `text`";
}

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on.
    pub listen_host: IpAddr,
    /// Port to listen on.
    pub port: u16,
    /// Where Redis is; none where series live in the process.
    pub redis: Option<RedisOptions>,
    /// What judges.
    pub deployed: Deployed,
    /// How far a sample's time may be ahead of the clock, in microseconds.
    pub time_ahead_max_us: i64,
    /// Longest time for one request.
    pub request_timeout: Duration,
    /// Bounds of one request.
    pub limits: Limits,
    /// Bytes of bodies held at once.
    pub in_flight_bytes_max: usize,
    /// Requests served at once.
    pub requests_in_flight_max: usize,
    /// Log filter.
    pub log_filter: String,
    /// How log lines look.
    pub log_format: LogFormat,
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
        let mut reader = Reader { vars: vars.collect(), mistakes: Vec::new() };
        reader.check_names();
        let config = Self {
            listen_host: reader.parse(
                LISTEN_HOST,
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                "an IP address",
            ),
            port: reader.parse(PORT, 8080, "a port"),
            deployed: Deployed {
                detector: reader.detector(),
                generation: reader.parse(GENERATION, 0, "a whole number"),
            },
            time_ahead_max_us: reader.number(TIME_AHEAD, 30_000, 0..=86_400_000) as i64 * 1_000,
            request_timeout: Duration::from_millis(reader.number(
                REQUEST_TIMEOUT,
                10_000,
                100..=900_000,
            )),
            limits: Limits {
                n_samples_max: reader.number(SAMPLES_MAX, 10_000, 1..=1_000_000) as usize,
                body_bytes_max: reader.number(BODY_BYTES_MAX, 1 << 20, 1..=1 << 30) as usize,
                unpacked_bytes_max: reader.number(UNPACKED_BYTES_MAX, 8 << 20, 1..=1 << 32)
                    as usize,
            },
            in_flight_bytes_max: reader.number(IN_FLIGHT_BYTES, 64 << 20, 1..=1 << 40) as usize,
            requests_in_flight_max: reader.number(IN_FLIGHT_REQUESTS, 4_096, 1..=1_000_000)
                as usize,
            log_filter: reader.text(LOG).unwrap_or_else(|| LOG.default.to_owned()),
            log_format: reader
                .one_of(LOG_FORMAT, &[("json", LogFormat::Json), ("text", LogFormat::Text)]),
            redis: reader.redis(),
        };
        if reader.mistakes.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError { mistakes: reader.mistakes })
        }
    }
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

    #[test]
    fn every_mistake_is_reported_at_once() {
        let error = config(&[
            ("PORT", "http"),
            ("TIDEMARK_DETECTOR", "zscor"),
            ("TIDEMARK_SHARDS", "0"),
            ("TIDEMARK_LOG_FORMAT", "xml"),
            ("TIDEMARK_SAMPELS_MAX", "5"),
        ])
        .unwrap_err();
        let wanted =
            ["SAMPELS_MAX is unknown", "PORT `http`", "zscor", "one of json, text", "SHARDS `0`"];
        assert_eq!(error.mistakes.len(), wanted.len(), "{error}");
        for part in wanted {
            assert!(error.to_string().contains(part), "{part} in {error}");
        }
    }
}
