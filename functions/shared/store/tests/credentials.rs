//! TLS and users of Redis, against a real server: whom it trusts, who is trusted, and what is said otherwise.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use detector::{DeployedDetector, Detector, SeriesConfig};
use domain::Series;
use domain::{SeriesKey, Tenant};
use store::testbed::{TlsRedisServer, patient_options};
use store::{
    AwsKeys, IamUser, Instance, Instances, Lease, NewSample, Overview, Quotas, RedisCredentials,
    RedisOptions, RedisStore, Secret, SeriesStore, StoreError, Topology,
};

const DEPLOYED: DeployedDetector = DeployedDetector { detector: Detector::ALL[1], generation: 1 };

const PASSWORD: &str = "correct/horse:battery@staple";

/// The rights that the README names, as words of `ACL SETUSER`.
fn documented_rights() -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let line = readme.lines().find_map(|line| line.strip_prefix("ACL SETUSER tidemark ")).unwrap();
    line.split(' ').filter(|word| !word.starts_with('>')).map(str::to_owned).collect()
}

/// A server with a user who has the documented rights, and then these.
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

/// What the store says to `error`; the password is never in it.
fn code(error: &StoreError) -> &'static str {
    let told = format!("{error} {error:?}");
    assert!(!told.contains("horse") && !told.contains("hunter"), "{told}");
    error.code()
}

/// Calls each method of the port once.
async fn use_all(store: &RedisStore) -> Result<(), StoreError> {
    let series = Series::new("checkout", "rps", BTreeMap::new()).unwrap();
    let (key, tenant) = (SeriesKey::new(Tenant::default(), series), Tenant::default());
    store.ready(&DEPLOYED).await?;
    let lease = Lease { rate_per_s: 10, burst: 10, least: 1, most: 10 };
    assert_eq!(store.lease(&tenant, &lease).await?.granted, 10);
    let appended = store.append(&key, &[NewSample { at_us: None, value: 1.0 }], 0).await?;
    assert_eq!(appended.state.unwrap().inbox.len(), 1);
    store.configure(&key, &SeriesConfig::default()).await?;
    assert!(store.read(&key).await?.is_some());
    assert!(store.unconfigure(&key).await?);
    assert!(store.anomalies(&key, 0, 10).await?.is_empty());
    assert_eq!(store.list(&tenant, None, 10).await?.items.len(), 1);
    assert!(store.worst(&tenant, None, 10).await?.items.is_empty());
    assert_eq!(store.count(&tenant).await?.n_series, 1);
    assert_eq!(store.pending(10).await?.len(), 1);
    store.add_totals(&[("late".to_owned(), 1)].into()).await?;
    assert_eq!(store.totals().await?["late"], 1);
    assert_eq!(store.levels().await?.n_series, 1);
    assert_eq!(store.recent(&tenant, 10).await?.len(), 1);
    assert_eq!(store.glances(std::slice::from_ref(&key)).await?.len(), 1);
    let (function, name) = ("ingest".to_owned(), "pod".to_owned());
    let instance = Instance { function, name, n_connections: 1, n_requests: 1 };
    store.report(&instance).await?;
    assert_eq!(store.instances().await?, std::slice::from_ref(&instance));
    store.withdraw(&instance).await?;
    store.answers().await?;
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
async fn a_server_that_nobody_vouches_for_is_not_trusted() {
    let server = server(&[]);
    let other = credentials(&server.other_ca_file(), PASSWORD);
    let nobody = RedisCredentials { ca_pem: None, ..other.clone() };
    for credentials in [other, nobody] {
        let error = store(&server, &credentials).ready(&DEPLOYED).await.unwrap_err();
        assert_eq!(code(&error), "store_untrusted", "{error}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let server = server(&[]);
    let wrong = credentials(&server.ca_file(), "hunter2");
    let nobody = RedisCredentials { username: None, password: None, ..wrong.clone() };
    let stranger = RedisCredentials { username: Some("stranger".to_owned()), ..wrong.clone() };
    for credentials in [wrong, stranger, nobody] {
        let error = store(&server, &credentials).ready(&DEPLOYED).await.unwrap_err();
        assert_eq!(code(&error), "store_credentials_refused", "{error}");
    }
}

#[tokio::test]
async fn who_was_refused_is_let_in_once_the_password_is_right() {
    let server = TlsRedisServer::start();
    server.cli(&["ACL", "SETUSER", "tidemark", "on", ">other", "~tm:*", "+@all"]);
    let store = store(&server, &credentials(&server.ca_file(), "changed"));
    let n_connections = || -> u64 {
        let stats = server.cli(&["INFO", "stats"]);
        let n = stats.lines().find_map(|it| it.strip_prefix("total_connections_received:"));
        n.unwrap().trim().parse().unwrap()
    };
    let before = n_connections();
    for _ in 0..20 {
        let error = store.ready(&DEPLOYED).await.unwrap_err();
        assert_eq!(code(&error), "store_credentials_refused", "{error}");
    }
    // They asked together, and not each for itself.
    assert!(n_connections() < before + 20);
    assert_eq!(server.cli(&["ACL", "SETUSER", "tidemark", ">changed"]), "OK");
    let mut tried = 0;
    while store.ready(&DEPLOYED).await.is_err() {
        tried += 1;
        assert!(tried < 600, "it is refused for ever");
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
        assert_eq!(store.ready(&DEPLOYED).await.is_ok(), of_append);
    }
    // A user who is kept to other keys.
    let server = server(&["resetkeys", "~other:*"]);
    let store = store(&server, &credentials(&server.ca_file(), PASSWORD));
    assert_eq!(code(&use_all(&store).await.unwrap_err()), "store_not_permitted");
}

/// A user of IAM with a clock that the test sets.
fn iam_user(now_us: &Arc<AtomicI64>) -> IamUser {
    let now_us = Arc::clone(now_us);
    IamUser {
        cache: "tidemark".to_owned(),
        is_serverless: true,
        region: "eu-west-1".to_owned(),
        user: "tidemark".to_owned(),
        keys: AwsKeys {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: Secret::from("a-key-of-the-role".to_owned()),
            session_token: Some(Secret::from("a-token-of-the-role".to_owned())),
        },
        clock: Arc::new(move || now_us.load(Ordering::Relaxed)),
    }
}

/// Lets the server take this token and no other, as ElastiCache does a quarter of an hour later.
fn take_only(server: &TlsRedisServer, user: &IamUser) {
    let password = format!(">{}", user.token().expose());
    assert_eq!(server.cli(&["ACL", "SETUSER", "tidemark", "resetpass", &password]), "OK");
}

#[tokio::test]
async fn each_connection_of_iam_is_opened_with_a_token_of_its_own() {
    // With a user `default` that may do all, so that the test can go on setting the other's password.
    let server = TlsRedisServer::start();
    let rights = documented_rights();
    let words = ["ACL", "SETUSER", "tidemark"].into_iter();
    let words: Vec<&str> = words.chain(rights.iter().map(String::as_str)).collect();
    assert_eq!(server.cli(&words), "OK");
    let now_us = Arc::new(AtomicI64::new(1_732_060_800_000_000));
    let user = iam_user(&now_us);
    take_only(&server, &user);
    let ca_pem = Some(fs::read_to_string(server.ca_file()).unwrap());
    let credentials =
        RedisCredentials { ca_pem, iam: Some(user.clone()), ..RedisCredentials::default() };
    let store = store(&server, &credentials);
    use_all(&store).await.unwrap();
    // An hour later the first token is worth nothing, and the server has ended the connection.
    now_us.fetch_add(3_600_000_000, Ordering::Relaxed);
    take_only(&server, &user);
    assert_ne!(server.cli(&["CLIENT", "KILL", "USER", "tidemark"]), "0");
    store.ready(&DEPLOYED).await.unwrap();
    // Keys that are worth nothing are refused, and what is refused is not told.
    let mut stranger = user;
    stranger.keys.secret_access_key = Secret::from("hunter2".to_owned());
    let credentials = RedisCredentials { iam: Some(stranger), ..credentials };
    let refused = self::store(&server, &credentials).ready(&DEPLOYED).await.unwrap_err();
    assert_eq!(code(&refused), "store_credentials_refused", "{refused}");
}
