//! A password that AWS Secrets Manager or the Parameter Store of AWS Systems Manager keeps.
//!
//! It is asked for when a connection is opened, so that it is in no variable, and a new one is known when the old one opens
//! no connection any more. An answer is good for some seconds: a Redis that is away is no reason to ask without end. Who
//! keeps it may be away, too, while what it told before still opens connections.
//!
//! Both services are asked by one `POST` (the JSON protocols of AWS), which takes no more than an HTTP client: the SDKs of
//! both would weigh more than `ingest`.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::{StreamExt, once, pending};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use redis::auth::{BasicAuth, StreamingCredentialsProvider};
use redis::{ErrorKind, RedisError, RedisResult};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::aws::{AwsKeys, Clock, Signer};
use crate::Secret;

/// How long an answer is good: connections that are opened together ask once.
const GOOD_FOR: Duration = Duration::from_secs(5);

/// Longest answer: a secret is at most 64 KB, and JSON may double it.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Who logs in without a name.
const DEFAULT_USER: &str = "default";

/// The name of what is kept: `arn:<partition>:<service>:<region>:<account>:<kind and name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordArn {
    text: String,
    partition: String,
    keeper: Keeper,
    region: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeper {
    SecretsManager,
    ParameterStore,
}

impl Keeper {
    /// As ARNs, hosts and signatures name it.
    fn name(self) -> &'static str {
        match self {
            Self::SecretsManager => "secretsmanager",
            Self::ParameterStore => "ssm",
        }
    }

    /// What it is asked to do.
    fn target(self) -> &'static str {
        match self {
            Self::SecretsManager => "secretsmanager.GetSecretValue",
            Self::ParameterStore => "AmazonSSM.GetParameter",
        }
    }
}

impl FromStr for PasswordArn {
    /// What was wanted.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let (["arn", partition, service, region, _account, name], false) =
            (parts.as_slice(), text.contains(char::is_whitespace))
        else {
            return Err("the ARN of a secret or a parameter");
        };
        let keeper = match *service {
            "secretsmanager" if name.starts_with("secret:") => Keeper::SecretsManager,
            "ssm" if name.starts_with("parameter/") => Keeper::ParameterStore,
            _ => {
                return Err(
                    "the ARN of a secret (Secrets Manager) or a parameter (Systems Manager)",
                );
            }
        };
        if !partition.starts_with("aws") || region.is_empty() {
            return Err("an ARN with partition and region");
        }
        let (text, partition) = (text.to_owned(), (*partition).to_owned());
        Ok(Self { text, partition, keeper, region: (*region).to_owned() })
    }
}

impl PasswordArn {
    /// The variable by which the tools of AWS name another address of its service.
    pub fn endpoint_variable(&self) -> &'static str {
        match self.keeper {
            Keeper::SecretsManager => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            Keeper::ParameterStore => "AWS_ENDPOINT_URL_SSM",
        }
    }

    /// Where its service is.
    fn endpoint(&self) -> String {
        let end = if self.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("https://{}.{}.{end}", self.keeper.name(), self.region)
    }

    fn question(&self) -> Value {
        match self.keeper {
            Keeper::SecretsManager => json!({ "SecretId": self.text }),
            Keeper::ParameterStore => json!({ "Name": self.text, "WithDecryption": true }),
        }
    }

    /// What is kept, as its service told it.
    fn told(&self, answer: &Value) -> Option<String> {
        let text = match self.keeper {
            Keeper::SecretsManager => &answer["SecretString"],
            Keeper::ParameterStore => &answer["Parameter"]["Value"],
        };
        text.as_str().map(str::to_owned)
    }
}

/// A password that AWS keeps, and who logs in with it.
///
/// What is kept is the password itself, or JSON with `password` and perhaps `username`.
#[derive(Clone)]
pub struct KeptPassword {
    /// What is asked for.
    pub arn: PasswordArn,
    /// The user, in the place of the one that is kept.
    pub username: Option<String>,
    /// What signs.
    pub keys: AwsKeys,
    /// The address of the service, where it is not the one of AWS.
    pub endpoint: Option<String>,
    /// Says when it is asked.
    pub clock: Clock,
}

impl fmt::Debug for KeptPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptPassword").field("arn", &self.arn.text).finish_non_exhaustive()
    }
}

impl KeptPassword {
    /// The provider of the credentials of connections, which waits so long for an answer.
    pub(super) fn credentials(&self, timeout: Duration) -> KeptCredentials {
        let (kept, known) = (self.clone(), Mutex::default());
        KeptCredentials(Arc::new(Asked { kept, roots: public_roots(), timeout, known }))
    }

    /// User and password of what is kept.
    fn read(&self, text: &str) -> BasicAuth {
        let object =
            serde_json::from_str::<Value>(text).ok().filter(|it| it["password"].is_string());
        let field = |name: &str| object.as_ref()?[name].as_str().map(str::to_owned);
        let username = self.username.clone().or_else(|| field("username"));
        let password = field("password").unwrap_or_else(|| text.trim_end_matches('\n').to_owned());
        BasicAuth::new(username.unwrap_or_else(|| DEFAULT_USER.to_owned()), password)
    }

    /// Asks for it.
    async fn ask(&self, roots: &RootCertStore) -> Result<BasicAuth, RedisError> {
        let (status, body) = self.answer(roots).await.map_err(|error| {
            let keeper = self.arn.keeper.name();
            io::Error::other(format!("{keeper} cannot be asked for the password: {error}"))
        })?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            let text = self.arn.told(&answer).map(Secret::from);
            let text = text.ok_or_else(|| refused(format!("{} is no text", self.arn.text)))?;
            return Ok(self.read(text.expose()));
        }
        let kind = answer["__type"].as_str().unwrap_or_default();
        let told =
            format!("{} answered {status} {kind} for {}", self.arn.keeper.name(), self.arn.text);
        // What may go by itself is like a store that is away.
        let is_passing = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        if is_passing || kind.contains("Throttl") {
            return Err(io::Error::other(told).into());
        }
        Err(refused(told))
    }

    /// What its service answers.
    async fn answer(&self, roots: &RootCertStore) -> io::Result<(StatusCode, Bytes)> {
        let endpoint = self.endpoint.clone().unwrap_or_else(|| self.arn.endpoint());
        let uri: Uri = endpoint.parse().map_err(io::Error::other)?;
        let host = uri.host().ok_or_else(|| io::Error::other("the endpoint has no host"))?;
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let request = self.request(uri.authority().map_or(host, |it| it.as_str()))?;
        let stream = TcpStream::connect((host, port)).await?;
        if !is_tls {
            return exchange(stream, request).await;
        }
        let config = ClientConfig::builder().with_root_certificates(roots.clone());
        let connector = TlsConnector::from(Arc::new(config.with_no_client_auth()));
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        exchange(connector.connect(name, stream).await?, request).await
    }

    /// The question, signed.
    fn request(&self, host: &str) -> io::Result<Request<Full<Bytes>>> {
        const CONTENT: &str = "application/x-amz-json-1.1";
        let Self { arn, keys, .. } = self;
        let body = arn.question().to_string();
        let signer = Signer::new(keys, &arn.region, arn.keeper.name(), (self.clock)());
        let mut headers = vec![
            (CONTENT_TYPE.as_str(), CONTENT),
            (HOST.as_str(), host),
            ("x-amz-date", signer.time()),
        ];
        headers.extend(signer.session_token().map(|token| ("x-amz-security-token", token)));
        headers.push(("x-amz-target", arn.keeper.target()));
        let authorization = signer.authorization(&headers, body.as_bytes());
        let mut request = Request::post("/").header(AUTHORIZATION, authorization);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(Full::from(body)).map_err(io::Error::other)
    }
}

/// Those that browsers trust.
fn public_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

fn refused(told: String) -> RedisError {
    (ErrorKind::AuthenticationFailed, "the password is not told", told).into()
}

/// Sends a request, and reads the answer.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> io::Result<(StatusCode, Bytes)> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // Ends with the answer, or with the sender.
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    Ok((status, body.map_err(io::Error::other)?.to_bytes()))
}

/// Gives each connection what was told last, or what is told now where that was too long ago.
pub(super) struct KeptCredentials(Arc<Asked>);

struct Asked {
    kept: KeptPassword,
    roots: RootCertStore,
    timeout: Duration,
    /// What was told, and when; held over the question, so that others wait for its answer.
    known: Mutex<Option<(Instant, BasicAuth)>>,
}

impl Asked {
    async fn credentials(&self) -> RedisResult<BasicAuth> {
        let mut known = self.known.lock().await;
        if let Some((at, credentials)) = &*known
            && at.elapsed() < GOOD_FOR
        {
            return Ok(credentials.clone());
        }
        let asked = timeout(self.timeout, self.kept.ask(&self.roots)).await;
        let asked = asked.unwrap_or_else(|_| {
            let keeper = self.kept.arn.keeper.name();
            Err(io::Error::other(format!("{keeper} did not answer in time")).into())
        });
        match (asked, &*known) {
            (Ok(credentials), _) => {
                *known = Some((Instant::now(), credentials.clone()));
                Ok(credentials)
            }
            (Err(_), Some((_, credentials))) => Ok(credentials.clone()),
            (Err(error), None) => Err(error),
        }
    }
}

impl StreamingCredentialsProvider for KeptCredentials {
    fn subscribe(&self) -> Pin<Box<dyn Stream<Item = RedisResult<BasicAuth>> + Send + 'static>> {
        let asked = Arc::clone(&self.0);
        // A connection stays who it was when it was opened.
        Box::pin(once(async move { asked.credentials().await }).chain(pending()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::advance;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:redis-AbCdEf";

    fn kept(arn: &str) -> KeptPassword {
        KeptPassword {
            arn: arn.parse().unwrap(),
            username: None,
            keys: AwsKeys {
                access_key_id: "AKIDEXAMPLE".to_owned(),
                secret_access_key: Secret::from("hunter2".to_owned()),
                session_token: Some(Secret::from("session".to_owned())),
            },
            endpoint: None,
            clock: Arc::new(|| 1_440_938_160_000_000),
        }
    }

    #[test]
    fn an_arn_says_whom_to_ask_and_where() {
        let parameter = "arn:aws-cn:ssm:cn-north-1:111122223333:parameter/tidemark/redis";
        for (arn, endpoint) in [
            (SECRET, "https://secretsmanager.eu-west-1.amazonaws.com"),
            (parameter, "https://ssm.cn-north-1.amazonaws.com.cn"),
        ] {
            assert_eq!(arn.parse::<PasswordArn>().unwrap().endpoint(), endpoint);
        }
        for wrong in [
            "",
            "hunter2",
            "arn:aws:secretsmanager:eu-west-1:111122223333",
            "arn:aws:secretsmanager::111122223333:secret:redis",
            "arn:aws:secretsmanager:eu-west-1:111122223333:parameter/redis",
            "arn:aws:ssm:eu-west-1:111122223333:secret:redis",
            "arn:aws:sqs:eu-west-1:111122223333:redis",
            "arn:other:ssm:eu-west-1:111122223333:parameter/redis",
            "arn:aws:ssm:eu-west-1:111122223333:parameter/re dis",
        ] {
            assert!(wrong.parse::<PasswordArn>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_kept_is_a_password_or_json_with_one() {
        let mut kept = kept(SECRET);
        let mut read = |text: &str, username: Option<&str>| {
            kept.username = username.map(str::to_owned);
            let read = kept.read(text);
            (read.username().to_owned(), read.password().to_owned())
        };
        let pair = |user: &str, password: &str| (user.to_owned(), password.to_owned());
        assert_eq!(read("p w\n", None), pair("default", "p w"));
        assert_eq!(read(r#"{"password":"p"}"#, None), pair("default", "p"));
        let both = r#"{"username":"tidemark","password":"p","host":"cache"}"#;
        assert_eq!(read(both, None), pair("tidemark", "p"));
        assert_eq!(read(both, Some("other")), pair("other", "p"));
        assert_eq!(read(r#"{"other":1}"#, None), pair("default", r#"{"other":1}"#));
    }

    /// An HTTPS server that answers so each time, with its port, its certificate and how often it was asked.
    async fn server(answer: &'static str) -> (u16, RootCertStore, Arc<AtomicUsize>) {
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let n_asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&n_asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                counted.fetch_add(1, Ordering::Relaxed);
                let mut heard = vec![0; 4096];
                let n = stream.read(&mut heard).await.unwrap();
                let heard = String::from_utf8_lossy(&heard[..n]).to_ascii_lowercase();
                assert!(heard.starts_with("post / http/1.1\r\n"), "{heard}");
                assert!(
                    heard.contains("x-amz-target: secretsmanager.getsecretvalue\r\n"),
                    "{heard}"
                );
                assert!(heard.contains("x-amz-security-token: session\r\n"), "{heard}");
                assert!(!heard.contains("hunter2"), "{heard}");
                let length = answer.split_once('{').map_or(0, |(_, rest)| rest.len() + 1);
                let (status, body) = answer.split_at(answer.len() - length);
                let told = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
                stream.write_all(told.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        (port, roots, n_asked)
    }

    fn asked(port: u16, roots: RootCertStore) -> Asked {
        let endpoint = Some(format!("https://localhost:{port}"));
        let kept = KeptPassword { endpoint, ..kept(SECRET) };
        Asked { kept, roots, timeout: Duration::from_secs(20), known: Mutex::default() }
    }

    #[tokio::test]
    async fn a_password_is_asked_for_once_in_a_while() {
        let (port, roots, n_asked) = server(r#"200 OK{"SecretString":"correct horse"}"#).await;
        let asked = asked(port, roots);
        for _ in 0..3 {
            assert_eq!(asked.credentials().await.unwrap().password(), "correct horse");
        }
        assert_eq!(n_asked.load(Ordering::Relaxed), 1);
        tokio::time::pause();
        advance(GOOD_FOR).await;
        tokio::time::resume();
        assert_eq!(asked.credentials().await.unwrap().username(), "default");
        assert_eq!(n_asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn what_was_told_is_good_while_nobody_can_be_asked() {
        let asked = asked(1, RootCertStore::empty());
        let told = BasicAuth::new("tidemark".to_owned(), "old".to_owned());
        *asked.known.lock().await = Some((Instant::now(), told));
        tokio::time::pause();
        advance(GOOD_FOR).await;
        tokio::time::resume();
        assert_eq!(asked.credentials().await.unwrap().password(), "old");
    }

    #[tokio::test]
    async fn a_keeper_that_refuses_or_is_not_trusted_tells_no_password() {
        let (port, roots, _) =
            server(r#"400 Bad Request{"__type":"ResourceNotFoundException"}"#).await;
        let error = asked(port, roots).credentials().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthenticationFailed);
        assert!(error.to_string().contains("ResourceNotFoundException for arn:"), "{error}");
        let (port, roots, _) = server(r#"503 Away{"__type":"InternalServiceError"}"#).await;
        let error = asked(port, roots).credentials().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        let (port, _, n_asked) = server(r#"200 OK{"SecretString":"correct horse"}"#).await;
        let error = asked(port, public_roots()).credentials().await.unwrap_err();
        assert!(error.to_string().contains("secretsmanager cannot be asked"), "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
        assert_eq!(n_asked.load(Ordering::Relaxed), 0);
    }
}
