//! Tests of the configuration as a whole.

use std::fs;

use super::*;
use crate::platform::LAMBDA_RUNTIME;

fn config(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::from_env(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

#[test]
fn the_documented_defaults_apply_without_variables() {
    let config =
        config(&[("HOME", "/"), ("TIDEMARK_PORT_80_TCP", "x"), ("TIDEMARK_SERVICE_HOST", "x")])
            .unwrap();
    assert_eq!((config.port, config.redis.is_none()), (8080, true));
    assert_eq!(config.limits, RequestLimits::default());
    // Each default of the table, given as a value, changes nothing.
    let vars: Vec<(&str, &str)> =
        Variable::ALL.iter().map(|variable| (variable.name, variable.default)).collect();
    assert_eq!(format!("{config:?}"), format!("{:?}", self::config(&vars).unwrap()));
}

#[test]
fn only_loopback_addresses_are_open_without_keys() {
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
    let provider =
        |vars: &[(&str, &str)]| config(vars).map(|config| config.redis_credentials.provider);
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
fn profiles_are_off_by_default_and_impossible_on_lambda() {
    let serves_debug = |vars: &[(&str, &str)]| config(vars).map(|config| config.serves_debug);
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
    // Keys win over open access.
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
fn an_exporter_needs_keys_only_for_series_of_tenants() {
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
fn the_largest_body_must_fit_into_memory() {
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
fn the_logging_configuration_of_lambda_applies_without_our_variables() {
    let log = |vars: &[(&str, &str)]| {
        let config = config(vars).unwrap();
        (config.log_filter.to_string(), config.log_format)
    };
    let (level, format) = (("AWS_LAMBDA_LOG_LEVEL", "FATAL"), ("AWS_LAMBDA_LOG_FORMAT", "JSON"));
    let text = ("TIDEMARK_LOG_FORMAT", "text");
    assert_eq!(log(&[level]), ("error".to_owned(), LogFormat::Json));
    assert_eq!(log(&[level, ("RUST_LOG", "server=debug")]).0, "server=debug");
    assert_eq!(log(&[("AWS_LAMBDA_LOG_FORMAT", "Text")]).1, LogFormat::Json);
    assert_eq!(log(&[("AWS_LAMBDA_LOG_FORMAT", "Text"), text]).1, LogFormat::Text);
    assert_eq!(log(&[format, text]).1, LogFormat::Json);
    assert!(config(&[("AWS_LAMBDA_LOG_LEVEL", "LOUD")]).is_err());
    let error = config(&[("RUST_LOG", "server=loud")]).unwrap_err().to_string();
    assert!(error.contains("RUST_LOG `server=loud`"), "{error}");
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
    let expected = [
        "SAMPELS_MAX is unknown",
        "PORT `http`",
        "zscor",
        "one of json, text",
        "SHARDS `0`",
        "STREAM_TENANT `a/b`",
        "EMF_NAMESPACE `a b`",
    ];
    assert_eq!(error.mistakes.len(), expected.len(), "{error}");
    for part in expected {
        assert!(error.to_string().contains(part), "{part} in {error}");
    }
}
