//! TLS and users of Redis, against a real server: both directions of trust, and the errors without it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use detector::{DeployedDetector, Detector, SeriesConfig};
use domain::Series;
use domain::{SeriesKey, Tenant};
use store::testbed::{TlsRedisServer, patient_options};
use store::{
    CredentialsError, CredentialsProvider, Instance, Login, NewSample, RedisCredentials,
    RedisOptions, RedisStore, Secret, Store, StoreError, StoreStatus, TokenRequest, Topology,
};
use tokio::sync::Notify;

const DEPLOYED: DeployedDetector = DeployedDetector { detector: Detector::ALL[1], generation: 1 };

const PASSWORD: &str = "correct/horse:battery@staple";

/// Returns the rights that `docs/security.md` names, as words of `ACL SETUSER`.
fn documented_rights() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/security.md");
    let page = fs::read_to_string(page).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix("ACL SETUSER tidemark ")).unwrap();
    line.split(' ').filter(|word| !word.starts_with('>')).map(str::to_owned).collect()
}

/// A server with a user of the documented rights, and of these.
fn server(further: &[&str]) -> TlsRedisServer {
    let server = TlsRedisServer::start();
    let (password, rights) = (format!(">{PASSWORD}"), documented_rights());
    let mut words = vec!["ACL", "SETUSER", "tidemark", &password];
    words.extend(rights.iter().map(String::as_str).chain(further.iter().copied()));
    assert_eq!(server.cli(&words), "OK");
    assert_eq!(
        server.cli(&["ACL", "SETUSER", "default", "resetpass", "nocommands", "+ping"]),
        "OK"
    );
    server
}

fn options(url: String) -> RedisOptions {
    patient_options(url, Topology::Single, 8)
}

fn credentials(ca: &Path, password: &str) -> RedisCredentials {
    RedisCredentials {
        username: Some("tidemark".to_owned()),
        password: Some(Secret::from(password.to_owned())),
        ca_pem: Some(fs::read_to_string(ca).unwrap()),
        ..RedisCredentials::default()
    }
}

fn store(server: &TlsRedisServer, credentials: &RedisCredentials) -> RedisStore {
    RedisStore::with_credentials(&options(server.url()), credentials).unwrap()
}

/// The code of `error`, whose text never contains a password.
fn code(error: &StoreError) -> &'static str {
    let text = format!("{error} {error:?}");
    assert!(!text.contains("horse") && !text.contains("hunter"), "{text}");
    error.code()
}

/// Calls each method of the port once.
async fn use_all(store: &dyn Store) -> Result<(), StoreError> {
    let series = Series::new("checkout", "rps", BTreeMap::new()).unwrap();
    let (key, tenant) = (SeriesKey::new(Tenant::default(), series), Tenant::default());
    store.check_deployment(&DEPLOYED).await?;
    let request = TokenRequest { rate_per_s: 10, burst: 10, min: 1, max: 10 };
    assert_eq!(store.take_tokens(&tenant, &request).await?.granted, 10);
    let appended = store.append(&key, &[NewSample::gauge(None, 1.0)], 0).await?;
    assert_eq!(appended.state.unwrap().inbox.len(), 1);
    store.put_config(&key, &SeriesConfig::default()).await?;
    assert!(store.read(&key).await?.is_some());
    assert!(store.remove_config(&key).await?);
    assert!(store.anomalies(&key, 0, 10).await?.is_empty());
    assert_eq!(store.list(&tenant, None, 10).await?.items.len(), 1);
    assert!(store.worst(&tenant, None, 10).await?.items.is_empty());
    assert_eq!(store.tenant_counts(&tenant).await?.n_series, 1);
    assert_eq!(store.pending(10).await?.len(), 1);
    store.add_totals(&[("late".to_owned(), 1)].into()).await?;
    assert_eq!(store.totals().await?["late"], 1);
    assert_eq!(store.gauges().await?.n_series, 1);
    assert_eq!(store.recent(&tenant, 10).await?.len(), 1);
    assert_eq!(store.summaries(std::slice::from_ref(&key)).await?.len(), 1);
    let (function, name) = ("ingest".to_owned(), "pod".to_owned());
    let instance = Instance { function, name, n_connections: 1, n_requests: 1 };
    store.renew_lease(&instance).await?;
    assert_eq!(store.instances().await?, std::slice::from_ref(&instance));
    store.end_lease(&instance).await?;
    store.ping().await?;
    assert!(store.forget(&key).await?);
    Ok(())
}

#[tokio::test]
async fn a_user_with_the_documented_rights_does_everything_over_tls() {
    let server = server(&[]);
    use_all(&store(&server, &credentials(&server.ca_file(), PASSWORD))).await.unwrap();
}

#[tokio::test]
async fn user_and_password_may_be_part_of_the_address() {
    let server = server(&[]);
    let encoded = "correct%2Fhorse%3Abattery%40staple";
    let url = server.url().replace("127.0.0.1", &format!("tidemark:{encoded}@127.0.0.1"));
    let ca_pem = Some(fs::read_to_string(server.ca_file()).unwrap());
    let trusted = RedisCredentials { ca_pem, ..RedisCredentials::default() };
    use_all(&RedisStore::with_credentials(&options(url), &trusted).unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_is_not_trusted() {
    let server = server(&[]);
    let other = credentials(&server.other_ca_file(), PASSWORD);
    let none = RedisCredentials { ca_pem: None, ..other.clone() };
    for credentials in [other, none] {
        let error = store(&server, &credentials).check_deployment(&DEPLOYED).await.unwrap_err();
        assert_eq!(code(&error), "store_untrusted", "{error}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let server = server(&[]);
    let wrong = credentials(&server.ca_file(), "hunter2");
    let none = RedisCredentials { username: None, password: None, ..wrong.clone() };
    let unknown = RedisCredentials { username: Some("unknown".to_owned()), ..wrong.clone() };
    for credentials in [wrong, unknown, none] {
        let error = store(&server, &credentials).check_deployment(&DEPLOYED).await.unwrap_err();
        assert_eq!(code(&error), "store_credentials_refused", "{error}");
    }
}

#[tokio::test]
async fn a_refused_store_connects_once_the_password_is_right() {
    let server = TlsRedisServer::start();
    server.cli(&["ACL", "SETUSER", "tidemark", "on", ">other", "~tm:*", "+@all"]);
    let store = store(&server, &credentials(&server.ca_file(), "changed"));
    let n_connections = || -> u64 {
        let stats = server.cli(&["INFO", "stats"]);
        let n = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        n.unwrap().trim().parse().unwrap()
    };
    let before = n_connections();
    for _ in 0..20 {
        let error = store.check_deployment(&DEPLOYED).await.unwrap_err();
        assert_eq!(code(&error), "store_credentials_refused", "{error}");
    }
    // The calls shared connections.
    assert!(n_connections() < before + 20);
    assert_eq!(server.cli(&["ACL", "SETUSER", "tidemark", ">changed"]), "OK");
    let mut tried = 0;
    while store.check_deployment(&DEPLOYED).await.is_err() {
        tried += 1;
        assert!(tried < 600, "still refused");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_right_that_is_missing_is_named() {
    for (further, of_append) in [(["-hsetnx"], false), (["-evalsha"], true), (["-zadd"], true)] {
        let server = server(&further);
        let store = store(&server, &credentials(&server.ca_file(), PASSWORD));
        let error = use_all(&store).await.unwrap_err();
        assert_eq!(code(&error), "store_not_permitted", "{error}");
        assert_eq!(store.check_deployment(&DEPLOYED).await.is_ok(), of_append);
    }
    // A user with other keys.
    let server = server(&["resetkeys", "~other:*"]);
    let store = store(&server, &credentials(&server.ca_file(), PASSWORD));
    assert_eq!(code(&use_all(&store).await.unwrap_err()), "store_not_permitted");
}

/// A provider of the password that the test sets.
#[derive(Debug, Default)]
struct RotatingPassword {
    // A `std::sync::Mutex`: it is never held over a wait.
    password: Mutex<String>,
    renewal: Notify,
}

impl RotatingPassword {
    /// Lets the server and the provider use this password from now on, and no other.
    fn rotate(&self, server: &TlsRedisServer, password: &str) {
        let rule = format!(">{password}");
        assert_eq!(server.cli(&["ACL", "SETUSER", "tidemark", "resetpass", &rule]), "OK");
        password.clone_into(&mut self.password.lock().unwrap());
    }
}

#[async_trait]
impl CredentialsProvider for RotatingPassword {
    async fn login(&self) -> Result<Login, CredentialsError> {
        let password = self.password.lock().unwrap().clone();
        if password.is_empty() {
            return Err(CredentialsError::Unavailable { reason: "away".to_owned() });
        }
        Ok(Login { username: "tidemark".to_owned(), password: Secret::from(password) })
    }

    async fn renewal(&self) {
        self.renewal.notified().await;
    }
}

/// A server with the documented user, a provider of its password, and a store that uses the provider.
fn provided() -> (TlsRedisServer, Arc<RotatingPassword>, RedisStore) {
    // The user `default` keeps all rights, so that the test can set the other's password.
    let server = TlsRedisServer::start();
    let rights = documented_rights();
    let words = ["ACL", "SETUSER", "tidemark"].into_iter();
    let words: Vec<&str> = words.chain(rights.iter().map(String::as_str)).collect();
    assert_eq!(server.cli(&words), "OK");
    let provider = Arc::new(RotatingPassword::default());
    let ca_pem = Some(fs::read_to_string(server.ca_file()).unwrap());
    let credentials = RedisCredentials {
        ca_pem,
        provider: Some(Arc::clone(&provider) as Arc<dyn CredentialsProvider>),
        ..RedisCredentials::default()
    };
    let store = store(&server, &credentials);
    (server, provider, store)
}

#[tokio::test]
async fn each_connection_opens_with_a_login_of_its_own() {
    let (server, provider, store) = provided();
    provider.rotate(&server, "horse-1");
    use_all(&store).await.unwrap();
    // The first password is void, and the server has closed the connection.
    provider.rotate(&server, "horse-2");
    assert_ne!(server.cli(&["CLIENT", "KILL", "USER", "tidemark"]), "0");
    store.check_deployment(&DEPLOYED).await.unwrap();
}

#[tokio::test]
async fn an_open_connection_logs_in_again_at_a_renewal() {
    let (server, provider, store) = provided();
    provider.rotate(&server, "horse-1");
    store.check_deployment(&DEPLOYED).await.unwrap();
    let n_logins = || {
        let stats = server.cli(&["INFO", "commandstats"]);
        let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_auth:calls="));
        calls.map_or(0, |calls| calls.split(',').next().unwrap().parse::<u64>().unwrap())
    };
    let reaches = async |n: u64| {
        let mut n_tries = 0;
        while n_logins() < n {
            n_tries += 1;
            assert!(n_tries < 600, "{} logins instead of {n}", n_logins());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // The client repeats the first login when it starts to wait for renewals.
    reaches(2).await;
    provider.rotate(&server, "horse-2");
    provider.renewal.notify_one();
    reaches(3).await;
    store.check_deployment(&DEPLOYED).await.unwrap();
    assert!(!server.cli(&["ACL", "LOG"]).contains("auth"), "both logins were accepted");
}

#[tokio::test]
async fn a_login_that_is_refused_or_missing_is_reported_without_it() {
    let (server, provider, store) = provided();
    let error = store.check_deployment(&DEPLOYED).await.unwrap_err();
    assert_eq!(code(&error), "store_unavailable", "{error}");
    provider.rotate(&server, "horse-1");
    "hunter2".clone_into(&mut provider.password.lock().unwrap());
    let refused = RedisStore::with_credentials(
        &options(server.url()),
        &RedisCredentials {
            ca_pem: Some(fs::read_to_string(server.ca_file()).unwrap()),
            provider: Some(provider),
            ..RedisCredentials::default()
        },
    );
    let error = refused.unwrap().check_deployment(&DEPLOYED).await.unwrap_err();
    assert_eq!(code(&error), "store_credentials_refused", "{error}");
}
