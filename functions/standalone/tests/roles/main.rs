//! Credentials of a role, as EKS, ECS and EC2 give them to a process, over stand-ins on the loopback: each way opens
//! Redis by IAM, fetches the password of Redis, and opens DynamoDB, also after the first credentials have expired.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

mod account;
mod cache;
mod function;

use std::fs;

use account::{Account, CONTAINER_TOKEN, ROLE_ARN, WEB_IDENTITY};
use cache::Cache;
use function::Function;
use serde_json::json;
use store::testbed::TlsRedisServer;
use tempfile::TempDir;

const TABLE: &str = "tidemark";
const PASSWORD: &str = "PassworD4811correct";

type Variables = Vec<(&'static str, String)>;

/// Variables that every function gets; there are no static keys among them.
fn common(account: &Account) -> Variables {
    vec![
        ("AWS_REGION", "eu-central-1".to_owned()),
        ("AWS_ENDPOINT_URL", account.url()),
        ("TIDEMARK_HISTORY_TABLE", TABLE.to_owned()),
        ("REDIS_CONNECT_TIMEOUT_MS", "20000".to_owned()),
        ("REDIS_RESPONSE_TIMEOUT_MS", "20000".to_owned()),
    ]
}

/// Ready, with a store and a history that accept the function's credentials.
fn is_ready(function: &mut Function) -> bool {
    let ready = function.request("GET /readyz", "");
    ready.starts_with("HTTP/1.1 200") && ready.contains(r#""history":"ready""#)
}

/// Uses Redis by IAM and DynamoDB with two generations of credentials.
async fn opens_a_cache(account: &Account, role: &Variables) {
    let cache = Cache::start(account).await;
    let mut variables = common(account);
    variables.extend([
        ("REDIS_URL", cache.url()),
        ("REDIS_CA_FILE", cache.ca_file().display().to_string()),
        ("REDIS_USERNAME", "tidemark".to_owned()),
        ("REDIS_IAM", "serverless:tidemark".to_owned()),
    ]);
    variables.extend(role.iter().cloned());
    let mut function = Function::start(&variables);
    for _ in 0..2 {
        // The first request after a cut may find the broken connection.
        let is_sent = |_| {
            let sent = function.request("POST /ingest", r#"{"metric":"rps","value":1}"#);
            sent.starts_with("HTTP/1.1 200")
        };
        assert!((0..3).any(is_sent), "the token was refused");
        let n_accepted = account.n_accepted();
        assert!(is_ready(&mut function));
        assert!(account.n_accepted() > n_accepted, "DynamoDB checked the credentials");
        account.rotate();
        cache.cut();
    }
    function.end();
}

/// Fetches the password of Redis with two generations of credentials.
fn fetches_a_secret(account: &Account, role: &Variables) {
    let redis = TlsRedisServer::start();
    let rule = |password: &str| format!(">{password}");
    redis.cli(&["ACL", "SETUSER", "tidemark", "on", &rule(PASSWORD), "~tm:*", "+@all"]);
    let secret = |password: &str| json!({"username": "tidemark", "password": password}).to_string();
    let arn = account.create_secret(&secret(PASSWORD));
    let mut variables = common(account);
    variables.extend([
        ("REDIS_URL", redis.url()),
        ("REDIS_CA_FILE", redis.ca_file().display().to_string()),
        ("REDIS_PASSWORD_ARN", arn.clone()),
    ]);
    variables.extend(role.iter().cloned());
    let mut function = Function::start(&variables);
    assert!(is_ready(&mut function));

    account.rotate();
    let rotated = format!("{PASSWORD}2");
    account.put_secret(&arn, &secret(&rotated));
    redis.cli(&["ACL", "SETUSER", "tidemark", "resetpass", &rule(&rotated)]);
    redis.cli(&["CLIENT", "KILL", "USER", "tidemark"]);
    // The old password may be used for five more seconds.
    let opens = |_| {
        std::thread::sleep(std::time::Duration::from_secs(1));
        function.request("GET /series", "").starts_with("HTTP/1.1 200")
    };
    assert!((0..20).any(opens));
    assert!(is_ready(&mut function));
    function.end();
}

async fn serves_all(role: impl FnOnce(&Account, &TempDir) -> Variables) {
    let account = Account::start();
    account.moto.create_table(TABLE).await;
    let folder = tempfile::tempdir().unwrap();
    let role = role(&account, &folder);
    opens_a_cache(&account, &role).await;
    fetches_a_secret(&account, &role);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_identity_of_eks_gives_credentials_that_renew() {
    serves_all(|account, folder| {
        let file = folder.path().join("token");
        fs::write(&file, WEB_IDENTITY).unwrap();
        vec![
            ("AWS_ROLE_ARN", ROLE_ARN.to_owned()),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", file.display().to_string()),
            ("AWS_ENDPOINT_URL_STS", account.url()),
        ]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_endpoint_of_ecs_gives_credentials_that_renew() {
    serves_all(|account, _| {
        vec![
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/role", account.url())),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER_TOKEN.to_owned()),
        ]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_of_an_ec2_instance_gives_credentials_that_renew() {
    serves_all(|account, _| vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", account.url())]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_aws_does_not_know_are_refused() {
    let account = Account::start();
    account.moto.create_table(TABLE).await;
    let cache = Cache::start(&account).await;
    let mut variables = common(&account);
    variables.extend([
        ("REDIS_URL", cache.url()),
        ("REDIS_CA_FILE", cache.ca_file().display().to_string()),
        ("REDIS_USERNAME", "tidemark".to_owned()),
        ("REDIS_IAM", "serverless:tidemark".to_owned()),
        ("AWS_ACCESS_KEY_ID", "ASIAGENERATION9".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "KeyMaterial9".to_owned()),
        ("AWS_SESSION_TOKEN", "SessionMaterial9".to_owned()),
    ]);
    let mut function = Function::start(&variables);
    let ready = function.request("GET /readyz", "");
    assert!(ready.contains("store_credentials_refused"), "{ready}");
    function.end();
}
