//! A client with one keep-alive connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for an answer, beyond every deadline of the service.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Begin of a body compressed with zstd.
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// A client of the server at an address.
#[derive(Debug, Default)]
pub(crate) struct Client {
    open: Option<(SocketAddr, BufReader<TcpStream>)>,
    /// Headers of each request, each with its end of line.
    headers: String,
}

/// A complete answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) says_when: bool,
    pub(crate) body: Value,
}

impl Client {
    /// A client with an API key.
    pub(crate) fn with_key(key: &str) -> Self {
        Self { open: None, headers: format!("Authorization: Bearer {key}\r\n") }
    }

    /// Sends samples and reads the answer; fails if the connection is closed before.
    pub(crate) async fn ingest(&mut self, to: SocketAddr, body: &str) -> io::Result<Answer> {
        self.post(to, "/ingest?verdicts=all", body.as_bytes()).await
    }

    /// Posts a body, compressed with zstd if it begins like that.
    pub(crate) async fn post(
        &mut self,
        to: SocketAddr,
        path: &str,
        body: &[u8],
    ) -> io::Result<Answer> {
        let encoding = if body.starts_with(ZSTD_MAGIC) { "Content-Encoding: zstd\r\n" } else { "" };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\n{}{encoding}Content-Length: {}\r\n\r\n",
            self.headers,
            body.len()
        );
        self.send(to, &[head.as_bytes(), body].concat()).await
    }

    /// Requests a path.
    pub(crate) async fn get(&mut self, to: SocketAddr, path: &str) -> io::Result<Answer> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{}\r\n", self.headers);
        self.send(to, head.as_bytes()).await
    }

    async fn send(&mut self, to: SocketAddr, request: &[u8]) -> io::Result<Answer> {
        let kept = self.open.take().filter(|(address, _)| *address == to);
        let mut stream = if let Some((_, stream)) = kept {
            stream
        } else {
            let stream = TcpStream::connect(to).await?;
            stream.set_nodelay(true)?;
            BufReader::new(stream)
        };
        let exchange = async {
            stream.write_all(request).await?;
            read_answer(&mut stream).await
        };
        let answer =
            timeout(ANSWER_TIMEOUT, exchange).await.expect("an answer, or a closed connection")?;
        self.open = Some((to, stream));
        Ok(answer)
    }
}

async fn read_answer(stream: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let (mut status, mut len, mut says_when) = (0, 0, false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_lowercase();
        match line.split_once(": ") {
            Some(("content-length", n)) => len = n.parse().unwrap(),
            Some(("retry-after", _)) => says_when = true,
            Some(_) => {}
            None if line.is_empty() => break,
            None => status = line.split(' ').nth(1).unwrap().parse().unwrap(),
        }
    }
    let mut body = vec![0; len];
    stream.read_exact(&mut body).await?;
    let text = String::from_utf8(body).unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answer { status, says_when, body })
}
