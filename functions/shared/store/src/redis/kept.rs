//! A password that AWS Secrets Manager or the Parameter Store of AWS Systems Manager keeps.
//!
//! It is asked for when a connection is opened, so that it is in no variable, and a new one is known when the old one opens
//! no connection any more. An answer is good for some seconds: a Redis that is away is no reason to ask without end. Who
//! keeps it may be away, too, while what it told before still opens connections.
//!
//! Both services are asked by one `POST` (the JSON protocols of AWS), which takes no more than a signature: their SDKs would
//! weigh more than all that `ingest` has left.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::{StreamExt, once, pending};
use https::{StatusCode, Uri};
use redis::auth::{BasicAuth, StreamingCredentialsProvider};
use redis::{ErrorKind, RedisError, RedisResult};
use rustls::RootCertStore;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

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

    fn question(&self) -> String {
        let name = &self.text;
        let question = match self.keeper {
            Keeper::SecretsManager => Question::Secret { name },
            Keeper::ParameterStore => Question::Parameter { name, with_decryption: true },
        };
        serde_json::to_string(&question).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Question<'a> {
    Secret {
        #[serde(rename = "SecretId")]
        name: &'a str,
    },
    Parameter {
        #[serde(rename = "Name")]
        name: &'a str,
        #[serde(rename = "WithDecryption")]
        with_decryption: bool,
    },
}

/// What either service answers, or why it does not.
#[derive(Deserialize, Default)]
struct Answer {
    #[serde(rename = "SecretString")]
    secret: Option<String>,
    #[serde(rename = "Parameter")]
    parameter: Option<Parameter>,
    #[serde(rename = "__type")]
    fault: Option<String>,
}

#[derive(Deserialize)]
struct Parameter {
    #[serde(rename = "Value")]
    value: String,
}

/// What is kept, where it is more than a password.
#[derive(Deserialize)]
struct Login {
    username: Option<String>,
    password: String,
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
        KeptCredentials(Arc::new(Asked { kept, roots: https::amazon_roots(), timeout, known }))
    }

    /// User and password of what is kept.
    fn read(&self, text: &str) -> BasicAuth {
        let login = serde_json::from_str(text)
            .unwrap_or_else(|_| Login { username: None, password: text.trim_end().to_owned() });
        let username = self.username.clone().or(login.username);
        BasicAuth::new(username.unwrap_or_else(|| DEFAULT_USER.to_owned()), login.password)
    }

    /// Asks for it.
    async fn ask(&self, roots: RootCertStore) -> Result<BasicAuth, RedisError> {
        let (keeper, name) = (self.arn.keeper.name(), &self.arn.text);
        let (status, answer) = self.answer(roots).await.map_err(|error| {
            io::Error::other(format!("{keeper} cannot be asked for the password: {error}"))
        })?;
        let answer: Answer = serde_json::from_slice(&answer).unwrap_or_default();
        if status.is_success() {
            let text = answer.secret.or(answer.parameter.map(|it| it.value)).map(Secret::from);
            let text = text.ok_or_else(|| refused(format!("{name} is no text")))?;
            return Ok(self.read(text.expose()));
        }
        let fault = answer.fault.unwrap_or_default();
        let told = format!("{keeper} answered {status} {fault} for {name}");
        // What may go by itself is like a store that is away.
        let is_passing = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        if is_passing || fault.contains("Throttl") {
            return Err(io::Error::other(told).into());
        }
        Err(refused(told))
    }

    /// What its service answers to the question, signed.
    async fn answer(&self, roots: RootCertStore) -> io::Result<(StatusCode, Vec<u8>)> {
        let Self { arn, keys, .. } = self;
        let endpoint = self.endpoint.clone().unwrap_or_else(|| arn.endpoint());
        let uri: Uri = endpoint.parse().map_err(io::Error::other)?;
        let question = arn.question();
        let signer = Signer::new(keys, &arn.region, arn.keeper.name(), (self.clock)());
        let mut headers = vec![
            ("content-type", "application/x-amz-json-1.1"),
            ("host", https::host(&uri)),
            ("x-amz-date", signer.time()),
        ];
        headers.extend(signer.session_token().map(|token| ("x-amz-security-token", token)));
        headers.push(("x-amz-target", arn.keeper.target()));
        let authorization = signer.authorization(&headers, question.as_bytes());
        headers.push(("authorization", &authorization));
        https::post(&uri, roots, &headers, question, ANSWER_BYTES_MAX).await
    }
}

fn refused(told: String) -> RedisError {
    (ErrorKind::AuthenticationFailed, "the password is not told", told).into()
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
        let asked = timeout(self.timeout, self.kept.ask(self.roots.clone())).await;
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
        let error = asked(port, https::amazon_roots()).credentials().await.unwrap_err();
        assert!(error.to_string().contains("secretsmanager cannot be asked"), "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
        assert_eq!(n_asked.load(Ordering::Relaxed), 0);
    }
}
