//! Tests of the secret login against a server of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::Credentials;
use aws_smithy_http_client::tls::TrustStore;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::advance;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::role::Clock;

const ARN: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:redis-AbCdEf";

/// 2015-08-30, 12:36 UTC.
const NOW_US: i64 = 1_440_938_160_000_000;

const PATIENCE: Duration = Duration::from_secs(20);

fn secret_login(endpoint: Option<String>, roots: TrustStore) -> SecretLogin {
    let clock: Clock = Arc::new(|| NOW_US);
    let session_token = Some("session".to_owned());
    let credentials = Credentials::new("AKIDEXAMPLE", "hunter2", session_token, None, "test");
    let role = RoleCredentials::of(credentials, clock);
    let password = StoredPassword { arn: ARN.parse().unwrap(), username: None, endpoint };
    let login = SecretLogin::new(password, role, PATIENCE);
    let _is_first = login.cached.source.connector.set(connector(roots)).is_ok();
    login
}

#[test]
fn a_secret_is_a_password_or_json_with_one() {
    let read = |text: &str, username: Option<&str>| {
        let login = login(text, username);
        (login.username, login.password.expose().to_owned())
    };
    let pair = |user: &str, password: &str| (user.to_owned(), password.to_owned());
    assert_eq!(read("p w\n", None), pair("default", "p w"));
    assert_eq!(read(r#"{"password":"p"}"#, None), pair("default", "p"));
    let both = r#"{"username":"tidemark","password":"p","host":"cache"}"#;
    assert_eq!(read(both, None), pair("tidemark", "p"));
    assert_eq!(read(both, Some("other")), pair("other", "p"));
    assert_eq!(read(r#"{"other":1}"#, None), pair("default", r#"{"other":1}"#));
}

#[tokio::test]
async fn a_request_equals_that_of_the_python_sdk() {
    let login = secret_login(None, TrustStore::empty());
    let request = login.cached.source.signed().await.unwrap();
    let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(request.uri().host(), Some("secretsmanager.eu-west-1.amazonaws.com"));
    assert_eq!(request.body().bytes(), Some(format!(r#"{{"SecretId":"{ARN}"}}"#).as_bytes()));
    assert_eq!(header("x-amz-security-token"), "session");
    assert_eq!(
        header("authorization"),
        "AWS4-HMAC-SHA256 \
         Credential=AKIDEXAMPLE/20150830/eu-west-1/secretsmanager/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, \
         Signature=df8e8a02734c4f0cb46b4ff44759689b7257613d392d6e3793ddf23331ce2922"
    );
}

#[test]
fn debug_output_has_no_credentials() {
    let login = secret_login(None, TrustStore::empty());
    assert_eq!(format!("{login:?}"), format!("SecretLogin {{ arn: \"{ARN}\", .. }}"));
}

/// A stand-in for Secrets Manager with one response, its trusted certificate, and the number of its requests.
async fn server(response: &'static str) -> (String, TrustStore, Arc<AtomicUsize>) {
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let roots = TrustStore::empty().with_pem_certificate(cert.pem().into_bytes());
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let n_requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&n_requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            counter.fetch_add(1, Ordering::Relaxed);
            let mut request = vec![0; 4096];
            let n = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..n]).to_ascii_lowercase();
            assert!(request.starts_with("post / http/1.1\r\n"), "{request}");
            assert!(request.contains("x-amz-target: secretsmanager.getsecretvalue\r\n"));
            assert!(request.contains("x-amz-security-token: session\r\n"), "{request}");
            assert!(!request.contains("hunter2"), "{request}");
            let length = response.split_once('{').map_or(0, |(_, rest)| rest.len() + 1);
            let (status, body) = response.split_at(response.len() - length);
            let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.write_all(text.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (endpoint, roots, n_requests)
}

async fn wait(duration: Duration) {
    tokio::time::pause();
    advance(duration).await;
    tokio::time::resume();
}

#[tokio::test]
async fn connections_that_open_together_share_one_request() {
    let (endpoint, roots, n_requests) = server(r#"200 OK{"SecretString":"correct horse"}"#).await;
    let login = secret_login(Some(endpoint), roots);
    let logins = futures_util::future::join_all((0..3).map(|_| login.login())).await;
    for login in logins {
        assert_eq!(login.unwrap().password.expose(), "correct horse");
    }
    assert_eq!(n_requests.load(Ordering::Relaxed), 1);
    wait(FRESH_FOR).await;
    assert_eq!(login.login().await.unwrap().username, "default");
    assert_eq!(n_requests.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn the_last_password_is_used_while_its_service_is_away() {
    let (endpoint, roots, _) = server(r#"503 Away{"__type":"InternalServiceError"}"#).await;
    let login = secret_login(Some(endpoint), roots);
    let error = login.login().await.unwrap_err();
    assert_eq!(error.code(), "credentials_unavailable", "{error}");
    let old = Login { username: "tidemark".to_owned(), password: Secret::from("old".to_owned()) };
    login.cached.set((Instant::now(), old.clone()));
    wait(FRESH_FOR).await;
    assert_eq!(login.login().await.unwrap(), old);
}

#[tokio::test]
async fn a_slow_request_is_not_repeated_by_the_next_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let mut login = secret_login(Some(endpoint), TrustStore::empty());
    login.patience = Duration::from_millis(20);
    for _ in 0..3 {
        let error = login.login().await.unwrap_err();
        assert!(error.to_string().contains("no response within 20 ms"), "{error}");
    }
    let (mut stream, _) = listener.accept().await.unwrap();
    let body = r#"{"SecretString":"correct horse"}"#;
    let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(response.as_bytes()).await.unwrap();
    login.patience = PATIENCE;
    assert_eq!(login.login().await.unwrap().password.expose(), "correct horse");
    assert!(futures_util::FutureExt::now_or_never(listener.accept()).is_none());
}

#[tokio::test]
async fn a_refusal_names_the_secret() {
    let response = r#"400 Bad Request{"__type":"ResourceNotFoundException"}"#;
    let (endpoint, roots, _) = server(response).await;
    let error = secret_login(Some(endpoint), roots).login().await.unwrap_err();
    assert_eq!(error.code(), "credentials_refused");
    assert!(error.to_string().contains("ResourceNotFoundException for arn:"), "{error}");
}

#[tokio::test]
async fn a_response_past_the_limit_is_not_read() {
    let body = format!(r#"{{"SecretString":"{}"}}"#, "a".repeat(RESPONSE_BYTES_MAX));
    let response: &'static str = Box::leak(format!("200 OK{body}").into_boxed_str());
    let (endpoint, roots, _) = server(response).await;
    let error = secret_login(Some(endpoint), roots).login().await.unwrap_err();
    assert!(error.to_string().contains("length limit exceeded"), "{error}");
}

#[tokio::test]
async fn an_untrusted_service_gets_no_request() {
    let (endpoint, _, n_requests) = server(r#"200 OK{"SecretString":"correct horse"}"#).await;
    let error = secret_login(Some(endpoint), amazon_roots()).login().await.unwrap_err();
    assert!(error.to_string().contains("request to secretsmanager failed"), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(n_requests.load(Ordering::Relaxed), 0);
}
