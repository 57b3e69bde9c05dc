//! A stand-in for an account of AWS: it gives out credentials of a role in three ways, and checks them in front of moto.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use aws::testbed::{DynamoServer, StandIn};
use serde_json::{Value, json};

pub(crate) const ROLE_ARN: &str = "arn:aws:iam::123456789012:role/tidemark";
pub(crate) const WEB_IDENTITY: &str = "WebIdentity6120";
pub(crate) const CONTAINER_TOKEN: &str = "ContainerToken7731";
const INSTANCE_TOKEN: &str = "InstanceToken2204";

/// Validity of credentials, in seconds: so short that each use fetches them again.
const VALIDITY_S: i64 = 3;

/// The account, which knows one set of credentials at a time.
pub(crate) struct Account {
    pub(crate) moto: DynamoServer,
    address: String,
    state: Arc<State>,
}

#[derive(Default)]
pub(crate) struct State {
    generation: AtomicU64,
    n_accepted: AtomicUsize,
}

impl State {
    pub(crate) fn access_key_id(&self) -> String {
        format!("ASIAGENERATION{}", self.generation.load(Ordering::Relaxed))
    }

    fn secret(&self) -> String {
        format!("KeyMaterial{}", self.generation.load(Ordering::Relaxed))
    }

    pub(crate) fn session_token(&self) -> String {
        format!("SessionMaterial{}", self.generation.load(Ordering::Relaxed))
    }
}

struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Self { line: line.trim_end().to_owned(), headers, body: Vec::new() };
        request.body = vec![0; request.header("content-length").parse().unwrap_or(0)];
        reader.read_exact(&mut request.body).ok()?;
        Some(request)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(of, _)| of == name).map_or("", |(_, value)| value)
    }
}

impl Account {
    pub(crate) fn start() -> Self {
        let moto = DynamoServer::start(StandIn::Moto);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State::default());
        let (shared, moto_address) = (Arc::clone(&state), moto.url().replace("http://", ""));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (state, moto) = (Arc::clone(&shared), moto_address.clone());
                thread::spawn(move || serve(stream.unwrap(), &state, &moto));
            }
        });
        Self { moto, address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replaces the credentials: the earlier ones are void.
    pub(crate) fn rotate(&self) {
        self.state.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// Number of requests to services that carried the credentials of their time.
    pub(crate) fn n_accepted(&self) -> usize {
        self.state.n_accepted.load(Ordering::Relaxed)
    }

    /// Stores a secret, and returns its ARN.
    pub(crate) fn create_secret(&self, text: &str) -> String {
        let query = json!({"Name": "redis", "SecretString": text});
        let created = self.ask_moto("secretsmanager.CreateSecret", &query);
        created["ARN"].as_str().unwrap().to_owned()
    }

    /// Replaces a secret.
    pub(crate) fn put_secret(&self, arn: &str, text: &str) {
        let query = json!({"SecretId": arn, "SecretString": text});
        self.ask_moto("secretsmanager.PutSecretValue", &query);
    }

    fn ask_moto(&self, target: &str, query: &Value) -> Value {
        let credential = "Credential=a/20261121/eu-central-1/secretsmanager/aws4_request";
        let headers = [
            ("host", "a".to_owned()),
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", target.to_owned()),
            (
                "authorization",
                format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"),
            ),
            ("content-length", query.to_string().len().to_string()),
        ];
        let request = Request {
            line: "POST / HTTP/1.1".to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            body: query.to_string().into_bytes(),
        };
        let response = forward(&request, &self.moto.url().replace("http://", ""));
        let response = String::from_utf8(response).unwrap();
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        serde_json::from_str(response.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }
}

fn serve(mut stream: TcpStream, state: &State, moto: &str) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = Request::read(&mut reader) {
        let response = respond(&request, state, moto);
        if stream.write_all(&response).is_err() {
            return;
        }
    }
}

fn respond(request: &Request, state: &State, moto: &str) -> Vec<u8> {
    let body = String::from_utf8_lossy(&request.body);
    let metadata_token = request.header("x-aws-ec2-metadata-token");
    let path = request.line.rsplit_once(' ').unwrap().0;
    match path {
        "POST /" if body.contains("Action=AssumeRoleWithWebIdentity") => {
            let is_right = body.contains(&format!("WebIdentityToken={WEB_IDENTITY}"))
                && body.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Ftidemark");
            if is_right { text(&assumed_role(state)) } else { refused("InvalidIdentityToken") }
        }
        "POST /" => checked(request, state, moto),
        "GET /role" if request.header("authorization") == CONTAINER_TOKEN => text(&role(state)),
        "PUT /latest/api/token" => {
            let ttl = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 21600\r\n";
            response("200 OK", ttl, INSTANCE_TOKEN)
        }
        _ if metadata_token != INSTANCE_TOKEN => response("401 Unauthorized", "", ""),
        "GET /latest/meta-data/iam/security-credentials/" => text("tidemark"),
        "GET /latest/meta-data/iam/security-credentials/tidemark" => text(&role(state)),
        _ => response("404 Not Found", "", ""),
    }
}

/// The response of moto to a request of the current credentials, and a refusal of all others.
fn checked(request: &Request, state: &State, moto: &str) -> Vec<u8> {
    let credential = format!("Credential={}/", state.access_key_id());
    let is_current = request.header("authorization").contains(&credential)
        && request.header("x-amz-security-token") == state.session_token();
    if !is_current {
        return refused("ExpiredTokenException");
    }
    state.n_accepted.fetch_add(1, Ordering::Relaxed);
    forward(request, moto)
}

fn forward(request: &Request, moto: &str) -> Vec<u8> {
    let mut upstream = TcpStream::connect(moto).unwrap();
    let headers = request.headers.iter().filter(|(name, _)| name != "connection");
    let headers =
        headers.fold(String::new(), |text, (name, value)| text + name + ": " + value + "\r\n");
    write!(upstream, "{}\r\n{headers}connection: close\r\n\r\n", request.line).unwrap();
    upstream.write_all(&request.body).unwrap();
    let mut bytes = Vec::new();
    upstream.read_to_end(&mut bytes).unwrap();
    bytes
}

fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn text(body: &str) -> Vec<u8> {
    response("200 OK", "", body)
}

fn refused(fault: &str) -> Vec<u8> {
    response("403 Forbidden", "", &format!(r#"{{"__type":"{fault}"}}"#))
}

fn expiration() -> String {
    let expiry = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(VALIDITY_S);
    expiry.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Credentials as the endpoints of containers and instances return them.
fn role(state: &State) -> String {
    let (id, secret, token) = (state.access_key_id(), state.secret(), state.session_token());
    let expiration = expiration();
    format!(
        r#"{{"Code":"Success","Type":"AWS-HMAC","LastUpdated":"2026-01-01T00:00:00Z","AccessKeyId":"{id}",
            "SecretAccessKey":"{secret}","Token":"{token}","Expiration":"{expiration}","RoleArn":"{ROLE_ARN}"}}"#
    )
}

/// Credentials as STS returns them.
fn assumed_role(state: &State) -> String {
    let (id, secret, token) = (state.access_key_id(), state.secret(), state.session_token());
    let expiration = expiration();
    format!(
        r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
        <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{id}</AccessKeyId>
        <SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>
        <Expiration>{expiration}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
        <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
        </AssumeRoleWithWebIdentityResponse>"#
    )
}
