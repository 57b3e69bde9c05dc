//! A stand-in for an ElastiCache with IAM: TLS in front of a Redis, and a check of the token of each connection.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use store::testbed::RedisServer;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::account::{Account, State};

pub(crate) struct Cache {
    redis: RedisServer,
    folder: TempDir,
    port: u16,
}

impl Cache {
    /// Starts one with the user `tidemark`, whose tokens the current credentials of `account` must have signed.
    pub(crate) async fn start(account: &Account) -> Self {
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        let redis = RedisServer::start();
        redis.cli(&["ACL", "SETUSER", "tidemark", "on", "nopass", "~tm:*", "+@all"]);
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), cert.pem()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (account, redis_port) = (account.state(), redis.port());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, account) = (acceptor.clone(), Arc::clone(&account));
                tokio::spawn(async move {
                    let stream = acceptor.accept(stream).await.unwrap();
                    serve(stream, redis_port, &account).await;
                });
            }
        });
        Self { redis, folder, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.port)
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Closes all connections.
    pub(crate) fn cut(&self) {
        assert_ne!(self.redis.cli(&["CLIENT", "KILL", "USER", "tidemark"]), "0");
    }
}

async fn serve(
    mut stream: tokio_rustls::server::TlsStream<TcpStream>,
    redis_port: u16,
    account: &State,
) {
    let mut bytes = vec![0; 16 << 10];
    let mut n = 0;
    // The first command, whole: `AUTH user token`.
    while !is_whole(&String::from_utf8_lossy(&bytes[..n])) {
        match stream.read(&mut bytes[n..]).await {
            Ok(n_read) if n_read > 0 => n += n_read,
            _ => return,
        }
    }
    let commands = String::from_utf8_lossy(&bytes[..n]).into_owned();
    let words: Vec<&str> = commands.split("\r\n").filter(|word| !word.starts_with('$')).collect();
    let auth = words.iter().position(|word| *word == "AUTH").unwrap();
    let is_accepted = is_accepted(words[auth + 1], words[auth + 2], account);
    // Redis itself refuses an unknown user.
    let user = if is_accepted { "\r\ntidemark\r\n" } else { "\r\nunknown0\r\n" };
    let commands = commands.replacen("\r\ntidemark\r\n", user, 1);
    let mut redis = TcpStream::connect(("127.0.0.1", redis_port)).await.unwrap();
    redis.write_all(commands.as_bytes()).await.unwrap();
    let _closed = copy_bidirectional(&mut stream, &mut redis).await;
}

/// True if a token and the end of its line have arrived.
fn is_whole(text: &str) -> bool {
    text.split_once("X-Amz-Signature=").is_some_and(|(_, rest)| rest.contains("\r\n"))
}

fn is_accepted(username: &str, token: &str, account: &State) -> bool {
    let has = |parameter: &str| token.contains(parameter);
    username == "tidemark"
        && token.starts_with("tidemark/?Action=connect&User=tidemark&ResourceType=ServerlessCache&")
        && has(&format!("&X-Amz-Credential={}%2F", account.access_key_id()))
        && has("%2Feu-central-1%2Felasticache%2Faws4_request&")
        && has("&X-Amz-Expires=900&")
        && token.ends_with(&format!("&X-Amz-Security-Token={}", account.session_token()))
}
