//! Secrets appear nowhere: not in the most verbose log, not in a response, not in `/metrics`.
//!
//! The real binary fails in each way in which it handles a secret, and its whole output is searched.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers, too")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use aws::testbed::{DynamoServer, StandIn};
use serde_json::{Value, json};
use store::testbed::{TlsRedisServer, free_port};

/// Passwords and keys of these tests; each is part of every form in which it is sent.
const PASSWORD: &str = "PassworD4811correct";
const WRONG_PASSWORD: &str = "PassworD9172wrong";
const UNKNOWN_KEY: &str = "tmk_KeY5530unknown";

/// A running function, with its log and its responses.
struct Watched {
    child: Child,
    stderr: BufReader<ChildStderr>,
    address: String,
    output: String,
}

fn command(vars: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standalone"));
    command.env_clear().envs(vars.iter().copied());
    command.env("PORT", "0").env("RUST_LOG", "trace");
    command
}

impl Watched {
    fn start(vars: &[(&str, &str)]) -> Self {
        let piped = Stdio::piped;
        let mut child = command(vars).stdout(piped()).stderr(piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut output = String::new();
        let address = loop {
            let start = output.len();
            assert!(stderr.read_line(&mut output).unwrap() > 0, "{output}");
            let line = output.get(start..).unwrap();
            if let Some((_, rest)) = line.split_once(r#""address":""#) {
                break rest.split('"').next().unwrap().to_owned();
            }
        };
        Self { child, stderr, address, output }
    }

    /// Sends a request with a key; returns the response, which counts as output.
    fn request(&mut self, line: &str, key: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let len = body.len();
        write!(
            stream,
            "{line} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
             Content-Length: {len}\r\n\r\n{body}"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        writeln!(self.output, "{response}").unwrap();
        response
    }

    /// Ends it, and returns its output.
    fn end(mut self) -> String {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.stderr.read_to_string(&mut self.output).unwrap();
        self.child.stdout.take().unwrap().read_to_string(&mut self.output).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        std::mem::take(&mut self.output)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _has_ended = self.child.kill().and_then(|()| self.child.wait()).is_err();
    }
}

/// A new key, and its entry.
fn made() -> (String, String) {
    let output = command(&[]).args(["key", "t", "write+read"]).output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let of = |name| out.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    (of("key"), of("entry"))
}

/// Asserts that none of `secrets` is in the output, as text or as a list of bytes.
#[track_caller]
fn has_none(output: &str, secrets: &[&str]) {
    for secret in secrets {
        let bytes = format!("{:?}", secret.as_bytes());
        let bytes = bytes.trim_matches(['[', ']']);
        for form in [secret, bytes] {
            let line = output.lines().find(|line| line.contains(form));
            assert_eq!(line, None, "a secret is in the output");
        }
    }
}

/// Uses a function whose store fails with `code`, and searches its output.
fn fails_without_secrets(code: &str, vars: &[(&str, &str)]) {
    let (key, entry) = made();
    let hash = entry.rsplit(':').next().unwrap();
    let keys = [("TIDEMARK_API_KEYS", entry.as_str())];
    let mut function = Watched::start(&[&keys, vars].concat());
    assert!(function.request("GET /readyz", &key, "").contains(code), "{}", function.output);
    function.request("GET /metrics", &key, "");
    function.request("GET /livez", &key, "");
    let sent = function.request("POST /ingest", &key, r#"{"metric":"rps","value":1}"#);
    assert!(sent.starts_with("HTTP/1.1 503"), "{sent}");
    assert!(function.request("GET /series", &key, "").contains(code));
    assert!(function.request("GET /series", UNKNOWN_KEY, "").starts_with("HTTP/1.1 401"));
    assert!(function.request("DELETE /series?metric=a", &key, "").starts_with("HTTP/1.1 403"));
    let output = function.end();
    // The log is verbose.
    assert!(output.contains(r#""level":"DEBUG""#) && output.contains("right_missing"), "{output}");
    has_none(&output, &[&key, hash, UNKNOWN_KEY, PASSWORD, WRONG_PASSWORD]);
}

fn server() -> TlsRedisServer {
    let server = TlsRedisServer::start();
    let password = format!(">{PASSWORD}");
    server.cli(&["ACL", "SETUSER", "tidemark", "on", &password, "~tm:*", "+@all"]);
    server
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn an_untrusted_server_exposes_no_secret() {
    let server = server();
    fails_without_secrets(
        "store_untrusted",
        &[
            ("REDIS_URL", &server.url()),
            ("REDIS_USERNAME", "tidemark"),
            ("REDIS_PASSWORD", PASSWORD),
            ("REDIS_CA_FILE", &text(&server.other_ca_file())),
        ],
    );
}

#[test]
fn a_wrong_password_is_not_exposed() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, format!("{WRONG_PASSWORD}\n")).unwrap();
    fails_without_secrets(
        "store_credentials_refused",
        &[
            ("REDIS_URL", &server.url()),
            ("REDIS_USERNAME", "tidemark"),
            ("REDIS_PASSWORD_FILE", &text(&file)),
            ("REDIS_CA_FILE", &text(&server.ca_file())),
        ],
    );
}

/// Calls an operation of a stand-in for AWS, and returns its response.
fn call_aws(aws: &DynamoServer, target: &str, query: &Value) -> Value {
    let service = if target.starts_with("AmazonSSM") { "ssm" } else { "secretsmanager" };
    let body = query.to_string();
    let len = body.len();
    let mut stream = TcpStream::connect(aws.url().strip_prefix("http://").unwrap()).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: {target}\r\nContent-Length: {len}\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=a/20261121/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n{body}"
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    serde_json::from_str(response.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Starts a function whose password is stored in a stand-in for AWS.
fn with_stored_password(server: &TlsRedisServer, aws: &DynamoServer, arn: &str) -> Watched {
    Watched::start(&[
        ("REDIS_URL", &server.url()),
        ("REDIS_PASSWORD_ARN", arn),
        ("REDIS_CA_FILE", &text(&server.ca_file())),
        ("REDIS_CONNECT_TIMEOUT_MS", "20000"),
        ("REDIS_RESPONSE_TIMEOUT_MS", "20000"),
        ("AWS_ENDPOINT_URL", &aws.url()),
        ("AWS_ACCESS_KEY_ID", "stand-in"),
        ("AWS_SECRET_ACCESS_KEY", PASSWORD),
    ])
}

#[test]
fn a_password_stored_in_aws_opens_the_store_and_is_not_exposed() {
    let (server, aws) = (server(), DynamoServer::start(StandIn::Moto));
    let login =
        |password: &str| json!({ "username": "tidemark", "password": password }).to_string();
    let secret = json!({ "Name": "redis", "SecretString": login(PASSWORD) });
    let secret = call_aws(&aws, "secretsmanager.CreateSecret", &secret);
    let arn = secret["ARN"].as_str().unwrap();
    let mut function = with_stored_password(&server, &aws, arn);
    let sent = function.request("POST /ingest", "", r#"{"metric":"rps","value":1}"#);
    assert!(sent.starts_with("HTTP/1.1 200"), "{sent}");

    // A rotation; open connections stay open.
    let put = json!({ "SecretId": arn, "SecretString": login(WRONG_PASSWORD) });
    call_aws(&aws, "secretsmanager.PutSecretValue", &put);
    let password = format!(">{WRONG_PASSWORD}");
    server.cli(&["ACL", "SETUSER", "tidemark", "resetpass", &password]);
    assert!(function.request("GET /series", "", "").starts_with("HTTP/1.1 200"));
    server.cli(&["CLIENT", "KILL", "USER", "tidemark"]);
    // Few requests: the log is read at the end only.
    let opens = |_| {
        std::thread::sleep(Duration::from_secs(1));
        function.request("GET /series", "", "").starts_with("HTTP/1.1 200")
    };
    assert!((0..20).any(opens), "{}", function.output);
    has_none(&function.end(), &[PASSWORD, WRONG_PASSWORD]);
}

#[test]
fn a_parameter_of_aws_is_a_password_too() {
    let (server, aws) = (TlsRedisServer::start(), DynamoServer::start(StandIn::Moto));
    server.cli(&["CONFIG", "SET", "requirepass", PASSWORD]);
    let put = json!({ "Name": "/tidemark/redis", "Type": "SecureString", "Value": PASSWORD });
    call_aws(&aws, "AmazonSSM.PutParameter", &put);
    let arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/tidemark/redis";
    let mut function = with_stored_password(&server, &aws, arn);
    assert!(
        function.request("GET /readyz", "", "").starts_with("HTTP/1.1 200"),
        "{}",
        function.output
    );
    has_none(&function.end(), &[PASSWORD]);
}

#[test]
fn a_missing_secret_is_reported_by_its_name() {
    let (server, aws) = (server(), DynamoServer::start(StandIn::Moto));
    let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:other-AbCdEf";
    let mut function = with_stored_password(&server, &aws, arn);
    let ready = function.request("GET /readyz", "", "");
    assert!(
        ready.starts_with("HTTP/1.1 503") && ready.contains("store_credentials_refused"),
        "{ready}"
    );
    let output = function.end();
    assert!(output.contains("ResourceNotFoundException") && output.contains(arn), "{output}");
    has_none(&output, &[PASSWORD]);
}

#[test]
fn a_password_in_the_address_of_an_unreachable_store_is_not_exposed() {
    let url = format!("redis://tidemark:{PASSWORD}@127.0.0.1:{}", free_port());
    fails_without_secrets("store_unavailable", &[("REDIS_URL", &url)]);
}

#[test]
fn a_missing_right_is_reported_without_the_password() {
    let server = server();
    server.cli(&["ACL", "SETUSER", "tidemark", "-@all", "+auth", "+hello", "+ping"]);
    fails_without_secrets(
        "store_not_permitted",
        &[
            ("REDIS_URL", &server.url().replace("//", &format!("//tidemark:{PASSWORD}@"))),
            ("REDIS_CA_FILE", &text(&server.ca_file())),
        ],
    );
}

#[test]
fn a_refused_configuration_exposes_no_secret() {
    let (key, _) = made();
    let url = |end: &str| format!("redis://tidemark:{PASSWORD}@{end}");
    let unreadable = format!("rediss://tidemark:{PASSWORD}@127.0.0.1:1/x#odd");
    let cases = [
        vec![("REDIS_URL", url("127.0.0.1:port"))],
        vec![("REDIS_URL", url("a:1,b:2"))],
        vec![("REDIS_URL", unreadable)],
        vec![("REDIS_URL", PASSWORD.to_owned())],
        vec![("TIDEMARK_API_KEYS", key.clone())],
        vec![("TIDEMARK_API_KEYS", format!("t:{key}:read"))],
        vec![("TIDEMARK_API_KEYS", format!("{key}:read:{}", "0".repeat(64)))],
        vec![("REDIS_PASSWORD", PASSWORD.to_owned()), ("REDIS_PASSWORD_FILE", "/none".to_owned())],
        vec![("REDIS_PASSWORD_ARN", PASSWORD.to_owned()), ("REDIS_URL", url("127.0.0.1"))],
    ];
    for case in cases {
        let vars: Vec<(&str, &str)> = case.iter().map(|(name, text)| (*name, &**text)).collect();
        let output = command(&vars).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(output.status.code(), Some(64), "{text}");
        assert!(text.contains(case[0].0), "{text}");
        has_none(&text, &[&key, PASSWORD]);
    }
}
